#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "claim.h"

/// How results are told: in the terminal, as JSON and as a page.
namespace lab {

/** One claim with its numbers, criterion and sentence, at most 80 columns wide. */
std::string to_text(const Result& result);
/** "39 claims: 39 as expected", and a list of those that are not, with their numbers. */
std::string summary_text(std::span<const Result> results);
/** What a number is expected to be: the table's number, or the condition that goes with the expected verdict. */
struct Expectation {
  std::string text = {};  ///< empty for none
  bool met = true;
};
Expectation expectation_of(const Result& result, std::string_view number);

/** A list with id, claim, verdict, expected_verdict, expected, measured, criterion and sentence of each.
 * In `expected` stands a number or, where the table has none, a condition such as "≥ 1.2". */
nlohmann::ordered_json to_json(std::span<const Result> results);
/** One page that needs no other file. */
std::string to_html(std::span<const Result> results);

/** "0.25", "1.8e-04": five digits or two, as tables show them. */
std::string number_text(double value);

}  // namespace lab
