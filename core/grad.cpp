#include "tapegrad/core/grad.h"

#include <fmt/core.h>

#include "tapegrad/core/arithmetic.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
std::vector<BasicVar<T>> grad(BasicVar<T> y, std::span<const BasicVar<T>> inputs,
                              std::optional<std::type_identity_t<BasicVar<T>>> given) {
  if (!given && y.shape() != Shape{1, 1})
    fail("grad", fmt::format("needs a scalar (1x1) or a seed, variable {} is {}", y.label(), to_string(y.shape())));
  const BasicVar<T> seed = given ? *given : y.tape().constant(1);
  BasicTape<T>& tape = common_tape("grad", y, seed);
  if (y.shape() != seed.shape())
    fail("grad", fmt::format("the seed is {}, variable {} is {}", to_string(seed.shape()), y.label(),
                             to_string(y.shape())));
  // Only what lies between an input and y can carry a gradient from one to the other.
  std::vector<char> on_path(y.index() + std::size_t{1}, 0);
  for (const BasicVar<T>& input : inputs) {
    common_tape("grad", y, input);
    if (!input.requires_grad()) fail("grad", fmt::format("variable {} requires no gradient", input.label()));
    if (input.index() <= y.index()) on_path[input.index()] = 1;
  }
  for (NodeIndex i = 0; i <= y.index(); ++i) {
    const Node<T>& node = tape.node(i);
    if (!node.requires_grad || node.op->vjp == nullptr) continue;
    for (std::uint32_t k = 0; k < node.parent_count; ++k) on_path[i] = on_path[i] || on_path[node.parents[k]];
  }
  tape.check_parameters("grad", y.index(), on_path);
  std::vector<BasicVar<T>> cotangents(y.index() + std::size_t{1});
  cotangents[y.index()] = seed;
  for (NodeIndex i = y.index() + 1; i-- > 0;) {
    if (!on_path[i] || cotangents[i].empty() || tape.node(i).op->vjp == nullptr) continue;
    const TapedAt<T> at{tape, i, cotangents[i]};
    for (std::uint32_t k = 0; k < tape.node(i).parent_count; ++k) {
      const NodeIndex parent = tape.node(i).parents[k];
      if (!on_path[parent]) continue;
      const BasicVar<T> part = tape.node(i).op->vjp(at, k);
      if (part.empty()) continue;
      detail::check_gradient(tape.node(i).op->name, k, part.shape(), tape.node(parent).shape());
      cotangents[parent] = cotangents[parent].empty() ? part : cotangents[parent] + part;
    }
  }
  std::vector<BasicVar<T>> result;
  for (const BasicVar<T>& input : inputs) {
    const bool reached = input.index() <= y.index() && !cotangents[input.index()].empty();
    result.push_back(reached ? cotangents[input.index()]
                             : tape.input(BasicMatrix<T>::Zero(input.rows(), input.cols())));
  }
  return result;
}

#define TAPEGRAD_FUNCTIONS(T) \
  template std::vector<BasicVar<T>> grad(BasicVar<T>, std::span<const BasicVar<T>>, std::optional<BasicVar<T>>);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
