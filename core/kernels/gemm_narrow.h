#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>

#include "tapegrad/core/kernels/gemm_product.h"

/// A part of gemm.cpp: products whose rows fit in a register. The smallest networks are made of them, so no operand is
/// copied, or described in memory.

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

#ifdef EIGEN_VECTORIZE_AVX512

/// B by rows, of no more columns than a register has.
template <class T> struct RowsInMemory {
  using Lanes = typename Pack<T>::Lanes;
  const T* values;
  Index step;
  typename Lanes::Mask columns;

  EIGEN_ALWAYS_INLINE RowsInMemory(const T* b, Index stride, Index /*k*/, Index n)
      : values(b), step(stride), columns(Lanes::first(static_cast<int>(n))) {}
  EIGEN_ALWAYS_INLINE Pack<T> row(Index i) const {
    return Pack<T>::wrap(Lanes::load(columns, values + i * step, Pack<T>::broadcast(T(0)).v));
  }
};

/// Bᵀ, where all of B fits in two registers.
struct TransposedInRegisters {
  static constexpr Index most = 2 * Pack<float>::size;
  __m512 low, high;
  __m512i first;  ///< where the columns of Bᵀ start

  EIGEN_ALWAYS_INLINE TransposedInRegisters(const float* b, Index /*stride*/, Index k, Index n) {
    constexpr int width = Pack<float>::size;
    const auto size = static_cast<int>(n * k);
    low = high = Pack<float>::load(b, std::min(width, size)).v;
    if (size > width) high = Pack<float>::load(b + width, size - width).v;
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    first = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(k)));
  }
  EIGEN_ALWAYS_INLINE Pack<float> row(Index i) const {
    const __m512i at = _mm512_add_epi32(first, _mm512_set1_epi32(static_cast<int>(i)));
    return Pack<float>::wrap(_mm512_permutex2var_ps(low, at, high));
  }
};

/// R rows of C, each from `start` or the bias on. A function of its own: inside of a loop over more rows the compiler
/// keeps more addresses than there are registers.
template <int R, class B, class T>
[[gnu::noinline]] void multiply_narrow_rows(const T* a, Index next_row, Index next_inner, Index k, const T* b,
                                            Index stride_b, T start, const T* bias, T* c, Index n, bool add) {
  const B right(b, stride_b, k, n);
  Pack<T> sums[R];
  const Pack<T> first = bias == nullptr ? Pack<T>::broadcast(start) : RowsInMemory<T>(bias, 0, 1, n).row(0);
  unrolled<R>([&](auto r) { sums[r] = first; });
  for (Index i = 0; i < k; ++i, a += next_inner) {
    const Pack<T> row = right.row(i);
    unrolled<R>([&](auto r) { sums[r] = madd(Pack<T>::broadcast(a[r * next_row]), row, sums[r]); });
  }
  const int count = static_cast<int>(n);
  unrolled<R>([&](auto r) {
    T* const to = c + r * n;
    (add ? Pack<T>::load(to, count) + sums[r] : sums[r]).store(to, count);
  });
}

template <class B, class T>
[[gnu::noinline]] void multiply_narrow_blocks(const T* a, Index next_row, Index next_inner, Index k, const T* b,
                                              Index stride_b, T start, const T* bias, T* c, Index n, bool add,
                                              Index m) {
  const auto rows = [&]<int R>(Index row, std::integral_constant<int, R>) {
    multiply_narrow_rows<R, B>(a + row * next_row, next_row, next_inner, k, b, stride_b, start, bias, c + row * n,
                               n, add);
    return row + R;
  };
  Index row = 0;
  while (row + 8 <= m) row = rows(row, std::integral_constant<int, 8>());
  while (row + 4 <= m) row = rows(row, std::integral_constant<int, 4>());
  while (row < m) row = rows(row, std::integral_constant<int, 1>());
}

template <class B, class T>
EIGEN_ALWAYS_INLINE void multiply_narrow_by(const T* a, Index next_row, Index next_inner, Index k, const T* b,
                                            Index stride_b, T start, const T* bias, T* c, Index n, bool add,
                                            Index m) {
  if (m == 1) return multiply_narrow_rows<1, B>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add);
  if (m == 4) return multiply_narrow_rows<4, B>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add);
  if (m == 8) return multiply_narrow_rows<8, B>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add);
  multiply_narrow_blocks<B>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add, m);
}

/// Computes C = op(A)·op(B) (+ the bias, or + C) and returns true if a row of C fits in a register, and a Bᵀ in two; else
/// does nothing. A column of C is the row that it is in memory.
template <class T>
EIGEN_ALWAYS_INLINE bool multiply_narrow(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a,
                                         const T* b, const T* bias, T* c, bool add) {
  Index stride_a = transpose_a ? m : k;
  Index stride_b = transpose_b ? k : n;
  T start = 0;
  if (n == 1 && m > 1) {
    if (bias != nullptr) start = *std::exchange(bias, nullptr);
    std::swap(a, b);
    n = std::exchange(m, 1);
    transpose_b = !std::exchange(transpose_a, false);
    stride_b = std::exchange(stride_a, k);
  }
  if (n > Pack<T>::size || m * n * k > small_product) return false;
  if (m == 1 && k * Pack<T>::size > small_operand)
    return false;  // one sum of many terms, each waiting for the last
  const Index next_row = transpose_a ? 1 : stride_a;
  const Index next_inner = transpose_a ? stride_a : 1;
  if (!transpose_b) {
    multiply_narrow_by<RowsInMemory<T>>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add, m);
    return true;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (n * k > TransposedInRegisters::most) return false;
    multiply_narrow_by<TransposedInRegisters>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add, m);
    return true;
  }
  return false;
}

#else

template <class T> bool multiply_narrow(bool, bool, Index, Index, Index, const T*, const T*, const T*, T*, bool) {
  return false;  // needs registers that are loaded and stored in parts
}

#endif

}  // namespace

}  // namespace tapegrad
