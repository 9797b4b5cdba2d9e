#pragma once

#include "diagnosis/network.h"

namespace diagnosis {

struct Result {
  Json json;  ///< one line of the output, without the configuration
  std::vector<tg::Finding> findings;
  double accuracy = 0;
  bool diverged = false;
};

/** Trains one configuration with a Monitor. With `details` also preflight, what was found on the way, and the published
 * detectors. The same configuration gives the same bits. */
Result train(const Config& config, bool details = true);

/** CPU time per step in µs without a monitor, with one at every step, every tenth, and as it is by default. */
Json time_of(const Config& config, Index steps);

/** Applies what remedies() advises, one after the other and three at most, until a training gets no alarm. Every try starts from the
 * configuration that was diagnosed; nothing looks at the test set. */
Json repair(const Config& config, const Result& broken);

}  // namespace diagnosis
