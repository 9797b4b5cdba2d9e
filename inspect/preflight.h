#pragma once

#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapegrad/inspect/findings.h"
#include "tapegrad/layers/module.h"

/// One batch before training: is the network set up so that it can learn?

namespace tapegrad::inline TAPEGRAD_ABI {

struct PreflightOptions {
  double lr_low = 1e-5;  ///< the learning-rate range test sweeps from here …
  double lr_high = 100;  ///< … to here, in equal factors
  Index lr_steps = 71;   ///< steps of the sweep; 0: no test
};

/** A linear or an elementwise activation layer: RMS of its output y and of ∂L/∂y over the batch, and what to
 * expect.
 *
 *      linear, y = x·Wᵀ + b    E[y²] = fan_in·E[W²]·E[x²] + E[b²]     E[(∂L/∂x)²] = fan_out·E[W²]·E[(∂L/∂y)²]
 *      activation, y = f(z)    E[y²] = E[f(ξ·√E[z²])²], ξ ~ N(0, 1)   E[(∂L/∂z)²] = E[f′(ξ·√E[z²])²]·E[(∂L/∂y)²]
 *
 * E[W²] and E[b²] are those of the actual values. The expectation is carried from the input to the output, and
 * from the loss back; behind any other op it starts anew from what was measured. It holds for wide layers with
 * random weights: a measured number far from it says that the weights are not random, or that units are dead or all
 * alike. */
struct PreflightLayer {
  std::string path = {};
  std::string kind = {};
  Index units = 0;
  double rms = 0;
  double expected_rms = 0;
  double gradient_rms = 0;
  double expected_gradient_rms = 0;
  bool activation = false;  ///< only then the rest has a meaning
  double dead = 0;          ///< share of units with f′(z) = 0 on the whole batch
  double asleep = 0;        ///< the same with |f′(z)| < 0.001·sup|f′|
  double saturated = 0;     ///< share of (sample, unit) with |f′(z)| < 0.1·sup|f′|
};

struct PreflightReport {
  Shape inputs = {};
  double input_mean = 0;
  double input_std = 0;
  double loss = 0;
  Index classes = 0;  ///< ln(classes) is the loss to expect before training; 0 when it is no classification
  std::vector<PreflightLayer> layers = {};
  double lr_fastest = 0;  ///< the learning rate with which the loss fell fastest; 0: none made it fall
  double lr_limit = 0;    ///< from here on it rose; 0: not up to lr_high
  std::vector<std::pair<double, double>> lr_curve = {};  ///< learning rate, loss before the step with it
  std::vector<Finding> findings = {};                    ///< what the rules of findings() say of this one step
};

/** The report for people, at most 80 columns wide. */
std::string to_text(const PreflightReport& report);

/** Runs one batch forward and backward, compares, and tries learning rates by plain SGD on that batch.
 *
 *      std::fputs(to_text(preflight(net, inputs, labels)).c_str(), stdout);
 *
 * The loss is cross_entropy of the output with `labels`, or what `loss` makes of the output. Layers are in
 * training mode, but dropout is off. Afterwards everything is as before: weights, buffers, gradients, modes. (A
 * user's own random layer has drawn numbers.) The findings include what is wrong at birth: scales, dead units,
 * unscaled inputs; and of all rows given what is wrong with the data: labels of one class, columns that are constant or
 * not finite. Throws when the options make no sweep (0 < lr_low < lr_high, lr_steps at least 3, or 0), and
 * when nothing in the network requires a gradient. */
template <class T>
PreflightReport preflight(BasicModule<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                          std::span<const int> labels, const PreflightOptions& options = {});
template <class T>
PreflightReport preflight(BasicModule<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                          const std::type_identity_t<std::function<BasicVar<T>(BasicVar<T> output)>>& loss,
                          const PreflightOptions& options = {});

}  // namespace tapegrad
