#pragma once

#include <iosfwd>
#include <string>

#include "tapegrad/core/tape.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Node, op, shape and values: "#17 (mean) 1x1: 0.25", or a line for each row; of a large value the first 8 rows and columns.
 * Of one that cannot be read, from an earlier step say, the text of that error. */
template <class T> std::string to_string(BasicVar<T> x);

/** The same for a stream: `std::cout << y`. */
template <class T> std::ostream& operator<<(std::ostream& out, BasicVar<T> x);

}  // namespace tapegrad
