#include "tapegrad/core/tape.h"

#include <fmt/core.h>

#include <limits>

#include "tapegrad/core/kernels/threads.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

template <class T> constexpr Op<T> input_op{.name = "input"};
template <class T> constexpr Op<T> parameter_op{.name = "parameter"};
template <class T> constexpr Op<T> constant_op{.name = "constant"};

template <class T> void add_to(GradSink<T> sink, const T* part, Index size) {
  for (Index i = 0; i < size; ++i) sink.data[i] = part[i] + (sink.add ? sink.data[i] : T(0));
}

}  // namespace

template <class T> BasicObserver<T>::~BasicObserver() {
  while (!tapes_.empty()) tapes_.back()->detach(*this);
}

template <class T> BasicTape<T>::~BasicTape() {
  for (BasicObserver<T>* observer : observers_) std::erase(observer->tapes_, this);
  if (arena_.refused()) states_.fail(0);
  if (pass_ == 0) return;
  for (const auto& recorded : parameters_.of_this_step()) recorded.data->step_is_over = true;
}

template <class T> void BasicTape<T>::reset() {
  check_no_observer_runs();
  if (step_ == std::numeric_limits<std::uint32_t>::max()) fail("tape", "more than 4294967294 steps");
  parameters_.list.resize(parameters_.used);
  if (pass_ != 0)  // a tape that only predicts leaves the gradients of others alone
    for (const auto& recorded : parameters_.list) recorded.data->has_grad = false;
  parameters_.used = 0;
  parameters_.superseded.clear();
  if (arena_.refused()) states_.fail(0);
  states_.end_step();
  nodes_.swap(previous_);
  size_ = 0;
  pass_ = 0;
  ++step_;
  arena_.reset();  // last: it may need memory, and when there is none no Var may point into what is gone
}

template <class T> void BasicTape<T>::make_room() {
  try {
    nodes_.resize(2 * size_ + 16);
  } catch (...) {
    states_.fail(states_.size());
    throw;
  }
}

template <class T> void BasicTape<T>::attach(BasicObserver<T>& observer) {
  check_no_observer_runs();
  observer.tapes_.push_back(this);
  observers_.push_back(&observer);
}

template <class T> void BasicTape<T>::detach(BasicObserver<T>& observer) {
  std::erase(observer.tapes_, this);
  std::replace(observers_.begin(), observers_.end(), &observer, static_cast<BasicObserver<T>*>(nullptr));
  if (!showing_) std::erase(observers_, nullptr);
}

template <class T> void BasicTape<T>::check_no_observer_runs() const {
  if (showing_) fail("tape", "an observer may only read: it must not record, attach, reset or run backward()");
}

template <class T> void BasicTape<T>::show(Event event, NodeIndex node) {
  show_to_each([&](BasicObserver<T>& each) { (each.*event)(*this, node); });
}

template <class T> void BasicTape<T>::show_module(const void* module, NodeIndex output) {
  show_to_each([&](BasicObserver<T>& each) { each.on_module(*this, module, output); });
}

template <class T> template <class Call> void BasicTape<T>::show_to_each(const Call& call) {
  check_no_observer_runs();
  struct Showing {
    BasicTape& tape;
    explicit Showing(BasicTape& t) : tape(t) { tape.showing_ = true; }
    ~Showing() {
      tape.showing_ = false;
      std::erase(tape.observers_, nullptr);  // those that detached themselves
    }
  } const showing(*this);
  for (BasicObserver<T>* const observer : observers_)
    if (observer != nullptr) call(*observer);
}

template <class T> BasicVar<T> BasicTape<T>::leaf(Shape shape, T* values, InputOptions options) {
  return add_node(
      {.op = &input_op<T>, .value = values, .requires_grad = options.requires_grad && grad_enabled_, .leaf = true},
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
  return add_node({.op = &constant_op<T>, .value = copy}, {1, 1});
}

template <class T> BasicVar<T> BasicTape<T>::parameter(const BasicParameter<T>& parameter) {
  ParameterData* const data = parameter.data_.get();
  if (!parameters_.next_is(data) || data->grad.rows() != data->value.rows() ||
      data->grad.cols() != data->value.cols() || is_too_large(parameter.shape())) [[unlikely]]
    return unexpected_parameter(parameter);
  // It requires a gradient also in a no-grad scope: the node is shared with whatever uses the parameter after it.
  const NodeIndex index = append({.op = &parameter_op<T>,
                                  .value = data->value.data(),
                                  .grad = data->grad.data(),
                                  .attributes = data,
                                  .requires_grad = data->requires_grad,
                                  .leaf = true},
                                 parameter.shape());
  auto& recorded = parameters_.list[parameters_.used++];
  recorded.node = index;
  recorded.version = data->version;
  recorded.value = data->value.data();
  return shown(index);
}

/// One that is recorded already, that was not the next one in the step before, or that has no gradient of its shape yet.
template <class T> BasicVar<T> BasicTape<T>::unexpected_parameter(const BasicParameter<T>& parameter) {
  if (parameter.empty()) fail("tape", "the parameter is empty");
  ParameterData& data = *parameter.data_;
  auto* const recorded = parameters_.find_in_step(parameter.data_);
  if (recorded != nullptr && !recorded->changed() && nodes_[recorded->node].requires_grad == data.requires_grad)
    return var(recorded->node);
  if (is_too_large(parameter.shape())) fail_too_large(parameter.shape());
  if (data.grad.rows() != data.value.rows() || data.grad.cols() != data.value.cols()) {
    BasicMatrix<T>(data.value.rows(), data.value.cols()).swap(data.grad);  // there may be no memory for resize()
    data.has_grad = false;
  }
  if (recorded != nullptr) {
    constexpr auto most = 100;
    if (parameters_.superseded_entries(*recorded) == most)
      fail("tape", fmt::format("parameter '{}' was changed {} times in step {}: every step begins with reset()",
                               data.name, most, step_));
    parameters_.supersede(*recorded);
  }
  parameters_.make_next(parameter.data_);
  return this->parameter(parameter);
}

template <class T>
void BasicTape<T>::check_parameters(std::string_view op, NodeIndex from, std::span<const char> marked) const {
  using Entry = typename RecordedParameters<T>::Entry;
  if (!parameters_.any_changed()) [[likely]]
    return;
  std::vector<const ParameterData*> changed_at(size_);
  for (const auto& entries : {parameters_.of_this_step(), std::span<const Entry>(parameters_.superseded)})
    for (const Entry& entry : entries)
      if (entry.changed()) changed_at[entry.node] = entry.data.get();
  std::vector<char> reached(size_);
  reached[from] = 1;
  for (NodeIndex i = from + 1; i-- > 0;) {
    if (!reached[i] || (!marked.empty() && !marked[i])) continue;
    for (const NodeIndex parent : std::span(nodes_[i].parents, nodes_[i].parent_count)) {
      if (nodes_[parent].requires_grad) reached[parent] = 1;
      if (const ParameterData* data = changed_at[parent])
        fail(op,
             fmt::format("parameter '{}' was changed after it was recorded, and variable #{} ({}) needs the value "
                         "that it had: change parameters after the last backward pass, or record it again",
                         data->name, i, nodes_[i].op->name));
    }
  }
}

template <class T> void BasicTape<T>::fail_too_large(Shape shape) {
  fail("tape", "too large a value: " + to_string(shape));
}

template <class T> GradSink<T> BasicTape<T>::leaf_sink(Node<T>& node) {
  bool add = node.pass != 0;
  if (node.op == &parameter_op<T>) {
    ParameterData& data = parameter_with_grad(node);
    add = data.has_grad;
    data.has_grad = true;
  } else if (node.grad == nullptr) {
    node.grad = memory_for(node);
  }
  node.pass = pass_;
  return {node.grad, add};
}

/// With the gradient where it is now: somebody may have put another matrix there.
template <class T> auto BasicTape<T>::parameter_with_grad(Node<T>& node) -> ParameterData& {
  ParameterData& data = parameter_of(node);
  if (data.grad.data() != node.grad) [[unlikely]] {
    if (node.shape() != Shape{data.grad.rows(), data.grad.cols()}) fail_resized(node);
    node.grad = data.grad.data();
  }
  return data;
}

template <class T> void BasicTape<T>::backward(NodeIndex from, const T* seed) {
  check_no_observer_runs();
  check_parameters("backward", from);
  ++pass_;
  for (const auto& recorded : parameters_.of_this_step()) {
    if (!recorded.data->step_is_over) continue;
    if (pass_ == 1) recorded.data->has_grad = false;  // else this step goes on, though another tape is gone
    recorded.data->step_is_over = false;
  }
  try {
    pull_back(from, seed);
  } catch (...) {
    // Some gradients are written in part, or not at all.
    for (const auto& recorded : parameters_.of_this_step()) recorded.data->has_grad = false;
    for (std::size_t i = 0; i < size_; ++i) nodes_[i].pass = 0;
    pass_ = 0;
    states_.fail(0);
    throw;
  }
  states_.succeed();
}

template <class T> void BasicTape<T>::pull_back(NodeIndex from, const T* seed) {
  add_to(grad_sink(from), seed, nodes_[from].size());
  for (NodeIndex i = from + 1; i-- > 0;) {
    if (nodes_[i].pass != pass_) continue;
    const Op<T>& op = *nodes_[i].op;
    if (!observers_.empty()) [[unlikely]]
      show(&BasicObserver<T>::on_backward, i);
    if (op.vjp == nullptr) continue;
    op.pull_back != nullptr ? op.pull_back({*this, i}) : pull_back_by_rule(i);
    if (!observers_.empty()) [[unlikely]]
      show(&BasicObserver<T>::after_pull_back, i);
  }
}

/// Records what the rule says, without gradients of its own and unseen, adds it to the parents', and forgets the nodes.
template <class T> void BasicTape<T>::pull_back_by_rule(NodeIndex self) {
  const Node<T> node = nodes_[self];  // a copy: the rule records, so the list may move
  for (std::uint32_t k = 0; k < node.parent_count; ++k) {
    const NodeIndex parent = node.parents[k];
    if (!needs_grad(parent)) continue;
    if (nodes_[parent].grad == nullptr)
      nodes_[parent].grad = memory_for(nodes_[parent]);  // it outlives the scratch
    const Arena::Scratch memory(arena_);
    const Scoped<std::size_t> nodes(size_, size_);
    const Scoped<std::vector<BasicObserver<T>*>> unseen(observers_, {});
    const auto guard = no_grad();
    const BasicVar<T> g = leaf(node.shape(), node.grad, {});
    const BasicVar<T> part = node.op->vjp({*this, self, g}, k);
    if (part.empty()) continue;
    detail::check_gradient(node.op->name, k, part.shape(), nodes_[parent].shape());
    add_to(grad_sink(parent), nodes_[part.index()].value, nodes_[parent].size());
  }
}

template <class T> const T* BasicTape<T>::readable_grad(NodeIndex index) {
  Node<T>& node = nodes_[index];
  if (node.op == &parameter_op<T>) {
    ParameterData& data = parameter_with_grad(node);
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

template <class T> void BasicTape<T>::check_readable(const Node<T>& node) {
  const ParameterData& data = parameter_of(node);
  const auto is = [&](const BasicMatrix<T>& m) { return m.data() == node.value && m.size() == node.size(); };
  if (!is(data.value) && !is(data.before)) fail_resized(node);
}

template <class T> void BasicTape<T>::fail_resized(const Node<T>& node) {
  const ParameterData& data = parameter_of(node);
  const auto shape = [](const BasicMatrix<T>& m) { return Shape{m.rows(), m.cols()}; };
  if (shape(data.value) != node.shape())
    fail("tape", fmt::format("parameter '{}' was {} when it was recorded, now it is {}", data.name,
                             to_string(node.shape()), to_string(shape(data.value))));
  if (shape(data.grad) != node.shape())
    fail("tape", fmt::format("the gradient of parameter '{}' is {}, its value {}", data.name,
                             to_string(shape(data.grad)), to_string(node.shape())));
  fail("tape", fmt::format("parameter '{}' got the memory of another matrix after it was recorded: use set_value()",
                           data.name));
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

template <class T> void BasicVar<T>::backward(Shape seed, const T* values) const {
  if (shape() != seed)
    fail("backward",
         fmt::format("the seed is {}, variable {} is {}", to_string(seed), label(), to_string(shape())));
  if (!requires_grad())
    fail("backward", fmt::format("variable {} depends on nothing that requires a gradient", label()));
  tape_->backward(index_, values);
}

template <class T> void BasicVar<T>::backward() const {
  if (shape() != Shape{1, 1})
    fail("backward", fmt::format("needs a scalar (1x1) or a seed, variable {} is {}", label(), to_string(shape())));
  const T one = 1;
  backward({1, 1}, &one);
}

template <class T> void BasicVar<T>::backward(const BasicMatrixRef<T>& seed) const {
  if (seed.outerStride() != seed.cols()) return backward(BasicMatrix<T>(seed));
  backward({seed.rows(), seed.cols()}, seed.data());
}

template <class T> void BasicVar<T>::backward(BasicVar<T> seed) const {
  common_tape("backward", *this, seed);
  backward(seed.shape(), seed.node().value);
}

namespace detail {
void check_gradient(std::string_view op, std::size_t operand, Shape gradient, Shape shape) {
  if (gradient != shape)
    fail(op, fmt::format("the rule gives a {} gradient for operand {}, which is {}", to_string(gradient), operand,
                         to_string(shape)));
}
template <class T> void fail_different_tapes(std::string_view op, BasicVar<T> a, BasicVar<T> b) {
  fail(op, fmt::format("variables {} and {} are on different tapes", a.label(), b.label()));
}
}  // namespace detail

#define TAPEGRAD_FUNCTIONS(T) \
  template void detail::fail_different_tapes(std::string_view, BasicVar<T>, BasicVar<T>);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)
TAPEGRAD_INSTANTIATE_SCALARS(Observer)
TAPEGRAD_INSTANTIATE_SCALARS(Tape)
TAPEGRAD_INSTANTIATE_SCALARS(Var)

}  // namespace tapegrad
