#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapegrad/inspect/findings.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** What a remedy changes. */
enum class Change {
  learning_rate,   ///< multiply it by `value`
  momentum,        ///< set it to `value`
  weight_decay,    ///< set it to `value`
  dropout,         ///< set its probability to `value`
  initialization,  ///< weights anew by the initializer `to`, biases 0
  activation,      ///< that of the hidden layers becomes `to`, with weights anew by initializer_for(to), biases 0
  normalization,   ///< a batch normalization before every hidden activation
  output_activation,  ///< leave it out
  units,              ///< at least `value` in every hidden layer
  inputs,             ///< every column to mean 0 and standard deviation 1
  targets,            ///< divide them by `value`
  rows,               ///< leave out those that are not finite
  parameters,         ///< give all to the optimizer
  direction,          ///< the updates go down the gradient
  training_mode,      ///< train() before training, predict() or eval() for evaluating
  training_time,      ///< `value` times as many steps
  data,               ///< no training repairs it: `to` says what to look at
};
/** "learning_rate" */
std::string_view to_string(Change change);

/** One change that a finding advises. */
struct Remedy {
  Change change = Change::data;
  double value = 0;
  std::string to = {};
  std::string rule = {};   ///< of the finding
  std::string where = {};  ///< its layer or parameter
};
/** What an activation's weights should begin with: "he_normal" where half of its inputs are cut off, "lecun_normal" for selu,
 * else "xavier_normal". */
std::string_view initializer_for(std::string_view activation);
/** "multiply the learning rate by 0.0097" */
std::string to_string(const Remedy& remedy);

/** What to change, the most promising first: for each finding, the leading one first, what was measured to help where
 * that rule was right. Remedies that two findings share come once; information gives none.
 *
 *      for (const Remedy& each : remedies(findings(monitor.record()))) std::puts(to_string(each).c_str()); */
std::vector<Remedy> remedies(std::span<const Finding> findings);

}  // namespace tapegrad
