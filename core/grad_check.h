#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tapegrad/core/tape.h"

namespace tapegrad::inline TAPEGRAD_ABI {

struct GradCheckOptions {
  int order = 1;               ///< 1 checks the gradient, 2 the gradient of the gradient
  bool full_jacobian = false;  ///< every output (order 2: every element of the gradient) by itself, instead of one
                               ///< random combination of them
  double tolerance = 1e-7;     ///< relative to the larger of the two derivatives
  std::uint64_t seed = 1;      ///< of the random combination
};

/** One derivative, ∂output/∂input, as computed and as measured. */
struct GradCheckElement {
  Index output = 0;       ///< element of the output, or 0 for the random combination
  std::size_t input = 0;  ///< which input
  Index row = 0;
  Index col = 0;
  double at = 0;  ///< value of that element
  double analytic = 0;
  double numeric = 0;
  double error = 0;  ///< |analytic − numeric| relative to the larger, allowing for rounding in f
};

struct GradCheckResult {
  bool ok = false;
  Index checked = 0;  ///< derivatives compared
  GradCheckElement worst;
  std::vector<GradCheckElement> avoided;  ///< elements too close to a kink to measure a derivative
  std::string message;                    ///< what was found, in a sentence

  explicit operator bool() const { return ok; }
};

using GradCheckFunction = std::function<f64::Var(std::span<const f64::Var> inputs)>;

/** Compares the gradients of `f` with central differences in double precision, with their sign. Both the fused
 * rules (backward) and the taped ones (grad) are compared. It fails also when every gradient is zero though f
 * moves.
 *
 *      auto result = grad_check([](auto x) { return tg::sum(tg::swish(x[0])); }, {x});
 *      if (!result) std::puts(result.message.c_str());
 *
 * `f` must record on the tape of its inputs, and be the same function whenever it is called. Elements so close to
 * a kink that no difference avoids it are listed in `avoided`, never passed over in silence. */
GradCheckResult grad_check(const GradCheckFunction& f, std::vector<f64::Matrix> inputs,
                           GradCheckOptions options = {});

}  // namespace tapegrad
