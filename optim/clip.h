#pragma once

#include <vector>

#include "tapegrad/core/parameter.h"

/// Gradient clipping, between backward() and step(): `clip_grad_norm(adam.parameters(), 1.0)`. Parameters that are
/// frozen or have no gradient in this step do not count.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Scales all gradients together so that their norm ‖g‖ = √Σg², over all elements of all parameters, is at most
 * `max_norm`: g ← g·min(1, max_norm/(‖g‖ + 1e-6)). Returns the norm before (Pascanu et al. 2013; as PyTorch).
 *
 * Throws when max_norm is negative or NaN (infinity clips nothing), and when the norm is not finite: no scale
 * would make such gradients useful, and PyTorch's turns all of them into NaN. */
template <class T> double clip_grad_norm(const std::vector<BasicParameter<T>>& parameters, double max_norm);

/** Puts every element of the gradients into [−limit, limit]; a NaN stays one. Throws when limit is negative or NaN.
 */
template <class T> void clip_grad_value(const std::vector<BasicParameter<T>>& parameters, double limit);

}  // namespace tapegrad
