#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapegrad/inspect/record.h"

namespace tapegrad::inline TAPEGRAD_ABI {

enum class Severity { info, warning, critical };
/** "info", "warning", "critical" */
std::string_view to_string(Severity severity);

/** Something that is wrong with a run, in plain words. */
struct Finding {
  std::string rule = {};   ///< "dying relu"
  std::string where = {};  ///< path of the layer or parameter; empty when it is the run as a whole
  double number = 0;       ///< what was measured
  double threshold = 0;    ///< what it was held against
  Severity severity = Severity::warning;
  std::string text = {};  ///< number, what is usual, cause and remedy in one line
};

/** One way in which a run goes wrong: a name, the number from which on it is a warning and the one from which on it
 * is critical (below which, where critical < warning), and the check that finds where it happens, given what the
 * rules before it have found. */
struct FindingRule {
  std::string_view name;
  double warning;
  double critical;
  std::vector<Finding> (*check)(const RunRecord& record, const FindingRule& rule,
                                const std::vector<Finding>& found);
};

/** All rules. Judged is the last quarter of a run, unless the rule is about its beginning:
 *
 *      not finite              the loss became NaN or infinite: by the inputs, the targets, or the updates
 *      dying relu              share of a layer's units that are dead and were not at first; any f with flat pieces
 *      dead at birth           share of a layer's units that have been off since the first batch
 *      saturation              share of (sample, unit) with |f′| < 0.1·sup|f′|; not of relu, where half is usual
 *      vanishing gradient      RMS ∂L/∂z of the first hidden layer over that of the last one
 *      exploding gradient      the same the other way, and the growth of the gradient's norm over the run
 *      bad initialization      change of std z from the first to the last hidden layer in step 0, of RMS ∂L/∂z back
 *      learning rate too high  largest update ratio of a weight, where the loss does not fall or rises again
 *      learning rate too low   largest typical update ratio of a weight, where the loss hardly falls
 *      constant output         std of the output over the samples; of logits below 0.01
 *      loss at ln C            loss over ln C, the loss of guessing among C classes
 *      labels shuffled         loss at ln C with nothing else wrong: the labels do not belong to their inputs
 *      labels constant         loss of almost 0 within 100 steps, with nearly the same output for all samples; one class
 *      unscaled inputs         the larger of |mean| and std of the network's input */
std::span<const FindingRule> finding_rules();

/** What is wrong with a run, the worst first; nothing for a healthy one.
 *
 *      layer 1 (1.relu): 67 % of the units are dead, half of them by step 214; the update ratio was
 *      0.31, usual is 0.001: lower the learning rate (0.5), or use leaky_relu */
std::vector<Finding> findings(const RunRecord& record);

}  // namespace tapegrad
