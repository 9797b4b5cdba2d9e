#pragma once

#include <cstdint>

#include "common/example.h"
#include "common/page.h"

/// The parts of the example curvature that are a story of their own. Each prints it, and adds its figures to a section of the
/// report.

namespace curvature {

/** Full-batch gradient descent, with the sharpness every `steps`/80 steps. */
example::Json descend(std::uint64_t seed, double lr, int steps, page::Section& section);

/** y″ = −y with y(0) = 0 and y′(0) = 1 on [0, 2π]; the network never sees the answer, sin x. */
example::Json solve_equation(std::uint64_t seed, int steps, page::Section& section);

}  // namespace curvature
