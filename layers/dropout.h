#pragma once

#include "tapegrad/core/rng.h"
#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** In training, every element becomes 0 with the given probability, the others are divided by 1 − probability;
 * in eval mode x passes unchanged: batch×n → batch×n (Srivastava et al. 2014). Throws unless 0 ≤ p < 1. */
template <class T> class BasicDropout : public BasicModule<T> {
 public:
  BasicDropout(double probability, Rng& rng);
  std::string_view kind() const override { return "dropout"; }
  Index out_features(Index in) const override { return in; }
  double probability() const { return probability_; }

 protected:
  BasicVar<T> forward(BasicVar<T> x) override;

 private:
  double probability_;
  Rng rng_;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Dropout)
