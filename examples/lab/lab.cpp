#include "lab.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/parallel.h"
#include "common/training.h"

namespace lab {
namespace {

std::vector<Eigen::RowVectorXd> unit_means(tg::Sequential& net, const tg::Matrix& inputs) {
  tg::Tape tape;
  const auto no_grad = tape.no_grad();
  std::vector<Eigen::RowVectorXd> means;
  tg::Var x = tape.input(inputs);
  for (std::size_t i = 0; i + 1 < net.size(); ++i) {
    x = net[i](x);
    if (i % 2 == 1) means.push_back(x.value().cast<double>().colwise().mean());
  }
  return means;
}

/// Weight and bias of one layer after the other, the rate growing towards the input.
std::vector<tg::BasicParameterGroup<float>> by_layer(tg::Sequential& net, const TrainingOptions& options) {
  std::vector<tg::BasicParameterGroup<float>> groups;
  const auto last = static_cast<double>(options.hidden.size());
  for (std::size_t i = 0; i < net.size(); i += 2) {
    const double layers_above = last - static_cast<double>(i / 2);
    groups.push_back({.parameters = net[i].parameters(),
                      .lr = options.lr * std::pow(options.rate_factor, layers_above),
                      .weight_decay = {}});
  }
  return groups;
}

}  // namespace

double Training::mean_loss() const {
  double sum = 0;
  for (const double value : loss) sum += value;
  return sum / static_cast<double>(loss.size());
}

Training train(const tg::Dataset& data, const tg::Dataset& test, const tg::Activation& f,
               const TrainingOptions& options) {
  tg::Rng rng(options.seed);
  tg::Sequential net = tg::mlp(training::sizes(data, options.hidden), f, rng,
                               {.linear = {.weight_init = options.weights, .bias_init = tg::zeros()}});
  const tg::Matrix sample = data.inputs.topRows(std::min<tg::Index>(data.size(), 1000));
  Training result;
  result.unit_means_before = unit_means(net, sample);
  tg::Sgd sgd(by_layer(net, options), {.lr = options.lr});
  tg::Rng order = rng.split();
  tg::Loader loader(data, {.batch = options.batch, .shuffle = order});
  tg::Tape tape;
  double sum = 0;
  tg::Index summed = 0;
  for (tg::Index step = 0; step < options.steps;) {
    for (auto& [x, labels] : loader) {
      tape.reset();
      const tg::Var loss = tg::cross_entropy(net(tape.input(x)), labels);
      loss.backward();
      if (options.noise > 0) {
        const double width = std::sqrt(3 * options.noise / std::pow(1.0 + static_cast<double>(step), 0.55));
        for (const tg::Parameter& parameter : sgd.parameters())
          for (float& g : parameter.mutable_grad().reshaped()) g += static_cast<float>(rng.uniform(-width, width));
      }
      sgd.step();
      sum += loss.item();
      ++summed;
      if (++step % std::max<tg::Index>(options.steps / 10, 1) == 0) {
        result.loss.push_back(sum / static_cast<double>(summed));
        sum = 0;
        summed = 0;
      }
      if (step == options.steps) break;
    }
  }
  result.unit_means_after = unit_means(net, sample);
  result.train_accuracy = training::evaluate(net, data).accuracy;
  result.test_accuracy = training::evaluate(net, test).accuracy;
  return result;
}

int Lab::repeats(int full) const { return std::max(1, static_cast<int>(std::lround(full * effort))); }

void Lab::use_images(tg::Dataset train, tg::Dataset test) {
  train_images_ = std::make_unique<tg::Dataset>(std::move(train));
  test_images_ = std::make_unique<tg::Dataset>(std::move(test));
}

const tg::Dataset& Lab::train_images() {
  if (!train_images_)
    train_images_ = std::make_unique<tg::Dataset>(tg::load_mnist(data_dir, tg::Split::train, 20000));
  return *train_images_;
}

const tg::Dataset& Lab::test_images() {
  if (!test_images_) test_images_ = std::make_unique<tg::Dataset>(tg::load_mnist(data_dir, tg::Split::test));
  return *test_images_;
}

const std::vector<Training>& Lab::five_seeds(const tg::Activation& f) {
  const auto [entry, is_new] = trained_.try_emplace(f.text());
  if (is_new) {
    std::vector<Training>& runs = entry->second;
    runs.resize(5);
    const tg::Dataset& data = train_images();
    const tg::Dataset& test = test_images();
    example::two_at_a_time(runs.size(), [&](std::size_t i) {
      runs[i] = train(data, test, f, {.steps = repeats(2000), .seed = seed + i});
    });
  }
  return entry->second;
}

}  // namespace lab
