#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <type_traits>

#include "tapegrad/core/activations.h"

/// Losses. All average over the elements (cross_entropy and nll over the rows), or sum on request. A prediction and
/// its target must have the same shape: nothing broadcasts here. With weights the average is Σwℓ / Σw, as in PyTorch's
/// nll_loss; a row of weight 0 is left out, whatever its prediction is. Weights are finite and not negative, and with nothing
/// to average, because all weights are 0 or all labels are ignored, a mean throws.

namespace tapegrad::inline TAPEGRAD_ABI {

enum class Reduction { mean, sum };

/** A view of weights, `{1, 5}` or a vector; none means that all are 1. */
struct Weights : std::span<const double> {
  using std::span<const double>::span;
  Weights(std::initializer_list<double> list) : span(list.begin(), list.size()) {}
};

struct LossOptions {
  Reduction reduction = Reduction::mean;
  Weights sample_weights = {};  ///< one per row
};

struct HuberOptions {
  double delta = 1;  ///< quadratic below, linear above
  Reduction reduction = Reduction::mean;
  Weights sample_weights = {};
};

struct NllOptions {
  Reduction reduction = Reduction::mean;
  Weights class_weights = {};            ///< one per class: a row weighs what its label does
  Weights sample_weights = {};           ///< one per row; the two are multiplied
  std::optional<int> ignore_index = {};  ///< rows with this label count for nothing
};

struct CrossEntropyOptions {
  double label_smoothing = 0;  ///< the target is (1 − ε)·target + ε/classes; 0 ≤ ε < 1
  Reduction reduction = Reduction::mean;
  Weights class_weights = {};
  Weights sample_weights = {};
  std::optional<int> ignore_index = {};
};

/** (a − b)² */
struct SquaredError {
  static constexpr std::string_view name = "squared_error";
  static constexpr std::string_view loss = "mse";
  template <class X> static X value(const X& a, const X& b) { return (a - b) * (a - b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X& b, const X&) { return 2 * g * (a - b); }
  template <class X> static X vjp_b(const X& g, const X& a, const X& b, const X&) { return 2 * g * (b - a); }
};

/** |a − b|, with slope 0 where they are equal */
struct AbsoluteError {
  static constexpr std::string_view name = "absolute_error";
  static constexpr std::string_view loss = "l1";
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return simd::abs(a - b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X& b, const X&) { return g * sign(a - b); }
  template <class X> static X vjp_b(const X& g, const X& a, const X& b, const X& y) { return -vjp_a(g, a, b, y); }
};

/** d²/2 for |d| ≤ δ, else δ(|d| − δ/2), d = a − b (Huber 1964) */
struct HuberError {
  double delta = 1;
  static constexpr std::string_view name = "huber_error";
  static constexpr std::string_view loss = "huber";
  std::array<double, 2> difference_seams() const { return {-delta, delta}; }
  template <class X> X value(const X& a, const X& b) const {
    const X d = simd::abs(a - b);
    return select(d <= X(delta), 0.5 * d * d, delta * (d - 0.5 * delta));
  }
  template <class X> X vjp_a(const X& g, const X& a, const X& b, const X&) const {
    return g * clamp(a - b, -delta, delta);
  }
  template <class X> X vjp_b(const X& g, const X& a, const X& b, const X& y) const { return -vjp_a(g, a, b, y); }
};

/** −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) = softplus(z) − z·t */
struct BceWithLogits {
  static constexpr std::string_view name = "bce_with_logits";
  static constexpr std::string_view loss = "bce_with_logits";
  static constexpr bool target_is_probability = true;
  template <class X> static X value(const X& z, const X& t) {
    return simd::max(z, 0) - z * t + simd::log1p_of_fraction(simd::exp_minus_abs(z));
  }
  /// σ(z) − t; written so that for t = 1 nothing cancels far out, where the slope is −σ(−z).
  template <class X> static X vjp_a(const X& g, const X& z, const X& t, const X&) {
    return g * ((1 - t) * sigmoid(z) - t * sigmoid(-z));
  }
  template <class X> static X vjp_b(const X& g, const X& z, const X&, const X&) { return -g * z; }
};

#define TAPEGRAD_LOSS_RULES(X) X(SquaredError) X(AbsoluteError) X(HuberError) X(BceWithLogits)

/** A target given as a matrix instead of a Var. */
template <class T> using TargetMatrix = std::type_identity_t<BasicMatrixRef<T>>;

/** Mean squared error, mean (prediction − target)². */
template <class T> BasicVar<T> mse(BasicVar<T> prediction, BasicVar<T> target, LossOptions options = {});
/** Mean absolute error. */
template <class T> BasicVar<T> l1(BasicVar<T> prediction, BasicVar<T> target, LossOptions options = {});
/** Squared near the target, absolute far from it. Throws unless delta is positive. */
template <class T> BasicVar<T> huber(BasicVar<T> prediction, BasicVar<T> target, HuberOptions options = {});
/** Binary cross-entropy of σ(logits) against targets in [0, 1], stable for any logit. Throws for another target,
 * unless it requires a gradient. */
template <class T> BasicVar<T> bce_with_logits(BasicVar<T> logits, BasicVar<T> target, LossOptions options = {});

/** −ln softmax(logits)[label], averaged over the rows: fused, and stable at logits of ±1000. `logits` is
 * batch×classes. Throws for an empty batch, a wrong number of labels and a label outside 0 … classes − 1. */
template <class T>
BasicVar<T> cross_entropy(BasicVar<T> logits, std::span<const int> labels, CrossEntropyOptions options = {});
/** The same against rows of probabilities. Class weights multiply the terms of a row, and the mean is over the rows and their
 * sample weights; there are no labels to ignore. */
template <class T>
BasicVar<T> cross_entropy(BasicVar<T> logits, BasicVar<T> probabilities, CrossEntropyOptions options = {});
/** −log_probabilities[label], averaged over the rows. */
template <class T>
BasicVar<T> nll(BasicVar<T> log_probabilities, std::span<const int> labels, NllOptions options = {});

template <class T>
BasicVar<T> mse(BasicVar<T> prediction, const TargetMatrix<T>& target, LossOptions options = {}) {
  return mse(prediction, prediction.tape().input(target), options);
}
template <class T> BasicVar<T> l1(BasicVar<T> prediction, const TargetMatrix<T>& target, LossOptions options = {}) {
  return l1(prediction, prediction.tape().input(target), options);
}
template <class T>
BasicVar<T> huber(BasicVar<T> prediction, const TargetMatrix<T>& target, HuberOptions options = {}) {
  return huber(prediction, prediction.tape().input(target), options);
}
template <class T>
BasicVar<T> bce_with_logits(BasicVar<T> logits, const TargetMatrix<T>& target, LossOptions options = {}) {
  return bce_with_logits(logits, logits.tape().input(target), options);
}

}  // namespace tapegrad
