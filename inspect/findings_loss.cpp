#include <fmt/format.h>

#include <cmath>

#include "tapegrad/inspect/finding_rules.h"

/// Rules of the loss, the learning rate, the labels and the inputs.

namespace tapegrad::inline TAPEGRAD_ABI::judging {
namespace {

struct Peak {
  std::string path;
  Index step = 0;
  double ratio = 0;
};

/// The stretch in which the update ratio of a weight was largest on average.
Peak peak_update(const RunRecord& record) {
  Peak peak;
  for (const ParameterRecord& parameter : record.parameters) {
    if (!is_weight(parameter)) continue;
    const std::size_t length = std::max<std::size_t>(parameter.steps.size() / 20, 1);
    for (std::size_t from = 0; from + length <= parameter.steps.size(); from += length) {
      double sum = 0;
      for (std::size_t i = from; i < from + length; ++i) sum += parameter.steps[i].update_ratio;
      const double mean = sum / static_cast<double>(length);
      if (std::isfinite(mean) && mean > peak.ratio) peak = {parameter.path, parameter.steps[from].step, mean};
    }
  }
  return peak;
}

double lr_at(const RunRecord& record, Index step) {
  double lr = 0;
  for (const LossStep& each : record.loss)
    if (each.step <= step) lr = each.lr;
  return lr;
}

std::string lr_text(double lr) { return lr > 0 ? fmt::format(" ({})", number(lr)) : ""; }

/// The network's last layer that was recorded.
const LayerRecord* output_of(const RunRecord& record) {
  for (auto layer = record.layers.rbegin(); layer != record.layers.rend(); ++layer)
    if (!layer->steps.empty()) return &*layer;
  return nullptr;
}

/// Whether the loss of the last quarter is that of guessing, down to the share `rule.warning` of it.
bool at_ln_c(const RunRecord& record, const Rule& rule) {
  if (record.classes < 2 || last_step(record) < 100 || record.nan_step) return false;
  const double guessing = std::log(static_cast<double>(record.classes));
  const double share = lately(record.loss, &LossStep::loss) / guessing;
  return share >= rule.warning && share < 1.02;
}

}  // namespace

Findings learning_rate_too_high(const RunRecord& record, const Rule& rule, const Findings&) {
  const Peak peak = peak_update(record);
  if (record.loss.size() < 10 || !judged(rule, peak.ratio)) return {};
  const Course course = course_of(record);
  std::string behaviour;
  if (course.last > 1.5 * course.lowest && course.last - course.lowest > 0.1 * course.first)
    behaviour = fmt::format("rose again (from {} to {})", number(course.lowest), number(course.last));
  else if (course.last > 0.8 * course.first)
    behaviour = fmt::format("does not fall ({} at first, {} now)", number(course.first), number(course.last));
  else
    return {};
  return {finding(
      rule, peak.path, peak.ratio,
      fmt::format("the update ratio of {} reached {} around step {}, usual is 0.001, and the loss {}: lower "
                  "the learning rate{}",
                  peak.path, number(peak.ratio), peak.step, behaviour, lr_text(lr_at(record, peak.step))))};
}

Findings learning_rate_too_low(const RunRecord& record, const Rule& rule, const Findings&) {
  if (last_step(record) < 100) return {};
  double ratio = 0;
  double update = 0;
  std::string path;
  for (const ParameterRecord& parameter : record.parameters) {
    if (!is_weight(parameter) || parameter.steps.empty()) continue;
    const double typical = median_of(parameter.steps, &ParameterStep::update_ratio, 0, 1);
    update = std::max(update, median_of(parameter.steps, &ParameterStep::update_norm, 0, 1));
    if (typical <= ratio && !path.empty()) continue;
    ratio = typical;
    path = parameter.path;
  }
  const Course course = course_of(record);
  if (update == 0 || !judged(rule, ratio) || course.last < 0.8 * course.first) return {};
  return {finding(
      rule, path, ratio,
      fmt::format("the update ratio is {} at most (of {}), usual is 0.001, and the loss hardly falls ({} at "
                  "first, {} now): raise the learning rate{}",
                  number(ratio), path, number(course.first), number(course.last), lr_text(record.loss.back().lr)))};
}

namespace {

/// Whether the network's last output was of an ordinary size in that step.
bool output_was_sound(const RunRecord& record, Index step) {
  const LayerRecord* output = output_of(record);
  if (output == nullptr) return false;
  const auto at = std::find_if(output->steps.begin(), output->steps.end(),
                               [&](const LayerStep& each) { return each.step == step; });
  return at != output->steps.end() && std::hypot(at->mean, at->std) < 1e6;
}

}  // namespace

Findings not_finite(const RunRecord& record, const Rule& rule, const Findings&) {
  if (!record.nan_step) return {};
  const Index step = *record.nan_step;
  const Peak peak = peak_update(record);
  std::string text = step == 0 ? "the loss is not finite from the first step on, before any update"
                               : fmt::format("the loss is not finite since step {}", step);
  if (record.nan_input) {
    text += ": the inputs of that step are not finite; check the data, for example for missing values";
  } else if (output_was_sound(record, step) && peak.ratio < 1) {
    text +=
        ": the output of the network is finite, so the targets are not, or the loss cannot take it; check the "
        "targets";
  } else if (step == 0) {
    text +=
        ": values grow too large or leave the domain of an op; scale the inputs, or use smaller weights "
        "(he_normal); "
        "NanBlame names the op";
  } else {
    if (peak.ratio > 0.01)
      text += fmt::format("; the update ratio of {} reached {}, usual is 0.001", peak.path, number(peak.ratio));
    text += fmt::format(": lower the learning rate{} or clip the gradient; NanBlame names the op",
                        lr_text(lr_at(record, step)));
  }
  return {finding(rule, "", static_cast<double>(step), std::move(text))};
}

Findings constant_output(const RunRecord& record, const Rule& rule, const Findings&) {
  const LayerRecord* output = output_of(record);
  if (output == nullptr || output->steps.size() < 2) return {};
  const double spread = lately(output->steps, &LayerStep::sample_std);
  if (spread < 0) return {};
  // Logits have a scale of their own; other outputs are held against their size.
  const double size = std::hypot(lately(output->steps, &LayerStep::mean), lately(output->steps, &LayerStep::std));
  const double value = record.classes > 1 || size == 0 ? spread : spread / size;
  if (!judged(rule, value)) return {};
  return {finding(
      rule, output->path, value,
      fmt::format("the output hardly depends on the input: over the samples of a batch it varies by {}, "
                  "usual is above {}: dead, saturated or vanishing layers pass nothing on, and only the last "
                  "biases learn; look at the layers before",
                  number(value), number(rule.warning)))};
}

Findings loss_at_ln_c(const RunRecord& record, const Rule& rule, const Findings& found) {
  if (!at_ln_c(record, rule)) return {};
  const double loss = lately(record.loss, &LossStep::loss);
  const double guessing = std::log(static_cast<double>(record.classes));
  std::string_view cause = "check the labels";
  if (fired(found, dying_relu) || fired(found, dead_at_birth))
    cause = "its units are dead";
  else if (fired(found, vanishing_gradient))
    cause = "the gradient does not reach the first layers";
  else if (fired(found, saturation))
    cause = "its units are saturated";
  else if (fired(found, constant_output))
    cause = "its output does not depend on the input";
  else if (fired(found, learning_rate_too_low))
    cause = "the learning rate is too low";
  else if (fired(found, learning_rate_too_high))
    cause = "the learning rate is too high";
  Finding result =
      finding(rule, "", loss / guessing,
              fmt::format("the loss is {:.3f} after {} steps, guessing among {} classes gives ln {} = {:.3f}: "
                          "the network has learned {} yet; {}",
                          loss, last_step(record) + 1, record.classes, record.classes, guessing,
                          loss < rule.critical * guessing ? "hardly anything" : "nothing", cause));
  return {std::move(result)};
}

Findings labels_shuffled(const RunRecord& record, const Rule& rule, const Findings& found) {
  if (!at_ln_c(record, rule)) return {};
  for (const auto other : {dying_relu, dead_at_birth, vanishing_gradient, exploding_gradient, saturation,
                           constant_output, learning_rate_too_low, learning_rate_too_high})
    if (fired(found, other)) return {};
  std::vector<double> ratios;
  for (const ParameterRecord& parameter : record.parameters)
    if (is_weight(parameter) && !parameter.steps.empty())
      ratios.push_back(median_of(parameter.steps, &ParameterStep::update_ratio, 0, 1));
  if (ratios.empty() || median(ratios) == 0) return {};
  const double loss = lately(record.loss, &LossStep::loss);
  const double guessing = std::log(static_cast<double>(record.classes));
  return {finding(
      rule, "", loss / guessing,
      fmt::format("the loss stays at {:.3f} (ln {} = {:.3f}) although gradients and updates are healthy (update "
                  "ratio {}): the labels seem to say nothing about the inputs; check that both are in the "
                  "same order",
                  loss, record.classes, guessing, number(median(ratios))))};
}

Findings labels_constant(const RunRecord& record, const Rule& rule, const Findings&) {
  if (record.classes == 1)
    return {{std::string(rule.name), "", 1, 2, Severity::critical,
             "there is only one class, so the loss is 0 whatever the network says: check which column holds the "
             "labels, "
             "and how they are read"}};
  const LayerRecord* output = output_of(record);
  if (record.classes < 2 || output == nullptr || record.loss.empty()) return {};
  const double first = record.loss.front().loss;
  const auto solved = std::find_if(record.loss.begin(), record.loss.end(),
                                   [&](const LossStep& step) { return step.loss < 0.05 * first; });
  if (solved == record.loss.end() || solved->step > 100) return {};
  const double spread = lately(output->steps, &LayerStep::sample_std);
  const double size = std::hypot(lately(output->steps, &LayerStep::mean), lately(output->steps, &LayerStep::std));
  if (spread < 0 || size == 0 || !judged(rule, spread / size)) return {};
  return {finding(
      rule, "", spread / size,
      fmt::format("the loss fell from {} to {} within {} steps, and the output is nearly the same for all "
                  "samples (it varies by {} of its size): the labels seem to be constant; check how they are "
                  "read",
                  number(first), number(solved->loss), solved->step, percent(spread / size)))};
}

Findings unscaled_inputs(const RunRecord& record, const Rule& rule, const Findings&) {
  constexpr double too_narrow = 0.01;
  const double mean = record.input_mean;
  const double std = record.input_std;
  if (!std::isfinite(mean) || !std::isfinite(std)) return {};  // not_finite says so
  const std::string text = fmt::format(
      "the inputs have mean {} and standard deviation {}, usual is about 0 and 1: ", number(mean), number(std));
  const std::string_view remedy = "; scale them to [0, 1], or to mean 0 and standard deviation 1";
  const double largest = std::max(std::abs(mean), std);
  if (judged(rule, largest))
    return {finding(
        rule, "", largest,
        text + "units saturate or die at once, and no learning rate fits all layers" + std::string(remedy))};
  if (std > 0 && std < too_narrow)
    return {{std::string(rule.name), "", std, too_narrow, Severity::warning,
             text + "the network hardly sees a difference between them" + std::string(remedy)}};
  return {};
}

}  // namespace tapegrad::judging
