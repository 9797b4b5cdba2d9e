#include "tapegrad/inspect/remedies.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tapegrad/inspect/finding_rules.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using judging::toward_usual;

Remedy lr(double factor) { return {Change::learning_rate, std::clamp(factor, 1e-6, 1e4)}; }
Remedy set(Change change, double value) { return {change, value}; }
Remedy make(Change change, std::string to = {}) { return {change, 0, std::move(to)}; }

using Remedies = std::vector<Remedy>;

/// Which remedies a rule advises, given its number.
struct Advice {
  std::string_view rule;
  Remedies (*of)(const Finding& finding);
};

Remedies steeper() {
  return {make(Change::activation, "relu"), make(Change::activation, "tanh"), make(Change::normalization)};
}
Remedies slower() { return {lr(0.1), lr(0.01), lr(0.001)}; }

constexpr std::array advice{
    Advice{"input not finite", [](const Finding&) -> Remedies { return {make(Change::rows)}; }},
    Advice{"labels constant",
           [](const Finding&) -> Remedies { return {make(Change::data, "the column of the labels")}; }},
    Advice{"class imbalance",
           [](const Finding&) -> Remedies { return {make(Change::data, "samples of the rare classes")}; }},
    Advice{"unscaled targets", [](const Finding& f) -> Remedies { return {set(Change::targets, f.number)}; }},
    Advice{"unscaled inputs", [](const Finding&) -> Remedies { return {make(Change::inputs)}; }},
    Advice{"output activation", [](const Finding&) -> Remedies { return {make(Change::output_activation)}; }},
    Advice{"softmax of one unit", [](const Finding&) -> Remedies { return {make(Change::output_activation)}; }},
    Advice{"no activation", [](const Finding&) { return steeper(); }},
    Advice{"too few units", [](const Finding&) -> Remedies { return {set(Change::units, 16)}; }},
    Advice{"dropout too high", [](const Finding&) -> Remedies { return {set(Change::dropout, 0.2)}; }},
    Advice{"not in training mode", [](const Finding&) -> Remedies { return {make(Change::training_mode)}; }},
    Advice{"in training mode at evaluation",
           [](const Finding&) -> Remedies { return {make(Change::training_mode)}; }},
    Advice{"identical units",
           [](const Finding&) -> Remedies { return {make(Change::initialization, "he_normal")}; }},
    Advice{"bad initialization",
           [](const Finding& f) -> Remedies {
             if (f.text.find("shrinks the gradient") != std::string::npos) return steeper();
             return {make(Change::initialization, "he_normal"), make(Change::normalization), lr(0.1)};
           }},
    Advice{"dead at birth",
           [](const Finding&) -> Remedies {
             return {make(Change::initialization, "he_normal"), lr(0.1)};
           }},
    Advice{"uphill", [](const Finding&) -> Remedies { return {make(Change::direction)}; }},
    Advice{"frozen parameter", [](const Finding&) -> Remedies { return {make(Change::parameters)}; }},
    Advice{"weight decay", [](const Finding&) -> Remedies { return {set(Change::weight_decay, 1e-4)}; }},
    Advice{"learning rate gone",
           [](const Finding&) -> Remedies { return {make(Change::learning_rate, "constant")}; }},
    Advice{"momentum too high",
           [](const Finding&) -> Remedies {
             return {set(Change::momentum, 0.9), lr(0.1)};
           }},
    Advice{"learning rate too high",
           [](const Finding& f) -> Remedies {
             const double factor = std::min(toward_usual(f.number), 0.3);
             return {lr(factor), lr(factor / 10), lr(factor / 100)};
           }},
    Advice{"loss rose again", [](const Finding&) { return slower(); }},
    Advice{"saturation",
           [](const Finding& f) -> Remedies {
             const Remedy weights = make(Change::initialization, "xavier_normal");
             const bool came = f.text.find("lower the learning rate") != std::string::npos;
             return came ? Remedies{lr(0.03), weights, lr(0.001)} : Remedies{weights, lr(0.03), lr(0.001)};
           }},
    Advice{"learning rate too low",
           [](const Finding& f) -> Remedies {
             return {lr(std::max(toward_usual(f.number), 3.)), lr(10), lr(1000)};
           }},
    Advice{"not finite", [](const Finding&) { return slower(); }},
    Advice{"vanishing gradient", [](const Finding&) { return steeper(); }},
    Advice{"exploding gradient",
           [](const Finding&) -> Remedies {
             return {make(Change::initialization, "he_normal"), lr(0.1)};
           }},
    Advice{"dying relu",
           [](const Finding&) -> Remedies {
             return {lr(0.03), lr(0.001)};
           }},
    Advice{"no gradient",
           [](const Finding&) -> Remedies {
             return {lr(0.03), make(Change::initialization, "he_normal")};
           }},
    Advice{"memorizes",
           [](const Finding&) -> Remedies { return {make(Change::data, "the order of labels and inputs")}; }},
    Advice{"labels shuffled",
           [](const Finding&) -> Remedies { return {make(Change::data, "the order of labels and inputs")}; }},
    Advice{"constant input",
           [](const Finding&) -> Remedies { return {make(Change::data, "the column that is constant")}; }},
    Advice{"constant output", [](const Finding&) { return steeper(); }},
    Advice{"loss at ln C",
           [](const Finding&) -> Remedies {
             return {lr(0.1), lr(10)};
           }},
    Advice{"does not learn",
           [](const Finding&) -> Remedies {
             return {lr(10), set(Change::units, 32), lr(0.1)};
           }},
};

}  // namespace

std::string_view initializer_for(std::string_view activation) {
  if (activation == "selu") return "lecun_normal";
  constexpr std::array rectifiers{"relu", "leaky_relu", "prelu", "relu6"};
  return std::find(rectifiers.begin(), rectifiers.end(), activation) != rectifiers.end() ? "he_normal"
                                                                                         : "xavier_normal";
}

std::string_view to_string(Change change) {
  constexpr std::array<std::string_view, 17> names{
      "learning_rate", "momentum",      "weight_decay",      "dropout",   "initialization",
      "activation",    "normalization", "output_activation", "units",     "inputs",
      "targets",       "rows",          "parameters",        "direction", "training_mode",
      "training_time", "data"};
  return names.at(static_cast<std::size_t>(change));
}

std::string to_string(const Remedy& r) {
  switch (r.change) {
    case Change::learning_rate:
      return r.to.empty() ? fmt::format("multiply the learning rate by {:.2g}", r.value)
                          : "keep the learning rate constant";
    case Change::momentum:
      return fmt::format("set momentum to {:g}", r.value);
    case Change::weight_decay:
      return fmt::format("set weight_decay to {:g}", r.value);
    case Change::dropout:
      return fmt::format("set dropout to {:g}", r.value);
    case Change::initialization:
      return fmt::format("begin with {} weights and biases 0", r.to);
    case Change::activation:
      return fmt::format("use {} in the hidden layers, and begin with {} weights", r.to, initializer_for(r.to));
    case Change::normalization:
      return "put batch normalization before the hidden activations";
    case Change::output_activation:
      return "leave out the activation before the loss";
    case Change::units:
      return fmt::format("use at least {:g} units in every hidden layer", r.value);
    case Change::inputs:
      return "scale every column of the inputs to mean 0 and standard deviation 1";
    case Change::targets:
      return fmt::format("divide the targets by {:.2g}", r.value);
    case Change::rows:
      return "leave out the rows that are not finite";
    case Change::parameters:
      return "give all parameters to the optimizer";
    case Change::direction:
      return "subtract the gradient instead of adding it";
    case Change::training_mode:
      return "call train() before training, and predict() for evaluating";
    case Change::training_time:
      return fmt::format("train {:g} times as long", r.value);
    case Change::data:
      return fmt::format("no training repairs this: look at {}", r.to);
  }
  return "";
}

std::vector<Remedy> remedies(std::span<const Finding> findings) {
  Remedies result;
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::info) continue;
    const auto found =
        std::find_if(advice.begin(), advice.end(), [&](const Advice& each) { return each.rule == finding.rule; });
    if (found == advice.end()) continue;
    for (Remedy& each : found->of(finding)) {
      const auto same = [&](const Remedy& other) {
        return other.change == each.change && other.to == each.to &&
               std::abs(other.value - each.value) <= 1e-3 * std::abs(each.value);
      };
      if (std::any_of(result.begin(), result.end(), same)) continue;
      each.rule = finding.rule;
      each.where = finding.where;
      result.push_back(std::move(each));
    }
  }
  return result;
}

}  // namespace tapegrad
