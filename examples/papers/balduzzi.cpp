// D. Balduzzi, M. Frean, L. Leary, J. Lewis, K. Ma and B. McWilliams, "The Shattered Gradients Problem: If resnets are the
// answer, then what is the question?", ICML 2017, figures 1 and 2: the deeper a ReLU network, the more its gradient with
// respect to the input looks like white noise: neighbouring inputs have unrelated gradients. Residual connections
// keep them related.
//
// Measured as there: one input on 256 points from −2 to 2, layers of 200 ReLU units with He initialization (biases
// too), df/dx at every point, and its autocorrelation, averaged over networks. The residual network adds 0.1 of
// each layer's output to its input.

#include <fmt/core.h>

#include <cmath>

#include "common/plot.h"
#include "papers/papers.h"

namespace papers {
namespace {

constexpr tg::Index width = 200;
constexpr tg::Index points = 256;
constexpr std::size_t lags = 31;

/// df/dx at every point of one random network.
std::vector<double> input_gradient(int depth, bool residual, tg::Rng& rng) {
  const tg::LinearOptions linear{.weight_init = tg::he_normal(), .bias_init = tg::he_normal()};
  tg::Tape tape;
  tg::Matrix grid(points, 1);
  for (tg::Index i = 0; i < points; ++i)
    grid(i, 0) = static_cast<float>(-2 + 4.0 * static_cast<double>(i) / (points - 1));
  const tg::Var x = tape.input(grid, {.requires_grad = true});
  tg::Linear first(1, width, rng, linear);
  tg::Var y = tg::relu(first(x));
  for (int layer = 1; layer < depth; ++layer) {
    tg::Linear weights(width, width, rng, linear);
    y = residual ? y + 0.1 * weights(tg::relu(y)) : tg::relu(weights(y));
  }
  tg::Linear last(width, 1, rng, linear);
  tg::sum(last(y)).backward();
  std::vector<double> gradient;
  for (tg::Index i = 0; i < points; ++i) gradient.push_back(static_cast<double>(x.grad()(i, 0)));
  return gradient;
}

double autocorrelation(const std::vector<double>& values, std::size_t lag) {
  double mean = 0;
  for (const double v : values) mean += v / static_cast<double>(values.size());
  double together = 0, alone = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    alone += (values[i] - mean) * (values[i] - mean);
    if (i + lag < values.size()) together += (values[i] - mean) * (values[i + lag] - mean);
  }
  return alone > 0 ? together / alone : 1;
}

struct Network {
  std::string name;
  int depth;
  bool residual;
  double expected;  ///< at lag 15
};

}  // namespace

Result shattered_gradients(const Options& options) {
  const std::vector<Network> networks{{"depth 1", 1, false, 0.69},
                                      {"depth 10", 10, false, 0.50},
                                      {"depth 24", 24, false, 0.28},
                                      {"depth 50", 50, false, 0.05},
                                      {"depth 50, residual", 50, true, 0.87}};
  const int repetitions = options.quick ? 20 : 50;
  std::vector<plot::Curve> correlations;
  page::Section figure{.name = "Shattering",
                       .title = "Deep gradients look like white noise",
                       .unit = "df/dx of random ReLU networks with one input",
                       .reading =
                           "One layer: the gradient changes slowly with the input. 24 and more: neighbouring "
                           "inputs have unrelated gradients. With residual connections they are related again.",
                       .columns = 2,
                       .charts = {}};
  Result result;
  for (const Network& network : networks) {
    tg::Rng rng(options.seed);
    plot::Curve mean{.name = network.name, .y = std::vector<double>(lags)};
    for (std::size_t lag = 0; lag < lags; ++lag) mean.x.push_back(static_cast<double>(lag));
    for (int i = 0; i < repetitions; ++i) {
      const std::vector<double> gradient = input_gradient(network.depth, network.residual, rng);
      for (std::size_t lag = 0; lag < lags; ++lag) mean.y[lag] += autocorrelation(gradient, lag) / repetitions;
      if (i > 0 || network.depth == 10 || network.depth == 24) continue;
      plot::Curve s{.name = network.name, .y = gradient};
      for (tg::Index k = 0; k < points; ++k) s.x.push_back(-2 + 4.0 * static_cast<double>(k) / (points - 1));
      figure.charts.push_back(
          {network.name, "", plot::vega_lite({.curves = {s}, .x = {.title = "x"}, .y = {.title = "df/dx"}}, 150)});
    }
    // Only the order counts, so each is compared with the one before.
    const double before = correlations.empty() ? 1 : correlations.back().y[15];
    result.rows.push_back({"at lag 15, " + network.name, fmt::format("{:.2f}", network.expected),
                           network.residual ? correlations.front().y[15] : -1, network.residual ? 1 : before,
                           mean.y[15]});
    correlations.push_back(mean);
  }
  figure.charts.push_back({"Autocorrelation by lag", "",
                           plot::vega_lite({.curves = correlations,
                                            .x = {.title = "lag", .format = "d"},
                                            .y = {.title = "autocorrelation", .low = -0.2, .high = 1}})});
  result.figures = {figure};
  return result;
}

}  // namespace papers
