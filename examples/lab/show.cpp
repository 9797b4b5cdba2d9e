#include "show.h"

#include <fmt/core.h>
#include <tapegrad/inspect/text.h>

#include <algorithm>
#include <cmath>

#include "common/terminal.h"

namespace lab {
namespace {

using tapegrad::columns;
using terminal::Color;

std::string indented(std::string_view text) { return tapegrad::wrapped(text, 80, 4, 4); }

std::string padded(std::string_view text, std::size_t width) {
  return std::string(text) + std::string(width - std::min(width, columns(text)), ' ');
}

std::string padded_left(std::string_view text, std::size_t width) {
  return std::string(width - std::min(width, columns(text)), ' ') + std::string(text);
}

Color color(Verdict verdict) {
  return verdict == Verdict::is_true ? Color::green : verdict == Verdict::qualified ? Color::yellow : Color::red;
}

std::string missed_text(const Expected& expected, const Numbers& numbers) {
  return fmt::format("{}: expected {} ± {}, measured {}", expected.number, number_text(expected.value),
                     number_text(expected.tolerance), number_text(numbers[expected.number]));
}

}  // namespace

std::string number_text(double value) {
  const double size = std::abs(value);
  if (size == 0) return "0";
  const bool plain = size >= 1e-3 && size < 1e5;
  return with_minus(plain ? fmt::format("{:.5g}", value) : fmt::format("{:.1e}", value));
}

Expectation expectation_of(const Result& result, std::string_view number) {
  for (const Expected& expected : result.claim->expected)
    if (expected.number == number) return {number_text(expected.value), expected.met(result.numbers)};
  const Condition* condition = result.claim->expected_condition(number);
  if (condition == nullptr) return {};
  return {condition->values.text(), condition->holds(result.numbers)};
}

std::string to_text(const Result& result) {
  const Claim& claim = *result.claim;
  const std::string verdict(words(result.verdict));
  std::string title = indented(claim.text).substr(4);
  title.pop_back();
  std::string text = fmt::format("{:>2}  {}\n", claim.id, terminal::paint(title, Color::bold));
  text += "    " + terminal::paint(fmt::format("{}: {}", letter(result.verdict), verdict), color(result.verdict));
  text += fmt::format(", {}\n", result.verdict_as_expected()
                                    ? "as expected"
                                    : terminal::paint(fmt::format("expected {}: {}", letter(claim.expected_verdict),
                                                                  words(claim.expected_verdict)),
                                                      Color::red));
  text += indented(result.sentence);
  text += terminal::paint(fmt::format("    {} {:>9}  {}\n", padded("", 48), "measured", "expected"), Color::dim);
  for (const auto& [name, value] : result.numbers) {
    const Expectation expectation = expectation_of(result, name);
    text += fmt::format("    {} {}", padded(name, 48), padded_left(number_text(value), 9));
    if (!expectation.text.empty())
      text += "  " + terminal::paint(expectation.text, expectation.met ? Color::dim : Color::red);
    text += "\n";
  }
  std::string rule = indented(criterion(claim));
  rule.pop_back();
  return text + terminal::paint(rule, Color::dim) + "\n";
}

std::string summary_text(std::span<const Result> results) {
  const auto good = std::count_if(results.begin(), results.end(), [](const auto& r) { return r.as_expected(); });
  const auto verdicts =
      std::count_if(results.begin(), results.end(), [](const auto& r) { return r.verdict_as_expected(); });
  const auto count = [&](Verdict verdict) {
    return std::count_if(results.begin(), results.end(), [&](const auto& r) { return r.verdict == verdict; });
  };
  std::string text = fmt::format(
      "{} claims: {} as expected, {} with another verdict, {} with other numbers\n{} true, {} true with a "
      "qualification, {} false\n",
      results.size(), good, static_cast<std::ptrdiff_t>(results.size()) - verdicts, verdicts - good,
      count(Verdict::is_true), count(Verdict::qualified), count(Verdict::is_false));
  for (const Result& result : results) {
    if (result.as_expected()) continue;
    text += fmt::format("\n{:>2}  {}\n", result.claim->id, result.claim->text);
    if (!result.verdict_as_expected())
      text += indented(fmt::format("verdict {}, the table says {}: {}", letter(result.verdict),
                                   letter(result.claim->expected_verdict), criterion(*result.claim)));
    for (const Expected& expected : result.missed()) text += indented(missed_text(expected, result.numbers));
    if (result.verdict_as_expected()) continue;
    for (const auto& [name, value] : result.numbers)
      text += indented(fmt::format("{} = {}", name, number_text(value)));
  }
  return text;
}

nlohmann::ordered_json to_json(std::span<const Result> results) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const Result& result : results) {
    const Claim& claim = *result.claim;
    Json expected = Json::object();
    for (const auto& entry : result.numbers)
      if (const Condition* condition = claim.expected_condition(entry.first))
        expected[entry.first] = condition->values.text();
    for (const Expected& e : claim.expected) expected[e.number] = e.value;
    Json measured = Json::object();
    for (const auto& [name, value] : result.numbers)
      measured[name] = std::isfinite(value) ? Json(value) : Json(nullptr);
    list.push_back({{"id", claim.id},
                    {"claim", claim.text},
                    {"verdict", std::string(1, letter(result.verdict))},
                    {"expected_verdict", std::string(1, letter(claim.expected_verdict))},
                    {"as_expected", result.as_expected()},
                    {"expectation", claim.expectation},
                    {"expected", expected},
                    {"measured", measured},
                    {"criterion", criterion(claim)},
                    {"sentence", result.sentence}});
  }
  return list;
}

}  // namespace lab
