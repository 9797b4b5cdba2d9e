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

constexpr Source run = Source::run, structure = Source::structure, data = Source::data;

/// A check may ask what those before it have found.
constexpr std::array rules{
    Rule{"input not finite", 1, 1, input_not_finite, data, "values of the inputs that are NaN or infinite"},
    Rule{"labels constant", 0.5, 0, labels_constant, data,
         "all labels are one class; or a loss of almost 0 within 100 steps with nearly the same output for all "
         "samples"},
    Rule{"class imbalance", 0.9, 1, class_imbalance, data, "share of the most frequent class"},
    Rule{"unused class", 1, 1, unused_class, data, "classes without a sample; told, and never a warning"},
    Rule{"unscaled targets", 10, 100, unscaled_targets, data, "RMS of targets that are numbers"},
    Rule{"unscaled inputs", 10, 50, unscaled_inputs, run,
         "the larger of |mean| and std of the inputs; or the widest column over the others, from 100 on"},
    Rule{"output activation", 1, 2, output_activation, structure, "an activation before a loss that has its own"},
    Rule{"softmax of one unit", 1, 1, softmax_of_one_unit, structure, "softmax of one column, which is 1 always"},
    Rule{"no activation", 2, 1000, no_activation, structure,
         "linear layers with nothing but linear maps between them"},
    Rule{"too few units", 1, 0, too_few_units, structure, "units of the narrowest hidden layer"},
    Rule{"dropout too high", 0.8, 1, dropout_too_high, structure, "probability of a dropout layer"},
    Rule{"not in training mode", 0.5, 2, not_in_training_mode, run,
         "share of the steps in which dropout and batch normalization were in eval mode"},
    Rule{"identical units", 1e-3, 0, identical_units, run,
         "spread of a hidden layer's weights over the units, over their size, at first"},
    Rule{"bad initialization", 0.02, 1e-3, bad_initialization, run,
         "change of std z from the first to the last hidden layer in step 0, of RMS ∂L/∂z back; or fan_in·E[W²] "
         "over what f needs"},
    Rule{"uphill", -0.5, -0.9, uphill, run, "cosine between the update and −∂L/∂w at first"},
    Rule{"frozen parameter", 1, 1, frozen_parameter, run,
         "share of the steps in which a parameter with a gradient stayed as it was"},
    Rule{"weight decay", 0.3, 0.03, weight_decay, run,
         "norm of the weights now over that at first, the largest of all layers"},
    Rule{"learning rate gone", 1e-3, 1e-6, learning_rate_gone, run,
         "learning rate now over that at first, where the loss is not below 0.3 of guessing"},
    Rule{"momentum too high", 0.99, 0.999, momentum_too_high, run,
         "momentum, where the loss rose again or does not fall"},
    Rule{"learning rate too high", 0.1, 1, learning_rate_too_high, run,
         "largest update ratio of a weight, where the loss does not fall or rises again"},
    Rule{"loss rose again", 1.5, 10, loss_rose_again, run, "late loss over the loss of the best stretch"},
    Rule{"dead at birth", 0.75, 0.95, dead_at_birth, run,
         "share of a layer's units that have been off since the first batch"},
    Rule{"saturation", 0.8, 0.95, saturation, run,
         "share of (sample, unit) with |f′| < 0.1·sup|f′|; not of relu, where half is usual"},
    Rule{"learning rate too low", 1e-4, 1e-6, learning_rate_too_low, run,
         "largest typical update ratio of a weight, where the loss is not below half of guessing; three times as "
         "large "
         "where it is not below 0.3 and still falls in the end"},
    Rule{"constant input", 1, 1000, constant_input, data, "columns of the inputs that never change, of up to 20"},
    Rule{"not finite", 0, 0, not_finite, run, "step from which on the loss is NaN or infinite"},
    Rule{"dying relu", 0.5, 0.8, dying_relu, run,
         "share of a layer's units that are dead and were not at first; any f with flat pieces"},
    Rule{"vanishing gradient", 1e-2, 1e-4, vanishing_gradient, run,
         "RMS ∂L/∂z of the first hidden layer over that of the last one"},
    Rule{"exploding gradient", 1e2, 1e4, exploding_gradient, run,
         "the same the other way, and the growth of the gradient's norm over the run"},
    Rule{"no gradient", 1, 1, no_gradient, run, "∂L/∂W of every hidden layer is exactly 0"},
    Rule{"in training mode at evaluation", 1, 2, evaluated_in_training_mode, run,
         "evaluations with dropout or batch normalization in training mode"},
    Rule{"memorizes", 0.15, 0.5, memorizes, run, "accuracy on the training batches less that on other data"},
    Rule{"overfitting", 1.2, 1000, overfitting, run,
         "late loss on other data over its lowest, where that of the training falls on; told, and never a warning"},
    Rule{"constant output", 0.01, 1e-4, constant_output, run,
         "std of the output over the samples; of logits below 0.01"},
    Rule{"labels shuffled", 0.9, 2, labels_shuffled, run,
         "loss over ln C with nothing else wrong: the labels do not belong to their inputs"},
    Rule{"loss at ln C", 0.9, 0.98, loss_at_ln_c, run, "loss over ln C, the loss of guessing among C classes"},
    Rule{"does not learn", 0.85, 2, does_not_learn, run,
         "late loss over that of guessing, where no other rule says anything"},
};

/// What is usual in a network that learns well.
constexpr std::array unless_it_learns{dead_at_birth, dying_relu, saturation, vanishing_gradient,
                                      exploding_gradient};

}  // namespace

bool fired(const Findings& found, Check* check) {
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& each) { return each.check == check; });
  return rule != rules.end() &&
         std::any_of(found.begin(), found.end(), [&](const Finding& each) { return each.rule == rule->name; });
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }
std::string number(double x) {
  const double size = std::abs(x);
  if (!(size >= 100 && size < 1e6)) return fmt::format("{:.2g}", x);
  const double digit = std::pow(10, std::floor(std::log10(size)) - 1);  // of which the last digit counts
  return fmt::format("{:.0f}", std::round(x / digit) * digit);
}
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
  return warning(rule, std::move(where), value, std::move(text), *judged(rule, value));
}

Finding warning(const Rule& rule, std::string where, double value, std::string text, Severity severity) {
  return {std::string(rule.name), std::move(where), value, rule.warning, severity, std::move(text), rule.source};
}

bool any(const Findings& found) {
  return std::any_of(found.begin(), found.end(),
                     [](const Finding& each) { return each.severity != Severity::info; });
}

double weighted_median(std::vector<std::pair<double, double>> values) {
  std::erase_if(values, [](const auto& each) { return !std::isfinite(each.first); });
  std::sort(values.begin(), values.end());
  double half = 0;
  for (const auto& [value, weight] : values) half += weight / 2;
  for (const auto& [value, weight] : values)
    if ((half -= weight) < 0) return value;
  return 0;
}

double median(std::vector<double> values) {
  std::vector<std::pair<double, double>> weighted;
  for (const double value : values) weighted.emplace_back(value, 1);
  return weighted_median(std::move(weighted));
}

Index last_step(const RunRecord& record) { return record.loss.empty() ? 0 : record.loss.back().step; }

Index enough_steps(const RunRecord& record) {
  constexpr Index many_inputs = 20;
  const auto& linear = record.structure.linear;
  return !linear.empty() && linear.front().inputs > many_inputs ? 300 : 1000;
}

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

namespace {
/// The loss in a part of the run: its median or its mean, whichever is larger, as few large losses are a sign, too.
double level(const RunRecord& record, double from, double to) {
  double sum = 0, weights = 0;
  for (const LossStep& step : part(record.loss, from, to)) {
    sum += step.loss * weight_of(record.loss, step);
    weights += weight_of(record.loss, step);
  }
  const double mean = sum / std::max(weights, 1.0);
  return std::isnan(mean) ? mean : std::max(mean, median_of(record.loss, &LossStep::loss, from, to));
}
}  // namespace

Course course_of(const RunRecord& record) {
  Course course{at_first(record.loss, &LossStep::loss), 0, lately(record.loss, &LossStep::loss)};
  course.lowest = late_loss(record);
  for (double from = 0; from < 0.95; from += 0.1)
    course.lowest = std::min(course.lowest, level(record, from, from + 0.1));
  return course;
}

double guessing(const RunRecord& record) {
  if (record.classes >= 2) return std::log(static_cast<double>(record.classes));
  if (record.structure.loss == "mse" && record.data.target_std > 0)
    return record.data.target_std * record.data.target_std;
  return record.loss.empty() ? 0 : record.loss.front().loss;
}

double late_loss(const RunRecord& record) { return level(record, 0.75, 1); }

bool learns_well(const RunRecord& record) {
  return !record.loss.empty() && !record.nan_step && late_loss(record) < 0.5 * guessing(record);
}

bool is_last_linear(const RunRecord& record, const ParameterRecord& parameter) {
  return !record.structure.linear.empty() && parameter.path == record.structure.linear.back().path + ".weight";
}

}  // namespace judging

std::string_view to_string(Source source) {
  constexpr std::array<std::string_view, 3> names{"run", "structure", "data"};
  return names.at(static_cast<std::size_t>(source));
}

std::string_view to_string(Severity severity) {
  constexpr std::array<std::string_view, 3> names{"info", "warning", "critical"};
  return names.at(static_cast<std::size_t>(severity));
}

std::span<const FindingRule> finding_rules() { return judging::rules; }

std::vector<Finding> findings(const RunRecord& record) {
  std::vector<Finding> result;
  const bool learns = judging::learns_well(record);
  for (const FindingRule& rule : judging::rules) {
    std::vector<Finding> found = rule.check(record, rule, result);
    const auto& usual = judging::unless_it_learns;
    if (learns && std::find(usual.begin(), usual.end(), rule.check) != usual.end())
      for (Finding& each : found) each.severity = Severity::info;
    std::move(found.begin(), found.end(), std::back_inserter(result));
  }
  std::stable_partition(result.begin(), result.end(),
                        [](const Finding& f) { return f.severity != Severity::info; });
  for (Finding& each : result)
    if (each.rule != result.front().rule && each.severity != Severity::info) each.effect_of = result.front().rule;
  return result;
}

}  // namespace tapegrad
