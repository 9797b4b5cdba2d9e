#include "tapegrad/core/indexing.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

template <class T> using Block = Eigen::Map<BasicMatrix<T>, 0, Eigen::OuterStride<>>;
template <class T> using ConstBlock = Eigen::Map<const BasicMatrix<T>, 0, Eigen::OuterStride<>>;

/// `count` columns from `first` of a row-major matrix, which has no memory when it has no rows.
template <class T> Block<T> columns(T* data, Shape shape, Index first, Index count) {
  return Block<T>(shape.rows == 0 ? data : data + first, shape.rows, count, Eigen::OuterStride<>(shape.cols));
}
template <class T> ConstBlock<T> columns(const T* data, Shape shape, Index first, Index count) {
  return ConstBlock<T>(shape.rows == 0 ? data : data + first, shape.rows, count, Eigen::OuterStride<>(shape.cols));
}

template <class T, class Source> void put(GradSink<T> sink, Shape shape, const Source& source) {
  Eigen::Map<BasicMatrix<T>> to(sink.data, shape.rows, shape.cols);
  if (sink.add)
    to += source;
  else
    to = source;
}

template <class T> struct ConcatCols {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const Node<T> node = tape.node(self);
    Index first = 0;
    for (std::uint32_t k = 0; k < node.parent_count; ++k) {
      const NodeIndex part = node.parents[k];
      const Shape shape = tape.node(part).shape();
      if (tape.needs_grad(part))
        put(tape.grad_sink(part), shape,
            columns<T>(static_cast<const T*>(node.grad), node.shape(), first, shape.cols));
      first += shape.cols;
    }
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t parent) {
    Index first = 0;
    for (std::size_t k = 0; k < parent; ++k) first += at.parent(k).cols();
    return slice_cols(at.g, first, at.parent(parent).cols());
  }
  static constexpr Op<T> op{.name = "concat_cols", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

template <class T> struct SliceCols {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const Shape shape = tape.node(x).shape();
    if (!sink.add) std::fill_n(sink.data, shape.size(), T(0));
    const Index first = *static_cast<const Index*>(node.attributes);
    columns(sink.data, shape, first, node.cols) += BasicView<T>(node.grad, node.rows, node.cols);
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const Index first = at.template attributes<Index>();
    return pad_cols(at.g, first, at.parent(0).cols() - first - at.g.cols());
  }
  static constexpr Op<T> op{.name = "slice_cols", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

template <class T> struct PadCols {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const Shape shape = tape.node(x).shape();
    const Index before = *static_cast<const Index*>(node.attributes);
    put(sink, shape, columns<T>(static_cast<const T*>(node.grad), node.shape(), before, shape.cols));
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    return slice_cols(at.g, at.template attributes<Index>(), at.parent(0).cols());
  }
  static constexpr Op<T> op{.name = "pad_cols", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

template <class T> struct SelectRows {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    if (!sink.add) std::fill_n(sink.data, tape.node(x).size(), T(0));
    const auto* rows = static_cast<const Index*>(node.attributes);
    for (Index k = 0; k < node.shape().rows; ++k)
      for (Index col = 0; col < node.shape().cols; ++col)
        sink.data[rows[k] * node.cols + col] += node.grad[k * node.cols + col];
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const auto* rows = static_cast<const Index*>(at.node().attributes);
    return scatter_rows(at.g, std::span<const Index>(rows, at.node().rows), at.parent(0).rows());
  }
  static constexpr Op<T> op{.name = "select_rows", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

template <class T> struct ScatterRows {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const auto* rows = static_cast<const Index*>(node.attributes);
    for (Index k = 0; k < tape.node(x).shape().rows; ++k) {
      for (Index col = 0; col < node.shape().cols; ++col) {
        T& to = sink.data[k * node.cols + col];
        to = node.grad[rows[k] * node.cols + col] + (sink.add ? to : T(0));
      }
    }
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const auto* rows = static_cast<const Index*>(at.node().attributes);
    return select_rows(at.g, std::span<const Index>(rows, static_cast<std::size_t>(at.parent(0).rows())));
  }
  static constexpr Op<T> op{.name = "scatter_rows", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

template <class T> std::span<const Index> elements_of(const Node<T>& node, Index count) {
  return {static_cast<const Index*>(node.attributes), static_cast<std::size_t>(count)};
}

template <class T> struct Gather {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    if (!sink.add) std::fill_n(sink.data, tape.node(x).size(), T(0));
    const auto elements = elements_of(node, node.size());
    for (std::size_t i = 0; i < elements.size(); ++i) sink.data[elements[i]] += node.grad[i];
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    return scatter(at.g, elements_of(at.node(), at.node().size()), at.parent(0).shape());
  }
  static constexpr Op<T> op{.name = "gather", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

template <class T> struct Scatter {
  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex x = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(x);
    const Node<T>& node = tape.node(self);
    const auto elements = elements_of(node, tape.node(x).size());
    for (std::size_t i = 0; i < elements.size(); ++i)
      sink.data[i] = node.grad[elements[i]] + (sink.add ? sink.data[i] : T(0));
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    return gather(at.g, elements_of(at.node(), at.parent(0).shape().size()), at.parent(0).shape());
  }
  static constexpr Op<T> op{.name = "scatter", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

template <class T> constexpr Op<T> detach_op{.name = "detach"};

void check_elements(std::string_view op, std::span<const Index> elements, Shape of_each, Shape shape) {
  if (static_cast<Index>(elements.size()) != of_each.size())
    fail(op, std::to_string(elements.size()) + " element numbers for " + to_string(of_each));
  for (const Index element : elements)
    if (element < 0 || element >= shape.size())
      fail(op, "element " + std::to_string(element) + " is not in " + to_string(shape));
}

void check_rows(std::string_view op, std::span<const Index> rows, Index row_count) {
  for (const Index row : rows)
    if (row < 0 || row >= row_count)
      fail(op, "row " + std::to_string(row) + " is not in 0.." + std::to_string(row_count - 1));
}

}  // namespace

template <class T> BasicVar<T> concat_cols(std::span<const BasicVar<T>> parts) {
  if (parts.empty()) fail("concat_cols", "nothing to concatenate");
  BasicTape<T>& tape = common_tape("concat_cols", parts);
  Shape shape{parts[0].rows(), 0};
  for (const BasicVar<T>& part : parts) {
    if (part.rows() != shape.rows)
      fail("concat_cols", "rows differ: " + to_string(parts[0].shape()) + " and " + to_string(part.shape()));
    shape.cols += part.cols();
  }
  T* out = tape.allocate(shape);
  Index first = 0;
  for (const BasicVar<T>& part : parts) {
    columns(out, shape, first, part.cols()) = part.value();
    first += part.cols();
  }
  return tape.push(ConcatCols<T>::op, shape, out, parts);
}

template <class T> BasicVar<T> slice_cols(BasicVar<T> x, Index first, Index count) {
  if (first < 0 || count < 0 || first > x.cols() - count)
    fail("slice_cols",
         std::to_string(count) + " columns from " + std::to_string(first) + " are not in " + to_string(x.shape()));
  BasicTape<T>& tape = x.tape();
  const Shape shape{x.rows(), count};
  T* out = tape.allocate(shape);
  Eigen::Map<BasicMatrix<T>>(out, shape.rows, shape.cols) =
      columns<T>(static_cast<const T*>(x.value().data()), x.shape(), first, count);
  return tape.push(SliceCols<T>::op, shape, out, {x}, tape.remember(first));
}

template <class T> BasicVar<T> pad_cols(BasicVar<T> x, Index before, Index after) {
  if (before < 0 || after < 0)
    fail("pad_cols", "cannot add " + std::to_string(before) + " and " + std::to_string(after) + " columns");
  BasicTape<T>& tape = x.tape();
  const Shape shape{x.rows(), before + x.cols() + after};
  T* out = tape.allocate(shape);
  std::fill_n(out, shape.size(), T(0));
  columns(out, shape, before, x.cols()) = x.value();
  return tape.push(PadCols<T>::op, shape, out, {x}, tape.remember(before));
}

template <class T> BasicVar<T> select_rows(BasicVar<T> x, std::span<const Index> rows) {
  BasicTape<T>& tape = x.tape();
  check_rows("select_rows", rows, x.rows());
  const Shape shape{static_cast<Index>(rows.size()), x.cols()};
  T* out = tape.allocate(shape);
  const T* in = x.value().data();
  for (std::size_t k = 0; k < rows.size(); ++k)
    std::copy_n(in + rows[k] * shape.cols, shape.cols, out + static_cast<Index>(k) * shape.cols);
  return tape.push(SelectRows<T>::op, shape, out, {x}, tape.remember(rows).data());
}

template <class T> BasicVar<T> scatter_rows(BasicVar<T> x, std::span<const Index> rows, Index row_count) {
  BasicTape<T>& tape = x.tape();
  if (static_cast<Index>(rows.size()) != x.rows())
    fail("scatter_rows", std::to_string(rows.size()) + " row numbers for " + to_string(x.shape()));
  check_rows("scatter_rows", rows, row_count);
  const Shape shape{row_count, x.cols()};
  T* out = tape.allocate(shape);
  std::fill_n(out, shape.size(), T(0));
  const T* in = x.value().data();
  for (std::size_t k = 0; k < rows.size(); ++k)
    for (Index col = 0; col < shape.cols; ++col)
      out[rows[k] * shape.cols + col] += in[static_cast<Index>(k) * shape.cols + col];
  return tape.push(ScatterRows<T>::op, shape, out, {x}, tape.remember(rows).data());
}

template <class T> BasicVar<T> gather(BasicVar<T> x, std::span<const Index> elements, Shape shape) {
  BasicTape<T>& tape = x.tape();
  check_elements("gather", elements, shape, x.shape());
  T* out = tape.allocate(shape);
  const T* in = x.value().data();
  for (std::size_t i = 0; i < elements.size(); ++i) out[i] = in[elements[i]];
  return tape.push(Gather<T>::op, shape, out, {x}, tape.remember(elements).data());
}

template <class T> BasicVar<T> scatter(BasicVar<T> x, std::span<const Index> elements, Shape shape) {
  BasicTape<T>& tape = x.tape();
  check_elements("scatter", elements, x.shape(), shape);
  T* out = tape.allocate(shape);
  std::fill_n(out, shape.size(), T(0));
  const T* in = x.value().data();
  for (std::size_t i = 0; i < elements.size(); ++i) out[elements[i]] += in[i];
  return tape.push(Scatter<T>::op, shape, out, {x}, tape.remember(elements).data());
}

template <class T> BasicVar<T> detach(BasicVar<T> x) {
  return x.tape().push(detach_op<T>, x.shape(), x.node().value, {x});
}

#define TAPEGRAD_INSTANTIATE(T)                                                  \
  template BasicVar<T> concat_cols(std::span<const BasicVar<T>>);                \
  template BasicVar<T> slice_cols(BasicVar<T>, Index, Index);                    \
  template BasicVar<T> pad_cols(BasicVar<T>, Index, Index);                      \
  template BasicVar<T> select_rows(BasicVar<T>, std::span<const Index>);         \
  template BasicVar<T> scatter_rows(BasicVar<T>, std::span<const Index>, Index); \
  template BasicVar<T> gather(BasicVar<T>, std::span<const Index>, Shape);       \
  template BasicVar<T> scatter(BasicVar<T>, std::span<const Index>, Shape);      \
  template BasicVar<T> detach(BasicVar<T>);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

}  // namespace tapegrad
