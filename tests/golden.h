#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tapegrad/core/types.h"

/// Golden values: JSON files of tests/golden, or of the folder that TAPEGRAD_GOLDEN names.

#ifndef TAPEGRAD_GOLDEN_DEFAULT
#define TAPEGRAD_GOLDEN_DEFAULT TAPEGRAD_TESTS_DIR "/golden"
#endif

inline std::filesystem::path golden_dir() {
  const char* const folder = std::getenv("TAPEGRAD_GOLDEN");
  return folder != nullptr && *folder != '\0' ? folder : TAPEGRAD_GOLDEN_DEFAULT;
}

/** The file of that name, "losses.json". A missing or malformed file fails the test. */
inline nlohmann::json load_golden(const std::string& file) {
  const std::filesystem::path path = golden_dir() / file;
  std::ifstream in(path);
  REQUIRE_MESSAGE(in.good(), "cannot read " << path.string());
  return nlohmann::json::parse(in);
}

/** A list of rows, a single row or a number as a matrix. */
inline tapegrad::f64::Matrix golden_matrix(const nlohmann::json& values) {
  const auto rows = values.is_array() && !values.empty() && values[0].is_array()
                        ? values.get<std::vector<std::vector<double>>>()
                    : values.is_array() ? std::vector{values.get<std::vector<double>>()}
                                        : std::vector{std::vector{values.get<double>()}};
  tapegrad::f64::Matrix matrix(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows[0].size()));
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    const std::vector<double>& row = rows[static_cast<std::size_t>(i)];
    REQUIRE(static_cast<Eigen::Index>(row.size()) == matrix.cols());
    for (Eigen::Index j = 0; j < matrix.cols(); ++j) matrix(i, j) = row[static_cast<std::size_t>(j)];
  }
  return matrix;
}

/** |a − b| ≤ rel·|b| + abs, b being the reference; NaN is close to nothing. */
inline void check_close(double a, double b, double rel = 1e-12, double abs = 1e-14) {
  CHECK_MESSAGE((a == b || std::abs(a - b) <= rel * std::abs(b) + abs),
                doctest::toString(a) << " is not close to " << doctest::toString(b) << ": off by " << a - b);
}

/** The same for a value of a golden file, where null means that there is no reference. */
inline void check_close(double a, const nlohmann::json& b, double rel = 1e-12, double abs = 1e-14) {
  if (!b.is_null()) check_close(a, b.get<double>(), rel, abs);
}

inline void check_close(const tapegrad::f64::Matrix& a, const tapegrad::f64::Matrix& b, double rel = 1e-12,
                        double abs = 1e-14) {
  REQUIRE(a.rows() == b.rows());
  REQUIRE(a.cols() == b.cols());
  for (Eigen::Index i = 0; i < a.size(); ++i) {
    INFO("element " << i);
    check_close(a.data()[i], b.data()[i], rel, abs);
  }
}
