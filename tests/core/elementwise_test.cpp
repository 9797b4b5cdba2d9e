#include <doctest/doctest.h>
#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <limits>
#include <vector>

namespace tg = tapegrad::f64;

namespace {

using tapegrad::BasicMatrix;
using tapegrad::Index;

template <class T> constexpr T inf = std::numeric_limits<T>::infinity();
template <class T> constexpr T nan = std::numeric_limits<T>::quiet_NaN();

/// Distance in units in the last place of the exact value; 0 when both are NaN or the same infinity.
template <class T> double ulps(T value, long double exact) {
  const T rounded = static_cast<T>(exact);
  if (std::isnan(value) || std::isnan(rounded)) return std::isnan(value) == std::isnan(rounded) ? 0 : 1e30;
  if (std::isinf(value) || std::isinf(rounded)) return value == rounded ? 0 : 1e30;
  const T next = std::nextafter(std::abs(rounded), inf<T>);
  return static_cast<double>(std::abs(static_cast<long double>(value) - exact) / (next - std::abs(rounded)));
}

template <class T, class F> std::vector<T> computed(const F& f, const std::vector<T>& x) {
  tapegrad::BasicTape<T> tape;
  const BasicMatrix<T> m = Eigen::Map<const BasicMatrix<T>>(x.data(), 1, static_cast<Index>(x.size()));
  const BasicMatrix<T> y = f(tape.input(m)).value();
  return {y.data(), y.data() + y.size()};
}

template <class T> std::vector<T> spread(double from, double to, int count) {
  std::vector<T> x;
  for (int i = 0; i < count; ++i) x.push_back(static_cast<T>(from + (to - from) * i / (count - 1)));
  return x;
}

template <class T, class F, class Exact>
void check_accuracy(const char* name, const F& f, const Exact& exact, const std::vector<T>& x, double allowed) {
  const auto y = computed<T>(f, x);
  double worst = 0;
  T at = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = ulps<T>(y[i], exact(static_cast<double>(x[i])));
    if (off > worst) {
      worst = off;
      at = x[i];
    }
  }
  CHECK_MESSAGE(worst <= allowed, fmt::format("{} in {} bytes: {} ulp at {}", name, sizeof(T), worst, at));
}

/// A function template of the library as something to pass on.
#define TAPEGRAD_OP(name) [](auto var) { return tg::name(var); }

template <class T> void check_functions() {
  using std::numeric_limits;
  const T tiny = numeric_limits<T>::denorm_min();
  const T large = numeric_limits<T>::max();
  const double top = sizeof(T) == 4 ? 88.7 : 709.7;
  const double bottom = sizeof(T) == 4 ? -87.3 : -708.3;
  // 1 unit at most, but 4.5 for 16 floats, where ln 2 is one number for all of the range.
  const double exp_error = sizeof(T) == 4 && tapegrad::Pack<T>::size == 16 ? 6 : 2;
  const auto with = [](std::vector<T> x, std::initializer_list<T> more) {
    x.insert(x.end(), more);
    return x;
  };
  check_accuracy<T>(
      "exp", TAPEGRAD_OP(exp), [](double x) { return std::exp(x); },
      with(spread<T>(bottom, top, 5000), {T(0), tiny, inf<T>, -inf<T>, nan<T>, T(1000), -large, large}), exp_error);
  check_accuracy<T>(
      "expm1", TAPEGRAD_OP(expm1), [](double x) { return std::expm1(x); },
      with(spread<T>(-40, top, 5000),
           {T(0), T(1e-20), T(-1e-20), T(1e-5), inf<T>, -inf<T>, nan<T>, T(-1000), T(1000)}),
      8);
  // The number next to −1 is half a unit away: the last place where ELU's slope, taken as y + 1, is not 0.
  check_accuracy<T>(
      "expm1", TAPEGRAD_OP(expm1), [](double x) { return std::expm1(x); }, spread<T>(-17.3, -15, 500), 0.51);
  check_accuracy<T>(
      "log", TAPEGRAD_OP(log), [](double x) { return std::log(x); },
      with(spread<T>(1e-4, 50, 5000),
           {T(0), T(1), tiny, 7 * tiny, numeric_limits<T>::min(), large, inf<T>, nan<T>, T(-1)}),
      4);
  check_accuracy<T>(
      "log1p", TAPEGRAD_OP(log1p), [](double x) { return std::log1p(x); },
      with(spread<T>(-0.999, 50, 5000), {T(0), T(1e-20), T(-1e-20), T(-1), large, inf<T>, nan<T>, T(-2)}), 8);
  check_accuracy<T>(
      "sqrt", TAPEGRAD_OP(sqrt), [](double x) { return std::sqrt(x); },
      with(spread<T>(0, 50, 1000), {large, inf<T>, nan<T>, T(-1)}), 0.51);
  check_accuracy<T>(
      "tanh", TAPEGRAD_OP(tanh), [](double x) { return std::tanh(x); },
      with(spread<T>(-25, 25, 5000), {T(0), tiny, T(1e-20), inf<T>, -inf<T>, nan<T>, large, -large}), 8);
  check_accuracy<T>(
      "sigmoid", TAPEGRAD_OP(sigmoid),
      [](double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); },
      with(spread<T>(bottom, 40, 5000), {T(0), tiny, inf<T>, -inf<T>, nan<T>, large, -large}), 8);
  const double tail = sizeof(T) == 4 ? 14.6 : 37.5;
  check_accuracy<T>(
      "normal_cdf", TAPEGRAD_OP(normal_cdf),
      [](long double x) { return std::erfc(-0.70710678118654752440L * x) / 2; },
      with(spread<T>(-tail, tail, 20'001),
           {T(-0.0), tiny, -tiny, T(1e-20), inf<T>, -inf<T>, nan<T>, large, -large}),
      8);
  check_accuracy<T>(
      "normal_pdf", TAPEGRAD_OP(normal_pdf),
      [](long double x) { return 0.39894228040143267794L * std::exp(-0.5L * x * x); },
      with(spread<T>(-tail, tail, 20'001), {T(-0.0), tiny, T(1e-20), inf<T>, -inf<T>, nan<T>, large, -large}), 6);
  const auto softplus = [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); };
  check_accuracy<T>(
      "softplus", TAPEGRAD_OP(softplus), [&](double x) { return std::isnan(x) ? x : softplus(x); },
      with(spread<T>(bottom, -bottom, 20'001), {T(0), tiny, T(1e-20), inf<T>, -inf<T>, nan<T>, large, -large}), 8);
  check_accuracy<T>(
      "log_sigmoid", TAPEGRAD_OP(log_sigmoid), [&](double x) { return std::isnan(x) ? x : -softplus(-x); },
      with(spread<T>(bottom, -bottom, 20'001), {T(0), tiny, T(1e-20), inf<T>, -inf<T>, nan<T>, large, -large}), 8);
  if constexpr (sizeof(T) == 4) {  // doubles end at the smallest normal number
    check_accuracy<T>(
        "exp, denormal results", TAPEGRAD_OP(exp), [](double x) { return std::exp(x); },
        spread<T>(-104.5, -87, 5000), exp_error);
    check_accuracy<T>(
        "exp, largest results", TAPEGRAD_OP(exp), [](double x) { return std::exp(x); }, spread<T>(88, 89, 5000),
        exp_error);
  }
  check_accuracy<T>(
      "sqrt of denormal numbers", TAPEGRAD_OP(sqrt), [](double x) { return std::sqrt(x); },
      {tiny, 3 * tiny, 1000 * tiny}, 0.51);
  check_accuracy<T>(
      "square", TAPEGRAD_OP(square), [](double x) { return x * x; }, spread<T>(-3, 3, 100), 0.51);
  check_accuracy<T>(
      "abs", TAPEGRAD_OP(abs), [](double x) { return std::abs(x); },
      {T(-0.0), T(-3), T(2), inf<T>, -inf<T>, nan<T>, -large}, 0);
  check_accuracy<T>(
      "sign", TAPEGRAD_OP(sign), [](double x) { return static_cast<double>((x > 0) - (x < 0)); },
      {T(-0.0), T(0), T(-3), T(2), inf<T>, -inf<T>, tiny, -tiny}, 0);
  // sin and cos pass through zero: absolute error instead
  const auto x = spread<T>(-100, 100, 5001);
  const auto s = computed<T>(TAPEGRAD_OP(sin), x);
  const auto c = computed<T>(TAPEGRAD_OP(cos), x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(s[i]) - std::sin(static_cast<double>(x[i]))));
    worst = std::max(worst, std::abs(static_cast<double>(c[i]) - std::cos(static_cast<double>(x[i]))));
  }
  CHECK(worst <= 4 * static_cast<double>(numeric_limits<T>::epsilon()));
}

tg::Matrix matrix(Index rows, Index cols, std::initializer_list<double> values) {
  tg::Matrix m(rows, cols);
  std::copy(values.begin(), values.end(), m.data());
  return m;
}

/// Bounds and NaN, on whichever side they stand.
template <class T> void check_order() {
  using P = tapegrad::Pack<T>;
  const auto same = [](P pack, T expected) {
    const T value = pack.first();
    return std::isnan(expected) ? std::isnan(value) : value == expected;
  };
  const std::vector<T> values = {nan<T>, -inf<T>, inf<T>, T(-2), T(0), T(1), std::numeric_limits<T>::denorm_min()};
  for (const T a : values) {
    for (const T b : values) {
      const P x = P::broadcast(a), y = P::broadcast(b);
      const bool none = std::isnan(a) || std::isnan(b);
      CHECK(same(tapegrad::simd::max(x, y), none ? nan<T> : std::max(a, b)));
      CHECK(same(tapegrad::simd::min(x, y), none ? nan<T> : std::min(a, b)));
      CHECK(same(select(x < y, P(1), P(2)), a < b ? T(1) : T(2)));
      CHECK(same(select(x <= y, P(1), P(2)), a <= b ? T(1) : T(2)));
      CHECK(same(select(x > y, P(1), P(2)), a > b ? T(1) : T(2)));
      CHECK(same(select(x == y, P(1), P(2)), a == b ? T(1) : T(2)));
    }
    const P x = P::broadcast(a);
    CHECK(same(tapegrad::simd::max(x, 0.5), std::isnan(a) ? a : std::max(a, T(0.5))));
    CHECK(same(tapegrad::simd::min(x, 0.5), std::isnan(a) ? a : std::min(a, T(0.5))));
  }
}

/// A user's op of two operands.
struct Hypot {
  static constexpr std::string_view name = "test_hypot";
  static constexpr double domain_from = 0;
  template <class X> static X value(const X& a, const X& b) { return tg::sqrt(a * a + b * b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X&, const X& y) { return g * a / y; }
  template <class X> static X vjp_b(const X& g, const X&, const X& b, const X& y) { return g * b / y; }
};

}  // namespace

TEST_CASE("functions are accurate over the whole range, float") { check_functions<float>(); }
TEST_CASE("functions are accurate over the whole range, double") { check_functions<double>(); }

TEST_CASE("order of packs, float") { check_order<float>(); }
TEST_CASE("order of packs, double") { check_order<double>(); }

TEST_CASE("arithmetic with Vars and numbers") {
  tg::Tape tape;
  const tg::Var a = tape.input(matrix(1, 3, {1, -2, 4}));
  const tg::Var b = tape.input(matrix(1, 3, {2, 3, -8}));
  CHECK((a + b).value() == matrix(1, 3, {3, 1, -4}));
  CHECK((a - b).value() == matrix(1, 3, {-1, -5, 12}));
  CHECK((a * b).value() == matrix(1, 3, {2, -6, -32}));
  CHECK((b / a).value() == matrix(1, 3, {2, -1.5, -2}));
  CHECK((-a).value() == matrix(1, 3, {-1, 2, -4}));
  CHECK((a + 1.0).value() == matrix(1, 3, {2, -1, 5}));
  CHECK((1.0 + a).value() == matrix(1, 3, {2, -1, 5}));
  CHECK((a - 1.0).value() == matrix(1, 3, {0, -3, 3}));
  CHECK((1.0 - a).value() == matrix(1, 3, {0, 3, -3}));
  CHECK((a * 0.5).value() == matrix(1, 3, {0.5, -1, 2}));
  CHECK((a / 2.0).value() == matrix(1, 3, {0.5, -1, 2}));
  CHECK((2.0 / a).value() == matrix(1, 3, {2, -1, 0.5}));
  CHECK(tg::maximum(a, b).value() == matrix(1, 3, {2, 3, 4}));
  CHECK(tg::minimum(a, b).value() == matrix(1, 3, {1, -2, -8}));
  CHECK(tg::clamp(a, -1, 3).value() == matrix(1, 3, {1, -1, 3}));
  CHECK(tg::pow(a, 3).value() == matrix(1, 3, {1, -8, 64}));
  CHECK((a > b).value() == matrix(1, 3, {0, 0, 1}));
  CHECK((a <= 1.0).value() == matrix(1, 3, {1, 1, 0}));
  CHECK(tg::where(a > 0.0, a, b).value() == matrix(1, 3, {1, 3, 4}));
}

TEST_CASE("broadcasting is NumPy's, and its reverse sums") {
  const tg::Matrix m = matrix(2, 3, {1, 2, 3, 4, 5, 6});
  const tg::Matrix g = matrix(2, 3, {1, 10, 100, 1000, 1e4, 1e5});
  struct Case {
    tg::Matrix other, sum, grad;
  };
  const Case cases[] = {
      {matrix(1, 3, {10, 20, 30}), matrix(2, 3, {11, 22, 33, 14, 25, 36}), matrix(1, 3, {1001, 10010, 100100})},
      {matrix(2, 1, {10, 20}), matrix(2, 3, {11, 12, 13, 24, 25, 26}), matrix(2, 1, {111, 111000})},
      {matrix(1, 1, {10}), matrix(2, 3, {11, 12, 13, 14, 15, 16}), matrix(1, 1, {111111})},
  };
  for (const auto& [other, sum, grad] : cases) {
    tg::Tape tape;
    const tg::Var a = tape.input(m, {.requires_grad = true});
    const tg::Var b = tape.input(other, {.requires_grad = true});
    const tg::Var y = a + b;
    CHECK(y.value() == sum);
    CHECK((b + a).value() == sum);
    y.backward(g);
    CHECK(a.grad() == g);
    CHECK(b.grad() == grad);
  }
  tg::Tape tape;
  const tg::Var row = tape.input(matrix(1, 3, {1, 2, 3}), {.requires_grad = true});
  const tg::Var column = tape.input(matrix(2, 1, {10, 20}), {.requires_grad = true});
  const tg::Var table = row + column;
  CHECK(table.value() == matrix(2, 3, {11, 12, 13, 21, 22, 23}));
  table.backward(g);
  CHECK(row.grad() == matrix(1, 3, {1001, 10010, 100100}));
  CHECK(column.grad() == matrix(2, 1, {111, 111000}));
  // an empty batch meets a row: the row's gradient is zero
  tape.reset();
  const tg::Var nothing = tape.input(tg::Matrix(0, 3), {.requires_grad = true});
  const tg::Var bias = tape.input(matrix(1, 3, {1, 2, 3}), {.requires_grad = true});
  const tg::Var y = nothing * bias;
  CHECK(y.shape() == tg::Shape{0, 3});
  tg::sum(y).backward();
  CHECK(bias.grad() == matrix(1, 3, {0, 0, 0}));
}

TEST_CASE("shapes that do not broadcast") {
  tg::Tape tape;
  const auto in = [&](Index rows, Index cols) { return tape.input(tg::Matrix(tg::Matrix::Ones(rows, cols))); };
  CHECK_THROWS_WITH_AS(in(2, 3) + in(3, 2), "[add] shapes do not broadcast: 2x3 and 3x2", tg::Error);
  CHECK_THROWS_WITH_AS(in(2, 3) * in(2, 2), "[mul] shapes do not broadcast: 2x3 and 2x2", tg::Error);
  CHECK_THROWS_WITH_AS(in(2, 3) / in(1, 4), "[div] shapes do not broadcast: 2x3 and 1x4", tg::Error);
  CHECK_THROWS_WITH_AS(tg::where(in(2, 3), in(2, 3), in(5, 3)),
                       "[where] shapes do not broadcast: 2x3 and 2x3 and 5x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::broadcast_to(in(2, 3), {4, 3}), "[broadcast_to] shapes do not broadcast: 4x3 and 2x3",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::broadcast_to(in(2, 3), {1, 3}), "[broadcast_to] 2x3 does not fit into 1x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::clamp(in(1, 1), 2, 1), "[clamp] low must not be above high, got 2 and 1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::clamp(in(1, 1), NAN, 1), "[clamp] low must not be above high, got nan and 1", tg::Error);
}

TEST_CASE("subgradients at kinks and ties") {
  tg::Tape tape;
  const tg::Var a = tape.input(matrix(1, 3, {0, 2, 1}), {.requires_grad = true});
  const tg::Var b = tape.input(matrix(1, 3, {0, 1, 2}), {.requires_grad = true});
  tg::sum(tg::maximum(a, b)).backward();
  CHECK(a.grad() == matrix(1, 3, {0.5, 1, 0}));
  CHECK(b.grad() == matrix(1, 3, {0.5, 0, 1}));
  tape.reset();
  const tg::Var x = tape.input(matrix(1, 4, {0, 1, 0.5, 3}), {.requires_grad = true});
  tg::sum(tg::clamp(x, 0, 1)).backward();
  CHECK(x.grad() == matrix(1, 4, {1, 1, 1, 0}));
  tape.reset();
  const tg::Var ties = tape.input(matrix(1, 4, {3, 1, 3, 3}), {.requires_grad = true});
  (tg::max(ties) * 3.0).backward();
  CHECK(ties.grad() == matrix(1, 4, {1, 0, 1, 1}));
  tape.reset();
  const tg::Var zero = tape.input(matrix(1, 1, {0}), {.requires_grad = true});
  tg::abs(zero).backward();
  CHECK(zero.grad()(0) == 0);
}

TEST_CASE("powers at 0: value, slope and second derivative") {
  tg::Tape tape;
  const auto derivatives = [&](auto f) {
    tape.reset();
    const tg::Var x = tape.input(matrix(1, 1, {0}), {.requires_grad = true});
    const tg::Var y = f(x);
    const tg::Var slope = tg::grad(y, {x})[0];
    double second = 0;
    if (slope.requires_grad()) {
      second = tg::grad(slope, {x})[0].value()(0);
      slope.backward();
      CHECK(x.grad()(0) == second);
    }
    return std::array{y.value()(0), slope.value()(0), second};
  };
  using Numbers = std::array<double, 3>;
  CHECK(derivatives([](tg::Var x) { return tg::pow(x, 0); }) == Numbers{1, 0, 0});
  CHECK(derivatives([](tg::Var x) { return tg::pow(x, 1); }) == Numbers{0, 1, 0});
  CHECK(derivatives([](tg::Var x) { return tg::pow(x, 0.5); })[1] == HUGE_VAL);
  CHECK(derivatives([](tg::Var x) { return x * (1 - tg::pow(x, 1.1)); }) == Numbers{0, 1, 0});
  CHECK(derivatives([](tg::Var x) { return (1 - tg::pow(x, 1.6)) * x; }) == Numbers{0, 1, 0});
  CHECK(derivatives([](tg::Var x) { return x * tg::pow(x, 0.5); }) == Numbers{0, 0, HUGE_VAL});
}

TEST_CASE("a user's op is registered and checked like a built-in one") {
  tg::register_op<Hypot>();
  const auto names = tg::ops();
  CHECK(std::count(names.begin(), names.end(), "test_hypot") == 1);
  CHECK_THROWS_WITH_AS(tg::register_op<Hypot>(), "[op] 'test_hypot' is registered already", tg::Error);
  CHECK_THROWS_WITH_AS(tg::register_op<tg::Add>(), "[op] 'add' is registered already", tg::Error);
  for (const int order : {1, 2}) {
    const auto result = tg::grad_check([](auto v) { return tg::apply(Hypot{}, v[0], v[1]); },
                                       {matrix(2, 2, {1, 2, 3, 4}), matrix(1, 2, {0.5, 2})}, {.order = order});
    CHECK_MESSAGE(result.ok, result.message);
  }
}

TEST_CASE("minimum: the smaller operand has the gradient, equal ones half of it each") {
  tg::Tape tape;
  const tg::Var a = tape.input(matrix(1, 3, {0, 2, 1}), {.requires_grad = true});
  const tg::Var b = tape.input(matrix(1, 3, {0, 1, 2}), {.requires_grad = true});
  const tg::Var g = tape.input(matrix(1, 3, {2, 3, 5}));
  tg::sum(tg::minimum(a, b) * g).backward();
  CHECK(a.grad() == matrix(1, 3, {1, 0, 5}));
  CHECK(b.grad() == matrix(1, 3, {1, 3, 0}));
}

TEST_CASE_TEMPLATE("powers of 0, of infinity and of NaN are those of std::pow", T, float, double) {
  const std::vector<T> bases{
      T(0), T(-0.0), T(1), T(-1), T(2), T(-2), inf<T>, -inf<T>, std::numeric_limits<T>::quiet_NaN()};
  for (const double exponent : {0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -2.0}) {
    const std::vector<T> powers = computed<T>([&](auto x) { return tapegrad::pow(x, exponent); }, bases);
    for (std::size_t i = 0; i < bases.size(); ++i) {
      INFO(bases[i] << "^" << exponent);
      const T exact = std::pow(bases[i], static_cast<T>(exponent));
      CHECK((powers[i] == exact || (std::isnan(powers[i]) && std::isnan(exact)) ||
             std::abs(powers[i] - exact) <= 2 * std::numeric_limits<T>::epsilon() * std::abs(exact)));
    }
  }
}

TEST_CASE("pow of two Vars: values and slopes, as in PyTorch") {
  namespace tg = tapegrad::f64;
  using tg::Matrix, tg::Var;
  tg::Tape tape;
  const Var a = tape.input(Matrix{{0.5, 2, 3, 1.5, 0, -2}}, {.requires_grad = true});
  const Var b = tape.input(Matrix{{2, 10, -1.5, 0, 2.5, 3}}, {.requires_grad = true});
  const Var y = pow(a, b);
  CHECK(y.value().isApprox(Matrix{{0.25, 1024, 0.19245008972987526, 1, 0, -8}}, 1e-15));
  y.backward(Matrix::Ones(1, 6));
  CHECK(a.grad().isApprox(Matrix{{1, 5120, -0.09622504486493762, 0, 0, 12}}, 1e-15));
  CHECK(b.grad().leftCols(5).isApprox(
      Matrix{{-0.17328679513998632, 709.782712893384, 0.21142803353252135, 0.4054651081081644, 0}}, 1e-15));
  CHECK(std::isnan(b.grad()(5)));
  CHECK(pow(2.0, tape.input(Matrix{{3, 0.5}})).value().isApprox(Matrix{{8, std::sqrt(2)}}, 1e-15));
  const Var zero = tape.input(Matrix{{0}}, {.requires_grad = true}),
            also = tape.input(Matrix{{0}}, {.requires_grad = true});
  const auto slopes = tg::grad(pow(zero, also), {zero, also});
  CHECK(slopes[0].item() == 0);
  CHECK(slopes[1].item() == 0);
  CHECK(tg::grad(slopes[0] + slopes[1], {zero, also})[0].item() == 0);
}
