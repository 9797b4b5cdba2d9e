#pragma once

#include <algorithm>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** How many threads the calling thread computes with: the internal half of core/threads.h, where set_threads() is. */
int threads();

namespace parallel {

/** Calls body(context, part, parts) once for every part. Part i runs on thread i to keep its data cached; if that thread is
 * late, the caller runs it. Returns when all parts are done, and rethrows the error of the first part that failed. Inside
 * a body it computes in one part. */
void run(void (*body)(void* context, int part, int parts), void* context);

/** Calls body(part, first, last) for parts of 0 … count − 1 that begin at multiples of `grain`. */
template <class Body> void divide_in_parts(Index count, Index grain, const Body& body) {
  struct Work {
    const Body& body;
    Index count, grain;
  } work{body, count, grain};
  run(
      [](void* context, int part, int parts) {
        const Work& w = *static_cast<Work*>(context);
        const Index grains = (w.count + w.grain - 1) / w.grain;
        const Index first = grains * part / parts * w.grain;
        const Index last = std::min(grains * (part + 1) / parts * w.grain, w.count);
        if (first < last) w.body(part, first, last);
      },
      &work);
}

/** Calls body(first, last) for such parts, or once for everything if that is not worth dividing or makes one part only. */
template <class Body> void divide(Index count, Index grain, bool worth_dividing, const Body& body) {
  if (!worth_dividing || count <= grain || threads() == 1) return body(Index{0}, count);
  divide_in_parts(count, grain, [&body](int, Index first, Index last) { body(first, last); });
}

/** Parts of a row begin at multiples of this many numbers: at cache lines. */
inline constexpr Index line_grain = 16;
/** From this many elements on, a cheap elementwise loop is worth dividing: about 5 µs of work. */
inline constexpr Index least_elements = Index{1} << 15;

}  // namespace parallel

}  // namespace tapegrad
