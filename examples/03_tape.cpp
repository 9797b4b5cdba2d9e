// What a tape is: every operation on a Var is one node, in the order it was computed. backward() walks the nodes
// once, from the last to the first, and hands each parent its share of the gradient (the chain rule).

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include "common/example.h"
#include "common/terminal.h"

namespace tg = tapegrad::f64;  // doubles: the numbers below can be checked with a pocket calculator

/// The nodes a node was computed from: "#0 #1".
std::string parents_of(const tg::Tape& tape, tapegrad::NodeIndex index) {
  std::string text;
  const auto& node = tape.node(index);
  for (std::uint32_t k = 0; k < node.parent_count; ++k)
    text += fmt::format("{}#{}", k == 0 ? "" : " ", node.parents[k]);
  return text;
}

int main(int argc, char** argv) {
  CLI::App app("Records y = tanh(a·b + c) on a tape and prints it node by node, with values and gradients.");
  example::CommonOptions common;
  double a_value = 2;
  double b_value = -0.5;
  double c_value = 0.25;
  app.add_option("-a", a_value, "Value of a")->capture_default_str();
  app.add_option("-b", b_value, "Value of b")->capture_default_str();
  app.add_option("-c", c_value, "Value of c")->capture_default_str();

  return example::run(app, common, argc, argv, [&] {
    tg::Tape tape;
    const tg::Var a = tape.input(a_value, {.requires_grad = true});
    const tg::Var b = tape.input(b_value, {.requires_grad = true});
    const tg::Var c = tape.input(c_value, {.requires_grad = true});
    const tg::Var y = tg::tanh(a * b + c);
    y.backward();

    terminal::heading("The tape of y = tanh(a·b + c)");
    fmt::print("{:>4}  {:<8}  {:<7}  {:>12}  {:>12}\n", "node", "op", "from", "value", "dy/d(node)");
    example::Json nodes = example::Json::array();
    for (tapegrad::NodeIndex i = 0; i < tape.size(); ++i) {
      const tg::Var node = tape.var(i);
      const std::string parents = parents_of(tape, i);
      fmt::print("{:>4}  {:<8}  {:<7}  {:>12.8f}  {:>12.8f}\n", fmt::format("#{}", i), node.op_name(), parents,
                 node.item(), node.grad()(0, 0));
      nodes.push_back({{"index", i},
                       {"op", node.op_name()},
                       {"from", parents},
                       {"value", node.item()},
                       {"grad", node.grad()(0, 0)}});
    }

    terminal::heading("Read from the bottom up");
    const double slope = 1 - y.item() * y.item();
    fmt::print("dy/dy = 1. tanh hands on 1 − y² = {:.8f}.\n", slope);
    fmt::print("A sum hands its gradient to both sides, so dy/dc = {:.8f}.\n", c.grad()(0, 0));
    fmt::print("A product hands each side the gradient times the other:\ndy/da = {:.8f} · b = {:.8f}.\n", slope,
               a.grad()(0, 0));

    // A gradient is itself recorded when grad() computes it, so it has a gradient, too.
    const tg::Var dy_da = tg::grad(y, {a})[0];
    const tg::Var d2y_da2 = tg::grad(dy_da, {a})[0];
    terminal::heading("Gradients of gradients");
    fmt::print("grad(grad(y, a), a): d²y/da² = −2y(1 − y²)·b² = {:.8f},\non a tape that has grown to {} nodes.\n",
               d2y_da2.item(), tape.size());
    return example::Json{{"y", y.item()}, {"d2y_da2", d2y_da2.item()}, {"nodes", nodes}};
  });
}
