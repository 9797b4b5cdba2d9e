#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tapegrad/core/rng.h"
#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** How many inputs and outputs a weight connects; a weight is fan_out×fan_in. */
struct Fans {
  Index in = 0;
  Index out = 0;
};

/** Fills a new parameter. Chosen by function, `he_normal()`, or by name, `initializer("he_normal")`.
 * A user's own: `Initializer{"mine", [](Shape s, Fans f, Rng& rng) { … return values; }}`. */
struct Initializer {
  std::string name;
  /// rows×cols values, in double so that float and double networks start alike.
  std::function<BasicMatrix<double>(Shape shape, Fans fans, Rng& rng)> fill;

  /** What `fill` makes; throws when there is no such function, and when it makes another number of values. */
  BasicMatrix<double> operator()(Shape shape, Fans fans, Rng& rng) const;
};

/** U(±gain·√(6 / (fan_in + fan_out))) (Glorot & Bengio 2010) */
Initializer xavier_uniform(double gain = 1);
/** N(0, gain²·2 / (fan_in + fan_out)) */
Initializer xavier_normal(double gain = 1);
/** U(±√(6 / ((1 + a²)·fan_in))), a the negative slope of a leaky ReLU, 0 for ReLU (He et al. 2015; "kaiming") */
Initializer he_uniform(double negative_slope = 0);
/** N(0, 2 / ((1 + a²)·fan_in)) */
Initializer he_normal(double negative_slope = 0);
/** N(0, 1 / fan_in) (LeCun et al. 1998), for SELU */
Initializer lecun_normal();
/** U(±1/√fan_in), for weights and biases: PyTorch's default for a linear layer */
Initializer uniform_fan_in();
/** A random matrix with orthonormal rows or columns, times gain (Saxe et al. 2013) */
Initializer orthogonal(double gain = 1);
/** N(mean, std²) */
Initializer normal(double mean, double std);
/** Every element the same. */
Initializer constant(double value);
inline Initializer zeros() { return constant(0); }
/** 0, but `value` for a random `fraction` of the elements: as a bias it gives units that are off from birth. */
Initializer sparse_negative(double fraction = 0.25, double value = -10);

/** The initializer of that name with its defaults: "xavier_uniform", "he_normal" (or "kaiming_normal"), "zeros", …
 * Throws "[initializer] no initializer named 'he'; did you mean 'he_uniform'?" */
Initializer initializer(std::string_view name);
/** The names that initializer() knows. */
std::vector<std::string_view> initializers();

}  // namespace tapegrad
