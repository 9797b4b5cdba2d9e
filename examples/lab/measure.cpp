#include "measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "common/parallel.h"

namespace lab {
namespace {

/// Seconds of the fastest of many calls of work(prepare()): what the machine needs when nothing else disturbs it.
template <class Prepare, class Work> double fastest(const Prepare& prepare, const Work& work) {
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  const Clock::time_point end = Clock::now() + std::chrono::milliseconds(200);
  for (int i = 0; i < 20 || Clock::now() < end; ++i) {
    const auto in = prepare();
    const Clock::time_point start = Clock::now();
    work(in);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

double rms(const tg::BasicView<float>& values) {
  return std::sqrt(values.cast<double>().squaredNorm() / static_cast<double>(values.size()));
}

/// The factor per layer that leads from the first number to the last.
double factor(const std::vector<double>& by_layer) {
  return std::pow(by_layer.back() / by_layer.front(), 1.0 / static_cast<double>(by_layer.size() - 1));
}

}  // namespace

Function value_of(const tg::Activation& f) {
  return [f](double x) { return f.value(x); };
}

Function slope_of(const tg::Activation& f) {
  return [f](double x) { return f.slope(x); };
}

double normal_mean(const Function& f) {
  constexpr double step = 1.0 / 4096;
  constexpr int reach = 10 * 4096;
  double sum = 0;
  for (int i = -reach; i <= reach; ++i) {
    const double z = i * step;
    sum += f(z) * std::exp(-z * z / 2);
  }
  return sum * step / std::sqrt(2 * M_PI);
}

double normal_variance(const Function& f) {
  const double mean = normal_mean(f);
  return normal_mean([&](double z) { return (f(z) - mean) * (f(z) - mean); });
}

Extremum largest(const Function& f, double low, double high) {
  constexpr int points = 8000;
  const double step = (high - low) / points;
  double best = low;
  for (int i = 0; i <= points; ++i)
    if (f(low + i * step) > f(best)) best = low + i * step;
  double a = std::max(best - step, low);
  double b = std::min(best + step, high);
  constexpr double golden = 0.61803398874989485;
  for (int i = 0; i < 60; ++i) {
    const double left = b - golden * (b - a);
    const double right = a + golden * (b - a);
    if (f(left) < f(right))
      a = left;
    else
      b = right;
  }
  // Around a smooth top f is flat to within rounding, and the search may end a little beside the grid's best point.
  const double middle = (a + b) / 2;
  return f(middle) > f(best) ? Extremum{middle, f(middle)} : Extremum{best, f(best)};
}

Extremum smallest(const Function& f, double low, double high) {
  const Extremum top = largest([&](double x) { return -f(x); }, low, high);
  return {top.at, -top.value};
}

std::vector<double> decades(double low, double high, int count, double sign) {
  std::vector<double> points;
  for (int i = 0; i < count; ++i) points.push_back(sign * low * std::pow(high / low, i / (count - 1.0)));
  return points;
}

double root(const Function& f, double low, double high) {
  const bool rising = f(high) > 0;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    ((f(middle) > 0) == rising ? high : low) = middle;
  }
  return (low + high) / 2;
}

float value_in_float(const tg::Activation& f, float x) {
  tg::Tape tape;
  return f(tape.input(static_cast<double>(x))).item();
}

double second_derivative(const tg::Activation& f, double x) {
  tg::f64::Tape tape;
  const tg::f64::Var in = tape.input(x, {.requires_grad = true});
  const tg::f64::Var slope = tg::grad(f(in), {in})[0];
  return tg::grad(slope, {in})[0].item();
}

Eigen::RowVectorXd apply(const tg::Activation& f, const Eigen::RowVectorXd& x) {
  tg::f64::Tape tape;
  return f(tape.input(tg::f64::Matrix(x))).value();
}

double gradient_error(const tg::Activation& f, const tg::f64::Matrix& x) {
  const auto apply_f = [&](std::span<const tg::f64::Var> in) { return f(in[0]); };
  return tg::grad_check(apply_f, {x}, {.tolerance = 1e-8}).worst.error;
}

double nanoseconds(const tg::Activation& f, std::uint64_t seed) {
  tg::Rng rng(seed);
  const tg::Matrix x = normal_matrix<float>(256, 256, rng);
  tg::Tape tape;
  const auto prepare = [&] {
    tape.reset();
    return tape.input(x);
  };
  return 1e9 / static_cast<double>(x.size()) * fastest(prepare, [&](tg::Var in) { f(in); });
}

double product_nanoseconds(std::uint64_t seed) {
  tg::Rng rng(seed);
  const tg::Matrix a = normal_matrix<float>(256, 256, rng);
  const tg::Matrix b = normal_matrix<float>(256, 256, rng);
  tg::Tape tape;
  const auto prepare = [&] {
    tape.reset();
    return std::pair(tape.input(a), tape.input(b));
  };
  return 1e9 / static_cast<double>(a.size()) *
         fastest(prepare, [](const auto& in) { tg::matmul(in.first, in.second); });
}

double Propagation::gradient_factor() const { return 1 / factor(gradient); }
double Propagation::output_factor() const { return factor(output); }

Propagation propagate(const tg::Activation& f, const tg::Initializer& weights, tg::Index depth, tg::Index width,
                      std::uint64_t seed) {
  tg::Rng rng(seed);
  const tg::LinearOptions options{.weight_init = weights, .bias_init = tg::zeros()};
  std::vector<tg::Linear> layers;
  for (tg::Index i = 0; i < depth; ++i) layers.emplace_back(width, width, rng, options);
  tg::Linear last(width, 10, rng, options);

  tg::Tape tape;
  std::vector<tg::Var> z;
  std::vector<tg::Var> y{tape.input(normal_matrix<float>(width, width, rng))};
  for (tg::Linear& layer : layers) {
    z.push_back(layer(y.back()));
    y.push_back(f(z.back()));
  }
  std::vector<int> labels(static_cast<std::size_t>(width));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 10);
  tg::cross_entropy(last(y.back()), labels).backward();

  Propagation result;
  for (std::size_t i = 0; i < z.size(); ++i) {
    result.output.push_back(rms(y[i + 1].value()));
    result.gradient.push_back(rms(z[i].grad()));
  }
  return result;
}

double mean_gradient_factor(const tg::Activation& f, const tg::Initializer& weights, tg::Index depth,
                            tg::Index width, std::uint64_t seed, int seeds) {
  std::vector<double> logs(static_cast<std::size_t>(seeds));
  example::two_at_a_time(logs.size(), [&](std::size_t i) {
    logs[i] = std::log(propagate(f, weights, depth, width, seed + i).gradient_factor());
  });
  return std::exp(mean_of(logs));
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double paired_t(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += a[i] - b[i];
    squares += (a[i] - b[i]) * (a[i] - b[i]);
  }
  const double variance = (squares - sum * sum / n) / (n - 1);
  return variance > 0 ? sum / n / std::sqrt(variance / n) : 0;
}

double overlap(const std::vector<double>& a, const std::vector<double>& b) {
  return std::min(*std::max_element(a.begin(), a.end()), *std::max_element(b.begin(), b.end())) -
         std::max(*std::min_element(a.begin(), a.end()), *std::min_element(b.begin(), b.end()));
}

}  // namespace lab
