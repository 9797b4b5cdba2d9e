#pragma once

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** C = op(A)·op(B), or C += op(A)·op(B); op transposes when asked. All row-major and dense. C is m×n, op(A) is
 * m×k, op(B) is k×n. The one place where matrices are multiplied. */
template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, T* c, bool add);

/** C = A·Bᵀ + bias in every row: what a linear layer computes. */
template <class T> void gemm_with_bias(Index m, Index n, Index k, const T* a, const T* b, const T* bias, T* c);

}  // namespace tapegrad
