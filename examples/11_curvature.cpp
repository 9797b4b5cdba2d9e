// Gradients of gradients at work, in double precision:
// - Hessian-vector products, checked against finite differences of the gradient;
// - the largest eigenvalue of the Hessian while gradient descent trains: it rises until it reaches 2/lr and then stays
//   there, where the quadratic model of the loss says that descent becomes unstable (Cohen et al. 2021);
// - a network that learns the solution of y″ = −y from nothing but the equation (Lagaris et al. 1998).

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "common/example.h"
#include "common/page.h"
#include "common/plot.h"
#include "common/table.h"
#include "common/terminal.h"

namespace tg = tapegrad::f64;
using tapegrad::Index;
using tapegrad::Rng;
using terminal::Color;
using Vector = Eigen::VectorXd;

struct Options {
  example::CommonOptions common;
  std::vector<double> lr{0.1, 0.05};
  int steps = 4000;
  int ode_steps = 3000;
  std::string report;
};

/// Fits the Chebyshev polynomial T₄ at 20 points: so few that every step sees all of them. A point or direction in
/// the space of all parameters is one long vector.
struct Task {
  tg::Sequential net;
  tg::Matrix x{20, 1};
  tg::Matrix y{20, 1};
  tg::Tape tape;

  explicit Task(Rng& rng) {
    const tapegrad::LinearOptions init{.weight_init = tapegrad::xavier_normal(), .bias_init = tapegrad::zeros()};
    for (const Index inputs : {1, 50, 50}) {
      net.add(tg::Linear(inputs, 50, rng, init));
      net.add(tapegrad::activation("tanh"));
    }
    net.add(tg::Linear(50, 1, rng, init));
    for (Index i = 0; i < 20; ++i) {
      x(i, 0) = -1 + 2 * static_cast<double>(i) / 19;
      y(i, 0) = std::cos(4 * std::acos(x(i, 0)));
    }
  }

  tg::Var loss() {
    tape.reset();
    return tapegrad::mse(net(tape.input(x)), y);
  }
  /// Moves the parameters by v.
  void move(const Vector& v) {
    Index at = 0;
    for (tg::Parameter& p : net.parameters()) {
      p.value().reshaped<Eigen::RowMajor>() += v.segment(at, p.size());
      at += p.size();
    }
  }
  Vector gradient() {
    loss().backward();
    Vector g(0);
    for (const tg::Parameter& p : net.parameters()) append(g, p.grad());
    return g;
  }
  /// H·v = ∇(∇L·v): the gradient of a number that is itself made of a gradient (Pearlmutter 1994). It costs a few
  /// gradients, however many parameters there are; H itself is never formed.
  Vector hessian_times(const Vector& v) {
    const tg::Var l = loss();
    std::vector<tg::Var> parameters;
    for (const tg::Parameter& p : net.parameters()) parameters.push_back(tape.parameter(p));
    tg::Var slope = tape.constant(0);
    Index at = 0;
    for (const tg::Var& g : tapegrad::grad<double>(l, parameters)) {
      const Index size = g.shape().size();
      slope =
          slope + tapegrad::sum(g * tape.input(v.segment(at, size).reshaped<Eigen::RowMajor>(g.rows(), g.cols())));
      at += size;
    }
    Vector product(0);
    for (const tg::Var& h : tapegrad::grad<double>(slope, parameters)) append(product, h.value());
    return product;
  }
  /// The eigenvalue of the Hessian that is largest in size, by power iteration. v is where it begins, and becomes the
  /// eigenvector: from step to step it hardly turns.
  double sharpness(Vector& v) {
    double eigenvalue = 0;
    for (int i = 0; i < 100; ++i) {
      const Vector h = hessian_times(v);
      const double before = std::exchange(eigenvalue, v.dot(h));
      v = h.normalized();
      if (i > 2 && std::abs(eigenvalue - before) < 1e-4 * std::abs(eigenvalue)) break;
    }
    return eigenvalue;
  }

  static void append(Vector& v, const tg::Matrix& values) {
    v.conservativeResize(v.size() + values.size());
    v.tail(values.size()) = values.reshaped<Eigen::RowMajor>();
  }
};

Vector random_direction(Index size, Rng& rng) {
  return Vector::NullaryExpr(size, [&](Index) { return rng.normal(); }).normalized();
}

example::Json check_products(std::uint64_t seed) {
  Rng rng(seed);
  Task task(rng);
  const Index size = task.gradient().size();
  const Vector u = random_direction(size, rng);
  const Vector v = random_direction(size, rng);
  const Vector exact = task.hessian_times(v);
  terminal::heading(fmt::format("H·v against (∇L(w + εv) − ∇L(w − εv)) / 2ε, {} parameters", size));
  Table table{{"ε", "relative error"}, 0};
  double best = INFINITY;
  for (const double epsilon : {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7}) {
    task.move(epsilon * v);
    const Vector plus = task.gradient();
    task.move(-2 * epsilon * v);
    const Vector minus = task.gradient();
    task.move(epsilon * v);
    const double error = ((plus - minus) / (2 * epsilon) - exact).norm() / exact.norm();
    best = std::min(best, error);
    table.rows.push_back({fmt::format("{:.0e}", epsilon), fmt::format("{:.1e}", error)});
  }
  const double asymmetry = std::abs(u.dot(exact) - v.dot(task.hessian_times(u))) / exact.norm();
  fmt::print("{}", table.text());
  fmt::print(
      "The error falls with ε² until rounding takes over; H·v itself has no ε.\n"
      "H is symmetric: uᵀ(H·v) and vᵀ(H·u) differ by {:.0e} of ‖H·v‖.\n",
      asymmetry);
  return {{"relative_error", best}, {"asymmetry", asymmetry}};
}

/// Full-batch gradient descent, with the sharpness every `steps`/80 steps.
example::Json descend(const Options& options, double lr, page::Section& section) {
  Rng rng(options.common.seed);
  Task task(rng);
  Vector v = random_direction(task.gradient().size(), rng);
  tg::Sgd sgd(task.net.parameters(), {.lr = lr});
  const double threshold = 2 / lr;
  std::vector<double> at, sharpness, loss;
  example::Json reached;
  double late = 0;  // mean of sharpness / threshold over the last quarter
  int late_count = 0;
  for (int step = 0; step <= options.steps; ++step) {
    if (step % std::max(1, options.steps / 80) == 0) {
      at.push_back(step);
      sharpness.push_back(task.sharpness(v));
      loss.push_back(task.loss().item());
      if (!std::isfinite(loss.back())) break;  // the learning rate is far too high
      if (reached.is_null() && sharpness.back() >= threshold) reached = step;
      if (4 * step >= 3 * options.steps) {
        late += sharpness.back() / threshold;
        ++late_count;
      }
    }
    task.loss().backward();
    sgd.step();
  }
  const std::string title = fmt::format("Sharpness at learning rate {}", lr);
  const plot::Figure figure{.curves = {{"largest eigenvalue of the Hessian", at, sharpness},
                                       {"2/lr", at, std::vector<double>(at.size(), threshold)}},
                            .x_title = "step",
                            .low = 0};
  terminal::heading(title);
  fmt::print("{}", plot::braille(figure, 78, 10));
  fmt::print("loss {:.4g} {} {:.4g}\n", loss.front(), terminal::sparkline(loss, 56), std::abs(loss.back()));
  if (!std::isfinite(loss.back()))
    fmt::print("{}: the loss is no longer finite.\n", terminal::paint("Diverged", Color::red));
  else if (reached.is_null())
    fmt::print("The edge at 2/lr = {:.1f} is not reached in {} steps; sharpness is {:.1f}.\n", threshold,
               options.steps, sharpness.back());
  else
    fmt::print("{} by step {}; in the last quarter sharpness is {:.3f} times 2/lr.\n",
               terminal::paint("At the edge", Color::yellow), reached.get<int>(), late / late_count);
  section.charts.push_back({title, "", plot::vega_lite(figure)});
  section.charts.push_back(
      {fmt::format("Loss at learning rate {}", lr), "",
       plot::vega_lite({.curves = {{"loss", at, loss}}, .x_title = "step", .logarithmic = true, .legend = false})});
  return {{"lr", lr},
          {"threshold", threshold},
          {"step", at},
          {"sharpness", sharpness},
          {"loss", loss},
          {"reached_at_step", reached},
          {"late_ratio", late_count > 0 ? example::Json(late / late_count) : example::Json()}};
}

/// y″ = −y with y(0) = 0 and y′(0) = 1 on [0, 2π]; the network never sees the answer, sin x.
example::Json solve_equation(const Options& options, page::Section& section) {
  constexpr Index points = 50;
  constexpr double end = 2 * std::numbers::pi;
  Rng rng(options.common.seed);
  tg::Sequential net(tg::Linear(1, 32, rng), tapegrad::Tanh(), tg::Linear(32, 32, rng), tapegrad::Tanh(),
                     tg::Linear(32, 1, rng));
  // e + e²·net(x) with e = 1 − e⁻ˣ begins at 0 with slope 1, whatever the network says.
  const auto solution = [&](tg::Var x) {
    const tg::Var e = 1 - tapegrad::exp(-x);
    return e + e * e * net(x * (2 / end) - 1);
  };
  const tg::Matrix grid = Vector::LinSpaced(points, 0, end);
  tg::Adam adam(net.parameters(), {.lr = 0.01});
  const tapegrad::CosineSchedule schedule{.base_lr = 0.01, .t_max = options.ode_steps};
  tg::Tape tape;
  std::vector<double> losses;
  for (int step = 0; step < options.ode_steps; ++step) {
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
  const plot::Figure figure{.curves = {curve("network", y), curve("sin x", sine)}, .x_title = "x"};
  const plot::Figure errors{.curves = {curve("error", y - sine)}, .x_title = "x", .legend = false};
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

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Hessian-vector products, the edge of stability, and a network that solves a differential equation.");
  app.add_option("--lr", options.lr, "Learning rate of gradient descent, or several")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--steps", options.steps, "Steps of gradient descent")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--ode-steps", options.ode_steps, "Steps of training for the differential equation")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--report", options.report, "Write a page with the figures to FILE.html")->type_name("FILE");
  return example::run(app, options.common, argc, argv, [&] {
    page::Section edge{"Edge of stability", "The edge of stability", "full-batch gradient descent",
                       "Sharpness, the largest eigenvalue of the Hessian, rises while the network trains, until it "
                       "reaches 2/lr; there it stays, and the loss falls by fits and starts (Cohen et al. 2021).",
                       2};
    page::Section equation{"Equation", "y″ = −y, y(0) = 0, y′(0) = 1", "tanh network, 2 × 32 units",
                           "The network minimizes mean (y″ + y)², with y″ from the tape, and never sees sin x.", 2};
    example::Json json{{"hessian_vector", check_products(options.common.seed)},
                       {"descent", example::Json::array()}};
    for (const double lr : options.lr) json["descent"].push_back(descend(options, lr, edge));
    json["equation"] = solve_equation(options, equation);
    if (!options.report.empty()) {
      page::write(options.report, "Curvature", "gradients of gradients", std::array{edge, equation});
      fmt::print("\nThe report is in {}: open it in a browser.\n", options.report);
    }
    return json;
  });
}
