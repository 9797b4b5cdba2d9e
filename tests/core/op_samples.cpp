#include "op_samples.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace op_samples {

Matrix normal(Shape shape, tg::Rng& rng, double scale) {
  Matrix m(shape.rows, shape.cols);
  for (double& v : m.reshaped()) v = scale * rng.normal();
  return m;
}

Matrix row(std::initializer_list<double> values) {
  Matrix m(1, static_cast<Index>(values.size()));
  std::copy(values.begin(), values.end(), m.data());
  return m;
}

Matrix speckled(Shape shape, tg::Rng& rng) {
  Matrix m = normal(shape, rng);
  const double specks[] = {0.0, -0.0, 5e-324, -1e-310};
  for (Index i = 0; i < m.size(); i += 2) m.data()[i] = specks[(i / 2) % 4];
  return m;
}

const std::vector<Shape> shapes = {{1, 1}, {1, 5},  {4, 1},  {0, 3}, {3, 3},
                                   {2, 7}, {1, 17}, {1, 65}, {6, 2}, {1, 2}};

void over_shapes(Samples& samples, const tg::GradCheckFunction& f, const std::function<bool(Shape)>& fits,
                 double large) {
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

const std::vector<int>& labels_for(Index rows, Index cols) {
  static std::vector<int> labels;
  labels.clear();
  for (Index i = 0; i < rows; ++i) labels.push_back(static_cast<int>((3 * i + 1) % cols));
  return labels;
}

namespace {

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
  if (name == "power") return 300;
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

}  // namespace

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
namespace {

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
    const Matrix ordinary = into_domain(row({0.3, 1.2, -0.8}), entry.name, 0, from);
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

// --- the check ---

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
  if (const auto row = rows().find(name); row != rows().end()) row->second(samples);
  return samples;
}

std::string shape_list(const std::vector<Matrix>& inputs) {
  std::string list;
  for (const Matrix& m : inputs) list += " " + tg::to_string(Shape{m.rows(), m.cols()});
  return list;
}

}  // namespace

std::vector<std::string> problems_of(std::string_view name, int order) {
  const Samples samples = samples_of(name);
  if (samples.empty()) return {fmt::format("op '{}' has no samples: give it some with OP_SAMPLES", name)};
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

namespace {

/// y + ε(y − detach(y)) has the value of y and 1 + ε times its gradient: a rule that is wrong by 0.1 %, for any op.
/// So the samples really measure.
void check_that_wrong_gradients_are_rejected(std::string_view name) {
  if (name == "sign" || name == "greater" || name == "greater_equal")
    return;  // their gradients are zero by definition
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

}  // namespace

std::map<std::string, Fill, std::less<>>& rows() {
  static std::map<std::string, Fill, std::less<>> all;
  return all;
}

void check(std::string_view name) {
  for (const int order : {1, 2})
    for (const auto& problem : problems_of(name, order)) FAIL_CHECK(problem);
  check_that_wrong_gradients_are_rejected(name);
}

}  // namespace op_samples
