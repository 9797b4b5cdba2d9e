#pragma once

#include "tapegrad/layers/initializer.h"
#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

struct LinearOptions {
  bool bias = true;
  Initializer weight_init = uniform_fan_in();
  Initializer bias_init = uniform_fan_in();
};

/** y = x·Wᵀ + b: batch×in → batch×out, with `weight` out×in and `bias` 1×out as PyTorch stores them.
 * Throws when a size is below 1. */
template <class T> class BasicLinear : public BasicModule<T> {
 public:
  BasicLinear(Index in, Index out, Rng& rng, const LinearOptions& options = {});

  std::string_view kind() const override { return "linear"; }
  std::string text() const override;
  Index out_features(Index) const override { return this->own_parameters()[0].shape().rows; }

  bool has_bias() const { return !bias.empty(); }

  BasicParameter<T> weight;
  BasicParameter<T> bias;  ///< empty when the layer has none

 protected:
  BasicVar<T> forward(BasicVar<T> x) override;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Linear)
