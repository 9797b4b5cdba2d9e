#pragma once

#include <cmath>
#include <limits>

#include "tapegrad/core/kernels/pack.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> struct ValueAndSlope { Pack<T> value, slope; };

/** Vector functions behind the elementwise ops. Eigen's own are repaired where they are wrong at the ends of the range.
 *
 * The exponential of floats (doubles take Eigen's). Write x = k·ln 2 + r, with k a multiple of 1/s; then
 *
 *     eˣ = 2^⌊k⌋ · 2^(k − ⌊k⌋) · eʳ,   |r| ≤ ln 2 / (2s).
 *
 * The first factor is exact, the second is one of s numbers, and eʳ − 1 is a minimax polynomial (Remez), without a constant
 * term. The larger s, the shorter the polynomial:
 *
 *   PolynomialExponent  s = 1, degree 6; ln 2 is taken off in two parts (Cody & Waite 1980), so r is exact
 *   TableExponent       s = 16, degree 3; the table is one register of AVX-512 (Tang 1989). Half as many instructions
 *
 * Both give k, power() = 2^(k − ⌊k⌋) and expm1_r = eʳ − 1, and every function below puts them together in its own order:
 *
 *   exp            (power + power·expm1_r) · 2^⌊k⌋
 *   exp_minus_abs  p + p·expm1_r with p = power·2^⌊k⌋, which cannot overflow here
 *   expm1          (expm1_r + (1 − 2⁻ᵏ)) · 2ᵏ, without the table
 *   tanh           (p − 1) + p·expm1_r, which is e^(−2|x|) − 1, with the table
 *
 * Largest relative error, measured against doubles: of exp 0.7·2⁻²³ with the polynomial. With the table it is 1.0·2⁻²³ from
 * −5 to 5 and grows to 2.9·2⁻²³ at ±87: ln 2 is taken off in one part, so its rounding is multiplied by k. sigmoid, tanh,
 * their slopes and gauss stay below 3·2⁻²³ and normal_cdf below 4·2⁻²³ where nothing on the way is denormal. */
namespace simd {

template <class T> using Traits = Eigen::internal::packet_traits<T>;

template <class T> Pack<T> abs(Pack<T> x) { return Pack<T>::wrap(Eigen::internal::pabs(x.v)); }
template <class T> Pack<T> minus_abs(Pack<T> x) {
  return Pack<T>::wrap(Eigen::internal::por(x.v, Pack<T>(-0.0).v));
}

#ifdef EIGEN_VECTORIZE_SSE2
inline __m128 correctly_rounded_sqrt(__m128 x) { return _mm_sqrt_ps(x); }
inline __m128d correctly_rounded_sqrt(__m128d x) { return _mm_sqrt_pd(x); }
#endif
#ifdef EIGEN_VECTORIZE_AVX
inline __m256 correctly_rounded_sqrt(__m256 x) { return _mm256_sqrt_ps(x); }
inline __m256d correctly_rounded_sqrt(__m256d x) { return _mm256_sqrt_pd(x); }
#endif
#ifdef EIGEN_VECTORIZE_AVX512
inline __m512 correctly_rounded_sqrt(__m512 x) { return _mm512_sqrt_ps(x); }
inline __m512d correctly_rounded_sqrt(__m512d x) { return _mm512_sqrt_pd(x); }
#endif
/** Eigen's is an approximation that makes NaN of ∞ and 0 of a denormal number. */
template <class T> Pack<T> sqrt(Pack<T> x) {
  if constexpr (requires { correctly_rounded_sqrt(x.v); })
    return Pack<T>::wrap(correctly_rounded_sqrt(x.v));
  else
    return x.lanewise([](T lane) { return std::sqrt(lane); });
}

/** The larger of x and a number; a NaN stays a NaN, because the comparison fails and that gives x. */
template <class T> Pack<T> max(Pack<T> x, double number) {
  return Pack<T>::wrap(Eigen::internal::pmax(x.v, Pack<T>(number).v));
}
template <class T> Pack<T> min(Pack<T> x, double number) {
  return Pack<T>::wrap(Eigen::internal::pmin(x.v, Pack<T>(number).v));
}
/** A NaN on either side stays a NaN. */
template <class T> Pack<T> max(Pack<T> a, Pack<T> b) {
  return select(b == b, Pack<T>::wrap(Eigen::internal::pmax(a.v, b.v)), b);
}
template <class T> Pack<T> min(Pack<T> a, Pack<T> b) {
  return select(b == b, Pack<T>::wrap(Eigen::internal::pmin(a.v, b.v)), b);
}

/** What a·b lost by rounding to `product` (Dekker 1971 where the processor has no fused multiply-add). */
template <class T> Pack<T> product_error(Pack<T> a, Pack<T> b, Pack<T> product) {
#ifdef EIGEN_VECTORIZE_FMA
  if constexpr (Pack<T>::size > 1) return madd(a, b, -product);
#endif
  const auto high = [](Pack<T> x) {
    const Pack<T> c = x * Pack<T>(sizeof(T) == 4 ? 0x1p12 + 1 : 0x1p27 + 1);
    return c - (c - x);
  };
  const Pack<T> a1 = high(a), b1 = high(b), a2 = a - a1, b2 = b - b1;
  return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
}

/** y·2^⌊m⌋; the result may be denormal or infinite. */
template <class T> Pack<T> scaled(Pack<T> y, Pack<T> m) {
#ifdef EIGEN_VECTORIZE_AVX512
  if constexpr (Pack<T>::size == 16) return Pack<T>::wrap(_mm512_scalef_ps(y.v, m.v));
#endif
  return Pack<T>::wrap(Eigen::internal::pldexp(y.v, m.v));
}

/** c₀ + c₁x + c₂x² + … */
template <class T, std::size_t N> Pack<T> polynomial(Pack<T> x, const double (&c)[N]) {
  Pack<T> y(c[N - 1]);
  for (std::size_t i = N - 1; i-- > 0;) y = madd(y, x, Pack<T>(c[i]));
  return y;
}

/** eˣ without a table: k is an integer. Relative error of expm1_r 2⁻²⁶. Floats from −1000 to 1000. */
template <class T> struct PolynomialExponent {
  explicit PolynomialExponent(Pack<T> x) {
    constexpr double shift = 0x1.8p23;  // adding it rounds to an integer
    k = madd(x, Pack<T>(1.4426950408889634), Pack<T>(shift)) - Pack<T>(shift);
    Pack<T> r = madd(k, Pack<T>(-0.693359375), x);  // of few bits: k times it is exact
    r = madd(k, Pack<T>(2.1219444005469058e-4), r);
    constexpr double q[] = {0.500000006329, 0.16666542468, 0.041666280001, 0.00836665815584, 0.00139465396413};
    expm1_r = madd(r * r, polynomial(r, q), r);
  }
  Pack<T> power() const { return Pack<T>(1); }

  Pack<T> k, expm1_r;
};

#ifdef EIGEN_VECTORIZE_AVX512
/** e^(factor·x) with a table: k is a multiple of 1/16. The factor is part of the constants and costs nothing. Relative error
 * of expm1_r 2⁻²³. */
template <int factor> struct TableExponent {
  explicit TableExponent(Pack<float> x) {
    constexpr double shift = 0x1.8p19;  // adding it rounds to sixteenths, and j is in the lowest four bits
    constexpr double c2 = factor * factor * 0.50001466, c3 = factor * factor * factor * 0.16666667;
    const Pack<float> t = madd(x, Pack<float>(factor * 1.4426950408889634), Pack<float>(shift));
    j = _mm512_castps_si512(t.v);
    k = t - Pack<float>(shift);
    const Pack<float> r = madd(k, Pack<float>(-0.6931471805599453 / factor), x);  // divided by the factor
    const Pack<float> q = madd(r, Pack<float>(c3), Pack<float>(c2));
    expm1_r = factor == 1 ? madd(r * r, q, r) : r * madd(r, q, Pack<float>(factor));
  }
  Pack<float> power() const {
    return looked_up(_mm512_setr_ps(1.0F, 1.04427373F, 1.09050775F, 1.13878858F, 1.18920708F, 1.24185777F,
                                    1.29683959F, 1.35425556F, 1.41421354F, 1.47682619F, 1.54221082F, 1.61049032F,
                                    1.68179286F, 1.75625217F, 1.8340081F, 1.91520655F));
  }
  /** Half of what power() lost by rounding */
  Pack<float> half_of_rest() const {
    return looked_up(_mm512_setr_ps(0.0F, 2.416735e-08F, -6.53877e-09F, 2.693111e-08F, 1.898818e-08F, 2.248419e-08F,
                                    -2.0095e-08F, -5.061674e-09F, 1.210162e-08F, -2.250449e-08F, 4.035452e-09F,
                                    4.918109e-09F, -1.237766e-08F, -4.617885e-09F, -5.619639e-09F, 4.922664e-09F));
  }

  Pack<float> k, expm1_r;

 private:
  Pack<float> looked_up(__m512 table) const { return Pack<float>::wrap(_mm512_permutexvar_ps(j, table)); }

  __m512i j;
};
#endif

/// The cheaper one in this build.
#ifdef EIGEN_VECTORIZE_AVX512
template <class T> using Exponent = TableExponent<1>;
#else
template <class T> using Exponent = PolynomialExponent<T>;
#endif

/** Floats: down to the denormal numbers. Doubles: to a quarter of the smallest normal number, where Eigen's stops falling;
 * below that 0. */
template <class T> EIGEN_ALWAYS_INLINE Pack<T> exp(Pack<T> x) {
  if constexpr (sizeof(T) == 4) {
    const Exponent<T> part(min(max(x, -104), 89));
    const Pack<T> power = part.power();
    return scaled(madd(power, part.expm1_r, power), part.k);
  } else {
    const Pack<T> y = Pack<T>::wrap(Eigen::internal::pexp(x.v));
    return select(x < Pack<T>(-709.78), Pack<T>(0), y);
  }
}
/** e^−|x| */
template <class T> EIGEN_ALWAYS_INLINE Pack<T> exp_minus_abs(Pack<T> x) {
#ifdef EIGEN_VECTORIZE_AVX512
  if constexpr (sizeof(T) == 4) {
    const Exponent<T> part(max(minus_abs(x), -104));
    const Pack<T> power = scaled(part.power(), part.k);  // cannot overflow here, and need not wait for the rest
    return madd(power, part.expm1_r, power);
  }
#endif
  return exp(minus_abs(x));
}
/** y·2ᵏ without a denormal number */
template <class Register> Register times_power_of_two(Register y, Register k) {
  return Eigen::internal::pldexp_fast_impl<Register>::run(y, k);
}
/** eˣ for x from −60 to 0 (doubles: from −600): no number on the way is denormal, which saves half of the instructions of a
 * power of two. */
template <class T> EIGEN_ALWAYS_INLINE Pack<T> exp_of_moderate(Pack<T> x) {
  if constexpr (sizeof(T) == 4 && Pack<T>::size == 16) {
    const Exponent<T> part(x);
    const Pack<T> power = scaled(part.power(), part.k);
    return madd(power, part.expm1_r, power);
  } else if constexpr (sizeof(T) == 4 && Pack<T>::size > 1) {
    const PolynomialExponent<T> part(x);
    return Pack<T>::wrap(times_power_of_two((Pack<T>(1) + part.expm1_r).v, part.k.v));
  } else {
    return exp(x);
  }
}
/** Denormal numbers are scaled up first: Eigen's log takes them for the smallest normal one. */
template <class T> Pack<T> log(Pack<T> x) {
  constexpr double scale = 0x1p60;
  constexpr double log_scale = 41.588830833596718565;  // 60 ln 2
  const auto tiny = x < Pack<T>(static_cast<double>(std::numeric_limits<T>::min()));
  const Pack<T> scaled = select(tiny, x * Pack<T>(scale), x);
  const Pack<T> y = Pack<T>::wrap(Eigen::internal::plog(scaled.v));
  return select(tiny, y - Pack<T>(log_scale), y);
}
/** σ(x) and its slope σ(x)·σ(−x), from e^(−|x|): neither of the two factors is a difference. */
template <class T> EIGEN_ALWAYS_INLINE ValueAndSlope<T> sigmoid_and_slope(Pack<T> x) {
  const Pack<T> e = exp_minus_abs(x);
  const Pack<T> larger = Pack<T>(1) / (Pack<T>(1) + e);
  const Pack<T> smaller = e * larger;
  // Rounding must not lift the slope above its bound.
  return {select(x < Pack<T>(0), smaller, larger), min(smaller * larger, 0.25)};
}
/** tanh x and its slope 1 − tanh² x. For 16 floats (1 − e)/(1 + e) with the sign of x, and 4e/(1 + e)², where e is e^(−2|x|).
 * The difference is −((p − 1) + p·(eʳ − 1)) with p = power·2^⌊k⌋, which is 1 near 0: nothing is lost there. Where it is not,
 * what p lost by rounding is put back; further out than k = −1 that is too much, but of no weight. */
template <class T> EIGEN_ALWAYS_INLINE ValueAndSlope<T> tanh_and_slope(Pack<T> x) {
#ifdef EIGEN_VECTORIZE_AVX512
  if constexpr (Pack<T>::size == 16) {
    const TableExponent<2> part(max(minus_abs(x), -52));
    const Pack<T> p = scaled(part.power(), part.k);
    const Pack<T> minus_one = (p - Pack<T>(1)) + madd(p, part.expm1_r, part.half_of_rest());
    const Pack<T> q = Pack<T>(1) / (Pack<T>(2) + minus_one);
    const Pack<T> y = minus_one * q;
    const Pack<T> s = madd(p, part.expm1_r, p) * q;  // e/(1 + e), and the slope is 4s(1 − s)
    const Pack<T> s4 = Pack<T>(4) * s;
    // y ≤ 0: the sign of x is exchanged, not set, so that a NaN stays one
    return {Pack<T>::wrap(Eigen::internal::pxor(y.v, Eigen::internal::pandnot(Pack<T>(-0.0).v, x.v))),
            Pack<T>::wrap(_mm512_fnmadd_ps(s4.v, s.v, s4.v))};
  }
#endif
  const Pack<T> slope = Pack<T>(4) * sigmoid_and_slope(x + x).slope;
  if constexpr (Traits<T>::HasTanh && Pack<T>::size > 1) return {Pack<T>::wrap(Eigen::internal::ptanh(x.v)), slope};
  return {x.lanewise([](T lane) { return std::tanh(lane); }), slope};
}
template <class T> Pack<T> tanh(Pack<T> x) { return tanh_and_slope(x).value; }
template <class T> Pack<T> sin(Pack<T> x) {
  if constexpr (Traits<T>::HasSin && Pack<T>::size > 1) return Pack<T>::wrap(Eigen::internal::psin(x.v));
  return x.lanewise([](T lane) { return std::sin(lane); });
}
template <class T> Pack<T> cos(Pack<T> x) {
  if constexpr (Traits<T>::HasCos && Pack<T>::size > 1) return Pack<T>::wrap(Eigen::internal::pcos(x.v));
  return x.lanewise([](T lane) { return std::cos(lane); });
}
/** log(1 + x) */
template <class T> Pack<T> log1p(Pack<T> x) {
  if constexpr (Traits<T>::HasLog1p && Pack<T>::size > 1) return Pack<T>::wrap(Eigen::internal::plog1p(x.v));
  return x.lanewise([](T lane) { return std::log1p(lane); });
}
/** log(1 + x) for x from 0 to 1: 2 artanh s with s = x/(2 + x), written x − s(x − s²·L(s²)), which rounds better.
 * L is a minimax polynomial: relative error 2⁻²⁷. */
template <class T> Pack<T> log1p_of_fraction(Pack<T> x) {
  if constexpr (sizeof(T) == 4) {
    constexpr double l[] = {0.666664131447, 0.40021698578, 0.27999143113, 0.28024474029};
    const Pack<T> s = x / (Pack<T>(2) + x);
    const Pack<T> z = s * s;
    return madd(s, madd(z, polynomial(z, l), -x), x);
  } else {
    return log1p(x);
  }
}
/** exp(x) − 1. Floats: (eʳ − 1 + (1 − 2⁻ᵏ))·2ᵏ, so that nothing overflows before the result does; but below −1 as it
 * stands, where nothing cancels and 1 − 2⁻ᵏ would lose the 1. */
template <class T> EIGEN_ALWAYS_INLINE Pack<T> expm1(Pack<T> x) {
  if constexpr (sizeof(T) == 4) {
    const PolynomialExponent<T> part(min(max(x, -80), 89));
    const Pack<T> e = part.expm1_r;
    return select(x < Pack<T>(-1), scaled(Pack<T>(1) + e, part.k) - Pack<T>(1),
                  scaled(e + (Pack<T>(1) - scaled(Pack<T>(1), -part.k)), part.k));
  } else {
    return x.lanewise([](T lane) { return std::expm1(lane); });
  }
}
/** e^(−x²/2). What x² loses by rounding is put back, or the result would be wrong by x² units. */
template <class T> EIGEN_ALWAYS_INLINE Pack<T> gauss(Pack<T> x) {
  const Pack<T> a = min(abs(x), sizeof(T) == 4 ? 14.5 : 39);
  const Pack<T> square = a * a;
  const Pack<T> e = exp(Pack<T>(-0.5) * square);
  return madd(e, Pack<T>(-0.5) * product_error(a, a, square), e);
}
/** Φ(−a)·e^(a²/2) of floats for a from 0 to 14.5: t·P(q), where t = 1/(a + K) and q = A − B·t runs from −1 to 1; P is a
 * minimax polynomial: relative error 2⁻²⁷. */
inline Pack<float> normal_tail_by_gauss(Pack<float> a) {
  constexpr double K = 3.5, A = 1.4827586206896552, B = 8.6896551724137931;
  constexpr double p[] = {0.867188302966,   -0.565379847937,  0.250826544109,     -0.0662314442168,
                          0.00398294796567, 0.00327375263307, -0.000580223811281, -0.00022024931226,
                          4.04635600704e-5, 1.58110350536e-5};
  const Pack<float> t = Pack<float>(1) / (a + Pack<float>(K));
  return t * polynomial(madd(t, Pack<float>(-B), Pack<float>(A)), p);
}
/** Φ(−a) of doubles for a ≥ 0: erfc(z)/2 with z = a/√2. What z lost by rounding, times −erfc′/erfc ≈ z + √(z² + 4/π), is put
 * back, or the result would be wrong by a² units. */
inline Pack<double> normal_tail(Pack<double> a) {
  constexpr double root_half = 0.70710678118654752440, rest = -4.8336466567264567e-17;
  const Pack<double> z = a * Pack<double>(root_half);
  const Pack<double> lost = madd(a, Pack<double>(rest), product_error(a, Pack<double>(root_half), z));
  const Pack<double> y = z.lanewise([](double lane) { return 0.5 * std::erfc(lane); });
  return y - y * (lost * (z + sqrt(madd(z, z, Pack<double>(1.2732395447351628)))));
}
/** Φ(x), the standard normal distribution: erfc(−x/√2) / 2. */
template <class T> EIGEN_ALWAYS_INLINE Pack<T> normal_cdf(Pack<T> x) {
  Pack<T> tail;
  if constexpr (sizeof(T) == 4)
    tail = gauss(x) * normal_tail_by_gauss(min(abs(x), 14.5));
  else
    tail = normal_tail(min(abs(x), 39));
  return select(x < Pack<T>(0), tail, Pack<T>(1) - tail);
}

/// The functions x·s(x) below, where s is 1 on the right and falls to 0 on the left, are max(x, 0) − a·s(−a) with a = |x|. So
/// the left tail is a product without a factor that is smaller than itself, and a is held where s(−a) is 0: at −∞ nothing
/// becomes NaN. The slope is t = s(−a) − a·s′(−a) on the left, else 1 − t.

/** x·Φ(x) and its slope */
template <class T> EIGEN_ALWAYS_INLINE ValueAndSlope<T> gelu_and_slope(Pack<T> x) {
  constexpr double density = 0.39894228040143267794;  // φ(0)
  const Pack<T> a = min(abs(x), sizeof(T) == 4 ? 14.5 : 39);
  const Pack<T> e = gauss(a);
  Pack<T> product, t;
  if constexpr (sizeof(T) == 4) {
    const Pack<T> tail = normal_tail_by_gauss(a);
    product = (a * tail) * e;
    t = (tail - a * Pack<T>(density)) * e;
  } else {
    const Pack<T> tail = normal_tail(a);
    product = a * tail;
    t = tail - a * (Pack<T>(density) * e);
  }
  return {max(x, 0) - product, select(x < Pack<T>(0), t, Pack<T>(1) - t)};
}
/** x·σ(u) and its slope, for a function u of x that is odd: from h = e^(−|u|/2) and w = a·u′. */
template <class T> EIGEN_ALWAYS_INLINE ValueAndSlope<T> times_sigmoid(Pack<T> x, Pack<T> a, Pack<T> h, Pack<T> w) {
  const Pack<T> larger = Pack<T>(1) / madd(h, h, Pack<T>(1));  // σ(|u|)
  const Pack<T> root = h * larger;
  const Pack<T> t = root * (h - h * (w * larger));
  return {max(x, 0) - root * (h * a), select(x < Pack<T>(0), t, Pack<T>(1) - t)};
}
/** x·σ(βx) and its slope */
template <class T> EIGEN_ALWAYS_INLINE ValueAndSlope<T> swish_and_slope(Pack<T> x, double beta) {
  const Pack<T> a = min(abs(x), (sizeof(T) == 4 ? 120 : 800) / beta);
  return times_sigmoid(x, a, exp_of_moderate(a * Pack<T>(-0.5 * beta)), a * Pack<T>(beta));
}
/** x·σ(u) with u = 2√(2/π)(x + 0.044715x³), and its slope. Of −|u|/2 = a·(A + B·a²) only a few units may be lost, out to −400:
 * a is divided into b, of few bits, and c. Then the part of A and B that has few bits, too, gives an exact number, and the
 * rest is small. */
template <class T> EIGEN_ALWAYS_INLINE ValueAndSlope<T> gelu_tanh_and_slope(Pack<T> x) {
  constexpr bool single = sizeof(T) == 4;
  constexpr double A = -0.79788456080286535588, B = -0.035677408136300125;
  constexpr double A1 = single ? -0x1.9888p-1 : -0x1.9884533d8p-1, B1 = single ? -0x1.2p-5 : -0x1.2448p-5;
  constexpr double A2 = single ? 2.80368534e-5 : 2.7560115187536468e-11;  // A − A1
  constexpr double B2 = single ? -5.21158136e-4 : 1.4553890905006118e-6;
  constexpr double shift = single ? 0x1.8p20 : 0x1.8p44;  // adding it rounds to eighths, or to 2⁻⁸
  const Pack<T> a = min(abs(x), single ? 11.2 : 22);
  const Pack<T> b = (a + Pack<T>(shift)) - Pack<T>(shift);
  const Pack<T> c = a - b;
  const Pack<T> b2 = b * b;
  const Pack<T> exact = b * (b2 * Pack<T>(B1) + Pack<T>(A1));
  const Pack<T> rest =
      madd(c, madd(madd(a, a + b, b2), Pack<T>(B), Pack<T>(A)), b * madd(b2, Pack<T>(B2), Pack<T>(A2)));
  const Pack<T> v = exact + rest;
  const Pack<T> h = exp_of_moderate(v);
  const Pack<T> lost = rest - (v - exact);
  return times_sigmoid(x, a, madd(h, lost, h), a * madd(a * a, Pack<T>(-6 * B), Pack<T>(-2 * A)));
}
/** x·tanh(ln(1 + eˣ)) and its slope. With e = e^(−a) the factor is n/d·(1 or e) and its slope 4(e² or 1)(1 + e)/d²·(1 or e),
 * where n = 1 + 2e and d = n + 2e² on the right, n = 2 + e and d = 2 + n·e on the left. */
template <class T> EIGEN_ALWAYS_INLINE ValueAndSlope<T> mish_and_slope(Pack<T> x) {
  constexpr double far = sizeof(T) == 4 ? 120 : 800;
  const Pack<T> from = max(x, -far), held = min(from, far);
  const Pack<T> h = exp_of_moderate(minus_abs(held) * Pack<T>(0.5));
  const Pack<T> e = h * h;
  const auto right = Pack<T>(0) < x;
  const Pack<T> n = select(right, Pack<T>(1) + (e + e), Pack<T>(2) + e);
  const Pack<T> r = Pack<T>(1) / select(right, n + (e + e) * e, Pack<T>(2) + n * e);
  const Pack<T> root = select(right, Pack<T>(1), h);
  const Pack<T> k = (held * r) * (select(right, e * e, Pack<T>(1)) * (Pack<T>(1) + e));
  return {(from * root) * (n * r * root), (n + Pack<T>(4) * k) * r * root * root};
}
template <class T> Pack<T> pow(Pack<T> x, double exponent) {
  return x.lanewise([exponent](T lane) { return std::pow(lane, static_cast<T>(exponent)); });
}
template <class T> Pack<T> pow(Pack<T> x, Pack<T> exponents) {
  typename Pack<T>::Numbers lanes;
  exponents.store(lanes);
  return x.lanewise([exponent = lanes](T lane) mutable { return std::pow(lane, *exponent++); });
}

}  // namespace simd

}  // namespace tapegrad
