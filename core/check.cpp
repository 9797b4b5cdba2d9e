#include "tapegrad/core/check.h"

#include <fmt/core.h>

#include <cmath>

namespace tapegrad::inline TAPEGRAD_ABI {

double check_setting(std::string_view where, std::string_view setting, SettingDomain domain, double value) {
  using enum SettingDomain;
  const auto must = [&](bool good, std::string_view requirement) {
    if (!good) fail(where, fmt::format("{} must {}, got {}", setting, requirement, value));
  };
  if (domain == limit) must(value >= 0, "not be negative or NaN");
  if (domain == below_one) must(value >= 0 && value < 1, "be in [0, 1)");
  if (domain == up_to_one) must(value >= 0 && value <= 1, "be in [0, 1]");
  if (domain != limit) must(std::isfinite(value), "be finite");
  if (domain == not_negative) must(value >= 0, "not be negative");
  if (domain == positive) must(value > 0, "be positive");
  if (domain == count)
    must(value >= 1 && value <= 1e6 && value == std::floor(value), "be a whole number of at least 1");
  return value;
}

}  // namespace tapegrad
