#pragma once

#include <string>

#include "tapegrad/core/op.h"
#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** A value on a tape: a small, trivially copyable handle. It is valid until the tape's next reset(); using it
 * later throws "[tape] variable #17 (relu) is from step 41, the tape is at step 42". */
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

  BasicView<T> value() const {
    const Node<T>& n = node();
    return BasicView<T>(n.value, n.rows, n.cols);
  }
  /** The value of a 1x1 Var. */
  T item() const;
  /** Gradient from the backward passes of this step; zeros where none arrived. Throws before the first pass and
   * for a value that requires none. */
  BasicView<T> grad() const;

  /** Computes the gradients of this scalar with respect to everything before it that requires one, and adds to
   * those of the parameters. Throws unless it is 1x1. */
  void backward() const;
  /** The same for ⟨this, seed⟩. */
  void backward(const BasicMatrixRef<T>& seed) const;
  /** The same with a seed that is on the tape already and need not be copied. */
  void backward(BasicVar<T> seed) const;

  inline BasicTape<T>& tape() const;
  NodeIndex index() const { return index_; }
  std::uint32_t step() const { return step_; }
  /** "relu"; empty for an empty handle, and when the step is over for longer than one reset(). */
  std::string_view op_name() const;
  /** The recorded node, after the check that it still exists. */
  inline const Node<T>& node() const;  // in tape.h, like tape(): a few instructions in every use of a Var
  /** "#17 (relu)" */
  std::string label() const;

 private:
  [[noreturn]] void fail_stale() const;
  void check_backward() const;
  void check_seed(Shape seed) const;

  // No more than two registers: every op passes Vars by value.
  BasicTape<T>* tape_ = nullptr;
  NodeIndex index_ = 0;
  std::uint32_t step_ = 0;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Var)
