#include <doctest/doctest.h>
#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

/// The gradient check of every registered op and activation. Elementwise ones are sampled by their entry in
/// elementwise_ops(); structured ones need a row in `structured_rows()`: an op without one fails the test.

namespace tg = tapegrad::f64;

namespace {

using tg::Axis;
using tg::Index;
using tg::Matrix;
using tg::Shape;
using tg::Var;
using Vars = std::span<const Var>;

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Sample {
  tg::GradCheckFunction f;
  std::vector<Matrix> inputs;
  bool full_jacobian = false;
  /// Elements of input 0 that lie on a kink and must therefore be listed as avoided.
  std::vector<Index> on_kink = {};
};
using Samples = std::vector<Sample>;

// --- values ----------------------------------------------------------------------------------------------------

Matrix normal(Shape shape, tg::Rng& rng, double scale = 1) {
  Matrix m(shape.rows, shape.cols);
  for (double& v : m.reshaped()) v = scale * rng.normal();
  return m;
}

Matrix row(std::initializer_list<double> values) {
  Matrix m(1, static_cast<Index>(values.size()));
  std::copy(values.begin(), values.end(), m.data());
  return m;
}

/// ±0 and denormal numbers among ordinary ones.
Matrix speckled(Shape shape, tg::Rng& rng) {
  Matrix m = normal(shape, rng);
  const double specks[] = {0.0, -0.0, 5e-324, -1e-310};
  for (Index i = 0; i < m.size(); i += 2) m.data()[i] = specks[(i / 2) % 4];
  return m;
}

const std::vector<Shape> shapes = {{1, 1}, {1, 5},  {4, 1},  {0, 3}, {3, 3},
                                   {2, 7}, {1, 17}, {1, 65}, {6, 2}, {1, 2}};

// --- elementwise ops -------------------------------------------------------------------------------------------

/// Where f′ or f″ of an op jumps: for one operand a value, for two a difference of the operands.
struct Seams {
  std::vector<double> at = {};
  bool of_difference = false;
};

Seams seams_of(std::string_view name) {
  static const std::map<std::string_view, Seams> known = {
      {"sign", {{0}}},
      {"abs", {{0}}},
      {"clamp", {{0, 1}}},
      {"prelu", {{0}}},
      {"maximum", {{0}, true}},
      {"minimum", {{0}, true}},
      {"greater", {{0}, true}},
      {"greater_equal", {{0}, true}},
      {"absolute_error", {{0}, true}},
      {"huber_error", {{-1, 1}, true}},
  };
  if (const auto found = known.find(name); found != known.end()) return found->second;
  Seams seams;
  const auto names = tg::activations();
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    const auto facts = tg::activation(name).facts();
    for (const auto& kink : facts.kinks) seams.at.push_back(kink.at);
    seams.at.insert(seams.at.end(), facts.bends.begin(), facts.bends.end());
  }
  return seams;
}

/// As far out as the op makes sense: squares, and slopes with x² in them, overflow beyond 1e150.
double huge_for(std::string_view name) {
  if (name == "exp" || name == "expm1") return 650;
  if (name == "sin" || name == "cos") return 1e3;
  return name == "pow" ? 1e100 : 1e150;
}

/// Values that one operand takes, besides the ordinary ones.
std::vector<double> special_values(std::string_view name, double domain_from) {
  const double huge = huge_for(name);
  std::vector<double> values = {0.0, -0.0, 5e-324, -5e-324, 1e-310, 1e-8, -1e-8, 0.1, -0.1, 1,   -1,
                                3.3, -3.3, 10,     -10,     20,     -20,  40,    -40, 200,  huge};
  values.push_back(-huge);
  if (domain_from > -infinity)
    for (double& v : values) v = domain_from + std::max(std::abs(v), 1e-3);
  if (name == "div" || name == "divide_scalar")
    for (double& v : values)
      if (std::abs(v) < 1e-3) v = std::signbit(v) ? -1e-3 : 1e-3;
  return values;
}

/// The operand, moved to where the op is defined.
Matrix into_domain(Matrix m, std::string_view name, std::size_t operand, double domain_from) {
  for (double& v : m.reshaped()) {
    if (domain_from > -infinity) v = domain_from + 0.05 + std::abs(v);
    if ((name == "div" && operand == 1) || name == "divide_scalar") v += v < 0 ? -0.2 : 0.2;
  }
  return m;
}

Samples unary_samples(std::string_view name, double domain_from, const tg::GradCheckFunction& f) {
  Samples samples;
  tg::Rng rng(7);
  for (const Shape& shape : shapes)
    for (const double scale : {1.0, 3.0})
      if (shape.cols < 17 || scale == 1)
        samples.push_back({f, {into_domain(normal(shape, rng, scale), name, 0, domain_from)}});
  // A special value stands beside ordinary ones, each output by itself: noise of the one does not hide the others.
  for (const double special : special_values(name, domain_from))
    samples.push_back(
        {f, {row({special, std::max(domain_from, 0.0) + 0.7, std::max(domain_from, 0.0) + 1.9})}, true});
  for (const double seam : seams_of(name).at) {
    samples.push_back({f, {row({seam - 0.1, seam - 1e-3, seam + 1e-3, seam + 0.1, 0.37})}, true});
    samples.push_back({f, {row({0.37, seam, 0.45})}, true, {1}});
  }
  return samples;
}

/// Two operands, of shapes that broadcast in every way.
Samples binary_samples(const tg::ElementwiseOpEntry& entry) {
  Samples samples;
  const tg::GradCheckFunction f = [apply = entry.apply](Vars v) { return apply(v); };
  const double from = entry.domain_from;
  tg::Rng rng(8);
  const auto pair = [&](Shape a, Shape b, double scale) {
    samples.push_back({f,
                       {into_domain(normal(a, rng, scale), entry.name, 0, from),
                        into_domain(normal(b, rng, scale), entry.name, 1, from)}});
  };
  for (const Shape& shape : shapes) pair(shape, shape, 1);
  const Shape matrix{3, 4};
  for (const Shape other : {Shape{1, 4}, Shape{3, 1}, Shape{1, 1}}) {
    for (const double scale : {1.0, 3.0}) {
      pair(matrix, other, scale);
      pair(other, matrix, scale);
    }
  }
  pair({3, 1}, {1, 4}, 1);
  pair({1, 4}, {3, 1}, 1);
  pair({2, 17}, {2, 1}, 1);
  pair({2, 17}, {1, 17}, 1);
  pair({0, 3}, {1, 3}, 1);
  pair({0, 3}, {1, 1}, 1);
  for (const double special : special_values(entry.name, from)) {
    const Matrix with = row({special, 0.7, 1.9});
    const Matrix ordinary = row({0.3, 1.2, -0.8});
    if (entry.name == "div") {
      samples.push_back({f, {with, row({special, 0.3, 1.2})}, true});
    } else {
      samples.push_back({f, {with, ordinary}, true});
      samples.push_back({f, {ordinary, with}, true});
    }
  }
  const Seams seams = seams_of(entry.name);
  for (const double seam : seams.at) {
    const Matrix b = seams.of_difference ? row({0.5, -0.25, 2, 1, -1}) : row({0.25, 0.1, 2, 1, -1});
    Matrix near = row({seam - 0.1, seam - 1e-3, seam + 1e-3, seam + 0.1, 5});
    Matrix exact = row({5, seam, -4, 3, 3});
    if (seams.of_difference) {
      near += b;
      exact += b;
    }
    samples.push_back({f, {near, b}, true});
    samples.push_back({f, {exact, b}, true, {1}});
  }
  return samples;
}

/// A mask without a gradient, then two operands.
Samples masked_samples(const tg::ElementwiseOpEntry& entry) {
  Samples samples;
  tg::Rng rng(9);
  const auto add = [&](Shape m, Shape a, Shape b) {
    Matrix mask(m.rows, m.cols);
    for (double& v : mask.reshaped()) v = rng.bernoulli(0.5) ? 1 : 0;
    samples.push_back({[apply = entry.apply, mask](Vars v) {
                         const std::array operands{v[0].tape().input(mask), v[0], v[1]};
                         return apply(operands);
                       },
                       {normal(a, rng), normal(b, rng)}});
  };
  for (int repeat = 0; repeat < 3; ++repeat) {
    for (const Shape& shape : shapes)
      if (shape.cols < 65 || repeat == 0) add(shape, shape, shape);
    add({3, 4}, {1, 1}, {3, 4});
    add({3, 4}, {3, 4}, {1, 4});
    add({1, 4}, {3, 4}, {3, 1});
    add({3, 1}, {1, 1}, {1, 4});
    add({1, 1}, {3, 4}, {3, 4});
  }
  return samples;
}

Samples elementwise_samples(const tg::ElementwiseOpEntry& entry) {
  if (entry.arity == 1)
    return unary_samples(entry.name, entry.domain_from, [apply = entry.apply](Vars v) { return apply(v); });
  if (entry.arity == 2) return binary_samples(entry);
  if (entry.arity == 3 && entry.first_differentiable == 1) return masked_samples(entry);
  return {};
}

// --- structured ops ----------------------------------------------------------------------------------------------

/// f over the shapes that `fits` accepts, with ordinary, large, speckled and offset values.
void over_shapes(
    Samples& samples, const tg::GradCheckFunction& f,
    const std::function<bool(Shape)>& fits = [](Shape) { return true; }, double large = 30) {
  tg::Rng rng(10);
  for (const Shape& shape : shapes) {
    if (!fits(shape)) continue;
    samples.push_back({f, {normal(shape, rng)}});
    if (shape.cols >= 17) continue;
    samples.push_back({f, {normal(shape, rng, large)}});
    samples.push_back({f, {normal(shape, rng, 0.01)}});
    Matrix offset = normal(shape, rng);
    offset.array() += 3;
    samples.push_back({f, {offset}});
    // All zero is a tie for some ops, so ordinary numbers stand between.
    if (shape.size() >= 2) samples.push_back({f, {speckled(shape, rng)}});
  }
}

bool not_empty(Shape shape) { return shape.size() > 0; }

template <class Reduce> Samples reduction_samples(const Reduce& reduce, double large, Index group_left_out = 0) {
  Samples samples;
  for (const Axis axis : {Axis::all, Axis::rows, Axis::cols}) {
    const auto fits = [=](Shape s) { return s.size() / tg::reduced(s, axis).size() != group_left_out; };
    over_shapes(
        samples, [=](Vars v) { return reduce(v[0], axis); }, [=](Shape s) { return not_empty(s) && fits(s); },
        large);
  }
  return samples;
}

/// The two largest (smallest) elements of a group are equal: both are on a kink.
template <class Reduce> Samples extreme_samples(const Reduce& reduce, double sign) {
  Samples samples = reduction_samples(reduce, 1e300);
  const auto f = [=](Axis axis) { return [=](Vars v) { return reduce(v[0], axis); }; };
  Matrix ties(2, 3);
  ties << 3, 1, 3, 2, -1, 0;
  ties *= sign;
  samples.push_back({f(Axis::all), {ties}, true, {0, 2}});
  samples.push_back({f(Axis::cols), {ties}, true, {0, 2}});
  Matrix near(1, 4);
  near << 1 - 1e-3, 1, 0.9, -2;
  samples.push_back({f(Axis::all), {sign * near}, true});
  return samples;
}

const std::vector<int>& labels_for(Index rows, Index cols) {
  static std::vector<int> labels;
  labels.clear();
  for (Index i = 0; i < rows; ++i) labels.push_back(static_cast<int>((3 * i + 1) % cols));
  return labels;
}

Samples matmul_samples() {
  Samples samples;
  tg::Rng rng(11);
  const Index sizes[][3] = {{1, 1, 1},  {1, 5, 1}, {4, 1, 3}, {2, 3, 4}, {3, 7, 2}, {1, 17, 2},
                            {2, 2, 17}, {0, 3, 2}, {2, 0, 3}, {2, 3, 0}, {1, 65, 1}};
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const auto& [m, k, n] : sizes) {
        const Shape a = ta ? Shape{k, m} : Shape{m, k};
        const Shape b = tb ? Shape{n, k} : Shape{k, n};
        const auto f = [=](Vars v) { return tg::matmul(v[0], v[1], {ta, tb}); };
        samples.push_back({f, {normal(a, rng), normal(b, rng)}});
        if (k < 17 && n < 17) {
          samples.push_back({f, {normal(a, rng, 1e100), normal(b, rng, 1e100)}});
          if (m * k >= 4 && n > 1) samples.push_back({f, {speckled(a, rng), speckled(b, rng)}});
        }
      }
      // the same matrix on both sides
      samples.push_back({[=](Vars v) { return tg::matmul(v[0], v[0], {ta, tb}); }, {normal({3, 3}, rng)}});
    }
  }
  return samples;
}

Samples linear_samples() {
  Samples samples;
  tg::Rng rng(12);
  const Index sizes[][3] = {{1, 1, 1},  {1, 5, 1}, {4, 1, 3}, {2, 3, 4}, {3, 7, 2}, {1, 17, 2},
                            {2, 2, 17}, {0, 3, 2}, {2, 0, 3}, {2, 3, 0}, {1, 65, 1}};
  for (const auto& [batch, in, out] : sizes) {
    for (const double scale : {1.0, 0.01, 10.0, 1e100}) {
      if (in == 65 && scale != 1) continue;
      samples.push_back(
          {[](Vars v) { return tg::linear(v[0], v[1], v[2]); },
           {normal({batch, in}, rng, scale), normal({out, in}, rng, scale), normal({1, out}, rng, scale)}});
    }
    if (batch * in >= 2)
      samples.push_back({[](Vars v) { return tg::linear(v[0], v[1], v[2]); },
                         {speckled({batch, in}, rng), normal({out, in}, rng), speckled({1, out}, rng)}});
  }
  return samples;
}

Samples concat_samples() {
  Samples samples;
  tg::Rng rng(13);
  const auto f = [](Vars v) { return tg::concat_cols(v); };
  const Index widths[][3] = {{1, 1, 1}, {2, 3, 1}, {0, 2, 1}, {1, 0, 0}, {7, 1, 4}, {17, 2, 1}, {1, 4, 0}};
  for (const Index rows : {0, 1, 2, 4})
    for (const auto& [a, b, c] : widths) {
      samples.push_back({f, {normal({rows, a}, rng), normal({rows, b}, rng), normal({rows, c}, rng)}});
      if (a < 17)
        samples.push_back({f, {normal({rows, a}, rng, 1e300), normal({rows, b}, rng), speckled({rows, c}, rng)}});
    }
  samples.push_back({f, {normal({2, 65}, rng)}});
  samples.push_back({[](Vars v) {
                       return tg::concat_cols({v[0], v[1], v[0]});
                     },
                     {normal({2, 3}, rng), normal({2, 1}, rng)}});
  return samples;
}

/// Row or element numbers that repeat some and leave out others.
std::vector<Index> scattered(Index count, Index of) {
  std::vector<Index> numbers;
  for (Index i = 0; i < count; ++i) numbers.push_back((i * i + 1) % of);
  return numbers;
}

const std::map<std::string_view, std::function<Samples()>>& structured_rows() {
  static const std::map<std::string_view, std::function<Samples()>> rows = {
      {"sum", [] { return reduction_samples([](Var x, Axis axis) { return tg::sum(x, axis); }, 1e300); }},
      {"mean", [] { return reduction_samples([](Var x, Axis axis) { return tg::mean(x, axis); }, 1e300); }},
      {"max", [] { return extreme_samples([](Var x, Axis axis) { return tg::max(x, axis); }, 1); }},
      {"min", [] { return extreme_samples([](Var x, Axis axis) { return tg::min(x, axis); }, -1); }},
      {"logsumexp", [] { return reduction_samples([](Var x, Axis axis) { return tg::logsumexp(x, axis); }, 500); }},
      {"standardize",
       [] {
         // Two numbers become ±1, whatever they are: their derivatives are all cancellation, unless eps is large.
         Samples samples = reduction_samples([](Var x, Axis axis) { return tg::standardize(x, axis); }, 1e4, 2);
         over_shapes(
             samples, [](Vars v) { return tg::standardize(v[0], Axis::cols, 0.1); }, not_empty, 1);
         over_shapes(
             samples, [](Vars v) { return tg::standardize(v[0], Axis::rows, 0.1); }, not_empty, 1);
         samples.push_back({[](Vars v) { return tg::standardize(v[0], Axis::rows); }, {Matrix(3, 0)}});
         samples.push_back({[](Vars v) { return tg::standardize(v[0], Axis::cols); }, {Matrix(0, 3)}});
         return samples;
       }},
      {"broadcast_to",
       [] {
         Samples samples;
         over_shapes(
             samples,
             [](Vars v) {
               return tg::broadcast_to(v[0], {3, v[0].cols()});
             },
             [](Shape s) { return s.rows == 1; }, 1e300);
         over_shapes(
             samples,
             [](Vars v) {
               return tg::broadcast_to(v[0], {v[0].rows(), 5});
             },
             [](Shape s) { return s.cols == 1; }, 1e300);
         over_shapes(
             samples,
             [](Vars v) {
               return tg::broadcast_to(v[0], {3, 7});
             },
             [](Shape s) { return s.size() == 1; }, 1e300);
         over_shapes(
             samples,
             [](Vars v) {
               return tg::broadcast_to(v[0], {0, v[0].cols()});
             },
             [](Shape s) { return s.rows == 1 && s.cols < 17; });
         return samples;
       }},
      {"matmul", matmul_samples},
      {"linear", linear_samples},
      {"transpose",
       [] {
         Samples samples;
         over_shapes(
             samples, [](Vars v) { return tg::transpose(v[0]); }, [](Shape) { return true; }, 1e300);
         return samples;
       }},
      {"concat_cols", concat_samples},
      {"slice_cols",
       [] {
         Samples samples;
         for (const Index first : {0, 1})
           over_shapes(
               samples, [=](Vars v) { return tg::slice_cols(v[0], first, (v[0].cols() - first + 1) / 2); },
               [](Shape s) { return s.cols >= 2; }, 1e300);
         return samples;
       }},
      {"pad_cols",
       [] {
         Samples samples;
         over_shapes(
             samples, [](Vars v) { return tg::pad_cols(v[0], 2, 1); }, [](Shape) { return true; }, 1e300);
         return samples;
       }},
      {"select_rows",
       [] {
         Samples samples;
         for (const Index count : {0, 5})
           over_shapes(
               samples, [=](Vars v) { return tg::select_rows(v[0], scattered(count, v[0].rows())); }, not_empty,
               1e300);
         return samples;
       }},
      {"scatter_rows",
       [] {
         Samples samples;
         over_shapes(
             samples, [](Vars v) { return tg::scatter_rows(v[0], scattered(v[0].rows(), 4), 4); },
             [](Shape) { return true; }, 1e300);
         return samples;
       }},
      {"gather",
       [] {
         Samples samples;
         for (const Index count : {2, 4})
           over_shapes(
               samples,
               [=](Vars v) {
                 return tg::gather(v[0], scattered(3 * count, v[0].shape().size()), {count, 3});
               },
               not_empty, 1e300);
         return samples;
       }},
      {"scatter",
       [] {
         Samples samples;
         over_shapes(
             samples,
             [](Vars v) {
               return tg::scatter(v[0], scattered(v[0].shape().size(), 20), {4, 5});
             },
             [](Shape) { return true; }, 1e300);
         return samples;
       }},
      {"detach",
       [] {
         Samples samples;  // a detached factor is a constant: what is left is linear
         over_shapes(samples, [](Vars v) {
           Matrix constant = v[0].value();
           constant.setConstant(1.5);
           const Var factor = v[0].tape().input(constant, {.requires_grad = true});
           return tg::detach(factor * 2.0) * v[0];
         });
         return samples;
       }},
      {"softmax",
       [] {
         Samples samples;
         over_shapes(samples, [](Vars v) { return tg::softmax(v[0]); });
         over_shapes(samples, [](Vars v) { return tg::activation("softmax")(v[0]); });
         return samples;
       }},
      {"log_softmax",
       [] {
         Samples samples;
         over_shapes(
             samples, [](Vars v) { return tg::log_softmax(v[0]); }, [](Shape) { return true; }, 500);
         over_shapes(samples, [](Vars v) { return tg::activation("log_softmax")(v[0]); });
         return samples;
       }},
      {"maxout",
       [] {
         Samples samples;
         const auto f = [](Vars v) { return tg::maxout(v[0], 2); };
         for (const int pieces : {1, 2, 3, 7, 17})
           over_shapes(
               samples, [=](Vars v) { return tg::maxout(v[0], pieces); },
               [=](Shape s) { return s.cols % pieces == 0; }, 1e300);
         samples.push_back({f, {Matrix(3, 0)}});
         samples.push_back({f, {row({1, 1, 2, 3})}, true, {0, 1}});
         samples.push_back({f, {row({1, 1.001, 2, 1.9})}, true});
         return samples;
       }},
      {"glu",
       [] {
         Samples samples;
         tg::Rng rng(14);
         for (const Index batch : {0, 1, 3})
           for (const Index cols : {0, 2, 6, 14, 34})
             for (const double scale : {1.0, 0.01, 10.0})
               if (cols < 34 || scale == 1)
                 samples.push_back({[](Vars v) { return tg::glu(v[0]); }, {normal({batch, cols}, rng, scale)}});
         samples.push_back({[](Vars v) { return tg::activation("glu")(v[0]); }, {normal({2, 130}, rng)}});
         return samples;
       }},
      {"prelu",
       [] {
         Samples samples;  // as an activation with its learned slope
         tg::Rng rng(15);
         for (const Shape& shape : shapes)
           for (const double scale : {1.0, 0.01, 100.0, 1e100})
             if (shape.cols < 17 || scale == 1)
               samples.push_back({[](Vars v) { return tg::activation("prelu")(v[0], v.subspan(1)); },
                                  {normal(shape, rng, scale), normal({1, shape.cols}, rng)}});
         return samples;
       }},
      {"cross_entropy",
       [] {
         Samples samples;
         for (const auto reduction : {tg::Reduction::mean, tg::Reduction::sum}) {
           for (const double smoothing : {0.0, 0.1}) {
             over_shapes(
                 samples,
                 [=](Vars v) {
                   return tg::cross_entropy(v[0], labels_for(v[0].rows(), v[0].cols()), {smoothing, reduction});
                 },
                 not_empty);
           }
           over_shapes(
               samples,
               [=](Vars v) {
                 Matrix target = Matrix::Constant(v[0].rows(), v[0].cols(), 1.0 / static_cast<double>(v[0].cols()));
                 return tg::cross_entropy(v[0], v[0].tape().input(target), {0.05, reduction});
               },
               not_empty);
           // the gradient of the target
           tg::Rng rng(16);
           samples.push_back({[=](Vars v) {
                                return tg::cross_entropy(v[0], tg::softmax(v[1]),
                                                         {.label_smoothing = 0.2, .reduction = reduction});
                              },
                              {normal({3, 4}, rng), normal({3, 4}, rng)}});
         }
         return samples;
       }},
      // The rest are no ops of their own, but functions made of ops, or ops with other settings.
      {"nll (composed)",
       [] {
         Samples samples;
         for (const auto reduction : {tg::Reduction::mean, tg::Reduction::sum})
           over_shapes(
               samples,
               [=](Vars v) {
                 return tg::nll(tg::log_softmax(v[0]), labels_for(v[0].rows(), v[0].cols()), {reduction});
               },
               not_empty);
         return samples;
       }},
      {"losses (composed)",
       [] {
         Samples samples;
         tg::Rng rng(17);
         for (const Shape& shape : shapes) {
           if (!not_empty(shape) || shape.cols > 17) continue;
           for (const auto reduction : {tg::Reduction::mean, tg::Reduction::sum}) {
             const std::vector<Matrix> inputs = {normal(shape, rng, 2), normal(shape, rng, 2)};
             samples.push_back({[=](Vars v) { return tg::mse(v[0], v[1], {reduction}); }, inputs});
             samples.push_back({[=](Vars v) { return tg::l1(v[0], v[1], {reduction}); }, inputs});
             samples.push_back({[=](Vars v) { return tg::huber(v[0], v[1], {0.7, reduction}); }, inputs});
             samples.push_back({[=](Vars v) { return tg::bce_with_logits(v[0], v[1], {reduction}); }, inputs});
           }
         }
         return samples;
       }},
      {"settings (composed)",
       [] {
         Samples samples;
         const auto add = [&](std::string_view name, const tg::GradCheckFunction& f, double from = -infinity) {
           for (Sample& s : unary_samples(name, from, f)) samples.push_back(std::move(s));
         };
         for (const char* text : {"leaky_relu(negative_slope=0.3)", "leaky_relu(negative_slope=-0.5)",
                                  "elu(alpha=2)", "celu(alpha=0.5)", "swish(beta=2.5)", "swish(beta=0.3)"})
           add(tg::activation(text).name(), [=](Vars v) { return tg::activation(text)(v[0]); });
         add(
             "pow", [](Vars v) { return tg::pow(v[0], 2.5); }, 1);
         add(
             "pow", [](Vars v) { return tg::pow(v[0], -1); }, 1);
         add("square", [](Vars v) { return tg::pow(v[0], 2); });  // integer powers of negative numbers
         add("add", [](Vars v) { return v[0] * 3.0 - 2.0; });
         add("add", [](Vars v) { return 3.0 - v[0] / 4.0; });
         add("divide_scalar", [](Vars v) { return 5.0 / v[0]; });
         add("sin", [](Vars v) { return tg::clamp(tg::sin(v[0]), -2, 2); });
         return samples;
       }},
  };
  return rows;
}

// --- the check
// -----------------------------------------------------------------------------------------------------

/// Everything to check under a name: an elementwise op, an elementwise activation, a structured row, or several.
Samples samples_of(std::string_view name) {
  Samples samples;
  const auto add = [&](Samples more) {
    for (Sample& s : more) samples.push_back(std::move(s));
  };
  bool in_elementwise = false;
  for (const auto& entry : tg::elementwise_ops())
    if (entry.name == name) {
      add(elementwise_samples(entry));
      in_elementwise = true;
    }
  const auto activations = tg::activations();
  if (!in_elementwise && std::find(activations.begin(), activations.end(), name) != activations.end()) {
    const tg::Activation act = tg::activation(name);
    if (act.elementwise()) add(unary_samples(name, -infinity, [act](Vars v) { return act(v[0]); }));
  }
  if (const auto row = structured_rows().find(name); row != structured_rows().end()) add(row->second());
  return samples;
}

std::string shape_list(const std::vector<Matrix>& inputs) {
  std::string list;
  for (const Matrix& m : inputs) list += " " + tg::to_string(Shape{m.rows(), m.cols()});
  return list;
}

/// What is wrong with the op of this name; nothing when it passes.
std::vector<std::string> problems_of(std::string_view name, int order) {
  const Samples samples = samples_of(name);
  if (samples.empty()) return {fmt::format("op '{}' has no row in the table of test_ops_table.cpp", name)};
  std::vector<std::string> problems;
  if (samples.size() < 40) problems.push_back(fmt::format("op '{}' has only {} samples", name, samples.size()));
  Index checked = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Sample& sample = samples[i];
    std::string complaint;
    try {
      const auto result =
          tg::grad_check(sample.f, sample.inputs, {.order = order, .full_jacobian = sample.full_jacobian});
      checked += result.checked;
      if (!result.ok) complaint = result.message;
      for (const Index element : sample.on_kink) {
        const auto is_it = [&](const tg::GradCheckElement& e) {
          return e.input == 0 && e.row * sample.inputs[0].cols() + e.col == element;
        };
        if (std::none_of(result.avoided.begin(), result.avoided.end(), is_it))
          complaint += fmt::format(" element {} is on a kink, but is not listed as avoided", element);
      }
    } catch (const std::exception& e) {
      complaint = e.what();
    }
    if (!complaint.empty())
      problems.push_back(
          fmt::format("{}, order {}, sample {} ({} ): {}", name, order, i, shape_list(sample.inputs), complaint));
  }
  if (checked == 0) problems.push_back(fmt::format("{}: nothing was compared", name));
  return problems;
}

std::vector<std::string_view> all_names() {
  std::vector<std::string_view> names = tg::ops();
  for (const auto name : tg::activations())
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  for (const auto& [name, row] : structured_rows())
    if (name.ends_with("(composed)")) names.push_back(name);
  return names;
}

void check_all(int order) {
  for (const auto name : all_names()) {
    const auto problems = problems_of(name, order);
    for (const auto& problem : problems) FAIL_CHECK(problem);
    CHECK(problems.empty());
  }
}

}  // namespace

TEST_CASE("gradient check of every registered op and activation, first order") { check_all(1); }

TEST_CASE("gradient check of every registered op and activation, second order") { check_all(2); }

TEST_CASE("an op without a row in the table is a failure") {
  const auto problems = problems_of("frobnicate", 1);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0] == "op 'frobnicate' has no row in the table of test_ops_table.cpp");
}

TEST_CASE("every row of the table belongs to a registered op or activation") {
  const auto names = all_names();
  for (const auto& entry : structured_rows())
    CHECK_MESSAGE(std::find(names.begin(), names.end(), entry.first) != names.end(), entry.first);
}

/// y + ε(y − detach(y)) has the value of y and 1 + ε times its gradient: a rule that is wrong by 0.1 %, for any op.
/// So the samples above really measure.
TEST_CASE("the table rejects every op when its gradient is wrong by 0.1 % or by sign") {
  for (const auto name : all_names()) {
    // Their gradients are zero by definition.
    if (name == "sign" || name == "greater" || name == "greater_equal") continue;
    for (const double epsilon : {1e-3, -2.0}) {
      const auto rejects = [&](const Sample& sample) {
        if (std::all_of(sample.inputs.begin(), sample.inputs.end(), [](const Matrix& m) { return m.size() == 0; }))
          return false;
        const auto wrong = [&](Vars v) {
          const Var y = sample.f(v);
          return y + epsilon * (y - tg::detach(y));
        };
        return !tg::grad_check(wrong, sample.inputs, {.full_jacobian = sample.full_jacobian}).ok;
      };
      const Samples samples = samples_of(name);
      int rejected = 0;
      for (const Sample& sample : samples)
        if (sample.inputs[0].cols() < 17 && rejects(sample)) ++rejected;
      CHECK_MESSAGE(rejected >= 15, fmt::format("{}: only {} of {} samples reject a factor of {}", name, rejected,
                                                samples.size(), 1 + epsilon));
    }
  }
}
