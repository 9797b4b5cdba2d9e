#pragma once

#include "tapegrad/core/tape.h"

namespace tapegrad::inline TAPEGRAD_ABI {

struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};

/** Matrix product, with operands transposed on the fly when asked (no copies):
 * `matmul(x, w, {.transpose_b = true})` is x·wᵀ. Throws when the inner dimensions differ. */
template <class T> BasicVar<T> matmul(BasicVar<T> a, BasicVar<T> b, MatmulOptions options = {});

/** x·Wᵀ + b in one node: x is batch×in, `weight` out×in as PyTorch stores it, `bias` 1×out. */
template <class T> BasicVar<T> linear(BasicVar<T> x, BasicVar<T> weight, BasicVar<T> bias);

/** xᵀ, as a copy. */
template <class T> BasicVar<T> transpose(BasicVar<T> x);

}  // namespace tapegrad
