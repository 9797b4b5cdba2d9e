#pragma once

#include "tapegrad/core/elementwise.h"

/// Elementwise arithmetic on Vars, with broadcasting. Each op is one rule: its formula and, below it, the
/// vector-Jacobian product (see elementwise.h). The table at the end is the list of them.

namespace tapegrad::inline TAPEGRAD_ABI {

/** a + b */
struct Add {
  static constexpr std::string_view name = "add";
  static constexpr std::size_t arity = 2;
  template <class X> static X value(const X& a, const X& b) { return a + b; }
  template <class X> static X vjp_a(const X& g, const X&, const X&, const X&) { return g; }
  template <class X> static X vjp_b(const X& g, const X&, const X&, const X&) { return g; }
};

/** a − b */
struct Sub {
  static constexpr std::string_view name = "sub";
  static constexpr std::size_t arity = 2;
  template <class X> static X value(const X& a, const X& b) { return a - b; }
  template <class X> static X vjp_a(const X& g, const X&, const X&, const X&) { return g; }
  template <class X> static X vjp_b(const X& g, const X&, const X&, const X&) { return -g; }
};

/** a · b, element by element */
struct Mul {
  static constexpr std::string_view name = "mul";
  static constexpr std::size_t arity = 2;
  template <class X> static X value(const X& a, const X& b) { return a * b; }
  template <class X> static X vjp_a(const X& g, const X&, const X& b, const X&) { return g * b; }
  template <class X> static X vjp_b(const X& g, const X& a, const X&, const X&) { return g * a; }
};

/** a / b, element by element */
struct Div {
  static constexpr std::string_view name = "div";
  static constexpr std::size_t arity = 2;
  template <class X> static X value(const X& a, const X& b) { return a / b; }
  template <class X> static X vjp_a(const X& g, const X&, const X& b, const X&) { return g / b; }
  template <class X> static X vjp_b(const X& g, const X&, const X& b, const X& y) { return -g * y / b; }
};

/** −x */
struct Neg {
  static constexpr std::string_view name = "neg";
  template <class X> static X value(const X& x) { return -x; }
  template <class X> static X vjp(const X& g, const X&, const X&) { return -g; }
};

/** x + s */
struct AddScalar {
  double scalar = 0;
  static constexpr std::string_view name = "add_scalar";
  template <class X> X value(const X& x) const { return x + scalar; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return g; }
};

/** s − x */
struct SubFromScalar {
  double scalar = 0;
  static constexpr std::string_view name = "sub_from_scalar";
  template <class X> X value(const X& x) const { return scalar - x; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return -g; }
};

/** s · x */
struct MulScalar {
  double scalar = 1;
  static constexpr std::string_view name = "mul_scalar";
  template <class X> X value(const X& x) const { return x * scalar; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return g * scalar; }
};

/** x / s */
struct DivScalar {
  double scalar = 1;
  static constexpr std::string_view name = "div_scalar";
  template <class X> X value(const X& x) const { return x / scalar; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return g / scalar; }
};

/** s / x */
struct DivideScalar {
  double scalar = 1;
  static constexpr std::string_view name = "divide_scalar";
  template <class X> X value(const X& x) const { return scalar / x; }
  template <class X> X vjp(const X& g, const X& x, const X& y) const { return -g * y / x; }
};

/** 1 where a > b, else 0; a mask for where(), without a gradient */
struct Greater {
  static constexpr std::string_view name = "greater";
  static constexpr std::size_t arity = 2;
  static constexpr std::size_t first_differentiable = 2;
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return select(a > b, X(1), X(0)); }
};

/** 1 where a ≥ b, else 0; a mask for where(), without a gradient */
struct GreaterEqual {
  static constexpr std::string_view name = "greater_equal";
  static constexpr std::size_t arity = 2;
  static constexpr std::size_t first_differentiable = 2;
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return select(a >= b, X(1), X(0)); }
};

/** a where the mask is not 0, else b */
struct Where {
  static constexpr std::string_view name = "where";
  static constexpr std::size_t arity = 3;
  static constexpr std::size_t first_differentiable = 1;
  template <class X> static X value(const X& mask, const X& a, const X& b) { return select(mask == X(0), b, a); }
  template <class X> static X vjp_b(const X& g, const X& mask, const X&, const X&, const X&);
  template <class X> static X vjp_c(const X& g, const X& mask, const X&, const X&, const X&);
};

struct WhereFunction {
  template <class T> BasicVar<T> operator()(BasicVar<T> mask, BasicVar<T> a, BasicVar<T> b) const {
    return record<Where, T, 3>({}, {mask, a, b});
  }
  template <class T> BasicVar<T> operator()(BasicVar<T> mask, BasicVar<T> a, double b) const {
    return (*this)(mask, a, a.tape().constant(b));
  }
  template <class T> BasicVar<T> operator()(BasicVar<T> mask, double a, BasicVar<T> b) const {
    return (*this)(mask, b.tape().constant(a), b);
  }
  template <class P> P operator()(typename P::Mask mask, const P& a, const P& b) const {
    return select(mask, a, b);
  }
  template <class P> P operator()(typename P::Mask mask, const P& a, double b) const {
    return select(mask, a, P(b));
  }
  template <class P> P operator()(typename P::Mask mask, double a, const P& b) const {
    return select(mask, P(a), b);
  }
  template <class T> Pack<T> operator()(const Pack<T>& mask, const Pack<T>& a, double b) const {
    return select(mask == Pack<T>(0), Pack<T>(b), a);
  }
  template <class T> Pack<T> operator()(const Pack<T>& mask, double a, const Pack<T>& b) const {
    return select(mask == Pack<T>(0), b, Pack<T>(a));
  }
};
/** where(x > 0, a, b): a where the condition holds, else b. */
inline constexpr WhereFunction where;

template <class X> X Where::vjp_b(const X& g, const X& mask, const X&, const X&, const X&) {
  return where(mask, g, 0.0);
}
template <class X> X Where::vjp_c(const X& g, const X& mask, const X&, const X&, const X&) {
  return where(mask, 0.0, g);
}

/** eˣ */
struct Exp {
  static constexpr std::string_view name = "exp";
  template <class X> static X value(const X& x) { return simd::exp(x); }
  template <class X> static X vjp(const X& g, const X&, const X& y) { return g * y; }
};
inline constexpr ElementwiseFunction<Exp> exp;

/** eˣ − 1, exact near 0 */
struct Expm1 {
  static constexpr std::string_view name = "expm1";
  template <class X> static X value(const X& x) { return simd::expm1(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * exp(x); }
};
inline constexpr ElementwiseFunction<Expm1> expm1;

/** ln x */
struct Log {
  static constexpr std::string_view name = "log";
  static constexpr double domain_from = 0;
  template <class X> static X value(const X& x) { return simd::log(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g / x; }
};
inline constexpr ElementwiseFunction<Log> log;

/** ln(1 + x), exact near 0 */
struct Log1p {
  static constexpr std::string_view name = "log1p";
  static constexpr double domain_from = -1;
  template <class X> static X value(const X& x) { return simd::log1p(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g / (1 + x); }
};
inline constexpr ElementwiseFunction<Log1p> log1p;

/** √x */
struct Sqrt {
  static constexpr std::string_view name = "sqrt";
  static constexpr double domain_from = 0;
  template <class X> static X value(const X& x) { return simd::sqrt(x); }
  template <class X> static X vjp(const X& g, const X&, const X& y) { return g / (2 * y); }
};
inline constexpr ElementwiseFunction<Sqrt> sqrt;

/** x² */
struct Square {
  static constexpr std::string_view name = "square";
  template <class X> static X value(const X& x) { return x * x; }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 2 * g * x; }
};
inline constexpr ElementwiseFunction<Square> square;

/** xᵖ for a fixed number p; negative x needs an integer p */
struct Pow {
  double exponent = 1;
  static constexpr std::string_view name = "pow";
  static constexpr double domain_from = 0;
  template <class X> X value(const X& x) const { return simd::pow(x, exponent); }
  template <class X> X vjp(const X& g, const X& x, const X&) const;
};
struct PowFunction {
  template <class X> X operator()(const X& x, double exponent) const {
    return ElementwiseFunction<Pow>{}(x, Pow{exponent});
  }
};
inline constexpr PowFunction pow;

template <class X> X Pow::vjp(const X& g, const X& x, const X&) const {
  if (exponent == 0) return g * 0;
  return g * (exponent * pow(x, exponent - 1));
}

/** sin x */
struct Sin {
  static constexpr std::string_view name = "sin";
  template <class X> static X value(const X& x) { return simd::sin(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&);
};
inline constexpr ElementwiseFunction<Sin> sin;

/** cos x */
struct Cos {
  static constexpr std::string_view name = "cos";
  template <class X> static X value(const X& x) { return simd::cos(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return -g * sin(x); }
};
inline constexpr ElementwiseFunction<Cos> cos;

template <class X> X Sin::vjp(const X& g, const X& x, const X&) { return g * cos(x); }

/** −1, 0 or 1, without a gradient */
struct Sign {
  static constexpr std::string_view name = "sign";
  static constexpr std::size_t first_differentiable = 1;
  static std::array<double, 1> seams() { return {0}; }
  template <class X> static X value(const X& x) { return select(x > X(0), X(1), select(x < X(0), X(-1), X(0))); }
};
inline constexpr ElementwiseFunction<Sign> sign;

/** |x|, with slope 0 at 0 */
struct Abs {
  static constexpr std::string_view name = "abs";
  static std::array<double, 1> seams() { return {0}; }
  template <class X> static X value(const X& x) { return simd::abs(x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * sign(x); }
};
inline constexpr ElementwiseFunction<Abs> abs;

/** The larger of two; where they are equal each gets half of the gradient */
struct Maximum {
  static constexpr std::string_view name = "maximum";
  static constexpr std::size_t arity = 2;
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return simd::max(a, b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X& b, const X&) {
    return where(a > b, g, where(b > a, 0.0, 0.5 * g));
  }
  template <class X> static X vjp_b(const X& g, const X& a, const X& b, const X&) {
    return where(b > a, g, where(a > b, 0.0, 0.5 * g));
  }
};
inline constexpr ElementwiseFunction<Maximum> maximum;

/** The smaller of two; where they are equal each gets half of the gradient */
struct Minimum {
  static constexpr std::string_view name = "minimum";
  static constexpr std::size_t arity = 2;
  static std::array<double, 1> difference_seams() { return {0}; }
  template <class X> static X value(const X& a, const X& b) { return simd::min(a, b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X& b, const X&) {
    return where(b > a, g, where(a > b, 0.0, 0.5 * g));
  }
  template <class X> static X vjp_b(const X& g, const X& a, const X& b, const X&) {
    return where(a > b, g, where(b > a, 0.0, 0.5 * g));
  }
};
inline constexpr ElementwiseFunction<Minimum> minimum;

/** x held between two numbers; the gradient passes inside and on the bounds */
struct Clamp {
  double low = 0;
  double high = 1;
  static constexpr std::string_view name = "clamp";
  std::array<double, 2> seams() const { return {low, high}; }
  void check() const;
  template <class X> X value(const X& x) const { return simd::min(simd::max(x, low), high); }
  template <class X> X vjp(const X& g, const X& x, const X&) const {
    return where(x >= low, where(x <= high, g, 0.0), 0.0);
  }
};
struct ClampFunction {
  template <class X> X operator()(const X& x, double low, double high) const {
    return ElementwiseFunction<Clamp>{}(x, Clamp{low, high});
  }
};
inline constexpr ClampFunction clamp;

/// The op table: rule, number of operands.
// clang-format off
#define TAPEGRAD_ARITHMETIC_OPS(X) \
  X(Add, 2) X(Sub, 2) X(Mul, 2) X(Div, 2) X(Neg, 1) X(AddScalar, 1) X(SubFromScalar, 1) \
  X(MulScalar, 1) X(DivScalar, 1) X(DivideScalar, 1) X(Greater, 2) X(GreaterEqual, 2) X(Where, 3) \
  X(Exp, 1) X(Expm1, 1) X(Log, 1) X(Log1p, 1) X(Sqrt, 1) X(Square, 1) X(Pow, 1) X(Sin, 1) X(Cos, 1) \
  X(Sign, 1) X(Abs, 1) X(Maximum, 2) X(Minimum, 2) X(Clamp, 1)
// clang-format on

TAPEGRAD_ARITHMETIC_OPS(TAPEGRAD_DECLARE_ELEMENTWISE)

template <class T> BasicVar<T> operator+(BasicVar<T> a, BasicVar<T> b) { return record<Add, T, 2>({}, {a, b}); }
template <class T> BasicVar<T> operator-(BasicVar<T> a, BasicVar<T> b) { return record<Sub, T, 2>({}, {a, b}); }
template <class T> BasicVar<T> operator*(BasicVar<T> a, BasicVar<T> b) { return record<Mul, T, 2>({}, {a, b}); }
template <class T> BasicVar<T> operator/(BasicVar<T> a, BasicVar<T> b) { return record<Div, T, 2>({}, {a, b}); }
template <class T> BasicVar<T> operator-(BasicVar<T> x) { return record<Neg, T, 1>({}, {x}); }
template <class T> BasicVar<T> operator+(BasicVar<T> x, double s) { return record<AddScalar, T, 1>({s}, {x}); }
template <class T> BasicVar<T> operator+(double s, BasicVar<T> x) { return x + s; }
template <class T> BasicVar<T> operator-(BasicVar<T> x, double s) { return x + -s; }
template <class T> BasicVar<T> operator-(double s, BasicVar<T> x) { return record<SubFromScalar, T, 1>({s}, {x}); }
template <class T> BasicVar<T> operator*(BasicVar<T> x, double s) { return record<MulScalar, T, 1>({s}, {x}); }
template <class T> BasicVar<T> operator*(double s, BasicVar<T> x) { return x * s; }
template <class T> BasicVar<T> operator/(BasicVar<T> x, double s) { return record<DivScalar, T, 1>({s}, {x}); }
template <class T> BasicVar<T> operator/(double s, BasicVar<T> x) { return record<DivideScalar, T, 1>({s}, {x}); }

// Comparisons give masks of 0 and 1 for where().
template <class T> BasicVar<T> operator>(BasicVar<T> a, BasicVar<T> b) { return record<Greater, T, 2>({}, {a, b}); }
template <class T> BasicVar<T> operator>=(BasicVar<T> a, BasicVar<T> b) {
  return record<GreaterEqual, T, 2>({}, {a, b});
}
template <class T> BasicVar<T> operator<(BasicVar<T> a, BasicVar<T> b) { return b > a; }
template <class T> BasicVar<T> operator<=(BasicVar<T> a, BasicVar<T> b) { return b >= a; }
template <class T> BasicVar<T> operator>(BasicVar<T> x, double s) { return x > x.tape().constant(s); }
template <class T> BasicVar<T> operator>=(BasicVar<T> x, double s) { return x >= x.tape().constant(s); }
template <class T> BasicVar<T> operator<(BasicVar<T> x, double s) { return x.tape().constant(s) > x; }
template <class T> BasicVar<T> operator<=(BasicVar<T> x, double s) { return x.tape().constant(s) >= x; }

}  // namespace tapegrad
