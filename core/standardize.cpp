#include <cmath>

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/reduction.h"

namespace tapegrad::inline TAPEGRAD_ABI {

using elementwise::accumulate;
using elementwise::map;
using elementwise::Operand;
using elementwise::operand;

/** dx = (g − mean(g) − y·mean(g·y)) / σ over each group. */
template <class T> struct Standardize {
  struct Attributes {
    Axis axis;
    double eps;
    const T* inverse_std;
  };

  /// 1/σ is recorded again, because it depends on x.
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    const auto& attributes = at.template attributes<Attributes>();
    const Axis axis = attributes.axis;
    const BasicVar<T> x = at.x(0);
    const BasicVar<T> variance = mean(square(x - mean(x, axis)), axis);
    const BasicVar<T> inverse_std = 1.0 / sqrt(variance + attributes.eps);
    return (at.g - mean(at.g, axis) - at.y() * mean(at.g * at.y(), axis)) * inverse_std;
  }
  /// The same in three loops.
  static void pull_back(At<T> at) {
    const GradSink<T> sink = at.sink(0);
    const Shape shape = at.node().shape();
    const auto& attributes = at.template attributes<Attributes>();
    const Shape target = reduced(shape, attributes.axis);
    if (shape.size() == 0) return;
    const double inverse_count = static_cast<double>(target.size()) / static_cast<double>(shape.size());
    T* mean_g = at.tape.allocate(target);
    T* mean_gy = at.tape.allocate(target);
    const auto whole = [&](const T* data) { return operand(data, shape, shape); };
    const auto group = [&](const T* data) { return operand(data, target, shape); };
    accumulate(shape, std::array{whole(at.g())}, GradSink<T>{mean_g, false}, target,
               [=](Pack<T> g) { return g * inverse_count; });
    accumulate(shape, std::array{whole(at.g()), whole(at.y())}, GradSink<T>{mean_gy, false}, target,
               [=](Pack<T> g, Pack<T> y) { return g * y * inverse_count; });
    const std::array operands{whole(at.g()), whole(at.y()), group(mean_g), group(mean_gy),
                              group(attributes.inverse_std)};
    accumulate(shape, operands, sink, shape,
               [](Pack<T> g, Pack<T> y, Pack<T> mg, Pack<T> mgy, Pack<T> s) { return (g - mg - y * mgy) * s; });
  }
  static constexpr Op<T> op{.name = "standardize", .vjp = &vjp, .pull_back = &pull_back};
};
template <class T> BasicVar<T> standardize(BasicVar<T> x, Axis axis, double eps) {
  BasicTape<T>& tape = x.tape();
  const Shape shape = x.shape();
  detail::require_elements("standardize", shape, axis);
  if (!(eps >= 0)) fail("standardize", "eps must not be negative, got " + to_string(eps));
  const Shape target = reduced(shape, axis);
  const double inverse_count = static_cast<double>(target.size()) / static_cast<double>(shape.size());
  T* mean = tape.allocate(target);
  T* inverse_std = tape.allocate(target);
  T* out = tape.allocate(shape);
  const Operand<T> whole = operand(x.value().data(), shape, shape);
  const Operand<T> centre = operand(static_cast<const T*>(mean), target, shape);
  accumulate(shape, std::array{whole}, GradSink<T>{mean, false}, target,
             [=](Pack<T> v) { return v * inverse_count; });
  // The mean of what is left makes up for rounding: without it a column of equal numbers would not become 0.
  T* rest = tape.allocate(target);
  accumulate(shape, std::array{whole, centre}, GradSink<T>{rest, false}, target,
             [=](Pack<T> v, Pack<T> m) { return (v - m) * inverse_count; });
  for (Index i = 0; i < target.size(); ++i) mean[i] += rest[i];
  accumulate(shape, std::array{whole, centre}, GradSink<T>{inverse_std, false}, target,
             [=](Pack<T> v, Pack<T> m) { return (v - m) * (v - m) * inverse_count; });
  for (Index i = 0; i < target.size(); ++i) inverse_std[i] = T(1) / std::sqrt(inverse_std[i] + static_cast<T>(eps));
  const Operand<T> scale = operand(static_cast<const T*>(inverse_std), target, shape);
  map(shape, std::array{whole, centre, scale}, out, [](Pack<T> v, Pack<T> m, Pack<T> s) { return (v - m) * s; });
  return tape.push(Standardize<T>(), shape, out, {x},
                   tape.remember(typename Standardize<T>::Attributes{axis, eps, inverse_std}));
}

template BasicVar<float> standardize(BasicVar<float>, Axis, double);
template BasicVar<double> standardize(BasicVar<double>, Axis, double);

}  // namespace tapegrad
