#include "tapegrad/core/reduction.h"

#include <cmath>
#include <functional>

#include "tapegrad/core/arithmetic.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using elementwise::accumulate;
using elementwise::map;
using elementwise::Operand;
using elementwise::operand;

/** Calls body(result index, first element, step, count) for every group that is reduced to one number. */
template <class Body> void for_each_group(Shape shape, Axis axis, Body&& body) {
  if (axis == Axis::all) {
    body(Index{0}, Index{0}, Index{1}, shape.size());
  } else if (axis == Axis::rows) {
    for (Index col = 0; col < shape.cols; ++col) body(col, col, shape.cols, shape.rows);
  } else {
    for (Index row = 0; row < shape.rows; ++row) body(row, row * shape.cols, Index{1}, shape.cols);
  }
}

}  // namespace

void detail::require_elements(std::string_view op, Shape shape, Axis axis) {
  const Index count = axis == Axis::all ? shape.size() : axis == Axis::rows ? shape.rows : shape.cols;
  if (count == 0) fail(op, "nothing to reduce: the input is " + to_string(shape));
}

/** sum and mean: scale · Σ over the dimensions in which the result has size 1. */
template <class T> struct ScaledSum {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    const double scale = at.template attributes<double>();
    return broadcast_to(scale == 1 ? at.g : at.g * scale, at.x(0).shape());
  }
  template <class Rule> static BasicVar<T> record(Rule rule, BasicVar<T> x, Shape target, double scale) {
    BasicTape<T>& tape = x.tape();
    T* out = tape.allocate(target);
    const std::array in{operand(x.value().data(), x.shape(), x.shape())};
    accumulate(x.shape(), in, GradSink<T>{out, false}, target, [](Pack<T> v) { return v; });
    if (scale != 1)
      for (Index i = 0; i < target.size(); ++i) out[i] = static_cast<T>(static_cast<double>(out[i]) * scale);
    return tape.push(rule, target, out, {x}, tape.remember(scale));
  }
};

template <class T> struct Sum : ScaledSum<T> {
  static constexpr Op<T> op{.name = "sum", .vjp = &ScaledSum<T>::vjp};
};
template <class T> BasicVar<T> sum_to(BasicVar<T> x, Shape shape) {
  return x.shape() == shape ? x : Sum<T>::record(Sum<T>(), x, shape, 1);
}
template <class T> BasicVar<T> sum(BasicVar<T> x, Axis axis) {
  return Sum<T>::record(Sum<T>(), x, reduced(x.shape(), axis), 1);
}

template <class T> struct Mean : ScaledSum<T> {
  static constexpr Op<T> op{.name = "mean", .vjp = &ScaledSum<T>::vjp};
};
template <class T> BasicVar<T> mean(BasicVar<T> x, Axis axis) {
  detail::require_elements("mean", x.shape(), axis);
  const Shape target = reduced(x.shape(), axis);
  const double scale = static_cast<double>(target.size()) / static_cast<double>(x.shape().size());
  return Mean<T>::record(Mean<T>(), x, target, scale);
}

template <class T> struct BroadcastTo {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) { return sum_to(at.g, at.x(0).shape()); }
  static constexpr Op<T> op{.name = "broadcast_to", .vjp = &vjp};
};
template <class T> BasicVar<T> broadcast_to(BasicVar<T> x, Shape shape) {
  if (x.shape() == shape) return x;
  const std::array shapes{shape, x.shape()};
  if (elementwise::broadcast_shape("broadcast_to", shapes) != shape)
    fail("broadcast_to", to_string(x.shape()) + " does not fit into " + to_string(shape));
  BasicTape<T>& tape = x.tape();
  T* out = tape.allocate(shape);
  const std::array in{operand(x.value().data(), x.shape(), shape)};
  map(shape, in, out, [](Pack<T> v) { return v; });
  return tape.push(BroadcastTo<T>(), shape, out, {x});
}

/** max and min: the gradient goes to the extreme elements, in equal parts. */
template <class T, bool largest> struct Extreme {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    const BasicVar<T> x = at.x(0);
    const BasicVar<T> chosen = largest ? x >= at.y() : x <= at.y();
    const BasicVar<T> ties = sum(chosen, at.template attributes<Axis>());
    return where(chosen, broadcast_to(at.g / ties, x.shape()), 0.0);
  }
  /// Whether each element is the extreme one: it changes when another element takes over.
  static void pieces(At<T> at, std::vector<double>& out) {
    const Node<T>& x = at.x(0);
    for_each_group(x.shape(), at.template attributes<Axis>(), [&](Index i, Index first, Index step, Index count) {
      for (Index k = 0; k < count; ++k) out.push_back(x.value[first + k * step] == at.y()[i]);
    });
  }
  static constexpr Op<T> op{.name = largest ? "max" : "min", .vjp = &vjp, .pieces = &pieces};

  static BasicVar<T> record(BasicVar<T> x, Axis axis) {
    BasicTape<T>& tape = x.tape();
    detail::require_elements(op.name, x.shape(), axis);
    const Shape target = reduced(x.shape(), axis);
    const T* in = x.value().data();
    T* out = tape.allocate(target);
    for_each_group(x.shape(), axis, [&](Index i, Index first, Index step, Index count) {
      T best = in[first];
      for (Index k = 1; k < count; ++k) {
        const T candidate = in[first + k * step];
        const bool better = largest ? candidate > best : candidate < best;
        if (better || std::isnan(candidate)) best = candidate;
      }
      out[i] = best;
    });
    return tape.push(Extreme(), target, out, {x}, tape.remember(axis));
  }
};
template <class T> BasicVar<T> max(BasicVar<T> x, Axis axis) { return Extreme<T, true>::record(x, axis); }
template <class T> BasicVar<T> min(BasicVar<T> x, Axis axis) { return Extreme<T, false>::record(x, axis); }

template <class T> struct LogSumExp {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) { return at.g * exp(at.x(0) - at.y()); }
  static constexpr Op<T> op{.name = "logsumexp", .vjp = &vjp};
};
template <class T> BasicVar<T> logsumexp(BasicVar<T> x, Axis axis) {
  BasicTape<T>& tape = x.tape();
  const Shape shape = x.shape();
  detail::require_elements("logsumexp", shape, axis);
  const Shape target = reduced(shape, axis);
  const T* in = x.value().data();
  T* largest = tape.allocate(target);
  for_each_group(shape, axis, [&](Index i, Index first, Index step, Index count) {
    largest[i] = in[first];
    for (Index k = 1; k < count; ++k) largest[i] = std::max(largest[i], in[first + k * step]);
    if (std::isinf(largest[i])) largest[i] = 0;  // all −∞, or one +∞: nothing to take out
  });
  T* out = tape.allocate(target);
  const std::array operands{operand(in, shape, shape), operand(static_cast<const T*>(largest), target, shape)};
  accumulate(shape, operands, GradSink<T>{out, false}, target,
             [](Pack<T> v, Pack<T> m) { return simd::exp(v - m); });
  for (Index i = 0; i < target.size(); ++i) out[i] = largest[i] + std::log(out[i]);
  return tape.push(LogSumExp<T>(), target, out, {x});
}

#define TAPEGRAD_FUNCTIONS(T)                        \
  template BasicVar<T> sum_to(BasicVar<T>, Shape);   \
  template BasicVar<T> sum(BasicVar<T>, Axis);       \
  template BasicVar<T> mean(BasicVar<T>, Axis);      \
  template BasicVar<T> max(BasicVar<T>, Axis);       \
  template BasicVar<T> min(BasicVar<T>, Axis);       \
  template BasicVar<T> logsumexp(BasicVar<T>, Axis); \
  template BasicVar<T> broadcast_to(BasicVar<T>, Shape);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
