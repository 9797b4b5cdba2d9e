#include <tapegrad/io/weights.h>
#include <tapegrad/layers/linear.h>
#include <tapegrad/layers/normalization.h>

#include "input.h"

/// A file of weights: its matrices, the network that it describes, and a network that it may fit.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::File file(fuzz::text(data, size));
  fuzz::parse([&] { tapegrad::load_matrices(file.path()); });
  fuzz::parse([&] { tapegrad::f64::load_network(file.path()); });
  fuzz::parse([&] {
    tapegrad::Rng rng(1);
    tapegrad::Sequential net{tapegrad::Linear(2, 1, rng), tapegrad::BatchNorm1d(1)};
    tapegrad::load_weights(net, file.path());
  });
  return 0;
}
