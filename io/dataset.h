#pragma once

#include <string>
#include <vector>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Samples to learn from: row i of `inputs` belongs to class `labels[i]`, one of 0 … classes − 1.
 *
 *      Dataset moons = two_moons(500, 0.1, rng);   // inputs 500x2, 500 labels, 2 classes */
template <class T> struct BasicDataset {
  BasicMatrix<T> inputs;
  std::vector<int> labels;
  int classes = 0;
  /// Each row of `inputs` is an image_rows x image_cols picture, row by row; 0 if it is none.
  Index image_rows = 0;
  Index image_cols = 0;
  std::vector<std::string> columns = {};      ///< names of the columns of `inputs`; empty if they have none
  std::vector<std::string> class_names = {};  ///< empty if they have none

  Index size() const { return inputs.rows(); }
  /** The labels as a column (size x 1), as bce_with_logits and mse want them. */
  BasicMatrix<T> targets() const {
    BasicMatrix<T> column(static_cast<Index>(labels.size()), 1);
    for (std::size_t i = 0; i < labels.size(); ++i) column.data()[i] = static_cast<T>(labels[i]);
    return column;
  }
};

}  // namespace tapegrad

TAPEGRAD_ALIASES(Dataset)
