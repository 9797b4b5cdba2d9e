#include <fmt/format.h>

#include <cmath>

#include "tapegrad/inspect/finding_rules.h"

/// Rules of units and of gradients by depth.

namespace tapegrad::inline TAPEGRAD_ABI::judging {
namespace {

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

/// Of many layers in the same state the worst one stands for all.
Findings summarized(Findings all) {
  if (all.size() <= 3) return all;
  Finding worst = *std::max_element(all.begin(), all.end(),
                                    [](const Finding& a, const Finding& b) { return a.number < b.number; });
  worst.text += fmt::format("; {} more layers are like it, none worse", all.size() - 1);
  return {std::move(worst)};
}

}  // namespace

Findings dying_relu(const RunRecord& record, const Rule& rule, const Findings&) {
  constexpr double worth_saying = 0.1;
  Findings result;
  for (const LayerRecord* layer : hidden_layers(record)) {
    // Where a network blows up, the f′ of tanh or softplus rounds to 0 on the way: that is a symptom.
    if (record.nan_step && layer->facts.kinks.empty()) continue;
    const std::vector<Death> deaths = deaths_of(*layer, false);
    const double share = share_of(deaths, *layer);
    if (share < worth_saying) continue;
    std::vector<double> ratios;
    for (const Death& death : deaths)
      if (death.weight_norm > 0)
        ratios.push_back(death.weight_jump / death.weight_norm /
                         static_cast<double>(std::max<Index>(death.updates, 1)));
    const Death& middle = deaths[(deaths.size() - 1) / 2];
    const double ratio = median(ratios);
    std::string text = fmt::format("{}: {} of the units are dead, half of them by step {}", name_of(record, *layer),
                                   percent(share), middle.step);
    if (const double born = share_of(deaths_of(*layer, true), *layer); born > 0)
      text += fmt::format(" ({} more were dead from the first batch on)", percent(born));
    const std::string_view other = layer->activation == "leaky_relu" ? "elu" : "leaky_relu";
    if (ratio > 0.01)
      text += fmt::format("; the update ratio was {}, usual is 0.001: lower the learning rate ({}), or use {}",
                          number(ratio), number(middle.lr), other);
    else
      text += fmt::format(": no gradient moves their weights any more; use {}, or revive them", other);
    result.push_back(
        warning(rule, layer->path, share, std::move(text), judged(rule, share).value_or(Severity::info)));
  }
  return summarized(std::move(result));
}

Findings dead_at_birth(const RunRecord& record, const Rule& rule, const Findings&) {
  constexpr double worth_saying = 0.25;
  Findings result;
  for (const LayerRecord* layer : hidden_layers(record)) {
    const double share = share_of(deaths_of(*layer, true), *layer);
    if (share < worth_saying) continue;
    result.push_back(warning(
        rule, layer->path, share,
        fmt::format(
            "{}: {} of the units have been dead since the first batch, usual is below {}: their biases are too "
            "negative, or the layers before are narrow; use bias 0 and he_normal weights, or leaky_relu",
            name_of(record, *layer), percent(share), percent(rule.warning)),
        judged(rule, share).value_or(Severity::info)));
  }
  return summarized(std::move(result));
}

namespace {
/// Share of the samples on the flat side of an f that is flat on one side only and smooth (elu, swish, softplus).
constexpr double one_sided = 0.9;
/// A share below this part of itself at first has come with the updates.
constexpr double came_with_training = 0.5;
}  // namespace

Findings saturation(const RunRecord& record, const Rule& rule, const Findings&) {
  Findings result;
  for (const LayerRecord* layer : hidden_layers(record)) {
    if (!std::isfinite(layer->steps.back().mean)) continue;  // NaN is another finding
    const double low = lately(layer->steps, &LayerStep::saturated_low);
    const double high = lately(layer->steps, &LayerStep::saturated_high);
    const double asleep = lately(layer->steps, &LayerStep::asleep);
    if (is_rectifier(*layer)) {
      if (!layer->facts.saturates_right || !judged(rule, high)) continue;
      result.push_back(finding(rule, layer->path, high,
                               fmt::format("{}: {} of its outputs are at their upper limit, usual is below {}: f′ "
                                           "is 0 there and stops the gradient; "
                                           "use smaller weights at first, normalization before the layer, or relu",
                                           name_of(record, *layer), percent(high), percent(rule.warning))));
    } else if (layer->facts.saturates_left && layer->facts.saturates_right) {
      if (!judged(rule, low + high)) continue;
      const double at_birth = layer->steps.front().saturated_low + layer->steps.front().saturated_high;
      const std::string remedy =
          at_birth > came_with_training * (low + high)
              ? "use smaller weights at first (xavier_normal)"
              : fmt::format("it was {} at first, and updates have brought it there: lower the learning rate{}",
                            percent(at_birth), lr_text(lr_at(record, 0)));
      result.push_back(finding(
          rule, layer->path, low + high,
          fmt::format("{}: {} of its outputs are saturated ({} low, {} high), usual is below {}: f′ is less than a "
                      "tenth of its maximum there and stops the gradient; {}, normalization before the layer, "
                      "or relu",
                      name_of(record, *layer), percent(low + high), percent(low), percent(high),
                      percent(rule.warning), remedy)));
    } else if (low >= one_sided && late_loss(record) > 0.5 * guessing(record)) {
      result.push_back(
          warning(rule, layer->path, low,
                  fmt::format("{}: z is on the flat side of f on {} of the samples, so that hardly any gradient "
                              "comes through; lower "
                              "the learning rate, use smaller weights at first, or normalization before the layer",
                              name_of(record, *layer), percent(low))));
    } else if (judged(rule, asleep)) {
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

namespace {

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

}  // namespace

Findings vanishing_gradient(const RunRecord& record, const Rule& rule, const Findings& found) {
  const auto flow = gradient_flow(record);
  if (!flow || !judged(rule, flow->total)) return {};
  const bool dead = fired(found, dying_relu) || fired(found, dead_at_birth);
  const std::string_view remedy = dead && flow->slopes < flow->weights ? "the units on its way are dead"
                                  : flow->slopes < flow->weights
                                      ? "f′ is small; use relu or tanh, residual connections or normalization"
                                      : "the weights are small; use larger ones at first (he_normal for relu, "
                                        "xavier_normal for tanh), residual "
                                        "connections or normalization";
  return {finding(rule, flow->first->path, flow->total, flow_text(record, *flow, "shrinks").append(remedy))};
}

Findings exploding_gradient(const RunRecord& record, const Rule& rule, const Findings&) {
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

namespace {

/// What E[W²]·fan_in should be about: 2 where half of all z are cut off, else 1.
double usual_gain(const RunRecord& record) {
  const Layers layers = hidden_layers(record);
  return !layers.empty() && is_rectifier(*layers.front()) ? 2 : 1;
}

/// Hidden weights that are much too large or too small for what their layer adds up.
Findings wrong_gain(const RunRecord& record, const Rule& rule) {
  constexpr double too_small = 1. / 30, too_large = 20;
  for (const ParameterRecord& parameter : record.parameters) {
    if (!is_weight(parameter) || parameter.steps.empty() || is_last_linear(record, parameter)) continue;
    if (parameter.shape.rows < 2 || parameter.unit_spread < 1e-3) continue;  // identical_units says more
    const auto in = static_cast<double>(parameter.shape.cols), out = static_cast<double>(parameter.shape.rows);
    const double variance = std::pow(parameter.steps.front().weight_norm, 2) / (in * out);
    const double usual = usual_gain(record);
    // xavier_normal takes the mean of fan_in and fan_out, which may be much larger than fan_in.
    const double low = std::max(in, (in + out) / 2) * variance / usual, high = in * variance / usual;
    if (low > too_small && high < too_large) continue;
    if (!std::isfinite(variance)) continue;
    const bool small = low <= too_small;
    return {warning(
        rule, parameter.path, small ? low : high,
        fmt::format("the weights of {} are too {} at first: their variance is {}/fan_in, usual is {}/fan_in ({}); "
                    "{} signal and gradient by {} per layer",
                    parameter.path, small ? "small" : "large", number(in * variance), usual,
                    usual == 2 ? "he_normal" : "xavier_normal", small ? "they shrink" : "they blow up",
                    number(std::sqrt(in * variance / usual))))};
  }
  return {};
}

}  // namespace

Findings bad_initialization(const RunRecord& record, const Rule& rule, const Findings&) {
  constexpr double mostly_dead = 0.75;
  if (Findings wrong = wrong_gain(record, rule); !wrong.empty()) return wrong;
  const Layers layers = hidden_layers(record);
  if (layers.size() < 3) return {};
  const LayerStep& first = layers.front()->steps.front();
  const LayerStep& last = layers.back()->steps.front();
  for (const LayerRecord* layer : layers)
    if (layer->steps.front().dead_batch >= mostly_dead) return {};  // dead_at_birth says more
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
  Finding result = finding(rule, layers.front()->path, worst, std::move(text));
  if (learns_well(record) && worst > 0.2 * rule.warning) result.severity = Severity::info;
  return {std::move(result)};
}

Findings identical_units(const RunRecord& record, const Rule& rule, const Findings&) {
  for (const ParameterRecord& parameter : record.parameters) {
    if (parameter.unit_spread < 0 || is_last_linear(record, parameter) || !judged(rule, parameter.unit_spread))
      continue;
    const bool zero = parameter.steps.empty() || parameter.steps.front().weight_norm == 0;
    return {finding(
        rule, parameter.path, parameter.unit_spread,
        fmt::format("all units of {} begin with {}, get the same gradient and stay alike: the layer is worth one "
                    "unit; start from random weights (he_normal for relu, xavier_normal for tanh)",
                    parameter.path, zero ? "weights 0" : "the same weights"))};
  }
  return {};
}

Findings no_gradient(const RunRecord& record, const Rule& rule, const Findings&) {
  if (record.structure.linear.size() < 2 || record.nan_step) return {};
  std::string where;
  for (const ParameterRecord& parameter : record.parameters) {
    if (!is_weight(parameter) || !parameter.requires_grad || is_last_linear(record, parameter)) continue;
    if (parameter.steps.size() < 10 || lately(parameter.steps, &ParameterStep::gradient_norm) != 0) return {};
    if (where.empty()) where = parameter.path;
  }
  if (where.empty()) return {};
  return {warning(
      rule, where, 1,
      "the gradient of every hidden layer is exactly 0, so that none of them learns: their units are dead, or "
      "weights of 0 behind them let nothing through; start from random weights and bias 0",
      Severity::critical)};
}

}  // namespace tapegrad::judging
