#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "tapegrad/core/kernels/map.h"
#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/// Position of a node on its tape. Parents always stand before their children.
using NodeIndex = std::uint32_t;

/** What the taped rule of an op is given: the node it belongs to and the gradient of its value, as a Var. */
template <class T> struct TapedRuleInput;

/** Static description of an op; a node points to one. All functions may be null:
 * a leaf or a constant has no rule, a smooth op has no pieces. */
template <class T> struct Op {
  std::string_view name;
  /// Fused rule: adds this node's part to the gradient of every parent that requires one.
  void (*pull_back)(BasicTape<T>& tape, NodeIndex self) = nullptr;
  /// Taped rule: the same for one parent, recorded, so that gradients have gradients. Empty: that parent has none.
  BasicVar<T> (*taped_vjp)(const TapedRuleInput<T>& at, std::size_t parent) = nullptr;
  /// Appends, per element, which smooth piece of the function it lies on (the gradient check avoids the seams).
  void (*pieces)(const BasicTape<T>& tape, NodeIndex self, std::vector<double>& out) = nullptr;
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

/** The nodes of a step in their order. Like a vector that keeps what it has constructed, and always has room for one
 * more: to append is most of what recording costs. */
template <class T> class NodeList {
 public:
  NodeList() { reserve(16); }
  NodeList(const NodeList&) = delete;
  NodeList& operator=(const NodeList&) = delete;

  std::size_t size() const { return size_; }
  Node<T>& operator[](std::size_t index) { return nodes_[index]; }
  const Node<T>& operator[](std::size_t index) const { return nodes_[index]; }
  /** Where the next node is to be constructed. When the list is full() after that, the caller must reserve() more. */
  Node<T>* append() { return &nodes_[size_++]; }
  bool full() const { return size_ == capacity_; }
  void reserve(std::size_t count);
  void drop_last() { --size_; }
  void clear() { size_ = 0; }
  void swap(NodeList& other) {
    std::swap(nodes_, other.nodes_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  std::unique_ptr<Node<T>[]> nodes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

/** Read-only hook on a tape. `on_forward` sees a node right after its value was computed, `on_backward` when its
 * gradient is complete and before it is pulled back to its parents, `after_pull_back` right after that. */
template <class T> class BasicObserver {
 public:
  virtual ~BasicObserver() = default;
  virtual void on_forward(const BasicTape<T>& /*tape*/, NodeIndex /*node*/) {}
  virtual void on_backward(const BasicTape<T>& /*tape*/, NodeIndex /*node*/) {}
  virtual void after_pull_back(const BasicTape<T>& /*tape*/, NodeIndex /*node*/) {}
};

}  // namespace tapegrad

TAPEGRAD_ALIASES(Observer)
