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
/** A list with id, claim, verdict, expected_verdict, expected, measured, criterion and sentence of each. */
nlohmann::ordered_json to_json(std::span<const Result> results);
/** One page that needs no other file. */
std::string to_html(std::span<const Result> results);

/** "0.25", "1.8e-04": five digits or two, as tables show them. */
std::string number_text(double value);

}  // namespace lab
