// The gallery of activations: each with f, f′ and f″ as the tape computes them, its facts, what it makes of N(0, 1),
// and its cost beside a matrix product. An activation of your own is registered here and treated like all others.
//   activations                                         all of them as tables
//   activations --only gelu,"leaky_relu(negative_slope=0.2)"   a few, with plots
//   activations --report gallery.html                   all curves on a page

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "common/example.h"
#include "common/gallery.h"
#include "common/plot.h"

namespace tg = tapegrad;

/** e^(−x²), the user's own */
struct Gaussian {
  static constexpr std::string_view name = "gaussian";
  template <class X> static X value(const X& x) { return tg::exp(-x * x); }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return -2 * g * x * y; }
  static tg::Facts facts() {
    return {.formula = "e^(−x²)",
            .lower = 0,
            .upper = 1,
            .sup_slope = std::sqrt(2 / std::exp(1)),  // at x = ±1/√2
            .saturates_left = true,
            .saturates_right = true};
  }
};

struct Options {
  example::CommonOptions common;
  std::vector<std::string> only;
  std::string report;
  tg::Index size = 256;
  bool markdown = false;
};

/// f(x), with learned parameters (the slope of prelu) at their initial values.
template <class T> tg::BasicVar<T> apply(const tg::Activation& f, tg::BasicVar<T> x) {
  std::vector<tg::BasicVar<T>> learned;
  for (const auto& [name, value] : f.learned())
    learned.push_back(x.tape().input(tg::BasicMatrix<T>::Constant(1, x.cols(), static_cast<T>(value))));
  return f(x, std::span<const tg::BasicVar<T>>(learned));
}

/// f, f′, f″ for x from −5 to 5. Of an activation of several inputs it is the first output as a function of the
/// first input, with the others at 0.
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
  tg::f64::Matrix inputs = tg::f64::Matrix::Zero(rows, gallery::plotted_columns(f));
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

  plot::Figure figure{.curves = {{"f", x, {}}, {"f′", x, {}}, {"f″", x, {}}}, .x_title = "x", .low = -2, .high = 3};
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
  for (const tg::Kink& kink : facts.kinks) figure.points.push_back({kink.at, kink.slope});
  return figure;
}

/// Mean and variance of f(x) for x ~ N(0, 1); softmax and its like see rows of 12.
void measure_outputs(gallery::Entry& entry, std::uint64_t seed) {
  tg::Rng rng(seed);
  tg::f64::Matrix x(20'000, 12 * entry.f.inputs_per_output());
  for (double& v : x.reshaped()) v = rng.normal();
  tg::f64::Tape tape;
  const auto y = apply(entry.f, tape.input(x)).value().array();
  entry.mean = y.mean();
  entry.variance = (y - entry.mean).square().mean();
}

/// The fastest of many runs, in nanoseconds per element of x: the cost when nothing else disturbs.
template <class F> gallery::Cost measure_cost(const tg::Matrix& x, F&& f) {
  using Clock = std::chrono::steady_clock;
  const auto since = [&](Clock::time_point start) {
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / static_cast<double>(x.size());
  };
  gallery::Cost best;
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

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Shows every activation: curves, facts, output on N(0, 1), cost beside a matrix product.");
  app.add_option("--only", options.only, "These only, with plots: relu,\"leaky_relu(negative_slope=0.2)\"")
      ->delimiter(',')
      ->type_name("NAME,…");
  app.add_option("--report", options.report, "Write a page with all curves to FILE.html")->type_name("FILE");
  app.add_option("--size", options.size, "Rows and columns of the matrices that are timed")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--markdown", options.markdown, "Print the facts as a Markdown table, and nothing else");
  return example::run(app, options.common, argc, argv, [&] {
    if (options.markdown) {
      fmt::print("{}", gallery::markdown());
      return example::Json::object();
    }
    tg::register_activation<Gaussian>();
    std::vector<std::string> names = options.only;
    if (names.empty())
      for (const std::string_view name : tg::activations()) names.emplace_back(name);
    std::vector<gallery::Entry> entries;
    for (const std::string& name : names) {
      const tg::Activation f = tg::activation(name);
      entries.push_back({f, curves(f)});
    }

    tg::Rng rng(options.common.seed);
    const auto matrix = [&](tg::Index rows, tg::Index cols) {
      tg::Matrix m(rows, cols);
      for (float& v : m.reshaped()) v = static_cast<float>(rng.normal());
      return m;
    };
    const tg::Matrix x = matrix(options.size, options.size);
    const tg::Parameter weight("weight", matrix(options.size, options.size));
    const gallery::Cost product =
        measure_cost(x, [&](tg::Var in) { return tg::matmul(in, in.tape().parameter(weight)); });
    for (gallery::Entry& entry : entries) {
      measure_outputs(entry, options.common.seed);
      const tg::Matrix in = matrix(options.size, options.size * entry.f.inputs_per_output());
      entry.cost = measure_cost(in, [&](tg::Var v) { return apply(entry.f, v); });
    }

    gallery::print(entries, product, !options.only.empty());
    if (!options.report.empty()) {
      gallery::write_page(options.report, entries, product);
      fmt::print("\nThe gallery is in {}: open it in a browser.\n", options.report);
    }
    example::Json json{{"activations", example::Json::array()},
                       {"matrix_product", {{"ns_forward", product.forward}, {"ns_backward", product.backward}}}};
    for (const gallery::Entry& entry : entries) json["activations"].push_back(gallery::summary(entry));
    return json;
  });
}
