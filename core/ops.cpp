#include "tapegrad/core/ops.h"

#include <algorithm>

#include "tapegrad/core/losses.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

std::vector<ElementwiseOpEntry>& registry() {
  static std::vector<ElementwiseOpEntry> entries = {
#define TAPEGRAD_ENTRY(Rule) detail::op_entry<Rule>(),
      TAPEGRAD_ARITHMETIC_RULES(TAPEGRAD_ENTRY) TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_ENTRY)
          TAPEGRAD_LOSS_RULES(TAPEGRAD_ENTRY)
#undef TAPEGRAD_ENTRY
  };
  return entries;
}

std::vector<std::string_view>& structured() {
  static std::vector<std::string_view> names;
  return names;
}

}  // namespace

bool detail::list_op(std::string_view name) {
  auto& names = structured();
  const auto place = std::lower_bound(names.begin(), names.end(), name);
  if (place == names.end() || *place != name) names.insert(place, name);
  return true;
}

std::vector<ElementwiseOpEntry> elementwise_ops() { return registry(); }

std::vector<std::string_view> ops() {
  std::vector<std::string_view> names;
  for (const ElementwiseOpEntry& entry : registry()) names.push_back(entry.name);
  names.insert(names.end(), structured().begin(), structured().end());
  return names;
}

void register_op(const ElementwiseOpEntry& entry) {
  const auto names = ops();
  if (std::find(names.begin(), names.end(), entry.name) != names.end())
    fail("op", "'" + std::string(entry.name) + "' is registered already");
  registry().push_back(entry);
}

}  // namespace tapegrad
