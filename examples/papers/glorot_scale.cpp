// X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
// figures 6 and 7: with the weights of the time, U(±1/√n), activations shrink from layer to layer on their way up and
// gradients on their way down; with normalized initialization, U(±√(6/(n_in + n_out))), both keep their size better.
//
// Measured before any training on 5 hidden layers of 1000 tanh units over standard normal inputs: the standard
// deviation of every layer's output, and the ratio of RMS ∂L/∂z from one layer to the one before. Without the slope
// of tanh theory says √3 for U(±1/√n): Var(W) = 1/(3n).

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/plot.h"
#include "papers/papers.h"

namespace papers {
namespace {

constexpr int depth = 5;
constexpr tg::Index width = 1000;

struct Scale {
  std::vector<double> stds;       ///< of the outputs, by layer
  std::vector<double> gradients;  ///< RMS ∂L/∂z, by layer
  /// How much larger the gradient is in the next layer, by layer.
  std::vector<double> ratios() const {
    std::vector<double> result;
    for (std::size_t i = 0; i + 1 < gradients.size(); ++i) result.push_back(gradients[i + 1] / gradients[i]);
    return result;
  }
};

Scale measure(const tg::Initializer& init, std::uint64_t seed) {
  tg::Rng rng(seed);
  std::vector<tg::Index> sizes(depth + 1, width);
  sizes.push_back(10);
  tg::Sequential net = tg::mlp(sizes, tg::Tanh(), rng, {.linear = {.weight_init = init, .bias_init = tg::zeros()}});
  const tg::Matrix x = standard_normal(300, width, rng);
  std::vector<int> labels;
  for (tg::Index i = 0; i < x.rows(); ++i) labels.push_back(static_cast<int>(rng.below(10)));

  tg::Monitor monitor(net);
  tg::Tape tape;
  const tg::Var loss = tg::cross_entropy(net(tape.input(x)), labels);
  loss.backward();
  monitor.step(loss);
  Scale scale;
  for (const tg::LayerRecord& layer : monitor.record().layers) {
    if (layer.activation == "output") continue;
    scale.stds.push_back(layer.steps.back().std);
    scale.gradients.push_back(layer.steps.back().gradient_rms);
  }
  return scale;
}

Json chart(const Scale& standard, const Scale& normalized, std::vector<double> Scale::*of,
           const std::string& what) {
  std::vector<plot::Curve> curves{{"U(±1/√n)"}, {"normalized"}};
  for (std::size_t i = 0; i < depth; ++i) {
    curves[0].add(static_cast<double>(i + 1), (standard.*of)[i]);
    curves[1].add(static_cast<double>(i + 1), (normalized.*of)[i]);
  }
  return plot::vega_lite({.curves = curves,
                          .x = {.title = "layer", .format = "d"},
                          .y = {.title = what, .logarithmic = true, .format = ".3~g"},
                          .dots = curves});
}

}  // namespace

Result scale(const Options& options) {
  const Scale standard = measure(tg::uniform_fan_in(), options.seed);
  const Scale normalized = measure(tg::xavier_uniform(), options.seed);
  Result result;
  const auto within_tenth = [&](const std::string& name, double expected, double measured) {
    result.rows.push_back({name, fmt::format("{:.3f}", expected), 0.9 * expected, 1.1 * expected, measured});
  };
  within_tenth("U(±1/√n): std of layer 1", 0.451, standard.stds.front());
  within_tenth("U(±1/√n): std of layer 5", 0.046, standard.stds.back());
  within_tenth("normalized: std of layer 1", 0.596, normalized.stds.front());
  within_tenth("normalized: std of layer 5", 0.317, normalized.stds.back());
  const auto ratio = [&](const std::string& name, const std::string& expected, double low, double high,
                         const Scale& scale) {
    const std::vector<double> ratios = scale.ratios();
    result.rows.push_back(
        {name + ", smallest", expected, 0.9 * low, 1.1 * high, *std::min_element(ratios.begin(), ratios.end())});
    result.rows.push_back(
        {name + ", largest", expected, 0.9 * low, 1.1 * high, *std::max_element(ratios.begin(), ratios.end())});
  };
  ratio("U(±1/√n): gradient ratio", "1.74-2.11", 1.74, 2.11, standard);
  ratio("normalized: gradient ratio", "1.12-1.40", 1.12, 1.40, normalized);
  result.figures = {
      {.name = "Scale",
       .title = "What initialization does to activations and gradients",
       .unit = "5 layers of 1000 tanh units before training, log scale",
       .reading = "Activations shrink to the right, gradients to the left; with normalized initialization "
                  "both stay far flatter.",
       .columns = 2,
       .charts = {{"Standard deviation of the outputs", "",
                   chart(standard, normalized, &Scale::stds, "std of the outputs")},
                  {"Size of the gradient", "", chart(standard, normalized, &Scale::gradients, "RMS ∂L/∂z")}}}};
  return result;
}

}  // namespace papers
