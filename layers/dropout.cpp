#include "tapegrad/layers/dropout.h"

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/check.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicDropout<T>::BasicDropout(double probability, Rng& rng)
    : probability_(check_setting("dropout", "the probability", SettingDomain::below_one, probability)),
      rng_(rng.split()) {}

template <class T> BasicVar<T> BasicDropout<T>::forward(BasicVar<T> x) {
  if (!this->training() || probability_ == 0) return x;
  const auto threshold = static_cast<std::uint64_t>(probability_ * 0x1p32);
  const T kept = static_cast<T>(1 / (1 - probability_));
  const BasicVar<T> mask = x.tape().input(x.shape(), [&](T* out) {
    // Two decisions of 32 bits from every 64.
    const Index size = x.shape().size();
    for (Index i = 0; i < size; i += 2) {
      const std::uint64_t bits = rng_.bits();
      out[i] = (bits & 0xffffffff) < threshold ? T(0) : kept;
      if (i + 1 < size) out[i + 1] = (bits >> 32) < threshold ? T(0) : kept;
    }
  });
  return x * mask;
}

TAPEGRAD_INSTANTIATE_SCALARS(Dropout)

}  // namespace tapegrad
