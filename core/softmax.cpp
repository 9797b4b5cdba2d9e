#include "tapegrad/core/softmax.h"

#include <algorithm>
#include <cmath>

#include "tapegrad/core/indexing.h"
#include "tapegrad/core/matmul.h"
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
  const T log_sum = detail::log_of_sum(
      sum, count, [&](Index i) { return y[i] == 1; }, [&](Index i) { return y[i]; });
  const Pack<T> scale = Pack<T>::broadcast(T(1) / sum);
  elementwise::for_each_pack<T>(
      0, count, [&](Index i, int lanes) { (Pack<T>::load(y + i, lanes) * scale).store(y + i, lanes); });
  return {largest, log_sum};
}

void require_group(std::string_view op, Shape shape, Axis axis) {
  const char* const what = axis == Axis::rows ? "row" : axis == Axis::cols ? "column" : "element";
  if ((axis == Axis::rows ? shape.rows : axis == Axis::cols ? shape.cols : shape.size()) == 0)
    fail(op, std::string("needs at least one ") + what + ", got " + to_string(shape));
}

/// f of every row, over the rows or over all elements instead.
template <class T, class F> BasicVar<T> over(Axis axis, BasicVar<T> x, const F& f) {
  if (axis == Axis::rows) return transpose(f(transpose(x)));
  return reshape(f(reshape(x, {1, x.shape().size()})), x.shape());
}

/** dx = y·(d − Σdy) with d = g − g at the largest y. Any constant may be taken from g; with this one a saturated row
 * (y → 1, 0, 0 …) leaves nothing to cancel, and its small derivatives are exact. */
template <class T> struct SoftmaxOp {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    const BasicVar<T> y = at.y();
    const Shape shape = y.shape();
    Index* largest = at.tape.template allocate_array<Index>(static_cast<std::size_t>(shape.rows));
    for (Index row = 0; row < shape.rows; ++row) {
      const T* const first = y.value().data() + row * shape.cols;
      largest[row] = row * shape.cols + (std::max_element(first, first + shape.cols) - first);
    }
    const std::span<const Index> elements(largest, static_cast<std::size_t>(shape.rows));
    const BasicVar<T> d = at.g - gather(at.g, elements, {shape.rows, 1});
    return y * (d - sum(d * y, Axis::cols));
  }
  static constexpr Op<T> op{.name = "softmax", .vjp = &vjp};
};
template <class T> BasicVar<T> softmax(BasicVar<T> x, Axis axis) {
  BasicTape<T>& tape = x.tape();
  require_group("softmax", x.shape(), axis);
  if (axis != Axis::cols) return over(axis, x, [](BasicVar<T> rows) { return softmax(rows); });
  T* out = tape.allocate(x.shape());
  for (Index row = 0; row < x.rows(); ++row)
    softmax_row(x.value().data() + row * x.cols(), out + row * x.cols(), x.cols());
  return tape.push(SoftmaxOp<T>(), x.shape(), out, {x});
}

/** dx = g − y·Σg with y = softmax(x). At the largest y, which may be almost 1, that is g·(Σ of the other y) − y·(Σ of the other
 * g), so that nothing cancels. */
template <class T> struct LogSoftmaxOp {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    const BasicVar<T> y = softmax(at.x(0));
    const BasicVar<T> first = at.tape.input(y.shape(), [&](T* mask) {
      for (Index row = 0; row < y.rows(); ++row, mask += y.cols()) {
        const T* const values = y.value().data() + row * y.cols();
        std::fill_n(mask, y.cols(), T(0));
        mask[std::max_element(values, values + y.cols()) - values] = 1;
      }
    });
    const BasicVar<T> others = 1.0 - first;
    return others * (at.g - y * sum(at.g, Axis::cols)) +
           first * (at.g * sum(others * y, Axis::cols) - y * sum(others * at.g, Axis::cols));
  }
  static constexpr Op<T> op{.name = "log_softmax", .vjp = &vjp};
};
template <class T> BasicVar<T> log_softmax(BasicVar<T> x, Axis axis) {
  BasicTape<T>& tape = x.tape();
  require_group("log_softmax", x.shape(), axis);
  if (axis != Axis::cols) return over(axis, x, [](BasicVar<T> rows) { return log_softmax(rows); });
  const Index cols = x.cols();
  T* out = tape.allocate(x.shape());
  for (Index row = 0; row < x.rows(); ++row) {
    const T* in = x.value().data() + row * cols;
    T* to = out + row * cols;
    const LogSum<T> sum = softmax_row(in, to, cols);
    std::transform(in, in + cols, to, [&](T value) { return value - sum.largest - sum.log_rest; });
  }
  return tape.push(LogSoftmaxOp<T>(), x.shape(), out, {x});
}

/** A gather whose element numbers depend on the values. */
template <class T> struct MaxoutOp {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    const std::span<const Index> chosen(at.template array<Index>(), static_cast<std::size_t>(at.node().size()));
    return scatter(at.g, chosen, at.x(0).shape());
  }
  static void pieces(At<T> at, std::vector<double>& out) {
    const Node<T>& x = at.x(0);
    if (x.size() == 0) return;
    const Index pieces = x.shape().cols / at.node().shape().cols;
    for (Index i = 0; i < x.size(); ++i) out.push_back(x.value[i] == at.y()[i / pieces]);
  }
  static constexpr Op<T> op{.name = "maxout", .vjp = &vjp, .pieces = &pieces};
};
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
  return tape.push(MaxoutOp<T>(), shape, out, {x}, chosen);
}

template <class T> BasicVar<T> glu(BasicVar<T> x) {
  if (x.cols() % 2 != 0) fail("glu", "the columns of " + to_string(x.shape()) + " are not a multiple of 2");
  const Index half = x.cols() / 2;
  return slice_cols(x, 0, half) * sigmoid(slice_cols(x, half, half));
}

#define TAPEGRAD_FUNCTIONS(T)                          \
  template BasicVar<T> softmax(BasicVar<T>, Axis);     \
  template BasicVar<T> log_softmax(BasicVar<T>, Axis); \
  template BasicVar<T> maxout(BasicVar<T>, int);       \
  template BasicVar<T> glu(BasicVar<T>);               \
  template LogSum<T> softmax_row(const T*, T*, Index);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
