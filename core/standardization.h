#pragma once

#include "tapegrad/core/reduction.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** How standardize() was called: what the attributes of its node begin with. */
struct Standardization {
  Axis axis;
  double eps;
};

}  // namespace tapegrad
