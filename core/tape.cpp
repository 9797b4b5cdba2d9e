#include "tapegrad/core/tape.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/kernels/threads.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

template <class T> constexpr Op<T> input_op{.name = "input"};
template <class T> constexpr Op<T> parameter_op{.name = "parameter"};
template <class T> constexpr Op<T> constant_op{.name = "constant"};

}  // namespace

template <class T> void NodeList<T>::reserve(std::size_t count) {
  if (count <= capacity_) return;
  auto more = std::make_unique<Node<T>[]>(count);
  std::copy_n(nodes_.get(), size_, more.get());
  nodes_ = std::move(more);
  capacity_ = count;
}

template <class T> BasicTape<T>::~BasicTape() {
  if (pass_ == 0) return;
  for (const RecordedParameter& recorded : recorded_parameters()) recorded.data->step_is_over = true;
}

template <class T> void BasicTape<T>::reset() {
  if (step_ == std::numeric_limits<std::uint32_t>::max()) fail("tape", "more than 4294967294 steps");
  previous_.reserve(nodes_.size() + 1);
  parameters_.erase(parameters_.begin() + static_cast<std::ptrdiff_t>(parameter_cursor_), parameters_.end());
  if (pass_ != 0)  // a tape that only predicts leaves the gradients of others alone
    for (const RecordedParameter& recorded : parameters_) recorded.data->has_grad = false;
  parameter_cursor_ = 0;
  seed_stays_ = false;
  nodes_.swap(previous_);
  nodes_.clear();
  pass_ = 0;
  ++step_;
  arena_.reset();  // last: it may need memory, and when there is none no Var may point into what is gone
}

template <class T> BasicVar<T> BasicTape<T>::added_last() {
  constexpr std::size_t most = std::numeric_limits<NodeIndex>::max();
  const auto node = static_cast<NodeIndex>(nodes_.size() - 1);
  if (nodes_.full()) {
    try {
      if (nodes_.size() == most) fail("tape", "more than 4294967294 nodes in one step");
      nodes_.reserve(std::min(2 * nodes_.size(), most));
    } catch (...) {
      if (nodes_[node].op == &parameter_op<T>) --parameter_cursor_;
      nodes_.drop_last();
      throw;
    }
  }
  for (BasicObserver<T>* observer : observers_) observer->on_forward(*this, node);
  return var(node);
}

template <class T> BasicVar<T> BasicTape<T>::leaf(Shape shape, T* values, InputOptions options) {
  return add_node({.op = &input_op<T>,
                   .value = values,
                   .owner = owner_,
                   .requires_grad = options.requires_grad && grad_enabled_,
                   .leaf = true},
                  shape);
}

template <class T> BasicVar<T> BasicTape<T>::input(const BasicMatrixRef<T>& values, InputOptions options) {
  const Shape shape{values.rows(), values.cols()};
  T* copy = allocate(shape);
  parallel::divide(shape.rows, 1, shape.size() >= parallel::least_elements, [&](Index first, Index last) {
    const T* from = values.data() + first * values.outerStride();
    if (values.outerStride() == shape.cols || last - first == 1) {
      std::copy_n(from, (last - first) * shape.cols, copy + first * shape.cols);
      return;
    }
    for (Index row = first; row < last; ++row, from += values.outerStride())
      std::copy_n(from, shape.cols, copy + row * shape.cols);
  });
  return leaf(shape, copy, options);
}

template <class T> BasicVar<T> BasicTape<T>::borrow(const BasicView<T>& values, InputOptions options) {
  const Shape shape{values.rows(), values.cols()};
  if (is_too_large(shape)) fail_too_large(shape);
  return leaf(shape, const_cast<T*>(values.data()), options);  // the values of a leaf are only read
}

template <class T> BasicVar<T> BasicTape<T>::input(double value, InputOptions options) {
  T* copy = allocate({1, 1});
  *copy = static_cast<T>(value);
  return leaf({1, 1}, copy, options);
}

template <class T> BasicVar<T> BasicTape<T>::constant(double value) {
  T* copy = allocate({1, 1});
  *copy = static_cast<T>(value);
  return push(constant_op<T>, {1, 1}, copy, std::span<const BasicVar<T>>());
}

template <class T> BasicVar<T> BasicTape<T>::parameter(const BasicParameter<T>& parameter) {
  ParameterData* const data = parameter.data_.get();
  if (parameter_cursor_ == parameters_.size() || parameters_[parameter_cursor_].data.get() != data ||
      data->grad.rows() != data->value.rows() || data->grad.cols() != data->value.cols() ||
      is_too_large(parameter.shape())) [[unlikely]]
    return unexpected_parameter(parameter);
  parameters_[parameter_cursor_++].node = static_cast<NodeIndex>(nodes_.size());
  // It requires a gradient also in a no-grad scope: the node is shared with whatever uses the parameter after it.
  return add_node({.op = &parameter_op<T>,
                   .value = data->value.data(),
                   .grad = data->grad.data(),
                   .attributes = data,
                   .owner = owner_,
                   .requires_grad = data->requires_grad,
                   .leaf = true},
                  parameter.shape());
}

/// One that is recorded already, that is not at the cursor, or that has no gradient of its shape yet.
template <class T> BasicVar<T> BasicTape<T>::unexpected_parameter(const BasicParameter<T>& parameter) {
  if (parameter.data_ == nullptr) fail("tape", "the parameter is empty");
  ParameterData& data = *parameter.data_;
  auto found = std::find_if(parameters_.begin(), parameters_.end(),
                            [&](const RecordedParameter& recorded) { return recorded.data.get() == &data; });
  const auto cursor = static_cast<std::ptrdiff_t>(parameter_cursor_);
  if (found - parameters_.begin() < cursor) return var(found->node);
  if (is_too_large(parameter.shape())) fail_too_large(parameter.shape());
  if (data.grad.rows() != data.value.rows() || data.grad.cols() != data.value.cols()) {
    data.grad.resize(data.value.rows(), data.value.cols());
    data.has_grad = false;
  }
  if (found == parameters_.end()) found = parameters_.insert(found, {parameter.data_, 0});
  std::swap(*found, parameters_[parameter_cursor_]);
  return this->parameter(parameter);
}

template <class T> void BasicTape<T>::show_backward(NodeIndex node) {
  for (BasicObserver<T>* observer : observers_) observer->on_backward(*this, node);
}
template <class T> void BasicTape<T>::show_after_pull_back(NodeIndex node) {
  for (BasicObserver<T>* observer : observers_) observer->after_pull_back(*this, node);
}

template <class T> void BasicTape<T>::fail_too_large(Shape shape) {
  fail("tape", "too large a value: " + to_string(shape));
}

template <class T> GradSink<T> BasicTape<T>::leaf_sink(Node<T>& node) {
  bool add = node.pass != 0;
  if (node.op == &parameter_op<T>) {
    ParameterData& data = parameter_of(node);
    add = data.has_grad;
    data.has_grad = true;
  } else if (node.grad == nullptr) {
    node.grad = memory_for(node);
  }
  node.pass = pass_;
  return {node.grad, add};
}

template <class T> void BasicTape<T>::backward(NodeIndex from, const T* seed, Seed kind) {
  if (seed_stays_) {  // this pass may write there
    Node<T>& node = nodes_[seeded_];
    node.grad = std::copy_n(node.grad, node.size(), memory_for(node)) - node.size();
    seed_stays_ = false;
  }
  ++pass_;
  for (const RecordedParameter& recorded : recorded_parameters()) {
    if (!recorded.data->step_is_over) continue;
    recorded.data->has_grad = false;
    recorded.data->step_is_over = false;
  }
  if (Node<T>& node = nodes_[from]; kind == Seed::stays && !node.leaf) {
    node.grad = const_cast<T*>(seed);  // what uses `node` comes after it, so nothing is added in this pass
    node.pass = pass_;
    seed_stays_ = true;
    seeded_ = from;
  } else {
    const GradSink<T> start = grad_sink(from);
    const Index size = node.size();
    for (Index i = 0; i < size; ++i) start.data[i] = seed[i] + (start.add ? start.data[i] : T(0));
  }
  const bool watched = !observers_.empty();
  for (NodeIndex i = from + 1; i-- > 0;) {
    const Node<T>& node = nodes_[i];
    if (node.pass != pass_) continue;
    const auto pull_back = node.op->pull_back;
    if (watched) [[unlikely]]
      show_backward(i);
    if (pull_back == nullptr) continue;
    pull_back(*this, i);
    if (watched) [[unlikely]]
      show_after_pull_back(i);
  }
}

template <class T> const T* BasicTape<T>::readable_grad(NodeIndex index) {
  Node<T>& node = nodes_[index];
  if (node.op == &parameter_op<T>) {
    ParameterData& data = parameter_of(node);
    if (!data.has_grad) data.grad.setZero();
  } else if (node.pass == 0) {
    if (node.grad == nullptr) node.grad = memory_for(node);
    std::fill_n(node.grad, node.size(), T(0));
  }
  return node.grad;
}

template <class T> void BasicVar<T>::fail_stale() const {
  if (tape_ == nullptr) fail("tape", "the variable is empty: it was never recorded");
  fail("tape", fmt::format("variable {} is from step {}, the tape is at step {}", label(), step_, tape_->step_));
}

template <class T> std::string_view BasicVar<T>::op_name() const {
  if (tape_ == nullptr) return {};
  if (step_ == tape_->step_) return tape_->nodes_[index_].op->name;
  if (step_ + 1 == tape_->step_) return tape_->previous_[index_].op->name;
  return {};
}

template <class T> std::string BasicVar<T>::label() const {
  const std::string_view name = op_name();
  return name.empty() ? fmt::format("#{}", index_) : fmt::format("#{} ({})", index_, name);
}

template <class T> T BasicVar<T>::item() const {
  if (shape() != Shape{1, 1})
    fail("item", fmt::format("needs a scalar (1x1), variable {} is {}", label(), to_string(shape())));
  return *node().value;
}

template <class T> BasicView<T> BasicVar<T>::grad() const {
  const Node<T>& n = node();
  if (!n.requires_grad) fail("grad", fmt::format("variable {} requires no gradient", label()));
  if (tape_->pass_ == 0) fail("grad", fmt::format("variable {}: no backward pass in this step yet", label()));
  return BasicView<T>(tape_->readable_grad(index_), n.rows, n.cols);
}

template <class T> void BasicVar<T>::check_backward() const {
  if (!requires_grad())
    fail("backward", fmt::format("variable {} depends on nothing that requires a gradient", label()));
}

template <class T> void BasicVar<T>::backward() const {
  if (shape() != Shape{1, 1})
    fail("backward", fmt::format("needs a scalar (1x1) or a seed, variable {} is {}", label(), to_string(shape())));
  check_backward();
  const T one = 1;
  tape_->backward(index_, &one, BasicTape<T>::Seed::copied);
}

template <class T> void BasicVar<T>::check_seed(Shape seed) const {
  if (shape() != seed)
    fail("backward",
         fmt::format("the seed is {}, variable {} is {}", to_string(seed), label(), to_string(shape())));
  check_backward();
}

template <class T> void BasicVar<T>::backward(const BasicMatrixRef<T>& seed) const {
  check_seed({seed.rows(), seed.cols()});
  if (seed.outerStride() != seed.cols()) {
    const BasicMatrix<T> packed = seed;
    tape_->backward(index_, packed.data(), BasicTape<T>::Seed::copied);
  } else {
    tape_->backward(index_, seed.data(), BasicTape<T>::Seed::copied);
  }
}

template <class T> void BasicVar<T>::backward(BasicVar<T> seed) const {
  common_tape("backward", *this, seed);
  check_seed(seed.shape());
  tape_->backward(index_, seed.node().value, BasicTape<T>::Seed::stays);
}

namespace detail {
template <class T> void fail_different_tapes(std::string_view op, BasicVar<T> a, BasicVar<T> b) {
  fail(op, fmt::format("variables {} and {} are on different tapes", a.label(), b.label()));
}
}  // namespace detail

template <class T> std::vector<BasicVar<T>> grad(BasicVar<T> y, std::span<const BasicVar<T>> inputs) {
  if (y.shape() != Shape{1, 1})
    fail("grad", fmt::format("needs a scalar (1x1) or a seed, variable {} is {}", y.label(), to_string(y.shape())));
  return grad(y, inputs, y.tape().constant(1));
}

template <class T>
std::vector<BasicVar<T>> grad(BasicVar<T> y, std::span<const BasicVar<T>> inputs, BasicVar<T> seed) {
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
    if (!node.requires_grad || node.op->taped_vjp == nullptr) continue;
    for (std::uint32_t k = 0; k < node.parent_count; ++k) on_path[i] = on_path[i] || on_path[node.parents[k]];
  }
  std::vector<BasicVar<T>> cotangents(y.index() + std::size_t{1});
  std::vector<char> reached(y.index() + std::size_t{1}, 0);
  cotangents[y.index()] = seed;
  reached[y.index()] = 1;
  for (NodeIndex i = y.index() + 1; i-- > 0;) {
    if (!on_path[i] || !reached[i] || tape.node(i).op->taped_vjp == nullptr) continue;
    const TapedRuleInput<T> at{tape, i, cotangents[i]};
    for (std::uint32_t k = 0; k < tape.node(i).parent_count; ++k) {
      const NodeIndex parent = tape.node(i).parents[k];
      if (!on_path[parent]) continue;
      const BasicVar<T> part = tape.node(i).op->taped_vjp(at, k);
      if (part.empty()) continue;
      cotangents[parent] = reached[parent] ? cotangents[parent] + part : part;
      reached[parent] = 1;
    }
  }
  std::vector<BasicVar<T>> result;
  for (const BasicVar<T>& input : inputs) {
    if (input.index() <= y.index() && reached[input.index()]) {
      result.push_back(cotangents[input.index()]);
    } else {
      result.push_back(tape.input(BasicMatrix<T>::Zero(input.rows(), input.cols())));
    }
  }
  return result;
}

#define TAPEGRAD_INSTANTIATE(T)                                                           \
  template class BasicTape<T>;                                                            \
  template class NodeList<T>;                                                             \
  template class BasicVar<T>;                                                             \
  template void detail::fail_different_tapes(std::string_view, BasicVar<T>, BasicVar<T>); \
  template std::vector<BasicVar<T>> grad(BasicVar<T>, std::span<const BasicVar<T>>);      \
  template std::vector<BasicVar<T>> grad(BasicVar<T>, std::span<const BasicVar<T>>, BasicVar<T>);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad
