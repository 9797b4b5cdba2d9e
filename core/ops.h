#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tapegrad/core/arithmetic.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** A registered elementwise op as the gradient check sees it. */
struct ElementwiseOpEntry {
  std::string_view name;
  std::size_t arity = 1;
  std::size_t first_differentiable = 0;
  double domain_from = 0;  ///< the op is defined for operands above this; −∞ for most
  /** Records the op on doubles, with its default parameters. */
  BasicVar<double> (*apply)(std::span<const BasicVar<double>> operands) = nullptr;
};

/** Names of all registered ops: elementwise and structured, the library's first, then the user's. */
std::vector<std::string_view> ops();
/** The elementwise ones among them. */
std::vector<ElementwiseOpEntry> elementwise_ops();
/** Throws when the name is taken. */
void register_op(const ElementwiseOpEntry& entry);

namespace detail {

template <class Rule> ElementwiseOpEntry op_entry() {
  constexpr std::size_t arity = elementwise::arity<Rule>();
  ElementwiseOpEntry entry{.name = Rule::name,
                           .arity = arity,
                           .first_differentiable = elementwise::first_differentiable<Rule>(),
                           .domain_from = -std::numeric_limits<double>::infinity()};
  if constexpr (requires { Rule::domain_from; }) entry.domain_from = Rule::domain_from;
  entry.apply = [](std::span<const BasicVar<double>> operands) {
    return elementwise::with_indices<arity>([&](auto... k) { return tapegrad::apply(Rule{}, operands[k]...); });
  };
  return entry;
}

}  // namespace detail

/** Adds a user's elementwise rule of one, two or three operands to ops(): the gradient check covers it from then
 * on. (An activation is registered with register_activation and covered as well.) */
template <class Rule> void register_op() { register_op(detail::op_entry<Rule>()); }

}  // namespace tapegrad
