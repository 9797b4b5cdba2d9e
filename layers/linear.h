#pragma once

#include "tapegrad/layers/initializer.h"
#include "tapegrad/layers/module.h"

namespace tapegrad {

struct LinearOptions {
  bool bias = true;
  Initializer weight_init = uniform_fan_in();
  Initializer bias_init = uniform_fan_in();
};

inline namespace TAPEGRAD_ABI {

/** y = x·Wᵀ + b: batch×in → batch×out, with `weight` out×in and `bias` 1×out as PyTorch stores them.
 * Throws when a size is below 1. */
template <class T> class BasicLinear : public BasicModule<T> {
 public:
  BasicLinear(Index in, Index out, Rng& rng, const LinearOptions& options = {});

  std::string_view kind() const override { return "linear"; }

  bool has_bias() const { return has_bias_; }

  BasicParameter<T> weight;
  BasicParameter<T> bias;  ///< empty when the layer has none

 protected:
  BasicVar<T> forward(BasicVar<T> x) override;

 private:
  bool has_bias_ = true;
};

extern template class BasicLinear<float>;
extern template class BasicLinear<double>;

}  // namespace TAPEGRAD_ABI

using Linear = BasicLinear<float>;
namespace f64 {
using Linear = BasicLinear<double>;
}

}  // namespace tapegrad
