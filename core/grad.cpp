#include "tapegrad/core/grad.h"

#include <fmt/core.h>

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/reduction.h"

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

namespace {

template <class T>
std::vector<BasicVar<T>> recorded(BasicTape<T>& tape, const std::vector<BasicParameter<T>>& parameters) {
  std::vector<BasicVar<T>> vars;
  for (const BasicParameter<T>& parameter : parameters) vars.push_back(tape.parameter(parameter));
  return vars;
}

}  // namespace

template <class T> std::vector<BasicVar<T>> grad(BasicVar<T> y, const std::vector<BasicParameter<T>>& parameters) {
  return grad(y, std::span<const BasicVar<T>>(recorded(y.tape(), parameters)));
}

template <class T> BasicVar<T> jvp(BasicVar<T> y, BasicVar<T> x, BasicVar<T> v) {
  BasicTape<T>& tape = common_tape("jvp", y, x, v);
  if (v.shape() != x.shape())
    fail("jvp", fmt::format("v is {}, x is {}", to_string(v.shape()), to_string(x.shape())));
  // xᵀ·J is linear in its seed, whatever that is: the derivative by the seed, along v, is J·v.
  const BasicVar<T> seed = tape.input(BasicMatrix<T>::Zero(y.rows(), y.cols()), {.requires_grad = true});
  return grad(grad(y, {x}, seed)[0], {seed}, v)[0];
}

template <class T>
std::vector<BasicVar<T>> hvp(BasicVar<T> loss, const std::vector<BasicParameter<T>>& parameters,
                             const std::vector<BasicMatrix<T>>& v) {
  BasicTape<T>& tape = loss.tape();
  if (v.size() != parameters.size())
    fail("hvp", fmt::format("{} matrices for {} parameters", v.size(), parameters.size()));
  for (std::size_t i = 0; i < v.size(); ++i)
    if (const Shape shape{v[i].rows(), v[i].cols()}; shape != parameters[i].shape())
      fail("hvp", fmt::format("parameter '{}' is {}, its matrix {}", parameters[i].name(),
                              to_string(parameters[i].shape()), to_string(shape)));
  const std::vector<BasicVar<T>> gradients = grad(loss, parameters);
  BasicVar<T> along = tape.constant(0);
  for (std::size_t i = 0; i < v.size(); ++i) along += sum(gradients[i] * tape.input(v[i]));
  return grad(along, parameters);
}

template <class T> BasicMatrix<T> jacobian(BasicVar<T> y, BasicVar<T> x) {
  BasicTape<T>& tape = common_tape("jacobian", y, x);
  BasicMatrix<T> result(y.shape().size(), x.shape().size());
  BasicMatrix<T> seed = BasicMatrix<T>::Zero(y.rows(), y.cols());
  const auto no_grad = tape.no_grad();
  for (Index i = 0; i < seed.size(); ++i) {
    seed.data()[i] = 1;
    result.row(i) = grad(y, {x}, tape.input(seed))[0].value().template reshaped<Eigen::RowMajor>().transpose();
    seed.data()[i] = 0;
  }
  return result;
}

#define TAPEGRAD_FUNCTIONS(T)                                                                                    \
  template std::vector<BasicVar<T>> grad(BasicVar<T>, std::span<const BasicVar<T>>, std::optional<BasicVar<T>>); \
  template std::vector<BasicVar<T>> grad(BasicVar<T>, const std::vector<BasicParameter<T>>&);                    \
  template BasicVar<T> jvp(BasicVar<T>, BasicVar<T>, BasicVar<T>);                                               \
  template std::vector<BasicVar<T>> hvp(BasicVar<T>, const std::vector<BasicParameter<T>>&,                      \
                                        const std::vector<BasicMatrix<T>>&);                                     \
  template BasicMatrix<T> jacobian(BasicVar<T>, BasicVar<T>);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
