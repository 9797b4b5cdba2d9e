#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "tapegrad/core/arena.h"
#include "tapegrad/core/error.h"
#include "tapegrad/core/kernels/map.h"
#include "tapegrad/core/parameter.h"
#include "tapegrad/core/recorded_parameters.h"
#include "tapegrad/core/saved_states.h"
#include "tapegrad/core/types.h"

/// The engine, in reading order: Node and Op, Observer, Var, Tape, and what a rule is given (At, TapedAt).

namespace tapegrad::inline TAPEGRAD_ABI {

/// Position of a node on its tape. Parents always stand before their children.
using NodeIndex = std::uint32_t;

template <class T> struct At;
template <class T> struct TapedAt;

/** Static description of an op; a node points to one. All functions may be null: a leaf or a constant has no rule, a
 * smooth op has no pieces. */
template <class T> struct Op {
  std::string_view name;
  /// The rule: the gradient of one parent, recorded, so that gradients have gradients. Empty: that parent has none.
  /// backward() runs it with recording of gradients off.
  BasicVar<T> (*vjp)(const TapedAt<T>& at, std::size_t parent) = nullptr;
  /// For a hot op, the same as one loop: adds this node's part to the gradient of every parent that needs one.
  void (*pull_back)(At<T> at) = nullptr;
  /// Appends, per element, which smooth piece of the function it lies on (the gradient check avoids the seams).
  void (*pieces)(At<T> at, std::vector<double>& out) = nullptr;
};

/** One recorded value. Fixed size, one line of the cache; what it points to lives in the tape's arena or in a
 * parameter. */
template <class T> struct alignas(64) Node {
  const Op<T>* op = nullptr;
  T* value = nullptr;
  T* grad = nullptr;                 ///< null until a backward pass reaches the node
  const void* attributes = nullptr;  ///< what the op remembers between forward and backward
  const NodeIndex* parents = nullptr;
  const void* owner = nullptr;  ///< the module that recorded it, opaque to core
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
  std::uint32_t pass = 0;  ///< the backward pass that last wrote `grad`; 0 is none
  std::uint32_t parent_count : 30 = 0;
  std::uint32_t requires_grad : 1 = 0;
  std::uint32_t leaf : 1 = 0;  ///< passes of one step add up (inputs and parameters)

  Shape shape() const { return {static_cast<Index>(rows), static_cast<Index>(cols)}; }
  Index size() const { return shape().size(); }
};

/** Read-only hook on a tape. `on_forward` sees a node right after its value was computed, `on_module` the output of a
 * module, `on_backward` a node before its complete gradient is pulled back to its parents, `after_pull_back` after that.
 * To record, to reset the tape or to run backward() in one of them is an error. */
template <class T> class BasicObserver {
 public:
  BasicObserver() = default;
  BasicObserver(const BasicObserver&) {}  // a copy is attached to nothing
  BasicObserver& operator=(const BasicObserver&) { return *this; }
  virtual ~BasicObserver();
  virtual void on_forward(const BasicTape<T>& /*tape*/, NodeIndex /*node*/) {}
  virtual void on_module(const BasicTape<T>& /*tape*/, const void* /*module*/, NodeIndex /*output*/) {}
  virtual void on_backward(const BasicTape<T>& /*tape*/, NodeIndex /*node*/) {}
  virtual void after_pull_back(const BasicTape<T>& /*tape*/, NodeIndex /*node*/) {}

 private:
  friend class BasicTape<T>;
  std::vector<BasicTape<T>*> tapes_;  ///< that it is attached to, until either is gone
};

/** A value on a tape: a small, trivially copyable handle. It is valid until the tape's next reset(); using it
 * later throws "[tape] variable #17 (relu) is from step 41, the tape is at step 42". The tape must outlive it. */
template <class T> class BasicVar {
 public:
  using Scalar = T;

  /** An empty handle; any use throws. */
  BasicVar() = default;
  BasicVar(BasicTape<T>* tape, NodeIndex index, std::uint32_t step) : tape_(tape), index_(index), step_(step) {}

  bool empty() const { return tape_ == nullptr; }
  Shape shape() const { return node().shape(); }
  Index rows() const { return shape().rows; }
  Index cols() const { return shape().cols; }
  bool requires_grad() const { return node().requires_grad; }
  template <std::same_as<bool> B> explicit operator B() const {
    static_assert(
        sizeof(B) == 0,
        "a condition holds for each element of its own: write tg::where(x > 0, a, b) instead of if and ?:, or "
        "compare x.item(), the number of a 1x1 Var");
  }

  BasicView<T> value() const {
    const Node<T>& n = node();
    if (n.leaf && n.attributes != nullptr) tape_->check_readable(n);
    return BasicView<T>(n.value, n.rows, n.cols);
  }
  /** The value of a 1x1 Var. */
  T item() const;
  /** The gradient, zeros where none arrived: of a leaf (an input, a parameter) the sum over the backward passes of this
   * step, of a computed value that of the last pass that reached it. Throws before the first pass and for a value that
   * requires none. */
  BasicView<T> grad() const;

  /** Computes the gradients of this scalar with respect to everything before it that requires one, and adds to
   * those of the leaves. Throws unless it is 1x1, and when a parameter was changed since it was recorded. An error in
   * an op or an observer sets all gradients of the step back to zero. */
  void backward() const;
  /** The same for ⟨this, seed⟩. */
  void backward(const BasicMatrixRef<T>& seed) const;
  /** The same with a seed on the tape. */
  void backward(BasicVar<T> seed) const;

  inline BasicTape<T>& tape() const;
  NodeIndex index() const { return index_; }
  std::uint32_t step() const { return step_; }
  /** "relu"; empty for an empty handle, and when the step is over for longer than one reset(). */
  std::string_view op_name() const;
  /** The recorded node, after the check that it still exists. */
  inline const Node<T>& node() const;
  /** "#17 (relu)" */
  std::string label() const;

 private:
  [[noreturn]] void fail_stale() const;
  void backward(Shape seed, const T* values) const;

  // No more than two registers: every op passes Vars by value.
  BasicTape<T>* tape_ = nullptr;
  NodeIndex index_ = 0;
  std::uint32_t step_ = 0;
};

struct InputOptions {
  bool requires_grad = false;
};

namespace detail {
/** Adds a structured op to the list that ops() gives. */
bool list_op(std::string_view name);
/** push() needs this variable, so an op that is compiled into the program is in the list, and the tests demand samples for
 * its gradient check. */
template <class Rule> inline const bool listed = list_op(Rule::op.name);
}  // namespace detail

/** The nodes of one step in the order they were computed, and the memory that holds their values and gradients.
 *
 *      Tape tape;
 *      for (…) {
 *        tape.reset();                           // next step: memory kept, old Vars become invalid
 *        Var loss = mse(net(tape.input(x)), tape.input(y));
 *        loss.backward();
 *      }
 *
 * Not thread-safe: one tape belongs to one thread at a time. */
template <class T> class alignas(64) BasicTape {
 public:
  BasicTape() = default;
  BasicTape(const BasicTape&) = delete;
  ~BasicTape();

  /** Starts the next step: forgets all nodes, keeps the memory, and sets the gradients of the parameters that
   * were used in the step to zero. */
  void reset();
  /** Number of the current step, from 1. */
  std::uint32_t step() const { return step_; }

  /** A copy of `values` on the tape. It gets a gradient only when asked: `tape.input(x, {.requires_grad = true})`. */
  BasicVar<T> input(const BasicMatrixRef<T>& values, InputOptions options = {});
  /** The same without a copy: the values must stay where and as they are until reset(). Not for a temporary. */
  BasicVar<T> borrow(const BasicView<T>& values, InputOptions options = {});
  BasicVar<T> borrow(const BasicMatrix<T>& values, InputOptions options = {}) {
    return borrow(BasicView<T>(values.data(), values.rows(), values.cols()), options);
  }
  BasicVar<T> borrow(BasicMatrix<T>&& temporary, InputOptions options = {}) = delete;
  /** A 1x1 input. */
  BasicVar<T> input(double value, InputOptions options = {});
  /** An input whose values the caller writes before they are used: `fill(T* row_major)`. Saves a copy. */
  template <class Fill>
  requires std::is_invocable_v<Fill, T*> BasicVar<T> input(Shape shape, Fill&& fill) {
    T* values = allocate(shape);
    fill(values);
    return leaf(shape, values, {});
  }
  /** The parameter's value, not copied. Recording it twice in a step gives the same Var. */
  BasicVar<T> parameter(const BasicParameter<T>& parameter);
  /** A 1x1 value that never needs a gradient. */
  BasicVar<T> constant(double value);

  /** While the returned guard lives, nothing that is recorded needs a gradient. */
  [[nodiscard]] Scoped<bool> no_grad() { return {grad_enabled_, false}; }
  bool grad_enabled() const { return grad_enabled_; }

  std::size_t size() const { return size_; }
  const Node<T>& node(NodeIndex index) const { return nodes_[index]; }
  BasicVar<T> var(NodeIndex index) { return BasicVar<T>(this, index, step_); }
  /** Bytes of values, gradients and attributes recorded since reset(), and bytes held for them. */
  std::size_t bytes_used() const { return arena_.used(); }
  std::size_t bytes_reserved() const { return arena_.capacity(); }

  /** Until detach(), or until the observer or the tape is gone. Throws from within an observer. */
  void attach(BasicObserver<T>& observer);
  void detach(BasicObserver<T>& observer);
  bool observed() const { return !observers_.empty(); }
  /** Tells the observers what a module returned. */
  void show_module(const void* module, NodeIndex output);
  /** The module that is recording now, opaque to the tape; kept in every node. Set by Module for the life of a guard. */
  const void* owner() const { return owner_; }
  [[nodiscard]] Scoped<const void*> set_owner(const void* owner) { return {owner_, owner}; }

  // For ops: compute into allocate(), then push(). Everything that can throw comes before push().

  /** Memory for a value. Throws when a side has 2³² or more, or all of it 2⁶⁰ or more elements. */
  EIGEN_ALWAYS_INLINE T* allocate(Shape shape) {
    if (is_too_large(shape)) [[unlikely]]
      fail_too_large(shape);
    return allocate_array<T>(static_cast<std::size_t>(shape.size()));
  }
  template <class A> EIGEN_ALWAYS_INLINE A* allocate_array(std::size_t count) {
    return arena_.allocate_array<A>(count);
  }
  /** Keeps a copy of a trivially copyable value until reset(). */
  template <class A> const A* remember(const A& attributes) {
    static_assert(std::is_trivially_copyable_v<A>);
    return new (arena_.allocate(sizeof(A))) A(attributes);
  }
  template <class A> std::span<const A> remember(std::span<const A> values) {
    static_assert(std::is_trivially_copyable_v<A>);
    A* copy = allocate_array<A>(values.size());
    std::copy(values.begin(), values.end(), copy);
    return {copy, values.size()};
  }
  /** For modules with state that a forward pass in training changes. */
  SavedStates& states() { return states_; }
  /** Appends the node of `value`, computed by `Rule`, which has a static Op<T> `op`. The parents are given as
   * `{x, weight, bias}`, or as a `std::span<const Var>`. */
  template <class Rule, std::size_t N>
  EIGEN_ALWAYS_INLINE BasicVar<T> push(Rule, Shape shape, T* value, const BasicVar<T> (&parents)[N],
                                       const void* attributes = nullptr) {
    return push(Rule(), shape, value, std::span<const BasicVar<T>, N>(parents), attributes);
  }
  template <class Rule, std::size_t N>
  EIGEN_ALWAYS_INLINE BasicVar<T> push(Rule, Shape shape, T* value, std::span<const BasicVar<T>, N> parents,
                                       const void* attributes = nullptr) {
    if constexpr (!requires { Rule::elementwise; }) static_cast<void>(&detail::listed<Rule>);
    auto* const kept =
        static_cast<NodeIndex*>(arena_.allocate(parents.size() * sizeof(NodeIndex), alignof(NodeIndex)));
    bool requires_grad = false;
    for (std::size_t k = 0; k < parents.size(); ++k) {
      kept[k] = parents[k].index();
      requires_grad |= needs_grad(kept[k]);
    }
    return add_node({.op = &Rule::op,
                     .value = value,
                     .attributes = attributes,
                     .parents = kept,
                     .parent_count = static_cast<std::uint32_t>(parents.size()) & 0x3fff'ffff,
                     .requires_grad = requires_grad && grad_enabled_ && Rule::op.vjp != nullptr},
                    shape);
  }
  /** Throws when a gradient of `from` needs the value of a parameter that was changed after it was recorded. When nodes are
   * marked, only the rules of those run. */
  void check_parameters(std::string_view op, NodeIndex from, std::span<const char> marked = {}) const;
  bool needs_grad(NodeIndex node) const { return nodes_[node].requires_grad; }
  /** Where to put the gradient of `node` in this backward pass. */
  EIGEN_ALWAYS_INLINE GradSink<T> grad_sink(NodeIndex index) {
    Node<T>& node = nodes_[index];
    if (node.leaf) return leaf_sink(node);
    const bool add = node.pass == pass_;
    node.pass = pass_;
    if (node.grad == nullptr) node.grad = memory_for(node);
    return {node.grad, add};
  }

 private:
  friend class BasicVar<T>;
  using ParameterData = typename BasicParameter<T>::Data;

  BasicVar<T> leaf(Shape shape, T* values, InputOptions options);
  [[gnu::noinline]] BasicVar<T> unexpected_parameter(const BasicParameter<T>& parameter);
  EIGEN_ALWAYS_INLINE BasicVar<T> add_node(Node<T>&& node, Shape shape) {
    return shown(append(std::move(node), shape));
  }
  /// Always inlined, so that the node is written where it stays: one that is built elsewhere and copied stalls.
  EIGEN_ALWAYS_INLINE NodeIndex append(Node<T>&& node, Shape shape) {
    if (size_ == nodes_.size()) [[unlikely]]
      make_room();
    node.rows = static_cast<std::uint32_t>(shape.rows);
    node.cols = static_cast<std::uint32_t>(shape.cols);
    node.owner = owner_;
    nodes_[size_] = node;
    return static_cast<NodeIndex>(size_++);
  }
  EIGEN_ALWAYS_INLINE BasicVar<T> shown(NodeIndex index) {
    if (!observers_.empty()) [[unlikely]]
      show(&BasicObserver<T>::on_forward, index);
    return var(index);
  }
  [[gnu::noinline]] void make_room();
  using Event = void (BasicObserver<T>::*)(const BasicTape<T>&, NodeIndex);
  [[gnu::noinline]] void show(Event event, NodeIndex node);
  template <class Call> void show_to_each(const Call& call);
  void check_no_observer_runs() const;
  static bool is_too_large(Shape shape) {
    const auto rows = static_cast<std::uint64_t>(shape.rows);
    const auto cols = static_cast<std::uint64_t>(shape.cols);
    return ((rows | cols) >> 32 | (rows * cols) >> 60) != 0;
  }
  [[noreturn]] static void fail_too_large(Shape shape);
  void backward(NodeIndex from, const T* seed);
  void pull_back(NodeIndex from, const T* seed);
  [[gnu::noinline]] void pull_back_by_rule(NodeIndex self);
  const T* readable_grad(NodeIndex node);
  T* memory_for(const Node<T>& node) { return allocate_array<T>(static_cast<std::size_t>(node.size())); }
  GradSink<T> leaf_sink(Node<T>& node);
  static ParameterData& parameter_with_grad(Node<T>& parameter);
  static void check_readable(const Node<T>& parameter);
  [[noreturn]] static void fail_resized(const Node<T>& parameter);
  static ParameterData& parameter_of(const Node<T>& node) {
    return *static_cast<ParameterData*>(const_cast<void*>(node.attributes));
  }

  // In two lines of the cache what every op needs, in a third what only parameters need.
  Arena arena_;
  std::vector<Node<T>> nodes_;  ///< those of this step are the first size_; the rest is room for more
  std::size_t size_ = 0;
  std::vector<BasicObserver<T>*> observers_;
  const void* owner_ = nullptr;
  std::uint32_t step_ = 1;
  std::uint32_t pass_ = 0;
  bool grad_enabled_ = true;
  bool showing_ = false;  ///< an observer runs
  RecordedParameters<T> parameters_;
  SavedStates states_;
  std::vector<Node<T>> previous_;  ///< nodes of the step before, for the names in error messages
};

/** What a fused kernel and pieces() are given: a node, and short names for what they read of it. Passed by value, in two
 * registers; nothing may be recorded while it is in use. */
template <class T> struct At {
  At(BasicTape<T>& t, NodeIndex self) : tape(t), recorded(t.node(self)) {}

  const Node<T>& node() const { return recorded; }
  /** Parent k. */
  const Node<T>& x(std::size_t k) const { return tape.node(recorded.parents[k]); }
  /** The gradient of the node's value, and the value. */
  const T* g() const { return recorded.grad; }
  const T* y() const { return recorded.value; }
  bool needs_grad(std::size_t k) const { return x(k).requires_grad; }
  /** Where the gradient of parent k goes. */
  EIGEN_ALWAYS_INLINE GradSink<T> sink(std::size_t k) const { return tape.grad_sink(recorded.parents[k]); }
  template <class A> const A& attributes() const { return *static_cast<const A*>(recorded.attributes); }

  BasicTape<T>& tape;
  const Node<T>& recorded;
};

/** What a rule is given: the same as Vars. */
template <class T> struct TapedAt {
  BasicTape<T>& tape;
  NodeIndex self;
  BasicVar<T> g;  ///< gradient of the node's value

  const Node<T>& node() const { return tape.node(self); }
  BasicVar<T> x(std::size_t k) const { return tape.var(node().parents[k]); }
  BasicVar<T> y() const { return tape.var(self); }
  /** The array that the op remembers; null when nothing was. */
  template <class A> const A* array() const { return static_cast<const A*>(node().attributes); }
  template <class A> const A& attributes() const { return *static_cast<const A*>(node().attributes); }
};

namespace detail {
template <class T> [[noreturn]] void fail_different_tapes(std::string_view op, BasicVar<T> a, BasicVar<T> b);
/** Throws "[twice] the rule gives a 1x1 gradient for operand 0, which is 2x2". */
void check_gradient(std::string_view op, std::size_t operand, Shape gradient, Shape shape);
}

/** Throws unless every Var is of the current step of one and the same tape; returns that tape. */
template <class T> BasicTape<T>& common_tape(std::string_view op, std::span<const BasicVar<T>> vars) {
  BasicTape<T>& tape = vars[0].tape();
  for (const BasicVar<T>& var : vars.subspan(1))
    if (&var.tape() != &tape) [[unlikely]]
      detail::fail_different_tapes(op, vars[0], var);
  return tape;
}
template <class T, class... Vars>
requires(std::is_same_v<Vars, BasicVar<T>>&&...) BasicTape<T>
&common_tape(std::string_view op, BasicVar<T> first, Vars... rest) {
  return common_tape<T>(op, std::array{first, rest...});
}

template <class T> EIGEN_ALWAYS_INLINE const Node<T>& BasicVar<T>::node() const {
  if (tape_ == nullptr || step_ != tape_->step()) [[unlikely]]
    fail_stale();
  return tape_->node(index_);
}

template <class T> EIGEN_ALWAYS_INLINE BasicTape<T>& BasicVar<T>::tape() const {
  if (tape_ == nullptr || step_ != tape_->step()) [[unlikely]]
    fail_stale();
  return *tape_;
}

}  // namespace tapegrad

TAPEGRAD_SCALARS(Var)
TAPEGRAD_SCALARS(Tape)
TAPEGRAD_SCALARS(Observer)
