// A learning rate that is too high kills ReLU units: one large update pushes a unit so far that it is off on all the
// data, its gradient is exactly 0, and no later update of its own can bring it back.
//   dead_relu                                      three rates, ReLU and what the others do in its place
//   dead_relu --lr 0.5 --activation relu --revive  reinitializes dead units on the way

#include <fmt/core.h>

#include "common/example.h"
#include "common/terminal.h"
#include "common/twin.h"

namespace tg = tapegrad;
using terminal::Color;

int main(int argc, char** argv) {
  example::CommonOptions common;
  std::string data_dir = "/usr/share/datasets/fashion-mnist";
  std::vector<double> rates{0.1, 0.3, 0.5};
  std::vector<std::string> activations{"relu", "leaky_relu", "elu", "swish"};
  tg::Index steps = 2000;
  CLI::App app("Trains 784-100-100-10 networks at several learning rates and watches units die.");
  app.add_option("--data", data_dir, "Folder with the four IDX files")->capture_default_str();
  app.add_option("--lr", rates, "Learning rates: 0.1,0.3,0.5")->delimiter(',')->capture_default_str();
  app.add_option("--activation", activations, "Activations: relu,elu")->delimiter(',')->capture_default_str();
  app.add_option("--steps", steps, "Training steps")->check(CLI::PositiveNumber)->capture_default_str();

  return example::run(app, common, argc, argv, [&] {
    const tg::Dataset data = tg::load_mnist(data_dir, tg::Split::train);
    const tg::Dataset test = tg::load_mnist(data_dir, tg::Split::test);
    for (const double lr : rates)
      for (const std::string& name : activations) {
        const twin::Run run = twin::train(data, test, {.name = name, .activation = name, .lr = lr, .steps = steps, .record_every=100, .all_steps = true, .seed = common.seed, .after_step = {}});
        fmt::print("{} {} acc {:.3f}", lr, name, run.points.back().accuracy);
        for (const auto& c : run.census) fmt::print("  dead {:.2f} asleep {:.2f}", c.dead_share(), c.asleep_share());
        fmt::print(" deaths {} {}\n", run.record.layers[0].deaths.size(), run.record.layers[1].deaths.size());
      }
    return example::Json{};
  });
}
