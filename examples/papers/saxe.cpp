// A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
// networks", arXiv 1312.6120, 2013, equation 6 and figure 3: a linear network with one hidden layer learns the
// singular vectors of the input-output correlation one by one, each along a sigmoid. A mode of strength s that starts at
// u₀ is half learned after τ/(2s)·ln(s/u₀ − 1), τ being 1 over the learning rate: strong modes first.
//
// Measured as there: y = W₂·W₁·x, inputs whitened (x runs through the unit vectors), both layers started at √u₀ in
// the directions of the modes, gradient descent on half the squared error with a small rate, in double precision.

#include <fmt/core.h>

#include <array>
#include <cmath>

#include "common/plot.h"
#include "papers/papers.h"

namespace papers {
namespace {

constexpr tg::Index size = 8;
constexpr std::array strengths{4.0, 2.0, 1.0, 0.5};
constexpr double start = 1e-3;
constexpr double lr = 5e-4;
constexpr int steps = 40000;

double half_time(double s) { return std::log(s / start - 1) / (2 * s); }  // in units of τ
double solution(double s, double t) {
  const double grown = std::exp(2 * s * t);
  return s * grown / (grown - 1 + s / start);
}

/// What became of each mode.
struct Learned {
  std::array<double, strengths.size()> half = {};  ///< t/τ at which it was half learned
  std::vector<plot::Curve> measured = {};
  std::vector<plot::Curve> theory = {};
  std::array<double, strengths.size()> before = {};

  void add(int step, std::size_t mode, double strength) {
    const double t = step * lr;
    const double target = strengths[mode] / 2;
    if (before[mode] < target && strength >= target)
      half[mode] = t - lr * (strength - target) / (strength - before[mode]);
    before[mode] = strength;
    if (step % 200 != 0 || t > 10) return;
    if (step % 800 == 0) measured[mode].add(t, strength);
    theory[mode].add(t, solution(strengths[mode], t));
  }
};

Learned train(std::uint64_t seed) {
  using Matrix = tg::f64::Matrix;
  tg::Rng rng(seed);
  const tg::Initializer orthogonal = tg::orthogonal();
  const auto rotation = [&] { return orthogonal.fill({size, size}, {size, size}, rng); };
  const Matrix left = rotation(), right = rotation(), hidden = rotation();
  Matrix s = Matrix::Zero(size, size);
  Matrix u = Matrix::Zero(size, size);
  for (tg::Index k = 0; k < static_cast<tg::Index>(strengths.size()); ++k) {
    s(k, k) = strengths[static_cast<std::size_t>(k)];
    u(k, k) = std::sqrt(start);
  }
  const tg::LinearOptions linear{.bias = false};
  tg::f64::Linear first(size, size, rng, linear), second(size, size, rng, linear);
  first.weight.set_value(hidden * u * right.transpose());
  second.weight.set_value(left * u * hidden.transpose());
  // A row is a sample: the unit vectors in, the columns of left·s·rightᵀ out.
  const Matrix x = Matrix::Identity(size, size);
  const Matrix y = right * s * left.transpose();

  tg::f64::Sgd sgd({first.weight, second.weight}, {.lr = lr});
  tg::f64::Tape tape;
  Learned learned;
  for (const double strength : strengths) learned.measured.push_back({fmt::format("s = {:g}", strength)});
  learned.theory = learned.measured;
  for (int step = 0; step <= steps; ++step) {
    const Matrix modes = left.transpose() * second.weight.value() * first.weight.value() * right;
    for (std::size_t k = 0; k < strengths.size(); ++k)
      learned.add(step, k, modes(static_cast<tg::Index>(k), static_cast<tg::Index>(k)));
    tape.reset();
    const tg::f64::Var loss = 0.5 * tg::mse(second(first(tape.input(x))), y, {.reduction = tg::Reduction::sum});
    loss.backward();
    sgd.step();
  }
  return learned;
}

}  // namespace

Result linear_network(const Options& options) {
  const Learned learned = train(options.seed);
  Result result;
  for (std::size_t k = 0; k < strengths.size(); ++k) {
    const double expected = half_time(strengths[k]);
    result.rows.push_back({fmt::format("strength {:g}: half learned at t/τ", strengths[k]),
                           fmt::format("{:.4f}", expected), 0.99 * expected, 1.01 * expected, learned.half[k]});
  }
  const plot::Figure chart{.curves = learned.theory,
                           .x = {.title = "t/τ: steps × learning rate"},
                           .y = {.title = "learned strength"},
                           .dots = learned.measured};
  result.figures = {{.name = "Linear network",
                     .title = "A linear network learns its modes one by one",
                     .unit = "dots: trained, lines: Saxe's exact solution",
                     .reading =
                         "Every mode waits, then is learned all at once; the stronger it is, the sooner. The dots "
                         "lie on the lines.",
                     .columns = 2,
                     .charts = {{"", "", plot::vega_lite(chart)}}}};
  return result;
}

}  // namespace papers
