#include "tapegrad/inspect/nan_blame.h"

#include <fmt/format.h>

#include <cmath>

#include "tapegrad/core/kernels/pack.h"
#include "tapegrad/inspect/graph.h"
#include "tapegrad/inspect/range.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// x − x is 0 for a finite x, else NaN, and a NaN stays in a sum.
template <class T> bool all_finite(const T* x, Index count) {
  constexpr Index width = Pack<T>::size;
  Pack<T> a(0), b(0), c(0), d(0);
  const auto difference = [x](Index i) {
    const Pack<T> v = Pack<T>::load(x + i);
    return v - v;
  };
  Index i = 0;
  for (; i + 4 * width <= count; i += 4 * width) {
    a = a + difference(i);
    b = b + difference(i + width);
    c = c + difference(i + 2 * width);
    d = d + difference(i + 3 * width);
  }
  T sum = ((a + b) + (c + d)).sum(static_cast<int>(width));
  for (; i < count; ++i) sum += x[i] - x[i];
  return sum == 0;
}

/// How many values are not finite, where the first one is, and the first rows that have some.
struct NotFinite {
  std::string text;  ///< "3 non-finite values (first at (5, 2): nan)"
  std::string rows;  ///< "; rows 5, 9"
};

template <class T> NotFinite not_finite(const T* x, Shape shape) {
  constexpr Index most_rows = 5;
  Index count = 0;
  Index rows = 0;
  std::string first;
  std::string list;
  for (Index row = 0; row < shape.rows; ++row) {
    const Index before = count;
    for (Index col = 0; col < shape.cols; ++col) {
      const T value = x[row * shape.cols + col];
      if (std::isfinite(value)) continue;
      if (count++ == 0)
        first = fmt::format("at ({}, {}): {}", row, col, std::isnan(value) ? std::abs(value) : value);
    }
    if (count == before) continue;
    if (rows++ < most_rows) list += fmt::format("{}{}", rows == 1 ? "" : ", ", row);
  }
  if (rows > most_rows) list += fmt::format(" and {} more", rows - most_rows);
  return {
      fmt::format("{} non-finite value{} ({}{})", count, count == 1 ? "" : "s", count == 1 ? "" : "first ", first),
      fmt::format("; row{} {}", rows == 1 ? "" : "s", list)};
}

}  // namespace

template <class T> std::string BasicNanBlame<T>::name_of(NodeIndex index) const {
  const Node<T>& node = tape_.node(index);
  const std::string parameter = BasicNodeNames<T>(&net_).parameter(node);
  return fmt::format("#{} ({}{}{}) {}", index, node.op->name, parameter.empty() ? "" : " ", parameter,
                     to_string(node.shape()));
}

template <class T> std::string BasicNanBlame<T>::with_range(NodeIndex index) const {
  const Node<T>& node = tape_.node(index);
  const std::span<const T> values(node.value, static_cast<std::size_t>(node.size()));
  return name_of(index) + " in " + to_string(range_of(values));
}

template <class T> void BasicNanBlame<T>::on_forward(const BasicTape<T>& tape, NodeIndex index) {
  const Node<T>& node = tape.node(index);
  // A leaf is blamed when something is computed with it.
  if (node.parent_count == 0 || all_finite(node.value, node.size())) return;
  // The modules that are computing put their path in front of the error on its way out.
  std::string operands;
  for (std::uint32_t k = 0; k < node.parent_count; ++k) {
    const Node<T>& parent = tape.node(node.parents[k]);
    if (!all_finite(parent.value, parent.size())) {
      const auto [text, rows] = not_finite(parent.value, parent.shape());
      fail("nan", fmt::format("operand {} of {} holds {} in step {}{}", name_of(node.parents[k]), node.op->name,
                              text, tape.step(), rows));
    }
    operands += (k == 0 ? "" : ", ") + with_range(node.parents[k]);
  }
  const auto [text, rows] = not_finite(node.value, node.shape());
  fail("nan", fmt::format("{} made {} in step {} from operand{} {}{}", node.op->name, text, tape.step(),
                          node.parent_count == 1 ? "" : "s", operands, rows));
}

template <class T> void BasicNanBlame<T>::on_backward(const BasicTape<T>& tape, NodeIndex index) {
  const Node<T>& node = tape.node(index);
  if (step_ == tape.step() && pass_ == node.pass) return;
  step_ = tape.step();
  pass_ = node.pass;
  if (all_finite(node.grad, node.size())) return;
  const auto [text, rows] = not_finite(static_cast<const T*>(node.grad), node.shape());
  blame_backward(node, fmt::format("backward starts from {} in the gradient of {} in step {}{}", text,
                                   name_of(index), tape.step(), rows));
}

template <class T> void BasicNanBlame<T>::after_pull_back(const BasicTape<T>& tape, NodeIndex index) {
  const Node<T>& node = tape.node(index);
  for (std::uint32_t k = 0; k < node.parent_count; ++k) {
    const Node<T>& parent = tape.node(node.parents[k]);
    if (parent.pass != node.pass || all_finite(parent.grad, parent.size())) continue;
    const auto [text, rows] = not_finite(static_cast<const T*>(parent.grad), parent.shape());
    const std::span<const T> gradient(node.grad, static_cast<std::size_t>(node.size()));
    std::string others;
    for (std::uint32_t j = 0; j < node.parent_count; ++j)
      if (j != k) others += ", other operand " + with_range(node.parents[j]);
    blame_backward(node, fmt::format("{}'s pull-back made {} in step {} in the gradient of operand {}{}; its own "
                                     "gradient is in {}{}",
                                     node.op->name, text, tape.step(), with_range(node.parents[k]), others,
                                     to_string(range_of(gradient)), rows));
  }
}

template <class T> void BasicNanBlame<T>::blame_backward(const Node<T>& self, const std::string& what) const {
  const std::string module = BasicNodeNames<T>(&net_).module(self);
  const Error error("nan", what);
  throw module.empty() ? error : error.inside(module);
}

TAPEGRAD_INSTANTIATE_SCALARS(NanBlame)

}  // namespace tapegrad
