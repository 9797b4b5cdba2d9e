#pragma once

#include <concepts>
#include <type_traits>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

namespace detail {

/** How lanes of a register are compared and selected: by a register whose lanes are all ones or all zeros. */
template <class T, int size> struct Lanes {
  static constexpr bool maskable = false;
  using Register = typename Eigen::internal::packet_traits<T>::type;
  struct Mask {
    Register v;
  };
  static Mask less(Register a, Register b) { return {Eigen::internal::pcmp_lt(a, b)}; }
  static Mask less_equal(Register a, Register b) { return {Eigen::internal::pcmp_le(a, b)}; }
  static Mask equal(Register a, Register b) { return {Eigen::internal::pcmp_eq(a, b)}; }
  static Register select(Mask m, Register a, Register b) { return Eigen::internal::pselect(m.v, a, b); }
};

#ifdef EIGEN_VECTORIZE_AVX512
/// AVX-512 compares into a mask register, which also limits loads and stores to the first lanes. Eigen 3.4 expands the mask to
/// lanes, and compares those again to select.
template <> struct Lanes<float, 16> {
  static constexpr bool maskable = true;
  struct Mask {
    __mmask16 v;
  };
  static Mask less(__m512 a, __m512 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)}; }
  static Mask less_equal(__m512 a, __m512 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ)}; }
  static Mask equal(__m512 a, __m512 b) { return {_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ)}; }
  static __m512 select(Mask m, __m512 a, __m512 b) { return _mm512_mask_blend_ps(m.v, b, a); }
  static Mask first(int count) { return {static_cast<__mmask16>((1u << count) - 1)}; }
  static __m512 load(Mask m, const float* from, __m512 elsewhere) {
    return _mm512_mask_loadu_ps(elsewhere, m.v, from);
  }
  static void store(Mask m, float* to, __m512 v) { _mm512_mask_storeu_ps(to, m.v, v); }
};
template <> struct Lanes<double, 8> {
  static constexpr bool maskable = true;
  struct Mask {
    __mmask8 v;
  };
  static Mask less(__m512d a, __m512d b) { return {_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ)}; }
  static Mask less_equal(__m512d a, __m512d b) { return {_mm512_cmp_pd_mask(a, b, _CMP_LE_OQ)}; }
  static Mask equal(__m512d a, __m512d b) { return {_mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ)}; }
  static __m512d select(Mask m, __m512d a, __m512d b) { return _mm512_mask_blend_pd(m.v, b, a); }
  static Mask first(int count) { return {static_cast<__mmask8>((1u << count) - 1)}; }
  static __m512d load(Mask m, const double* from, __m512d elsewhere) {
    return _mm512_mask_loadu_pd(elsewhere, m.v, from);
  }
  static void store(Mask m, double* to, __m512d v) { _mm512_mask_storeu_pd(to, m.v, v); }
};
#endif

}  // namespace detail

template <class N>
concept Number = std::is_arithmetic_v<N>;

/** A SIMD register of T: what an elementwise rule computes with in the fused kernels (see elementwise.h). As wide as the
 * build allows, down to a single number. The ragged end of a row runs through the same instructions, so a value does not
 * depend on its position or on the size of the batch. */
template <class T> class Pack {
  using Register = typename Eigen::internal::packet_traits<T>::type;

 public:
  using Scalar = T;
  static constexpr int size = Eigen::internal::unpacket_traits<Register>::size;
  using Lanes = detail::Lanes<T, size>;
  using Numbers = T[std::size_t{size}];
  /** Whether a part of a register is loaded and stored as fast as a whole one. */
  static constexpr bool masked = Lanes::maskable || size == 1;

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
    if constexpr (Lanes::maskable) return wrap(Lanes::load(Lanes::first(count), from, broadcast(*from).v));
    Numbers lanes;
    for (int i = 0; i < size; ++i) lanes[i] = from[i < count ? i : 0];
    return load(lanes);
  }
  void store(T* to) const { Eigen::internal::pstoreu(to, v); }
  void store(T* to, int count) const {
    if (count == size) return store(to);
    if constexpr (Lanes::maskable) return Lanes::store(Lanes::first(count), to, v);
    Numbers lanes;
    store(lanes);
    for (int i = 0; i < size; ++i)
      if (i < count) to[i] = lanes[i];
  }
  /** Sum of the first `count` lanes. */
  EIGEN_ALWAYS_INLINE T sum(int count) const {
    if (count == size) return Eigen::internal::predux(v);
    if constexpr (Lanes::maskable)
      return Eigen::internal::predux(Lanes::select(Lanes::first(count), v, broadcast(T(0)).v));
    Numbers lanes;
    store(lanes);
    for (int i = count; i < size; ++i) lanes[i] = T(0);
    return Eigen::internal::predux(load(lanes).v);
  }
  T first() const { return Eigen::internal::pfirst(v); }

  /** f applied lane by lane, for functions without a vector form. */
  template <class F> Pack lanewise(F f) const {
    Numbers lanes;
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
    using Operand = Pack;
    typename Lanes::Mask lanes;

    template <std::same_as<bool> B> explicit operator B() const {
      static_assert(sizeof(B) == 0,
                    "a condition holds for each element of its own: write tg::where(x > 0, a, b) "
                    "instead of if and ?:, and tg::maximum(a, b) instead of std::max");
    }
  };
  friend Mask operator<(Pack a, Pack b) { return {Lanes::less(a.v, b.v)}; }
  friend Mask operator<=(Pack a, Pack b) { return {Lanes::less_equal(a.v, b.v)}; }
  friend Mask operator>(Pack a, Pack b) { return b < a; }
  friend Mask operator>=(Pack a, Pack b) { return b <= a; }
  friend Mask operator==(Pack a, Pack b) { return {Lanes::equal(a.v, b.v)}; }
  // Exact matches beside the conversion below.
#define TAPEGRAD_WITH_NUMBER(op)                                                                         \
  template <Number N> friend auto operator op(Pack a, N b) { return a op Pack(static_cast<double>(b)); } \
  template <Number N> friend auto operator op(N a, Pack b) { return Pack(static_cast<double>(a)) op b; }
  TAPEGRAD_WITH_NUMBER(+)
  TAPEGRAD_WITH_NUMBER(-)
  TAPEGRAD_WITH_NUMBER(*)
  TAPEGRAD_WITH_NUMBER(/)
  TAPEGRAD_WITH_NUMBER(<)
  TAPEGRAD_WITH_NUMBER(<=)
  TAPEGRAD_WITH_NUMBER(>)
  TAPEGRAD_WITH_NUMBER(>=)
  TAPEGRAD_WITH_NUMBER(==)
#undef TAPEGRAD_WITH_NUMBER
  /** A Pack is never a number; the conversion is there to say so where std::tanh(x) would take one. */
  operator double() const {
    static_assert(sizeof(T) == 0,
                  "value() of an activation must use tapegrad's functions: tg::tanh(x), not std::tanh(x)");
    return 0;
  }

  friend Pack select(Mask m, Pack a, Pack b) { return wrap(Lanes::select(m.lanes, a.v, b.v)); }

  Register v;
};

}  // namespace tapegrad
