#include "job.h"

#include <tapegrad/core/error.h>
#include <tapegrad/core/rng.h>

#include <algorithm>
#include <cmath>

namespace bench {
namespace {

std::vector<Layer> stack(std::vector<int> widths, Activation hidden, Activation last) {
  std::vector<Layer> layers;
  for (std::size_t i = 1; i < widths.size(); ++i)
    layers.push_back({widths[i - 1], widths[i], i + 1 == widths.size() ? last : hidden});
  return layers;
}

std::vector<float> uniform(std::size_t count, double bound, tapegrad::Rng& rng) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(rng.uniform(-bound, bound));
  return values;
}

/// The class of a sample is that of a random linear map with the largest output, so there is something to learn.
int teacher_label(const float* x, int inputs, const std::vector<float>& teacher, int classes) {
  int best = 0;
  double best_score = -1e30;
  for (int c = 0; c < classes; ++c) {
    double score = 0;
    for (int i = 0; i < inputs; ++i)
      score += static_cast<double>(x[i]) * static_cast<double>(teacher[static_cast<std::size_t>(c * inputs + i)]);
    if (score > best_score) best = c;
    best_score = std::max(best_score, score);
  }
  return best;
}

}  // namespace

double Job::flops_per_step() const {
  double flops = 0;
  for (std::size_t i = 0; i < layers.size(); ++i)
    flops += (i == 0 ? 2 : 3) * 2.0 * batch * layers[i].in * layers[i].out;
  return flops;
}

const std::vector<Job>& jobs() {
  using enum Activation;
  static const std::vector<Job> all = [] {
    std::vector<int> deep(21, 32);
    deep.push_back(10);
    const auto images = stack({784, 128, 10}, relu, identity);
    return std::vector<Job>{
        {"A", "XOR 2-8-1 tanh, sigmoid, squared error, SGD, batch 4", stack({2, 8, 1}, tanh, sigmoid),
         Loss::squared_error, Optimizer::sgd, 0.5F, 4, 1, false},
        {"B32", "784-128-10 ReLU, cross-entropy, SGD, batch 32", images, Loss::cross_entropy, Optimizer::sgd, 0.05F,
         32, 32, true},
        {"B256", "784-128-10 ReLU, cross-entropy, SGD, batch 256", images, Loss::cross_entropy, Optimizer::sgd,
         0.05F, 256, 4, true},
        {"C", "784-512-512-10 ReLU, cross-entropy, Adam, batch 128", stack({784, 512, 512, 10}, relu, identity),
         Loss::cross_entropy, Optimizer::adam, 0.0002F, 128, 8, true},
        {"D", "32 inputs, 20 x 32 tanh, 10 classes, cross-entropy, SGD, batch 16", stack(deep, tanh, identity),
         Loss::cross_entropy, Optimizer::sgd, 0.05F, 16, 64, false},
    };
  }();
  return all;
}

const Job& job(std::string_view name) {
  for (const Job& one : jobs())
    if (one.name == name) return one;
  tapegrad::fail("bench", "no job named '" + std::string(name) + "'; there are A, B32, B256, C, D");
}

Data make_data(const Job& job) {
  tapegrad::Rng rng(42);
  Data data;
  for (const Layer& layer : job.layers) {
    const double fan_in = layer.in;
    const double bound =
        layer.activation == Activation::relu ? std::sqrt(6 / fan_in) : std::sqrt(6 / (fan_in + layer.out));
    data.weights.push_back(uniform(static_cast<std::size_t>(layer.in * layer.out), bound, rng));
    data.biases.push_back(uniform(static_cast<std::size_t>(layer.out), 1 / std::sqrt(fan_in), rng));
  }
  if (job.loss == Loss::squared_error) {
    data.inputs = {0, 0, 0, 1, 1, 0, 1, 1};
    data.targets = {0, 1, 1, 0};
    return data;
  }
  const int samples = job.batch * job.batches;
  data.inputs = uniform(static_cast<std::size_t>(samples * job.inputs()), 1, rng);
  const auto teacher = uniform(static_cast<std::size_t>(job.inputs() * job.outputs()), 1, rng);
  for (int i = 0; i < samples; ++i)
    data.labels.push_back(
        teacher_label(data.inputs.data() + i * job.inputs(), job.inputs(), teacher, job.outputs()));
  return data;
}

}  // namespace bench
