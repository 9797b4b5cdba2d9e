#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Units of one activation layer judged on a whole data set with the weights as they are, in eval mode. */
struct UnitCensus {
  std::string path = {};
  std::vector<bool> dead = {};           ///< f′(z) = 0 on every sample
  std::vector<bool> asleep = {};         ///< |f′(z)| < 0.001·sup|f′| on every sample
  std::vector<double> firing_rate = {};  ///< share of samples with |f′(z)| ≥ 0.1·sup|f′|
  double dead_share() const;
  double asleep_share() const;
};

/** Dead and sleeping units of every elementwise activation layer, over all rows of `inputs`. */
template <class T>
std::vector<UnitCensus> census(BasicModule<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                               Index batch = 256);

}  // namespace tapegrad
