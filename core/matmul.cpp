#include "tapegrad/core/matmul.h"

#include "tapegrad/core/elementwise.h"
#include "tapegrad/core/kernels/gemm.h"
#include "tapegrad/core/reduction.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

struct Sizes {
  Index m, n, k;
};

[[noreturn]] void fail_inner_dimensions(Shape a, Shape b, MatmulOptions o) {
  const auto text = [](Shape shape, bool transposed) {
    return transposed ? "(" + to_string(shape) + ")^T" : to_string(shape);
  };
  fail("matmul", "inner dimensions differ: " + text(a, o.transpose_a) + " * " + text(b, o.transpose_b));
}

Sizes checked_sizes(Shape a, Shape b, MatmulOptions o) {
  const Index m = o.transpose_a ? a.cols : a.rows;
  const Index k = o.transpose_a ? a.rows : a.cols;
  const Index k_of_b = o.transpose_b ? b.cols : b.rows;
  const Index n = o.transpose_b ? b.rows : b.cols;
  if (k != k_of_b) [[unlikely]]
    fail_inner_dimensions(a, b, o);
  return {m, n, k};
}

[[noreturn]] void fail_bias(Shape bias, Shape weight) {
  fail("linear", "the bias is " + to_string(bias) + ", the weight " + to_string(weight) + " needs " +
                     to_string(Shape{1, weight.rows}));
}

/// sink (rows×cols) += op(a)·op(b)
template <class T>
void multiply_into(BasicTape<T>& tape, NodeIndex target, bool ta, bool tb, Index inner, const T* a, const T* b) {
  const GradSink<T> sink = tape.grad_sink(target);
  const Shape shape = tape.node(target).shape();
  gemm(ta, tb, shape.rows, shape.cols, inner, a, b, sink.data, sink.add);
}

template <class T> struct Matmul {
  /// y = A·B: dA = g·Bᵀ, dB = Aᵀ·g; a transposed operand gets the transpose of that.
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const Node<T>& node = tape.node(self);
    const auto [ta, tb] = *static_cast<const MatmulOptions*>(node.attributes);
    const NodeIndex a = node.parents[0];
    const NodeIndex b = node.parents[1];
    const Index m = node.rows;
    const Index n = node.cols;
    const T* av = tape.node(a).value;
    const T* bv = tape.node(b).value;
    if (tape.needs_grad(a)) {
      if (ta)
        multiply_into(tape, a, tb, true, n, bv, static_cast<const T*>(node.grad));
      else
        multiply_into(tape, a, false, !tb, n, static_cast<const T*>(node.grad), bv);
    }
    if (tape.needs_grad(b)) {
      if (tb)
        multiply_into(tape, b, true, ta, m, static_cast<const T*>(node.grad), av);
      else
        multiply_into(tape, b, !ta, false, m, av, static_cast<const T*>(node.grad));
    }
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t parent) {
    const auto [ta, tb] = at.template attributes<MatmulOptions>();
    const BasicVar<T> a = at.parent(0);
    const BasicVar<T> b = at.parent(1);
    if (parent == 0) return ta ? matmul(b, at.g, {tb, true}) : matmul(at.g, b, {false, !tb});
    return tb ? matmul(at.g, a, {true, ta}) : matmul(a, at.g, {!ta, false});
  }
  static constexpr Op<T> op{.name = "matmul", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

/// sink (1×cols) += Σ over the rows of x
template <class T> [[gnu::noinline]] void sum_rows(Shape shape, const T* x, GradSink<T> sink) {
  const auto sum_column = [&](Index col, int count) {
    Pack<T> sum = sink.add ? Pack<T>::load(sink.data + col, count) : Pack<T>(0);
    const T* from = x + col;
    for (Index row = 0; row < shape.rows; ++row, from += shape.cols) sum = sum + Pack<T>::load(from, count);
    sum.store(sink.data + col, count);
  };
  parallel::divide(shape.cols, parallel::line_grain, shape.size() >= parallel::least_elements,
                   [&](Index first, Index last) { elementwise::for_each_pack<T>(first, last, sum_column); });
}

template <class T> struct LinearOp {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const Node<T>& node = tape.node(self);
    const NodeIndex x = node.parents[0];
    const NodeIndex weight = node.parents[1];
    const NodeIndex bias = node.parents[2];
    const Shape shape = node.shape();
    const auto* g = static_cast<const T*>(node.grad);
    const T* xv = tape.node(x).value;
    const T* wv = tape.node(weight).value;
    if (tape.needs_grad(weight)) multiply_into(tape, weight, true, false, shape.rows, g, xv);
    if (tape.needs_grad(bias)) sum_rows(shape, g, tape.grad_sink(bias));
    if (tape.needs_grad(x)) multiply_into(tape, x, false, false, shape.cols, g, wv);
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t parent) {
    if (parent == 0) return matmul(at.g, at.parent(1));
    if (parent == 1) return matmul(at.g, at.parent(0), {.transpose_a = true});
    return sum(at.g, Axis::rows);
  }
  static constexpr Op<T> op{.name = "linear", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

template <class T> struct Transpose {
  using Map = Eigen::Map<BasicMatrix<T>>;

  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    Map to(sink.data, node.cols, node.rows);
    const BasicView<T> g(node.grad, node.rows, node.cols);
    if (sink.add)
      to += g.transpose();
    else
      to = g.transpose();
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) { return transpose(at.g); }
  static constexpr Op<T> op{.name = "transpose", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

}  // namespace

template <class T> BasicVar<T> matmul(BasicVar<T> a, BasicVar<T> b, MatmulOptions options) {
  BasicTape<T>& tape = common_tape("matmul", a, b);
  const auto [m, n, k] = checked_sizes(a.shape(), b.shape(), options);
  T* out = tape.allocate({m, n});
  gemm(options.transpose_a, options.transpose_b, m, n, k, a.value().data(), b.value().data(), out, false);
  return tape.push(Matmul<T>::op, {m, n}, out, {a, b}, tape.remember(options));
}

template <class T> BasicVar<T> linear(BasicVar<T> x, BasicVar<T> weight, BasicVar<T> bias) {
  BasicTape<T>& tape = common_tape("linear", x, weight, bias);
  const Node<T>& x_node = tape.node(x.index());
  const Node<T>& w_node = tape.node(weight.index());
  const Node<T>& b_node = tape.node(bias.index());
  const auto [m, n, k] = checked_sizes(x_node.shape(), w_node.shape(), {.transpose_b = true});
  if (b_node.shape() != Shape{1, n}) [[unlikely]]
    fail_bias(b_node.shape(), w_node.shape());
  T* out = tape.allocate({m, n});
  gemm_with_bias(m, n, k, x_node.value, w_node.value, b_node.value, out);
  return tape.push(LinearOp<T>::op, {m, n}, out, {x, weight, bias});
}

template <class T> BasicVar<T> transpose(BasicVar<T> x) {
  BasicTape<T>& tape = x.tape();
  const Shape shape{x.cols(), x.rows()};
  T* out = tape.allocate(shape);
  Eigen::Map<BasicMatrix<T>>(out, shape.rows, shape.cols) = x.value().transpose();
  return tape.push(Transpose<T>::op, shape, out, {x});
}

#define TAPEGRAD_INSTANTIATE(T)                                         \
  template BasicVar<T> matmul(BasicVar<T>, BasicVar<T>, MatmulOptions); \
  template BasicVar<T> linear(BasicVar<T>, BasicVar<T>, BasicVar<T>);   \
  template BasicVar<T> transpose(BasicVar<T>);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad
