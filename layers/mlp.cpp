#include "tapegrad/layers/mlp.h"

#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/normalization.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicSequential<T> mlp(const std::vector<Index>& sizes, const HiddenActivation& f, Rng& rng,
                       const MlpOptions& options) {
  if (sizes.size() < 2) fail("mlp", "needs at least 2 sizes, got " + std::to_string(sizes.size()));
  for (const Index size : sizes) {
    if (size < 1) fail("mlp", "sizes must be at least 1, got " + std::to_string(size));
    if (std::int64_t{size} >> 32 != 0) fail("mlp", "too large a size: " + std::to_string(size));
  }
  BasicSequential<T> net;
  if (options.input_dropout != 0) net.add(BasicDropout<T>(options.input_dropout, rng));
  for (std::size_t i = 1; i + 1 < sizes.size(); ++i) {
    const Index width = sizes[i] * f.activation.inputs_per_output();
    net.add(BasicLinear<T>(sizes[i - 1], width, rng, options.linear));
    if (options.batch_norm) net.add(BasicBatchNorm1d<T>(width));
    net.add(f.activation);
    if (options.dropout != 0) net.add(BasicDropout<T>(options.dropout, rng));
  }
  net.add(BasicLinear<T>(sizes[sizes.size() - 2], sizes.back(), rng, options.linear));
  return net;
}

template BasicSequential<float> mlp(const std::vector<Index>&, const HiddenActivation&, Rng&, const MlpOptions&);
template BasicSequential<double> mlp(const std::vector<Index>&, const HiddenActivation&, Rng&, const MlpOptions&);

}  // namespace tapegrad
