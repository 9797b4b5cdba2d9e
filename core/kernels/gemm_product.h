#pragma once

#include <algorithm>
#include <utility>

#include "tapegrad/core/kernels/pack.h"

/// A part of gemm.cpp: what it multiplies.

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// C = op(A)·op(B) or C += …, everything by rows; a stride is the distance of two rows.
template <class T> struct Product {
  bool transpose_a, transpose_b;
  Index m, n, k;
  const T* a;
  Index stride_a;
  const T* b;
  Index stride_b;
  T* c;
  Index stride_c;
  bool add;
  const T* bias = nullptr;  ///< a row to start from, instead of 0; not with `add`

  Product rows(Index first, Index last) const {
    Product part = *this;
    part.m = last - first;
    part.a += transpose_a ? first : first * stride_a;
    part.c += first * stride_c;
    return part;
  }
  Product cols(Index first, Index last) const {
    Product part = *this;
    part.n = last - first;
    part.b += transpose_b ? first * stride_b : first;
    part.c += first;
    if (bias != nullptr) part.bias += first;
    return part;
  }
  /// One summand of C: a part of the inner dimension.
  Product inner(Index first, Index last) const {
    Product part = *this;
    part.k = last - first;
    part.a += transpose_a ? first * stride_a : first;
    part.b += transpose_b ? first : first * stride_b;
    return part;
  }
  /// Writes the bias to C and returns the product that is to be added to it.
  Product started() const {
    Product rest = *this;
    if (bias == nullptr) return rest;
    for (Index row = 0; row < m; ++row) std::copy_n(bias, n, c + row * stride_c);
    rest.bias = nullptr;
    rest.add = true;
    return rest;
  }
};

/// n, rounded up to a multiple of the pack's size.
template <class T> Index whole_packs(Index n) { return (n + Pack<T>::size - 1) / Pack<T>::size * Pack<T>::size; }

/// Below these sizes (multiplications, elements of op(B)) only the kernels in this folder are worth calling.
constexpr Index small_product = 64 * 1024;
constexpr Index small_operand = 4096;

/// body(0), …, body(N − 1) with constants, so that an array indexed by them stays in registers.
template <int N, class Body> EIGEN_ALWAYS_INLINE void unrolled(const Body& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) { (body(std::integral_constant<int, I>()), ...); }
  (std::make_integer_sequence<int, N>());
}

}  // namespace

}  // namespace tapegrad
