#pragma once

namespace bench {

/** Most fused multiply-adds of one core, measured for that long, in GFLOP/s: no product can be faster. */
double fma_peak(double seconds);

}  // namespace bench
