#pragma once

#include <vector>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Standardizes columns: (x − mean) / std, both of the training data (std divides by n, as NumPy's). A column that is constant
 * there becomes 0. In a checkpoint: `run.add("scaler", scaler)`.
 *
 *      const Scaler scaler(train.inputs);
 *      scaler.apply(train.inputs);
 *      scaler.apply(test.inputs);          // with the numbers of the training data */
template <class T> class BasicScaler {
 public:
  /** Knows no columns yet: for one that a checkpoint fills. */
  BasicScaler() = default;
  /** Throws when there are no rows, and for a value that is not finite: "[scaler] row 4, column 1 is nan: fill it first". */
  explicit BasicScaler(const BasicMatrixRef<T>& training);

  /** Throws when `x` has other columns. A value that is not finite stays so. */
  void apply(BasicMatrix<T>& x) const;
  /** Back to the units of the data. */
  void invert(BasicMatrix<T>& x) const;

  /** 1 x columns. */
  const BasicMatrix<double>& mean() const { return mean_; }
  /** 1 x columns; 0 for those that are constant. */
  const BasicMatrix<double>& std() const { return std_; }
  /** Columns, from 0, that say nothing: they had one value in all of the training data. */
  std::vector<Index> constant_columns() const;

  /** What a checkpoint holds. */
  template <class Visit> void each_state(const Visit& visit) {
    visit("mean", mean_);
    visit("std", std_);
  }

 private:
  void check_columns(const BasicMatrix<T>& x) const;

  BasicMatrix<double> mean_, std_;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Scaler)
