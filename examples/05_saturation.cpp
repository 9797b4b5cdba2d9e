#include <fmt/core.h>

#include "common/example.h"
#include "common/terminal.h"
#include "common/twin.h"
namespace tg = tapegrad;
int main(int argc, char** argv) {
  example::CommonOptions common;
  std::string data_dir = "/usr/share/datasets/fashion-mnist";
  std::vector<std::string> activations{"sigmoid", "tanh", "relu"};
  tg::Index steps = 5000, depth = 4;
  CLI::App app("stall");
  app.add_option("--data", data_dir, "Folder with the four IDX files")->capture_default_str();
  app.add_option("--activation", activations, "Activations: relu,elu")->delimiter(',')->capture_default_str();
  app.add_option("--steps", steps, "Training steps")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--depth", depth, "Training steps")->check(CLI::PositiveNumber)->capture_default_str();
  return example::run(app, common, argc, argv, [&] {
    const tg::Dataset data = tg::load_mnist(data_dir, tg::Split::train);
    const tg::Dataset test = tg::load_mnist(data_dir, tg::Split::test);
      for (const std::string& name : activations) {
        const twin::Run run = twin::train(data, test, {.name = name, .activation = name, .hidden = std::vector<tg::Index>(depth, 100), .init = "uniform_fan_in", .lr = 0.1, .batch = 10, .steps = steps, .record_every=steps/50, .seed = common.seed, .after_step = {}});
        fmt::print("{} escape {}\n", name, run.escape_step);
        for (size_t i=0;i<run.points.size();i+=5) { const auto& p = run.points[i]; fmt::print("  {:6} loss {:.3f} acc {:.3f} means", p.step, p.loss, p.accuracy); for (auto& l : run.record.layers) fmt::print(" {:.3f}", i < l.steps.size() ? l.steps[i].mean : -1); fmt::print("\n"); }
      }
    return example::Json{};
  });
}
