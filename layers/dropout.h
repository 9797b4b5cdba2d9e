#pragma once

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/check.h"
#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** In training, every element becomes 0 with the given probability, the others are divided by 1 − probability;
 * in eval mode x passes unchanged: batch×n → batch×n (Srivastava et al. 2014). Throws unless 0 ≤ p < 1. */
template <class T> class BasicDropout : public BasicModule<T> {
 public:
  BasicDropout(double probability, Rng& rng)
      : probability_(check_setting("dropout", "the probability", SettingDomain::below_one, probability)) {
    this->add_generator("generator", rng.split());
  }
  std::string_view kind() const override { return "dropout"; }
  std::string text() const override { return "dropout(" + to_string(probability_) + ")"; }
  Index out_features(Index in) const override { return in; }
  double probability() const { return probability_; }

 protected:
  BasicVar<T> forward(BasicVar<T> x) override {
    if (!this->training() || probability_ == 0) return x;
    const auto threshold = static_cast<std::uint64_t>(probability_ * 0x1p32);
    const T kept = static_cast<T>(1 / (1 - probability_));
    Rng& rng = this->generator(0);
    this->restore_on_failure(x.tape(), rng);
    return x * x.tape().input(x.shape(), [&](T* out) {
      for (Index i = 0, size = x.shape().size(); i < size; i += 2) {
        const std::uint64_t bits = rng.bits();  // two decisions of 32 bits
        out[i] = (bits & 0xffffffff) < threshold ? T(0) : kept;
        if (i + 1 < size) out[i + 1] = (bits >> 32) < threshold ? T(0) : kept;
      }
    });
  }

 private:
  double probability_;
};

}  // namespace tapegrad

TAPEGRAD_ALIASES(Dropout)
