#pragma once

#include <algorithm>
#include <type_traits>

#include "tapegrad/core/kernels/gemm_product.h"

/// A part of gemm.cpp: products whose rows fit in a register. The smallest networks consist of them (1.4 × in a network of
/// 2-8-1), so no operand is copied.

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

/// C = op(A)·op(B) or C += …, where a row of C fits in a register. Passed by reference: to copy what
/// was just written, GCC loads several members at once, which stalls on store forwarding.
template <class T> struct Narrow {
  Index m, n, k;
  const T* a;
  Index next_row, next_inner;  ///< distance of the rows of op(A), and of the elements of a row
  const T* b;
  Index stride_b;
  T* c;
  bool add;
  const T* bias;  ///< a row to start from; without it `start`
  T start = 0;
};

/// R rows of C, the first at `c`, from the rows of op(A) at `a`. A function of its own: inside a loop over more rows the
/// compiler keeps more addresses than there are registers.
template <int R, class B, class T>
[[gnu::noinline]] void multiply_narrow_rows(const T* a, T* c, const Narrow<T>& p) {
  // Read before the first store, which could change them as far as the compiler knows.
  const Index next_row = p.next_row, next_inner = p.next_inner, k = p.k, n = p.n;
  const bool add = p.add;
  const B right(p.b, p.stride_b, k, n);
  Pack<T> sums[R];
  const Pack<T> first = p.bias == nullptr ? Pack<T>::broadcast(p.start) : RowsInMemory<T>(p.bias, 0, 1, n).row(0);
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

template <class B, class T> [[gnu::noinline]] void multiply_narrow_blocks(const Narrow<T>& p) {
  Index row = 0;
  const auto rows = [&]<int R>(std::integral_constant<int, R>) {
    multiply_narrow_rows<R, B>(p.a + row * p.next_row, p.c + row * p.n, p);
    row += R;
  };
  while (row + 8 <= p.m) rows(std::integral_constant<int, 8>());
  while (row + 4 <= p.m) rows(std::integral_constant<int, 4>());
  while (row < p.m) rows(std::integral_constant<int, 1>());
}

template <class B, class T> EIGEN_ALWAYS_INLINE void multiply_narrow_by(const Narrow<T>& p) {
  if (p.m == 1) return multiply_narrow_rows<1, B>(p.a, p.c, p);
  if (p.m == 4) return multiply_narrow_rows<4, B>(p.a, p.c, p);
  if (p.m == 8) return multiply_narrow_rows<8, B>(p.a, p.c, p);
  multiply_narrow_blocks<B>(p);
}

/// A column C = op(A)·b is, as it lies in memory, the row bᵀ·op(A)ᵀ.
template <class T>
EIGEN_ALWAYS_INLINE Narrow<T> column_as_row(bool transpose_a, Index m, Index k, const T* a, const T* b,
                                            const T* bias, T* c, bool add) {
  return {1, m, k, b, k, 1, a, transpose_a ? m : k, c, add, nullptr, bias == nullptr ? T(0) : *bias};
}

/// Computes C = op(A)·op(B) (+ the bias, or + C) and returns true if a row of C fits in a register, and a Bᵀ in two; else
/// does nothing.
template <class T>
EIGEN_ALWAYS_INLINE bool multiply_narrow(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a,
                                         const T* b, const T* bias, T* c, bool add) {
  const bool column = n == 1 && m > 1;
  const bool transposed = column ? !transpose_a : transpose_b;
  const Index width = column ? m : n;
  if (width > Pack<T>::size || m * n * k > small_product) return false;
  if ((column || m == 1) && k * Pack<T>::size > small_operand)
    return false;  // one sum of many terms, each waiting for the last
  if (transposed && !(std::is_same_v<T, float> && width * k <= TransposedInRegisters::most)) return false;
  const Narrow<T> p =
      column
          ? column_as_row(transpose_a, m, k, a, b, bias, c, add)
          : Narrow<T>{m, n, k, a, transpose_a ? 1 : k, transpose_a ? m : 1, b, transpose_b ? k : n, c, add, bias};
  if constexpr (std::is_same_v<T, float>)
    if (transposed) {
      multiply_narrow_by<TransposedInRegisters>(p);
      return true;
    }
  multiply_narrow_by<RowsInMemory<T>>(p);
  return true;
}

#else

template <class T> bool multiply_narrow(bool, bool, Index, Index, Index, const T*, const T*, const T*, T*, bool) {
  return false;  // needs registers that are loaded and stored in parts
}

#endif

}  // namespace

}  // namespace tapegrad
