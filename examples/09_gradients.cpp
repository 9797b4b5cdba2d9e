// Where gradients vanish and explode before any training: the size of ∂L/∂z layer by layer in a deep network, for
// several activations and initializers, and split into what the weights do and what f′ does. Then a network that is
// broken on purpose, and the three tools that say where: preflight, NaN blame and the graph of the tape.

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <cmath>

#include "common/example.h"
#include "common/terminal.h"

namespace tg = tapegrad;
using terminal::Color;

/// ln(x): an activation nobody should use, because half of its inputs are negative.
struct Logarithm {
  static constexpr std::string_view name = "logarithm";
  template <class X> static X value(const X& x) { return tg::log(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g / x; }
};

struct Options {
  example::CommonOptions common;
  tg::Index depth = 20;
  tg::Index width = 64;
  tg::Index batch = 256;
  std::string dot;
};

tg::Sequential deep_net(const Options& o, const std::string& activation, const tg::Initializer& init,
                        bool residual) {
  tg::Rng rng(o.common.seed);
  const tg::LinearOptions linear{.weight_init = init, .bias_init = tg::zeros()};
  const tg::Activation f = tg::activation(activation);
  tg::Sequential net;
  for (tg::Index i = 0; i < o.depth; ++i) {
    if (residual) {
      net.add(tg::Residual{tg::Linear(o.width, o.width, rng, linear), f});
    } else {
      net.add(tg::Linear(o.width, o.width, rng, linear));
      net.add(f);
    }
  }
  net.add(tg::Linear(o.width, 1, rng, linear));
  return net;
}

tg::Matrix random_inputs(const Options& o) {
  tg::Rng rng(o.common.seed + 1);
  tg::Matrix x(o.batch, o.width);
  for (float& v : x.reshaped()) v = static_cast<float>(rng.normal());
  return x;
}

/// One row of the table: log10 RMS ∂L/∂z from the first to the last hidden layer, and the mean factors per layer.
example::Json measure(const Options& o, const std::string& activation, const std::string& init, bool residual) {
  tg::Sequential net = deep_net(o, activation, tg::initializer(init), residual);
  tg::Monitor monitor(net);
  tg::Tape tape;
  const tg::Var loss = tg::mean(tg::square(net(tape.input(random_inputs(o)))));
  loss.backward();
  monitor.step(loss);

  std::vector<double> decades;
  double weights = 0;
  double slopes = 0;
  for (const tg::LayerRecord& layer : monitor.record().layers) {
    if (layer.activation == "output") continue;
    decades.push_back(std::log10(std::max(layer.steps.back().gradient_rms, 1e-40)));
    weights += std::log(std::max(layer.steps.back().weight_factor, 1e-40));
    slopes += std::log(std::max(layer.steps.back().slope_factor, 1e-40));
  }
  const double layers = static_cast<double>(decades.size());
  const double factor = std::pow(10, (decades.front() - decades.back()) / (layers - 1));
  const Color verdict = factor < 0.8 ? Color::blue : factor > 1.25 ? Color::red : Color::green;
  fmt::print("{:<9} {:<14} 1e{:<+5.1f} {} 1e{:<+5.1f} {}  = {:4.2f} x {:4.2f}\n",
             activation + (residual ? "+x" : ""), init, decades.front(), terminal::sparkline(decades, 17),
             decades.back(), terminal::paint(fmt::format("{:5.2f}", factor), verdict), std::exp(weights / layers),
             std::exp(slopes / layers));
  return {{"activation", activation},
          {"init", init},
          {"residual", residual},
          {"factor_per_layer", factor},
          {"weight_factor", std::exp(weights / layers)},
          {"slope_factor", std::exp(slopes / layers)},
          {"log10_gradient_rms", decades}};
}

example::Json broken(const Options& o) {
  tg::Rng rng(o.common.seed);
  tg::Sequential net{tg::Linear(2, 8, rng), tg::Relu(), tg::Linear(8, 8, rng), Logarithm(), tg::Linear(8, 2, rng)};
  const tg::Dataset moons = tg::two_moons(64, 0.1, rng);

  terminal::heading("Preflight of a network with a logarithm in it: one batch, nothing is changed");
  fmt::print("{}", tg::to_text(tg::preflight(net, moons.inputs, moons.labels)));

  terminal::heading("NaN blame: the first op that makes a value that is not finite");
  tg::Tape tape;
  std::string message;
  try {
    const tg::NanBlame blame(tape, net);
    tg::cross_entropy(net(tape.input(moons.inputs)), moons.labels).backward();
  } catch (const tg::Error& error) {
    message = error.what();
  }
  fmt::print("{}", tg::wrapped(message.empty() ? "nothing to blame" : message, 80, 0, 2));

  terminal::heading("The graph of the tape up to there");
  fmt::print("{}", tg::graph_table(tape, &net));
  if (!o.dot.empty()) {
    tg::write_whole_file("dot", o.dot, tg::graph_dot(tape, &net));
    fmt::print("\nThe same for Graphviz is in {}: dot -Tsvg {} > tape.svg\n", o.dot, o.dot);
  }
  return {{"blame", message}};
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Measures gradients layer by layer at the start of training, and finds what is wrong in a broken network.");
  app.add_option("--depth", options.depth, "Hidden layers")->check(CLI::Range(2, 500))->capture_default_str();
  app.add_option("--width", options.width, "Units of each")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--dot", options.dot, "Write the graph of the broken network for Graphviz")->type_name("FILE");
  return example::run(app, options.common, argc, argv, [&] {
    terminal::heading(fmt::format("RMS ∂L/∂z in {} hidden layers of {} units, first layer to last", options.depth,
                                  options.width));
    fmt::print("{}",
               terminal::paint("f         initializer    first                     last   factor = weights x f′\n",
                               Color::dim));
    example::Json rows = example::Json::array();
    for (const char* activation : {"sigmoid", "tanh", "relu"})
      for (const char* init : {"uniform_fan_in", "xavier_normal", "he_normal", "orthogonal"})
        rows.push_back(measure(options, activation, init, false));
    for (const char* init : {"uniform_fan_in", "xavier_normal"})
      rows.push_back(measure(options, "relu", init, true));
    fmt::print(
        "\nThe gradient changes by that factor in every layer on its way down:\n"
        "{} vanishing, {} healthy, {} exploding.\n"
        "+x is a residual connection: it keeps the gradient alive where others lose it.\n",
        terminal::paint("below 0.8", Color::blue), terminal::paint("near 1", Color::green),
        terminal::paint("above 1.25", Color::red));
    return example::Json{{"rows", rows}, {"broken", broken(options)}};
  });
}
