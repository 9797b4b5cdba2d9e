#pragma once

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** From now on the calling thread computes with n threads (itself and n − 1 helpers); 1 is the default. Large matrix
 * products, elementwise ops and optimizer updates are divided among them in fixed parts, so for a given n the results
 * are bit by bit the same from run to run; small ones stay on one thread, where they are faster. Other threads are not
 * affected: each says for itself. Throws "[threads] the number must be from 1 to 256, got 0", when the system does
 * not start as many, and inside a parallel computation. */
void set_threads(int n);
/** How many threads the calling thread computes with. */
int threads();

}  // namespace tapegrad
