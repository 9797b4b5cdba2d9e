#include "claim.h"

#include <fmt/core.h>
#include <tapegrad/core/error.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "groups.h"

namespace lab {
namespace {

std::string list(const std::vector<Condition>& conditions, std::string_view between) {
  std::string text;
  for (const Condition& condition : conditions)
    text += fmt::format("{}{}", text.empty() ? "" : between, condition.text());
  return text;
}

}  // namespace

char letter(Verdict verdict) {
  return verdict == Verdict::is_true ? 'T' : verdict == Verdict::qualified ? 'Q' : 'F';
}

std::string_view words(Verdict verdict) {
  return verdict == Verdict::is_true     ? "true"
         : verdict == Verdict::qualified ? "true with a qualification"
                                         : "false";
}

void Numbers::set(std::string_view name, double value) {
  for (auto& entry : values_)
    if (entry.first == name) {
      entry.second = value;
      return;
    }
  values_.emplace_back(name, value);
}

double Numbers::operator[](std::string_view name) const {
  for (const auto& entry : values_)
    if (entry.first == name) return entry.second;
  tapegrad::fail("lab", fmt::format("nothing was measured under the name '{}'", name));
}

bool Interval::contains(double value) const {
  if (!std::isfinite(value)) return false;
  return open ? low < value && value < high : low <= value && value <= high;
}

std::string Interval::text() const {
  if (low == high) return with_minus(fmt::format("= {:g}", low));
  if (std::isinf(low)) return with_minus(fmt::format("{} {:g}", open ? "<" : "≤", high));
  if (std::isinf(high)) return with_minus(fmt::format("{} {:g}", open ? ">" : "≥", low));
  return with_minus(open ? fmt::format("in ({:g}, {:g})", low, high) : fmt::format("in [{:g}, {:g}]", low, high));
}

Condition at_most(std::string number, double bound) { return {std::move(number), {.high = bound}}; }
Condition at_least(std::string number, double bound) { return {std::move(number), {.low = bound}}; }
Condition below(std::string number, double bound) { return {std::move(number), {.high = bound, .open = true}}; }
Condition above(std::string number, double bound) { return {std::move(number), {.low = bound, .open = true}}; }
Condition exactly(std::string number, double value) { return {std::move(number), {.low = value, .high = value}}; }

bool Expected::met(const Numbers& numbers) const { return std::abs(numbers[number] - value) <= tolerance; }

const Condition* Claim::expected_condition(std::string_view number) const {
  if (expected_verdict == Verdict::is_false) return nullptr;
  for (const Condition& condition : claimed)
    if (condition.number == number) return &condition;
  // Of several limits one is enough.
  const bool sure = expected_verdict == Verdict::qualified && limits.size() == 1;
  return sure && limits.front().number == number ? &limits.front() : nullptr;
}

Verdict judge(const Claim& claim, const Numbers& numbers) {
  const auto holds = [&](const Condition& condition) { return condition.holds(numbers); };
  if (!std::all_of(claim.claimed.begin(), claim.claimed.end(), holds)) return Verdict::is_false;
  return std::any_of(claim.limits.begin(), claim.limits.end(), holds) ? Verdict::qualified : Verdict::is_true;
}

std::string criterion(const Claim& claim) {
  std::string text = "true if " + list(claim.claimed, " and ");
  if (!claim.limits.empty()) text += "; with a qualification if " + list(claim.limits, " or ");
  return text;
}

std::vector<Expected> Result::missed() const {
  std::vector<Expected> missed;
  for (const Expected& expected : claim->expected)
    if (!expected.met(numbers)) missed.push_back(expected);
  return missed;
}

Result check(const Claim& claim, Lab& lab) {
  Result result{.claim = &claim, .numbers = claim.measure(lab)};
  result.verdict = judge(claim, result.numbers);
  result.sentence = with_minus(claim.sentence(result.numbers));
  return result;
}

std::string with_minus(std::string_view text) {
  const auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins_word = i == 0 || !alphanumeric(text[i - 1]);
    const bool digit_follows = i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9';
    if (text[i] == '-' && begins_word && digit_follows)
      result += "−";
    else
      result += text[i];
  }
  return result;
}

const std::vector<Claim>& claims() {
  static const std::vector<Claim> all = [] {
    std::vector<Claim> gathered;
    for (const auto group :
         {depth_claims, sigmoid_claims, tanh_claims, relu_claims, elu_claims, softmax_claims, swish_claims})
      for (Claim& claim : group()) gathered.push_back(std::move(claim));
    return gathered;
  }();
  return all;
}

std::vector<const Claim*> select(std::span<const std::string> ids) {
  std::vector<const Claim*> selected;
  for (const std::string& id : ids)
    if (std::none_of(claims().begin(), claims().end(),
                     [&](const Claim& claim) { return std::to_string(claim.id) == id; }))
      tapegrad::fail("claims", fmt::format("there is no claim {}; they are numbered 1 to {}", id, claims().size()));
  for (const Claim& claim : claims())
    if (ids.empty() || std::find(ids.begin(), ids.end(), std::to_string(claim.id)) != ids.end())
      selected.push_back(&claim);
  return selected;
}

}  // namespace lab
