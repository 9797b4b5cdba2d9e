// A network that learns the solution of y″ = −y from nothing but the equation (Lagaris et al. 1998): its loss is made of
// its own second derivative, so training needs the third.

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "common/plot.h"
#include "common/terminal.h"
#include "curvature/curvature.h"

namespace curvature {

namespace tg = tapegrad::f64;
using tapegrad::Index;
using tapegrad::Rng;
using terminal::Color;
using Vector = Eigen::VectorXd;

example::Json solve_equation(std::uint64_t seed, int steps, page::Section& section) {
  constexpr Index points = 50;
  constexpr double end = 2 * std::numbers::pi;
  Rng rng(seed);
  tg::Sequential net = tg::mlp({1, 32, 32, 1}, tapegrad::Tanh(), rng);
  // e + e²·net(x) with e = 1 − e⁻ˣ begins at 0 with slope 1, whatever the network says.
  const auto solution = [&](tg::Var x) {
    const tg::Var e = 1 - tapegrad::exp(-x);
    return e + e * e * net(x * (2 / end) - 1);
  };
  const tg::Matrix grid = Vector::LinSpaced(points, 0, end);
  tg::Adam adam(net.parameters(), {.lr = 0.01});
  const tapegrad::CosineSchedule schedule{.base_lr = 0.01, .t_max = steps};
  tg::Tape tape;
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    tape.reset();
    const tg::Var x = tape.input(grid, {.requires_grad = true});
    const tg::Var y = solution(x);
    const tg::Var slope = tapegrad::grad(tapegrad::sum(y), {x})[0];
    const tg::Var curvature = tapegrad::grad(tapegrad::sum(slope), {x})[0];
    const tg::Var loss = tapegrad::mean(tapegrad::square(curvature + y));
    loss.backward();  // the third derivative of the network
    losses.push_back(loss.item());
    adam.set_lr(schedule.at(step));
    adam.step();
  }

  // Judged on a finer grid than the one it learned on.
  const Vector x = Vector::LinSpaced(401, 0, end);
  tape.reset();
  const Vector y = solution(tape.input(x)).value();
  const Vector sine = x.array().sin();
  const double worst = (y - sine).cwiseAbs().maxCoeff();
  const auto curve = [&](const char* name, const Vector& values) {
    return plot::Curve{name, {x.begin(), x.end()}, {values.begin(), values.end()}};
  };
  const plot::Figure figure{.curves = {curve("network", y), curve("sin x", sine)}, .x = {.title = "x"}};
  const plot::Figure errors{.curves = {curve("error", y - sine)}, .x = {.title = "x"}};
  terminal::heading("A network that solves y″ = −y, y(0) = 0, y′(0) = 1");
  fmt::print("{}", plot::braille(figure, 78, 12));
  std::vector<double> decades;
  for (const double loss : losses) decades.push_back(std::log10(loss));
  fmt::print("mean (y″ + y)² {:.1e} {} {:.1e}, in decades\n", losses.front(), terminal::sparkline(decades, 36),
             losses.back());
  fmt::print("It was told the equation at {} points, and is off sin x by at most {}.\n", points,
             terminal::paint(fmt::format("{:.1e}", worst), worst <= 1e-3 ? Color::green : Color::red));
  section.charts = {{"Solution", "", plot::vega_lite(figure)}, {"Network − sin x", "", plot::vega_lite(errors)}};
  return {{"max_error", worst}, {"first_loss", losses.front()}, {"final_loss", losses.back()}};
}

}  // namespace curvature
