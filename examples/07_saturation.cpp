// Why deep sigmoid networks were thought impossible to train (Glorot & Bengio 2010): the mean of the last hidden
// layer falls towards 0, its units saturate, almost no gradient passes, and the loss stays at ln 10 for thousands
// of steps. The tanh and ReLU twins get the same data, batches and start, and learn.

#include <fmt/format.h>

#include <cmath>

#include "common/example.h"
#include "common/terminal.h"
#include "common/twin.h"
#include "common/watch.h"

namespace tg = tapegrad;
using terminal::Color;

/// Values of one kind over the recorded steps.
template <class Of> std::vector<double> series(const tg::LayerRecord& layer, Of of) {
  std::vector<double> values;
  for (const tg::LayerStep& step : layer.steps) values.push_back(of(step));
  return values;
}

void show(const twin::Run& run) {
  terminal::heading(run.options.name);
  std::vector<double> losses;
  std::vector<double> accuracies;
  for (const twin::Point& point : run.points) {
    losses.push_back(point.loss);
    accuracies.push_back(point.accuracy);
  }
  fmt::print("loss      {:6.3f} {} {:6.3f}\n", losses.front(), terminal::sparkline(losses, 50), losses.back());
  fmt::print("accuracy  {:5.1f}% {} {:5.1f}%\n", 100 * accuracies.front(), terminal::sparkline(accuracies, 50),
             100 * accuracies.back());
  fmt::print("{}", terminal::paint("mean output of each hidden layer, first to last step, and what became of it\n",
                                   Color::dim));
  int number = 0;
  for (const tg::LayerRecord& layer : run.record.layers) {
    if (layer.activation == "output") continue;
    const auto means = series(layer, [](const tg::LayerStep& s) { return s.mean; });
    const tg::LayerStep& last = layer.steps.back();
    fmt::print("layer {:<3} {:6.3f} {} {:6.3f}  saturated {:3.0f}%  ∂L/∂z {:.0e}\n", ++number, means.front(),
               terminal::sparkline(means, 26), means.back(), 100 * (last.saturated_low + last.saturated_high),
               last.gradient_rms);
  }
  if (run.escape_step >= 0) {
    fmt::print("{} after {} steps (mean loss below 2.2)\n", terminal::paint("learns", Color::green),
               run.escape_step + 1);
  } else if (!std::isfinite(losses.back())) {
    fmt::print("{}: the loss is not finite after {} steps\n", terminal::paint("diverges", Color::red),
               run.options.steps);
  } else {
    fmt::print("{}: the loss is {:.4g} after {} steps, guessing gives ln 10 = 2.303\n",
               terminal::paint("stalls", Color::red), losses.back(), run.options.steps);
  }
}

example::Json summary(const twin::Run& run) {
  example::Json json{{"activation", run.options.activation}, {"escape_step", nullptr}};
  if (run.escape_step >= 0) json["escape_step"] = run.escape_step;
  for (const twin::Point& point : run.points) {
    json["steps"].push_back(point.step);
    json["loss"].push_back(point.loss);
    json["accuracy"].push_back(point.accuracy);
  }
  for (const tg::LayerRecord& layer : run.record.layers) {
    if (layer.activation == "output") continue;
    json["layers"].push_back({{"path", layer.path},
                              {"mean", series(layer, [](const auto& s) { return s.mean; })},
                              {"std", series(layer, [](const auto& s) { return s.std; })},
                              {"saturated_low", series(layer, [](const auto& s) { return s.saturated_low; })},
                              {"saturated_high", series(layer, [](const auto& s) { return s.saturated_high; })},
                              {"gradient_rms", series(layer, [](const auto& s) { return s.gradient_rms; })}});
  }
  return json;
}

int main(int argc, char** argv) {
  example::CommonOptions common;
  example::InspectOptions inspect;
  twin::Options options{.init = "uniform_fan_in", .batch = 10, .steps = 5000};
  std::string data_dir = example::default_data;
  std::vector<std::string> activations{"sigmoid", "tanh", "relu"};
  tg::Index depth = 4;
  tg::Index width = 100;
  CLI::App app("Trains the same network with several activations and shows where the sigmoid one gets stuck.");
  app.add_option("--data", data_dir, "Folder with the four IDX files")->capture_default_str();
  app.add_option("--depth", depth, "Hidden layers")->check(CLI::Range(1, 100))->capture_default_str();
  app.add_option("--width", width, "Units of each")->check(CLI::Range(1, 10000))->capture_default_str();
  app.add_option("--activation", activations, "Activations: sigmoid,tanh,relu")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--init", options.init, "Initializer of the weights; biases start at 0")->capture_default_str();
  app.add_option("--lr", options.lr, "Learning rate of plain SGD")->capture_default_str();
  app.add_option("--batch", options.batch, "Samples per step")->check(example::at_least(1))->capture_default_str();
  app.add_option("--steps", options.steps, "Training steps")->check(example::at_least(1))->capture_default_str();
  inspect.add_to(app);

  return example::run(app, common, argc, argv, [&] {
    const tg::Dataset data = tg::load_mnist(data_dir, tg::Split::train);
    const tg::Dataset test = tg::load_mnist(data_dir, tg::Split::test);
    options.hidden.assign(static_cast<std::size_t>(depth), width);
    options.record_every = std::max<tg::Index>(options.steps / 50, 1);
    options.seed = common.seed;
    example::watch_interrupt();
    fmt::print("{} hidden layers of {} units, {}, SGD with lr {:g}, {} steps of {}\n", depth, width, options.init,
               options.lr, options.steps, options.batch);
    example::Json json{{"runs", example::Json::array()}};
    std::vector<tg::RunRecord> records;
    for (const std::string& name : activations) {
      if (example::stop_requested()) break;
      options.name = options.activation = name;
      const twin::Run run = twin::train(data, test, options, inspect.watch);
      show(run);
      json["runs"].push_back(summary(run));
      records.push_back(run.record);
    }
    inspect.write(records, "Saturation: the same network with " + fmt::format("{}", fmt::join(activations, ", ")));
    return json;
  });
}
