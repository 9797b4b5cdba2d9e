#include "tapegrad/core/grad_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/grad.h"
#include "tapegrad/core/indexing.h"
#include "tapegrad/core/reduction.h"
#include "tapegrad/core/rng.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using Vars = std::vector<f64::Var>;
constexpr double epsilon = std::numeric_limits<double>::epsilon();
/// Below the smallest normal number f may be rounded to zero, whatever is multiplied with it afterwards.
constexpr double smallest = 1024 * std::numeric_limits<double>::min();

/// The function under the check with its inputs, recorded afresh at every evaluation.
struct Subject {
  f64::Var record() {
    tape.reset();
    vars.clear();
    for (const f64::Matrix& input : inputs) vars.push_back(tape.input(input, {.requires_grad = true}));
    return f(vars);
  }
  struct Evaluation {
    f64::Matrix value;
    std::vector<double> pieces;  ///< on which smooth piece every op lies, for every element
  };
  Evaluation evaluate() {
    Evaluation e{record().value(), {}};
    for (NodeIndex i = 0; i < tape.size(); ++i)
      if (tape.node(i).op->pieces != nullptr) tape.node(i).op->pieces({tape, i}, e.pieces);
    return e;
  }

  const GradCheckFunction& f;
  std::vector<f64::Matrix>& inputs;
  f64::Tape tape = {};
  Vars vars = {};
};

/// Central difference of sixth order for each output, with the step that promises the smallest error for it.
struct Difference {
  f64::Matrix slope;
  f64::Matrix noise;   ///< rounding error to be expected in `slope`
  f64::Matrix error;   ///< what the step was chosen by
  bool found = false;  ///< false: every step crosses a kink or leaves the domain
};

Difference difference(Subject& subject, double& x, const Subject::Evaluation& base) {
  const double x0 = x;
  const auto infinite = f64::Matrix::Constant(base.value.rows(), base.value.cols(), INFINITY);
  Difference best{base.value, infinite, infinite};
  const double unit = std::max(1.0, std::abs(x0));
  for (double step = 2e-2 * unit; step > 1e-9 * unit; step /= 4) {
    std::array<f64::Matrix, 7> f;
    bool usable = true;
    f[3] = base.value;
    for (int k = -3; k <= 3 && usable; ++k) {
      if (k == 0) continue;
      x = x0 + k * step;
      Subject::Evaluation e = subject.evaluate();
      usable = e.pieces == base.pieces && e.value.allFinite();
      f[static_cast<std::size_t>(k + 3)] = std::move(e.value);
    }
    x = x0;
    if (!usable) continue;
    best.found = true;
    const double h = ((x0 + step) - (x0 - step)) / 2;
    const f64::Matrix d1 = (f[4] - f[2]) / (2 * h);
    const f64::Matrix d2 = (f[5] - f[1]) / (4 * h);
    const f64::Matrix d3 = (f[6] - f[0]) / (6 * h);
    const f64::Matrix fourth_order = (4 * d1 - d2) / 3;
    const f64::Matrix sixth_order = 1.5 * d1 - 0.6 * d2 + 0.1 * d3;
    f64::Matrix largest = f[3].cwiseAbs();
    for (const f64::Matrix& value : f) largest = largest.cwiseMax(value.cwiseAbs());
    const f64::Matrix noise = (largest.array() * 16 * epsilon + smallest) / h;
    const f64::Matrix error = (sixth_order - fourth_order).cwiseAbs() + noise;
    const auto better = (error.array() < best.error.array()).eval();
    best.slope = better.select(sixth_order, best.slope);
    best.noise = better.select(noise, best.noise);
    best.error = better.select(error, best.error);
    if ((noise.array() > best.error.array()).all()) break;  // smaller steps only round more
  }
  return best;
}

/// Nonzero weights of both signs and different sizes, so that no two mistakes cancel.
f64::Matrix random_weights(Shape shape, Rng& rng) {
  f64::Matrix weights(shape.rows, shape.cols);
  for (double& weight : weights.reshaped()) {
    const double sign = rng.bernoulli(0.5) ? 1 : -1;
    weight = sign * rng.uniform(0.5, 1.5);
  }
  return weights;
}

/// All elements of all matrices in one row.
f64::Var side_by_side(const Vars& matrices) {
  Vars rows;
  for (const f64::Var& m : matrices) {
    std::vector<Index> elements(static_cast<std::size_t>(m.shape().size()));
    std::iota(elements.begin(), elements.end(), Index{0});
    rows.push_back(gather(m, std::span<const Index>(elements), {1, m.shape().size()}));
  }
  return concat_cols(std::span<const f64::Var>(rows));
}

class Check {
 public:
  Check(Subject& subject, const GradCheckOptions& options) : subject_(subject), options_(options) {}

  GradCheckResult run() {
    result_.message = complaint();
    result_.ok = result_.message.empty();
    if (result_.ok)
      result_.message = fmt::format("{} derivatives agree, worst relative error {:.3g}, {} avoided at kinks",
                                    result_.checked, result_.worst.error, result_.avoided.size());
    return result_;
  }

 private:
  std::string complaint() {
    const Subject::Evaluation base = subject_.evaluate();
    if (!base.value.allFinite()) return "the function is not finite at the given inputs";
    for (Index j = 0; j < base.value.size(); ++j)
      if (std::string difference = gradients_of(j, base.value); !difference.empty()) return difference;
    for (std::size_t k = 0; k < subject_.inputs.size(); ++k)
      for (Index row = 0; row < subject_.inputs[k].rows(); ++row)
        for (Index col = 0; col < subject_.inputs[k].cols(); ++col) compare(k, row, col, base);
    const GradCheckElement& e = result_.worst;
    if (e.error > options_.tolerance || std::isnan(e.error))
      return fmt::format(
          "gradient of output {} by input {} at ({}, {}) = {}: analytic {}, numeric {}, relative error {:.3g}",
          e.output, e.input, e.row, e.col, e.at, e.analytic, e.numeric, e.error);
    if (result_.checked == 0 && !result_.avoided.empty())
      return fmt::format("nothing was compared: {} elements are too close to a kink", result_.avoided.size());
    return result_.checked > 0 && all_zero_ ? moves(base) : "";
  }

  /// Gradient of output j by the fused rules; returns a complaint when the taped rules give another one.
  std::string gradients_of(Index j, const f64::Matrix& value) {
    f64::Matrix seed = f64::Matrix::Zero(value.rows(), value.cols());
    seed.reshaped<Eigen::RowMajor>()[j] = 1;
    std::vector<f64::Matrix>& fused = fused_.emplace_back();
    f64::Var y = subject_.record();
    if (!y.requires_grad()) {
      for (const f64::Matrix& input : subject_.inputs)
        fused.push_back(f64::Matrix::Zero(input.rows(), input.cols()));
      return {};
    }
    y.backward(seed);
    for (const f64::Var& x : subject_.vars) fused.push_back(x.grad());
    y = subject_.record();
    const Vars taped = grad(y, std::span<const f64::Var>(subject_.vars), y.tape().input(seed));
    double largest = 0;
    for (const f64::Matrix& g : fused) largest = std::max(largest, g.size() == 0 ? 0 : g.cwiseAbs().maxCoeff());
    for (std::size_t k = 0; k < taped.size(); ++k) {
      const f64::Matrix other = taped[k].value();
      for (Index i = 0; i < other.size(); ++i) {
        const double a = fused[k].data()[i];
        const double b = other.data()[i];
        if (std::isnan(a) != std::isnan(b) ||
            std::abs(a - b) > 1e-10 * std::max(std::abs(a), std::abs(b)) + 1e-13 * largest)
          return fmt::format("the fused and the taped rule differ for input {} at ({}, {}): {} and {}", k,
                             i / other.cols(), i % other.cols(), a, b);
      }
    }
    return {};
  }

  void compare(std::size_t k, Index row, Index col, const Subject::Evaluation& base) {
    double& x = subject_.inputs[k](row, col);
    const Difference d = difference(subject_, x, base);
    for (Index j = 0; j < base.value.size(); ++j) {
      GradCheckElement e{.output = j, .input = k, .row = row, .col = col, .at = x};
      e.analytic = fused_[static_cast<std::size_t>(j)][k](row, col);
      if (e.analytic != 0) all_zero_ = false;
      if (!d.found) {
        result_.avoided.push_back(e);
        break;
      }
      e.numeric = d.slope.data()[j];
      const double gap = std::abs(e.analytic - e.numeric);
      // error ≤ tolerance exactly when gap ≤ tolerance·larger + noise
      const double larger = std::max(std::abs(e.analytic), std::abs(e.numeric));
      e.error = gap == 0 ? 0 : gap / (larger + d.noise.data()[j] / options_.tolerance);
      if (std::isnan(e.analytic)) e.error = std::numeric_limits<double>::quiet_NaN();
      ++result_.checked;
      const double worst = result_.worst.error;  // a NaN stays
      if (!std::isnan(worst) && (!(e.error <= worst) || result_.checked == 1)) result_.worst = e;
    }
  }

  /// A complaint when f changes within its smooth piece although no gradient says so.
  std::string moves(const Subject::Evaluation& base) {
    const std::vector<f64::Matrix> before = subject_.inputs;
    Rng rng(options_.seed);
    std::string complaint;
    for (const double size : {1e-3, 1e-2, 1e-1, 1.0}) {
      for (f64::Matrix& input : subject_.inputs)
        for (double& x : input.reshaped()) x += size * std::max(1.0, std::abs(x)) * rng.uniform(-1, 1);
      const Subject::Evaluation e = subject_.evaluate();
      subject_.inputs = before;
      if (e.pieces != base.pieces || !e.value.allFinite()) continue;
      const double change = (e.value - base.value).cwiseAbs().maxCoeff();
      if (change > 64 * epsilon * std::max(base.value.cwiseAbs().maxCoeff(), e.value.cwiseAbs().maxCoeff()))
        complaint = fmt::format("every gradient is zero, but the function moves by {:.3g}", change);
    }
    return complaint;
  }

  Subject& subject_;
  const GradCheckOptions& options_;
  GradCheckResult result_;
  std::vector<std::vector<f64::Matrix>> fused_;  ///< by output, then by input
  bool all_zero_ = true;
};

}  // namespace

GradCheckResult grad_check(const GradCheckFunction& f, std::vector<f64::Matrix> inputs, GradCheckOptions options) {
  if (options.order != 1 && options.order != 2)
    fail("grad_check", fmt::format("order must be 1 or 2, got {}", options.order));
  if (inputs.empty()) fail("grad_check", "no inputs");
  if (!f) fail("grad_check", "no function");
  Rng rng(options.seed);
  f64::Matrix weights;
  std::vector<f64::Matrix> gradient_weights;
  for (const f64::Matrix& input : inputs)
    gradient_weights.push_back(random_weights({input.rows(), input.cols()}, rng));

  const auto combine = [&](f64::Var y) {
    if (weights.rows() != y.rows() || weights.cols() != y.cols()) weights = random_weights(y.shape(), rng);
    return sum(y * y.tape().input(weights));
  };
  const GradCheckFunction projected = [&](std::span<const f64::Var> x) { return combine(f(x)); };
  const GradCheckFunction gradient = [&](std::span<const f64::Var> x) {
    const f64::Var y = combine(f(x));
    if (!y.requires_grad()) return y * 0;
    const Vars g = grad(y, x);
    if (options.full_jacobian) return side_by_side(g);
    f64::Var total = y.tape().constant(0);
    for (std::size_t k = 0; k < g.size(); ++k) total = total + sum(g[k] * y.tape().input(gradient_weights[k]));
    return total;
  };

  Subject subject{options.order == 2 ? gradient : options.full_jacobian ? f : projected, inputs};
  return Check(subject, options).run();
}

}  // namespace tapegrad
