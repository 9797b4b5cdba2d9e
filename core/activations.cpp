#include "tapegrad/core/activations.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tapegrad/core/indexing.h"
#include "tapegrad/core/reduction.h"

namespace tapegrad::inline TAPEGRAD_ABI {

void check_setting(std::string_view rule, std::string_view setting, SettingDomain domain, double value) {
  const auto refuse = [&](const char* what) {
    fail(rule, std::string(setting) + " must be " + what + ", got " + to_string(value));
  };
  if (!std::isfinite(value)) refuse("finite");
  if (domain == SettingDomain::positive && !(value > 0)) refuse("positive");
  if (domain == SettingDomain::count && (value < 1 || value > 1e6 || value != std::floor(value)))
    refuse("a whole number of at least 1");
}

TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_DEFINE_ELEMENTWISE)
TAPEGRAD_ACTIVATION_HELPERS(TAPEGRAD_DEFINE_ELEMENTWISE)

#define TAPEGRAD_DEFINE_MAKE(Rule, ...) template Activation make_activation(const Rule&);
TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_DEFINE_MAKE)
TAPEGRAD_STRUCTURED_ACTIVATIONS(TAPEGRAD_DEFINE_MAKE)
#undef TAPEGRAD_DEFINE_MAKE

namespace {

std::vector<Activation>& registry() {
  static std::vector<Activation> activations = [] {
    std::vector<Activation> list;
#define TAPEGRAD_ADD(Rule, ...) list.push_back(make_activation(Rule{}));
    TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_ADD)
    TAPEGRAD_STRUCTURED_ACTIVATIONS(TAPEGRAD_ADD)
#undef TAPEGRAD_ADD
    return list;
  }();
  return activations;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

double number_in(std::string_view text, std::string_view number) {
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size())
    fail("activation", "'" + std::string(text) + "': '" + std::string(number) + "' is not a number");
  return value;
}

}  // namespace

std::string Activation::text() const {
  const auto defaults = registry();
  const auto same =
      std::find_if(defaults.begin(), defaults.end(), [&](const Activation& a) { return a.name() == name(); });
  std::string list;
  const auto all = settings();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (same != defaults.end() && same->settings()[i].second == all[i].second) continue;
    list += (list.empty() ? "" : ", ") + std::string(all[i].first) + "=" + to_string(all[i].second);
  }
  return std::string(name()) + (list.empty() ? "" : "(" + list + ")");
}

Activation activation(std::string_view text) {
  text = trimmed(text);
  const std::size_t open = text.find('(');
  const std::string_view name = trimmed(text.substr(0, open));
  const auto& known = registry();
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const Activation& a) { return a.name() == name; });
  if (found == known.end())
    fail("activation", "no activation named '" + std::string(name) + "'" + did_you_mean(name, activations()));
  Activation result = *found;
  if (open == std::string_view::npos) return result;
  if (text.back() != ')') fail("activation", "'" + std::string(text) + "': the closing ')' is missing");
  std::string_view list = text.substr(open + 1, text.size() - open - 2);
  while (!trimmed(list).empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view item = list.substr(0, comma);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos)
      fail("activation", "'" + std::string(text) + "': '" + std::string(trimmed(item)) + "' is not setting=number");
    result = result.with(trimmed(item.substr(0, equals)), number_in(text, trimmed(item.substr(equals + 1))));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return result;
}

std::vector<std::string_view> activations() {
  std::vector<std::string_view> names;
  for (const Activation& each : registry()) names.push_back(each.name());
  return names;
}

void register_activation(Activation activation) {
  for (const Activation& each : registry())
    if (each.name() == activation.name())
      fail("activation", "'" + std::string(activation.name()) + "' is registered already");
  registry().push_back(std::move(activation));
}

namespace detail {

Facts scanned_facts(const ActivationRule& rule) {
  Facts facts{.formula = "", .sup_slope = 0};
  if (!rule.elementwise()) return facts;
  for (int i = -50'000; i <= 50'000; ++i) {
    const double slope = std::abs(rule.slope(i * 1e-3));
    if (slope > facts.sup_slope) facts.sup_slope = slope;
  }
  facts.saturates_left = std::abs(rule.slope(-1e4)) < 0.1 * facts.sup_slope;
  facts.saturates_right = std::abs(rule.slope(1e4)) < 0.1 * facts.sup_slope;
  return facts;
}

void not_elementwise(std::string_view name, std::string_view what) {
  fail(name, "has no " + std::string(what) + " of one number: it is not elementwise");
}

void unknown_setting(const ActivationRule& rule, std::string_view setting) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : rule.settings()) names.push_back(name);
  fail(rule.name(), "no setting named '" + std::string(setting) + "'" + did_you_mean(setting, names));
}

}  // namespace detail

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
