#pragma once

#include <span>

#include "tapegrad/inspect/record.h"
#include "tapegrad/layers/containers.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** What a single output says. */
enum class SingleOutput {
  guess,  ///< a last activation with bounds says it: probability is where between them. Else what fits the labels better
  logit,        ///< its σ is the probability of class 1, as after bce_with_logits
  probability,  ///< it is that probability, as after mse with the targets 0 and 1
};

/** What a network with two inputs answers on a grid of cells×cells that covers `inputs` with a margin, the line z =
 * 0 of every unit of its first layer (dashed in the report when the unit is off on all of `inputs`), and the
 * points. The answer is the probability of class 1, or of several outputs the number of the largest one, with their softmax
 * as the probabilities of all classes. Throws unless the inputs are batch×2 and finite, and `cells` is from 2 to 1000. */
template <class T>
DecisionMap decision_map(BasicSequential<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                         std::span<const int> labels, Index cells = 60, SingleOutput output = SingleOutput::guess);

}  // namespace tapegrad
