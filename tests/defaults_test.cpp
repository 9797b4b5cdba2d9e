#include <doctest/doctest.h>
#include <fmt/format.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "snapshot.h"

/// What is chosen where nobody chooses, and what the library says of its activations: all in tests/golden/defaults.txt.

namespace {

using namespace tapegrad;

template <class Options> std::string settings_of(std::string_view name, const Options& options) {
  std::string text = fmt::format("{}:", name);
  for (const auto& each : options.settings()) text += fmt::format(" {} {:.17g},", each.name, each.value);
  return text + "\n";
}

std::string sides(const Facts& f) {
  std::string text;
  for (const auto& [at, slope] : f.kinks) text += fmt::format(" kink {} slope {}", at, slope);
  for (const double at : f.bends) text += fmt::format(" bend {}", at);
  return text;
}

}  // namespace

TEST_CASE("defaults: of activations, optimizers, schedules and options") {
  std::string text;
  const std::vector<std::string_view> names = activations();
  const auto users = std::find(names.begin(), names.end(), "glu") + 1;  // registered by other tests
  for (const std::string_view name : std::span(names.begin(), users)) {
    const Activation f = activation(name);
    const Facts facts = f.facts();
    text += fmt::format("{} = {}: from {:.17g} to {:.17g}, slope {:.17g} at most, saturates {} {}, {} inputs,{}",
                        f.text(), facts.formula, facts.lower, facts.upper, facts.sup_slope, facts.saturates_left,
                        facts.saturates_right, f.inputs_per_output(), sides(facts));
    for (const auto& [setting, value] : f.settings()) text += fmt::format(", {} {:.17g}", setting, value);
    for (const auto& [parameter, value] : f.learned()) text += fmt::format(", learns {} {:.17g}", parameter, value);
    text += "\n";
  }
  for (const std::string_view name : optimizers()) {
    const auto made = make_optimizer(name, std::vector<Parameter>{Parameter("w", Matrix::Ones(1, 1))});
    text += fmt::format("{}: lr {:.17g},", name, made->lr());
    text += "\n";
  }
  text += settings_of("sgd", SgdOptions{}) + settings_of("adam", AdamOptions{}) +
          settings_of("adamw", AdamWOptions{}) + settings_of("rmsprop", RmsPropOptions{}) +
          settings_of("adagrad", AdagradOptions{});
  text += settings_of("constant", ConstantSchedule{}) + settings_of("step", StepSchedule{}) +
          settings_of("exponential", ExponentialSchedule{}) + settings_of("cosine", CosineSchedule{}) +
          settings_of("one_cycle", OneCycle{});
  const GradCheckOptions check;
  text += fmt::format("grad_check: order {}, full {}, tolerance {:.17g}, seed {}\n", check.order,
                      check.full_jacobian, check.tolerance, check.seed);
  text += fmt::format("huber: delta {}; batch_norm: eps {:.17g}, momentum {:.17g}; layer_norm: eps {:.17g}\n",
                      HuberOptions{}.delta, BatchNormOptions{}.eps, BatchNormOptions{}.momentum,
                      LayerNormOptions{}.eps);
  const MlpOptions mlp;
  text += fmt::format("mlp: batch_norm {}, dropout {}, input_dropout {}, bias {}, {}, {}\n", mlp.batch_norm,
                      mlp.dropout, mlp.input_dropout, mlp.linear.bias, mlp.linear.weight_init.name,
                      mlp.linear.bias_init.name);
  const EarlyStoppingOptions stopping;
  const LoaderOptions loader;
  const CsvOptions csv;
  const SplitOptions split;
  text += fmt::format("early stopping: patience {}, min_delta {}; loader: batch {}, drop_last {}\n",
                      stopping.patience, stopping.min_delta, loader.batch, loader.drop_last);
  text += fmt::format("csv: fill {}, separator {}, non finite {}, lines of {}; split: stratified {}, missing {}\n",
                      csv.fill, int{csv.separator}, csv.allow_non_finite, csv.max_line, split.stratified,
                      split.allow_missing);
  const PreflightOptions preflight;
  const ReviveOptions revive;
  text += fmt::format("preflight: from {:.17g} to {:.17g} in {}; revive: {}, bias {}\n", preflight.lr_low,
                      preflight.lr_high, preflight.lr_steps, revive.weight_init.name, revive.bias);
  snapshot::check("defaults.txt", text);
}
