#include "xor/train.h"

#include <algorithm>
#include <cmath>

#include "common/watch.h"

namespace exclusive_or {
namespace {

/// The answers for the four rows, and whether each is within 0.1 of its target; NaN is not.
bool answer(Run& run, const tg::Var& logits, const tg::Matrix& targets) {
  run.predictions.clear();
  bool solved = true;
  for (tg::Index row = 0; row < 4; ++row) {
    run.predictions.push_back(1 / (1 + std::exp(-logits.value()(row, 0))));
    solved = solved && std::abs(run.predictions.back() - targets(row, 0)) < 0.1;
  }
  return solved;
}

/// Gradients and units as they are in the last step; z is the input of the activation.
void examine(Run& run, const tg::Sequential& net, const tg::Activation& f, const tg::Var& z) {
  for (const auto& [path, parameter] : net.named_parameters())
    run.gradients.emplace_back(path, parameter.grad().norm() / std::sqrt(static_cast<double>(parameter.size())));
  for (tg::Index unit = 0; f.elementwise() && unit < z.cols(); ++unit) {
    if (!z.value().col(unit).allFinite()) continue;
    double steepest = 0;
    for (tg::Index row = 0; row < 4; ++row) steepest = std::max(steepest, std::abs(f.slope(z.value()(row, unit))));
    run.dead += steepest == 0;
    run.saturated += steepest > 0 && steepest < 0.1 * f.facts().sup_slope;
  }
}

}  // namespace

std::string Run::failure() const {
  if (!std::isfinite(losses.back())) return "a loss that is not finite";
  if (dead > 0) return "dead units";
  if (saturated > 0) return "saturated units";
  return losses.back() < 0.99 * losses[losses.size() * 9 / 10] ? "slow" : "stuck";
}

Run train(const Options& options, const std::string& activation, std::uint64_t seed) {
  tg::Rng rng(seed);
  const tg::Activation f = tg::activation(activation);
  const tg::Index width = options.hidden * f.inputs_per_output();
  const tg::LinearOptions linear{.weight_init = tg::xavier_normal(), .bias_init = tg::zeros()};
  tg::Sequential net;
  net.add(tg::Linear(2, width, rng, linear));
  net.add(f, width);
  net.add(tg::Linear(options.hidden, 1, rng, linear));
  const auto optimizer = tg::make_optimizer(options.optimizer, net.parameters(), {.lr = options.lr});
  const tg::Dataset data = tg::xor_points();
  const tg::Matrix targets = data.targets();

  Run run;
  std::optional<tg::Monitor> monitor;
  if (options.inspect.wanted() && seed == options.common.seed)
    monitor.emplace(net, tg::MonitorOptions{.name = activation, .histogram_every = 10, .firing_every = 10});
  watch::View view(options.steps);
  tg::Tape tape;
  for (int step = 0; step < options.steps; ++step) {
    tape.reset();
    const tg::Var z = net[0](tape.input(data.inputs));  // the input of the activation
    const tg::Var logits = net[2](net[1](z));
    const tg::Var loss = tg::bce_with_logits(logits, targets);
    loss.backward();
    run.losses.push_back(loss.item());
    if (answer(run, logits, targets) && !run.solved()) run.steps_to_solve = step;
    if (step + 1 == options.steps) examine(run, net, f, z);
    optimizer->step();
    if (monitor) monitor->step(loss, {.lr = options.lr});
    if (monitor && options.inspect.watch) view.update(step, monitor->record());
  }
  if (monitor) {
    if (options.inspect.watch) view.finish(monitor->record());
    run.record = monitor->record();
    run.record->map = tg::decision_map(net, data.inputs, data.labels);
  }
  return run;
}

}  // namespace exclusive_or
