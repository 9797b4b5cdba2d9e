#include "tapegrad/io/scaler.h"

#include <fmt/core.h>

#include <cmath>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> BasicScaler<T>::BasicScaler(const BasicMatrixRef<T>& training) {
  if (training.rows() < 1) fail("scaler", "there are no rows");
  for (Index row = 0; row < training.rows(); ++row)
    for (Index col = 0; col < training.cols(); ++col)
      if (!std::isfinite(training(row, col)))
        fail("scaler", fmt::format("row {}, column {} is {}: fill it first", row, col, training(row, col)));
  const auto n = static_cast<double>(training.rows());
  mean_.resize(1, training.cols());
  std_.setZero(1, training.cols());
  for (Index col = 0; col < training.cols(); ++col) {
    const auto column = training.col(col).template cast<double>().array();
    const double low = column.minCoeff(), range = column.maxCoeff() - low;
    if (!std::isfinite(range)) fail("scaler", fmt::format("column {} spans more than a double holds", col));
    mean_(0, col) = low;
    if (range == 0) continue;
    // From 0 to 1: no digits are lost where values are far from 0 or tiny.
    const Eigen::ArrayXd share = (column - low) / range;
    const double mean = share.sum() / n;
    mean_(0, col) += range * mean;
    std_(0, col) = range * std::sqrt((share - mean).square().sum() / n);
  }
}

template <class T> void BasicScaler<T>::check_columns(const BasicMatrix<T>& x) const {
  if (x.cols() != mean_.cols())
    fail("scaler",
         fmt::format("it was made for {} columns, got {}", mean_.cols(), to_string(Shape{x.rows(), x.cols()})));
}

template <class T> void BasicScaler<T>::apply(BasicMatrix<T>& x) const {
  check_columns(x);
  for (Index col = 0; col < x.cols(); ++col) {
    const double mean = mean_(0, col), std = std_(0, col);
    for (Index row = 0; row < x.rows(); ++row)
      x(row, col) =
          std > 0 ? static_cast<T>((static_cast<double>(x(row, col)) - mean) / std) : x(row, col) - x(row, col);
  }
}

template <class T> void BasicScaler<T>::invert(BasicMatrix<T>& x) const {
  check_columns(x);
  for (Index col = 0; col < x.cols(); ++col)
    for (Index row = 0; row < x.rows(); ++row)
      x(row, col) = static_cast<T>(static_cast<double>(x(row, col)) * std_(0, col) + mean_(0, col));
}

template <class T> std::vector<Index> BasicScaler<T>::constant_columns() const {
  std::vector<Index> columns;
  for (Index col = 0; col < std_.cols(); ++col)
    if (std_(0, col) == 0) columns.push_back(col);
  return columns;
}

TAPEGRAD_INSTANTIATE_SCALARS(Scaler)

}  // namespace tapegrad
