#pragma once

#include <memory>
#include <string>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** A named value and its gradient that outlive the tape. Layers own parameters, optimizers update them; copies
 * are handles to the same data, so two layers can share one weight.
 *
 * The gradient is that of the current step: backward passes of a step add up, and it starts at zero again when
 * the tape is reset, or when a new tape records the parameter after the last one is gone. */
template <class T> class BasicParameter {
 public:
  BasicParameter() = default;
  BasicParameter(std::string name, BasicMatrix<T> value);

  /** Whether it has no data, like the bias of a layer without one. Everything else throws then. */
  bool empty() const { return data_ == nullptr; }

  const std::string& name() const { return data().name; }
  Shape shape() const { return {value().rows(), value().cols()}; }
  Index size() const { return value().size(); }

  const BasicMatrix<T>& value() const { return data().value; }
  /** Changes the value. backward() throws when it needs a value that was changed after it was recorded. */
  void set_value(const BasicMatrixRef<T>& value) const;
  /** The value to change in place, not its size. It counts as changed now: what is written through the reference after
   * the next forward pass goes unnoticed. */
  BasicMatrix<T>& mutable_value() const {
    ++data().version;
    return data_->value;
  }

  /** The gradient; zeros when no backward pass has reached the parameter in this step. */
  const BasicMatrix<T>& grad() const {
    if (!data().has_grad) clear_grad();
    return data_->grad;
  }
  /** The same to write to. From then on the parameter counts as one that has a gradient. */
  BasicMatrix<T>& mutable_grad() const;
  /** False when the gradient is known to be zero because nothing has written it. */
  bool has_grad() const { return data().has_grad; }
  void zero_grad() { data().has_grad = false; }

  /** A frozen parameter takes part in the forward pass and gets no gradient. */
  bool requires_grad() const { return data().requires_grad; }
  void set_requires_grad(bool on) { data().requires_grad = on; }

  /** Handles to the same parameter are equal. */
  friend bool operator==(const BasicParameter& a, const BasicParameter& b) { return a.data_ == b.data_; }

 private:
  friend class BasicTape<T>;
  friend struct RecordedParameters<T>;
  /// What a step reads of a parameter, but for the arrays, is in one line of the cache: straddling two made small networks
  /// up to a tenth slower.
  struct alignas(64) Data {
    BasicMatrix<T> value;
    BasicMatrix<T> grad;
    bool has_grad = false;      ///< `grad` holds something; otherwise it is zero, whatever its memory says
    bool step_is_over = false;  ///< the tape that wrote `grad` is gone: the next one starts at zero
    bool requires_grad = true;
    std::uint32_t version = 0;  ///< counts the changes of `value`
    std::string name;
    BasicMatrix<T> before;  ///< the last value of another size: what was recorded with it stays readable
  };
  Data& data() const {
    if (data_ == nullptr) [[unlikely]]
      fail_empty();
    return *data_;
  }
  [[noreturn]] static void fail_empty();
  void clear_grad() const;

  std::shared_ptr<Data> data_;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Parameter)
