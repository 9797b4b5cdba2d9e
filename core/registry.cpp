#include "tapegrad/core/registry.h"

#include <algorithm>
#include <cmath>

#include "tapegrad/core/number.h"
#include "tapegrad/core/softmax.h"

namespace tapegrad::inline TAPEGRAD_ABI {

TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_DEFINE_RULE)
TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_DEFINE_MAKE)
TAPEGRAD_STRUCTURED_ACTIVATIONS(TAPEGRAD_DEFINE_MAKE)

namespace {

std::vector<Activation>& registry() {
#define TAPEGRAD_MAKE(Rule) make_activation(Rule{}),
  static std::vector<Activation> activations{TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_MAKE)
                                                 TAPEGRAD_STRUCTURED_ACTIVATIONS(TAPEGRAD_MAKE)};
#undef TAPEGRAD_MAKE
  return activations;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

double number_in(std::string_view text, std::string_view number) {
  double value = 0;
  if (read_number(number, value) != std::errc())
    fail("activation", "'" + std::string(text) + "': '" + std::string(number) + "' is not a number");
  return value;
}

}  // namespace

Activation::Activation(std::shared_ptr<const ActivationRule> rule) : rule_(std::move(rule)) {
  if (rule_ == nullptr) fail("activation", "the rule is null");
}

const ActivationRule& Activation::numeric(const char* what) const {
  if (!rule_->elementwise) fail(name(), std::string("has no ") + what + " of one number: it is not elementwise");
  return *rule_;
}

std::string Activation::text() const {
  const auto defaults = registry();
  const auto same =
      std::find_if(defaults.begin(), defaults.end(), [&](const Activation& a) { return a.name() == name(); });
  std::string list;
  const auto all = settings();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (same != defaults.end() && same->settings()[i].second == all[i].second) continue;
    list += (list.empty() ? "" : ", ") + std::string(all[i].first) + "=" + to_string(all[i].second);
  }
  return std::string(name()) + (list.empty() ? "" : "(" + list + ")");
}

Activation activation(std::string_view text) {
  text = trimmed(text);
  const std::size_t open = text.find('(');
  const std::string_view name = trimmed(text.substr(0, open));
  Activation result = find_named("activation", registry(), name);
  if (open == std::string_view::npos) return result;
  if (text.back() != ')') fail("activation", "'" + std::string(text) + "': the closing ')' is missing");
  std::string_view list = text.substr(open + 1, text.size() - open - 2);
  while (!trimmed(list).empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view item = list.substr(0, comma);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos)
      fail("activation", "'" + std::string(text) + "': '" + std::string(trimmed(item)) + "' is not setting=number");
    result = result.with(trimmed(item.substr(0, equals)), number_in(text, trimmed(item.substr(equals + 1))));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return result;
}

std::vector<std::string_view> activations() { return names_of(registry()); }

void register_activation(Activation activation) {
  for (const Activation& each : registry())
    if (each.name() == activation.name())
      fail("activation", "'" + std::string(activation.name()) + "' is registered already");
  registry().push_back(std::move(activation));
}

namespace detail {

double scanned_sup_slope(const ActivationRule& rule) {
  double largest = 0;
  for (int i = -50'000; i <= 50'000 && rule.elementwise; ++i) {
    const double slope = std::abs(rule.at(i * 1e-3).slope);
    if (slope > largest) largest = slope;
  }
  return largest;
}

bool saturates_at(const ActivationRule& rule, double x) {
  return rule.elementwise && std::abs(rule.at(x).slope) < 0.1 * rule.facts.sup_slope;
}

void unknown_setting(const ActivationRule& rule, std::string_view setting) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : rule.settings) names.push_back(name);
  fail(rule.name, "no setting named '" + std::string(setting) + "'" + did_you_mean(setting, names));
}

}  // namespace detail

}  // namespace tapegrad
