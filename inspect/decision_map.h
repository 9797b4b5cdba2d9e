#pragma once

#include <span>

#include "tapegrad/inspect/record.h"
#include "tapegrad/layers/containers.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** What a network with two inputs answers on a grid of cells×cells that covers `inputs` with a margin, the line z =
 * 0 of every unit of its first layer (dashed in the report when the unit is off on all of `inputs`), and the
 * points. The answer is σ of a single output, or the number of the largest one. Throws unless the inputs are
 * batch×2. */
template <class T>
DecisionMap decision_map(BasicSequential<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                         std::span<const int> labels, Index cells = 60);

}  // namespace tapegrad
