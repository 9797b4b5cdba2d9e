#pragma once

#include <cmath>
#include <limits>

#include "tapegrad/core/types.h"

namespace tapegrad {
inline namespace TAPEGRAD_ABI {

/** A SIMD register of T: what the text of an elementwise rule computes with in the fused kernels (see
 * elementwise.h). As wide as the build allows, down to a single number. Ragged ends of a row run through the
 * same instructions, so a value does not depend on its position or on the size of the batch. */
template <class T> class Pack {
  using Register = typename Eigen::internal::packet_traits<T>::type;

 public:
  using Scalar = T;
  static constexpr int size = Eigen::internal::unpacket_traits<Register>::size;
  /** Whether a part of a register is loaded and stored as fast as all of it. */
#ifdef __AVX512F__
  static constexpr bool masked = size == 16 || (size == 8 && sizeof(T) == 8);
#else
  static constexpr bool masked = size == 1;
#endif

  Pack() = default;
  Pack(double scalar) : v(Eigen::internal::pset1<Register>(static_cast<T>(scalar))) {}
  explicit Pack(Register r) requires(size > 1) : v(r) {}

  static Pack wrap(Register r) {
    Pack p;
    p.v = r;
    return p;
  }
  static Pack broadcast(T scalar) { return wrap(Eigen::internal::pset1<Register>(scalar)); }
  static Pack load(const T* from) { return wrap(Eigen::internal::ploadu<Register>(from)); }
  /** The first `count` numbers; the other lanes repeat the first of them, so they raise nothing new. */
  static Pack load(const T* from, int count) {
    if (count == size) return load(from);
#ifdef __AVX512F__
    if constexpr (size == 16)
      return wrap(_mm512_mask_loadu_ps(broadcast(*from).v, static_cast<__mmask16>((1u << count) - 1), from));
    else if constexpr (size == 8 && sizeof(T) == 8)
      return wrap(_mm512_mask_loadu_pd(broadcast(*from).v, static_cast<__mmask8>((1u << count) - 1), from));
#endif
    T lanes[size];
    for (int i = 0; i < size; ++i) lanes[i] = from[i < count ? i : 0];
    return load(lanes);
  }
  void store(T* to) const { Eigen::internal::pstoreu(to, v); }
  void store(T* to, int count) const {
    if (count == size) return store(to);
#ifdef __AVX512F__
    if constexpr (size == 16)
      return _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), v);
    else if constexpr (size == 8 && sizeof(T) == 8)
      return _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), v);
#endif
    T lanes[size];
    store(lanes);
    for (int i = 0; i < count; ++i) to[i] = lanes[i];
  }
  /** Sum of the first `count` lanes. */
  T sum(int count) const {
    if (count == size) return Eigen::internal::predux(v);
#ifdef __AVX512F__
    if constexpr (size == 16)
      return Eigen::internal::predux(_mm512_maskz_mov_ps(static_cast<__mmask16>((1u << count) - 1), v));
    else if constexpr (size == 8 && sizeof(T) == 8)
      return Eigen::internal::predux(_mm512_maskz_mov_pd(static_cast<__mmask8>((1u << count) - 1), v));
#endif
    T lanes[size];
    store(lanes);
    for (int i = count; i < size; ++i) lanes[i] = T(0);
    return load(lanes).sum(size);
  }
  T first() const { return Eigen::internal::pfirst(v); }

  /** f applied lane by lane, for functions without a vector form. */
  template <class F> Pack lanewise(F f) const {
    T lanes[size];
    store(lanes);
    for (T& lane : lanes) lane = f(lane);
    return load(lanes);
  }

  friend Pack operator+(Pack a, Pack b) { return wrap(Eigen::internal::padd(a.v, b.v)); }
  friend Pack operator-(Pack a, Pack b) { return wrap(Eigen::internal::psub(a.v, b.v)); }
  friend Pack operator*(Pack a, Pack b) { return wrap(Eigen::internal::pmul(a.v, b.v)); }
  friend Pack operator/(Pack a, Pack b) { return wrap(Eigen::internal::pdiv(a.v, b.v)); }
  /** a·b + c, in one rounding where the processor can */
  friend Pack madd(Pack a, Pack b, Pack c) { return wrap(Eigen::internal::pmadd(a.v, b.v, c.v)); }
  friend Pack operator-(Pack a) { return wrap(Eigen::internal::pnegate(a.v)); }

  /** Result of a comparison, for where(). */
  struct Mask {
    Register v;
  };
  friend Mask operator<(Pack a, Pack b) { return {Eigen::internal::pcmp_lt(a.v, b.v)}; }
  friend Mask operator<=(Pack a, Pack b) { return {Eigen::internal::pcmp_le(a.v, b.v)}; }
  friend Mask operator>(Pack a, Pack b) { return b < a; }
  friend Mask operator>=(Pack a, Pack b) { return b <= a; }
  friend Mask operator==(Pack a, Pack b) { return {Eigen::internal::pcmp_eq(a.v, b.v)}; }
  friend Pack select(Mask m, Pack a, Pack b) { return wrap(Eigen::internal::pselect(m.v, a.v, b.v)); }

  Register v;
};

/** Vector functions behind the elementwise ops. Each is accurate to a few units in the last place over the whole
 * range; Eigen's own are repaired at the ends where they are not. */
namespace simd {

template <class T> using Traits = Eigen::internal::packet_traits<T>;

template <class T> Pack<T> abs(Pack<T> x) { return Pack<T>::wrap(Eigen::internal::pabs(x.v)); }
/** Eigen's is an approximation that makes NaN of ∞ and 0 of a denormal number. */
template <class T> Pack<T> sqrt(Pack<T> x) {
  return x.lanewise([](T lane) { return std::sqrt(lane); });
}
/** A NaN on either side stays a NaN. */
template <class T> Pack<T> max(Pack<T> a, Pack<T> b) {
  return Pack<T>::wrap(Eigen::internal::pmax<Eigen::PropagateNaN>(a.v, b.v));
}
template <class T> Pack<T> min(Pack<T> a, Pack<T> b) {
  return Pack<T>::wrap(Eigen::internal::pmin<Eigen::PropagateNaN>(a.v, b.v));
}
/** f(x), a multiple of eˣ for large x, as e·f(x − 1) there: Eigen's exp for 16 floats is infinite from 88.38 on instead
 * of 88.72. */
template <class T, class F> EIGEN_ALWAYS_INLINE Pack<T> with_whole_range(Pack<T> x, F f) {
  if constexpr (sizeof(T) == 4 && Pack<T>::size == 16) {
#ifdef __AVX512F__
    if (_mm512_cmp_ps_mask(x.v, _mm512_set1_ps(88), _CMP_GT_OQ) == 0) return Pack<T>::wrap(f(x.v));
#endif
    const auto large = x > Pack<T>(88);
    const Pack<T> y = Pack<T>::wrap(f(select(large, x - Pack<T>(1), x).v));
    return select(large, y * Pack<T>(2.718281828459045), y);
  } else {
    return Pack<T>::wrap(f(x.v));
  }
}
/** Exact 0 below the smallest normal number, where Eigen's exp stops falling. */
template <class T> Pack<T> exp(Pack<T> x) {
  constexpr double lowest = sizeof(T) == 4 ? -87.3365447505531 : -708.396418532264;
  const Pack<T> y = with_whole_range(x, [](auto v) { return Eigen::internal::pexp(v); });
  return select(x < Pack<T>(lowest), Pack<T>(0), y);
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
template <class T> Pack<T> tanh(Pack<T> x) {
  if constexpr (Traits<T>::HasTanh && Pack<T>::size > 1) return Pack<T>::wrap(Eigen::internal::ptanh(x.v));
  return x.lanewise([](T lane) { return std::tanh(lane); });
}
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
/** exp(x) − 1 */
template <class T> Pack<T> expm1(Pack<T> x) {
  if constexpr (Traits<T>::HasExpm1 && Pack<T>::size > 1)
    return with_whole_range(x, [](auto v) { return Eigen::internal::pexpm1(v); });
  return x.lanewise([](T lane) { return std::expm1(lane); });
}
template <class T> Pack<T> erfc(Pack<T> x) {
  return x.lanewise([](T lane) { return std::erfc(lane); });
}
template <class T> Pack<T> pow(Pack<T> x, double exponent) {
  return x.lanewise([exponent](T lane) { return std::pow(lane, static_cast<T>(exponent)); });
}

}  // namespace simd

}  // namespace TAPEGRAD_ABI
}  // namespace tapegrad
