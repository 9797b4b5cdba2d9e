#pragma once

#include <cstddef>

/// Running out of memory, in tests. allocations_test.cpp replaces malloc and what is made with it.

namespace refusing {

/** Whether allocations can be refused: not under sanitizers, which replace malloc themselves. */
bool possible();
/** Refuses the allocation after the next `granted` ones, and `from_then_on` all that follow. */
void begin(std::size_t granted, bool from_then_on);
/** All allocations are granted again. Returns whether one was refused. */
bool end();

/** Calls work() with the 1st, 2nd, … allocation refused, until there is none left to refuse; then it must have succeeded.
 * Of many points only some are tried. `failed` is called after every refusal and must find everything as it should be.
 * Whatever work() throws is caught; what it does in a destructor or a noexcept function ends the program, as it should. */
template <class Work, class Failed> std::size_t at_each_allocation(const Work& work, const Failed& failed) {
  std::size_t points = 0;
  for (const bool from_then_on : {false, true})
    for (std::size_t granted = 0; possible(); granted += 1 + granted / 8, ++points) {
      begin(granted, from_then_on);
      try {
        work();
      } catch (...) {
      }
      if (!end()) break;
      failed();
    }
  return points;
}

}  // namespace refusing
