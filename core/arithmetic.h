#pragma once

#include "tapegrad/core/elementwise.h"

/// Elementwise arithmetic on Vars, with broadcasting. Each op is one rule: its formula and, below it, the
/// vector-Jacobian product (see elementwise.h). The table at the end is the list of them.

namespace tapegrad::inline TAPEGRAD_ABI {

/** a + b */
struct Add {
  static constexpr std::string_view name = "add";
  template <class X> static X value(const X& a, const X& b) { return a + b; }
  template <class X> static X vjp_a(const X& g, const X&, const X&, const X&) { return g; }
  template <class X> static X vjp_b(const X& g, const X&, const X&, const X&) { return g; }
};
TAPEGRAD_DECLARE_RULE(Add)

/** a − b */
struct Sub {
  static constexpr std::string_view name = "sub";
  template <class X> static X value(const X& a, const X& b) { return a - b; }
  template <class X> static X vjp_a(const X& g, const X&, const X&, const X&) { return g; }
  template <class X> static X vjp_b(const X& g, const X&, const X&, const X&) { return -g; }
};
TAPEGRAD_DECLARE_RULE(Sub)

/** a · b, element by element */
struct Mul {
  static constexpr std::string_view name = "mul";
  template <class X> static X value(const X& a, const X& b) { return a * b; }
  template <class X> static X vjp_a(const X& g, const X&, const X& b, const X&) { return g * b; }
  template <class X> static X vjp_b(const X& g, const X& a, const X&, const X&) { return g * a; }
};
TAPEGRAD_DECLARE_RULE(Mul)

/** a / b, element by element */
struct Div {
  static constexpr std::string_view name = "div";
  template <class X> static X value(const X& a, const X& b) { return a / b; }
  template <class X> static X vjp_a(const X& g, const X&, const X& b, const X&) { return g / b; }
  template <class X> static X vjp_b(const X& g, const X&, const X& b, const X& y) { return -g * y / b; }
};
TAPEGRAD_DECLARE_RULE(Div)

/** −x */
struct Neg {
  static constexpr std::string_view name = "neg";
  template <class X> static X value(const X& x) { return -x; }
  template <class X> static X vjp(const X& g, const X&, const X&) { return -g; }
};
TAPEGRAD_DECLARE_RULE(Neg)

/** x + s */
struct AddScalar {
  double scalar = 0;
  static constexpr std::string_view name = "add_scalar";
  template <class X> X value(const X& x) const { return x + scalar; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return g; }
};
TAPEGRAD_DECLARE_RULE(AddScalar)

/** s − x */
struct SubFromScalar {
  double scalar = 0;
  static constexpr std::string_view name = "sub_from_scalar";
  template <class X> X value(const X& x) const { return scalar - x; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return -g; }
};
TAPEGRAD_DECLARE_RULE(SubFromScalar)

/** s · x */
struct MulScalar {
  double scalar = 1;
  static constexpr std::string_view name = "mul_scalar";
  template <class X> X value(const X& x) const { return x * scalar; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return g * scalar; }
};
TAPEGRAD_DECLARE_RULE(MulScalar)

/** x / s */
struct DivScalar {
  double scalar = 1;
  static constexpr std::string_view name = "div_scalar";
  template <class X> X value(const X& x) const { return x / scalar; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return g / scalar; }
};
TAPEGRAD_DECLARE_RULE(DivScalar)

/** s / x */
struct DivideScalar {
  double scalar = 1;
  static constexpr std::string_view name = "divide_scalar";
  template <class X> X value(const X& x) const { return scalar / x; }
  template <class X> X vjp(const X& g, const X& x, const X& y) const { return -g * y / x; }
};
TAPEGRAD_DECLARE_RULE(DivideScalar)

/** 1 where a > b, else 0; a mask for where(), without a gradient */
struct Greater {
  static constexpr std::string_view name = "greater";
  static constexpr std::size_t first_differentiable = 2;
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return select(a > b, X(1), X(0)); }
};
TAPEGRAD_DECLARE_RULE(Greater)

/** 1 where a ≥ b, else 0; a mask for where(), without a gradient */
struct GreaterEqual {
  static constexpr std::string_view name = "greater_equal";
  static constexpr std::size_t first_differentiable = 2;
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return select(a >= b, X(1), X(0)); }
};
TAPEGRAD_DECLARE_RULE(GreaterEqual)

/** a where the mask is not 0, else b */
struct Where {
  static constexpr std::string_view name = "where";
  static constexpr std::size_t first_differentiable = 1;
  template <class X> static X value(const X& mask, const X& a, const X& b) { return select(mask == X(0), b, a); }
  template <class X> static X vjp_b(const X& g, const X& mask, const X&, const X&, const X&) {
    return where(mask, g, 0.0);
  }
  template <class X> static X vjp_c(const X& g, const X& mask, const X&, const X&, const X&) {
    return where(mask, 0.0, g);
  }
};
TAPEGRAD_DECLARE_RULE(Where)

/** where(x > 0, a, b): a where the condition holds, else b; one of them, or both, may be numbers. Both are computed
 * everywhere. Where the slope of the one that is not taken is infinite, its gradient is 0·∞ = NaN: keep its operand away from
 * there, where(x > 0, log(where(x > 0, x, 1)), 0). */
template <VarOrPack X, class A, class B> X where(const X& mask, const A& a, const B& b) {
  return apply(Where{}, mask, beside(mask, a), beside(mask, b));
}
template <PackMask Mask, class A, class B> auto where(Mask mask, const A& a, const B& b) {
  using P = typename Mask::Operand;
  return select(mask, P(a), P(b));
}

/** eˣ */
struct Exp {
  static constexpr std::string_view name = "exp";
  template <class X> static X value(const X& x) { return simd::exp(x); }
  template <class X> static X vjp(const X& g, const X&, const X& y) { return g * y; }
};
TAPEGRAD_UNARY_RULE(exp, Exp)

/** eˣ − 1, exact near 0 */
struct Expm1 {
  static constexpr std::string_view name = "expm1";
  template <class X> static X value(const X& x) { return simd::expm1(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * exp(x); }
};
TAPEGRAD_UNARY_RULE(expm1, Expm1)

/** ln x */
struct Log {
  static constexpr std::string_view name = "log";
  static constexpr double domain_from = 0;
  template <class X> static X value(const X& x) { return simd::log(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g / x; }
};
TAPEGRAD_UNARY_RULE(log, Log)

/** ln(1 + x), exact near 0 */
struct Log1p {
  static constexpr std::string_view name = "log1p";
  static constexpr double domain_from = -1;
  template <class X> static X value(const X& x) { return simd::log1p(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g / (1 + x); }
};
TAPEGRAD_UNARY_RULE(log1p, Log1p)

/** √x; the slope at 0 is ∞, so that √(Σx²) has the gradient NaN where all x are 0: √(Σx² + ε) has not. */
struct Sqrt {
  static constexpr std::string_view name = "sqrt";
  static constexpr double domain_from = 0;
  template <class X> static X value(const X& x) { return simd::sqrt(x); }
  template <class X> static X vjp(const X& g, const X&, const X& y) { return g / (2 * y); }
};
TAPEGRAD_UNARY_RULE(sqrt, Sqrt)

/** x² */
struct Square {
  static constexpr std::string_view name = "square";
  template <class X> static X value(const X& x) { return x * x; }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 2 * g * x; }
};
TAPEGRAD_UNARY_RULE(square, Square)

/** xᵖ for a fixed number p; negative x needs an integer p. At 0 a slope may be infinite (p < 1); a gradient that is 0 stays 0
 * there, so x(1 − x^1.1) has second derivatives. */
struct Pow {
  double exponent = 1;
  static constexpr std::string_view name = "pow";
  static constexpr double domain_from = 0;
  template <class X> X value(const X& x) const { return simd::pow(x, exponent); }
  template <class X> X vjp(const X& g, const X& x, const X&) const {
    if (exponent == 0) return g * 0;
    const X from = exponent < 1 ? where(abs(x) + abs(g) <= 0, 1.0, x) : x;
    return g * (exponent * pow(from, exponent - 1));
  }
};
TAPEGRAD_DECLARE_RULE(Pow)
template <VarOrPack X> X pow(const X& x, double exponent) { return apply(Pow{exponent}, x); }

/** aᵇ; negative a needs integer b. At a = 0 the slope in b is 0, and the slope in a as for a fixed exponent. */
struct Power {
  static constexpr std::string_view name = "power";
  static constexpr double domain_from = 0;
  template <class X> static X value(const X& a, const X& b) { return simd::pow(a, b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X& b, const X&) {
    return g * b * pow(where(abs(a) + abs(g * b) <= 0, 1.0, a), b - 1);
  }
  template <class X> static X vjp_b(const X& g, const X& a, const X&, const X& y) {
    return g * y * log(where(abs(a) <= 0, 1.0, a));
  }
};
TAPEGRAD_DECLARE_RULE(Power)
template <VarOrPack X> X pow(const X& a, const X& b) { return apply(Power{}, a, b); }
template <VarOrPack X> X pow(double a, const X& b) { return apply(Power{}, beside(b, a), b); }

/** sin x */
struct Sin {
  static constexpr std::string_view name = "sin";
  template <class X> static X value(const X& x) { return simd::sin(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * cos(x); }
};
TAPEGRAD_UNARY_RULE(sin, Sin)

/** cos x */
struct Cos {
  static constexpr std::string_view name = "cos";
  template <class X> static X value(const X& x) { return simd::cos(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return -g * sin(x); }
};
TAPEGRAD_UNARY_RULE(cos, Cos)

/** −1, 0 or 1, without a gradient; NaN stays NaN */
struct Sign {
  static constexpr std::string_view name = "sign";
  static constexpr std::size_t first_differentiable = 1;
  static std::array<double, 1> seams() { return {0}; }
  template <class X> static X value(const X& x) { return select(x > X(0), X(1), select(x < X(0), X(-1), x)); }
};
TAPEGRAD_UNARY_RULE(sign, Sign)

/** |x|, with slope 0 at 0 */
struct Abs {
  static constexpr std::string_view name = "abs";
  static std::array<double, 1> seams() { return {0}; }
  template <class X> static X value(const X& x) { return simd::abs(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * sign(x); }
};
TAPEGRAD_UNARY_RULE(abs, Abs)

/** g where a > b, half of it where they are equal, else 0; y where one is NaN. */
template <class X> X if_more(const X& g, const X& a, const X& b, const X& y) {
  return where(a > b, g, where(b > a, 0.0, where(a >= b, 0.5 * g, y)));
}

/** The larger of two; where they are equal each gets half of the gradient */
struct Maximum {
  static constexpr std::string_view name = "maximum";
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return simd::max(a, b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X& b, const X& y) { return if_more(g, a, b, y); }
  template <class X> static X vjp_b(const X& g, const X& a, const X& b, const X& y) { return if_more(g, b, a, y); }
};
TAPEGRAD_BINARY_RULE(maximum, Maximum)

/** The smaller of two; where they are equal each gets half of the gradient */
struct Minimum {
  static constexpr std::string_view name = "minimum";
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return simd::min(a, b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X& b, const X& y) { return if_more(g, b, a, y); }
  template <class X> static X vjp_b(const X& g, const X& a, const X& b, const X& y) { return if_more(g, a, b, y); }
};
TAPEGRAD_BINARY_RULE(minimum, Minimum)

/** x held between two numbers; the gradient passes inside and on the bounds */
struct Clamp {
  double low = 0;
  double high = 1;
  static constexpr std::string_view name = "clamp";
  std::array<double, 2> seams() const { return {low, high}; }
  void check() const;
  template <class X> X value(const X& x) const { return simd::min(simd::max(x, low), high); }
  template <class X> X vjp(const X& g, const X& x, const X& y) const {
    return where(x >= low, where(x <= high, g, 0.0), 0 * y);
  }
};
TAPEGRAD_DECLARE_RULE(Clamp)
template <VarOrPack X> X clamp(const X& x, double low, double high) { return apply(Clamp{low, high}, x); }

/** σ′(x) = e⁻|x| / (1 + e⁻|x|)², the density of the logistic distribution */
struct SigmoidSlope {
  static constexpr std::string_view name = "sigmoid_slope";
  template <class T> static Pack<T> value(Pack<T> x) { return simd::sigmoid_and_slope(x).slope; }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return -g * y * tanh(0.5 * x); }
};
TAPEGRAD_UNARY_RULE(sigmoid_slope, SigmoidSlope)

/** φ(x) = e^(−x²/2) / √(2π), the density of the standard normal distribution */
struct NormalPdf {
  static constexpr std::string_view name = "normal_pdf";
  template <class X> static X value(const X& x) { return 0.39894228040143267794 * simd::gauss(x); }
  static constexpr double bound = 50;  // beyond it φ is exactly 0, and ∞·0 would be NaN
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return -g * (clamp(x, -bound, bound) * y); }
};
TAPEGRAD_UNARY_RULE(normal_pdf, NormalPdf)

/** Φ(x) = erfc(−x/√2) / 2, the standard normal distribution */
struct NormalCdf {
  static constexpr std::string_view name = "normal_cdf";
  template <class X> static X value(const X& x) { return simd::normal_cdf(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * normal_pdf(x); }
};
TAPEGRAD_UNARY_RULE(normal_cdf, NormalCdf)

/** x for x > 0, else a·x with one learned slope a per feature: prelu(x, a), a of 1xcols (He et al. 2015) */
struct ParametricRelu {
  static constexpr std::string_view name = "prelu";
  static std::array<double, 1> seams() { return {0}; }
  template <class X> static X value(const X& x, const X& a) { return where(x > 0, x, a * x); }
  template <class X> static X vjp_a(const X& g, const X& x, const X& a, const X&) {
    return where(x > 0, g, where(x <= 0, a * g, x));
  }
  template <class X> static X vjp_b(const X& g, const X& x, const X&, const X&) { return where(x > 0, 0.0, g * x); }
};
TAPEGRAD_BINARY_RULE(prelu, ParametricRelu)

/// All rules of this file, in the order in which ops() lists them.
// clang-format off
#define TAPEGRAD_ARITHMETIC_RULES(X) \
  X(Add) X(Sub) X(Mul) X(Div) X(Neg) X(AddScalar) X(SubFromScalar) X(MulScalar) X(DivScalar) X(DivideScalar) \
  X(Greater) X(GreaterEqual) X(Where) X(Exp) X(Expm1) X(Log) X(Log1p) X(Sqrt) X(Square) X(Pow) X(Power) X(Sin) X(Cos) \
  X(Sign) X(Abs) X(Maximum) X(Minimum) X(Clamp) X(SigmoidSlope) X(NormalPdf) X(NormalCdf) X(ParametricRelu)
// clang-format on

template <class T> BasicVar<T> operator+(BasicVar<T> a, BasicVar<T> b) { return apply(Add{}, a, b); }
template <class T> BasicVar<T> operator-(BasicVar<T> a, BasicVar<T> b) { return apply(Sub{}, a, b); }
template <class T> BasicVar<T> operator*(BasicVar<T> a, BasicVar<T> b) { return apply(Mul{}, a, b); }
template <class T> BasicVar<T> operator/(BasicVar<T> a, BasicVar<T> b) { return apply(Div{}, a, b); }
template <class T> BasicVar<T> operator-(BasicVar<T> x) { return apply(Neg{}, x); }
template <class T> BasicVar<T> operator+(BasicVar<T> x, double s) { return apply(AddScalar{s}, x); }
template <class T> BasicVar<T> operator+(double s, BasicVar<T> x) { return x + s; }
template <class T> BasicVar<T> operator-(BasicVar<T> x, double s) { return x + -s; }
template <class T> BasicVar<T> operator-(double s, BasicVar<T> x) { return apply(SubFromScalar{s}, x); }
template <class T> BasicVar<T> operator*(BasicVar<T> x, double s) { return apply(MulScalar{s}, x); }
template <class T> BasicVar<T> operator*(double s, BasicVar<T> x) { return x * s; }
template <class T> BasicVar<T> operator/(BasicVar<T> x, double s) { return apply(DivScalar{s}, x); }
template <class T> BasicVar<T> operator/(double s, BasicVar<T> x) { return apply(DivideScalar{s}, x); }

// Comparisons give masks of 0 and 1 for where().
template <class T> BasicVar<T> operator>(BasicVar<T> a, BasicVar<T> b) { return apply(Greater{}, a, b); }
template <class T> BasicVar<T> operator>=(BasicVar<T> a, BasicVar<T> b) { return apply(GreaterEqual{}, a, b); }
template <class T> BasicVar<T> operator<(BasicVar<T> a, BasicVar<T> b) { return b > a; }
template <class T> BasicVar<T> operator<=(BasicVar<T> a, BasicVar<T> b) { return b >= a; }
template <class T> BasicVar<T> operator>(BasicVar<T> x, double s) { return x > x.tape().constant(s); }
template <class T> BasicVar<T> operator>=(BasicVar<T> x, double s) { return x >= x.tape().constant(s); }
template <class T> BasicVar<T> operator<(BasicVar<T> x, double s) { return x.tape().constant(s) > x; }
template <class T> BasicVar<T> operator<=(BasicVar<T> x, double s) { return x.tape().constant(s) >= x; }

template <VarOrPack X, class Y> X& operator+=(X& x, const Y& y) { return x = x + y; }
template <VarOrPack X, class Y> X& operator-=(X& x, const Y& y) { return x = x - y; }
template <VarOrPack X, class Y> X& operator*=(X& x, const Y& y) { return x = x * y; }
template <VarOrPack X, class Y> X& operator/=(X& x, const Y& y) { return x = x / y; }

}  // namespace tapegrad
