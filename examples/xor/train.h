#pragma once

#include <tapegrad/tapegrad.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/example.h"

/// One training on XOR, and what became of its hidden units.
namespace exclusive_or {

namespace tg = tapegrad;

struct Options {
  example::CommonOptions common;
  example::InspectOptions inspect;
  std::vector<std::string> activations{"tanh"};
  tg::Index hidden = 8;
  std::string optimizer = "adam";
  double lr = 0.05;
  int steps = 500;
  int seeds = 0;
};

struct Run {
  std::vector<double> losses;
  std::vector<double> predictions;  ///< σ(output) for the four rows
  int steps_to_solve = -1;          ///< first step after which all four answers are within 0.1; −1: never
  int dead = 0;                     ///< hidden units with f′ = 0 on all four rows at the end
  int saturated = 0;                ///< hidden units with |f′| < 0.1·sup|f′| on all four rows
  std::vector<std::pair<std::string, double>> gradients;  ///< RMS per parameter in the last step
  std::optional<tg::RunRecord> record;                    ///< when a report, a log or --watch asks for it
  bool solved() const { return steps_to_solve >= 0; }
  /** Why it is not solved; "slow" while the loss still falls by a percent in the last tenth of the run. */
  std::string failure() const;
};

Run train(const Options& options, const std::string& activation, std::uint64_t seed);

}  // namespace exclusive_or
