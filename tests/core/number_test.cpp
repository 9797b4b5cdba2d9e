#include "tapegrad/core/number.h"

#include <doctest/doctest.h>

#include <clocale>
#include <cmath>
#include <limits>
#include <string>

namespace {

constexpr double untouched = 12345;

/// What read_number makes of a text: the number, or why it is none.
template <class T = double> std::string read(std::string_view text) {
  T value = untouched;
  const std::errc error = tapegrad::read_number(text, value);
  if (error == std::errc()) return std::to_string(value);
  if (error == std::errc::result_out_of_range) return "out of range: " + std::to_string(value);
  if (error != std::errc::invalid_argument) return "another error";
  return value == T(untouched) ? "no number" : "no number, but a value";
}

}  // namespace

TEST_CASE("read_number: decimal numbers, with and without an exponent") {
  CHECK(read("0") == "0.000000");
  CHECK(read("-0") == "-0.000000");
  CHECK(read("1.5") == "1.500000");
  CHECK(read(".5") == "0.500000");
  CHECK(read("5.") == "5.000000");
  CHECK(read("-12.5e-1") == "-1.250000");
  CHECK(read("2E+3") == "2000.000000");
  CHECK(read("0e999") == "0.000000");
  CHECK(read("-0.00e-999") == "-0.000000");
}

TEST_CASE("read_number: infinities and NaN by name, in any case") {
  for (const char* text : {"inf", "INF", "infinity", "Infinity"}) CHECK(read(text) == "inf");
  CHECK(read("-inf") == "-inf");
  for (const char* text : {"nan", "NaN", "-nan", "nan(0)"}) {
    double value = 0;
    CHECK(tapegrad::read_number(text, value) == std::errc());
    CHECK(std::isnan(value));
  }
}

TEST_CASE("read_number: what is no number leaves the value alone") {
  for (const char* text :
       {"",       "-",  ".",   "-.",    "e5",  "+1",    "+-1", "-+1", "--1",   " 1", "1 ",   "\t1", "- 1", "0x10",
        "-0X1p3", "1e", "1e+", "1.5.5", "1,5", "1_000", "one", "i",   "infin", "na", "nan(", "1f",  "x"}) {
    INFO("'", text, "'");
    CHECK(read(text) == "no number");
    CHECK(read<float>(text) == "no number");
  }
  CHECK(read(std::string_view("1\0002", 3)) == "no number");
  CHECK(read(std::string_view("12", 1)) == "1.000000");
}

TEST_CASE("read_number: too large and too small") {
  CHECK(read("1e400") == "out of range: inf");
  CHECK(read("-1e400") == "out of range: -inf");
  CHECK(read("1e-400") == "out of range: 0.000000");
  CHECK(read("-1e-400") == "out of range: -0.000000");
  CHECK(read("1" + std::string(400, '0')) == "out of range: inf");
  CHECK(read<float>("1e39") == "out of range: inf");
  CHECK(read<float>("1e-60") == "out of range: 0.000000");
  CHECK(read<float>("1e-400") == "out of range: 0.000000");
}

TEST_CASE("read_number: rounds correctly, down to the denormal numbers") {
  const auto read_as = []<class T>(std::string_view text, T) {
    T value = 0;
    CHECK(tapegrad::read_number(text, value) == std::errc());
    return value;
  };
  CHECK(read_as("0.1", 0.0) == 0.1);
  CHECK(read_as("0.1", 0.0F) == 0.1F);
  CHECK(read_as("1.7976931348623157e308", 0.0) == std::numeric_limits<double>::max());
  CHECK(read_as("4.9406564584124654e-324", 0.0) == std::numeric_limits<double>::denorm_min());
  CHECK(read_as("1.4e-45", 0.0F) == std::numeric_limits<float>::denorm_min());
  CHECK(read_as("1.17549431e-38", 0.0F) == std::numeric_limits<float>::min());
  // Read as a double first, it would be rounded twice.
  CHECK(read_as("1.00000017881393432617187499", 0.0F) == 1.0000001F);
}

TEST_CASE("read_number: the locale changes nothing") {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"})
    if (std::setlocale(LC_ALL, locale) != nullptr) {
      CHECK(read("1,5") == "no number");
      double value = 0;
      CHECK(tapegrad::read_number("1.5", value) == std::errc());
      CHECK(value == 1.5);
    }
  std::setlocale(LC_ALL, before.c_str());
}
