#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <type_traits>
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
/** The same with respect to parameters: `grad(loss, net.parameters())`. Their gradients stay as they are. */
template <class T> std::vector<BasicVar<T>> grad(BasicVar<T> y, const std::vector<BasicParameter<T>>& parameters);

/** J·v, with J the derivatives of `y` by `x`, as a Var of y's shape: how y moves when x moves by v. It costs two backward
 * passes, whatever the sizes (J is never formed). Throws when v has not the shape of x. */
template <class T> BasicVar<T> jvp(BasicVar<T> y, BasicVar<T> x, BasicVar<T> v);
/** The same for a function of one Var:
 *
 *      Var slope = jvp([](Var x) { return tanh(x) * x; }, x, v); */
template <class F, class T>
requires std::is_invocable_v<const F&, BasicVar<T>> BasicVar<T> jvp(const F& f, BasicVar<T> x, BasicVar<T> v) {
  return jvp(f(x), x, v);
}

/** H·v, with H the second derivatives of the scalar `loss` by the parameters and v one matrix for each of them: the gradient of
 * ⟨∇loss, v⟩ (Pearlmutter 1994), for the price of a few gradients. Throws when the matrices do not fit.
 *
 *      std::vector<Var> curvature = hvp(loss, net.parameters(), directions); */
template <class T>
std::vector<BasicVar<T>> hvp(BasicVar<T> loss, const std::vector<BasicParameter<T>>& parameters,
                             const std::vector<BasicMatrix<T>>& v);

/** The derivative of every element of `y` by every element of `x`: row i belongs to element i of y, both counted row by row.
 * A backward pass for each row.
 *
 *      Matrix j = jacobian(net(x), x);   // of one sample: outputs x inputs */
template <class T> BasicMatrix<T> jacobian(BasicVar<T> y, BasicVar<T> x);

}  // namespace tapegrad
