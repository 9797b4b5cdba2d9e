#include "tapegrad/inspect/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "tapegrad/inspect/finding_rules.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace judging {
namespace {

/// A check may ask for what those before it have found.
constexpr std::array rules{
    Rule{"not finite", 0, 0, not_finite},
    Rule{"dying relu", 0.1, 0.5, dying_relu},
    Rule{"dead at birth", 0.25, 0.5, dead_at_birth},
    Rule{"saturation", 0.5, 0.8, saturation},
    Rule{"vanishing gradient", 1e-2, 1e-4, vanishing_gradient},
    Rule{"exploding gradient", 1e2, 1e4, exploding_gradient},
    Rule{"bad initialization", 0.05, 1e-3, bad_initialization},
    Rule{"learning rate too high", 0.1, 1, learning_rate_too_high},
    Rule{"learning rate too low", 1e-4, 1e-6, learning_rate_too_low},
    Rule{"constant output", 0.01, 1e-4, constant_output},
    Rule{"loss at ln C", 0.9, 0.98, loss_at_ln_c},
    Rule{"labels shuffled", 0.98, 2, labels_shuffled},
    Rule{"labels constant", 0.5, 0, labels_constant},
    Rule{"unscaled inputs", 5, 50, unscaled_inputs},
};

}  // namespace

bool fired(const Findings& found, Check* check) {
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& each) { return each.check == check; });
  return rule != rules.end() &&
         std::any_of(found.begin(), found.end(), [&](const Finding& each) { return each.rule == rule->name; });
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }
std::string number(double x) { return fmt::format("{:.2g}", x); }
std::string name_of(const RunRecord& record, const LayerRecord& layer) {
  return fmt::format("layer {} ({}.{})", &layer - record.layers.data() + 1, layer.path, layer.activation);
}

std::optional<Severity> judged(const Rule& rule, double value) {
  const double sign = rule.critical < rule.warning ? -1 : 1;
  if (sign * value >= sign * rule.critical) return Severity::critical;
  if (sign * value >= sign * rule.warning) return Severity::warning;
  return std::nullopt;
}

Finding finding(const Rule& rule, std::string where, double value, std::string text) {
  return {std::string(rule.name), std::move(where), value, rule.warning, *judged(rule, value), std::move(text)};
}

double median(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Index last_step(const RunRecord& record) { return record.loss.empty() ? 0 : record.loss.back().step; }

Layers hidden_layers(const RunRecord& record) {
  Layers result;
  for (const LayerRecord& layer : record.layers)
    if (layer.path != "output" && !layer.steps.empty()) result.push_back(&layer);
  return result;
}

bool is_rectifier(const LayerRecord& layer) {
  return std::any_of(layer.facts.kinks.begin(), layer.facts.kinks.end(), [&](const Kink& kink) {
    return kink.at == 0 && std::abs(kink.slope) < 0.1 * layer.facts.sup_slope;
  });
}

bool is_weight(const ParameterRecord& parameter) {
  return parameter.path.ends_with("weight") || (parameter.shape.rows > 1 && parameter.shape.cols > 1);
}

Course course_of(const RunRecord& record) {
  Course course{at_first(record.loss, &LossStep::loss), 0, lately(record.loss, &LossStep::loss)};
  course.lowest = std::min(course.first, course.last);
  for (double from = 0; from < 0.95; from += 0.1)
    course.lowest = std::min(course.lowest, median_of(record.loss, &LossStep::loss, from, from + 0.1));
  return course;
}

}  // namespace judging

std::string_view to_string(Severity severity) {
  constexpr std::array<std::string_view, 3> names{"info", "warning", "critical"};
  return names.at(static_cast<std::size_t>(severity));
}

std::span<const FindingRule> finding_rules() { return judging::rules; }

std::vector<Finding> findings(const RunRecord& record) {
  std::vector<Finding> result;
  for (const FindingRule& rule : judging::rules) {
    std::vector<Finding> found = rule.check(record, rule, result);
    std::move(found.begin(), found.end(), std::back_inserter(result));
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return result;
}

}  // namespace tapegrad
