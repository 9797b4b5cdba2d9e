#pragma once

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tapegrad/core/types.h"

/// Golden values: JSON files of tests/golden, or of the folder that the environment's TAPEGRAD_GOLDEN names.

#ifndef TAPEGRAD_GOLDEN_DEFAULT
#define TAPEGRAD_GOLDEN_DEFAULT TAPEGRAD_TESTS_DIR "/golden"
#endif

inline std::string golden_dir() {
  const char* const folder = std::getenv("TAPEGRAD_GOLDEN");
  return folder != nullptr && *folder != '\0' ? folder : TAPEGRAD_GOLDEN_DEFAULT;
}

/** load_golden("losses") reads losses.json. */
inline nlohmann::json load_golden(const std::string& name) {
  const std::string path = golden_dir() + "/" + name + ".json";
  std::ifstream in(path);
  REQUIRE_MESSAGE(in.good(), "cannot read " << path);
  return nlohmann::json::parse(in);
}

/** Rows, or a single row, of numbers; null becomes NaN: no reference. */
inline tapegrad::f64::Matrix golden_matrix(const nlohmann::json& values) {
  const nlohmann::json rows = !values.empty() && values[0].is_array() ? values : nlohmann::json::array({values});
  tapegrad::f64::Matrix matrix(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows[0].size()));
  double* to = matrix.data();
  for (const auto& row : rows) {
    REQUIRE(row.size() == rows[0].size());
    for (const auto& x : row) *to++ = x.is_null() ? std::numeric_limits<double>::quiet_NaN() : x.get<double>();
  }
  return matrix;
}

/** |actual − expected| ≤ rel·|expected| + abs; an expected NaN means that there is no reference. */
inline void check_close(double actual, double expected, const std::string& what, double rel = 1e-12,
                        double abs = 1e-14) {
  if (std::isnan(expected)) return;
  const double difference = actual == expected ? 0 : std::abs(actual - expected);  // equal infinities, too
  CHECK_MESSAGE(difference <= rel * std::abs(expected) + abs,
                fmt::format("{}: {} instead of {}, off by {:.3g}", what, actual, expected, actual - expected));
}

template <class A, class B>
void check_close(const Eigen::MatrixBase<A>& actual, const Eigen::MatrixBase<B>& expected, const std::string& what,
                 double rel = 1e-12, double abs = 1e-14) {
  REQUIRE_MESSAGE((actual.rows() == expected.rows() && actual.cols() == expected.cols()), what);
  for (Eigen::Index i = 0; i < actual.rows(); ++i)
    for (Eigen::Index j = 0; j < actual.cols(); ++j)
      check_close(actual(i, j), expected(i, j), fmt::format("{} ({}, {})", what, i, j), rel, abs);
}
