#include "tapegrad/core/softmax.h"

#include <algorithm>
#include <cmath>

#include "tapegrad/core/indexing.h"
#include "tapegrad/core/reduction.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> [[gnu::flatten]] LogSum<T> softmax_row(const T* x, T* y, Index count) {
  Pack<T> maxima = Pack<T>::broadcast(x[0]);
  elementwise::for_each_pack<T>(
      0, count, [&](Index i, int lanes) { maxima = simd::max(maxima, Pack<T>::load(x + i, lanes)); });
  const T largest = Eigen::internal::predux_max(maxima.v);
  const Pack<T> shift = Pack<T>::broadcast(largest);
  const T sum = elementwise::sum_of_packs<T>(count, [&](Index i, int lanes) {
    const Pack<T> e = simd::exp(Pack<T>::load(x + i, lanes) - shift);
    e.store(y + i, lanes);
    return e;
  });
  const Pack<T> scale = Pack<T>::broadcast(T(1) / sum);
  elementwise::for_each_pack<T>(
      0, count, [&](Index i, int lanes) { (Pack<T>::load(y + i, lanes) * scale).store(y + i, lanes); });
  return {largest, std::log(sum)};
}

namespace {

template <class T> Index largest_of(const T* row, Index count) { return std::max_element(row, row + count) - row; }

/// dx = y·(d − Σdy) with d = g − g at the largest y. Any constant may be taken from g; with this one a saturated
/// row (y → 1, 0, 0 …) leaves nothing to cancel, and its small derivatives are exact.
template <class T> struct SoftmaxOp {
  [[gnu::flatten]] static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const Index cols = node.cols;
    for (Index row = 0; row < node.shape().rows; ++row) {
      const T* g = node.grad + row * cols;
      const T* y = node.value + row * cols;
      T* to = sink.data + row * cols;
      const Pack<T> origin = Pack<T>::broadcast(g[largest_of(y, cols)]);
      const auto load = [](const T* from, Index i, int lanes) { return Pack<T>::load(from + i, lanes); };
      const Pack<T> dot = Pack<T>::broadcast(elementwise::sum_of_packs<T>(
          cols, [&](Index i, int lanes) { return (load(g, i, lanes) - origin) * load(y, i, lanes); }));
      elementwise::for_each_pack<T>(0, cols, [&](Index i, int lanes) {
        const Pack<T> dx = load(y, i, lanes) * (load(g, i, lanes) - origin - dot);
        (sink.add ? load(to, i, lanes) + dx : dx).store(to + i, lanes);
      });
    }
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const BasicVar<T> y = at.y();
    const Shape shape = y.shape();
    Index* largest = at.tape.template allocate_array<Index>(static_cast<std::size_t>(shape.rows));
    for (Index row = 0; row < shape.rows; ++row)
      largest[row] = row * shape.cols + largest_of(y.value().data() + row * shape.cols, shape.cols);
    const std::span<const Index> elements(largest, static_cast<std::size_t>(shape.rows));
    const BasicVar<T> d = at.g - gather(at.g, elements, {shape.rows, 1});
    return y * (d - sum(d * y, Axis::cols));
  }
  static constexpr Op<T> op{.name = "softmax", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

/// dx = g − softmax(x)·Σg
template <class T> struct LogSoftmaxOp {
  [[gnu::flatten]] static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const Index cols = node.cols;
    for (Index row = 0; row < node.shape().rows; ++row) {
      const T* g = node.grad + row * cols;
      const T* y = node.value + row * cols;
      T* to = sink.data + row * cols;
      const auto load = [](const T* from, Index i, int lanes) { return Pack<T>::load(from + i, lanes); };
      const Pack<T> total = Pack<T>::broadcast(
          elementwise::sum_of_packs<T>(cols, [&](Index i, int lanes) { return load(g, i, lanes); }));
      elementwise::for_each_pack<T>(0, cols, [&](Index i, int lanes) {
        const Pack<T> dx = load(g, i, lanes) - simd::exp(load(y, i, lanes)) * total;
        (sink.add ? load(to, i, lanes) + dx : dx).store(to + i, lanes);
      });
    }
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    return at.g - softmax(at.parent(0)) * sum(at.g, Axis::cols);
  }
  static constexpr Op<T> op{.name = "log_softmax", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

/// A gather whose element numbers depend on the values.
template <class T> struct MaxoutOp {
  static const Index* chosen(const Node<T>& node) { return static_cast<const Index*>(node.attributes); }
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    if (!sink.add) std::fill_n(sink.data, tape.node(x).size(), T(0));
    for (Index i = 0; i < node.size(); ++i) sink.data[chosen(node)[i]] += node.grad[i];
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const std::span<const Index> elements(chosen(at.node()), static_cast<std::size_t>(at.node().size()));
    return scatter(at.g, elements, at.parent(0).shape());
  }
  static void pieces(const BasicTape<T>& tape, NodeIndex self, std::vector<double>& out) {
    const Node<T>& node = tape.node(self);
    const Node<T>& in = tape.node(node.parents[0]);
    if (in.size() == 0) return;
    const Index pieces = in.shape().cols / node.shape().cols;
    for (Index i = 0; i < in.size(); ++i) out.push_back(in.value[i] == node.value[i / pieces]);
  }
  static constexpr Op<T> op{.name = "maxout", .pull_back = &pull_back, .taped_vjp = &taped_vjp, .pieces = &pieces};
};

}  // namespace

template <class T> BasicVar<T> softmax(BasicVar<T> x) {
  BasicTape<T>& tape = x.tape();
  if (x.cols() == 0) fail("softmax", "needs at least one column, got " + to_string(x.shape()));
  T* out = tape.allocate(x.shape());
  for (Index row = 0; row < x.rows(); ++row)
    softmax_row(x.value().data() + row * x.cols(), out + row * x.cols(), x.cols());
  return tape.push(SoftmaxOp<T>::op, x.shape(), out, {x});
}

template <class T> BasicVar<T> log_softmax(BasicVar<T> x) {
  BasicTape<T>& tape = x.tape();
  if (x.cols() == 0) fail("log_softmax", "needs at least one column, got " + to_string(x.shape()));
  const Index cols = x.cols();
  T* out = tape.allocate(x.shape());
  for (Index row = 0; row < x.rows(); ++row) {
    const T* in = x.value().data() + row * cols;
    T* to = out + row * cols;
    const auto [largest, log_rest] = softmax_row(in, to, cols);
    for (Index i = 0; i < cols; ++i) to[i] = in[i] - largest - log_rest;
  }
  return tape.push(LogSoftmaxOp<T>::op, x.shape(), out, {x});
}

template <class T> BasicVar<T> maxout(BasicVar<T> x, int pieces) {
  check_setting("maxout", "pieces", SettingDomain::count, pieces);
  if (x.cols() % pieces != 0)
    fail("maxout", "the columns of " + to_string(x.shape()) + " are not a multiple of " + std::to_string(pieces));
  BasicTape<T>& tape = x.tape();
  const Shape shape{x.rows(), x.cols() / pieces};
  const T* in = x.value().data();
  T* out = tape.allocate(shape);
  Index* chosen = tape.template allocate_array<Index>(static_cast<std::size_t>(shape.size()));
  for (Index i = 0; i < shape.size(); ++i) {
    const T* largest = in + i * pieces;
    for (const T* each = largest + 1; each != in + (i + 1) * pieces; ++each)
      if (*each > *largest || std::isnan(*each)) largest = each;
    chosen[i] = largest - in;
    out[i] = *largest;
  }
  return tape.push(MaxoutOp<T>::op, shape, out, {x}, chosen);
}

template <class T> BasicVar<T> glu(BasicVar<T> x) {
  if (x.cols() % 2 != 0) fail("glu", "the columns of " + to_string(x.shape()) + " are not a multiple of 2");
  const Index half = x.cols() / 2;
  return slice_cols(x, 0, half) * sigmoid(slice_cols(x, half, half));
}

#define TAPEGRAD_INSTANTIATE(T)                  \
  template BasicVar<T> softmax(BasicVar<T>);     \
  template BasicVar<T> log_softmax(BasicVar<T>); \
  template BasicVar<T> maxout(BasicVar<T>, int); \
  template BasicVar<T> glu(BasicVar<T>);         \
  template LogSum<T> softmax_row(const T*, T*, Index);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad
