#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

#include "tapegrad/core/tape.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Gradients of the scalar `y` (or of ⟨y, seed⟩) with respect to `inputs`, as Vars: they can be used and
 * differentiated like any other value. An input that `y` does not depend on gets zeros.
 *
 *      Var slope = grad(y, {x})[0];
 *      Var curvature = grad(sum(slope), {x})[0];
 *
 * Throws when `y` is not 1x1 and no seed is given, and when an input requires no gradient. */
template <class T>
std::vector<BasicVar<T>> grad(BasicVar<T> y, std::span<const BasicVar<T>> inputs,
                              std::optional<std::type_identity_t<BasicVar<T>>> seed = {});
template <class T>
std::vector<BasicVar<T>> grad(BasicVar<T> y, std::initializer_list<BasicVar<T>> inputs,
                              std::optional<std::type_identity_t<BasicVar<T>>> seed = {}) {
  return grad(y, std::span<const BasicVar<T>>(inputs.begin(), inputs.size()), seed);
}

}  // namespace tapegrad
