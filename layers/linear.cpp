#include "tapegrad/layers/linear.h"

#include "tapegrad/core/matmul.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> BasicLinear<T>::BasicLinear(Index in, Index out, Rng& rng, const LinearOptions& options) {
  if (in < 1 || out < 1) fail("linear", "sizes must be at least 1, got " + to_string(Shape{out, in}));
  const auto made = [&](const char* name, const Initializer& init, Shape shape) {
    return with_memory("linear", shape, [&] {
      return this->add_parameter(name, init(shape, Fans{in, out}, rng).template cast<T>());
    });
  };
  weight = made("weight", options.weight_init, {out, in});
  if (options.bias) bias = made("bias", options.bias_init, {1, out});
}

template <class T> std::string BasicLinear<T>::text() const {
  const auto [out, in] = weight.shape();
  return "linear(" + std::to_string(in) + ", " + std::to_string(out) + (has_bias() ? ")" : ", bias=0)");
}

template <class T> BasicVar<T> BasicLinear<T>::forward(BasicVar<T> x) {
  BasicTape<T>& tape = x.tape();
  const BasicVar<T> w = tape.parameter(weight);
  const bool made_with_bias = this->own_parameters().size() == 2;  // a bias that was taken away since is an error
  return made_with_bias ? linear(x, w, tape.parameter(bias)) : matmul(x, w, {.transpose_b = true});
}

TAPEGRAD_INSTANTIATE_SCALARS(Linear)

}  // namespace tapegrad
