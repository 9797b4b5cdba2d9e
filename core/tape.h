#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "tapegrad/core/arena.h"
#include "tapegrad/core/error.h"
#include "tapegrad/core/op.h"
#include "tapegrad/core/parameter.h"
#include "tapegrad/core/types.h"
#include "tapegrad/core/var.h"

namespace tapegrad::inline TAPEGRAD_ABI {

struct InputOptions {
  bool requires_grad = false;
};

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
  BasicTape& operator=(const BasicTape&) = delete;
  ~BasicTape();

  /** Starts the next step: forgets all nodes, keeps the memory, and sets the gradients of the parameters that
   * were used in the step to zero. */
  void reset();
  /** Number of the current step, from 1. */
  std::uint32_t step() const { return step_; }

  /** A copy of `values` on the tape. It gets a gradient only when it asks: `tape.input(x, {.requires_grad =
   * true})`. */
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
  [[nodiscard]] auto no_grad() {
    struct Guard {
      bool& flag;
      bool before;
      ~Guard() { flag = before; }
      Guard(bool& f) : flag(f), before(f) { f = false; }
      Guard(const Guard&) = delete;
      Guard& operator=(const Guard&) = delete;
    };
    return Guard(grad_enabled_);
  }
  bool grad_enabled() const { return grad_enabled_; }

  std::size_t size() const { return nodes_.size(); }
  const Node<T>& node(NodeIndex index) const { return nodes_[index]; }
  BasicVar<T> var(NodeIndex index) { return BasicVar<T>(this, index, step_); }
  /** Bytes of values, gradients and attributes recorded since reset(), and bytes held for them. */
  std::size_t bytes_used() const { return arena_.used(); }
  std::size_t bytes_reserved() const { return arena_.capacity(); }

  /** Not from within an observer, and not during a backward pass: it would miss a part. */
  void attach(BasicObserver<T>& observer) { observers_.push_back(&observer); }
  void detach(BasicObserver<T>& observer) { std::erase(observers_, &observer); }
  /** The module that is recording now; kept in every node. Set by Module, opaque to the tape. */
  const void* owner() const { return owner_; }
  void set_owner(const void* owner) { owner_ = owner; }

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
  /** Appends the node of `value`. The parents are given as `{x, weight, bias}`, or as a `std::span<const Var>`, empty for
   * none. */
  template <std::size_t N>
  EIGEN_ALWAYS_INLINE BasicVar<T> push(const Op<T>& op, Shape shape, T* value, const BasicVar<T> (&parents)[N],
                                       const void* attributes = nullptr) {
    return push(op, shape, value, std::span<const BasicVar<T>, N>(parents), attributes);
  }
  template <std::size_t N>
  EIGEN_ALWAYS_INLINE BasicVar<T> push(const Op<T>& op, Shape shape, T* value,
                                       std::span<const BasicVar<T>, N> parents, const void* attributes = nullptr) {
    auto* const kept =
        static_cast<NodeIndex*>(arena_.allocate(parents.size() * sizeof(NodeIndex), alignof(NodeIndex)));
    bool requires_grad = false;
    for (std::size_t k = 0; k < parents.size(); ++k) {
      kept[k] = parents[k].index();
      requires_grad |= needs_grad(kept[k]);
    }
    return add_node({.op = &op,
                     .value = value,
                     .attributes = attributes,
                     .parents = kept,
                     .owner = owner_,
                     .parent_count = static_cast<std::uint32_t>(parents.size()),
                     .requires_grad = requires_grad && grad_enabled_ && op.pull_back != nullptr},
                    shape);
  }

  // For fused rules.

  /** Where to put the gradient of `node` in this backward pass. */
  EIGEN_ALWAYS_INLINE GradSink<T> grad_sink(NodeIndex index) {
    Node<T>& node = nodes_[index];
    if (node.leaf) return leaf_sink(node);
    const bool add = node.pass == pass_;
    node.pass = pass_;
    if (node.grad == nullptr) node.grad = memory_for(node);
    return {node.grad, add};
  }
  bool needs_grad(NodeIndex node) const { return nodes_[node].requires_grad; }

 private:
  friend class BasicVar<T>;
  using ParameterData = typename BasicParameter<T>::Data;
  struct RecordedParameter {
    std::shared_ptr<ParameterData> data;
    NodeIndex node = 0;
  };

  BasicVar<T> leaf(Shape shape, T* values, InputOptions options);
  [[gnu::noinline]] BasicVar<T> unexpected_parameter(const BasicParameter<T>& parameter);
  /// Appends `made`, whose shape is still missing, and shows it to the observers. Always inlined, so that it is written
  /// where it stays: a node that is built elsewhere and copied stalls.
  EIGEN_ALWAYS_INLINE BasicVar<T> add_node(Node<T>&& made, Shape shape) {
    const auto index = static_cast<NodeIndex>(nodes_.size());
    made.rows = static_cast<std::uint32_t>(shape.rows);
    made.cols = static_cast<std::uint32_t>(shape.cols);
    new (nodes_.append()) Node<T>(made);
    if (nodes_.full() || !observers_.empty()) [[unlikely]]
      return added_last();
    return var(index);
  }
  [[gnu::noinline]] BasicVar<T> added_last();
  [[gnu::noinline]] void show_backward(NodeIndex node);
  [[gnu::noinline]] void show_after_pull_back(NodeIndex node);
  static bool is_too_large(Shape shape) {
    const auto rows = static_cast<std::uint64_t>(shape.rows);
    const auto cols = static_cast<std::uint64_t>(shape.cols);
    return ((rows | cols) >> 32 | (rows * cols) >> 60) != 0;
  }
  [[noreturn]] static void fail_too_large(Shape shape);
  /// The parameters of this step.
  std::span<const RecordedParameter> recorded_parameters() const { return {parameters_.data(), parameter_cursor_}; }
  enum class Seed { copied, stays };
  void backward(NodeIndex from, const T* seed, Seed kind);
  const T* readable_grad(NodeIndex node);
  T* memory_for(const Node<T>& node) { return allocate_array<T>(static_cast<std::size_t>(node.size())); }
  GradSink<T> leaf_sink(Node<T>& node);
  static ParameterData& parameter_of(const Node<T>& node) {
    return *static_cast<ParameterData*>(const_cast<void*>(node.attributes));
  }

  // In two lines of the cache what every op needs, in a third what only parameters need.
  Arena arena_;
  NodeList<T> nodes_;
  std::vector<BasicObserver<T>*> observers_;
  const void* owner_ = nullptr;
  std::uint32_t step_ = 1;
  std::uint32_t pass_ = 0;
  bool grad_enabled_ = true;
  bool seed_stays_ = false;  ///< the gradient of seeded_ is the seed of the last backward pass itself
  NodeIndex seeded_ = 0;
  /// Those of this step in the order of their first use, up to the cursor, then those of the step before: the next one is
  /// usually at the cursor.
  std::vector<RecordedParameter> parameters_;
  std::size_t parameter_cursor_ = 0;
  NodeList<T> previous_;  ///< nodes of the step before, for the names in error messages
};

template <class T> struct TapedRuleInput {
  BasicTape<T>& tape;
  NodeIndex self;
  BasicVar<T> g;  ///< gradient of the node's value

  const Node<T>& node() const { return tape.node(self); }
  BasicVar<T> y() const { return tape.var(self); }
  BasicVar<T> parent(std::size_t k) const { return tape.var(node().parents[k]); }
  template <class A> const A& attributes() const { return *static_cast<const A*>(node().attributes); }
};

/** Gradients of the scalar `y` (or of ⟨y, seed⟩) with respect to `inputs`, as Vars: they can be used and
 * differentiated like any other value. An input that `y` does not depend on gets zeros.
 *
 *      Var slope = grad(y, {x})[0];
 *      Var curvature = grad(sum(slope), {x})[0];
 *
 * Throws when `y` is not 1x1 and no seed is given, and when an input requires no gradient. */
template <class T> std::vector<BasicVar<T>> grad(BasicVar<T> y, std::span<const BasicVar<T>> inputs);
template <class T>
std::vector<BasicVar<T>> grad(BasicVar<T> y, std::span<const BasicVar<T>> inputs, BasicVar<T> seed);
template <class T> std::vector<BasicVar<T>> grad(BasicVar<T> y, std::initializer_list<BasicVar<T>> inputs) {
  return grad(y, std::span<const BasicVar<T>>(inputs.begin(), inputs.size()));
}
template <class T>
std::vector<BasicVar<T>> grad(BasicVar<T> y, std::initializer_list<BasicVar<T>> inputs, BasicVar<T> seed) {
  return grad(y, std::span<const BasicVar<T>>(inputs.begin(), inputs.size()), seed);
}

namespace detail {
template <class T> [[noreturn]] void fail_different_tapes(std::string_view op, BasicVar<T> a, BasicVar<T> b);
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
  BasicTape<T>& tape = first.tape();
  const auto check = [&](BasicVar<T> var) {
    if (&var.tape() != &tape) [[unlikely]]
      detail::fail_different_tapes(op, first, var);
  };
  (check(rest), ...);
  return tape;
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

TAPEGRAD_SCALARS(Tape)
