// G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-Normalizing Neural Networks", NIPS 2017, theorem 1 and
// figure 1: with SELU and weights of variance 1/n, mean 0 and variance 1 of the activations are a stable fixed
// point: through any number of layers they come back to it.
//
// Measured before any training on 100 layers of 256 SELU units over standard normal inputs: mean and standard deviation
// of the outputs of every layer; beside it ReLU and tanh with the same weights. And by quadrature E f′(z)² for a
// standard normal z, by which the squared gradient changes in a layer.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "common/plot.h"
#include "papers/papers.h"

namespace papers {
namespace {

constexpr std::size_t depth = 100;
constexpr tg::Index width = 256;

struct Moments {
  std::string name;
  std::vector<double> means;  ///< by layer
  std::vector<double> stds;
};

Moments measure(const std::string& name, std::uint64_t seed) {
  tg::Rng rng(seed);
  const tg::LinearOptions linear{.weight_init = tg::lecun_normal(), .bias_init = tg::zeros()};
  const tg::Activation f = tg::activation(name);
  tg::Tape tape;
  const auto no_grad = tape.no_grad();
  tg::Var y = tape.input(standard_normal(1024, width, rng));
  Moments moments{.name = name, .means = {}, .stds = {}};
  for (std::size_t layer = 0; layer < depth; ++layer) {
    tg::Linear weights(width, width, rng, linear);
    y = f(weights(y));
    const Eigen::ArrayXXd values = y.value().cast<double>().array();
    moments.means.push_back(values.mean());
    moments.stds.push_back(std::sqrt((values - values.mean()).square().mean()));
  }
  return moments;
}

/// E f′(z)² over a standard normal z, by the midpoint rule on [−12, 12]; 0, where f′ jumps, is a boundary of cells.
double mean_squared_slope(const tg::Activation& f) {
  constexpr int cells = 240000;
  constexpr double h = 24.0 / cells;
  double sum = 0;
  for (int i = 0; i < cells; ++i) {
    const double z = -12 + (i + 0.5) * h;
    const double slope = f.slope(z);
    sum += h * slope * slope * std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  }
  return sum;
}

Json by_layer(const std::vector<Moments>& networks, std::vector<double> Moments::*of, const std::string& what,
              double fixed_point) {
  plot::Figure figure{.curves = {},
                      .x = {.title = "layer", .format = "d"},
                      .y = {.title = what, .low = -0.2, .high = 1.2},
                      .levels = {{fixed_point, fmt::format("{:g}", fixed_point)}}};
  for (const Moments& network : networks) {
    figure.curves.push_back({network.name});
    for (std::size_t i = 0; i < depth; ++i) figure.curves.back().add(static_cast<double>(i + 1), (network.*of)[i]);
  }
  return plot::vega_lite(figure);
}

}  // namespace

Result self_normalizing(const Options& options) {
  const std::vector<Moments> networks{measure("selu", options.seed), measure("tanh", options.seed),
                                      measure("relu", options.seed)};
  const Moments& selu = networks.front();
  const auto [lowest, highest] = std::minmax_element(selu.means.begin(), selu.means.end());
  const auto [narrowest, widest] = std::minmax_element(selu.stds.begin(), selu.stds.end());
  Result result;
  result.rows = {{"mean of any of 100 layers, lowest", "0", -0.1, 0.1, *lowest},
                 {"mean of any of 100 layers, highest", "0", -0.1, 0.1, *highest},
                 {"std of any of 100 layers, lowest", "1", 0.9, 1.1, *narrowest},
                 {"std of any of 100 layers, highest", "1", 0.9, 1.1, *widest},
                 {"E f′(z)²", "1.0716", 1.07155, 1.07165, mean_squared_slope(tg::activation("selu"))}};
  result.figures = {
      {.name = "SELU",
       .title = "SELU keeps mean 0 and variance 1",
       .unit = "100 layers of 256 units before training, the same weights",
       .reading = "Through 100 layers SELU's outputs stay at their fixed point; with the same weights "
                  "those of tanh fade and those of ReLU are gone after twenty.",
       .columns = 2,
       .charts = {{"Mean of the outputs", "", by_layer(networks, &Moments::means, "mean", 0)},
                  {"Standard deviation of the outputs", "", by_layer(networks, &Moments::stds, "std", 1)}}}};
  return result;
}

}  // namespace papers
