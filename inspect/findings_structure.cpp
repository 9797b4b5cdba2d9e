#include <fmt/format.h>

#include <algorithm>

#include "tapegrad/inspect/finding_rules.h"

/// Rules of what the network is made of: its layers, its loss, their modes.

namespace tapegrad::inline TAPEGRAD_ABI::judging {

Findings output_activation(const RunRecord& record, const Rule& rule, const Findings&) {
  const StructureRecord& net = record.structure;
  const bool own = net.loss == "cross_entropy" || net.loss == "bce_with_logits";
  if (!own || net.output_activation.empty()) return {};
  const bool softmax = net.loss == "cross_entropy";
  if (softmax && net.output_activation == "log_softmax") return {};       // of which softmax makes the same again
  if (net.output_activation == "softmax" && net.outputs == 1) return {};  // softmax_of_one_unit says more
  return {warning(
      rule, net.output_path, 1,
      fmt::format("{} takes logits and has a {} of its own, but {} stands before it: its outputs can never be far "
                  "from each other, or never below 0, and the gradient is cut; leave out {} (for probabilities, "
                  "apply {} to what predict() returns)",
                  net.loss, softmax ? "softmax" : "sigmoid", net.output_activation, net.output_activation,
                  softmax ? "softmax" : "sigmoid"))};
}

Findings softmax_of_one_unit(const RunRecord& record, const Rule& rule, const Findings&) {
  const StructureRecord& net = record.structure;
  if (net.output_activation != "softmax" || net.outputs != 1) return {};
  return {warning(rule, net.output_path, 1,
                  "softmax of one unit is 1 whatever the unit is, so nothing can be learned: use no activation and "
                  "bce_with_logits, or two units and cross_entropy",
                  Severity::critical)};
}

Findings no_activation(const RunRecord& record, const Rule& rule, const Findings&) {
  const StructureRecord& net = record.structure;
  if (net.linear.size() < 2 || net.nonlinear) return {};
  return {warning(
      rule, net.linear.front().path, static_cast<double>(net.linear.size()),
      fmt::format("{} linear layers follow each other without an activation between them: together they are one "
                  "linear map, and the classes are told apart by a straight line; put relu or tanh behind each but "
                  "the last",
                  net.linear.size()))};
}

Findings too_few_units(const RunRecord& record, const Rule& rule, const Findings&) {
  const StructureRecord& net = record.structure;
  if (net.linear.size() < 2) return {};
  const auto narrowest = std::min_element(net.linear.begin(), net.linear.end() - 1,
                                          [](const auto& a, const auto& b) { return a.outputs < b.outputs; });
  if (!judged(rule, static_cast<double>(narrowest->outputs))) return {};
  return {finding(
      rule, narrowest->path, static_cast<double>(narrowest->outputs),
      fmt::format("hidden layer {} has {} unit: all that the layers behind it know of the input is one number; use "
                  "at least as many units as there are inputs or classes",
                  narrowest->path, narrowest->outputs))};
}

Findings dropout_too_high(const RunRecord& record, const Rule& rule, const Findings&) {
  const auto& all = record.structure.dropout;
  const auto most =
      std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == all.end() || most->second <= rule.warning) return {};
  return {
      warning(rule, most->first, most->second,
              fmt::format("layer {} drops {} of the units, usual is 10 to 50 %: hardly any signal is left; use 0.2",
                          most->first, percent(most->second)))};
}

Findings not_in_training_mode(const RunRecord& record, const Rule& rule, const Findings&) {
  if (record.modal_path.empty() || record.looks == 0) return {};
  const double share = static_cast<double>(record.looks_in_eval) / static_cast<double>(record.looks);
  if (!judged(rule, share)) return {};
  return {finding(
      rule, record.modal_path, share,
      fmt::format("in {} of the steps looked at, layer {} was in eval mode: dropout drops nothing then, and batch "
                  "normalization neither uses nor learns the statistics of its batches; call train() before "
                  "training goes on",
                  percent(share), record.modal_path))};
}

Findings evaluated_in_training_mode(const RunRecord& record, const Rule& rule, const Findings&) {
  if (record.modal_path.empty()) return {};
  const auto wrong = std::count_if(record.validation.begin(), record.validation.end(),
                                   [](const ValidationStep& step) { return step.training_mode; });
  if (wrong == 0) return {};
  return {warning(
      rule, record.modal_path, static_cast<double>(wrong),
      fmt::format("in {} of {} evaluations layer {} was in training mode, so that chance, or the other samples of "
                  "the batch, change the answers: use predict(), or call eval() before and train() after",
                  wrong, record.validation.size(), record.modal_path))};
}

}  // namespace tapegrad::judging
