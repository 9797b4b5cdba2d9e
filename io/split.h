#pragma once

#include <array>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "tapegrad/core/rng.h"
#include "tapegrad/io/dataset.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** The samples of these rows, in their order. Throws when a row does not exist. */
template <class T> BasicDataset<T> take(const BasicDataset<T>& data, std::span<const Index> rows);

/** All samples of `a`, then those of `b`. Throws when they have other columns. */
template <class T> BasicDataset<T> concat(const BasicDataset<T>& a, const BasicDataset<T>& b);

/** labels.size() x classes: 1 in the column of the label, 0 elsewhere. Throws for a label that is none of 0 … classes − 1. */
template <class T> BasicMatrix<T> one_hot(std::span<const int> labels, int classes);

struct SplitOptions {
  bool stratified = false;     ///< every part gets the same share of each class
  bool allow_missing = false;  ///< a part may lack a class that the whole has
};

namespace detail {
/** The rows of each part. */
std::vector<std::vector<Index>> split_rows(std::span<const int> labels, Index samples,
                                           std::span<const double> fractions, Rng& rng, SplitOptions options);
}  // namespace detail

/** Divides a data set at random: `auto [train, valid, test] = split(data, {.7, .15, .15}, rng);`. The fractions are above 0 and add
 * up to 1. Throws when a part would be empty, and when it would lack a class: "[split] part 3 has no sample of class 2, of
 * which there are 4: use {.stratified = true}". */
template <class T, std::size_t N>
std::array<BasicDataset<T>, N> split(const BasicDataset<T>& data, const double (&fractions)[N], Rng& rng,
                                     SplitOptions options = {}) {
  const auto rows = detail::split_rows(data.labels, data.size(), fractions, rng, options);
  std::array<BasicDataset<T>, N> parts;
  for (std::size_t k = 0; k < N; ++k) parts[k] = take(data, std::span<const Index>(rows[k]));
  return parts;
}

}  // namespace tapegrad

TAPEGRAD_FUNCTION(Matrix, one_hot, (std::span<const int> labels, int classes), (labels, classes))
