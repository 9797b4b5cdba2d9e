#pragma once

#include "tapegrad/core/activations.h"
#include "tapegrad/core/reduction.h"

/// Activations of a whole row.

namespace tapegrad::inline TAPEGRAD_ABI {

/** eˣ / Σeˣ over the columns, so that each row sums to 1, or over another axis. Stable: the largest x is taken out first.
 * Throws when there is no element to sum. */
template <class T> BasicVar<T> softmax(BasicVar<T> x, Axis axis = Axis::cols);
/** x − ln Σeˣ over the columns, or over another axis. */
template <class T> BasicVar<T> log_softmax(BasicVar<T> x, Axis axis = Axis::cols);
/** The largest of every `pieces` neighbouring columns: batch×(k·pieces) → batch×k (Goodfellow et al. 2013). */
template <class T> BasicVar<T> maxout(BasicVar<T> x, int pieces = 2);
/** a·σ(b), where a is the left and b the right half of the columns (Dauphin et al. 2016). */
template <class T> BasicVar<T> glu(BasicVar<T> x);

struct Softmax {
  static constexpr std::string_view name = "softmax";
  template <class T> static BasicVar<T> apply(BasicVar<T> x, std::span<const BasicVar<T>>) { return softmax(x); }
  static Facts facts() { return {.formula = "eˣ / Σeˣ", .lower = 0, .upper = 1, .sup_slope = 0.5}; }
};

struct LogSoftmax {
  static constexpr std::string_view name = "log_softmax";
  template <class T> static BasicVar<T> apply(BasicVar<T> x, std::span<const BasicVar<T>>) {
    return log_softmax(x);
  }
  static Facts facts() { return {.formula = "x − ln Σeˣ", .upper = 0, .sup_slope = 1}; }
};

/** PReLU as an activation: its slopes are learned, so it is applied by a layer. */
struct Prelu {
  static constexpr std::string_view name = "prelu";
  template <class T> static BasicVar<T> apply(BasicVar<T> x, std::span<const BasicVar<T>> learned) {
    if (learned.size() != 1) fail(name, "needs its learned slope: use tg::prelu(x, slope) or the layer");
    return prelu(x, learned[0]);
  }
  static std::vector<std::pair<std::string_view, double>> learned() { return {{"weight", 0.25}}; }
  static Facts facts() { return {.formula = "x for x > 0, else a·x, a learned per feature", .kinks = {{0, 0.25}}}; }
};

struct Maxout {
  int pieces = 2;
  static constexpr std::string_view name = "maxout";
  static constexpr std::array settings{Setting{"pieces", &Maxout::pieces, SettingDomain::count}};
  template <class T> BasicVar<T> apply(BasicVar<T> x, std::span<const BasicVar<T>>) const {
    return maxout(x, pieces);
  }
  Index inputs_per_output() const { return pieces; }
  static Facts facts() { return {.formula = "largest of `pieces` neighbouring columns"}; }
};

struct Glu {
  static constexpr std::string_view name = "glu";
  template <class T> static BasicVar<T> apply(BasicVar<T> x, std::span<const BasicVar<T>>) { return glu(x); }
  static Index inputs_per_output() { return 2; }
  static Facts facts() {
    return {.formula = "a·σ(b), halves of the columns", .sup_slope = std::numeric_limits<double>::infinity()};
  }
};

/** ln Σeˣ of a row in two parts; their sum would round away the second one at logits of ±1000. */
template <class T> struct LogSum {
  T largest;
  T log_rest;  ///< ln Σe^(x − largest)
};
/** softmax of one row into y, which may be x. For fused kernels. */
template <class T> LogSum<T> softmax_row(const T* x, T* y, Index count);

#define TAPEGRAD_STRUCTURED_ACTIVATIONS(X) X(Softmax) X(LogSoftmax) X(Prelu) X(Maxout) X(Glu)
TAPEGRAD_STRUCTURED_ACTIVATIONS(extern TAPEGRAD_DEFINE_MAKE)

}  // namespace tapegrad
