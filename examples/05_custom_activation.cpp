// An activation of your own in ten lines: one struct with the value and its vector-Jacobian product. From that come
// the vectorized kernels, the gradient check, second derivatives, the name, and a layer for every network.

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <optional>

#include "common/example.h"
#include "common/terminal.h"

namespace tg = tapegrad;

/** x + sin²(ax)/a (Ziyin et al. 2020): grows like the identity, with a wave that networks can use for periodic data
 */
struct Snake {
  double a = 1;
  static constexpr std::string_view name = "snake";
  static constexpr std::array settings{tg::Setting{"a", &Snake::a, tg::SettingDomain::positive}};
  template <class X> X value(const X& x) const {
    const X s = tg::sin(a * x);
    return x + s * s / a;
  }
  template <class X> X vjp(const X& g, const X& x, const X&) const { return g * (1 + tg::sin(2 * a * x)); }
};

/// Fits y = sin(3x) on [−2, 2] with two hidden layers and returns the losses. What goes on inside is added to `records`
/// when there is one.
std::vector<double> fit(const tg::Activation& f, std::uint64_t seed, int steps,
                        std::vector<tg::RunRecord>* records) {
  tg::Rng rng(seed);
  tg::Sequential net = tg::mlp({1, 24, 24, 1}, f, rng);
  tg::Matrix x(64, 1);
  tg::Matrix y(64, 1);
  for (tg::Index i = 0; i < 64; ++i) {
    x(i, 0) = -2 + 4 * static_cast<float>(i) / 63;
    y(i, 0) = std::sin(3 * x(i, 0));
  }
  tg::Adam adam(net.parameters(), {.lr = 0.005});
  std::optional<tg::Monitor> monitor;
  if (records != nullptr) monitor.emplace(net, tg::MonitorOptions{.name = f.text()});
  tg::Tape tape;
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    tape.reset();
    const tg::Var loss = tg::mse(net(tape.input(x)), y);
    loss.backward();
    adam.step();
    if (monitor) monitor->step(loss, {.lr = adam.lr()});
    losses.push_back(loss.item());
  }
  if (monitor) records->push_back(monitor->record());
  return losses;
}

int main(int argc, char** argv) {
  CLI::App app("Defines an activation, checks its gradients, and trains networks with it.");
  example::CommonOptions common;
  example::InspectOptions inspect;
  int steps = 600;
  double a = 2;
  app.add_option("--steps", steps, "Training steps")->check(example::at_least(1))->capture_default_str();
  app.add_option("-a", a, "The setting a of snake")->capture_default_str();
  app.add_option("--report", inspect.report, "Write a page with figures of the runs to FILE")->type_name("FILE");

  return example::run(app, common, argc, argv, [&] {
    tg::register_activation<Snake>();
    const tg::Activation snake = tg::activation("snake").with("a", a);

    terminal::heading("f and f′ of " + snake.text() + " over −6 … 6");
    std::vector<double> values;
    std::vector<double> slopes;
    for (int i = 0; i <= 60; ++i) {
      values.push_back(snake.value(-6 + i * 0.2));
      slopes.push_back(snake.slope(-6 + i * 0.2));
    }
    fmt::print("f   {:6.2f} {} {:6.2f}\n", values.front(), terminal::sparkline(values), values.back());
    fmt::print("f′  {:6.2f} {} {:6.2f}\nsup|f′| = {:.3f}, found by a scan\n", slopes.front(),
               terminal::sparkline(slopes), slopes.back(), snake.facts().sup_slope);

    terminal::heading("Is the derivative right?");
    tg::Rng rng(common.seed);
    tg::f64::Matrix x(4, 8);
    for (double& v : x.reshaped()) v = rng.normal(0, 2);
    example::Json checks;
    for (const int order : {1, 2}) {
      const auto result = tg::grad_check([&](auto in) { return snake(in[0]); }, {x}, {.order = order});
      fmt::print("{} order:\n  {}\n", order == 1 ? "first" : "second", result.message);
      checks.push_back(result.ok);
    }

    terminal::heading("Learning sin(3x) in " + terminal::counted(steps, "step"));
    example::Json losses;
    std::vector<tg::RunRecord> records;
    for (const std::string& name :
         {snake.text(), std::string("tanh"), std::string("relu"), std::string("identity")}) {
      const auto loss = fit(tg::activation(name), common.seed, steps, inspect.wanted() ? &records : nullptr);
      fmt::print("{:<12} {:.4f} {} {:.5f}\n", name, loss.front(), terminal::sparkline(loss, 44), loss.back());
      losses[name] = loss.back();
    }
    inspect.write(records);
    return example::Json{
        {"gradient_check", checks}, {"sup_slope", snake.facts().sup_slope}, {"final_loss", losses}};
  });
}
