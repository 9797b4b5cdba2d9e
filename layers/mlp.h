#pragma once

#include <concepts>
#include <vector>

#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/linear.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** The activation of the hidden layers: a rule, `Relu()`, or an Activation, `activation("swish(beta=2)")`. */
struct HiddenActivation {
  template <class Rule>
  requires std::is_class_v<Rule> HiddenActivation(const Rule& rule) : activation(make_activation(rule)) {}
  HiddenActivation(Activation f) : activation(std::move(f)) {}
  Activation activation;
};

struct MlpOptions {
  LinearOptions linear = {};
  bool batch_norm = false;   ///< between a hidden linear layer and its activation
  double dropout = 0;        ///< probability to drop an output of a hidden layer
  double input_dropout = 0;  ///< the same for the inputs
};

/** A multilayer perceptron: a linear layer from each size to the next, with f between them. For an f that makes one
 * output of several inputs (maxout, glu) the linear layer before it is as many times as wide. The first layer draws
 * its random numbers first. Throws for fewer than two sizes and for one below 1.
 *
 *      Sequential net = mlp({784, 128, 10}, Relu(), rng);
 *      Sequential deep = mlp({784, 512, 512, 10}, activation("selu"), rng, {.linear = {.weight_init = lecun_normal()}}); */
template <class T>
BasicSequential<T> mlp(const std::vector<Index>& sizes, const HiddenActivation& f, Rng& rng,
                       const MlpOptions& options = {});

}  // namespace tapegrad

TAPEGRAD_FUNCTION(Sequential, mlp,
                  (const std::vector<Index>& sizes, const HiddenActivation& f, Rng& rng,
                   const MlpOptions& options = {}),
                  (sizes, f, rng, options))
