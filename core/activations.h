#pragma once

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/registry.h"

/// The activations. Each is one rule: formula, value, vector-Jacobian product, and the facts beside them; the
/// table at the end registers it. Values and slopes are exact far out, where the textbook formulas cancel or
/// overflow: 1 − tanh²x, for instance, is 4σ(2x)σ(−2x), which never becomes 0 before x does leave the range.

/// A rule as a function, with its settings when given, `leaky_relu(x, {.negative_slope = 0.2})`, and as an Activation.
#define TAPEGRAD_ACTIVATION(function, Rule)                                                  \
  TAPEGRAD_UNARY_RULE(function, Rule)                                                        \
  template <VarOrPack X> X function(const X& x, const Rule& rule) { return apply(rule, x); } \
  extern TAPEGRAD_DEFINE_MAKE(Rule)

namespace tapegrad::inline TAPEGRAD_ABI {

/** x where it is negative, else 0: keeps exp() from overflowing in the branch that is not taken. */
template <class X> X negative_part(const X& x) { return where(x > 0, 0.0, x); }

namespace detail {
/** g between two numbers, 0 outside and on them; a NaN in y stays. */
template <class X> X between(double low, const X& x, double high, const X& g, const X& y) {
  return where(x > low, where(x < high, g, 0.0), 0 * y);
}
}  // namespace detail

/** σ(x) = 1 / (1 + e⁻ˣ) */
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid";
  template <class T> static ValueAndSlope<T> value_and_slope(Pack<T> x) { return simd::sigmoid_and_slope(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * sigmoid_slope(x); }
  static Facts facts() { return {.formula = "1 / (1 + e⁻ˣ)", .lower = 0, .upper = 1, .sup_slope = 0.25}; }
};
TAPEGRAD_ACTIVATION(sigmoid, Sigmoid)

/** tanh x */
struct Tanh {
  static constexpr std::string_view name = "tanh";
  template <class T> static ValueAndSlope<T> value_and_slope(Pack<T> x) { return simd::tanh_and_slope(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 4 * g * sigmoid_slope(2 * x); }
  static Facts facts() { return {.formula = "(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)", .lower = -1, .upper = 1, .sup_slope = 1}; }
};
TAPEGRAD_ACTIVATION(tanh, Tanh)

/** x */
struct Identity {
  static constexpr std::string_view name = "identity";
  template <class X> static X value(const X& x) { return x; }
  template <class X> static X vjp(const X& g, const X&, const X&) { return g; }
  static Facts facts() { return {.formula = "x", .sup_slope = 1}; }
};
TAPEGRAD_ACTIVATION(identity, Identity)

/** max(x, 0) */
struct Relu {
  static constexpr std::string_view name = "relu";
  template <class X> static X value(const X& x) { return simd::max(x, 0); }
  template <class X> static X vjp(const X& g, const X&, const X& y) { return where(y > 0, g, y); }
  static Facts facts() { return {.formula = "max(x, 0)", .lower = 0, .sup_slope = 1, .kinks = {{0, 0}}}; }
};
TAPEGRAD_ACTIVATION(relu, Relu)

/** x for x > 0, else negative_slope·x */
struct LeakyRelu {
  double negative_slope = 0.01;
  static constexpr std::string_view name = "leaky_relu";
  static constexpr std::array settings{Setting{"negative_slope", &LeakyRelu::negative_slope}};
  template <class X> X value(const X& x) const { return where(x > 0, x, negative_slope * x); }
  template <class X> X vjp(const X& g, const X& x, const X&) const {
    return where(x > 0, g, where(x <= 0, negative_slope * g, x));
  }
  Facts facts() const {
    const double steepest = std::max(1.0, std::abs(negative_slope));
    return {.formula = "x for x > 0, else negative_slope·x",
            .lower = negative_slope > 0 ? -std::numeric_limits<double>::infinity() : 0,
            .sup_slope = steepest,
            .kinks = negative_slope == 1 ? std::vector<Kink>() : std::vector<Kink>{{0, negative_slope}}};
  }
};
TAPEGRAD_ACTIVATION(leaky_relu, LeakyRelu)

/** x for x > 0, else alpha·(eˣ − 1) (Clevert et al. 2015) */
struct Elu {
  double alpha = 1;
  static constexpr std::string_view name = "elu";
  static constexpr std::array settings{Setting{"alpha", &Elu::alpha, SettingDomain::positive}};
  template <class X> X value(const X& x) const { return where(x > 0, x, alpha * expm1(negative_part(x))); }
  template <class X> X vjp(const X& g, const X& x, const X&) const {
    return where(x > 0, g, g * (alpha * exp(negative_part(x))));
  }
  Facts facts() const {
    return {.formula = "x for x > 0, else alpha·(eˣ − 1)",
            .lower = -alpha,
            .sup_slope = std::max(1.0, alpha),
            .kinks = alpha == 1 ? std::vector<Kink>() : std::vector<Kink>{{0, alpha}},
            .bends = {0}};
  }
};
TAPEGRAD_ACTIVATION(elu, Elu)

/** λx for x > 0, else λα(eˣ − 1), with the λ and α that make mean 0 and variance 1 a fixed point
 * (Klambauer et al. 2017) */
struct Selu {
  static constexpr double scale = 1.0507009873554804934193349852946;
  static constexpr double alpha = 1.6732632423543772848170429916717;
  static constexpr std::string_view name = "selu";
  template <class X> static X value(const X& x) {
    return where(x > 0, scale * x, scale * alpha * expm1(negative_part(x)));
  }
  template <class X> static X vjp(const X& g, const X& x, const X&) {
    return where(x > 0, scale * g, g * (scale * alpha * exp(negative_part(x))));
  }
  static Facts facts() {
    return {.formula = "λx for x > 0, else λα(eˣ − 1); λ = 1.0507, α = 1.6733",
            .lower = -scale * alpha,
            .sup_slope = scale * alpha,
            .kinks = {{0, scale * alpha}},
            .bends = {0}};
  }
};
TAPEGRAD_ACTIVATION(selu, Selu)

/** x for x > 0, else alpha·(e^(x/alpha) − 1): ELU with a continuous slope for every alpha (Barron 2017) */
struct Celu {
  double alpha = 1;
  static constexpr std::string_view name = "celu";
  static constexpr std::array settings{Setting{"alpha", &Celu::alpha, SettingDomain::positive}};
  template <class X> X value(const X& x) const { return where(x > 0, x, alpha * expm1(negative_part(x) / alpha)); }
  template <class X> X vjp(const X& g, const X& x, const X&) const {
    return where(x > 0, g, g * exp(negative_part(x) / alpha));
  }
  Facts facts() const {
    return {.formula = "x for x > 0, else alpha·(e^(x/alpha) − 1)", .lower = -alpha, .sup_slope = 1, .bends = {0}};
  }
};
TAPEGRAD_ACTIVATION(celu, Celu)

/** ln(1 + eˣ) */
struct Softplus {
  static constexpr std::string_view name = "softplus";
  template <class X> static X value(const X& x) {
    return simd::max(x, 0) + simd::log1p_of_fraction(simd::exp_minus_abs(x));
  }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * sigmoid(x); }
  static Facts facts() { return {.formula = "ln(1 + eˣ)", .lower = 0, .sup_slope = 1}; }
};
TAPEGRAD_ACTIVATION(softplus, Softplus)

/** ln σ(x) = −ln(1 + e⁻ˣ) */
struct LogSigmoid {
  static constexpr std::string_view name = "log_sigmoid";
  template <class X> static X value(const X& x) {
    return simd::min(x, 0) - simd::log1p_of_fraction(simd::exp_minus_abs(x));
  }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * sigmoid(-x); }
  static Facts facts() { return {.formula = "−ln(1 + e⁻ˣ)", .upper = 0, .sup_slope = 1}; }
};
TAPEGRAD_ACTIVATION(log_sigmoid, LogSigmoid)

/** x / (1 + |x|) */
struct Softsign {
  static constexpr std::string_view name = "softsign";
  static constexpr double far = 0x1p60;  // there it is ±1, and at ±∞ it would be ∞/∞
  template <class X> static X value(const X& x) {
    const X c = simd::min(simd::max(x, -far), far);
    return c / (1 + simd::abs(c));
  }
  template <class X> static X vjp(const X& g, const X& x, const X&) {
    const X r = 1 / (1 + abs(x));
    return g * r * r;
  }
  static Facts facts() {
    return {.formula = "x / (1 + |x|)", .lower = -1, .upper = 1, .sup_slope = 1, .bends = {0}};
  }
};
TAPEGRAD_ACTIVATION(softsign, Softsign)

/** x·σ(βx); β = 1 is also called SiLU (Ramachandran et al. 2017) */
struct Swish {
  double beta = 1;
  static constexpr std::string_view name = "swish";
  static constexpr std::array settings{Setting{"beta", &Swish::beta, SettingDomain::positive}};
  static constexpr double bound = 1000;  // beyond it σ is exactly 0 or 1, and nothing must overflow
  template <class T> ValueAndSlope<T> value_and_slope(Pack<T> x) const { return simd::swish_and_slope(x, beta); }
  template <class X> X vjp(const X& g, const X& x, const X&) const {
    const X u = clamp(beta * x, -bound, bound);
    return g * (sigmoid(u) + u * sigmoid_slope(u));
  }
  Facts facts() const {
    return {
        .formula = "x / (1 + e^(−beta·x))", .lower = -0.27846454276107380 / beta, .sup_slope = 1.0998393201288668};
  }
};
TAPEGRAD_ACTIVATION(swish, Swish)

/** x·Φ(x) (Hendrycks & Gimpel 2016) */
struct Gelu {
  static constexpr std::string_view name = "gelu";
  static constexpr double bound = 50;  // beyond it φ is exactly 0, and ∞·0 would be NaN
  template <class T> static ValueAndSlope<T> value_and_slope(Pack<T> x) { return simd::gelu_and_slope(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) {
    const X c = clamp(x, -bound, bound);
    return g * (normal_cdf(c) + c * normal_pdf(c));
  }
  static Facts facts() {
    return {.formula = "x·Φ(x)", .lower = -0.16997120747990363, .sup_slope = 1.1289041451851543};
  }
};
TAPEGRAD_ACTIVATION(gelu, Gelu)

/** x·(1 + tanh u)/2 = x·σ(2u) with u = √(2/π)(x + 0.044715x³): GELU without erf */
struct GeluTanh {
  static constexpr std::string_view name = "gelu_tanh";
  static constexpr double twice_root = 1.5957691216057307117;  // 2√(2/π)
  static constexpr double cubic = 0.044715;
  static constexpr double bound = 50;  // beyond it σ is exactly 0 or 1, and x³ must not overflow
  template <class T> static ValueAndSlope<T> value_and_slope(Pack<T> x) { return simd::gelu_tanh_and_slope(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) {
    const X c = clamp(x, -bound, bound);
    const X u = twice_root * c * (1 + cubic * c * c);
    const X du = twice_root * (1 + 3 * cubic * c * c);
    return g * (sigmoid(u) + c * (sigmoid_slope(u) * du));
  }
  static Facts facts() {
    return {.formula = "x·(1 + tanh(√(2/π)(x + 0.044715x³)))/2",
            .lower = -0.17004075057125403,
            .sup_slope = 1.1289930686587715};
  }
};
TAPEGRAD_ACTIVATION(gelu_tanh, GeluTanh)

/** x·tanh(ln(1 + eˣ)) (Misra 2019) */
struct Mish {
  static constexpr std::string_view name = "mish";
  static constexpr double bound = 1000;  // beyond it the slope is exactly 0 or 1, and nothing must overflow
  template <class T> static ValueAndSlope<T> value_and_slope(Pack<T> x) { return simd::mish_and_slope(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) {
    const X c = clamp(x, -bound, bound);
    const X s = softplus(c);
    return g * (tanh(s) + c * (4 * sigmoid_slope(2 * s) * sigmoid(c)));
  }
  static Facts facts() {
    return {.formula = "x·tanh(ln(1 + eˣ))", .lower = -0.3088434130172503, .sup_slope = 1.0884981612517277};
  }
};
TAPEGRAD_ACTIVATION(mish, Mish)

/** (x + 3)/6 held between 0 and 1 */
struct HardSigmoid {
  static constexpr std::string_view name = "hard_sigmoid";
  template <class X> static X value(const X& x) { return simd::min(simd::max(x + 3, 0), 6) * (1.0 / 6); }
  template <class X> static X vjp(const X& g, const X& x, const X& y) {
    return detail::between(-3, x, 3, g * (1.0 / 6), y);
  }
  static Facts facts() {
    return {.formula = "(x + 3)/6 held between 0 and 1",
            .lower = 0,
            .upper = 1,
            .sup_slope = 1.0 / 6,
            .kinks = {{-3, 0}, {3, 0}}};
  }
};
TAPEGRAD_ACTIVATION(hard_sigmoid, HardSigmoid)

/** x·hard_sigmoid(x) (Howard et al. 2019) */
struct HardSwish {
  static constexpr std::string_view name = "hard_swish";
  template <class X> static X value(const X& x) {
    const X c = simd::max(x, -3);
    return c * (simd::min(c + 3, 6) * (1.0 / 6));
  }
  template <class X> static X vjp(const X& g, const X& x, const X& y) {
    return where(x > -3, where(x < 3, g * (x * (1.0 / 3) + 0.5), g), 0 * y);
  }
  static Facts facts() {
    return {.formula = "x·((x + 3)/6 held between 0 and 1)",
            .lower = -0.375,
            .sup_slope = 1.5,
            .kinks = {{-3, 0}, {3, 1}}};
  }
};
TAPEGRAD_ACTIVATION(hard_swish, HardSwish)

/** x held between −1 and 1 */
struct HardTanh {
  static constexpr std::string_view name = "hard_tanh";
  template <class X> static X value(const X& x) { return simd::min(simd::max(x, -1), 1); }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return detail::between(-1, x, 1, g, y); }
  static Facts facts() {
    return {
        .formula = "x held between −1 and 1", .lower = -1, .upper = 1, .sup_slope = 1, .kinks = {{-1, 0}, {1, 0}}};
  }
};
TAPEGRAD_ACTIVATION(hard_tanh, HardTanh)

/** x held between 0 and 6 */
struct Relu6 {
  static constexpr std::string_view name = "relu6";
  template <class X> static X value(const X& x) { return simd::min(simd::max(x, 0), 6); }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return detail::between(0, x, 6, g, y); }
  static Facts facts() {
    return {.formula = "x held between 0 and 6", .lower = 0, .upper = 6, .sup_slope = 1, .kinks = {{0, 0}, {6, 0}}};
  }
};
TAPEGRAD_ACTIVATION(relu6, Relu6)

/// The elementwise activations, in the order in which they are listed everywhere.
// clang-format off
#define TAPEGRAD_ELEMENTWISE_ACTIVATIONS(X) \
  X(Identity) X(Sigmoid) X(Tanh) X(Relu) X(LeakyRelu) X(Elu) X(Selu) X(Celu) X(Softplus) X(Softsign) \
  X(Swish) X(Gelu) X(GeluTanh) X(Mish) X(HardSigmoid) X(HardSwish) X(HardTanh) X(Relu6) X(LogSigmoid)
// clang-format on

}  // namespace tapegrad
