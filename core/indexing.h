#pragma once

#include <span>

#include "tapegrad/core/tape.h"

/// Ops that move values without computing with them.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Matrices with the same number of rows side by side. Throws when there are none or their rows differ. */
template <class T> BasicVar<T> concat_cols(std::span<const BasicVar<T>> parts);
template <class T> BasicVar<T> concat_cols(std::initializer_list<BasicVar<T>> parts) {
  return concat_cols(std::span<const BasicVar<T>>(parts.begin(), parts.size()));
}

/** Matrices with the same number of columns below each other. Throws when there are none or their columns differ. */
template <class T> BasicVar<T> concat_rows(std::span<const BasicVar<T>> parts);
template <class T> BasicVar<T> concat_rows(std::initializer_list<BasicVar<T>> parts) {
  return concat_rows(std::span<const BasicVar<T>>(parts.begin(), parts.size()));
}

/** The same elements, row by row, in another shape. Throws when that has another number of elements. */
template <class T> BasicVar<T> reshape(BasicVar<T> x, Shape shape);

/** Columns `first` … `first + count − 1`. Throws when they are not all there. */
template <class T> BasicVar<T> slice_cols(BasicVar<T> x, Index first, Index count);

/** x between `before` and `after` columns of zeros: the reverse of slice_cols. */
template <class T> BasicVar<T> pad_cols(BasicVar<T> x, Index before, Index after);

/** The given rows in the given order; a row may come more than once. Throws when one is not there. */
template <class T> BasicVar<T> select_rows(BasicVar<T> x, std::span<const Index> rows);
template <class T> BasicVar<T> select_rows(BasicVar<T> x, std::initializer_list<Index> rows) {
  return select_rows(x, std::span<const Index>(rows.begin(), rows.size()));
}

/** A matrix of `row_count` rows: row k of x is added to row rows[k]. The reverse of select_rows. */
template <class T> BasicVar<T> scatter_rows(BasicVar<T> x, std::span<const Index> rows, Index row_count);

/** A matrix of `shape` whose element i is element elements[i] of x, both counted row by row. */
template <class T> BasicVar<T> gather(BasicVar<T> x, std::span<const Index> elements, Shape shape);

/** A matrix of `shape`, zero but for element elements[i], to which element i of x is added. The reverse of gather.
 */
template <class T> BasicVar<T> scatter(BasicVar<T> x, std::span<const Index> elements, Shape shape);

/** The same value, cut from the graph: no gradient passes. Shares memory with x, but for a parameter: that may change, its copy
 * does not. */
template <class T> BasicVar<T> detach(BasicVar<T> x);

}  // namespace tapegrad
