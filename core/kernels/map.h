#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "tapegrad/core/kernels/pack.h"
#include "tapegrad/core/kernels/threads.h"

/// Loops over arrays, one Pack at a time: with broadcasting, and with its reverse, which sums.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Where a fused rule puts its result: writes at the first use, so nothing needs to be zeroed, then adds. */
template <class T> struct GradSink {
  T* data = nullptr;
  bool add = false;
};

namespace elementwise {

/** body(0, 1, … N − 1), with constants that can be template arguments. */
template <std::size_t N, class Body> EIGEN_ALWAYS_INLINE decltype(auto) with_indices(const Body& body) {
  return [&]<std::size_t... I>(std::index_sequence<I...>)->decltype(auto) {
    return body(std::integral_constant<std::size_t, I>()...);
  }
  (std::make_index_sequence<N>());
}

/** An operand seen at the shape of the result: a step of 0 repeats its only row or column. */
template <class T> struct Operand {
  const T* data;
  Index row_step;
  Index col_step;

  Pack<T> load(Index row, Index col, int count) const {
    const T* at = data + row * row_step;
    return col_step == 0 ? Pack<T>::broadcast(*at) : Pack<T>::load(at + col, count);
  }
};

template <class T> Operand<T> operand(const T* data, Shape shape, Shape result) {
  return {data, shape.rows == result.rows ? shape.cols : 0, shape.cols == result.cols ? 1 : 0};
}

/** Calls body(i, count) for every pack of the elements first … last − 1. */
template <class T, class Body> EIGEN_ALWAYS_INLINE void for_each_pack(Index first, Index last, const Body& body) {
  constexpr Index width = Pack<T>::size;
  Index i = first;
  for (; i + width <= last; i += width) body(i, static_cast<int>(width));
  if (i < last) body(i, static_cast<int>(last - i));
}

/** Terms that are added one after the other in T. The sum of so many equal terms is off by 2.7·10⁻⁷ at most in float. */
inline constexpr Index terms_in_block = 16;

/** totals += block; `first` sets them. */
template <class T> [[gnu::noinline]] void add_block(Pack<T> block, double* totals, bool first) {
  typename Pack<T>::Numbers lanes;
  block.store(lanes);
  for (int i = 0; i < Pack<T>::size; ++i) totals[i] = (first ? 0 : totals[i]) + static_cast<double>(lanes[i]);
}

/** Σ term(i) for 0 ≤ i < count, lane by lane. Long sums are made of blocks, which are added up in double: the error does not
 * grow with the length (in float, 10⁸ terms of one sign: 4·10⁻⁷; one after the other they would stop at 2²⁴). */
template <class T, class Term> EIGEN_ALWAYS_INLINE Pack<T> sum_lanes(Index count, const Term& term) {
  double totals[std::size_t{Pack<T>::size}];
  Index i = 0;
  do {
    const Index first = i, last = std::min(first + terms_in_block, count);
    Pack<T> sum(0);
    for (; i < last; ++i) sum = sum + term(i);
    if (count <= terms_in_block) return sum;
    add_block(sum, totals, first == 0);
  } while (i < count);
  typename Pack<T>::Numbers lanes;
  for (int lane = 0; lane < Pack<T>::size; ++lane) lanes[lane] = static_cast<T>(totals[lane]);
  return Pack<T>::load(lanes);
}

/** Σ term(i, count) over a row: whole packs are added lane by lane, and then the lanes at the end. */
template <class T, class Term> EIGEN_ALWAYS_INLINE T sum_of_packs(Index size, const Term& term) {
  constexpr int width = Pack<T>::size;
  const Index whole = size / width;
  const auto rest = static_cast<int>(size % width);
  if (whole == 0) return rest == 0 ? T(0) : term(0, rest).sum(rest);
  T total = sum_lanes<T>(whole, [&](Index i) { return term(i * width, width); }).sum(width);
  if (rest > 0) total += term(whole * width, rest).sum(rest);
  return total;
}

/** Elements first … last − 1 of map_array. f must be inlined: otherwise each pack costs a call and reloads its constants. */
template <bool add, class T, class F, std::size_t N>
[[gnu::flatten]] void map_range(Index first, Index last, const std::array<const T*, N>& in, T* out, const F& f) {
  const std::array from = in;  // the compiler must assume that a store changes `in`
  for_each_pack<T>(first, last, [&](Index i, int count) {
    Pack<T> result = with_indices<N>([&](auto... k) { return f(Pack<T>::load(from[k] + i, count)...); });
    if constexpr (add) {
      // A fused multiply-add would not round f(…) first, and leave a rest where two gradients cancel.
      EIGEN_OPTIMIZATION_BARRIER(result.v)
      result = Pack<T>::load(out + i, count) + result;
    }
    result.store(out + i, count);
  });
}

/** out = f(in), or out += f(in), for arrays of one size. Long ones are divided among the threads. */
template <bool add = false, class T, class F, std::size_t N>
void map_array(Index size, const std::array<const T*, N>& in, T* out, const F& f) {
  parallel::divide(size, 1024, size >= parallel::least_elements,
                   [&in, out, &f](Index first, Index last) { map_range<add>(first, last, in, out, f); });
}
template <class T, class F, std::size_t N>
void map_array(Index size, const std::array<const T*, N>& in, GradSink<T> sink, const F& f) {
  sink.add ? map_array<true>(size, in, sink.data, f) : map_array(size, in, sink.data, f);
}

/** Values and slopes of an array; f returns both, a ValueAndSlope. */
template <class T, class F>
[[gnu::flatten, gnu::noinline]] void map_with_slopes(Index size, const T* in, T* values, T* slopes, const F& f) {
  for_each_pack<T>(0, size, [&](Index i, int count) {
    const auto both = f(Pack<T>::load(in + i, count));
    both.value.store(values + i, count);
    both.slope.store(slopes + i, count);
  });
}

template <class T, std::size_t N> std::array<const T*, N> data_of(const std::array<Operand<T>, N>& operands) {
  return with_indices<N>([&](auto... k) { return std::array<const T*, N>{operands[k].data...}; });
}
/** Whether no operand is broadcast: then the matrix is one long row. */
template <class T, std::size_t N> bool contiguous(Shape shape, const std::array<Operand<T>, N>& operands) {
  return std::all_of(operands.begin(), operands.end(),
                     [&](const Operand<T>& x) { return x.row_step == shape.cols && x.col_step == 1; });
}

/** out = f(operands) with broadcasting; `out` has `shape`. */
template <class T, class F, std::size_t N>
void map(Shape shape, const std::array<Operand<T>, N>& in, T* out, const F& f) {
  if (contiguous(shape, in)) return map_array(shape.size(), data_of(in), out, f);
  for (Index row = 0; row < shape.rows; ++row, out += shape.cols)
    for_each_pack<T>(0, shape.cols, [&](Index col, int count) {
      with_indices<N>([&](auto... k) { f(in[k].load(row, col, count)...).store(out + col, count); });
    });
}

/** Adds f(operands) into a gradient of `target` shape, summing over what was broadcast. This is the one place
 * where broadcasting is reversed. */
template <class T, class F, std::size_t N>
void accumulate(Shape shape, std::array<Operand<T>, N> in, GradSink<T> sink, Shape target, const F& f) {
  if (shape.size() == 0) {
    if (!sink.add) std::fill_n(sink.data, target.size(), T(0));
    return;
  }
  if (target == shape && contiguous(shape, in)) return map_array(shape.size(), data_of(in), sink, f);
  if (target == Shape{1, 1} &&
      (shape.cols == 1 || contiguous(shape, in))) {  // as one row, which is summed by packs
    for (Operand<T>& x : in) x = {x.data, 0, shape.cols == 1 ? x.row_step : 1};
    shape = {1, shape.size()};
  }
  const auto call = [&](Index row, Index col, int count) {
    return with_indices<N>([&](auto... k) { return f(in[k].load(row, col, count)...); });
  };
  const bool sum_rows = target.rows != shape.rows;
  const bool sum_cols = target.cols != shape.cols;
  if (!sum_cols) {
    // Of every column the rows that make one sum: those that stay apart are sums of one row.
    const Index group = sum_rows ? shape.rows : 1;
    for (Index first = 0; first < shape.rows; first += group) {
      T* const to = sink.data + (sum_rows ? 0 : first * target.cols);
      for_each_pack<T>(0, shape.cols, [&](Index col, int count) {
        Pack<T> sum = sum_lanes<T>(group, [&](Index row) { return call(first + row, col, count); });
        if (sink.add) sum = Pack<T>::load(to + col, count) + sum;
        sum.store(to + col, count);
      });
    }
    return;
  }
  double total = 0;  // of the rows, where they are summed, too
  for (Index row = 0; row < shape.rows; ++row) {
    total += static_cast<double>(
        sum_of_packs<T>(shape.cols, [&](Index col, int count) { return call(row, col, count); }));
    if (sum_rows && row + 1 < shape.rows) continue;
    T* const to = sink.data + (sum_rows ? 0 : row);
    *to = static_cast<T>(total) + (sink.add ? *to : T(0));
    total = 0;
  }
}

}  // namespace elementwise

}  // namespace tapegrad
