#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <utility>

#include "tapegrad/inspect/findings.h"

/// The checks behind findings(), and what they have in common. Private to them.

namespace tapegrad::inline TAPEGRAD_ABI::judging {

using Findings = std::vector<Finding>;
using Rule = FindingRule;
using Layers = std::vector<const LayerRecord*>;
using Check = Findings(const RunRecord& record, const Rule& rule, const Findings& found);

Check input_not_finite, labels_constant, class_imbalance, unused_class, unscaled_targets, unscaled_inputs,
    constant_input;
Check output_activation, softmax_of_one_unit, no_activation, too_few_units, dropout_too_high, not_in_training_mode;
Check identical_units, bad_initialization, dead_at_birth;
Check uphill, frozen_parameter, learning_rate_gone, weight_decay, momentum_too_high, learning_rate_too_high,
    loss_rose_again, learning_rate_too_low;
Check not_finite, vanishing_gradient, exploding_gradient, dying_relu, saturation, no_gradient;
Check evaluated_in_training_mode, memorizes, overfitting, constant_output, loss_at_ln_c, labels_shuffled,
    does_not_learn;

/// Whether a check that stands before this one in the list of rules has found something.
bool fired(const Findings& found, Check* check);
/// Whether a rule calls a number bad, and how bad.
std::optional<Severity> judged(const Rule& rule, double value);
/// What a rule says of a number that it calls bad.
Finding finding(const Rule& rule, std::string where, double value, std::string text);
/// What a rule says whatever the number is.
Finding warning(const Rule& rule, std::string where, double value, std::string text,
                Severity severity = Severity::warning);
/// Whether any check before has found more than information.
bool any(const Findings& found);

// Numbers in words.

std::string percent(double share);  ///< "67 %"
std::string number(double x);       ///< "0.31"
/// "layer 2 (3.relu)": its number among the activation layers, as in the report's figures, and its module.
std::string name_of(const RunRecord& record, const LayerRecord& layer);

// Windows of a history.

/// Of the finite values; 0 when there is none.
double median(std::vector<double> values);
/// The same of (value, weight).
double weighted_median(std::vector<std::pair<double, double>> values);

/// The entries of a history in a part of the run, from and to given as fractions of its steps; at least one.
template <class Entry> std::span<const Entry> part(const std::vector<Entry>& all, double from, double to) {
  if (all.empty()) return {};
  const auto steps = static_cast<double>(all.back().step + 1);
  const auto before = [](const Entry& entry, double step) { return static_cast<double>(entry.step) < step; };
  auto end = std::lower_bound(all.begin(), all.end(), steps * to, before);
  if (end == all.begin()) ++end;
  const auto begin = std::min(std::lower_bound(all.begin(), all.end(), std::floor(steps * from), before), end - 1);
  // By pointer and length: the libc++ of Emscripten 3.1.6 makes no span of two iterators.
  return {&*begin, static_cast<std::size_t>(end - begin)};
}
/// How many steps an entry stands for: those until the next one.
template <class Entry> double weight_of(const std::vector<Entry>& all, const Entry& entry) {
  const Entry* next = &entry + 1;
  return next == all.data() + all.size() ? 1 : static_cast<double>(next->step - entry.step);
}
/// Median over a part of the run, every step counting the same, however many were looked at.
template <class Entry>
double median_of(const std::vector<Entry>& all, double Entry::*field, double from, double to) {
  std::vector<std::pair<double, double>> values;
  for (const Entry& entry : part(all, from, to)) values.emplace_back(entry.*field, weight_of(all, entry));
  return weighted_median(std::move(values));
}
template <class Entry> double at_first(const std::vector<Entry>& all, double Entry::*field) {
  return median_of(all, field, 0, 0.05);
}
template <class Entry> double lately(const std::vector<Entry>& all, double Entry::*field) {
  return median_of(all, field, 0.75, 1);
}

// What a run is like.

/// Steps after which a loss that stands still, or has risen, says something: in the plane many networks that will learn
/// do so for some hundred steps first, with many inputs hardly any does.
Index enough_steps(const RunRecord& record);

Index last_step(const RunRecord& record);
/// Layers with steps, but for the output.
Layers hidden_layers(const RunRecord& record);
/// The flat side of relu and leaky_relu begins at 0, where half of all z lie.
bool is_rectifier(const LayerRecord& layer);
bool is_weight(const ParameterRecord& parameter);

struct Course {
  double first, lowest, last;  ///< loss: at first, in the best stretch, lately
};
Course course_of(const RunRecord& record);

/// The loss of a network that knows nothing: ln C, the variance of the targets, or else the first loss.
double guessing(const RunRecord& record);
/// Loss of the last quarter: its median or its mean, whichever is larger, as few large losses are a sign, too.
double late_loss(const RunRecord& record);
/// Whether the loss has fallen below half of guessing: then some dead or saturated units are no harm.
bool learns_well(const RunRecord& record);
/// The last linear layer, whose output is the network's.
bool is_last_linear(const RunRecord& record, const ParameterRecord& parameter);
/// The optimizer's learning rate at a step, and as " (0.1)".
double lr_at(const RunRecord& record, Index step);
std::string lr_text(double lr);
/// The network's last layer that was recorded.
const LayerRecord* output_of(const RunRecord& record);

/// The stretch in which the update ratio of a weight was largest on average.
struct Peak {
  std::string path;
  Index step = 0;
  double ratio = 0;
};
Peak peak_update(const RunRecord& record);
/// What the learning rate is to be multiplied by, so that this update ratio becomes 0.003. A ratio above 5 is that of weights
/// that blow up, and says little of the rate: then 0.03.
double toward_usual(double ratio);

}  // namespace tapegrad::judging
