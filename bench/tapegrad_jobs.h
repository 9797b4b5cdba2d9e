#pragma once

#include <cstddef>

#include "job.h"

namespace bench {

/** How many threads the library may use. */
void set_tapegrad_threads(int threads);

struct TapeBytes {
  std::size_t used;
  std::size_t reserved;
  std::size_t nodes;
};

/** What the tape holds after training that many steps. */
TapeBytes tape_bytes(const Job& job, int steps);

}  // namespace bench
