#pragma once

#include <algorithm>
#include <optional>

#include "tapegrad/inspect/findings.h"

/// The checks behind findings(), and what they have in common. Private to them.

namespace tapegrad::inline TAPEGRAD_ABI::judging {

using Findings = std::vector<Finding>;
using Rule = FindingRule;
using Layers = std::vector<const LayerRecord*>;
using Check = Findings(const RunRecord& record, const Rule& rule, const Findings& found);

Check not_finite, dying_relu, dead_at_birth, saturation, vanishing_gradient, exploding_gradient, bad_initialization,
    learning_rate_too_high, learning_rate_too_low, constant_output, loss_at_ln_c, labels_shuffled, labels_constant,
    unscaled_inputs;

/// Whether a check that stands before this one in the list of rules has found something.
bool fired(const Findings& found, Check* check);
/// Whether a rule calls a number bad, and how bad.
std::optional<Severity> judged(const Rule& rule, double value);
/// What a rule says of a number that it calls bad.
Finding finding(const Rule& rule, std::string where, double value, std::string text);

// Numbers in words.

std::string percent(double share);  ///< "67 %"
std::string number(double x);       ///< "0.31"
/// "layer 2 (3.relu)": its number among the activation layers, as in the report's figures, and its module.
std::string name_of(const RunRecord& record, const LayerRecord& layer);

// Windows of a history.

/// Of the finite values; 0 when there is none.
double median(std::vector<double> values);
/// Median over entries [from, to), given as fractions of the history; at least one entry is taken.
template <class Entry>
double median_of(const std::vector<Entry>& all, double Entry::*field, double from, double to) {
  const auto size = static_cast<double>(all.size());
  const auto last = std::max<std::size_t>(static_cast<std::size_t>(size * to), 1);
  const auto first = std::min(static_cast<std::size_t>(size * from), last - 1);
  std::vector<double> values;
  for (std::size_t i = first; i < std::min(last, all.size()); ++i) values.push_back(all[i].*field);
  return median(std::move(values));
}
template <class Entry> double at_first(const std::vector<Entry>& all, double Entry::*field) {
  return median_of(all, field, 0, 0.05);
}
template <class Entry> double lately(const std::vector<Entry>& all, double Entry::*field) {
  return median_of(all, field, 0.75, 1);
}

// What a run is like.

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

}  // namespace tapegrad::judging
