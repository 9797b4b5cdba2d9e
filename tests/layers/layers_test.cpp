#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Each layer by itself: values by hand, errors by their whole text, gradients of whole networks by differences.

namespace tg = tapegrad::f64;

namespace {

template <class F> std::string error_of(F&& f) {
  try {
    f();
  } catch (const tg::Error& error) {
    return error.what();
  }
  return "no error";
}

void check_close(const tg::Matrix& a, const tg::Matrix& b, double tolerance = 1e-14) {
  REQUIRE(a.rows() == b.rows());
  REQUIRE(a.cols() == b.cols());
  for (tg::Index i = 0; i < a.size(); ++i) {
    INFO("element " << i << ": " << a.data()[i] << " instead of " << b.data()[i]);
    CHECK(std::abs(a.data()[i] - b.data()[i]) <= tolerance * std::max(1.0, std::abs(b.data()[i])));
  }
}

tg::Matrix random_matrix(tg::Index rows, tg::Index cols, tg::Rng& rng) {
  tg::Matrix m(rows, cols);
  for (double& v : m.reshaped<Eigen::RowMajor>()) v = rng.normal();
  return m;
}

}  // namespace

TEST_CASE("linear, layer_norm: the weight is recorded before the bias, whatever the compiler") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(3, 2, rng), tg::LayerNorm(2)};
  tg::Tape tape;
  net(tape.input(tg::Matrix{{1, 0, -1}}));
  const std::string table = tg::graph_table(tape, &net);
  CHECK(table.find("0.weight") < table.find("0.bias"));
  CHECK(table.find("1.weight") < table.find("1.bias"));
  CHECK(table.find("1.bias") != std::string::npos);
}

TEST_CASE("linear: x·Wᵀ + b and its gradients by hand") {
  tg::Rng rng(1);
  tg::Linear layer(3, 2, rng);
  CHECK(layer.weight.shape() == tg::Shape{2, 3});
  CHECK(layer.bias.shape() == tg::Shape{1, 2});
  CHECK(layer.weight.name() == "weight");
  CHECK(layer.bias.name() == "bias");
  CHECK(layer.kind() == "linear");
  layer.weight.mutable_value() << 1, 2, 3, 4, 5, 6;
  layer.bias.mutable_value() << 0.5, -1;
  tg::Tape tape;
  const tg::Var x = tape.input(tg::Matrix{{1, 0, -1}, {2, 1, 0.5}}, {.requires_grad = true});
  const tg::Var y = layer(x);
  CHECK(tg::Matrix(y.value()) == tg::Matrix{{-1.5, -3}, {6, 15}});
  y.backward(tg::Matrix{{1, 2}, {3, -1}});
  CHECK(layer.weight.grad() == tg::Matrix{{7, 3, 0.5}, {0, -1, -2.5}});
  CHECK(layer.bias.grad() == tg::Matrix{{4, 1}});
  CHECK(tg::Matrix(x.grad()) == tg::Matrix{{9, 12, 15}, {-1, 1, 3}});
}

TEST_CASE("linear: without bias") {
  tg::Rng rng(1);
  tg::Linear layer(3, 2, rng, {.bias = false});
  CHECK(layer.parameters().size() == 1);
  CHECK(layer.bias == tg::Parameter());
  layer.weight.mutable_value() << 1, 2, 3, 4, 5, 6;
  tg::Tape tape;
  const tg::Var y = layer(tape.input(tg::Matrix{{1, 0, -1}, {2, 1, 0.5}}));
  CHECK(tg::Matrix(y.value()) == tg::Matrix{{-2, -2}, {5.5, 16}});
  y.backward(tg::Matrix{{1, 2}, {3, -1}});
  CHECK(layer.weight.grad() == tg::Matrix{{7, 3, 0.5}, {0, -1, -2.5}});
}

TEST_CASE("linear: errors") {
  tg::Rng rng(1);
  const tg::Rng::State before = rng.state();
  CHECK(error_of([&] { tg::Linear(0, 3, rng); }) == "[linear] sizes must be at least 1, got 3x0");
  CHECK(error_of([&] { tg::Linear(3, 0, rng); }) == "[linear] sizes must be at least 1, got 0x3");
  CHECK(error_of([&] { tg::Linear(-2, 3, rng); }) == "[linear] sizes must be at least 1, got 3x-2");
  const tg::Index huge = tg::Index{1} << 40;
  const std::string no_memory = "[linear] no memory for 1099511627776x1099511627776 numbers";
  CHECK(error_of([&] { tg::Linear(huge, huge, rng, {.weight_init = tg::zeros()}); }) == no_memory);
  CHECK(error_of([&] { tg::Linear(huge, huge, rng, {.weight_init = tg::orthogonal()}); }) == no_memory);
  CHECK(error_of([&] { tg::Linear(huge, huge, rng, {.weight_init = tg::sparse_negative()}); }) == no_memory);
  CHECK(error_of([&] { tg::Linear(huge, huge, rng); }) == no_memory);
  CHECK(rng.state() == before);
  const tg::Initializer crooked{
      "mine", [](tg::Shape s, tg::Fans, tg::Rng&) { return tg::Matrix(tg::Matrix::Zero(s.cols, s.rows)); }};
  CHECK(error_of([&] { tg::Linear(5, 2, rng, {.weight_init = crooked}); }) ==
        "[mine] was asked for 2x5 values, made 5x2");
  tg::Linear layer(5, 2, rng);
  tg::Linear without(5, 2, rng, {.bias = false});
  tg::Tape tape;
  const tg::Var x = tape.input(tg::Matrix::Zero(4, 3));
  CHECK(error_of([&] { layer(x); }) == "[matmul] inner dimensions differ: 4x3 * (2x5)^T");
  CHECK(error_of([&] { without(x); }) == "[matmul] inner dimensions differ: 4x3 * (2x5)^T");
  CHECK(error_of([&] { layer(tg::Var()); }) == "[tape] the variable is empty: it was never recorded");
  tape.reset();
  CHECK(error_of([&] { layer(x); }) == "[tape] variable #0 (input) is from step 1, the tape is at step 2");
  // A bias that was moved away is missed, not taken for a layer without one.
  tg::Linear robbed(3, 2, rng);
  const tg::Parameter bias = std::move(robbed.bias);
  robbed.bias = tg::Parameter();
  CHECK(error_of([&] { robbed(tape.input(tg::Matrix::Zero(4, 3))); }) == "[tape] the parameter is empty");
}

TEST_CASE("activation layer: every name, with the widths and parameters of the activation") {
  tg::Rng rng(2);
  for (const std::string_view name : tg::activations()) {
    INFO(name);
    const tg::Activation f = tg::activation(name);
    const tg::Index width = 6 * f.inputs_per_output();
    tg::ActivationLayer layer(f, width);
    CHECK(layer.kind() == name);
    CHECK(layer.activation().name() == name);
    REQUIRE(layer.parameters().size() == f.learned().size());
    tg::Tape tape;
    const tg::Var x = tape.input(random_matrix(5, width, rng));
    const tg::Var y = layer(x);
    CHECK(y.shape() == tg::Shape{5, 6});
    if (f.learned().empty()) CHECK(tg::Matrix(y.value()) == tg::Matrix(f(x).value()));
    if (f.elementwise()) check_close(y.value().block(1, 2, 1, 1), tg::Matrix{{f.value(x.value()(1, 2))}});
  }
}

namespace {

/// x·|scale|ᵖ with a learned scale and a setting.
struct ScaledPower {
  double power = 1;
  static constexpr std::string_view name = "test_scaled";
  static constexpr std::array settings{tg::Setting{"power", &ScaledPower::power, tg::SettingDomain::finite}};
  template <class T> tg::BasicVar<T> apply(tg::BasicVar<T> x, std::span<const tg::BasicVar<T>> learned) const {
    if (learned.empty()) tg::fail(name, "needs its scale");
    return x * tg::pow(tg::abs(learned[0]), power);
  }
  static std::vector<std::pair<std::string_view, double>> learned() { return {{"scale", 2}}; }
};

}  // namespace

TEST_CASE("activation layer: one of one's own, with a setting and learned parameters") {
  tg::ActivationLayer layer(tg::make_activation(ScaledPower{3}), 4);
  CHECK(layer.text() == "test_scaled(power=3, features=4)");
  tg::Tape tape;
  CHECK(layer(tape.input(tg::Matrix{{1, 0, -1, .5}})).value() == tg::Matrix{{8, 0, -8, 4}});
}

TEST_CASE("activation layer: prelu learns a slope per feature") {
  tg::ActivationLayer layer(tg::activation("prelu"), 3);
  REQUIRE(layer.named_parameters().size() == 1);
  auto [path, slope] = layer.named_parameters()[0];
  CHECK(path == "weight");
  CHECK(slope.value() == tg::Matrix{{0.25, 0.25, 0.25}});
  slope.mutable_value() << 0.5, 0.25, 2;
  tg::Tape tape;
  const tg::Var y = layer(tape.input(tg::Matrix{{-2, 4, -1}, {-4, -8, 3}}));
  CHECK(tg::Matrix(y.value()) == tg::Matrix{{-1, 4, -2}, {-2, -2, 3}});
  y.backward(tg::Matrix{{1, 1, 1}, {1, 10, 1}});
  CHECK(slope.grad() == tg::Matrix{{-6, -80, -1}});
  CHECK(error_of([] { tg::ActivationLayer(tg::activation("prelu")); }) ==
        "[prelu] the layer needs its number of features, to learn one value for each, and nothing before it tells "
        "that: write ActivationLayer(activation(\"prelu\"), features)");
  CHECK(error_of([&] { layer(tape.input(tg::Matrix::Zero(2, 4))); }) ==
        "[prelu] shapes do not broadcast: 2x4 and 1x3");
}

TEST_CASE_TEMPLATE("dropout: rate, scale and mean", T, float, double) {
  constexpr tg::Index rows = 401;
  constexpr tg::Index cols = 251;  // an odd number of elements: the last of the pairs is half
  const double count = static_cast<double>(rows * cols);
  for (const double p : {0.1, 0.3, 0.5, 0.9}) {
    INFO("p = " << p);
    tg::Rng rng(7);
    tg::BasicDropout<T> layer(p, rng);
    CHECK(layer.probability() == p);
    tg::BasicTape<T> tape;
    const auto x = tape.input(tg::BasicMatrix<T>::Constant(rows, cols, T(3)), {.requires_grad = true});
    const auto y = layer(x);
    y.backward(tg::BasicMatrix<T>::Ones(rows, cols));
    const T kept = static_cast<T>(1 / (1 - p));
    double dropped = 0;
    double dropped_pairs = 0;
    double pairs = 0;
    bool exact = true;
    for (tg::Index i = 0; i < rows * cols; ++i) {
      const T v = y.value().data()[i];
      exact = exact && (v == 0 || v == 3 * kept) && x.grad().data()[i] == (v == 0 ? T(0) : kept);
      dropped += v == 0;
      if (i % 2 == 1) {
        ++pairs;
        dropped_pairs += v == 0 && y.value().data()[i - 1] == 0;
      }
    }
    CHECK(exact);
    CHECK(std::abs(dropped - p * count) < 5 * std::sqrt(count * p * (1 - p)));
    CHECK(std::abs(dropped_pairs - p * p * pairs) < 5 * std::sqrt(pairs * p * p * (1 - p * p)));
    CHECK(std::abs(y.value().template cast<double>().mean() - 3) < 5 * 3 * std::sqrt(p / (1 - p) / count));
  }
}

TEST_CASE("dropout: same seed same masks, fresh ones every time, eval passes x through") {
  const auto masks = [](std::uint64_t seed, bool eval_between) {
    tg::Rng rng(seed);
    tg::Dropout layer(0.5, rng);
    tg::Tape tape;
    std::vector<tg::Matrix> result;
    for (int step = 0; step < 3; ++step) {
      tape.reset();
      const tg::Var x = tape.input(tg::Matrix::Ones(5, 7));
      result.emplace_back(layer(x).value());
      if (!eval_between) continue;
      layer.eval();
      const tg::Var y = layer(x);
      CHECK(y.index() == x.index());
      layer.train();
    }
    return result;
  };
  const auto first = masks(3, false);
  CHECK(masks(3, false) == first);
  CHECK(masks(3, true) == first);
  CHECK(masks(4, false) != first);
  CHECK(first[0] != first[1]);
  CHECK(first[1] != first[2]);
  tg::Rng rng(3);
  tg::Dropout one(0.5, rng);
  tg::Dropout other(0.5, rng);
  tg::Tape tape;
  const tg::Var x = tape.input(tg::Matrix::Ones(5, 7));
  CHECK(tg::Matrix(one(x).value()) == first[0]);
  CHECK(tg::Matrix(other(x).value()) != first[0]);
}

TEST_CASE("dropout: float and double drop the same elements") {
  tg::Rng rng(3);
  tg::Rng same(3);
  tg::Dropout wide(0.4, rng);
  tapegrad::Dropout narrow(0.4, same);
  tg::Tape tape;
  tapegrad::Tape narrow_tape;
  const tg::Matrix y = wide(tape.input(tg::Matrix::Ones(9, 9))).value();
  const tapegrad::Matrix z = narrow(narrow_tape.input(tapegrad::Matrix::Ones(9, 9))).value();
  CHECK(y.cast<float>() == z);
}

TEST_CASE("dropout: the probability is in [0, 1)") {
  tg::Rng rng(3);
  const tg::Rng::State before = rng.state();
  const auto text = [&](double p) { return error_of([&] { tg::Dropout(p, rng); }); };
  CHECK(text(1) == "[dropout] the probability must be in [0, 1), got 1");
  CHECK(text(-0.1) == "[dropout] the probability must be in [0, 1), got -0.1");
  CHECK(text(std::numeric_limits<double>::quiet_NaN()) == "[dropout] the probability must be in [0, 1), got nan");
  CHECK(rng.state() == before);  // nothing was drawn
  tg::Dropout none(0, rng);
  tg::Tape tape;
  const tg::Var x = tape.input(tg::Matrix::Ones(5, 7));
  CHECK(none(x).index() == x.index());
}

TEST_CASE("batch norm: batch statistics in training, running ones in eval, by hand") {
  tg::BatchNorm1d layer(2, {.eps = 0.5, .momentum = 0.25});
  CHECK(layer.weight.value() == tg::Matrix{{1, 1}});
  CHECK(layer.bias.value() == tg::Matrix{{0, 0}});
  CHECK(layer.running_mean() == tg::Matrix{{0, 0}});
  CHECK(layer.running_var() == tg::Matrix{{1, 1}});
  layer.weight.mutable_value() << 2, 3;
  layer.bias.mutable_value() << -1, 0.5;
  // Column 0: mean 3, squares of the deviations 4 + 1 + 0 + 9. Column 1: mean 12, 4 · 4.
  const tg::Matrix x{{1, 10}, {2, 10}, {3, 14}, {6, 14}};
  tg::Tape tape;
  const double r = 2 / std::sqrt(4 + 0.5);
  check_close(layer(tape.input(x)).value(),
              tg::Matrix{{-3, 0.5 - 3 * r}, {-2, 0.5 - 3 * r}, {-1, 0.5 + 3 * r}, {2, 0.5 + 3 * r}});
  check_close(layer.running_mean(), tg::Matrix{{0.75, 3}});
  check_close(layer.running_var(), tg::Matrix{{0.75 + 0.25 * 14 / 3, 0.75 + 0.25 * 16 / 3}});
  layer(tape.input(x));
  check_close(layer.running_mean(), tg::Matrix{{1.3125, 5.25}});
  const double var0 = 0.5625 + 0.4375 * 14 / 3;
  const double var1 = 0.5625 + 0.4375 * 16 / 3;
  check_close(layer.running_var(), tg::Matrix{{var0, var1}});

  layer.eval();
  check_close(layer(tape.input(tg::Matrix{{2.3125, 5.25}})).value(),
              tg::Matrix{{2 / std::sqrt(var0 + 0.5) - 1, 0.5}});
  check_close(layer.running_mean(), tg::Matrix{{1.3125, 5.25}});
  check_close(layer.running_var(), tg::Matrix{{var0, var1}});
}

TEST_CASE("batch norm: defaults are eps 1e-5 and momentum 0.1") {
  tg::BatchNorm1d layer(1);
  tg::Tape tape;
  const double y = 1 / std::sqrt(1 + 1e-5);
  check_close(layer(tape.input(tg::Matrix{{4}, {6}})).value(), tg::Matrix{{-y}, {y}});
  check_close(layer.running_mean(), tg::Matrix{{0.5}});
  check_close(layer.running_var(), tg::Matrix{{1.1}});
}

TEST_CASE("batch norm: the whole path through the batch statistics is differentiated") {
  tg::Rng rng(5);
  tg::BatchNorm1d layer(3);
  layer.weight.mutable_value() << 2, -1, 0.5;
  const auto f = [&](auto in) { return layer(in[0]); };
  for (const int order : {1, 2})
    for (const bool training : {true, false}) {
      layer.train(training);
      // In eval mode the layer is affine: there is no second derivative to check.
      if (order == 2 && !training) continue;
      const auto result =
          tg::grad_check(f, {random_matrix(4, 3, rng)}, {.order = order, .full_jacobian = order == 1});
      INFO(result.message);
      CHECK(result.ok);
    }
}

TEST_CASE("batch norm: errors change nothing") {
  tg::BatchNorm1d layer(2);
  tg::Tape tape;
  CHECK(error_of([&] {
          layer(tape.input(tg::Matrix{{5, 6}}));
        }) ==
        "[batch_norm] needs more than one row in training, got 1x2: leave out such a last batch, as Loader does "
        "with drop_last");
  CHECK(error_of([&] { layer(tape.input(tg::Matrix::Ones(0, 2))); }) ==
        "[batch_norm] needs more than one row in training, got 0x2");
  CHECK(error_of([&] { layer(tape.input(tg::Matrix::Ones(4, 3))); }) ==
        "[batch_norm] made for 2 features, the input is 4x3");
  CHECK(layer.running_mean() == tg::Matrix{{0, 0}});
  CHECK(layer.running_var() == tg::Matrix{{1, 1}});
  layer.eval();
  check_close(layer(tape.input(tg::Matrix{{5, 6}})).value(), tg::Matrix{{5, 6}} / std::sqrt(1 + 1e-5));
  CHECK(error_of([&] { layer(tape.input(tg::Matrix::Ones(4, 1))); }) ==
        "[batch_norm] made for 2 features, the input is 4x1");

  const auto made = [](tg::Index features, double eps, double momentum) {
    return error_of([&] { tg::BatchNorm1d(features, {.eps = eps, .momentum = momentum}); });
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(made(0, 1e-5, 0.1) == "[batch_norm] needs at least 1 feature, got 0");
  CHECK(made(2, -1, 0.1) == "[batch_norm] eps must not be negative, got -1");
  CHECK(made(2, nan, 0.1) == "[batch_norm] eps must be finite, got nan");
  CHECK(made(2, 1e-5, 1.5) == "[batch_norm] momentum must be in [0, 1], got 1.5");
  CHECK(made(2, 1e-5, -0.5) == "[batch_norm] momentum must be in [0, 1], got -0.5");
  CHECK(made(2, 1e-5, nan) == "[batch_norm] momentum must be in [0, 1], got nan");
  CHECK(made(tg::Index{1} << 62, 0, 0) == "[batch_norm] no memory for 1x4611686018427387904 numbers");
  CHECK(error_of([] { tg::LayerNorm(tg::Index{1} << 62); }) ==
        "[layer_norm] no memory for 1x4611686018427387904 numbers");
  CHECK(error_of([] { tg::ActivationLayer(tg::activation("prelu"), tg::Index{1} << 62); }) ==
        "[prelu] no memory for 1x4611686018427387904 numbers");
  CHECK(made(2, 0, 0) == "no error");
  CHECK(made(2, 0, 1) == "no error");
}

TEST_CASE("layer norm: by hand") {
  tg::LayerNorm layer(4, {.eps = 0.5});
  layer.weight.mutable_value() << 2, 1, 1, 10;
  layer.bias.mutable_value() << 0, 0, 0.25, 1;
  const tg::Matrix x{{1, 2, 3, 6}, {14, 10, 14, 10}};
  const double r = 2 / std::sqrt(4.5);
  const tg::Matrix expected{{-2, -0.5, 0.25, 16}, {2 * r, -r, 0.25 + r, 1 - 10 * r}};
  tg::Tape tape;
  check_close(layer(tape.input(x)).value(), expected);
  layer.eval();  // the same in both modes, and for a row alone
  check_close(layer(tape.input(x)).value(), expected);
  check_close(layer(tape.input(x.topRows(1))).value(), expected.topRows(1));
  tg::LayerNorm single(1);
  check_close(single(tape.input(tg::Matrix{{3}, {-7}})).value(), tg::Matrix{{0}, {0}});
}

TEST_CASE("layer norm: gradients and errors") {
  tg::Rng rng(6);
  tg::LayerNorm layer(4);
  layer.weight.mutable_value() << 2, -1, 0.5, 1;
  for (const int order : {1, 2}) {
    const auto result = tg::grad_check([&](auto in) { return layer(in[0]); }, {random_matrix(3, 4, rng)},
                                       {.order = order, .full_jacobian = order == 1});
    INFO(result.message);
    CHECK(result.ok);
  }
  tg::Tape tape;
  CHECK(error_of([&] { layer(tape.input(tg::Matrix::Ones(4, 3))); }) ==
        "[layer_norm] made for 4 features, the input is 4x3");
  CHECK(error_of([] { tg::LayerNorm(0); }) == "[layer_norm] needs at least 1 feature, got 0");
  CHECK(error_of([] { tg::LayerNorm(3, {.eps = -1}); }) == "[layer_norm] eps must not be negative, got -1");
}

TEST_CASE("residual: x + f(x), and f keeps the shape") {
  tg::Rng rng(1);
  tg::Residual block{tg::Linear(2, 2, rng), tg::Relu()};
  const auto parameters = block.named_parameters();
  REQUIRE(parameters.size() == 2);
  CHECK(parameters[0].first == "inner.0.weight");
  CHECK(parameters[1].first == "inner.0.bias");
  tg::Parameter weight = parameters[0].second;
  tg::Parameter bias = parameters[1].second;
  weight.mutable_value() << 1, 2, 3, 4;
  bias.mutable_value() << -4, 1;
  tg::Tape tape;
  const tg::Var x = tape.input(tg::Matrix{{1, 1}, {2, -1}}, {.requires_grad = true});
  const tg::Var y = block(x);
  CHECK(tg::Matrix(y.value()) == tg::Matrix{{1, 9}, {2, 2}});
  y.backward(tg::Matrix::Ones(2, 2));
  CHECK(tg::Matrix(x.grad()) == tg::Matrix{{4, 5}, {4, 5}});

  tg::Residual narrow{tg::Linear(3, 2, rng)};
  CHECK(error_of([&] { narrow(tape.input(tg::Matrix::Ones(4, 3))); }) ==
        "[residual] the input is 4x3, the layers inside make it 4x2");
  tg::Residual column{tg::Linear(3, 1, rng)};  // would broadcast
  CHECK(error_of([&] { column(tape.input(tg::Matrix::Ones(4, 3))); }) ==
        "[residual] the input is 4x3, the layers inside make it 4x1");
  CHECK(error_of([&] { narrow(tape.input(tg::Matrix::Ones(4, 5))); }) ==
        "inner.0.linear: [matmul] inner dimensions differ: 4x5 * (2x3)^T");
}

// Whole networks. The gradient check looks at inputs; parameters are measured here in the same way.

namespace {

/// A scalar made of a network's outputs (order 1) or of its gradients (order 2), and what each element of the
/// input and of the parameters does to it: computed, and measured by differences of sixth order.
class NetworkCheck {
 public:
  NetworkCheck(tg::Sequential& net, tg::Matrix x, int order)
      : net_(net), x_(std::move(x)), order_(order), parameters_(net.parameters()) {}

  int compared = 0;
  int avoided = 0;   ///< elements at a kink
  double worst = 0;  ///< error relative to the larger derivative, beyond what rounding explains
  double largest = 0;
  std::string where;

  void run() {
    record().backward();
    std::vector<tg::Matrix> gradients{in_.grad()};
    for (const auto& parameter : parameters_) gradients.push_back(parameter.grad());
    compare("input", x_, gradients[0]);
    for (std::size_t k = 0; k < parameters_.size(); ++k)
      compare(net_.named_parameters()[k].first, parameters_[k].mutable_value(), gradients[k + 1]);
  }

 private:
  tg::Var weighted(tg::Var v) {
    tg::Rng rng(static_cast<std::uint64_t>(100 + ++weighted_));
    tg::Matrix weights(v.rows(), v.cols());
    for (double& w : weights.reshaped()) {
      const double sign = rng.bernoulli(0.5) ? 1 : -1;
      w = sign * rng.uniform(0.5, 1.5);
    }
    return tg::sum(v * v.tape().input(weights));
  }

  tg::Var record() {
    tape_.reset();
    weighted_ = 0;
    in_ = tape_.input(x_, {.requires_grad = true});
    const tg::Var y = weighted(net_(in_));
    if (order_ == 1) return y;
    std::vector<tg::Var> variables{in_};
    for (const auto& parameter : parameters_) variables.push_back(tape_.parameter(parameter));
    tg::Var total = tape_.constant(0);
    for (const tg::Var& g : tg::grad(y, std::span<const tg::Var>(variables))) total = total + weighted(g);
    return total;
  }

  double evaluate(std::vector<double>& pieces) {
    pieces.clear();
    const double value = record().item();
    for (tg::NodeIndex i = 0; i < tape_.size(); ++i)
      if (tape_.node(i).op->pieces != nullptr) tape_.node(i).op->pieces({tape_, i}, pieces);
    return value;
  }

  void compare(const std::string& path, tg::Matrix& values, const tg::Matrix& gradient) {
    std::vector<double> base;
    const double middle = evaluate(base);
    for (tg::Index i = 0; i < values.size(); ++i) {
      double& x = values.data()[i];
      const double x0 = x;
      double slope = 0;
      double noise = 0;
      double best = std::numeric_limits<double>::infinity();
      for (const double h : {2e-2, 5e-3, 1.25e-3, 3e-4, 8e-5}) {
        std::array<double, 7> f{};
        bool usable = true;
        double size = std::abs(middle);
        std::vector<double> pieces;
        for (int k = -3; k <= 3 && usable; ++k) {
          if (k == 0) continue;
          x = x0 + k * h;
          f.at(static_cast<std::size_t>(k + 3)) = evaluate(pieces);
          usable = pieces == base;
          size = std::max(size, std::abs(f.at(static_cast<std::size_t>(k + 3))));
        }
        x = x0;
        if (!usable) continue;
        const double d1 = (f[4] - f[2]) / (2 * h);
        const double d2 = (f[5] - f[1]) / (4 * h);
        const double d3 = (f[6] - f[0]) / (6 * h);
        const double rounding = 64 * std::numeric_limits<double>::epsilon() * std::max(1.0, size) / h;
        const double error = std::abs(1.5 * d1 - 0.6 * d2 + 0.1 * d3 - (4 * d1 - d2) / 3) + rounding;
        if (error < best) {
          best = error;
          slope = 1.5 * d1 - 0.6 * d2 + 0.1 * d3;
          noise = rounding;
        }
        if (rounding > best) break;
      }
      if (std::isinf(best)) {
        ++avoided;
        continue;
      }
      ++compared;
      const double analytic = gradient.data()[i];
      largest = std::max(largest, std::abs(analytic));
      const double gap = std::max(0.0, std::abs(analytic - slope) - noise);
      const double error = gap == 0 ? 0 : gap / std::max(std::abs(analytic), std::abs(slope));
      if (!(error <= worst)) {
        worst = error;
        where = path + " element " + std::to_string(i) + ": computed " + std::to_string(analytic) + ", measured " +
                std::to_string(slope);
      }
    }
  }

  tg::Sequential& net_;
  tg::Matrix x_;
  int order_;
  std::vector<tg::Parameter> parameters_;
  tg::Tape tape_;
  tg::Var in_;
  int weighted_ = 0;
};

tg::Sequential everything(const tg::Activation& f, tg::Rng& rng) {
  const tg::Index width = 4 * f.inputs_per_output();
  tg::Sequential block{tg::Linear(4, width, rng)};
  block.add(f, width);
  tg::Sequential net{tg::Linear(3, width, rng), tg::BatchNorm1d(width), tg::LayerNorm(width)};
  net.add(f, width);
  net.add(tg::Dropout(0.5, rng));
  net.add(tg::Residual(std::move(block)));
  net.add(tg::Linear(4, 2, rng));
  net[4].eval();  // batch norm stays in training mode, dropout is off
  return net;
}

/// tanh with a slope that is too large by 0.1 %
struct CrookedTanh {
  static constexpr std::string_view name = "crooked_tanh";
  template <class X> static X value(const X& x) { return tg::tanh(x); }
  template <class X> static X vjp(const X& g, const X&, const X& y) { return 1.001 * g * (1 - y * y); }
};

}  // namespace

TEST_CASE("every activation in a network of every layer: gradients of first and second order") {
  for (const std::string_view name : tg::activations()) {
    tg::Rng rng(11);
    tg::Sequential net = everything(tg::activation(name), rng);
    for (auto& parameter : net.parameters())
      for (double& v : parameter.mutable_value().reshaped()) v += rng.normal(0, 0.2);
    const tg::Matrix x = random_matrix(5, 3, rng);
    tg::Index elements = x.size();
    for (const auto& parameter : net.parameters()) elements += parameter.size();
    for (const int order : {1, 2}) {
      INFO(name << ", order " << order);
      NetworkCheck check(net, x, order);
      check.run();
      INFO(check.where << ", " << check.avoided << " avoided");
      CHECK(check.worst < 1e-7);
      CHECK(check.largest > 0.1);
      CHECK(check.avoided == 0);
      CHECK(check.compared == elements);
      const auto result = tg::grad_check([&](auto in) { return net(in[0]); }, {x}, {.order = order});
      INFO(result.message);
      CHECK(result.ok);
      CHECK(result.avoided.empty());
    }
  }
}

TEST_CASE("the check of a network rejects a slope that is wrong by 0.1 %") {
  tg::Rng rng(11);
  tg::Sequential net = everything(tg::make_activation(CrookedTanh()), rng);
  for (const int order : {1, 2}) {
    NetworkCheck check(net, random_matrix(5, 3, rng), order);
    check.run();
    CHECK(check.worst > 1e-4);
  }
}

TEST_CASE("normalization of a column that is constant, or far from 0 (float)") {
  using Float = tapegrad::Matrix;
  tg::Rng rng(5);
  for (const float value : {100.0F, 2015.0F, 6290.3F, -1e6F}) {
    tapegrad::Tape tape;
    const Float constant = Float::Constant(1000, 1, value);
    CHECK(tg::standardize(tape.input(constant), tg::Axis::rows).value().cwiseAbs().maxCoeff() == 0);
    CHECK(tg::standardize(tape.input(Float(constant.transpose())), tg::Axis::cols).value().cwiseAbs().maxCoeff() ==
          0);

    Float x(1000, 1);
    for (float& each : x.reshaped()) each = value + static_cast<float>(rng.normal());
    const Eigen::ArrayXd exact = x.cast<double>().array();
    const double mean = exact.mean();
    const double std = std::sqrt((exact - mean).square().mean() + 1e-5);
    const Eigen::ArrayXd y = tg::standardize(tape.input(x), tg::Axis::rows).value().cast<double>().array();
    CHECK((y - (exact - mean) / std).abs().maxCoeff() < 1e-6 * std::max(1.0, std::abs(mean) / 10));

    tapegrad::BatchNorm1d norm(1, {.momentum = 1});
    norm(tape.input(x));
    CHECK(static_cast<double>(norm.running_mean()(0)) == doctest::Approx(mean).scale(0).epsilon(1e-7));
    CHECK(static_cast<double>(norm.running_var()(0)) ==
          doctest::Approx((exact - mean).square().sum() / 999).scale(0).epsilon(1e-6));
  }
}
