#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <cmath>

// Names as a program writes them: none is qualified here, and <cmath> brings its own exp, tanh, pow …

namespace {

namespace one_directive {

using namespace tapegrad;

template <class T> void check_names() {
  BasicTape<T> tape;
  const BasicMatrix<T> values = BasicMatrix<T>::Constant(1, 1, T(0.5));
  const auto x = tape.input(values, {.requires_grad = true});
  const auto equals = [](BasicVar<T> y, double exact) { return y.item() == doctest::Approx(exact).epsilon(1e-6); };
  CHECK(equals(exp(x), std::exp(0.5)));
  CHECK(equals(log(x), std::log(0.5)));
  CHECK(equals(sqrt(x), std::sqrt(0.5)));
  CHECK(equals(sin(x) + cos(x), std::sin(0.5) + std::cos(0.5)));
  CHECK(equals(abs(-x), 0.5));
  CHECK(equals(expm1(x) + log1p(x), std::expm1(0.5) + std::log1p(0.5)));
  CHECK(equals(tanh(x), std::tanh(0.5)));
  CHECK(equals(sigmoid(x), 1 / (1 + std::exp(-0.5))));
  CHECK(equals(pow(x, 3), 0.125));
  CHECK(equals(square(x), 0.25));
  CHECK(equals(clamp(x, 0, 0.25), 0.25));
  CHECK(equals(leaky_relu(-x, {.negative_slope = 0.2}), -0.1));
  CHECK(equals(swish(x, {.beta = 2}), 0.5 / (1 + std::exp(-1))));
  const auto mask = x > 0;
  CHECK(equals(where(mask, x, 0.0), 0.5));
  CHECK(equals(where(mask, 2, x), 2));
  CHECK(equals(where(x < 0, 2, 3.0), 3));
  CHECK(equals(where(mask, x, x + 1), 0.5));
  CHECK(equals(maximum(x, 0), 0.5));
  CHECK(equals(maximum(1, x), 1));
  CHECK(equals(minimum(x, 0), 0));
  CHECK(equals(minimum(0.25, x), 0.25));
  CHECK(equals(maximum(x, 2 * x), 1));
  CHECK(equals(prelu(-x, x), -0.25));
  CHECK(exp(1.0) == std::exp(1.0));  // a number is still the C library's

  BasicVar<T> y = x;
  y += x;
  y -= 0.25;
  y *= 4;
  y /= x;
  CHECK(equals(y, 6));  // 4(2x − 0.25)/x, slope 1/x²
  y.backward();
  CHECK(x.grad()(0) == doctest::Approx(4));
}

/// A user's rule, written with unqualified names and with operators that assign.
struct Bump {
  static constexpr std::string_view name = "test_bump";
  template <class X> static X value(const X& x) {
    X s = -x;
    s *= x;
    return exp(s) * where(x > 0, 1.0, 2.0);
  }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return -2 * g * x * y; }
};

}  // namespace one_directive

/// The same by qualified names.
struct Gaussian {
  static constexpr std::string_view name = "test_gaussian";
  template <class X> static X value(const X& x) { return tapegrad::exp(-x * x) + tapegrad::maximum(0, x) * 0; }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return -2 * g * x * y; }
};

}  // namespace

TEST_CASE("ops are found by unqualified names, float") { one_directive::check_names<float>(); }
TEST_CASE("ops are found by unqualified names, double") { one_directive::check_names<double>(); }

TEST_CASE("without any directive, ops are found by their arguments") {
  tapegrad::f64::Tape tape;
  const tapegrad::f64::Var x = tape.input(0.5);
  CHECK(where(x > 0, tanh(x), 0.0).item() == doctest::Approx(std::tanh(0.5)));
  CHECK(sum(relu(x)).item() == 0.5);
}

TEST_CASE("using namespace tapegrad::f64") {
  using namespace tapegrad::f64;
  Tape t;
  const Var x = t.input(0.5);
  const Matrix m = exp(x).value();
  CHECK(m(0) == doctest::Approx(std::exp(0.5)));
}

TEST_CASE("a user's rule uses the same names on Packs") {
  const tapegrad::Activation bump = tapegrad::make_activation(one_directive::Bump{});
  CHECK(bump.value(1) == doctest::Approx(std::exp(-1)));
  CHECK(bump.value(-1) == doctest::Approx(2 * std::exp(-1)));
  CHECK(bump.slope(1) == doctest::Approx(-2 * std::exp(-1)));
  CHECK(tapegrad::make_activation(Gaussian{}).value(2) == doctest::Approx(std::exp(-4)));
}

namespace {

/// The slope of value_and_slope against the text for Vars, in units in the last place of the larger part.
template <class Rule, class T> void check_fused_slope() {
  tapegrad::BasicTape<T> tape;
  tapegrad::BasicMatrix<T> z(1, 4001);
  for (Eigen::Index i = 0; i < z.size(); ++i) z(i) = static_cast<T>(i - 2000) / 100;
  const auto x = tape.input(z, {.requires_grad = true});
  const auto y = tapegrad::apply(Rule{}, x);
  const auto taped = tapegrad::grad(sum(y), {x})[0];
  sum(y).backward();
  const auto scale = static_cast<double>(std::numeric_limits<T>::epsilon());
  for (Eigen::Index i = 0; i < z.size(); ++i) {
    const auto fused = static_cast<double>(x.grad()(i));
    CHECK_MESSAGE(
        std::abs(fused - static_cast<double>(taped.value()(i))) <= 8 * scale * std::max(0.125, std::abs(fused)),
        std::string(Rule::name) << " at " << z(i));
  }
}

}  // namespace

TEST_CASE("rules with value_and_slope agree with their vjp") {
  check_fused_slope<tapegrad::Sigmoid, float>();
  check_fused_slope<tapegrad::Tanh, float>();
  check_fused_slope<tapegrad::Mish, float>();
  check_fused_slope<tapegrad::Sigmoid, double>();
  check_fused_slope<tapegrad::Tanh, double>();
  check_fused_slope<tapegrad::Mish, double>();
}
