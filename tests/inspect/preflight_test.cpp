#include "tapegrad/inspect/preflight.h"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include "tapegrad/core/losses.h"
#include "tapegrad/inspect/text.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/linear.h"
#include "tapegrad/layers/normalization.h"

using namespace tapegrad;

namespace {

template <class T> BasicMatrix<T> normal_inputs(Index rows, Index cols, double std = 1) {
  Rng rng(7);
  BasicMatrix<T> x(rows, cols);
  for (T& v : x.reshaped()) v = static_cast<T>(rng.normal(0, std));
  return x;
}

std::vector<int> ten_labels(Index rows) {
  std::vector<int> labels;
  for (Index i = 0; i < rows; ++i) labels.push_back(static_cast<int>(i % 10));
  return labels;
}

/// `depth` hidden layers of 200 units and ten logits.
f64::Sequential deep(std::size_t depth, const Activation& f, const Initializer& init) {
  Rng rng(1);
  f64::Sequential net;
  Index in = 50;
  for (std::size_t k = 0; k < depth; ++k) {
    net.add(f64::Linear(in, 200, rng, {.weight_init = init, .bias_init = zeros()}));
    net.add(f);
    in = 200;
  }
  net.add(f64::Linear(in, 10, rng, {.weight_init = init, .bias_init = zeros()}));
  return net;
}

}  // namespace

TEST_CASE("preflight: scales agree with theory in a wide random network") {
  for (const char* f : {"relu", "tanh", "elu"}) {
    f64::Sequential net = deep(4, activation(f), he_normal());
    const PreflightReport report = preflight(net, normal_inputs<double>(100, 50), ten_labels(100));
    REQUIRE(report.layers.size() == 9);
    for (const PreflightLayer& layer : report.layers) {
      CAPTURE(f);
      CAPTURE(layer.path);
      CHECK(layer.rms == doctest::Approx(layer.expected_rms).scale(0).epsilon(0.15));
      CHECK(layer.gradient_rms == doctest::Approx(layer.expected_gradient_rms).scale(0).epsilon(0.25));
      CHECK(layer.activation == (layer.kind == f));
    }
    CHECK(report.findings.empty());
    CHECK(report.classes == 10);
  }
}

TEST_CASE("preflight: the formulas") {
  // He weights, ReLU: E[z²] = 2·E[x²], and E[a²] = E[z²]/2; U(±1/√n): E[z²] = E[x²]/3.
  f64::Sequential net = deep(2, activation("relu"), he_normal());
  const PreflightReport report = preflight(net, normal_inputs<double>(100, 50), ten_labels(100));
  CHECK(std::pow(report.layers[1].expected_rms / report.layers[0].expected_rms, 2) ==
        doctest::Approx(0.5).scale(0));
  CHECK(std::pow(report.layers[0].expected_gradient_rms / report.layers[1].expected_gradient_rms, 2) ==
        doctest::Approx(0.5).scale(0));
  const auto& w = net.at<f64::Linear>(2).weight.value();
  const double variance = w.squaredNorm() / static_cast<double>(w.size());
  CHECK(report.layers[2].expected_rms ==
        doctest::Approx(report.layers[1].expected_rms * std::sqrt(200 * variance)).scale(0));
  CHECK(report.layers[1].expected_gradient_rms ==
        doctest::Approx(report.layers[2].expected_gradient_rms * std::sqrt(200 * variance)).scale(0));
}

TEST_CASE("preflight: theory starts anew behind what it does not know") {
  Rng rng(1);
  f64::Sequential net{f64::Linear(20, 100, rng), f64::BatchNorm1d(100), Tanh(),
                      f64::Residual{f64::Linear(100, 100, rng), Tanh()}, f64::Linear(100, 10, rng)};
  const PreflightReport report = preflight(net, normal_inputs<double>(50, 20, 3), ten_labels(50));
  REQUIRE(report.layers.size() == 5);
  CHECK(report.layers[1].path == "2");
  CHECK(report.layers[1].expected_rms == doctest::Approx(0.628).scale(0).epsilon(0.01));  // √E[tanh(ξ)²]
  CHECK(report.layers[2].path == "3.inner.0");
  for (const PreflightLayer& layer : report.layers) {
    CHECK(layer.rms == doctest::Approx(layer.expected_rms).scale(0).epsilon(0.2));
    CHECK(layer.gradient_rms == doctest::Approx(layer.expected_gradient_rms).scale(0).epsilon(0.3));
  }
}

TEST_CASE_TEMPLATE("preflight: changes nothing", T, float, double) {
  Rng rng(1);
  BasicSequential<T> net{BasicLinear<T>(5, 8, rng), BasicBatchNorm1d<T>(8), Relu(), BasicDropout<T>(0.5, rng),
                         BasicLinear<T>(8, 10, rng)};
  const BasicMatrix<T> x = normal_inputs<T>(20, 5);
  net[3].eval();
  BasicTape<T> tape;
  cross_entropy(net[0](tape.input(x)), std::vector<int>(20, 1)).backward();  // gradients of layer 0 only
  std::vector<BasicMatrix<T>> values, gradients, buffers;
  std::vector<bool> modes;
  for (const auto& each : net.parameters()) values.push_back(each.value());
  for (const auto& each : net.parameters())
    gradients.push_back(each.has_grad() ? each.grad() : BasicMatrix<T>::Constant(1, 1, -1));
  for (const auto& [path, buffer] : net.named_buffers()) buffers.push_back(*buffer);
  for (const auto& [path, module] : net.named_modules()) modes.push_back(module->training());

  preflight(net, x, ten_labels(20));
  const auto fails = [](BasicVar<T> y) -> BasicVar<T> { fail("mine", "no loss for " + to_string(y.shape())); };
  CHECK_THROWS_WITH_AS(preflight(net, x, fails), "[mine] no loss for 20x10", Error);

  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(net.parameters()[i].value() == values[i]);
    CHECK((net.parameters()[i].has_grad() ? net.parameters()[i].grad() : BasicMatrix<T>::Constant(1, 1, -1)) ==
          gradients[i]);
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) CHECK(*net.named_buffers()[i].second == buffers[i]);
  for (std::size_t i = 0; i < modes.size(); ++i) CHECK(net.named_modules()[i].second->training() == modes[i]);
  CHECK(preflight(net, x, ten_labels(20)).loss == preflight(net, x, ten_labels(20)).loss);
}

TEST_CASE("preflight: the range test finds the stability limit of a parabola") {
  // L = mean (w·x − y)² has L″ = 2·E[x²] = λ: plain SGD converges below 2/λ, here 0.25, and is fastest at 1/λ.
  Rng rng(1);
  f64::Linear net(1, 1, rng, {.bias = false, .weight_init = constant(3)});
  const auto loss = [](f64::Var y) { return mse(y, f64::Matrix::Zero(2, 1)); };
  const PreflightOptions options{.lr_low = 1e-4, .lr_high = 10, .lr_steps = 101};
  const PreflightReport report = preflight(net, (f64::Matrix(2, 1) << 2, -2).finished(), loss, options);
  CHECK(report.loss == doctest::Approx(36).scale(0));
  CHECK(report.classes == 0);
  CHECK(report.lr_limit >= 0.25);
  CHECK(report.lr_limit < 0.25 * std::pow(1e5, 0.01));
  CHECK(report.lr_fastest > 0.005);
  CHECK(report.lr_fastest < 0.125);
  CHECK(report.lr_curve[0] == std::pair(1e-4, 36.0));
  CHECK(report.lr_curve.size() < 101);
}

TEST_CASE("preflight: finds what is wrong at birth") {
  Rng rng(1);
  Sequential net{Linear(50, 100, rng, {.bias_init = sparse_negative(0.4, -1e4)}), Relu(), Linear(100, 10, rng)};
  const PreflightReport report = preflight(net, normal_inputs<float>(64, 50, 100), ten_labels(64), {.lr_steps = 0});
  CHECK(report.layers[1].dead == doctest::Approx(0.4).scale(0));
  CHECK(report.layers[1].asleep == doctest::Approx(0.4).scale(0));
  CHECK(report.lr_curve.empty());
  REQUIRE(report.findings.size() == 2);
  CHECK(report.findings[0].rule == "unscaled inputs");
  CHECK(report.findings[1].rule == "dead at birth");
  CHECK(report.findings[1].number == doctest::Approx(0.4).scale(0));
  CHECK(report.findings[1].severity == Severity::info);

  f64::Sequential small = deep(6, activation("relu"), normal(0, 0.02));
  const PreflightReport shrinking = preflight(small, normal_inputs<double>(100, 50), ten_labels(100));
  REQUIRE(shrinking.findings.size() >= 2);
  CHECK(shrinking.findings[0].rule == "bad initialization");
  CHECK(shrinking.findings[1].rule == "vanishing gradient");
}

TEST_CASE("preflight: the text") {
  PreflightReport report{
      .inputs = {64, 784}, .input_mean = 0.13066, .input_std = 0.3081, .loss = 2.3312, .classes = 10};
  report.layers.push_back({.path = "0",
                           .kind = "linear",
                           .units = 128,
                           .rms = 0.5345,
                           .expected_rms = 0.5321,
                           .gradient_rms = 1.234e-4,
                           .expected_gradient_rms = 1.3e-4});
  report.layers.push_back({.path = "1",
                           .kind = "relu",
                           .units = 128,
                           .rms = 0.37,
                           .expected_rms = 0.376,
                           .gradient_rms = 1.7e-4,
                           .expected_gradient_rms = 1.8e-4,
                           .activation = true,
                           .dead = 0.02,
                           .saturated = 0.5});
  CHECK(to_text(report) ==
        "preflight: 64 samples of 784 inputs, mean 0.131, standard deviation 0.308\n"
        "loss 2.331; guessing among 10 classes gives ln 10 = 2.303\n"
        "\n"
        "layer                  units       rms  expected   gradient  expected  dead sat.\n"
        "0.linear                 128     0.534     0.532    0.00012   0.00013\n"
        "1.relu                   128      0.37     0.376    0.00017   0.00018    2%  50%\n"
        "\n"
        "nothing looks wrong\n");
  report.classes = 0;
  report.layers.clear();
  report.lr_curve = {{1e-5, 2.3}, {100, 1}};
  report.lr_fastest = 0.21;
  report.findings.push_back(
      {.rule = "x", .severity = Severity::critical, .text = std::string(70, 'y') + " f′ " + "z"});
  const std::string empty =
      "preflight: 64 samples of 784 inputs, mean 0.131, standard deviation 0.308\n"
      "loss 2.331\n"
      "\n"
      "layer                  units       rms  expected   gradient  expected  dead sat.\n"
      "\n";
  const std::string rest = "critical: " + std::string(70, 'y') + "\n  f′ z\n";
  CHECK(to_text(report) == empty +
                               "learning rate of plain SGD on this batch: the loss falls fastest at 0.21, up to\n"
                               "  100 it does not explode\n" +
                               rest);
  report.lr_fastest = 0;
  report.lr_limit = 3.2;
  CHECK(to_text(report) == empty +
                               "learning rate of plain SGD on this batch: none makes the loss fall, from 3.2 on\n"
                               "  it rises\n" +
                               rest);
}

TEST_CASE("preflight: no line of a real report is longer than 80 columns") {
  f64::Sequential net = deep(12, activation("relu"), normal(0, 0.02));
  std::istringstream lines(to_text(preflight(net, normal_inputs<double>(30, 50, 60), ten_labels(30))));
  std::string line;
  while (std::getline(lines, line)) {
    CAPTURE(line);
    CHECK(columns(line) <= 80);
  }
}

TEST_CASE("preflight: errors") {
  Rng rng(1);
  Linear net(2, 10, rng);
  const Matrix x = normal_inputs<float>(4, 2);
  CHECK_THROWS_WITH_AS(preflight(net, x, ten_labels(4), {.lr_low = 1, .lr_high = 0.5}),
                       "[preflight] the learning rates must be 0 < lr_low < lr_high, got 1 and 0.5", Error);
  CHECK_THROWS_WITH_AS(preflight(net, x, ten_labels(4), {.lr_low = 0}),
                       "[preflight] the learning rates must be 0 < lr_low < lr_high, got 0 and 100", Error);
  CHECK_THROWS_WITH_AS(preflight(net, x, ten_labels(4), {.lr_steps = 2}),
                       "[preflight] lr_steps must be 0 or at least 3, got 2", Error);
}
