// A learning rate that is too high kills ReLU units: a large update pushes a unit so far that it is off on all the
// data; then its gradient is exactly 0 and no update of its own can bring it back.
//   dead_relu                                      three rates; what ReLU does, and the others in its place
//   dead_relu --lr 0.5 --activation relu --revive  gives dead units a new start on the way

#include <fmt/core.h>

#include "common/example.h"
#include "common/terminal.h"
#include "common/twin.h"
#include "common/watch.h"

namespace tg = tapegrad;
using terminal::Color;

/// A line for each layer, and how the first units died.
void show(const twin::Run& run) {
  const double accuracy = run.points.back().accuracy;
  fmt::print(
      "{:>5g}  {:<12} {}  ", run.options.lr, run.options.activation,
      terminal::paint(fmt::format("{:5.1f} %", 100 * accuracy), accuracy > 0.75 ? Color::green : Color::red));
  for (const tg::UnitCensus& layer : run.census)
    fmt::print("  {} {:3.0f} % {:3.0f} %", terminal::paint(terminal::bar(layer.dead_share(), 8), Color::red),
               100 * layer.dead_share(), 100 * (layer.asleep_share() - layer.dead_share()));
  fmt::print("\n");
}

void show_certificates(const twin::Run& run) {
  for (std::size_t i = 0; i < run.census.size(); ++i) {
    const tg::LayerRecord& layer = run.record.layers[i];
    std::vector<double> dead;
    for (const tg::LayerStep& step : layer.steps) dead.push_back(step.dead_since);
    const auto revived = std::count_if(layer.deaths.begin(), layer.deaths.end(),
                                       [](const tg::Death& d) { return d.revived.has_value(); });
    if (layer.deaths.empty()) continue;
    fmt::print("\nlayer {}: {} death{}, {} came back   dead share {}\n", i + 1, layer.deaths.size(),
               layer.deaths.size() == 1 ? "" : "s", revived, terminal::sparkline(dead, 30));
    for (std::size_t k = 0; k < std::min<std::size_t>(layer.deaths.size(), 3); ++k) {
      const tg::Death& death = layer.deaths[k];
      fmt::print("  unit {:>3} at step {:>4}: {}\n", death.unit, death.step, death.cause);
    }
  }
}

example::Json summary(const twin::Run& run) {
  example::Json json{
      {"lr", run.options.lr},   {"activation", run.options.activation}, {"accuracy", run.points.back().accuracy},
      {"revived", run.revived}, {"layers", example::Json::array()},     {"deaths", example::Json::array()}};
  for (std::size_t i = 0; i < run.census.size(); ++i) {
    const tg::LayerRecord& layer = run.record.layers[i];
    json["layers"].push_back({{"path", layer.path},
                              {"dead_epoch", run.census[i].dead_share()},
                              {"dead_batch", layer.steps.back().dead_batch},
                              {"asleep", run.census[i].asleep_share()}});
    for (const tg::Death& death : layer.deaths)
      json["deaths"].push_back(
          {{"step", death.step}, {"layer", i + 1}, {"unit", death.unit}, {"cause", death.cause}});
  }
  return json;
}

int main(int argc, char** argv) {
  example::CommonOptions common;
  example::InspectOptions inspect;
  twin::Options options{.all_steps = true};
  std::string data_dir = example::default_data;
  std::vector<double> rates{0.1, 0.3, 0.5};
  std::vector<std::string> activations{"relu", "leaky_relu", "elu", "swish"};
  bool revive = false;
  CLI::App app("Trains 784-100-100-10 networks at several learning rates and watches units die.");
  app.add_option("--data", data_dir, "Folder with the four IDX files")->capture_default_str();
  app.add_option("--lr", rates, "Learning rates of plain SGD: 0.1,0.3,0.5")->delimiter(',')->capture_default_str();
  app.add_option("--activation", activations, "Activations: relu,leaky_relu")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--init", options.init, "Initializer of the weights; biases start at 0")->capture_default_str();
  app.add_option("--batch", options.batch, "Samples per step")->check(example::at_least(1))->capture_default_str();
  app.add_option("--steps", options.steps, "Training steps")->check(example::at_least(1))->capture_default_str();
  app.add_flag("--revive", revive, "Reinitialize dead units ten times on the way");
  inspect.add_to(app);

  return example::run(app, common, argc, argv, [&] {
    const tg::Dataset data = tg::load_mnist(data_dir, tg::Split::train);
    const tg::Dataset test = tg::load_mnist(data_dir, tg::Split::test);
    options.seed = common.seed;
    options.record_every = std::max<tg::Index>(options.steps / 50, 1);
    options.revive_every = revive ? std::max<tg::Index>(options.steps / 11, 1) : 0;
    example::watch_interrupt();
    terminal::heading("784-100-100-10: units that are off (dead), or nearly, on all training images");
    fmt::print("{}",
               terminal::paint("   lr  activation   accuracy    layer 1: dead, asleep   layer 2: dead, asleep\n",
                               Color::dim));
    example::Json json{{"runs", example::Json::array()}};
    std::vector<twin::Run> runs;
    for (const double lr : rates) {
      for (const std::string& name : activations) {
        if (example::stop_requested()) break;
        options.lr = lr;
        options.activation = name;
        options.name = fmt::format("{}, lr {:g}", name, lr);
        runs.push_back(twin::train(data, test, options, inspect.watch));
        show(runs.back());
        json["runs"].push_back(summary(runs.back()));
      }
    }
    std::vector<tg::RunRecord> records;
    for (const twin::Run& run : runs) {
      records.push_back(run.record);
      if (std::none_of(run.record.layers.begin(), run.record.layers.end(),
                       [](const auto& l) { return !l.deaths.empty(); }))
        continue;
      terminal::heading("Death certificates: " + run.options.name);
      show_certificates(run);
      if (run.revived > 0) fmt::print("\n{} times a dead unit got new weights\n", run.revived);
    }
    inspect.write(records, "Dying units: what the learning rate does");
    return json;
  });
}
