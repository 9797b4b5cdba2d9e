// XOR, the smallest task a linear network cannot do: two inputs, one hidden layer, one answer.
//   xor                              trains one network and shows what it learned
//   xor --activation identity        shows that without a nonlinearity it cannot be learned
//   xor --activation tanh,relu --seeds 100   success rates, and why the others failed

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "common/example.h"
#include "common/terminal.h"
#include "xor/train.h"

namespace tg = tapegrad;
using exclusive_or::Options;
using exclusive_or::Run;
using terminal::Color;

void show(const Options& options, const std::string& name, const Run& run) {
  terminal::heading(fmt::format("XOR with {}, {} of {}",
                                terminal::counted(options.hidden, "hidden " + name + " unit"),
                                terminal::counted(options.steps, "step"), options.optimizer));
  fmt::print("  x1  x2   target   answer (✓: within 0.1)\n");
  const tg::Dataset data = tg::xor_points();
  for (std::size_t row = 0; row < 4; ++row) {
    const bool right = std::abs(run.predictions[row] - data.labels[row]) < 0.1;
    fmt::print("  {:2g}  {:2g}   {:6}   {:6.3f}  {} {}\n", data.inputs(row, 0), data.inputs(row, 1),
               data.labels[row], run.predictions[row],
               right ? terminal::paint("✓", Color::green) : terminal::paint("✗", Color::red),
               terminal::paint(terminal::bar(run.predictions[row], 20), Color::cyan));
  }
  const double last = run.losses.back();
  fmt::print("\nloss  {:.4f} {} {}\n", run.losses.front(), terminal::sparkline(run.losses, 56),
             last < 1e4 ? fmt::format("{:.4f}", last) : fmt::format("{:.2g}", last));
  fmt::print("\nRMS gradient in the last step\n");
  for (const auto& [path, rms] : run.gradients) fmt::print("  {:<10} {:.2e}\n", path, rms);
  if (run.solved()) {
    fmt::print("\n{} after {}: every answer is within 0.1 of its target.\n",
               terminal::paint("Solved", Color::green), terminal::counted(run.steps_to_solve + 1, "step"));
  } else if (!std::isfinite(last)) {
    fmt::print("\n{}: the loss is not finite. Lower the learning rate.\n",
               terminal::paint("Not solved", Color::red));
  } else if (name == "identity") {
    fmt::print(
        "\n{}: a linear network draws one straight line, and no line separates XOR.\n"
        "The best it can do is to answer 0.5 four times, at a loss of ln 2 = 0.6931.\n",
        terminal::paint("Not solved", Color::red));
  } else {
    fmt::print("\n{} ({}; {} of {} hidden units dead, {} saturated).\n", terminal::paint("Not solved", Color::red),
               run.failure(), run.dead, options.hidden, run.saturated);
  }
}

example::Json compare(const Options& options) {
  terminal::heading(fmt::format("XOR from {}, {}, {} of {}", terminal::counted(options.seeds, "seed"),
                                terminal::counted(options.hidden, "hidden unit"),
                                terminal::counted(options.steps, "step"), options.optimizer));
  fmt::print("{:<16} {:>7}  {:>12}   failed by\n", "activation", "solved", "median steps");
  example::Json rates;
  example::Json causes;
  example::Json lowest;
  std::vector<tg::RunRecord> records;
  for (const std::string& name : options.activations) {
    std::vector<int> steps;
    std::map<std::string, int> failed;
    double lowest_loss = INFINITY;
    for (int i = 0; i < options.seeds; ++i) {
      const Run run = exclusive_or::train(options, name, options.common.seed + static_cast<std::uint64_t>(i));
      if (run.solved())
        steps.push_back(run.steps_to_solve + 1);
      else
        ++failed[run.failure()];
      lowest_loss = std::min(lowest_loss, run.losses.back());
      if (run.record) records.push_back(*run.record);
    }
    std::sort(steps.begin(), steps.end());
    const double rate = static_cast<double>(steps.size()) / options.seeds;
    std::string why;
    for (const auto& [cause, count] : failed) why += fmt::format("{}{} {}", why.empty() ? "" : ", ", count, cause);
    fmt::print("{:<16} {:>5.0f} %  {:>12}   {}\n", name, 100 * rate,
               steps.empty() ? "-" : fmt::format("{}", steps[steps.size() / 2]), why);
    rates[name] = rate;
    causes[name] = failed;
    lowest[name] = lowest_loss;
  }
  if (!records.empty())
    options.inspect.write(records,
                          fmt::format("XOR from seed {}, the first of {}", options.common.seed, options.seeds));
  return {{"success_rate", rates}, {"failures", causes}, {"lowest_loss", lowest}, {"seeds", options.seeds}};
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a network with one hidden layer on XOR.");
  app.add_option("--activation", options.activations, "Activation, or several with --seeds: tanh,relu")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--hidden", options.hidden, "Hidden units")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--optimizer", options.optimizer, "Optimizer")->capture_default_str();
  app.add_option("--lr", options.lr, "Learning rate")->capture_default_str();
  app.add_option("--steps", options.steps, "Training steps")->check(example::at_least(1))->capture_default_str();
  app.add_option("--seeds", options.seeds, "Train from this many seeds and print the success rate")
      ->check(example::at_least(1));
  options.inspect.add_to(app);  // with --seeds, the first run of every activation is shown
  app.get_option("--seeds")->excludes("--watch");
  example::explain_exit_codes(app);
  return example::run(app, options.common, argc, argv, [&]() -> example::Json {
    if (options.seeds > 0) return compare(options);
    example::Json json;
    std::vector<tg::RunRecord> records;
    for (const std::string& name : options.activations) {
      const Run run = exclusive_or::train(options, name, options.common.seed);
      show(options, name, run);
      json = {{"activation", name},        {"solved", run.solved()},
              {"steps_to_solve", nullptr}, {"final_loss", run.losses.back()},
              {"losses", run.losses},      {"predictions", run.predictions}};
      if (run.solved()) json["steps_to_solve"] = run.steps_to_solve + 1;
      if (!std::isfinite(run.losses.back())) example::end_with(example::not_finite);
      if (run.record) records.push_back(*run.record);
    }
    if (!records.empty()) options.inspect.write(records);
    return json;
  });
}
