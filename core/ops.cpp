#include "tapegrad/core/ops.h"

#include <algorithm>

#include "tapegrad/core/activations.h"
#include "tapegrad/core/losses.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

std::vector<ElementwiseOpEntry>& registry() {
  static std::vector<ElementwiseOpEntry> entries = {
#define TAPEGRAD_ENTRY(Rule, arity) detail::op_entry<Rule>(),
      TAPEGRAD_ARITHMETIC_OPS(TAPEGRAD_ENTRY) TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_ENTRY)
          TAPEGRAD_ACTIVATION_HELPERS(TAPEGRAD_ENTRY) TAPEGRAD_LOSS_OPS(TAPEGRAD_ENTRY)
#undef TAPEGRAD_ENTRY
  };
  return entries;
}

/// Structured ops, which have rules of their own in the files that define them.
constexpr std::string_view structured[] = {
    "sum",     "mean",      "max",         "min",         "logsumexp", "standardize",   "broadcast_to", "matmul",
    "linear",  "transpose", "concat_cols", "slice_cols",  "pad_cols",  "select_rows",   "scatter_rows", "gather",
    "scatter", "detach",    "softmax",     "log_softmax", "maxout",    "cross_entropy",
};

}  // namespace

std::vector<ElementwiseOpEntry> elementwise_ops() { return registry(); }

std::vector<std::string_view> ops() {
  std::vector<std::string_view> names;
  for (const ElementwiseOpEntry& entry : registry()) names.push_back(entry.name);
  names.insert(names.end(), std::begin(structured), std::end(structured));
  return names;
}

void register_op(const ElementwiseOpEntry& entry) {
  const auto names = ops();
  if (std::find(names.begin(), names.end(), entry.name) != names.end())
    fail("op", "'" + std::string(entry.name) + "' is registered already");
  registry().push_back(entry);
}

}  // namespace tapegrad
