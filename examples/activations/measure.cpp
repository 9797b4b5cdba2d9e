#include "activations/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

namespace gallery {
namespace {

/// f(x), with learned parameters (the slope of prelu) at their initial values.
template <class T> tg::BasicVar<T> apply(const tg::Activation& f, tg::BasicVar<T> x) {
  std::vector<tg::BasicVar<T>> learned;
  for (const auto& [name, value] : f.learned())
    learned.push_back(x.tape().input(tg::BasicMatrix<T>::Constant(1, x.cols(), static_cast<T>(value))));
  return f(x, std::span<const tg::BasicVar<T>>(learned));
}

/// The fastest of many runs, in nanoseconds per element of x: the cost when nothing else disturbs.
template <class F> Cost measure_cost(const tg::Matrix& x, F&& f) {
  using Clock = std::chrono::steady_clock;
  const auto since = [&](Clock::time_point start) {
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / static_cast<double>(x.size());
  };
  Cost best;
  tg::Tape tape;
  tg::Matrix seed;
  for (int run = 0; run < 30; ++run) {
    tape.reset();
    const tg::Var in = tape.input(x, {.requires_grad = true});
    auto start = Clock::now();
    const tg::Var y = f(in);
    best.forward = std::min(best.forward, since(start));
    seed.setOnes(y.rows(), y.cols());
    start = Clock::now();
    y.backward(seed);
    best.backward = std::min(best.backward, since(start));
  }
  return best;
}

}  // namespace

plot::Figure curves(const tg::Activation& f) {
  constexpr double beside = 1e-3;  // of a jump
  std::vector<double> x;
  for (int i = -100; i <= 100; ++i) x.push_back(i / 20.0);
  const tg::Facts facts = f.facts();
  std::vector<double> seams = facts.bends;
  for (const tg::Kink& kink : facts.kinks) seams.push_back(kink.at);
  for (const double seam : seams)
    if (std::abs(seam) < 5) x.insert(x.end(), {seam - beside, seam, seam + beside});
  std::sort(x.begin(), x.end());
  x.erase(std::unique(x.begin(), x.end()), x.end());

  const auto rows = static_cast<tg::Index>(x.size());
  tg::f64::Matrix inputs = tg::f64::Matrix::Zero(rows, plotted_columns(f));
  for (tg::Index i = 0; i < rows; ++i) inputs(i, 0) = x[static_cast<std::size_t>(i)];
  tg::f64::Tape tape;
  const tg::f64::Var in = tape.input(inputs, {.requires_grad = true});
  const auto first_column = [&](tg::Index columns) {
    tg::f64::Matrix seed = tg::f64::Matrix::Zero(rows, columns);
    seed.col(0).setOnes();
    return tape.input(seed);
  };
  const tg::f64::Var y = apply(f, in);
  const tg::f64::Var slope = tg::grad(y, {in}, first_column(y.cols()))[0];
  const tg::f64::Var curvature = tg::grad(slope, {in}, first_column(in.cols()))[0];

  plot::Figure figure{.curves = {{"f", x}, {"f′", x}, {"f″", x}},
                      .x = {.title = "x"},
                      .y = {.low = -2, .high = 3},
                      .dots = {{"f′"}}};
  const auto is_kink = [&](double at) {
    return std::any_of(facts.kinks.begin(), facts.kinks.end(), [&](const tg::Kink& k) { return k.at == at; });
  };
  for (tg::Index i = 0; i < rows; ++i) {
    const double at = inputs(i, 0);
    const bool seam = std::find(seams.begin(), seams.end(), at) != seams.end();
    figure.curves[0].y.push_back(y.value()(i, 0));
    figure.curves[1].y.push_back(is_kink(at) ? NAN : slope.value()(i, 0));  // NaN: the line breaks where f′ jumps
    figure.curves[2].y.push_back(seam ? NAN : curvature.value()(i, 0));
  }
  for (const tg::Kink& kink : facts.kinks)
    if (std::abs(kink.at) < 5) figure.dots[0].add(kink.at, kink.slope);
  return figure;
}

void measure_outputs(Entry& entry, std::uint64_t seed) {
  tg::Rng rng(seed);
  tg::f64::Matrix x(20'000, 12 * entry.f.inputs_per_output());
  for (double& v : x.reshaped()) v = rng.normal();
  tg::f64::Tape tape;
  const auto y = apply(entry.f, tape.input(x)).value().array();
  entry.mean = y.mean();
  entry.variance = (y - entry.mean).square().mean();
}

Cost measure_costs(std::span<Entry> entries, tg::Index size, std::uint64_t seed) {
  tg::Rng rng(seed);
  const auto matrix = [&](tg::Index rows, tg::Index cols) {
    tg::Matrix m(rows, cols);
    for (float& v : m.reshaped()) v = static_cast<float>(rng.normal());
    return m;
  };
  const tg::Matrix x = matrix(size, size);
  const tg::Parameter weight("weight", matrix(size, size));
  for (Entry& entry : entries) {
    const tg::Matrix in = matrix(size, size * entry.f.inputs_per_output());
    entry.cost = measure_cost(in, [&](tg::Var v) { return apply(entry.f, v); });
  }
  return measure_cost(x, [&](tg::Var in) { return tg::matmul(in, in.tape().parameter(weight)); });
}

}  // namespace gallery
