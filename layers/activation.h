#pragma once

#include "tapegrad/core/softmax.h"
#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Any activation as a layer: batch×n → batch×(n / inputs_per_output). In a Sequential a rule is enough:
 * `Sequential{Linear(2, 8, rng), Tanh(), …}`; by name it is `ActivationLayer(activation("swish(beta=2)"))`.
 * One with learned parameters (prelu) needs the number of features, `ActivationLayer(activation("prelu"), 8)`, which a
 * Sequential knows from the layers before it. */
template <class T> class BasicActivationLayer : public BasicModule<T> {
 public:
  explicit BasicActivationLayer(Activation activation, Index features = 0);

  std::string_view kind() const override { return activation_.name(); }
  /** "swish(beta=2)", and with learned parameters "prelu(features=8)" */
  std::string text() const override;
  Index out_features(Index in) const override { return in / activation_.inputs_per_output(); }
  const Activation& activation() const { return activation_; }

 protected:
  BasicVar<T> forward(BasicVar<T> x) override;

 private:
  Activation activation_;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(ActivationLayer)
