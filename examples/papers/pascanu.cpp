// R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", arXiv 1211.5063, 2012,
// algorithm 1 and figure 6: where one layer is applied many times over, the loss has cliffs on which the gradient
// is huge; one step from there lands far away. Scaling the gradient down to a norm of at most θ keeps its direction
// and the steps small.
//
// Measured on a layer of 32 tanh units applied 50 times: the norm after clipping to θ = 1, the cosine between the
// gradient before and after, and what clipping does to a gradient that is small enough. Then, as in figure 6, gradient
// descent with and without clipping on the one-unit network x ← w·σ(x) + b, 50 times, loss (σ(x) − 0.7)².

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "papers/papers.h"

namespace papers {
namespace {

constexpr int applications = 50;
constexpr double threshold = 1;

using Parameters = std::vector<tg::f64::Parameter>;

/// All gradients as one vector.
Eigen::VectorXd gradient(const Parameters& parameters) {
  Eigen::VectorXd all(0);
  for (const tg::f64::Parameter& parameter : parameters) {
    const Eigen::VectorXd part = parameter.grad().reshaped<Eigen::RowMajor>();
    all.conservativeResize(all.size() + part.size());
    all.tail(part.size()) = part;
  }
  return all;
}

struct Clipped {
  double norm_before, norm_after, cosine;
  double change_of_small;  ///< largest difference when the norm is within the threshold
};

Clipped clip_tied_layers(std::uint64_t seed) {
  constexpr tg::Index width = 32;
  tg::Rng rng(seed);
  const tg::LinearOptions twice_the_usual{.weight_init = tg::normal(0, 2 / std::sqrt(32.0)),
                                          .bias_init = tg::zeros()};
  tg::f64::Linear layer(width, width, rng, twice_the_usual);
  tg::f64::Tape tape;
  tg::f64::Var x = tape.input(standard_normal(16, width, rng).cast<double>());
  for (int i = 0; i < applications; ++i) x = tg::tanh(layer(x));
  const tg::f64::Var loss = tg::mean(tg::square(x - tape.input(standard_normal(16, width, rng).cast<double>())));
  loss.backward();
  const Eigen::VectorXd before = gradient(layer.parameters());
  tg::clip_grad_norm(layer.parameters(), threshold);
  const Eigen::VectorXd after = gradient(layer.parameters());
  // It is now within a threshold of twice its size, which must leave it as it is.
  tg::clip_grad_norm(layer.parameters(), 2 * threshold);
  return {before.norm(), after.norm(), before.dot(after) / (before.norm() * after.norm()),
          (gradient(layer.parameters()) - after).cwiseAbs().maxCoeff()};
}

/// The loss of the one-unit network for every row of w and b.
tg::f64::Var one_unit_loss(tg::f64::Var w, tg::f64::Var b) {
  tg::f64::Var x = 0 * w + 0.5;
  for (int i = 0; i < applications; ++i) x = w * tg::sigmoid(x) + b;
  return tg::square(tg::sigmoid(x) - 0.7);
}

struct Step {
  double w, b, loss, length;
};

std::vector<Step> descend(bool clip, double w, double b, double lr, int steps) {
  tg::f64::Matrix value(1, 1);
  value << w;
  tg::f64::Parameter weight("w", value);
  value << b;
  tg::f64::Parameter bias("b", value);
  const Parameters parameters{weight, bias};
  tg::f64::Sgd sgd(parameters, {.lr = lr});
  tg::f64::Tape tape;
  std::vector<Step> path;
  for (int step = 0; step < steps; ++step) {
    tape.reset();
    const tg::f64::Var loss = one_unit_loss(tape.parameter(weight), tape.parameter(bias));
    loss.backward();
    const Step now{weight.value()(0, 0), bias.value()(0, 0), loss.item(), 0};
    if (clip) tg::clip_grad_norm(parameters, threshold);
    sgd.step();
    path.push_back(now);
    path.back().length = std::hypot(weight.value()(0, 0) - now.w, bias.value()(0, 0) - now.b);
  }
  return path;
}

double longest(const std::vector<Step>& path) {
  return std::max_element(path.begin(), path.end(),
                          [](const Step& a, const Step& b) { return a.length < b.length; })
      ->length;
}

struct Window {
  double w_low, w_high, b_low, b_high;
};

/// The loss as ground, and a path over it.
Json landscape(const Window& window, const std::vector<Step>& path) {
  constexpr int cells = 60;
  const double dw = (window.w_high - window.w_low) / cells;
  const double db = (window.b_high - window.b_low) / cells;
  tg::f64::Matrix w(cells * cells, 1), b(cells * cells, 1);
  for (int i = 0; i < cells * cells; ++i) {
    w(i, 0) = window.w_low + (i % cells + 0.5) * dw;
    b(i, 0) = window.b_low + (i / cells + 0.5) * db;
  }
  tg::f64::Tape tape;
  const auto no_grad = tape.no_grad();
  const tg::f64::Matrix loss = one_unit_loss(tape.input(w), tape.input(b)).value();
  Json ground = Json::array();
  for (int i = 0; i < cells * cells; ++i) {
    const auto rounded = [](double value) { return std::round(1000 * value) / 1000; };
    // Cells reach a little into the next one, so that no seam shows.
    ground.push_back({{"w", rounded(w(i, 0) - dw / 2)},
                      {"w2", rounded(w(i, 0) + 0.6 * dw)},
                      {"b", rounded(b(i, 0) - db / 2)},
                      {"b2", rounded(b(i, 0) + 0.6 * db)},
                      {"loss", rounded(loss(i, 0))}});
  }
  Json points = Json::array();
  for (std::size_t i = 0; i < path.size(); ++i)
    points.push_back({{"w", path[i].w}, {"b", path[i].b}, {"loss", path[i].loss}, {"step", i}});
  Json spec = Json::parse(R"json({
    "width": "container", "height": 300,
    "layer": [
      {"mark": {"type": "rect", "tooltip": false},
       "encoding": {"x": {"field": "w", "type": "quantitative"}, "x2": {"field": "w2"},
                    "y": {"field": "b", "type": "quantitative"}, "y2": {"field": "b2"},
                    "color": {"field": "loss", "type": "quantitative", "title": "loss"}}},
      {"mark": {"type": "line", "style": "path", "clip": true, "strokeWidth": 1.4, "color": "#d55e00"},
       "encoding": {"x": {"field": "w", "type": "quantitative"}, "y": {"field": "b", "type": "quantitative"},
                    "order": {"field": "step"}}},
      {"mark": {"type": "point", "filled": true, "clip": true, "size": 26, "color": "#d55e00", "tooltip": true},
       "encoding": {"x": {"field": "w", "type": "quantitative", "title": "weight w"},
                    "y": {"field": "b", "type": "quantitative", "title": "bias b"},
                    "tooltip": [{"field": "step"}, {"field": "w", "format": ".3f"}, {"field": "b", "format": ".3f"},
                                {"field": "loss", "format": ".3f"}]}}]
  })json");
  spec["layer"][0]["data"]["values"] = ground;
  spec["layer"][0]["encoding"]["x"]["scale"] = {{"domain", {window.w_low, window.w_high}}, {"nice", false}};
  spec["layer"][0]["encoding"]["y"]["scale"] = {{"domain", {window.b_low, window.b_high}}, {"nice", false}};
  spec["layer"][1]["data"]["values"] = points;
  spec["layer"][2]["data"]["values"] = points;
  return spec;
}

}  // namespace

Result clipping(const Options& options) {
  const Clipped tied = clip_tied_layers(options.seed);
  constexpr double lr = 0.2;
  const std::vector<Step> clipped = descend(true, 5.0, -2.2, lr, 60);
  const std::vector<Step> free = descend(false, 5.0, -2.2, lr, 60);
  Result result;
  result.rows = {{"50 tied layers: ‖g‖ before clipping", "explodes", 10 * threshold, infinity, tied.norm_before},
                 {"50 tied layers: ‖g‖ after, over θ", "≤ 1", 1 - 1e-5, 1, tied.norm_after / threshold},
                 {"50 tied layers: cosine of the two", "1", 1 - 1e-12, 1 + 1e-12, tied.cosine},
                 {"change of a gradient below θ", "0", 0, 0, tied.change_of_small},
                 {"one unit: longest step/(lr·θ)", "≤ 1", 0, 1, longest(clipped) / (lr * threshold)},
                 {"one unit, not clipped: the same", "> 1", 1, infinity, longest(free) / (lr * threshold)}};
  const Window window{4, 6, -3.2, -1.4};
  result.figures = {
      {.name = "Clipping",
       .title = "A cliff in the loss, and steps that stay short",
       .unit = "one sigmoid unit applied 50 times, loss by weight and bias",
       .reading = "Both descents meet the cliff; without clipping one step is thrown far out of the "
                  "picture, with clipping it goes on along the cliff.",
       .columns = 2,
       .charts = {{"Without clipping", "", landscape(window, free)},
                  {fmt::format("With clipping to θ = {:g}", threshold), "", landscape(window, clipped)}}}};
  return result;
}

}  // namespace papers
