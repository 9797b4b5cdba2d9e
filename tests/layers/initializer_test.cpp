#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

/// What initializers promise: the distribution, within five standard errors, and the same numbers for a seed.

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

struct Moments {
  double mean = 0;
  double std = 0;
  double kurtosis = 0;  ///< 3 for a normal, 1.8 for a uniform distribution
  double largest = 0;   ///< |value|
};

Moments moments(const tg::Matrix& values) {
  Moments m;
  m.mean = values.mean();
  const Eigen::ArrayXXd d = values.array() - m.mean;
  const double variance = d.square().mean();
  m.std = std::sqrt(variance);
  m.kurtosis = d.square().square().mean() / (variance * variance);
  m.largest = values.cwiseAbs().maxCoeff();
  return m;
}

/// A weight matrix of 64x48, a larger one, and a row of biases, whose fans are not its shape.
struct Case {
  tg::Shape shape;
  tg::Fans fans;
};
const std::vector<Case> cases{{{64, 48}, {48, 64}}, {{400, 250}, {250, 400}}, {{1, 20000}, {300, 20000}}};

void check_moments(const tg::Initializer& init, double (*variance)(tg::Fans), bool is_normal, double mean = 0) {
  for (const Case& c : cases) {
    INFO(init.name << " " << tg::to_string(c.shape));
    tg::Rng rng(17);
    const tg::Matrix values = init.fill(c.shape, c.fans, rng);
    REQUIRE(tg::Shape{values.rows(), values.cols()} == c.shape);
    const Moments m = moments(values);
    const double n = static_cast<double>(values.size());
    const double std = std::sqrt(variance(c.fans));
    const double kurtosis = is_normal ? 3 : 1.8;
    INFO("mean " << m.mean << ", std " << m.std << " for " << std << ", kurtosis " << m.kurtosis);
    CHECK(std::abs(m.mean - mean) < 5 * std / std::sqrt(n));
    CHECK(std::abs(m.std - std) < 5 * std * std::sqrt((kurtosis - 1) / (4 * n)));
    CHECK(std::abs(m.kurtosis - kurtosis) < 5 * std::sqrt((is_normal ? 24 : 0.6) / n));
    if (is_normal) {
      CHECK(m.largest > 3 * std);
      CHECK(m.largest < mean + 6 * std);
    } else {
      CHECK(m.largest <= std::sqrt(3.0) * std * (1 + 1e-15));
      CHECK(m.largest > 0.99 * std::sqrt(3.0) * std);
    }
  }
}

double in(tg::Fans f) { return static_cast<double>(f.in); }
double both(tg::Fans f) { return static_cast<double>(f.in + f.out); }

}  // namespace

TEST_CASE("initializers: xavier, he, lecun and uniform_fan_in have the variance of the formula") {
  check_moments(
      tg::xavier_uniform(), [](tg::Fans f) { return 2 / both(f); }, false);
  check_moments(
      tg::xavier_normal(), [](tg::Fans f) { return 2 / both(f); }, true);
  check_moments(
      tg::xavier_uniform(2), [](tg::Fans f) { return 8 / both(f); }, false);
  check_moments(
      tg::xavier_normal(0.5), [](tg::Fans f) { return 0.5 / both(f); }, true);
  check_moments(
      tg::he_uniform(), [](tg::Fans f) { return 2 / in(f); }, false);
  check_moments(
      tg::he_normal(), [](tg::Fans f) { return 2 / in(f); }, true);
  check_moments(
      tg::he_uniform(2), [](tg::Fans f) { return 0.4 / in(f); }, false);
  check_moments(
      tg::he_normal(2), [](tg::Fans f) { return 0.4 / in(f); }, true);
  check_moments(
      tg::lecun_normal(), [](tg::Fans f) { return 1 / in(f); }, true);
  check_moments(
      tg::uniform_fan_in(), [](tg::Fans f) { return 1 / (3 * in(f)); }, false);
  check_moments(
      tg::normal(2, 0.5), [](tg::Fans) { return 0.25; }, true, 2);
}

TEST_CASE("initializers: orthogonal is orthonormal, tall, wide and square") {
  for (const tg::Shape shape : {tg::Shape{64, 48}, {48, 64}, {50, 50}, {300, 20}, {1, 7}, {7, 1}, {1, 1}}) {
    INFO(tg::to_string(shape));
    tg::Rng rng(5);
    const tg::Matrix q = tg::orthogonal().fill(shape, {shape.cols, shape.rows}, rng);
    REQUIRE(tg::Shape{q.rows(), q.cols()} == shape);
    const tg::Index n = std::min(shape.rows, shape.cols);
    const tg::Matrix gram = shape.rows < shape.cols ? tg::Matrix(q * q.transpose()) : tg::Matrix(q.transpose() * q);
    CHECK((gram - tg::Matrix::Identity(n, n)).cwiseAbs().maxCoeff() < 1e-12);
    tg::Rng again(5);
    const tg::Matrix scaled = tg::orthogonal(3).fill(shape, {shape.cols, shape.rows}, again);
    CHECK((scaled - 3 * q).cwiseAbs().maxCoeff() < 1e-12);
  }
}

TEST_CASE("initializers: orthogonal favours no direction") {
  // Without the signs of R's diagonal the first entry of a column would always have the sign of the reflection.
  tg::Rng rng(8);
  int positive = 0;
  double sum = 0;
  for (int i = 0; i < 400; ++i) {
    const tg::Matrix q = tg::orthogonal().fill({3, 3}, {3, 3}, rng);
    positive += q(0, 0) > 0;
    sum += q(0, 0) * q(0, 0);
  }
  CHECK(std::abs(positive - 200) < 50);              // five standard deviations
  CHECK(std::abs(sum / 400 - 1.0 / 3) < 5 * 0.015);  // variance of q² on the sphere: 4/45
}

TEST_CASE("initializers: constant, zeros and sparse_negative") {
  tg::Rng rng(1);
  const tg::Rng::State before = rng.state();
  CHECK(tg::constant(1.5).fill({2, 3}, {3, 2}, rng) == tg::Matrix::Constant(2, 3, 1.5));
  CHECK(tg::zeros().fill({2, 3}, {3, 2}, rng) == tg::Matrix::Zero(2, 3));
  CHECK(rng.state() == before);
  CHECK(tg::normal(2.5, 0).fill({2, 3}, {3, 2}, rng) == tg::Matrix::Constant(2, 3, 2.5));
  CHECK(tg::constant(1.5).name == "constant");
  CHECK(tg::zeros().name == "zeros");
  struct Expected {
    double fraction;
    tg::Shape shape;
    tg::Index count;
  };
  for (const Expected& e : {Expected{0.25, {1, 64}, 16},
                            {0.25, {1, 10}, 3},
                            {0, {1, 10}, 0},
                            {1, {5, 2}, 10},
                            {0.5, {64, 48}, 1536},
                            {0.01, {1, 10}, 0}}) {
    INFO(e.fraction << " of " << tg::to_string(e.shape));
    const tg::Matrix values = tg::sparse_negative(e.fraction, -3).fill(e.shape, {7, 7}, rng);
    CHECK((values.array() == -3).count() == e.count);
    CHECK((values.array() == 0).count() == e.shape.size() - e.count);
  }
  const tg::Matrix defaults = tg::sparse_negative().fill({1, 64}, {7, 64}, rng);
  CHECK((defaults.array() == -10).count() == 16);
  CHECK(tg::sparse_negative().fill({1, 64}, {7, 64}, rng) != defaults);  // other places every time
}

TEST_CASE("initializers: names") {
  CHECK(tg::initializers() == std::vector<std::string_view>{"xavier_uniform", "xavier_normal", "he_uniform",
                                                            "he_normal", "kaiming_uniform", "kaiming_normal",
                                                            "lecun_normal", "uniform_fan_in", "orthogonal", "zeros",
                                                            "sparse_negative"});
  for (const std::string_view name : tg::initializers()) {
    INFO(name);
    std::string expected(name);
    if (name.starts_with("kaiming")) expected = "he" + expected.substr(7);
    CHECK(tg::initializer(name).name == expected);
    tg::Rng rng(3);
    tg::Rng same(3);
    CHECK(tg::initializer(name).fill({6, 4}, {4, 6}, rng) == tg::initializer(expected).fill({6, 4}, {4, 6}, same));
  }
  CHECK(error_of([] { tg::initializer("he_norml"); }) ==
        "[initializer] no initializer named 'he_norml'; did you mean 'he_normal'?");
  CHECK(error_of([] { tg::initializer("kaimingnormal"); }) ==
        "[initializer] no initializer named 'kaimingnormal'; did you mean 'kaiming_normal'?");
  std::string all;
  for (const std::string_view name : tg::initializers())
    all += (all.empty() ? "; there are " : ", ") + std::string(name);
  CHECK(error_of([] { tg::initializer("glorot"); }) == "[initializer] no initializer named 'glorot'" + all);
  CHECK(error_of([] { tg::initializer(""); }) == "[initializer] no initializer named ''" + all);
}

TEST_CASE("initializers: settings outside their range") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(error_of([&] { tg::xavier_uniform(nan); }) == "[xavier_uniform] gain must be finite, got nan");
  CHECK(error_of([&] { tg::xavier_normal(inf); }) == "[xavier_normal] gain must be finite, got inf");
  CHECK(error_of([&] { tg::he_uniform(nan); }) == "[he_uniform] negative_slope must be finite, got nan");
  CHECK(error_of([&] { tg::he_normal(-inf); }) == "[he_normal] negative_slope must be finite, got -inf");
  CHECK(error_of([&] { tg::orthogonal(nan); }) == "[orthogonal] gain must be finite, got nan");
  CHECK(error_of([&] { tg::normal(nan, 1); }) == "[normal] mean must be finite, got nan");
  CHECK(error_of([&] { tg::normal(0, -1); }) == "[normal] std must not be negative, got -1");
  CHECK(error_of([&] { tg::normal(0, nan); }) == "[normal] std must be finite, got nan");
  CHECK(error_of([&] { tg::constant(inf); }) == "[constant] value must be finite, got inf");
  CHECK(error_of([&] { tg::sparse_negative(1.5); }) == "[sparse_negative] fraction must be in [0, 1], got 1.5");
  CHECK(error_of([&] { tg::sparse_negative(-0.5); }) == "[sparse_negative] fraction must be in [0, 1], got -0.5");
  CHECK(error_of([&] { tg::sparse_negative(nan); }) == "[sparse_negative] fraction must be in [0, 1], got nan");
  CHECK(error_of([&] { tg::sparse_negative(0.5, 1); }) == "[sparse_negative] value must be negative, got 1");
  CHECK(error_of([&] { tg::sparse_negative(0.5, 0); }) == "[sparse_negative] value must be negative, got 0");
  CHECK(error_of([&] { tg::sparse_negative(0.5, 0.5); }) == "[sparse_negative] value must be negative, got 0.5");
  CHECK(error_of([&] { tg::sparse_negative(0.5, -inf); }) == "[sparse_negative] value must be negative, got -inf");
}

TEST_CASE("initializers: same seed same values, and a linear layer uses what it is given") {
  for (const std::string_view name : tg::initializers()) {
    INFO(name);
    const auto layer = [&](std::uint64_t seed) {
      tg::Rng rng(seed);
      return tg::Linear(48, 64, rng, {.weight_init = tg::initializer(name), .bias_init = tg::zeros()});
    };
    const tg::Linear one = layer(9);
    CHECK(layer(9).weight.value() == one.weight.value());
    if (name != "zeros") CHECK(layer(10).weight.value() != one.weight.value());
    CHECK(one.bias.value() == tg::Matrix::Zero(1, 64));
    tg::Rng rng(9);
    CHECK(tg::initializer(name).fill({64, 48}, {48, 64}, rng) == one.weight.value());
  }
  tg::Rng rng(9);
  tg::Rng same(9);
  const tg::Linear defaults(48, 64, rng);
  CHECK(tg::uniform_fan_in().fill({64, 48}, {48, 64}, same) == defaults.weight.value());
  CHECK(tg::uniform_fan_in().fill({1, 64}, {48, 64}, same) == defaults.bias.value());
}

TEST_CASE("initializers: float and double networks start from the same numbers") {
  for (const std::string_view name : tg::initializers()) {
    INFO(name);
    const tg::LinearOptions options{.weight_init = tg::initializer(name)};
    tg::Rng rng(4);
    tg::Rng same(4);
    tg::Sequential wide{tg::Linear(5, 8, rng, options), tg::Tanh(), tg::Linear(8, 3, rng, options)};
    tapegrad::Sequential narrow{tapegrad::Linear(5, 8, same, options), tg::Tanh(),
                                tapegrad::Linear(8, 3, same, options)};
    REQUIRE(wide.parameters().size() == narrow.parameters().size());
    for (std::size_t i = 0; i < wide.parameters().size(); ++i)
      CHECK(wide.parameters()[i].value().cast<float>() == narrow.parameters()[i].value());
    CHECK(rng.state() == same.state());
  }
}

TEST_CASE("initializers: one of the user's own") {
  const tg::Initializer diagonal{
      "diagonal", [](tg::Shape s, tg::Fans f, tg::Rng&) {
        return tg::Matrix(tg::Matrix::Identity(s.rows, s.cols) * static_cast<double>(f.in));
      }};
  tg::Rng rng(1);
  const tg::Linear layer(3, 2, rng, {.weight_init = diagonal});
  CHECK(layer.weight.value() == tg::Matrix{{3, 0, 0}, {0, 3, 0}});
  CHECK(diagonal({2, 3}, {3, 2}, rng) == layer.weight.value());
  const tg::Initializer nothing{"mine", {}};
  CHECK(error_of([&] { tg::Linear(3, 2, rng, {.bias_init = nothing}); }) == "[initializer] 'mine' has no function");
  CHECK(error_of([&] { nothing({2, 3}, {3, 2}, rng); }) == "[initializer] 'mine' has no function");
}

TEST_CASE("initializers: what one throws comes out as it is, and the next layer is made as if nothing had been") {
  int calls = 0;
  const tg::Initializer fails_second{"fails_second", [&](tg::Shape s, tg::Fans, tg::Rng& rng) {
                                       if (++calls == 2) throw std::runtime_error("no more");
                                       return tg::Matrix(tg::Matrix::Constant(s.rows, s.cols, rng.normal()));
                                     }};
  tg::Rng rng(1), same(1);
  tg::Sequential net{tg::Linear(2, 3, rng), tg::Relu()};
  const tg::Linear first(2, 3, same);
  const tg::LinearOptions options{.weight_init = fails_second, .bias_init = fails_second};
  CHECK_THROWS_WITH_AS(net.add(tg::Linear(3, 1, rng, options)), "no more", std::runtime_error);
  CHECK(net.size() == 2);
  CHECK(calls == 2);
  same.normal();  // of the weight that was made
  CHECK(rng.state() == same.state());
  net.add(tg::Linear(3, 1, rng, options));
  CHECK(calls == 4);
  CHECK(net.parameters().size() == 4);
  CHECK(net.predict(tg::Matrix::Ones(1, 2)).allFinite());
}
