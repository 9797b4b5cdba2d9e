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

/** Where a rule looks: at the numbers of the run, at what the network is made of, at the data. */
enum class Source { run, structure, data };
/** "run", "structure", "data" */
std::string_view to_string(Source source);

/** Something that is wrong with a run, in plain words. */
struct Finding {
  std::string rule = {};   ///< "dying relu"
  std::string where = {};  ///< path of the layer or parameter; empty when it is the run as a whole
  double number = 0;       ///< what was measured
  double threshold = 0;    ///< what it was held against
  Severity severity = Severity::warning;
  std::string text = {};  ///< number, what is usual, cause and remedy in one line
  Source source = Source::run;
  std::string effect_of = {};  ///< the rule of the finding that leads; empty for that one
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
  Source source;
  std::string_view measures;
};

/** All rules, causes before what they bring about. Judged is the last quarter of a run, unless the rule is about its
 * beginning. docs/findings.md is made of this table. */
std::span<const FindingRule> finding_rules();

/** What is wrong with a run; nothing for a healthy one. The first is the most likely cause of all, and the others are its
 * effects or stand beside it (effect_of). What is usual in a network that learns well, as some dead units are, is only
 * information then, and comes last.
 *
 *      layer 1 (1.relu): 67 % of the units are dead, half of them by step 214; the update ratio was
 *      0.31, usual is 0.001: lower the learning rate (0.5), or use leaky_relu */
std::vector<Finding> findings(const RunRecord& record);

}  // namespace tapegrad
