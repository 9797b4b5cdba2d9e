#pragma once

#include <cmath>

#include "tapegrad/core/tape.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** What a reduction runs over: everything (1x1 remains), the rows (1xcols remains: one number per feature) or the
 * columns (rowsx1 remains: one number per sample). */
enum class Axis { all, rows, cols };

/** The shape that remains of `shape` after a reduction over `axis`. */
constexpr Shape reduced(Shape shape, Axis axis) {
  return {axis == Axis::cols ? shape.rows : 1, axis == Axis::rows ? shape.cols : 1};
}

/** Σx. The sum of nothing is 0. */
template <class T> BasicVar<T> sum(BasicVar<T> x, Axis axis = Axis::all);
/** Σx / n. Throws when n is 0. */
template <class T> BasicVar<T> mean(BasicVar<T> x, Axis axis = Axis::all);
/** Σ(x − μ)² / (n − correction): by default the unbiased variance, with 0 the mean square. Throws unless n is above it. */
template <class T> BasicVar<T> var(BasicVar<T> x, Axis axis = Axis::all, Index correction = 1);
/** √var, with slope 0 where it is 0. (`std` would be a namespace.) */
template <class T> BasicVar<T> stddev(BasicVar<T> x, Axis axis = Axis::all, Index correction = 1);
/** √Σx², with slope 0 where it is 0. */
template <class T> BasicVar<T> norm(BasicVar<T> x, Axis axis = Axis::all);
/** The largest element; equal ones share the gradient. Throws when there is none. */
template <class T> BasicVar<T> max(BasicVar<T> x, Axis axis = Axis::all);
/** The smallest element; equal ones share the gradient. Throws when there is none. */
template <class T> BasicVar<T> min(BasicVar<T> x, Axis axis = Axis::all);
/** log Σ eˣ without overflow: the largest x is taken out first. Throws when there is no element. */
template <class T> BasicVar<T> logsumexp(BasicVar<T> x, Axis axis = Axis::all);

/** (x − μ) / √(σ² + eps), with the mean and the (biased) variance over `axis`: batch normalization over the rows,
 * layer normalization over the columns. Throws when there is no element to average. */
template <class T> BasicVar<T> standardize(BasicVar<T> x, Axis axis, double eps = 1e-5);

/** Repeats rows or columns of size 1 until the result has `shape`. */
template <class T> BasicVar<T> broadcast_to(BasicVar<T> x, Shape shape);

namespace detail {
/** ln of a sum of `count` terms eˣ⁻ᵐ, m the largest x, whose own term is 1. Where that is more than half of the sum, ln(1 + the
 * other terms), which 1 would round away. */
template <class T, class IsLargest, class Term>
T log_of_sum(T sum, Index count, const IsLargest& is_largest, const Term& term) {
  if (!(sum >= 1 && sum < 2)) return std::log(sum);
  double others = 0;
  bool seen = false;
  for (Index i = 0; i < count; ++i) {
    const bool first = !seen && is_largest(i);
    seen = seen || first;
    if (!first) others += static_cast<double>(term(i));
  }
  return static_cast<T>(std::log1p(others));
}
}  // namespace detail

}  // namespace tapegrad
