#include "tapegrad/inspect/range.h"

#include <fmt/format.h>

namespace tapegrad::inline TAPEGRAD_ABI {

std::string to_string(const Range& range) {
  const std::string bounds = fmt::format("[{:.3g}, {:.3g}]", range.low, range.high);
  const std::string rest = fmt::format("{} not finite", range.not_finite);
  if (range.empty()) return range.not_finite == 0 ? "nothing" : rest;
  return range.not_finite == 0 ? bounds : bounds + " and " + rest;
}

}  // namespace tapegrad
