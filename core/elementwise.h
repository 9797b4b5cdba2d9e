#pragma once

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapegrad/core/kernels/math.h"
#include "tapegrad/core/kernels/threads.h"
#include "tapegrad/core/tape.h"

/// How one text becomes an op. A rule is a struct with the formula and its vector-Jacobian product:
///
///     struct Tanh {
///       static constexpr std::string_view name = "tanh";
///       template <class X> static X value(const X& x) { return simd::tanh(x); }
///       template <class X> static X vjp(const X& g, const X& x, const X& y) { return g * (1 - y * y); }
///     };
///
/// With X = Pack<T> the text is one vectorized loop over the elements that adds straight into the parent's
/// gradient; with X = Var it records ops, so the gradient can be differentiated again. `value` only ever sees
/// Packs. A rule of two or three operands gives `vjp_a`, `vjp_b`, `vjp_c`; operands broadcast as in NumPy.
/// Data members are the op's parameters; they are copied onto the tape. Where the text for Vars would make a slow
/// loop, a second `vjp` that takes `Pack<T>` may stand beside it, and is the one that the loop runs. A rule that gets its
/// slope almost for nothing while it computes its value gives both by `value_and_slope`, and then `value` and the second
/// `vjp` must say the same: slopes of arrays that stay in the cache are kept for the backward pass.

namespace tapegrad::inline TAPEGRAD_ABI {

/** What values a setting of a rule may have. */
enum class SettingDomain { finite, positive, count };

/** A named parameter of a rule: `static constexpr std::array settings{Setting{"alpha", &Elu::alpha}}`. */
template <class Rule, class Number = double> struct Setting {
  constexpr Setting(std::string_view n, Number Rule::*m, SettingDomain d = SettingDomain::finite)
      : name(n), member(m), domain(d) {}

  std::string_view name;
  Number Rule::*member;
  SettingDomain domain;
};

/** Throws "[leaky_relu] negative_slope must be finite, got nan". */
void check_setting(std::string_view rule, std::string_view setting, SettingDomain domain, double value);

template <class Rule> void check_settings(const Rule& rule) {
  for (const auto& setting : Rule::settings)
    check_setting(Rule::name, setting.name, setting.domain, static_cast<double>(rule.*setting.member));
}

namespace elementwise {

/** An operand seen at the shape of the result: a step of 0 repeats its only row or column. */
template <class T> struct Operand {
  const T* data;
  Index row_step;
  Index col_step;

  Pack<T> load(Index row, Index col, int count) const {
    const T* at = data + row * row_step;
    return col_step == 0 ? Pack<T>::broadcast(*at) : Pack<T>::load(at + col, count);
  }
};

template <class T> Operand<T> operand(const T* data, Shape shape, Shape result) {
  return {data, shape.rows == result.rows ? shape.cols : 0, shape.cols == result.cols ? 1 : 0};
}

/** Calls body(i, count) for every pack of the elements first … last − 1. */
template <class T, class Body> EIGEN_ALWAYS_INLINE void for_each_pack(Index first, Index last, const Body& body) {
  constexpr Index width = Pack<T>::size;
  Index i = first;
  for (; i + width <= last; i += width) body(i, static_cast<int>(width));
  if (i < last) body(i, static_cast<int>(last - i));
}

/** Σ term(i, count) over a row: whole packs are added lane by lane, and then the lanes at the end. */
template <class T, class Term> EIGEN_ALWAYS_INLINE T sum_of_packs(Index size, const Term& term) {
  Pack<T> sums(0);
  T rest = 0;
  for_each_pack<T>(0, size, [&](Index i, int count) {
    if (count == Pack<T>::size)
      sums = sums + term(i, count);
    else
      rest = term(i, count).sum(count);
  });
  return size < Pack<T>::size ? rest : sums.sum(Pack<T>::size) + rest;
}

/** Calls body(row, col, count) for every pack of every row. */
template <class T, class Body> void for_each_pack(Shape shape, const Body& body) {
  for (Index row = 0; row < shape.rows; ++row)
    for_each_pack<T>(0, shape.cols, [&](Index col, int count) { body(row, col, count); });
}

/** out = f(operands), or out + f(operands), for arrays of one shape. All of f is inlined here, or every pack would pay
 * for a call and load all of its constants. */
template <bool add, class T, class F, std::size_t N>
[[gnu::flatten]] void map_range(Index first, Index last, const std::array<const T*, N>& in, T* out, const F& f) {
  const std::array from = in;  // for all that the compiler knows, what is stored might change `in`
  const auto compute = [&](Index i, int count) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      Pack<T> result = f(Pack<T>::load(from[I] + i, count)...);
      if constexpr (add) {
        // What is added has been rounded: a fused multiply-add would leave a rest where two parts cancel.
        EIGEN_OPTIMIZATION_BARRIER(result.v)
        result = Pack<T>::load(out + i, count) + result;
      }
      result.store(out + i, count);
    }
    (std::make_index_sequence<N>());
  };
  for_each_pack<T>(first, last, compute);
}

/** The same for a whole array. Long ones are divided among the threads. */
template <bool add, class T, class F, std::size_t N>
void map_array(Index size, const std::array<const T*, N>& in, T* out, const F& f) {
  if (size < parallel::least_elements) return map_range<add>(0, size, in, out, f);
  parallel::divide(size, 1024, true,
                   [&in, out, &f](Index first, Index last) { map_range<add>(first, last, in, out, f); });
}
template <class T, class F, std::size_t N>
void map_array(Index size, const std::array<const T*, N>& in, GradSink<T> sink, const F& f) {
  sink.add ? map_array<true>(size, in, sink.data, f) : map_array<false>(size, in, sink.data, f);
}

/** Values and slopes of an array. */
template <class Rule, class T>
[[gnu::flatten]] void map_with_slopes(const Rule& rule, Index size, const T* in, T* values, T* slopes) {
  for_each_pack<T>(0, size, [&](Index i, int count) {
    const ValueAndSlope<T> f = rule.value_and_slope(Pack<T>::load(in + i, count));
    f.value.store(values + i, count);
    f.slope.store(slopes + i, count);
  });
}

template <class T, std::size_t N> std::array<const T*, N> data_of(const std::array<Operand<T>, N>& operands) {
  std::array<const T*, N> data;
  for (std::size_t k = 0; k < N; ++k) data[k] = operands[k].data;
  return data;
}

template <class T, class F, std::size_t N>
void map(Shape shape, bool contiguous, const std::array<Operand<T>, N>& in, T* out, const F& f) {
  if (contiguous) return map_array<false>(shape.size(), data_of(in), out, f);  // a matrix is one long row
  for_each_pack<T>(shape, [&](Index row, Index col, int count) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      f(in[I].load(row, col, count)...).store(out + row * shape.cols + col, count);
    }
    (std::make_index_sequence<N>());
  });
}

/** Adds f(operands) into a gradient of `target` shape, summing over what was broadcast. This is the one place
 * where broadcasting is reversed. */
template <class T, class F, std::size_t N>
void accumulate(Shape shape, bool contiguous, const std::array<Operand<T>, N>& in, GradSink<T> sink, Shape target,
                const F& f) {
  if (shape.size() == 0) {
    if (!sink.add) std::fill_n(sink.data, target.size(), T(0));
    return;
  }
  if (contiguous && target == shape) return map_array(shape.size(), data_of(in), sink, f);
  const auto call = [&](Index row, Index col, int count) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return f(in[I].load(row, col, count)...); }
    (std::make_index_sequence<N>());
  };
  const bool sum_rows = target.rows != shape.rows;
  const bool sum_cols = target.cols != shape.cols;
  if (!sum_cols) {
    // Of every column the rows that make one sum: those that stay apart are sums of one row.
    const Index group = sum_rows ? shape.rows : 1;
    for (Index first = 0; first < shape.rows; first += group) {
      T* const to = sink.data + (sum_rows ? 0 : first * target.cols);
      for_each_pack<T>(0, shape.cols, [&](Index col, int count) {
        Pack<T> sum = call(first, col, count);
        if (sink.add) sum = Pack<T>::load(to + col, count) + sum;
        for (Index row = first + 1; row < first + group; ++row) sum = sum + call(row, col, count);
        sum.store(to + col, count);
      });
    }
    return;
  }
  for (Index row = 0; row < shape.rows; ++row) {
    T* to = sink.data + (sum_rows ? 0 : row * target.cols);
    const bool add = sink.add || (sum_rows && row > 0);
    const T total = sum_of_packs<T>(shape.cols, [&](Index col, int count) { return call(row, col, count); });
    *to = add ? *to + total : total;
  }
}

/** NumPy's broadcasting for two dimensions: each equal, or 1. */
Shape broadcast_shape(std::string_view op, std::span<const Shape> shapes);

template <class Rule> constexpr std::size_t arity() {
  if constexpr (requires { Rule::arity; }) return Rule::arity;
  return 1;
}

/** Operands before this one are masks and indices, without a gradient. */
template <class Rule> constexpr std::size_t first_differentiable() {
  if constexpr (requires { Rule::first_differentiable; }) return Rule::first_differentiable;
  return 0;
}

/** The rule's product for operand K, on Packs or on Vars. */
template <std::size_t K, class Rule, class X, class... Xs>
X vjp(const Rule& rule, const X& g, const X& y, const Xs&... x) {
  if constexpr (K < first_differentiable<Rule>()) {
    return g;
  } else if constexpr (sizeof...(Xs) == 1) {
    return rule.vjp(g, x..., y);
  } else if constexpr (K == 0) {
    return rule.vjp_a(g, x..., y);
  } else if constexpr (K == 1) {
    return rule.vjp_b(g, x..., y);
  } else {
    return rule.vjp_c(g, x..., y);
  }
}

inline double sign(double x) { return static_cast<double>(x > 0) - static_cast<double>(x < 0); }

template <class Rule> std::vector<double> seams_of([[maybe_unused]] const Rule& rule) {
  std::vector<double> seams;
  const auto add = [&](const auto& list) {
    for (const double seam : list) seams.push_back(seam);
  };
  if constexpr (requires { rule.seams(); }) add(rule.seams());
  if constexpr (requires { rule.difference_seams(); }) add(rule.difference_seams());
  if constexpr (requires { rule.facts(); }) {
    for (const auto& kink : rule.facts().kinks) seams.push_back(kink.at);
    add(rule.facts().bends);
  }
  return seams;
}

/** Appends, per element, on which side of every seam of the rule it lies (a kink, or a jump of f″). */
template <class Rule, class T, std::size_t N>
void add_pieces(const Rule& rule, Shape shape, const std::array<Operand<T>, N>& in, std::vector<double>& out) {
  const auto element = [&](std::size_t k, Index row, Index col) {
    return static_cast<double>(in[k].data[row * in[k].row_step + col * in[k].col_step]);
  };
  const auto seams = seams_of(rule);
  for (Index row = 0; row < shape.rows; ++row) {
    for (Index col = 0; col < shape.cols; ++col) {
      double position = element(0, row, col);
      if constexpr (requires { rule.difference_seams(); }) position -= element(1, row, col);
      for (const double seam : seams) out.push_back(sign(position - seam));
    }
  }
}

/** Everything the engine needs of a rule, made from its text. */
template <class Rule, class T> struct ElementwiseOp {
  static constexpr std::size_t N = arity<Rule>();
  using Indices = std::make_index_sequence<N>;
  /// Whether nodes have slopes for attributes, or none: from `parallel::least_elements` on, to compute them again is faster
  /// than to fetch them from the third-level cache.
  static constexpr bool keeps_slopes = requires(Rule rule, Pack<T> x) { rule.value_and_slope(x); };
  static_assert(!keeps_slopes || std::is_empty_v<Rule>, "attributes are either the rule or slopes");

  static Rule rule_of(const Node<T>& node) {
    if constexpr (std::is_empty_v<Rule>)
      return Rule{};
    else
      return *static_cast<const Rule*>(node.attributes);
  }

  static std::array<Operand<T>, N> operands(const BasicTape<T>& tape, const Node<T>& node, bool& contiguous) {
    std::array<Operand<T>, N> in;
    contiguous = true;
    for (std::size_t k = 0; k < N; ++k) {
      const Node<T>& parent = tape.node(node.parents[k]);
      in[k] = operand(static_cast<const T*>(parent.value), parent.shape(), node.shape());
      contiguous = contiguous && parent.shape() == node.shape();
    }
    return in;
  }

  template <std::size_t K> static void pull_back_to(BasicTape<T>& tape, NodeIndex self) {
    const Node<T>& node = tape.node(self);
    if (K < first_differentiable<Rule>() || !tape.needs_grad(node.parents[K])) return;
    const GradSink<T> sink = tape.grad_sink(node.parents[K]);
    if constexpr (keeps_slopes) {
      if (const auto* slopes = static_cast<const T*>(node.attributes); slopes != nullptr)
        return map_array(node.size(), std::array<const T*, 2>{node.grad, slopes}, sink,
                         [](Pack<T> g, Pack<T> slope) { return g * slope; });
    }
    const Rule rule = rule_of(node);
    const auto product = [&rule](Pack<T> gp, Pack<T> yp, auto... xp) { return vjp<K>(rule, gp, yp, xp...); };
    if constexpr (N == 1)
      return map_array(node.size(),
                       std::array<const T*, 3>{node.grad, node.value, tape.node(node.parents[0]).value}, sink,
                       product);
    const Shape shape = node.shape();
    bool contiguous = false;
    const auto x = operands(tape, node, contiguous);
    const Operand<T> g = operand(static_cast<const T*>(node.grad), shape, shape);
    const Operand<T> y = operand(static_cast<const T*>(node.value), shape, shape);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      accumulate<T>(shape, contiguous, std::array<Operand<T>, N + 2>{g, y, x[I]...}, sink,
                    tape.node(node.parents[K]).shape(), product);
    }
    (Indices());
  }

  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (pull_back_to<I>(tape, self), ...); }
    (Indices());
  }

  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t parent) {
    if (parent < first_differentiable<Rule>()) return {};
    const Rule rule = rule_of(at.node());
    BasicVar<T> result;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      const auto one = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
        if (K == parent) result = vjp<K>(rule, at.g, at.y(), at.parent(I)...);
      };
      (one(std::integral_constant<std::size_t, I>()), ...);
    }
    (Indices());
    return sum_to(result, at.parent(parent).shape());
  }

  static void pieces(const BasicTape<T>& tape, NodeIndex self, std::vector<double>& out) {
    const Node<T>& node = tape.node(self);
    bool contiguous = false;
    const auto in = operands(tape, node, contiguous);
    add_pieces(rule_of(node), node.shape(), in, out);
  }

  static constexpr Op<T> op{
      .name = Rule::name,
      .pull_back = first_differentiable<Rule>() < N ? &pull_back : nullptr,
      .taped_vjp = first_differentiable<Rule>() < N ? &taped_vjp : nullptr,
      .pieces = &pieces,
  };
};

}  // namespace elementwise

/** Sums what broadcasting repeated, so that the result has `shape`; the identity when it has it already. */
template <class T> BasicVar<T> sum_to(BasicVar<T> x, Shape shape);

/** Computes a rule on the tape. Throws when the operands do not broadcast, when they are stale or on two tapes,
 * when a setting is outside its domain, and when the rule's own `check()` refuses its parameters. */
template <class Rule, class T, std::size_t N> BasicVar<T> record(const Rule& rule, std::array<BasicVar<T>, N> x) {
  using Made = elementwise::ElementwiseOp<Rule, T>;
  if constexpr (requires { rule.check(); }) rule.check();
  if constexpr (requires { Rule::settings; }) check_settings(rule);
  BasicTape<T>& tape = common_tape<T>(Rule::name, x);
  const auto value = [&rule](auto... pack) { return rule.value(pack...); };
  const auto node = [&](std::size_t k) -> const Node<T>& { return tape.node(x[k].index()); };
  Shape shape = node(0).shape();
  T* out = nullptr;
  if constexpr (N == 1) {
    out = tape.allocate(shape);
    if constexpr (Made::keeps_slopes) {
      if (shape.size() < parallel::least_elements && tape.needs_grad(x[0].index()) && tape.grad_enabled()) {
        T* const slopes = tape.allocate(shape);
        elementwise::map_with_slopes(rule, shape.size(), node(0).value, out, slopes);
        return tape.push(Made::op, shape, out, std::span<const BasicVar<T>, N>(x), slopes);
      }
    }
    elementwise::map_array<false>(shape.size(), std::array<const T*, 1>{node(0).value}, out, value);
  } else {
    std::array<Shape, N> shapes;
    bool contiguous = true;
    for (std::size_t k = 0; k < N; ++k) {
      shapes[k] = node(k).shape();
      contiguous = contiguous && shapes[k] == shape;
    }
    if (!contiguous) shape = elementwise::broadcast_shape(Rule::name, shapes);
    std::array<elementwise::Operand<T>, N> in;
    for (std::size_t k = 0; k < N; ++k)
      in[k] = elementwise::operand(static_cast<const T*>(node(k).value), shapes[k], shape);
    out = tape.allocate(shape);
    elementwise::map(shape, contiguous, in, out, value);
  }
  const void* attributes = nullptr;
  if constexpr (!std::is_empty_v<Rule>) attributes = tape.remember(rule);
  return tape.push(Made::op, shape, out, std::span<const BasicVar<T>, N>(x), attributes);
}

/** A rule as a function: `tanh(x)`, `leaky_relu(x, {.negative_slope = 0.2})`, `maximum(a, b)`; on Vars it records,
 * on Packs it computes, so rules can be written with other rules. */
template <class Rule, std::size_t Arity = elementwise::arity<Rule>()> struct ElementwiseFunction {
  template <class T>
  requires(Arity == 1) BasicVar<T>
  operator()(BasicVar<T> x, const Rule& rule = {}) const { return record<Rule, T, 1>(rule, {x}); }
  template <class T>
  requires(Arity == 2) BasicVar<T>
  operator()(BasicVar<T> a, BasicVar<T> b, const Rule& rule = {}) const { return record<Rule, T, 2>(rule, {a, b}); }
  template <class T>
  requires(Arity == 1) Pack<T>
  operator()(Pack<T> x, const Rule& rule = {}) const { return rule.value(x); }
  template <class T>
  requires(Arity == 2) Pack<T>
  operator()(Pack<T> a, Pack<T> b, const Rule& rule = {}) const { return rule.value(a, b); }
};

}  // namespace tapegrad

/// Keeps the kernels of the library's own rules out of the programs that include it.
#define TAPEGRAD_DECLARE_ELEMENTWISE(Rule, arity)                                                              \
  extern template BasicVar<float> record<Rule, float, arity>(const Rule&, std::array<BasicVar<float>, arity>); \
  extern template BasicVar<double> record<Rule, double, arity>(const Rule&, std::array<BasicVar<double>, arity>);
#define TAPEGRAD_DEFINE_ELEMENTWISE(Rule, arity)                                                        \
  template BasicVar<float> record<Rule, float, arity>(const Rule&, std::array<BasicVar<float>, arity>); \
  template BasicVar<double> record<Rule, double, arity>(const Rule&, std::array<BasicVar<double>, arity>);
