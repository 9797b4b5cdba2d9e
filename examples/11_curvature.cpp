// Gradients of gradients at work, in double precision:
// - Hessian-vector products (curvature/task.h), checked here against finite differences of the gradient;
// - the largest eigenvalue of the Hessian while gradient descent trains (curvature/descent.cpp);
// - a network that learns the solution of a differential equation (curvature/equation.cpp).

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <cmath>

#include "common/example.h"
#include "common/page.h"
#include "common/table.h"
#include "common/terminal.h"
#include "curvature/curvature.h"
#include "curvature/task.h"

struct Options {
  example::CommonOptions common;
  std::vector<double> lr{0.1, 0.05};
  int steps = 4000;
  int ode_steps = 3000;
  std::string report;
};

example::Json check_products(std::uint64_t seed) {
  using namespace curvature;
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

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Hessian-vector products, the edge of stability, and a network that solves a differential equation.");
  app.add_option("--lr", options.lr, "Learning rate of gradient descent, or several")
      ->delimiter(',')
      ->check(example::above(0))
      ->capture_default_str();
  app.add_option("--steps", options.steps, "Steps of gradient descent")
      ->check(example::at_least(1))
      ->capture_default_str();
  app.add_option("--ode-steps", options.ode_steps, "Steps of training for the differential equation")
      ->check(example::at_least(1))
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
    for (const double lr : options.lr)
      json["descent"].push_back(curvature::descend(options.common.seed, lr, options.steps, edge));
    json["equation"] = curvature::solve_equation(options.common.seed, options.ode_steps, equation);
    if (!options.report.empty()) {
      page::write(options.report, "Curvature", "gradients of gradients", std::array{edge, equation});
      fmt::print("\nThe report is in {}: open it in a browser.\n", options.report);
    }
    return json;
  });
}
