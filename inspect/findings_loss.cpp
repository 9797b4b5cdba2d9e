#include <fmt/format.h>

#include <cmath>

#include "tapegrad/inspect/finding_rules.h"

/// Rules of the loss: where it is not finite, where it stays, and how it compares with other data.

namespace tapegrad::inline TAPEGRAD_ABI::judging {

const LayerRecord* output_of(const RunRecord& record) {
  for (auto layer = record.layers.rbegin(); layer != record.layers.rend(); ++layer)
    if (!layer->steps.empty()) return &*layer;
  return nullptr;
}

namespace {

/// Steps after which it may be said of a network with nothing else wrong that it does not learn: a classification of few inputs
/// may still begin to after a thousand.
Index patience(const RunRecord& record) {
  const Index enough = enough_steps(record);
  return enough < 1000 || record.classes < 2 ? enough : 2 * enough;
}

/// Whether the loss of the last quarter is that of guessing, down to the share `rule.warning` of it.
bool at_ln_c(const RunRecord& record, const Rule& rule, const Findings& found) {
  if (record.classes < 2 || last_step(record) < (any(found) ? enough_steps(record) : patience(record)) ||
      record.nan_step)
    return false;
  return late_loss(record) >= rule.warning * guessing(record);
}

/// A network without a hidden layer, which can learn nothing but straight lines.
bool is_linear(const RunRecord& record) { return record.structure.linear.size() == 1; }

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
  if (output == nullptr || last_step(record) < enough_steps(record)) return {};
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
  if (!at_ln_c(record, rule, found)) return {};
  const double loss = late_loss(record);
  const double at_chance = guessing(record);
  std::string_view cause = "check the labels";
  if (is_linear(record))
    cause = "without a hidden layer it is a linear map, which tells classes apart by straight lines only; add one";
  else if (fired(found, dying_relu) || fired(found, dead_at_birth))
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
  else if (!found.empty())
    cause = "see what stands above";
  return {finding(rule, "", loss / at_chance,
                  fmt::format("the loss is {:.3f} after {} steps, guessing among {} classes gives ln {} = {:.3f}: "
                              "the network has learned {} yet; {}",
                              loss, last_step(record) + 1, record.classes, record.classes, at_chance,
                              loss < rule.critical * at_chance ? "hardly anything" : "nothing", cause))};
}

Findings labels_shuffled(const RunRecord& record, const Rule& rule, const Findings& found) {
  if (!at_ln_c(record, rule, found) || is_linear(record)) return {};
  if (any(found)) return {};  // which is reason enough to learn nothing
  std::vector<double> ratios;
  for (const ParameterRecord& parameter : record.parameters)
    if (is_weight(parameter) && !parameter.steps.empty())
      ratios.push_back(median_of(parameter.steps, &ParameterStep::update_ratio, 0, 1));
  if (ratios.empty() || median(ratios) == 0) return {};
  const double loss = late_loss(record);
  if (loss > 1.1 * guessing(record)) return {};  // that is worse than to know nothing
  return {finding(
      rule, "", loss / guessing(record),
      fmt::format("the loss stays at {:.3f} (ln {} = {:.3f}) although gradients and updates are healthy (update "
                  "ratio {}): the labels seem to say nothing about the inputs; check that both are in the "
                  "same order",
                  loss, record.classes, guessing(record), number(median(ratios))))};
}

Findings memorizes(const RunRecord& record, const Rule& rule, const Findings&) {
  if (last_step(record) < enough_steps(record)) return {};
  std::vector<double> train, other;
  for (std::size_t i = record.validation.size() * 3 / 4; i < record.validation.size(); ++i) {
    const ValidationStep& step = record.validation[i];
    if (step.training_mode || step.accuracy < 0 || step.train_accuracy < 0) continue;
    train.push_back(step.train_accuracy);
    other.push_back(step.accuracy);
  }
  if (train.empty()) return {};
  const double chance = record.classes >= 2 ? 1 / static_cast<double>(record.classes) : 0.5;
  const double learned = median(train), kept = median(other);
  // Where labels are noisy much of what is learned holds for the training data only; here next to nothing holds.
  if (!judged(rule, learned - kept) || kept - chance > 0.3 * (learned - chance)) return {};
  return {finding(
      rule, "", learned - kept,
      fmt::format(
          "on its training batches the network is right on {}, on other data on {}: {}", percent(learned),
          percent(kept),
          kept < 0.5 * chance
              ? "worse than guessing, so the labels of the two are not the same ones; check how both are read"
              : "it remembers its samples and has learned nothing that holds for others; check that "
                "labels and inputs are in the same order, and that both data sets are alike"))};
}

namespace {

/// The mean loss of the training in the tenth of the run that ends with this step.
double loss_before(const RunRecord& record, Index end) {
  double sum = 0, count = 0;
  for (const LossStep& step : record.loss)
    if (step.step <= end && step.step > end - std::max<Index>(1, last_step(record) / 10)) {
      sum += step.loss;
      ++count;
    }
  return count == 0 ? 0 : sum / count;
}

}  // namespace

Findings overfitting(const RunRecord& record, const Rule& rule, const Findings& found) {
  if (record.nan_step || fired(found, memorizes)) return {};
  std::vector<ValidationStep> seen = record.validation;
  std::erase_if(seen, [](const ValidationStep& step) { return step.training_mode || !std::isfinite(step.loss); });
  constexpr std::size_t least = 4;
  if (seen.size() < least) return {};
  const auto best =
      std::min_element(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.loss < b.loss; });
  std::vector<double> late;
  for (std::size_t i = seen.size() * 3 / 4; i < seen.size(); ++i) late.push_back(seen[i].loss);
  const double now = median(late), rise = now / best->loss;
  const double then = loss_before(record, best->step), training = late_loss(record);
  if (!judged(rule, rise) || !(training < then)) return {};
  const std::string when =
      record.steps_per_epoch > 0
          ? fmt::format("epoch {}", std::max<Index>(1, (best->step + 1) / record.steps_per_epoch))
          : fmt::format("step {}", best->step);
  return {warning(
      rule, "", rise,
      fmt::format("the loss on other data was lowest after {}, {}, and is {} now, while that of the training fell "
                  "on from {} "
                  "to {}: since then the network learns what holds for its own samples only; keep the one of {} "
                  "(EarlyStopping), or use more samples, a smaller network, dropout or weight decay",
                  when, number(best->loss), number(now), number(then), number(training), when),
      Severity::info)};
}

Findings does_not_learn(const RunRecord& record, const Rule& rule, const Findings& found) {
  if (any(found) || last_step(record) < patience(record) || record.nan_step || record.loss.empty()) return {};
  double start = guessing(record);
  if (record.classes < 2) start = std::max(start, at_first(record.loss, &LossStep::loss));
  const double share = late_loss(record) / start;
  // A loss that has fallen a little may be about to fall more.
  if (!judged(rule, share) || (share < 0.95 && last_step(record) < 2 * enough_steps(record))) return {};
  // Where the gradient is weakest, or the weights move least.
  const LayerRecord* flattest = nullptr;
  for (const LayerRecord* layer : hidden_layers(record))
    if (flattest == nullptr ||
        lately(layer->steps, &LayerStep::slope_factor) < lately(flattest->steps, &LayerStep::slope_factor))
      flattest = layer;
  const ParameterRecord* slowest = nullptr;
  const auto speed = [](const ParameterRecord& p) { return lately(p.steps, &ParameterStep::update_ratio); };
  for (const ParameterRecord& parameter : record.parameters)
    if (is_weight(parameter) && !parameter.steps.empty() &&
        (slowest == nullptr || speed(parameter) < speed(*slowest)))
      slowest = &parameter;
  std::string where = flattest != nullptr ? flattest->path : slowest != nullptr ? slowest->path : "";
  std::string text = fmt::format("the loss is {} after {} steps, {} of what guessing gives",
                                 number(late_loss(record)), last_step(record) + 1, percent(share));
  if (flattest != nullptr)
    text += fmt::format("; {} lets {} of the gradient through", name_of(record, *flattest),
                        percent(lately(flattest->steps, &LayerStep::slope_factor)));
  if (slowest != nullptr)
    text += fmt::format("; {} moves least (update ratio {})", slowest->path, number(speed(*slowest)));
  text += ": train longer, or give the network more units and another learning rate";
  return {finding(rule, std::move(where), share, std::move(text))};
}

}  // namespace tapegrad::judging
