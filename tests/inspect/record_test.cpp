#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <string>

#include "snapshot.h"

/// What is in a record of which nothing is known yet, and what the options of the view inside are.

using namespace tapegrad;

TEST_CASE("record: a histogram counts a value at an edge in the bin above it, and all others beside the bins") {
  Histogram h{.low = -1, .high = 1};
  for (const double value : {-1.0, -1 + 1. / 32, 0.9999, 1.0, -1.0001, 7.0, double(NAN)}) h.add(value);
  CHECK(h.counts[0] == 1);
  CHECK(h.counts[1] == 1);
  CHECK(h.counts[63] == 1);
  CHECK(h.underflow == 1);
  CHECK(h.overflow == 3);
  CHECK(h.zeros == 0);
  CHECK(Histogram{}.low == 0);
  CHECK(Histogram{}.high == 1);
}

TEST_CASE("record: nothing is claimed before something is seen") {
  const LayerStep layer;
  for (const double each :
       {layer.z_mean, layer.z_std, layer.mean, layer.std, layer.saturated_low, layer.saturated_high,
        layer.dead_batch, layer.dead_epoch, layer.dead_since, layer.asleep, layer.gradient_rms})
    CHECK(each == 0);
  CHECK(layer.step == 0);
  CHECK(layer.sample_std == -1);
  CHECK(layer.weight_factor == 1);
  CHECK(layer.slope_factor == 1);
  const Death death;
  for (const double each : {death.weight_jump, death.weight_norm, death.bias_jump, death.lr, death.gradient_norm})
    CHECK(each == 0);
  CHECK(death.step == 0);
  CHECK(death.unit == 0);
  CHECK(death.updates == 1);
  CHECK_FALSE(death.at_initialization);
  CHECK(LayerRecord{}.units == 0);
  CHECK(LayerRecord{}.elementwise);
  const ParameterStep step;
  for (const double each :
       {step.weight_norm, step.gradient_norm, step.update_norm, step.update_ratio, step.descent})
    CHECK(each == 0);
  CHECK(step.step == 0);
  CHECK(ParameterRecord{}.unit_spread == -1);
  CHECK(ParameterRecord{}.requires_grad);
  const LossStep loss;
  CHECK(loss.step == 0);
  for (const double each : {loss.loss, loss.accuracy, loss.lr}) CHECK(each == 0);
  const ValidationStep validation;
  CHECK(validation.step == 0);
  CHECK(validation.loss == 0);
  CHECK(validation.accuracy == -1);
  CHECK(validation.train_accuracy == -1);
  CHECK_FALSE(validation.training_mode);
  const StructureRecord structure;
  CHECK(structure.outputs == 0);
  CHECK_FALSE(structure.nonlinear);
  const StructureRecord::Linear linear;
  CHECK(linear.inputs == 0);
  CHECK(linear.outputs == 0);
  const DataRecord data;
  CHECK(data.rows == 0);
  CHECK(data.not_finite == 0);
  CHECK(data.first_not_finite.row == 0);
  CHECK(data.first_not_finite.col == 0);
  CHECK(data.target_std == 0);
  CHECK(data.target_rms == 0);
  const OptimizerRecord optimizer;
  CHECK(optimizer.momentum == -1);
  CHECK(optimizer.weight_decay == -1);
  const DecisionMap map;
  CHECK(map.cells == 0);
  CHECK(map.low[0] == -1);
  CHECK(map.low[1] == -1);
  CHECK(map.high[0] == 1);
  CHECK(map.high[1] == 1);
  const RunRecord run;
  CHECK(run.classes == 0);
  CHECK(run.steps_per_epoch == 0);
  CHECK(run.input_mean == 0);
  CHECK(run.input_std == 0);
  CHECK(run.looks == 0);
  CHECK(run.looks_in_eval == 0);
  CHECK_FALSE(run.nan_input);
  CHECK_FALSE(run.nan_step);
  CHECK(findings(run).empty());
}

TEST_CASE("record: what the options are where nobody chooses") {
  const MonitorOptions monitor;
  CHECK(monitor.every == 0);
  CHECK(monitor.histogram_every == 0);
  CHECK(monitor.firing_every == 100);
  CHECK(monitor.confirm_after == 100);
  CHECK(monitor.most_records == 400);
  CHECK(monitor.steps_per_epoch == 0);
  CHECK(monitor.classes == 0);
  CHECK(StepInfo{}.lr == 0);
  CHECK(StepInfo{}.accuracy == -1);
  const PreflightReport report;
  CHECK(report.inputs == Shape{});
  CHECK(report.input_mean == 0);
  CHECK(report.input_std == 0);
  CHECK(report.loss == 0);
  CHECK(report.classes == 0);
  CHECK(report.lr_fastest == 0);
  CHECK(report.lr_limit == 0);
  const PreflightLayer layer;
  CHECK(layer.units == 0);
  for (const double each : {layer.rms, layer.expected_rms, layer.gradient_rms, layer.expected_gradient_rms,
                            layer.dead, layer.asleep, layer.saturated})
    CHECK(each == 0);
  CHECK_FALSE(layer.activation);
}

TEST_CASE("remedies: a finding that no remedy is known for brings none, and factors stay within bounds") {
  const Finding unknown{.rule = "no such rule", .severity = Severity::critical};
  CHECK(remedies(std::array{unknown}).empty());
  const auto of = [](double number) {
    const Finding high{.rule = "learning rate too high", .number = number, .severity = Severity::critical};
    return remedies(std::array{high}).front().value;
  };
  CHECK(of(1) == doctest::Approx(0.003).scale(0));
  CHECK(of(0.3) == doctest::Approx(0.01).scale(0));
  CHECK(of(50) == doctest::Approx(0.03).scale(0));
  Finding info{.rule = "learning rate too high", .number = 1, .severity = Severity::info};
  CHECK(remedies(std::array{info}).empty());
}

TEST_CASE("remedies: those of every rule") {
  std::string text;
  for (const FindingRule& rule : finding_rules()) {
    std::string before;
    for (const char* const words : {"", "f shrinks the gradient", "lower the learning rate"})
      for (const double number : {0.0, 1e-9, 0.02, 0.3, 4.0, 100.0}) {
        std::string advice;
        for (const Remedy& r :
             remedies(std::array{Finding{.rule = std::string(rule.name), .number = number, .text = words}}))
          advice += fmt::format("  {} {:.6g} {}, {}\n", to_string(r.change), r.value, r.to, to_string(r));
        if (advice != before) text += fmt::format("{} {} {}\n{}", rule.name, number, words, advice);
        before = advice;
      }
  }
  for (const char* const name : {"relu", "leaky_relu", "prelu", "relu6", "selu", "tanh", "swish"})
    text += fmt::format("{} begins with {}\n", name, initializer_for(name));
  snapshot::check("remedies.txt", text);
}
