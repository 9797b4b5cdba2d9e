#include "tapegrad/inspect/describe.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// Mean and standard deviation of every column over its finite values, and those that are not.
template <class T> DataRecord columns_of(const BasicMatrix<T>& inputs) {
  DataRecord result{.rows = inputs.rows()};
  const auto cols = static_cast<std::size_t>(inputs.cols());
  std::vector<double> sum(cols), count(cols), squares(cols);
  for (Index row = 0; row < inputs.rows(); ++row)
    for (Index col = 0; col < inputs.cols(); ++col) {
      const auto x = static_cast<double>(inputs(row, col));
      if (std::isfinite(x)) {
        sum[static_cast<std::size_t>(col)] += x;
        ++count[static_cast<std::size_t>(col)];
      } else if (result.not_finite++ == 0) {
        result.first_not_finite = {row, col};
      }
    }
  for (std::size_t c = 0; c < cols; ++c) sum[c] /= std::max(count[c], 1.0);
  for (Index row = 0; row < inputs.rows(); ++row)
    for (std::size_t c = 0; c < cols; ++c) {
      const double off = static_cast<double>(inputs(row, static_cast<Index>(c))) - sum[c];
      if (std::isfinite(off)) squares[c] += off * off;
    }
  for (std::size_t c = 0; c < cols; ++c) squares[c] = std::sqrt(squares[c] / std::max(count[c], 1.0));
  result.column_mean = std::move(sum);
  result.column_std = std::move(squares);
  return result;
}

/// How often each class comes where targets are classes in numbers: one column of two values, or one 1 among zeros (or
/// another number among them); empty where they are not.
template <class T> std::vector<Index> classes_in(const BasicMatrix<T>& targets) {
  if (targets.size() == 0) return {};
  const T high = targets.maxCoeff();
  const T low = targets.minCoeff();
  if (!targets.allFinite() || (targets.cols() > 1 && low != 0)) return {};
  std::vector<Index> counts(static_cast<std::size_t>(std::max<Index>(targets.cols(), 2)));
  for (Index row = 0; row < targets.rows(); ++row) {
    std::size_t marked = 0, last = 0;
    for (Index col = 0; col < targets.cols(); ++col) {
      const T t = targets(row, col);
      if (t != low && t != high) return {};
      if (t != high || low == high) continue;
      ++marked;
      last = static_cast<std::size_t>(col);
    }
    if (targets.cols() == 1)
      ++counts[marked];
    else if (marked == 1)
      ++counts[last];
    else
      return {};
  }
  return counts;
}

void check_rows(Index inputs, Index others, const char* what) {
  if (inputs != others) fail("describe", fmt::format("{} rows of inputs, but {} {}", inputs, others, what));
}

}  // namespace

template <class T>
DataRecord describe(const BasicMatrix<T>& inputs, std::span<const int> labels,
                    std::type_identity_t<Index> classes) {
  check_rows(inputs.rows(), static_cast<Index>(labels.size()), "labels");
  DataRecord result = columns_of(inputs);
  result.class_counts.resize(static_cast<std::size_t>(std::max<Index>(classes, 1)));
  for (const int label : labels) {
    if (label < 0) fail("describe", fmt::format("label {} is below 0", label));
    const auto at = static_cast<std::size_t>(label);
    if (at >= result.class_counts.size()) result.class_counts.resize(at + 1);
    ++result.class_counts[at];
  }
  return result;
}

template <class T>
DataRecord describe(const BasicMatrix<T>& inputs, const std::type_identity_t<BasicMatrix<T>>& targets) {
  check_rows(inputs.rows(), targets.rows(), "targets");
  DataRecord result = columns_of(inputs);
  const DataRecord columns = columns_of(targets);
  for (std::size_t col = 0; col < columns.column_mean.size(); ++col) {
    const double variance = std::pow(columns.column_std[col], 2);
    result.target_std += variance;
    result.target_rms += variance + std::pow(columns.column_mean[col], 2);
  }
  const auto cols = static_cast<double>(std::max<Index>(targets.cols(), 1));
  result.target_std = std::sqrt(result.target_std / cols);
  result.target_rms = std::sqrt(result.target_rms / cols);
  result.class_counts = classes_in(targets);
  return result;
}

template <class T> DataRecord describe(const BasicMatrix<T>& inputs) { return columns_of(inputs); }

#define TAPEGRAD_FUNCTIONS(T)                                                       \
  template DataRecord describe(const BasicMatrix<T>&, std::span<const int>, Index); \
  template DataRecord describe(const BasicMatrix<T>&, const BasicMatrix<T>&);       \
  template DataRecord describe(const BasicMatrix<T>&);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
