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

template <class T> const Node<T>& parent_of(const BasicTape<T>& tape, const Node<T>& node, std::size_t k = 0) {
  return tape.node(node.parents[k]);
}

void require_elements(std::string_view op, Shape shape, Axis axis) {
  const Index count = axis == Axis::all ? shape.size() : axis == Axis::rows ? shape.rows : shape.cols;
  if (count == 0) fail(op, "nothing to reduce: the input is " + to_string(shape));
}

/** sum and mean: scale · Σ over the dimensions in which the result has size 1. */
template <class T> struct ScaledSum {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const Shape shape = tape.node(x).shape();
    const double scale = *static_cast<const double*>(node.attributes);
    const std::array in{operand(static_cast<const T*>(node.grad), node.shape(), shape)};
    accumulate(shape, in, sink, shape, [scale](Pack<T> g) { return g * scale; });
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const double scale = at.template attributes<double>();
    const BasicVar<T> g = scale == 1 ? at.g : at.g * scale;
    return broadcast_to(g, at.parent(0).shape());
  }
  static constexpr Op<T> sum_op{.name = "sum", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
  static constexpr Op<T> mean_op{.name = "mean", .pull_back = &pull_back, .taped_vjp = &taped_vjp};

  static BasicVar<T> record(const Op<T>& op, BasicVar<T> x, Shape target, double scale) {
    BasicTape<T>& tape = x.tape();
    const Shape shape = x.shape();
    T* out = tape.allocate(target);
    const std::array in{operand(x.value().data(), shape, shape)};
    accumulate(shape, in, GradSink<T>{out, false}, target, [](Pack<T> v) { return v; });
    if (scale != 1)
      for (Index i = 0; i < target.size(); ++i) out[i] = static_cast<T>(static_cast<double>(out[i]) * scale);
    return tape.push(op, target, out, {x}, tape.remember(scale));
  }
};

template <class T> struct BroadcastTo {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const std::array in{operand(static_cast<const T*>(node.grad), node.shape(), node.shape())};
    accumulate(node.shape(), in, sink, tape.node(x).shape(), [](Pack<T> g) { return g; });
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    return sum_to(at.g, at.parent(0).shape());
  }
  static constexpr Op<T> op{.name = "broadcast_to", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

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

/** max and min: the gradient goes to the extreme elements, in equal parts. */
template <class T, bool largest> struct Extreme {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const Node<T>& in = tape.node(x);
    const Axis axis = *static_cast<const Axis*>(node.attributes);
    for_each_group(in.shape(), axis, [&](Index i, Index first, Index step, Index count) {
      Index ties = 0;
      for (Index k = 0; k < count; ++k) ties += in.value[first + k * step] == node.value[i];
      for (Index k = 0; k < count; ++k) {
        const Index at = first + k * step;
        const T part = in.value[at] == node.value[i] ? node.grad[i] / static_cast<T>(ties) : T(0);
        sink.data[at] = sink.add ? sink.data[at] + part : part;
      }
    });
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const BasicVar<T> x = at.parent(0);
    const BasicVar<T> chosen = largest ? x >= at.y() : x <= at.y();
    const BasicVar<T> ties = sum(chosen, at.template attributes<Axis>());
    return where(chosen, broadcast_to(at.g / ties, x.shape()), 0.0);
  }
  /// Each element's sign against the extreme one: it changes when another element takes over.
  static void pieces(const BasicTape<T>& tape, NodeIndex self, std::vector<double>& out) {
    const Node<T>& node = tape.node(self);
    const Node<T>& in = parent_of(tape, node);
    for_each_group(in.shape(), *static_cast<const Axis*>(node.attributes),
                   [&](Index i, Index first, Index step, Index count) {
                     for (Index k = 0; k < count; ++k) out.push_back(in.value[first + k * step] == node.value[i]);
                   });
  }
  static constexpr Op<T> op{
      .name = largest ? "max" : "min", .pull_back = &pull_back, .taped_vjp = &taped_vjp, .pieces = &pieces};

  static BasicVar<T> record(BasicVar<T> x, Axis axis) {
    BasicTape<T>& tape = x.tape();
    require_elements(op.name, x.shape(), axis);
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
    return tape.push(op, target, out, {x}, tape.remember(axis));
  }
};

template <class T> struct LogSumExp {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const Node<T>& in = tape.node(x);
    const Shape shape = in.shape();
    const std::array operands{operand(static_cast<const T*>(node.grad), node.shape(), shape),
                              operand(static_cast<const T*>(in.value), shape, shape),
                              operand(static_cast<const T*>(node.value), node.shape(), shape)};
    accumulate(shape, operands, sink, shape, [](Pack<T> g, Pack<T> v, Pack<T> y) { return g * simd::exp(v - y); });
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    return at.g * exp(at.parent(0) - at.y());
  }
  static constexpr Op<T> op{.name = "logsumexp", .pull_back = &pull_back, .taped_vjp = &taped_vjp};

  static BasicVar<T> record(BasicVar<T> x, Axis axis) {
    BasicTape<T>& tape = x.tape();
    const Shape shape = x.shape();
    require_elements(op.name, shape, axis);
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
    return tape.push(op, target, out, {x});
  }
};

template <class T> struct Standardize {
  struct Attributes {
    Axis axis;
    double eps;
    const T* inverse_std;
  };

  /// dx = (g − mean(g) − y·mean(g·y)) / σ over each group.
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const Shape shape = node.shape();
    const auto& attributes = *static_cast<const Attributes*>(node.attributes);
    const Shape target = reduced(shape, attributes.axis);
    if (shape.size() == 0) return;
    const T inverse_count = T(1) / static_cast<T>(shape.size() / target.size());
    T* mean_g = tape.allocate(target);
    T* mean_gy = tape.allocate(target);
    const auto whole = [&](const T* data) { return operand(data, shape, shape); };
    const auto group = [&](const T* data) { return operand(data, target, shape); };
    accumulate(shape, std::array{whole(node.grad)}, GradSink<T>{mean_g, false}, target,
               [=](Pack<T> g) { return g * static_cast<double>(inverse_count); });
    accumulate(shape, std::array{whole(node.grad), whole(node.value)}, GradSink<T>{mean_gy, false}, target,
               [=](Pack<T> g, Pack<T> y) { return g * y * static_cast<double>(inverse_count); });
    const std::array operands{whole(node.grad), whole(node.value), group(mean_g), group(mean_gy),
                              group(attributes.inverse_std)};
    accumulate(shape, operands, sink, shape,
               [](Pack<T> g, Pack<T> y, Pack<T> mg, Pack<T> mgy, Pack<T> s) { return (g - mg - y * mgy) * s; });
  }
  /// The same on the tape, where 1/σ is recorded again because it depends on x.
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const auto [axis, eps, inverse_std_values] = at.template attributes<Attributes>();
    const BasicVar<T> x = at.parent(0);
    const BasicVar<T> y = at.y();
    const BasicVar<T> variance = mean(square(x - mean(x, axis)), axis);
    const BasicVar<T> inverse_std = 1.0 / sqrt(variance + eps);
    return (at.g - mean(at.g, axis) - y * mean(at.g * y, axis)) * inverse_std;
  }
  static constexpr Op<T> op{.name = "standardize", .pull_back = &pull_back, .taped_vjp = &taped_vjp};

  static BasicVar<T> record(BasicVar<T> x, Axis axis, double eps) {
    BasicTape<T>& tape = x.tape();
    const Shape shape = x.shape();
    require_elements(op.name, shape, axis);
    if (!(eps >= 0)) fail(op.name, "eps must not be negative, got " + to_string(eps));
    const Shape target = reduced(shape, axis);
    const double inverse_count = static_cast<double>(target.size()) / static_cast<double>(shape.size());
    T* mean = tape.allocate(target);
    T* inverse_std = tape.allocate(target);
    T* out = tape.allocate(shape);
    const Operand<T> whole = operand(x.value().data(), shape, shape);
    const Operand<T> centre = operand(static_cast<const T*>(mean), target, shape);
    accumulate(shape, std::array{whole}, GradSink<T>{mean, false}, target,
               [=](Pack<T> v) { return v * inverse_count; });
    accumulate(shape, std::array{whole, centre}, GradSink<T>{inverse_std, false}, target,
               [=](Pack<T> v, Pack<T> m) { return (v - m) * (v - m) * inverse_count; });
    for (Index i = 0; i < target.size(); ++i)
      inverse_std[i] = T(1) / std::sqrt(inverse_std[i] + static_cast<T>(eps));
    const Operand<T> scale = operand(static_cast<const T*>(inverse_std), target, shape);
    map(shape, std::array{whole, centre, scale}, out, [](Pack<T> v, Pack<T> m, Pack<T> s) { return (v - m) * s; });
    return tape.push(op, shape, out, {x}, tape.remember(Attributes{axis, eps, inverse_std}));
  }
};

}  // namespace

template <class T> BasicVar<T> sum_to(BasicVar<T> x, Shape shape) {
  return x.shape() == shape ? x : ScaledSum<T>::record(ScaledSum<T>::sum_op, x, shape, 1);
}

template <class T> BasicVar<T> sum(BasicVar<T> x, Axis axis) {
  return ScaledSum<T>::record(ScaledSum<T>::sum_op, x, reduced(x.shape(), axis), 1);
}

template <class T> BasicVar<T> mean(BasicVar<T> x, Axis axis) {
  require_elements("mean", x.shape(), axis);
  const Shape target = reduced(x.shape(), axis);
  const double scale = static_cast<double>(target.size()) / static_cast<double>(x.shape().size());
  return ScaledSum<T>::record(ScaledSum<T>::mean_op, x, target, scale);
}

template <class T> BasicVar<T> max(BasicVar<T> x, Axis axis) { return Extreme<T, true>::record(x, axis); }

template <class T> BasicVar<T> min(BasicVar<T> x, Axis axis) { return Extreme<T, false>::record(x, axis); }

template <class T> BasicVar<T> logsumexp(BasicVar<T> x, Axis axis) { return LogSumExp<T>::record(x, axis); }

template <class T> BasicVar<T> standardize(BasicVar<T> x, Axis axis, double eps) {
  return Standardize<T>::record(x, axis, eps);
}

template <class T> BasicVar<T> broadcast_to(BasicVar<T> x, Shape shape) {
  if (x.shape() == shape) return x;
  const std::array shapes{shape, x.shape()};
  if (elementwise::broadcast_shape("broadcast_to", shapes) != shape)
    fail("broadcast_to", to_string(x.shape()) + " does not fit into " + to_string(shape));
  BasicTape<T>& tape = x.tape();
  T* out = tape.allocate(shape);
  const std::array in{operand(x.value().data(), x.shape(), shape)};
  map(shape, in, out, [](Pack<T> v) { return v; });
  return tape.push(BroadcastTo<T>::op, shape, out, {x});
}

#define TAPEGRAD_INSTANTIATE(T)                                \
  template BasicVar<T> sum_to(BasicVar<T>, Shape);             \
  template BasicVar<T> sum(BasicVar<T>, Axis);                 \
  template BasicVar<T> mean(BasicVar<T>, Axis);                \
  template BasicVar<T> max(BasicVar<T>, Axis);                 \
  template BasicVar<T> min(BasicVar<T>, Axis);                 \
  template BasicVar<T> logsumexp(BasicVar<T>, Axis);           \
  template BasicVar<T> standardize(BasicVar<T>, Axis, double); \
  template BasicVar<T> broadcast_to(BasicVar<T>, Shape);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad
