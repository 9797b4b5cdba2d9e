#pragma once

#include <string>

#include "tapegrad/core/tape.h"
#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** While it lives, the first op on the tape that makes a NaN or an infinity throws, on the way forward or backward,
 * and the message says where it came from. Cheap enough to leave on: it reads the result of every op once.
 *
 *      NanBlame blame(tape, net);
 *      …
 *      // 3.log: [nan] log made 2 non-finite values (first at (5, 2): -inf) in step 17 from operand #12 (relu) 64x8
 *      //   in [0, 2.31]; rows 5, 9
 *      // 3.log: [nan] log's pull-back made 2 non-finite values (first at (5, 2): inf) in step 17 in the gradient of
 *      //   operand #12 (relu) 64x8 in [0, 2.31]; its own gradient is in [-0.1, 0.1]; rows 5, 9
 *
 * An operand that is not finite already, like an input with a NaN in it or a parameter after too long a step, is
 * blamed instead of the op; one that no result depends on (a masked −∞, for instance) is not. Steps are counted by
 * the tape, from 1. After the error the gradients of the step are incomplete; the tape can be used again after
 * reset(). The tape and the network must outlive the observer. */
template <class T> class BasicNanBlame final : public BasicObserver<T> {
 public:
  BasicNanBlame(BasicTape<T>& tape, BasicModule<T>& net) : tape_(tape), net_(net) { tape.attach(*this); }
  ~BasicNanBlame() override { tape_.detach(*this); }
  BasicNanBlame(const BasicNanBlame&) = delete;
  BasicNanBlame& operator=(const BasicNanBlame&) = delete;

  void on_forward(const BasicTape<T>& tape, NodeIndex node) override;
  void on_backward(const BasicTape<T>& tape, NodeIndex node) override;
  void after_pull_back(const BasicTape<T>& tape, NodeIndex node) override;

 private:
  /// "#12 (relu) 64x8", "#12 (parameter 0.weight) 64x8"
  std::string name_of(NodeIndex node) const;
  /// name_of() " in [0, 2.31]"
  std::string with_range(NodeIndex node) const;
  [[noreturn]] void blame_backward(const Node<T>& self, const std::string& what) const;

  BasicTape<T>& tape_;
  BasicModule<T>& net_;
  std::uint32_t step_ = 0;  ///< step and backward pass of which the seed has been seen
  std::uint32_t pass_ = 0;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(NanBlame)
