// K. He, X. Zhang, S. Ren and J. Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2 and figure 3: a ReLU
// layer keeps the scale of activations and gradients when Var(W) = 2/n; with the 1/n of Glorot and Bengio both shrink
// by √½ per layer, and a network of 30 layers does not learn at all.
//
// Measured on 30 hidden layers of 256 ReLU units: the factor per layer (the 29th root from the first layer to the last)
// of the RMS output over standard normal inputs, and of RMS ∂L/∂z on the way back; theory says √(n·Var(W)/2). At this
// width one network differs from another by ±0.013, so ten are averaged. Then the same network is trained
// on Fashion-MNIST by plain SGD with learning rate 0.01 and batches of 64.
//
// Xavier's network does not stay at ln 10: after 1000 to 1200 steps (three seeds) it begins to learn, too. It stalls, but is
// not stuck. So the two are compared when He's has learned: when its loss, the mean of 100 steps, first falls below half of
// ln 10. That of Xavier's must then still be at least 0.98 of ln 10.

#include <fmt/core.h>

#include <cmath>

#include "common/parallel.h"
#include "common/plot.h"
#include "common/twin.h"
#include "papers/papers.h"

namespace papers {
namespace {

constexpr int depth = 30;
constexpr tg::Index width = 256;
constexpr int networks = 10;
const double chance = std::log(10.0);  ///< loss of a network that knows nothing

struct Flow {
  std::string name;
  std::vector<double> outputs;    ///< RMS, by layer
  std::vector<double> gradients;  ///< RMS ∂L/∂z, by layer
  double output_factor() const { return std::pow(outputs.back() / outputs.front(), 1.0 / (depth - 1)); }
  double gradient_factor() const { return std::pow(gradients.front() / gradients.back(), 1.0 / (depth - 1)); }
};

void add_network(Flow& flow, const tg::Initializer& init, tg::Rng& rng) {
  std::vector<tg::Index> sizes(depth + 1, width);
  sizes.push_back(10);
  tg::Sequential net = tg::mlp(sizes, tg::Relu(), rng, {.linear = {.weight_init = init, .bias_init = tg::zeros()}});
  const tg::Matrix x = standard_normal(256, width, rng);
  tg::Monitor monitor(net);
  tg::Tape tape;
  // The gradient that starts at the output is random, of the same size whatever the outputs are: only the way back
  // through the layers is measured.
  const tg::Var loss = tg::sum(net(tape.input(x)) * tape.input(standard_normal(256, 10, rng)));
  loss.backward();
  monitor.step(loss);
  for (std::size_t i = 0; i < depth; ++i) {
    const tg::LayerStep& layer = monitor.record().layers[i].steps.back();
    flow.outputs[i] += (layer.mean * layer.mean + layer.std * layer.std) / networks;
    flow.gradients[i] += layer.gradient_rms * layer.gradient_rms / networks;
  }
}

Flow measure(const std::string& name, const tg::Initializer& init, std::uint64_t seed) {
  tg::Rng rng(seed);
  Flow flow{.name = name, .outputs = std::vector<double>(depth), .gradients = std::vector<double>(depth)};
  for (int i = 0; i < networks; ++i) add_network(flow, init, rng);
  for (double& square : flow.outputs) square = std::sqrt(square);
  for (double& square : flow.gradients) square = std::sqrt(square);
  return flow;
}

Json by_layer(const std::vector<Flow>& flows, std::vector<double> Flow::*of, const std::string& what) {
  plot::Figure figure{
      .curves = {}, .x = {.title = "layer", .format = "d"}, .y = {.title = what, .logarithmic = true}};
  for (const Flow& flow : flows) {
    figure.curves.push_back({flow.name});
    for (std::size_t i = 0; i < depth; ++i) figure.curves.back().add(static_cast<double>(i + 1), (flow.*of)[i]);
  }
  return plot::vega_lite(figure);
}

/// He's network and Xavier's, trained.
std::vector<twin::Run> train(const Options& options) {
  const tg::Dataset data = tg::load_mnist(options.fashion, tg::Split::train);
  const tg::Dataset test = tg::load_mnist(options.fashion, tg::Split::test);
  std::vector<twin::Run> runs(2);
  example::two_at_a_time(runs.size(), [&](std::size_t i) {
    runs[i] = twin::train(data, test,
                          {.name = i == 0 ? "He" : "Xavier",
                           .hidden = std::vector<tg::Index>(depth, width),
                           .init = i == 0 ? "he_normal" : "xavier_normal",
                           .lr = 0.01,
                           .batch = 64,
                           .steps = options.quick ? 401 : 2001,
                           .record_every = 100,
                           .seed = options.seed});
  });
  return runs;
}

Json losses(const std::vector<twin::Run>& runs) {
  plot::Figure figure{.curves = {},
                      .x = {.title = "step", .format = "~s"},
                      .y = {.title = "loss", .low = 0, .high = 2.6},
                      .levels = {{chance, "ln 10: knows nothing"}}};
  for (const twin::Run& run : runs) {
    figure.curves.push_back({run.options.name});
    for (const twin::Point& point : run.points)
      figure.curves.back().add(static_cast<double>(point.step), point.loss);
  }
  return plot::vega_lite(figure);
}

}  // namespace

Result rectifier_init(const Options& options) {
  const std::vector<Flow> flows{measure("He", tg::he_normal(), options.seed),
                                measure("Xavier", tg::xavier_normal(), options.seed),
                                measure("U(±1/√n)", tg::uniform_fan_in(), options.seed)};
  Result result;
  const double theory[] = {1, std::sqrt(1.0 / 2), std::sqrt(1.0 / 6)};
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const auto row = [&](const std::string& what, double measured) {
      result.rows.push_back({fmt::format("{}: {} per layer", flows[i].name, what), fmt::format("{:.3f}", theory[i]),
                             theory[i] - 0.02, theory[i] + 0.02, measured});
    };
    row("activations", flows[i].output_factor());
    row("gradients", flows[i].gradient_factor());
  }

  const std::vector<twin::Run> runs = train(options);
  const tg::Index learned = runs[0].first_below(chance / 2);
  result.rows.push_back({"He: step with a loss below ½ ln 10", "learns", 99,
                         static_cast<double>(runs[0].options.steps - 1), static_cast<double>(learned)});
  result.rows.push_back({"Xavier: loss in that step / ln 10", "stays 1", 0.98, 1.02,
                         learned < 0 ? std::nan("") : runs[1].mean_of_100(learned) / chance});

  const std::string xavier = runs[1].escape_step < 0
                                 ? fmt::format("does not start to learn in {} steps", runs[1].options.steps - 1)
                                 : fmt::format("starts to learn only after {} steps", runs[1].escape_step);
  result.figures = {
      {.name = "He",
       .title = "Scale and training of 30 ReLU layers",
       .unit = "30×256 ReLU, before and while training",
       .reading = "He's initialization keeps activations and gradients at their size through 30 layers; "
                  "Xavier's loses √½ in every layer, and that network " +
                  xavier + ".",
       .columns = 3,
       .charts = {{"Size of the outputs", "", by_layer(flows, &Flow::outputs, "RMS of the outputs")},
                  {"Size of the gradient", "", by_layer(flows, &Flow::gradients, "RMS ∂L/∂z")},
                  {"Training loss", "", losses(runs)}}}};
  return result;
}

}  // namespace papers
