#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** The smallest and the largest of some values, and how many are neither because they are not finite. */
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  Index not_finite = 0;

  void add(double value) {
    if (!std::isfinite(value)) {
      ++not_finite;
      return;
    }
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /** Whether there was no finite value. */
  bool empty() const { return low > high; }
};

template <class T> Range range_of(std::span<const T> values) {
  Range range;
  for (const T value : values) range.add(static_cast<double>(value));
  return range;
}

/** "[-1.2, 0.3]"; "[-1.2, 0.3] and 2 not finite"; "4 not finite"; "nothing" */
std::string to_string(const Range& range);

}  // namespace tapegrad
