#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

/// What a test printed once and somebody has read, kept in tests/golden: a change of anything in it is noticed.
/// TAPEGRAD_WRITE_SNAPSHOTS=1 writes the files anew; look at what `git diff` says then.

namespace snapshot {

/// Reads a number at `at`, as printed by fmt or JSON; −1 as length if there is none.
inline std::ptrdiff_t number_at(const std::string& text, std::size_t at, double& value) {
  const char before = at == 0 ? ' ' : text[at - 1];
  if (std::isalnum(static_cast<unsigned char>(before)) != 0 || before == '.' || before == '#') return -1;
  char* end = nullptr;
  if (std::isdigit(static_cast<unsigned char>(text[at])) == 0 &&
      !(text[at] == '-' && std::isdigit(static_cast<unsigned char>(text[at + 1])) != 0))
    return -1;
  value = std::strtod(text.c_str() + at, &end);
  return end - (text.c_str() + at);
}

/// The first line in which two texts differ by more than the rounding of their numbers; empty if there is none.
inline std::string difference(const std::string& got, const std::string& want, double relative = 1e-6) {
  std::istringstream got_lines(got), want_lines(want);
  std::string a, b;
  for (int line = 1;; ++line) {
    const bool more_a = static_cast<bool>(std::getline(got_lines, a)),
               more_b = static_cast<bool>(std::getline(want_lines, b));
    if (!more_a && !more_b) return {};
    bool same = more_a && more_b;
    std::size_t i = 0, k = 0;
    while (same && (i < a.size() || k < b.size())) {
      double x = 0, y = 0;
      const std::ptrdiff_t in_a = i < a.size() ? number_at(a, i, x) : -1,
                           in_b = k < b.size() ? number_at(b, k, y) : -1;
      if (in_a > 0 && in_b > 0) {
        same = std::abs(x - y) <= relative * std::max(std::abs(x), std::abs(y)) + 1e-12;
        i += static_cast<std::size_t>(in_a);
        k += static_cast<std::size_t>(in_b);
      } else {
        same = i < a.size() && k < b.size() && a[i++] == b[k++];
      }
    }
    if (!same)
      return fmt::format("line {}\n  got  {}\n  want {}", line, more_a ? a : "(the end)", more_b ? b : "(the end)");
  }
}

/// Checks `text` against tests/golden/NAME.
inline void check(const std::string& name, const std::string& text) {
  const std::string path = std::string(TAPEGRAD_TESTS_DIR) + "/golden/" + name;
  if (std::getenv("TAPEGRAD_WRITE_SNAPSHOTS") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path);
  std::ostringstream want;
  want << file.rdbuf();
  const std::string where = difference(text, want.str());
  CHECK_MESSAGE(where.empty(), name << ", " << where);
}

}  // namespace snapshot
