#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tapegrad/inspect/finding_rules.h"

/// Rules of the updates: learning rate, momentum, weight decay, direction.

namespace tapegrad::inline TAPEGRAD_ABI::judging {

Peak peak_update(const RunRecord& record) {
  constexpr double stretches = 20;
  Peak peak;
  for (const ParameterRecord& parameter : record.parameters) {
    const auto& all = parameter.steps;
    if (!is_weight(parameter) || all.empty()) continue;
    const double steps = static_cast<double>(all.back().step + 1), length = std::max(1 / stretches, 1 / steps);
    for (double from = 0; from + length < 1 + 1e-9; from += length) {
      double sum = 0;
      const auto stretch = part(all, from, from + length);
      for (const ParameterStep& step : stretch) sum += step.update_ratio;
      // Of weights that weight decay has brought to 0, any update is a large one.
      if (stretch.front().weight_norm < 1e-3 * all.front().weight_norm) continue;
      const double mean = sum / static_cast<double>(stretch.size());
      if (std::isfinite(mean) && mean > peak.ratio) peak = {parameter.path, stretch.front().step, mean};
    }
  }
  return peak;
}

double toward_usual(double ratio) {
  if (ratio <= 0) return 100;
  return ratio > 5 ? 0.03 : std::clamp(0.003 / ratio, 1e-4, 1e4);
}

double lr_at(const RunRecord& record, Index step) {
  double lr = 0;
  for (const LossStep& each : record.loss)
    if (each.step <= step) lr = each.lr;
  return lr;
}

std::string lr_text(double lr) { return lr > 0 ? fmt::format(" ({})", number(lr)) : ""; }

namespace {

/// What the loss is held against: the largest of its first value, of that at first, and of guessing.
double at_the_start(const RunRecord& record) {
  double start = at_first(record.loss, &LossStep::loss);
  const double first = record.loss.front().loss;
  if (std::isfinite(first)) start = std::max(start, first);
  return std::max(start, guessing(record));
}

/// Whether the loss of the last quarter is well above that of the best stretch, and not low.
bool rose_again(const RunRecord& record) {
  const double late = late_loss(record), lowest = course_of(record).lowest, start = guessing(record);
  return late > 1.5 * lowest && late - lowest > 0.1 * start && late > 0.4 * start;
}

/// What is wrong with the course of the loss, in words; empty where it falls.
std::string trouble(const RunRecord& record) {
  if (record.nan_step)
    return *record.nan_step == 0 ? "" : fmt::format("is not finite since step {}", *record.nan_step);
  const double late = late_loss(record);
  if (rose_again(record))
    return fmt::format("rose again (from {} to {})", number(course_of(record).lowest), number(late));
  // Far above guessing and the first loss nothing is learned, however much worse it was for a while. Without a hidden layer the
  // best weights may be 0: then the loss is as low as it can be, and no rate is too high.
  const double first = std::isfinite(record.loss.front().loss) ? record.loss.front().loss : 0;
  const double bound = std::min(0.8 * at_the_start(record), 2 * std::max(first, guessing(record)));
  if (late > bound && record.structure.linear.size() != 1)
    return fmt::format("does not fall ({} at first, {} now)", number(at_first(record.loss, &LossStep::loss)),
                       number(late));
  return "";
}

/// " (0.1) to about 0.003: divide it by 30"
std::string change_text(double lr, double factor) {
  const auto round = [](double x) { return fmt::format("{:g}", std::stod(fmt::format("{:.1g}", x))); };
  const std::string to = lr > 0 ? fmt::format("{} to about {}", lr_text(lr), round(lr * factor)) : "";
  return to + (factor < 1 ? ": divide it by " + round(1 / factor) : ": multiply it by " + round(factor));
}

/// Whether the gradient of every hidden weight is 0 in a part of the run; false where there is no hidden layer.
bool hidden_layers_get_nothing(const RunRecord& record, double from, double to) {
  bool hidden = false;
  for (const ParameterRecord& parameter : record.parameters) {
    if (!is_weight(parameter) || parameter.steps.empty() || is_last_linear(record, parameter)) continue;
    hidden = true;
    if (median_of(parameter.steps, &ParameterStep::gradient_norm, from, to) > 0) return false;
  }
  return hidden;
}

/// The largest typical update ratio of a weight, and which it is.
Peak typical_update(const RunRecord& record) {
  Peak result;
  for (const ParameterRecord& parameter : record.parameters) {
    if (!is_weight(parameter) || parameter.steps.empty() || !parameter.requires_grad) continue;
    const double typical = median_of(parameter.steps, &ParameterStep::update_ratio, 0, 1);
    if (typical > result.ratio || result.path.empty()) result = {parameter.path, 0, typical};
  }
  return result;
}

}  // namespace

Findings uphill(const RunRecord& record, const Rule& rule, const Findings&) {
  std::vector<double> cosines;
  for (std::size_t i = 0; i < 20; ++i) {
    double descent = 0, update = 0, gradient = 0;
    for (const ParameterRecord& parameter : record.parameters) {
      if (i >= parameter.steps.size()) continue;
      const ParameterStep& step = parameter.steps[i];
      descent += step.descent;
      update = std::hypot(update, step.update_norm);
      gradient = std::hypot(gradient, step.gradient_norm);
    }
    if (update > 0 && gradient > 0) cosines.push_back(descent / (update * gradient));
  }
  const double cosine = median(cosines);
  if (cosines.empty() || !judged(rule, cosine)) return {};
  return {finding(
      rule, "", cosine,
      fmt::format(
          "the updates go uphill: the cosine between an update and −∂L/∂w is {:.2f}, of gradient descent it "
          "is above 0: check the sign of the update (w −= lr·∂L/∂w), or of the loss",
          cosine))};
}

Findings frozen_parameter(const RunRecord& record, const Rule& rule, const Findings&) {
  const auto typical = [](const ParameterRecord& parameter, double ParameterStep::*field) {
    return median_of(parameter.steps, field, 0, 1);
  };
  double largest = 0;
  bool others_move = false;
  for (const ParameterRecord& parameter : record.parameters) {
    if (parameter.steps.size() < 10) continue;
    largest = std::max(largest, typical(parameter, &ParameterStep::gradient_norm));
    others_move |= typical(parameter, &ParameterStep::update_norm) > 0;
  }
  std::string frozen;
  for (const ParameterRecord& parameter : record.parameters) {
    const auto& steps = parameter.steps;
    if (steps.size() < 10 || !parameter.requires_grad) continue;
    // Where the gradient is next to nothing, an update may vanish in rounding.
    if (typical(parameter, &ParameterStep::gradient_norm) <= 1e-3 * largest) continue;
    if (std::any_of(steps.begin(), steps.end(), [](const ParameterStep& step) { return step.update_norm != 0; }))
      continue;
    frozen += (frozen.empty() ? "" : ", ") + parameter.path;
  }
  if (frozen.empty() || !others_move) return {};
  return {warning(
      rule, frozen.substr(0, frozen.find(',')), 1,
      fmt::format("{} has a gradient and never moved, while others did: give it to the optimizer (net.parameters() "
                  "has all), or call set_requires_grad(false) where that is meant",
                  frozen))};
}

Findings learning_rate_gone(const RunRecord& record, const Rule& rule, const Findings&) {
  if (record.loss.size() < 10 || record.nan_step || late_loss(record) < 0.3 * guessing(record)) return {};
  const double first = record.loss.front().lr, last = record.loss.back().lr;
  if (!(first > 0) || last >= rule.warning * first) return {};
  // A schedule may end at 0; what counts is that the weights stood still for long before.
  const auto gone = std::find_if(record.loss.begin(), record.loss.end(),
                                 [&](const LossStep& step) { return step.lr < rule.warning * first; });
  if (gone->step > last_step(record) * 3 / 4) return {};
  return {warning(
      rule, "", last / first,
      fmt::format(
          "the learning rate fell from {} to less than a thousandth of it by step {}, and the loss stays at "
          "{}: nothing is learned any more; let the schedule end at the last step, or keep the rate at {}",
          number(first), gone->step, number(late_loss(record)), number(first)))};
}

Findings weight_decay(const RunRecord& record, const Rule& rule, const Findings&) {
  if (record.nan_step || record.optimizer.weight_decay == 0 || record.loss.size() < 10) return {};
  double largest = -1;
  for (const ParameterRecord& parameter : record.parameters) {
    if (!is_weight(parameter) || parameter.steps.empty() || parameter.steps.front().weight_norm == 0) continue;
    largest = std::max(largest, parameter.steps.back().weight_norm / parameter.steps.front().weight_norm);
  }
  if (largest < 0 || !judged(rule, largest) || learns_well(record)) return {};
  if (hidden_layers_get_nothing(record, 0, 0)) return {};  // where nothing can be learned, it is all that moves
  const double decay = record.optimizer.weight_decay;
  return {finding(
      rule, "", largest,
      fmt::format("all weights shrink: none has more than {} of its norm at first: weight decay{} takes more than "
                  "the gradient gives; use {}",
                  percent(largest), decay > 0 ? fmt::format(" ({})", number(decay)) : "",
                  decay > 0 ? number(std::min(1e-4, decay / 100)) : "1e-4 or less"))};
}

Findings momentum_too_high(const RunRecord& record, const Rule& rule, const Findings&) {
  const double momentum = record.optimizer.momentum;
  if (record.loss.size() < 10 || !judged(rule, momentum)) return {};
  const std::string behaviour = trouble(record);
  if (behaviour.empty() && learns_well(record)) return {};
  return {finding(
      rule, "", momentum,
      fmt::format("momentum {:g} makes every step {:.0f} times as long as the learning rate says, and the loss {}: "
                  "use 0.9",
                  momentum, 1 / (1 - momentum),
                  behaviour.empty() ? fmt::format("is still {}", number(late_loss(record))) : behaviour))};
}

Findings learning_rate_too_high(const RunRecord& record, const Rule& rule, const Findings&) {
  const Peak peak = peak_update(record);
  if (record.loss.size() < 50 || !judged(rule, peak.ratio)) return {};
  const std::string behaviour = trouble(record);
  if (behaviour.empty() || hidden_layers_get_nothing(record, 0, 0)) return {};
  return {finding(
      rule, peak.path, peak.ratio,
      fmt::format("the update ratio of {} reached {} around step {}, usual is 0.001, and the loss {}: lower "
                  "the learning rate{}",
                  peak.path, number(peak.ratio), peak.step, behaviour,
                  change_text(lr_at(record, peak.step), std::min(toward_usual(peak.ratio), 0.3))))};
}

Findings loss_rose_again(const RunRecord& record, const Rule& rule, const Findings& found) {
  if (last_step(record) < enough_steps(record) || record.nan_step || !rose_again(record) ||
      fired(found, learning_rate_too_high))
    return {};
  const double lowest = course_of(record).lowest;
  return {warning(
      rule, "", late_loss(record) / lowest,
      fmt::format("the loss rose again, from {} to {}: the steps are too long for what is left to learn; lower the "
                  "learning rate{}, or let it fall",
                  number(lowest), number(late_loss(record)), lr_text(record.loss.back().lr)))};
}

Findings learning_rate_too_low(const RunRecord& record, const Rule& rule, const Findings& found) {
  if (last_step(record) < 100 || record.nan_step || fired(found, learning_rate_gone)) return {};
  const Peak typical = typical_update(record);
  if (typical.path.empty() || peak_update(record).ratio > 10 * rule.warning) return {};
  const bool slow = judged(rule, typical.ratio) && !learns_well(record);
  // Where the loss is not low and still falls when training ends, somewhat larger updates are small, too.
  const bool unfinished =
      last_step(record) >= 2 * enough_steps(record) && typical.ratio < 3 * rule.warning &&
      late_loss(record) > 0.3 * guessing(record) &&
      lately(record.loss, &LossStep::loss) < 0.93 * median_of(record.loss, &LossStep::loss, 0.5, 0.75);
  if (!slow && !unfinished) return {};
  bool gradient = false;
  for (const ParameterRecord& parameter : record.parameters)
    gradient |= !parameter.steps.empty() && lately(parameter.steps, &ParameterStep::gradient_norm) > 0;
  // Without a gradient, no update is no matter of the rate.
  if (!gradient || hidden_layers_get_nothing(record, 0.75, 1)) return {};
  const Course course = course_of(record);
  return {warning(
      rule, typical.path, typical.ratio,
      fmt::format(
          "the update ratio is {} at most (of {}), usual is 0.001, and the loss {} falls ({} at first, {} now): "
          "raise the learning rate{}",
          number(typical.ratio), typical.path, slow ? "hardly" : "still", number(course.first), number(course.last),
          change_text(record.loss.back().lr, std::max(toward_usual(typical.ratio), 3.))),
      slow ? *judged(rule, typical.ratio) : Severity::warning)};
}

}  // namespace tapegrad::judging
