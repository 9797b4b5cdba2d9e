// L. Lu, Y. Shin, Y. Su and G. Karniadakis, "Dying ReLU and Initialization: Theory and Numerical Examples", arXiv
// 1903.06733, 2019, theorem and figures on networks that are born dead: somewhere all units of a layer are off for
// every input, so the output is constant and nothing can be learned. The narrower and deeper, the likelier; the
// probability is at most 1 − (1 − 2⁻ᴺ)^(L−1) for L layers of width N.
//
// Measured as there: one input, He initialization, biases 0, L layers (L − 1 hidden ones). Without biases f(c·x) =
// c·f(x) for c > 0, so the two inputs 1 and −1 stand for all of them and the answer is exact for each network.

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/plot.h"
#include "papers/papers.h"

namespace papers {
namespace {

/// The number of the first hidden layer that is off for both inputs, or depth + 1.
std::size_t first_dead_layer(tg::Index width, std::size_t depth, tg::Tape& tape, tg::Rng& rng) {
  tape.reset();
  const auto no_grad = tape.no_grad();
  tg::Matrix both(2, 1);
  both << 1, -1;
  tg::Var y = tape.input(both);
  const tg::LinearOptions linear{.bias = false, .weight_init = tg::he_normal()};
  for (std::size_t layer = 1; layer <= depth; ++layer) {
    tg::Linear weights(y.cols(), width, rng, linear);
    y = tg::relu(weights(y));
    if ((y.value().array() == 0).all()) return layer;
  }
  return depth + 1;
}

/// Share of `networks` that are dead by each number of hidden layers from 1 to `depth`.
std::vector<double> dead_shares(tg::Index width, std::size_t depth, int networks, std::uint64_t seed) {
  tg::Rng rng(seed + static_cast<std::uint64_t>(width));
  tg::Tape tape;
  std::vector<double> dead(depth);
  for (int i = 0; i < networks; ++i)
    for (std::size_t layer = first_dead_layer(width, depth, tape, rng); layer <= depth; ++layer)
      dead[layer - 1] += 1.0 / networks;
  return dead;
}

double bound(tg::Index width, std::size_t layers) {
  return 1 - std::pow(1 - std::exp2(-static_cast<double>(width)), static_cast<double>(layers - 1));
}

/// The shares as cells by number of layers (x) and width (y), row by row.
Json map(const std::vector<double>& x, const std::vector<double>& y, const std::vector<double>& shares) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t k = 0; k < x.size(); ++k)
      rows.push_back({{"layers", x[k]}, {"width", y[i]}, {"born dead", shares[i * x.size() + k]}});
  const auto axis = [](const char* field, const char* sort) {
    return Json{{"field", field}, {"type", "ordinal"}, {"sort", sort}, {"axis", {{"labelAngle", 0}}}};
  };
  const Json share{{"field", "born dead"}, {"type", "quantitative"}};
  Json colour = share, text = share;
  colour["scale"] = {{"domain", {0, *std::max_element(shares.begin(), shares.end())}}};
  colour["legend"] = nullptr;
  text["format"] = ".0%";
  return {
      {"width", "container"},
      {"height", 280},
      {"data", {{"values", rows}}},
      {"encoding", {{"x", axis("layers", "ascending")}, {"y", axis("width", "descending")}}},
      {"layer", Json::array({{{"mark", {{"type", "rect"}, {"tooltip", true}}}, {"encoding", {{"color", colour}}}},
                             {{"mark", {{"type", "text"}, {"fontSize", 10}}},
                              {"encoding", {{"text", text}, {"color", nullptr}}}}})}};
}

}  // namespace

Result dead_at_birth(const Options& options) {
  constexpr int networks = 40000;
  constexpr std::size_t depth = 19;  // hidden layers on the map; the rows have 9
  constexpr std::array<tg::Index, 7> widths{2, 3, 4, 5, 6, 8, 10};
  constexpr std::array<std::size_t, 7> map_layers{3, 5, 8, 10, 13, 16, 20};
  Result result;
  std::vector<double> cells;
  std::vector<plot::Curve> measured;
  std::vector<plot::Curve> theory;
  for (const tg::Index width : widths) {
    const std::vector<double> dead = dead_shares(width, depth, networks, options.seed);
    for (const std::size_t layers : map_layers) cells.push_back(dead[layers - 2]);
    const std::string name = fmt::format("width {}", width);
    const auto row = [&](double published) {
      result.rows.push_back({fmt::format("{}: born dead, 10 layers", name), fmt::format("{:g}", published),
                             std::max(0.0, published - 0.01), published + 0.01, dead[8]});
      result.rows.push_back({fmt::format("{}: share below the bound", name),
                             fmt::format("≤ {:.3g}", bound(width, 10)), 0, bound(width, 10), dead[8]});
      measured.push_back({name});
      theory.push_back({name});
      for (std::size_t hidden = 1; hidden <= depth; ++hidden) {
        measured.back().add(static_cast<double>(hidden + 1), dead[hidden - 1]);
        theory.back().add(static_cast<double>(hidden + 1), bound(width, hidden + 1));
      }
    };
    if (width == 2) row(0.878);
    if (width == 3) row(0.577);
    if (width == 5) row(0.130);
    if (width == 10) row(0.0013);
  }
  const plot::Figure curves{.curves = theory,
                            .x = {.title = "layers", .format = "d"},
                            .y = {.title = "born dead", .low = 0, .high = 1, .format = ".0%"},
                            .dots = measured,
                            .colours = plot::Colours::ordinal};
  const std::vector<double> x(map_layers.begin(), map_layers.end());
  const std::vector<double> y(widths.begin(), widths.end());
  result.figures = {{.name = "Born dead",
                     .title = "Networks that are dead at birth",
                     .unit = fmt::format("share of {} ReLU networks with one input", networks),
                     .reading =
                         "Deep and narrow networks are almost always born dead, wide ones hardly ever. Right: dots "
                         "are measured, lines the theorem's upper bound.",
                     .columns = 2,
                     .charts = {{"Share by depth and width", "", map(x, y, cells)},
                                {"Measured share and bound", "", plot::vega_lite(curves)}}}};
  return result;
}

}  // namespace papers
