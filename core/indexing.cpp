#include "tapegrad/core/indexing.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// `count` columns from `first` of a row-major matrix, which has no memory when it has no rows.
template <class T> auto columns(T* data, Shape shape, Index first, Index count) {
  using Matrix = BasicMatrix<std::remove_const_t<T>>;
  using Columns = std::conditional_t<std::is_const_v<T>, const Matrix, Matrix>;
  return Eigen::Map<Columns, 0, Eigen::OuterStride<>>(shape.rows == 0 ? data : data + first, shape.rows, count,
                                                      Eigen::OuterStride<>(shape.cols));
}

void check_elements(std::string_view op, std::span<const Index> elements, Shape of_each, Shape shape) {
  if (static_cast<Index>(elements.size()) != of_each.size())
    fail(op, std::to_string(elements.size()) + " element numbers for " + to_string(of_each));
  for (const Index element : elements)
    if (element < 0 || element >= shape.size())
      fail(op, "element " + std::to_string(element) + " is not in " + to_string(shape));
}

void check_rows(std::string_view op, std::span<const Index> rows, Index row_count) {
  for (const Index row : rows) {
    if (row_count == 0) fail(op, "there is no row " + std::to_string(row) + ": the matrix has no rows");
    if (row < 0 || row >= row_count)
      fail(op, "row " + std::to_string(row) + " is not in 0.." + std::to_string(row_count - 1));
  }
}

/// The row or element numbers that an op remembers.
template <class T> std::span<const Index> numbers(const TapedAt<T>& at, Index count) {
  return {at.template array<Index>(), static_cast<std::size_t>(count)};
}

}  // namespace

// Each op: its rule, and how it is computed.

/** Side by side, or below each other. */
template <class T, bool rows> struct Concat {
  static Index length(BasicVar<T> part) { return rows ? part.rows() : part.cols(); }

  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t k) {
    Index first = 0;
    for (std::size_t before = 0; before < k; ++before) first += length(at.x(before));
    const Index count = length(at.x(k));
    if constexpr (!rows) return slice_cols(at.g, first, count);
    Index* numbers = at.tape.template allocate_array<Index>(static_cast<std::size_t>(count));
    std::iota(numbers, numbers + count, first);
    return select_rows(at.g, std::span<const Index>(numbers, static_cast<std::size_t>(count)));
  }
  static constexpr Op<T> op{.name = rows ? "concat_rows" : "concat_cols", .vjp = &vjp};

  static BasicVar<T> record(std::span<const BasicVar<T>> parts) {
    if (parts.empty()) fail(op.name, "nothing to concatenate");
    BasicTape<T>& tape = common_tape(op.name, parts);
    const Shape like = parts[0].shape();
    Index total = 0;
    for (const BasicVar<T>& part : parts) {
      if (rows ? part.cols() != like.cols : part.rows() != like.rows)
        fail(op.name, std::string(rows ? "columns" : "rows") + " differ: " + to_string(like) + " and " +
                          to_string(part.shape()));
      total += length(part);
    }
    const Shape shape = rows ? Shape{total, like.cols} : Shape{like.rows, total};
    T* out = tape.allocate(shape);
    Index first = 0;
    for (const BasicVar<T>& part : parts) {
      if constexpr (rows)
        std::copy_n(part.value().data(), part.shape().size(), out + first * shape.cols);
      else
        columns(out, shape, first, part.cols()) = part.value();
      first += length(part);
    }
    return tape.push(Concat(), shape, out, parts);
  }
};
template <class T> BasicVar<T> concat_cols(std::span<const BasicVar<T>> parts) {
  return Concat<T, false>::record(parts);
}
template <class T> BasicVar<T> concat_rows(std::span<const BasicVar<T>> parts) {
  return Concat<T, true>::record(parts);
}

template <class T> struct Reshape {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) { return reshape(at.g, at.x(0).shape()); }
  static constexpr Op<T> op{.name = "reshape", .vjp = &vjp};
};
template <class T> BasicVar<T> reshape(BasicVar<T> x, Shape shape) {
  if (shape.rows < 0 || shape.cols < 0 || shape.size() != x.shape().size())
    fail("reshape", to_string(x.shape()) + " has not the elements of " + to_string(shape));
  T* out = x.tape().allocate(shape);
  std::copy_n(x.value().data(), shape.size(), out);
  return x.tape().push(Reshape<T>(), shape, out, {x});
}

template <class T> struct SliceCols {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    const Index first = at.template attributes<Index>();
    return pad_cols(at.g, first, at.x(0).cols() - first - at.g.cols());
  }
  static constexpr Op<T> op{.name = "slice_cols", .vjp = &vjp};
};
template <class T> BasicVar<T> slice_cols(BasicVar<T> x, Index first, Index count) {
  if (first < 0 || count < 0 || first > x.cols() - count)
    fail("slice_cols",
         std::to_string(count) + " columns from " + std::to_string(first) + " are not in " + to_string(x.shape()));
  BasicTape<T>& tape = x.tape();
  const Shape shape{x.rows(), count};
  T* out = tape.allocate(shape);
  Eigen::Map<BasicMatrix<T>>(out, shape.rows, shape.cols) = columns(x.value().data(), x.shape(), first, count);
  return tape.push(SliceCols<T>(), shape, out, {x}, tape.remember(first));
}

template <class T> struct PadCols {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    return slice_cols(at.g, at.template attributes<Index>(), at.x(0).cols());
  }
  static constexpr Op<T> op{.name = "pad_cols", .vjp = &vjp};
};
template <class T> BasicVar<T> pad_cols(BasicVar<T> x, Index before, Index after) {
  constexpr auto wrong = [](std::int64_t n) { return n < 0 || n > std::int64_t{1} << 32; };  // no side is as long
  if (wrong(before) || wrong(after))
    fail("pad_cols", "cannot add " + std::to_string(before) + " and " + std::to_string(after) + " columns");
  BasicTape<T>& tape = x.tape();
  const Shape shape{x.rows(), before + x.cols() + after};
  T* out = tape.allocate(shape);
  std::fill_n(out, shape.size(), T(0));
  columns(out, shape, before, x.cols()) = x.value();
  return tape.push(PadCols<T>(), shape, out, {x}, tape.remember(before));
}

/** Block k of the result is block numbers[k] of x: whole rows, or single elements. The reverse of Scatter. */
template <class T, bool rows> struct Gather {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    if constexpr (rows) return scatter_rows(at.g, numbers(at, at.g.rows()), at.x(0).rows());
    return scatter(at.g, numbers(at, at.g.shape().size()), at.x(0).shape());
  }
  static constexpr Op<T> op{.name = rows ? "select_rows" : "gather", .vjp = &vjp};
  static BasicVar<T> record(BasicVar<T> x, std::span<const Index> numbers, Shape shape) {
    BasicTape<T>& tape = x.tape();
    const Index width = rows ? shape.cols : 1;
    T* out = tape.allocate(shape);
    const T* in = x.value().data();
    for (std::size_t k = 0; k < numbers.size(); ++k)
      std::copy_n(in + numbers[k] * width, width, out + static_cast<Index>(k) * width);
    return tape.push(Gather(), shape, out, {x}, tape.remember(numbers).data());
  }
};
template <class T> BasicVar<T> select_rows(BasicVar<T> x, std::span<const Index> rows) {
  check_rows("select_rows", rows, x.rows());
  return Gather<T, true>::record(x, rows, {static_cast<Index>(rows.size()), x.cols()});
}
template <class T> BasicVar<T> gather(BasicVar<T> x, std::span<const Index> elements, Shape shape) {
  check_elements("gather", elements, shape, x.shape());
  return Gather<T, false>::record(x, elements, shape);
}

/** Block k of x is added to block numbers[k] of the result. */
template <class T, bool rows> struct Scatter {
  static BasicVar<T> vjp(const TapedAt<T>& at, std::size_t) {
    if constexpr (rows) return select_rows(at.g, numbers(at, at.x(0).rows()));
    return gather(at.g, numbers(at, at.x(0).shape().size()), at.x(0).shape());
  }
  static constexpr Op<T> op{.name = rows ? "scatter_rows" : "scatter", .vjp = &vjp};
  static BasicVar<T> record(BasicVar<T> x, std::span<const Index> numbers, Shape shape) {
    BasicTape<T>& tape = x.tape();
    const Index width = rows ? shape.cols : 1;
    T* out = tape.allocate(shape);
    double* sums = tape.template allocate_array<double>(static_cast<std::size_t>(shape.size()));  // of any length
    std::fill_n(sums, shape.size(), 0.0);
    const T* in = x.value().data();
    for (std::size_t k = 0; k < numbers.size(); ++k)
      for (Index i = 0; i < width; ++i)
        sums[numbers[k] * width + i] += static_cast<double>(in[static_cast<Index>(k) * width + i]);
    std::transform(sums, sums + shape.size(), out, [](double sum) { return static_cast<T>(sum); });
    return tape.push(Scatter(), shape, out, {x}, tape.remember(numbers).data());
  }
};
template <class T> BasicVar<T> scatter_rows(BasicVar<T> x, std::span<const Index> rows, Index row_count) {
  if (static_cast<Index>(rows.size()) != x.rows())
    fail("scatter_rows", std::to_string(rows.size()) + " row numbers for " + to_string(x.shape()));
  if (row_count < 0) fail("scatter_rows", "row_count must not be negative, got " + std::to_string(row_count));
  check_rows("scatter_rows", rows, row_count);
  return Scatter<T, true>::record(x, rows, {row_count, x.cols()});
}
template <class T> BasicVar<T> scatter(BasicVar<T> x, std::span<const Index> elements, Shape shape) {
  check_elements("scatter", elements, x.shape(), shape);
  return Scatter<T, false>::record(x, elements, shape);
}

template <class T> struct Detach { static constexpr Op<T> op{.name = "detach"}; };
template <class T> BasicVar<T> detach(BasicVar<T> x) {
  BasicTape<T>& tape = x.tape();
  T* value = x.node().value;
  if (x.node().leaf && x.node().attributes != nullptr) {  // a parameter: it may be changed before the backward pass
    value = tape.allocate(x.shape());
    std::copy_n(x.value().data(), x.shape().size(), value);
  }
  return tape.push(Detach<T>(), x.shape(), value, {x});
}

#define TAPEGRAD_FUNCTIONS(T)                                                    \
  template BasicVar<T> concat_cols(std::span<const BasicVar<T>>);                \
  template BasicVar<T> concat_rows(std::span<const BasicVar<T>>);                \
  template BasicVar<T> reshape(BasicVar<T>, Shape);                              \
  template BasicVar<T> slice_cols(BasicVar<T>, Index, Index);                    \
  template BasicVar<T> pad_cols(BasicVar<T>, Index, Index);                      \
  template BasicVar<T> select_rows(BasicVar<T>, std::span<const Index>);         \
  template BasicVar<T> scatter_rows(BasicVar<T>, std::span<const Index>, Index); \
  template BasicVar<T> gather(BasicVar<T>, std::span<const Index>, Shape);       \
  template BasicVar<T> scatter(BasicVar<T>, std::span<const Index>, Shape);      \
  template BasicVar<T> detach(BasicVar<T>);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
