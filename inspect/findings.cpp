#include "tapegrad/inspect/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using Findings = std::vector<Finding>;
using Rule = FindingRule;
using Layers = std::vector<const LayerRecord*>;

// Numbers in words.

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }
std::string number(double x) { return fmt::format("{:.2g}", x); }
/// "layer 2 (3.relu)": its number among the activation layers, as in the report's figures, and its module.
std::string name_of(const RunRecord& record, const LayerRecord& layer) {
  return fmt::format("layer {} ({}.{})", &layer - record.layers.data() + 1, layer.path, layer.activation);
}

/// Whether a rule calls a number bad, and how bad.
std::optional<Severity> judged(const Rule& rule, double value) {
  const double sign = rule.critical < rule.warning ? -1 : 1;
  if (sign * value >= sign * rule.critical) return Severity::critical;
  if (sign * value >= sign * rule.warning) return Severity::warning;
  return std::nullopt;
}

Finding finding(const Rule& rule, std::string where, double value, std::string text) {
  return {std::string(rule.name), std::move(where), value, rule.warning, *judged(rule, value), std::move(text)};
}

// Windows of a history.

double median(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

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

// What the rules have in common.

Index last_step(const RunRecord& record) { return record.loss.empty() ? 0 : record.loss.back().step; }

Layers hidden_layers(const RunRecord& record) {
  Layers result;
  for (const LayerRecord& layer : record.layers)
    if (layer.path != "output" && !layer.steps.empty()) result.push_back(&layer);
  return result;
}

/// The flat side of relu and leaky_relu begins at 0, where half of all z lie.
bool is_rectifier(const LayerRecord& layer) {
  return std::any_of(layer.facts.kinks.begin(), layer.facts.kinks.end(), [&](const Kink& kink) {
    return kink.at == 0 && std::abs(kink.slope) < 0.1 * layer.facts.sup_slope;
  });
}

bool is_weight(const ParameterRecord& parameter) {
  return parameter.path.ends_with("weight") || (parameter.shape.rows > 1 && parameter.shape.cols > 1);
}

struct Course {
  double first, lowest, last;  ///< loss: at first, in the best stretch, lately
};

Course course_of(const RunRecord& record) {
  Course course{at_first(record.loss, &LossStep::loss), 0, lately(record.loss, &LossStep::loss)};
  course.lowest = std::min(course.first, course.last);
  for (double from = 0; from < 0.95; from += 0.1)
    course.lowest = std::min(course.lowest, median_of(record.loss, &LossStep::loss, from, from + 0.1));
  return course;
}

bool has_learned(const RunRecord& record) {
  const Course course = course_of(record);
  return course.last < 0.1 * course.first;
}

/// Whether the loss of the last quarter is that of guessing, down to the share `rule.warning` of it.
bool at_ln_c(const RunRecord& record, const Rule& rule) {
  if (record.classes < 2 || last_step(record) < 100 || record.nan_step) return false;
  const double guessing = std::log(static_cast<double>(record.classes));
  const double share = lately(record.loss, &LossStep::loss) / guessing;
  return share >= rule.warning && share < 1.02;
}

bool fires(const RunRecord& record, std::string_view name) {
  for (const Rule& rule : finding_rules())
    if (rule.name == name) return !rule.check(record, rule).empty();
  return false;
}

/// Deaths of a layer that have not been revived, by step.
std::vector<Death> deaths_of(const LayerRecord& layer, bool at_initialization) {
  std::vector<Death> result;
  for (const Death& death : layer.deaths)
    if (!death.revived && death.at_initialization == at_initialization) result.push_back(death);
  std::stable_sort(result.begin(), result.end(), [](const Death& a, const Death& b) { return a.step < b.step; });
  return result;
}

double share_of(const std::vector<Death>& deaths, const LayerRecord& layer) {
  return static_cast<double>(deaths.size()) / static_cast<double>(std::max<Index>(layer.units, 1));
}

// Units.

/// Of many layers in the same state the worst one stands for all.
Findings summarized(Findings all) {
  if (all.size() <= 3) return all;
  Finding worst = *std::max_element(all.begin(), all.end(),
                                    [](const Finding& a, const Finding& b) { return a.number < b.number; });
  worst.text += fmt::format("; {} more layers are like it, none worse", all.size() - 1);
  return {std::move(worst)};
}

Findings dying(const RunRecord& record, const Rule& rule) {
  Findings result;
  for (const LayerRecord* layer : hidden_layers(record)) {
    const std::vector<Death> deaths = deaths_of(*layer, false);
    const double share = share_of(deaths, *layer);
    if (!judged(rule, share)) continue;
    std::vector<double> ratios;
    for (const Death& death : deaths)
      if (death.weight_norm > 0) ratios.push_back(death.weight_jump / death.weight_norm);
    const Death& middle = deaths[(deaths.size() - 1) / 2];
    const double ratio = median(ratios);
    std::string text = fmt::format("{}: {} of the units are dead, half of them by step {}", name_of(record, *layer),
                                   percent(share), middle.step);
    const std::string_view other = layer->activation == "leaky_relu" ? "elu" : "leaky_relu";
    if (ratio > 0.01)
      text += fmt::format("; the update ratio was {}, usual is 0.001: lower the learning rate ({}), or use {}",
                          number(ratio), number(middle.lr), other);
    else
      text += fmt::format(": no gradient moves their weights any more; use {}, or revive them", other);
    result.push_back(finding(rule, layer->path, share, std::move(text)));
  }
  return summarized(std::move(result));
}

Findings dead_at_birth(const RunRecord& record, const Rule& rule) {
  Findings result;
  for (const LayerRecord* layer : hidden_layers(record)) {
    const double share = share_of(deaths_of(*layer, true), *layer);
    if (!judged(rule, share)) continue;
    result.push_back(finding(
        rule, layer->path, share,
        fmt::format(
            "{}: {} of the units have been dead since the first batch, usual is below {}: their biases are too "
            "negative, or the layers before are narrow; use bias 0 and he_normal weights, or leaky_relu",
            name_of(record, *layer), percent(share), percent(rule.warning))));
  }
  return summarized(std::move(result));
}

Findings saturation(const RunRecord& record, const Rule& rule) {
  Findings result;
  if (has_learned(record)) return result;  // a network that is sure of its answers may well be saturated
  for (const LayerRecord* layer : hidden_layers(record)) {
    if (!std::isfinite(layer->steps.back().mean)) continue;  // NaN is another finding
    const double low = lately(layer->steps, &LayerStep::saturated_low);
    const double high = lately(layer->steps, &LayerStep::saturated_high);
    const double asleep = lately(layer->steps, &LayerStep::asleep);
    if (layer->facts.saturates_left && layer->facts.saturates_right) {
      if (!judged(rule, low + high)) continue;
      result.push_back(finding(
          rule, layer->path, low + high,
          fmt::format("{}: {} of its outputs are saturated ({} low, {} high), usual is below {}: f′ is less than a "
                      "tenth of its maximum there and stops the gradient; use smaller weights at first "
                      "(xavier_normal), normalization before the layer, or relu",
                      name_of(record, *layer), percent(low + high), percent(low), percent(high),
                      percent(rule.warning))));
    } else if (judged(rule, asleep) && !is_rectifier(*layer)) {
      result.push_back(finding(
          rule, layer->path, asleep,
          fmt::format(
              "{}: {} of the units are asleep, usual is below {}: f′ is less than a thousandth of its maximum on "
              "all samples and stops the gradient; lower the learning rate, or use leaky_relu",
              name_of(record, *layer), percent(asleep), percent(rule.warning))));
    }
  }
  return summarized(std::move(result));
}

// Gradients and scales by depth.

struct Flow {
  const LayerRecord* first;
  const LayerRecord* last;
  double from, to;         ///< RMS ∂L/∂z of the last layer, of the first layer
  double total;            ///< to / from
  double per_layer;        ///< its (layers − 1)-th root
  double weights, slopes;  ///< geometric means of the two factors it is made of
};

std::optional<Flow> gradient_flow(const RunRecord& record) {
  const Layers layers = hidden_layers(record);
  if (layers.size() < 2) return std::nullopt;
  const double steps = static_cast<double>(layers.size() - 1);
  Flow flow{layers.front(),
            layers.back(),
            lately(layers.back()->steps, &LayerStep::gradient_rms),
            lately(layers.front()->steps, &LayerStep::gradient_rms),
            0,
            0,
            1,
            1};
  if (flow.from == 0) return std::nullopt;
  flow.total = flow.to / flow.from;
  flow.per_layer = std::pow(flow.total, 1 / steps);
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    flow.weights *= std::pow(lately(layers[i]->steps, &LayerStep::weight_factor), 1 / steps);
    flow.slopes *= std::pow(lately(layers[i]->steps, &LayerStep::slope_factor), 1 / steps);
  }
  return flow;
}

std::string flow_text(const RunRecord& record, const Flow& flow, std::string_view verb) {
  return fmt::format(
      "from {} back to {} the gradient {} from {} to {}, by {} per layer (weights {}, f′ {}), usual is "
      "about 1: ",
      name_of(record, *flow.last), name_of(record, *flow.first), verb, number(flow.from), number(flow.to),
      number(flow.per_layer), number(flow.weights), number(flow.slopes));
}

Findings vanishing(const RunRecord& record, const Rule& rule) {
  const auto flow = gradient_flow(record);
  if (!flow || !judged(rule, flow->total)) return {};
  const bool dead = fires(record, "dying relu") || fires(record, "dead at birth");
  const std::string_view remedy = dead && flow->slopes < flow->weights ? "the units on its way are dead"
                                  : flow->slopes < flow->weights
                                      ? "f′ is small; use relu or tanh, residual connections or normalization"
                                      : "the weights are small; use larger ones at first (he_normal for relu, "
                                        "xavier_normal for tanh), residual "
                                        "connections or normalization";
  return {finding(rule, flow->first->path, flow->total, flow_text(record, *flow, "shrinks").append(remedy))};
}

Findings exploding(const RunRecord& record, const Rule& rule) {
  Findings result;
  const auto flow = gradient_flow(record);
  if (flow && judged(rule, flow->total))
    result.push_back(finding(rule, flow->first->path, flow->total,
                             flow_text(record, *flow, "grows") +
                                 "the weights are large; use smaller ones at first (he_normal "
                                 "for relu, xavier_normal for tanh), or clip the gradient"));
  double first = 0;
  double last = 0;
  for (const ParameterRecord& parameter : record.parameters) {
    if (parameter.steps.empty()) continue;
    first = std::hypot(first, at_first(parameter.steps, &ParameterStep::gradient_norm));
    last = std::hypot(last, lately(parameter.steps, &ParameterStep::gradient_norm));
  }
  if (first > 0 && judged(rule, last / first))
    result.push_back(
        finding(rule, "", last / first,
                fmt::format("the norm of the gradient has grown from {} to {} in the run, {} times: lower "
                            "the learning rate, or clip the gradient",
                            number(first), number(last), number(last / first))));
  return result;
}

Findings bad_initialization(const RunRecord& record, const Rule& rule) {
  const Layers layers = hidden_layers(record);
  if (layers.size() < 3) return {};
  const LayerStep& first = layers.front()->steps.front();
  const LayerStep& last = layers.back()->steps.front();
  if (first.step != 0 || last.step != 0 || !(first.z_std > 0) || !(last.gradient_rms > 0)) return {};
  const double forward = last.z_std / first.z_std;
  const double back = first.gradient_rms / last.gradient_rms;
  const auto distance = [](double factor) { return std::min(factor, 1 / factor); };
  const double worst = std::min(distance(forward), distance(back));
  if (!judged(rule, worst)) return {};

  const double root = 1 / static_cast<double>(layers.size() - 1);
  std::string text = fmt::format(
      "at first the standard deviation of z changes by {} per layer from {} to {}, and the gradient by {} on its "
      "way "
      "back, usual is about 1: ",
      number(std::pow(forward, root)), name_of(record, *layers.front()), name_of(record, *layers.back()),
      number(std::pow(back, root)));
  std::vector<double> gains;  // fan_in·Var(W)
  for (const ParameterRecord& parameter : record.parameters)
    if (parameter.shape.rows > 1 && parameter.shape.cols > 1 && !parameter.steps.empty())
      gains.push_back(std::pow(parameter.steps.front().weight_norm, 2) / static_cast<double>(parameter.shape.rows));
  if (!gains.empty()) text += fmt::format("the weights' variance is {}/fan_in; ", number(median(gains)));
  const LayerRecord& layer = *layers.front();
  if (layer.activation == "selu")
    text += "selu needs 1/fan_in (lecun_normal)";
  else if (is_rectifier(layer))
    text += fmt::format("{} needs about 2/fan_in (he_normal)", layer.activation);
  else if (layer.facts.sup_slope < 0.5)
    text += fmt::format("{} shrinks the gradient whatever they are; use tanh or relu", layer.activation);
  else
    text += fmt::format("{} needs about 1/fan_in (xavier_normal)", layer.activation);
  return {finding(rule, layers.front()->path, worst, std::move(text))};
}

// Learning rate and loss.

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
      if (mean > peak.ratio) peak = {parameter.path, parameter.steps[from].step, mean};
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

Findings rate_too_high(const RunRecord& record, const Rule& rule) {
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

Findings rate_too_low(const RunRecord& record, const Rule& rule) {
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

Findings not_finite(const RunRecord& record, const Rule& rule) {
  if (!record.nan_step) return {};
  const Peak peak = peak_update(record);
  std::string text = fmt::format("the loss is not finite since step {}", *record.nan_step);
  if (peak.ratio > 0.01)
    text += fmt::format("; the update ratio of {} reached {}, usual is 0.001", peak.path, number(peak.ratio));
  return {finding(rule, "", static_cast<double>(*record.nan_step),
                  text + fmt::format(": lower the learning rate{} or clip the gradient; NanBlame names the op",
                                     lr_text(lr_at(record, *record.nan_step))))};
}

/// The network's last layer that was recorded.
const LayerRecord* output_of(const RunRecord& record) {
  for (auto layer = record.layers.rbegin(); layer != record.layers.rend(); ++layer)
    if (!layer->steps.empty()) return &*layer;
  return nullptr;
}

Findings constant_output(const RunRecord& record, const Rule& rule) {
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

Findings stuck_at_ln_c(const RunRecord& record, const Rule& rule) {
  if (!at_ln_c(record, rule)) return {};
  const double loss = lately(record.loss, &LossStep::loss);
  const double guessing = std::log(static_cast<double>(record.classes));
  std::string_view cause = "check the labels";
  if (fires(record, "dying relu") || fires(record, "dead at birth"))
    cause = "its units are dead";
  else if (fires(record, "vanishing gradient"))
    cause = "the gradient does not reach the first layers";
  else if (fires(record, "saturation"))
    cause = "its units are saturated";
  else if (fires(record, "constant output"))
    cause = "its output does not depend on the input";
  else if (fires(record, "learning rate too low"))
    cause = "the learning rate is too low";
  else if (fires(record, "learning rate too high"))
    cause = "the learning rate is too high";
  Finding result =
      finding(rule, "", loss / guessing,
              fmt::format("the loss is {:.3f} after {} steps, guessing among {} classes gives ln {} = {:.3f}: "
                          "the network has learned {} yet; {}",
                          loss, last_step(record) + 1, record.classes, record.classes, guessing,
                          loss < rule.critical * guessing ? "hardly anything" : "nothing", cause));
  return {std::move(result)};
}

Findings labels_shuffled(const RunRecord& record, const Rule& rule) {
  if (!at_ln_c(record, rule)) return {};
  for (const std::string_view other :
       {"dying relu", "dead at birth", "vanishing gradient", "exploding gradient", "saturation", "constant output",
        "learning rate too low", "learning rate too high"})
    if (fires(record, other)) return {};
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

Findings labels_constant(const RunRecord& record, const Rule& rule) {
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

Findings unscaled_inputs(const RunRecord& record, const Rule& rule) {
  constexpr double too_narrow = 0.01;
  const double mean = record.input_mean;
  const double std = record.input_std;
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

constexpr std::array rules{
    Rule{"not finite", 0, 0, not_finite},
    Rule{"dying relu", 0.1, 0.5, dying},
    Rule{"dead at birth", 0.25, 0.5, dead_at_birth},
    Rule{"saturation", 0.5, 0.8, saturation},
    Rule{"vanishing gradient", 1e-2, 1e-4, vanishing},
    Rule{"exploding gradient", 1e2, 1e4, exploding},
    Rule{"bad initialization", 0.05, 1e-3, bad_initialization},
    Rule{"learning rate too high", 0.1, 1, rate_too_high},
    Rule{"learning rate too low", 1e-4, 1e-6, rate_too_low},
    Rule{"constant output", 0.01, 1e-4, constant_output},
    Rule{"loss at ln C", 0.9, 0.98, stuck_at_ln_c},
    Rule{"labels shuffled", 0.98, 2, labels_shuffled},
    Rule{"labels constant", 0.5, 0, labels_constant},
    Rule{"unscaled inputs", 5, 50, unscaled_inputs},
};

}  // namespace

std::string_view to_string(Severity severity) {
  constexpr std::array<std::string_view, 3> names{"info", "warning", "critical"};
  return names.at(static_cast<std::size_t>(severity));
}

std::span<const FindingRule> finding_rules() { return rules; }

std::vector<Finding> findings(const RunRecord& record) {
  Findings result;
  for (const Rule& rule : rules)
    for (Finding& each : rule.check(record, rule)) result.push_back(std::move(each));
  std::stable_sort(result.begin(), result.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return result;
}

}  // namespace tapegrad
