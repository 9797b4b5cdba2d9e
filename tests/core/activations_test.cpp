#include <doctest/doctest.h>
#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace tg = tapegrad::f64;

namespace {

using tapegrad::Index;

std::vector<tg::Activation> elementwise_activations() {
  std::vector<tg::Activation> list;
  for (const auto name : tg::activations())
    if (tg::activation(name).elementwise()) list.push_back(tg::activation(name));
  return list;
}

/// Those of the library, with other settings beside the usual ones.
std::vector<tg::Activation> with_facts() {
  std::vector<tg::Activation> list;
  for (const auto& act : elementwise_activations())
    if (!act.facts().formula.empty()) list.push_back(act);
  for (const char* text :
       {"leaky_relu(negative_slope=0.2)", "leaky_relu(negative_slope=0)", "leaky_relu(negative_slope=1)",
        "leaky_relu(negative_slope=-0.5)", "leaky_relu(negative_slope=20)", "elu(alpha=0.5)", "elu(alpha=2)",
        "elu(alpha=20)", "celu(alpha=3)", "celu(alpha=0.4)", "swish(beta=0.5)", "swish(beta=4)"})
    list.push_back(tg::activation(text));
  return list;
}

/// A grid of 120,001 points that meets every kink, then points far out.
std::vector<double> scan_points() {
  std::vector<double> x;
  for (int i = -60'000; i <= 60'000; ++i) x.push_back(i * 1e-3);
  for (const double far : {1e2, 1e3, 1e4, 1e6}) {
    x.push_back(far);
    x.push_back(-far);
  }
  return x;
}

/// Where f′ jumps: halving every interval of the scan over which f′ changes by more than it smoothly can.
std::vector<double> jumps_of(const tg::Activation& act) {
  std::vector<double> jumps;
  for (int i = -20'000; i < 20'000; ++i) {
    // half a step off the grid, where the kinks are
    double low = (i + 0.4567) * 1e-3;
    double high = (i + 1.4567) * 1e-3;
    if (std::abs(act.slope(high) - act.slope(low)) < 0.025) continue;
    while (high - low > 1e-10) {
      const double middle = (low + high) / 2;
      const bool left =
          std::abs(act.slope(middle) - act.slope(low)) > std::abs(act.slope(high) - act.slope(middle));
      (left ? high : low) = middle;
    }
    if (std::abs(act.slope(high) - act.slope(low)) > 0.02) jumps.push_back((low + high) / 2);
  }
  return jumps;
}

template <class T> struct Curves { tapegrad::BasicMatrix<T> f, fused, taped, second; };
template <class T> Curves<T> curves_of(const tg::Activation& act, const tapegrad::BasicMatrix<T>& x) {
  tapegrad::BasicTape<T> tape;
  const tapegrad::BasicMatrix<T> ones = tapegrad::BasicMatrix<T>::Ones(x.rows(), x.cols());
  Curves<T> c;
  auto in = tape.input(x, {.requires_grad = true});
  auto y = act(in);
  c.f = y.value();
  y.backward(ones);
  c.fused = in.grad();
  tape.reset();
  in = tape.input(x, {.requires_grad = true});
  const auto slope = tapegrad::grad(act(in), {in}, tape.input(ones))[0];
  c.taped = slope.value();
  c.second = tapegrad::grad(slope, {in}, tape.input(ones))[0].value();
  return c;
}

template <class T> tapegrad::BasicMatrix<T> extreme_points() {
  std::vector<double> list = {0,
                              static_cast<double>(std::numeric_limits<T>::denorm_min()),
                              static_cast<double>(std::numeric_limits<T>::min()),
                              1e-30,
                              1e-4,
                              1,
                              3,
                              6,
                              10,
                              20,
                              40,
                              60,
                              88,
                              100,
                              104,
                              355,
                              708.4,
                              710,
                              745,
                              1e4,
                              1e15,
                              1e19,
                              1e30,
                              static_cast<double>(std::numeric_limits<T>::max())};
  if (sizeof(T) == 8) list.insert(list.end(), {1e100, 1e154, 1e200, 1e300});
  tapegrad::BasicMatrix<T> x(1, static_cast<Index>(2 * list.size()));
  for (std::size_t i = 0; i < list.size(); ++i) {
    x(static_cast<Index>(2 * i)) = static_cast<T>(list[i]);
    x(static_cast<Index>(2 * i + 1)) = static_cast<T>(-list[i]);
  }
  return x;
}

template <class T> void check_extremes() {
  const auto x = extreme_points<T>();
  for (const auto& act : with_facts()) {
    const auto c = curves_of<T>(act, x);
    const auto facts = act.facts();
    for (Index i = 0; i < x.size(); ++i) {
      const std::string where = fmt::format("{} at {} in {} bytes", act.text(), x(i), sizeof(T));
      CHECK_MESSAGE(!std::isnan(c.f(i)), where);
      // f may only overflow where it is steeper than 1 and x is already the largest number
      const double bound = std::abs(static_cast<double>(x(i))) * facts.sup_slope;
      if (!(bound > static_cast<double>(std::numeric_limits<T>::max()) * 0.999))
        CHECK_MESSAGE(std::isfinite(c.f(i)), where);
      const double f = static_cast<double>(c.f(i));
      const double rounding = sizeof(T) == 4 ? 1e-6 : 1e-14;
      CHECK_MESSAGE(f >= facts.lower - rounding * std::abs(facts.lower), where);
      CHECK_MESSAGE(f <= facts.upper + rounding * std::abs(facts.upper), where);
      CHECK_MESSAGE(std::isfinite(c.fused(i)), where);
      CHECK_MESSAGE(std::isfinite(c.taped(i)), where);
      CHECK_MESSAGE(std::isfinite(c.second(i)), where << ": f″ is " << c.second(i));
      const double slope = std::abs(static_cast<double>(c.fused(i)));
      CHECK_MESSAGE(slope <= facts.sup_slope * (1 + rounding), where << ": f′ is " << slope);
    }
  }
}

template <class T> std::uint64_t bits_of(T value) {
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<std::uint32_t>(value);
  else
    return std::bit_cast<std::uint64_t>(value);
}

/// The value and the slope of a number are bitwise the same wherever it stands.
template <class T> void check_position_independence() {
  using M = tapegrad::BasicMatrix<T>;
  for (const auto& act : with_facts()) {
    tg::Rng rng(3);
    M line(1, 131);
    for (T& v : line.reshaped()) v = static_cast<T>(5 * rng.normal());
    const auto whole = curves_of<T>(act, line);
    const auto same = [&](const M& part, const M& from, Index first) {
      for (Index i = 0; i < part.size(); ++i)
        if (bits_of(part(i)) != bits_of(from(first + i))) return false;
      return true;
    };
    bool all_same = true;
    for (const Index first : {0, 1, 2, 3, 5, 7, 15, 16, 33, 64}) {
      for (const Index count : {1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 65}) {
        const auto part = curves_of<T>(act, M(line.middleCols(first, count)));
        all_same = all_same && same(part.f, whole.f, first) && same(part.fused, whole.fused, first) &&
                   same(part.taped, whole.taped, first) && same(part.second, whole.second, first);
      }
    }
    CHECK_MESSAGE(all_same, act.text());
    // as a batch of rows of another width
    const M folded = Eigen::Map<const M>(line.data(), 10, 13);
    const auto batch = curves_of<T>(act, folded);
    const M flat = Eigen::Map<const M>(batch.fused.data(), 1, 130);
    CHECK_MESSAGE(same(flat, whole.fused, 0), act.text());
  }
}

/// Short arrays may keep their slopes, long ones compute them again and may be divided among threads: bitwise the same.
template <class T> void check_length_independence() {
  using M = tapegrad::BasicMatrix<T>;
  tg::Rng rng(3);
  M line(1, 1000);
  for (T& v : line.reshaped()) v = static_cast<T>(5 * rng.normal());
  const M many = line.replicate(1, 40);
  REQUIRE(line.size() < tapegrad::parallel::least_elements);
  REQUIRE(many.size() > tapegrad::parallel::least_elements);
  for (const auto& act : with_facts()) {
    const auto slopes = [&act](const M& x) {
      tapegrad::BasicTape<T> tape;
      const tapegrad::BasicVar<T> input = tape.input(x, {.requires_grad = true});
      act(input).backward(M::Ones(1, x.cols()));
      return M(input.grad());
    };
    const M expected = slopes(line);
    const M found = slopes(many);
    bool all_same = true;
    for (Index i = 0; i < found.size(); ++i)
      all_same = all_same && bits_of(found(i)) == bits_of(expected(i % 1000));
    CHECK_MESSAGE(all_same, act.text());
  }
}

template <class T> void check_nan() {
  using M = tapegrad::BasicMatrix<T>;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (const auto name : tg::activations()) {
    const tg::Activation act = tg::activation(name);
    for (const Index at : {0, 1, 2, 3}) {
      for (const Index cols : {4, 36}) {
        M x = M::Constant(2, cols, T(0.5));
        x(1, at) = nan;
        tapegrad::BasicTape<T> tape;
        std::vector<tapegrad::BasicVar<T>> learned;
        for (const auto& [parameter, value] : act.learned())
          learned.push_back(tape.input(M(M::Constant(1, cols, static_cast<T>(value)))));
        const M y = act(tape.input(x), std::span<const tapegrad::BasicVar<T>>(learned)).value();
        CHECK_MESSAGE(y.row(1).hasNaN(), fmt::format("{}: NaN at {} of {} is lost", name, at, cols));
        CHECK_MESSAGE(!y.row(0).hasNaN(),
                      fmt::format("{}: NaN at {} of {} spreads to another row", name, at, cols));
      }
    }
  }
}

/// A user's own, without facts: they come from a scan.
struct Gaussian {
  static constexpr std::string_view name = "test_gaussian";
  template <class X> static X value(const X& x) { return tg::exp(-x * x); }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return -2 * g * x * y; }
};

struct Steep {
  double slope = 2;
  int times = 1;
  static constexpr std::string_view name = "test_steep";
  static constexpr std::array settings{tg::Setting{"slope", &Steep::slope, tg::SettingDomain::positive}};
  template <class X> X value(const X& x) const { return slope * x; }
  template <class X> X vjp(const X& g, const X&, const X&) const { return slope * g; }
};

}  // namespace

TEST_CASE("the activations of the library are there, in order") {
  const auto names = tg::activations();
  const std::vector<std::string_view> expected = {
      "identity",  "sigmoid",  "tanh",        "relu",    "leaky_relu",  "elu",   "selu",         "celu",
      "softplus",  "softsign", "swish",       "gelu",    "gelu_tanh",   "mish",  "hard_sigmoid", "hard_swish",
      "hard_tanh", "relu6",    "log_sigmoid", "softmax", "log_softmax", "prelu", "maxout",       "glu"};
  REQUIRE(names.size() >= expected.size());
  CHECK(std::vector<std::string_view>(names.begin(), names.begin() + static_cast<long>(expected.size())) ==
        expected);
}

TEST_CASE("facts: the range holds and is approached") {
  const auto points = scan_points();
  for (const auto& act : with_facts()) {
    const auto facts = act.facts();
    double low = INFINITY, high = -INFINITY;
    for (const double x : points) {
      const double f = act.value(x);
      low = std::min(low, f);
      high = std::max(high, f);
    }
    CAPTURE(act.text());
    CAPTURE(low);
    CAPTURE(high);
    CHECK(low >= facts.lower - 1e-15 * std::abs(facts.lower));
    CHECK(high <= facts.upper + 1e-15 * std::abs(facts.upper));
    CHECK((std::isinf(facts.lower) ? low < -1e3 : low - facts.lower < 1e-5 * std::max(1.0, std::abs(facts.lower))));
    CHECK(
        (std::isinf(facts.upper) ? high > 1e3 : facts.upper - high < 1e-5 * std::max(1.0, std::abs(facts.upper))));
  }
}

TEST_CASE("facts: the supremum of |f′| is reached and never exceeded") {
  const auto points = scan_points();
  for (const auto& act : with_facts()) {
    const double claimed = act.facts().sup_slope;
    double largest = 0;
    for (const double x : points) largest = std::max(largest, std::abs(act.slope(x)));
    CAPTURE(act.text());
    CAPTURE(largest);
    CHECK(largest <= claimed * (1 + 1e-14));
    CHECK(largest >= claimed * (1 - 1e-3));
  }
}

TEST_CASE("facts: f′ jumps at the kinks and nowhere else, and the subgradient is the one stated") {
  for (const auto& act : with_facts()) {
    CAPTURE(act.text());
    const auto kinks = act.facts().kinks;
    const auto jumps = jumps_of(act);
    REQUIRE(jumps.size() == kinks.size());
    for (std::size_t i = 0; i < jumps.size(); ++i) {
      CHECK(std::abs(jumps[i] - kinks[i].at) < 1e-8);
      CHECK(act.slope(kinks[i].at) == doctest::Approx(kinks[i].slope).epsilon(1e-14));
      const double left = act.slope(kinks[i].at - 1e-9);
      const double right = act.slope(kinks[i].at + 1e-9);
      CHECK(std::abs(left - right) > 0.02);
      // a subgradient lies between the two sides
      CHECK(kinks[i].slope >= std::min(left, right) - 1e-8 * act.facts().sup_slope);
      CHECK(kinks[i].slope <= std::max(left, right) + 1e-8 * act.facts().sup_slope);
    }
  }
}

TEST_CASE("facts: f′ is the derivative of f on the whole scan") {
  for (const auto& act : with_facts()) {
    const auto facts = act.facts();
    double worst = 0;
    for (double x = -12.0005; x < 12; x += 0.0137) {
      const double h = 1e-5;
      const auto near = [&](double at) { return std::abs(x - at) < 2 * h; };
      if (std::any_of(facts.kinks.begin(), facts.kinks.end(), [&](const auto& k) { return near(k.at); })) continue;
      const double numeric = (act.value(x + h) - act.value(x - h)) / (2 * h);
      worst = std::max(worst, std::abs(numeric - act.slope(x)));
    }
    CHECK_MESSAGE(worst < 2e-8, act.text() << " " << worst);
  }
}

TEST_CASE("facts: f″ jumps at the bends") {
  for (const auto& act : with_facts()) {
    CAPTURE(act.text());
    for (const double bend : act.facts().bends) {
      tg::Matrix x(1, 2);
      x << bend - 1e-9, bend + 1e-9;
      const auto c = curves_of<double>(act, x);
      CHECK(std::abs(c.second(0) - c.second(1)) > 0.02);
    }
  }
}

TEST_CASE("facts: a side saturates when |f′| < 0.1 sup|f′| far out") {
  for (const auto& act : with_facts()) {
    CAPTURE(act.text());
    const auto facts = act.facts();
    for (const double far : {50.0, 1e3, 1e6}) {
      CHECK((std::abs(act.slope(-far)) < 0.1 * facts.sup_slope) == facts.saturates_left);
      CHECK((std::abs(act.slope(far)) < 0.1 * facts.sup_slope) == facts.saturates_right);
    }
  }
}

TEST_CASE("numeric safety: no NaN and no overflow for any finite input, float") { check_extremes<float>(); }
TEST_CASE("numeric safety: no NaN and no overflow for any finite input, double") { check_extremes<double>(); }

TEST_CASE("numeric safety: values and slopes far out, against 50 digits") {
  struct Reference {
    const char* name;
    double x, f, slope;
  };
  const Reference references[] = {
      {"sigmoid", -40, 4.2483542552915889773e-18, 4.2483542552915889592e-18},
      {"sigmoid", 40, 0.99999999999999999575, 4.2483542552915889592e-18},
      {"sigmoid", -300, 5.1482002224120137812e-131, 5.1482002224120137812e-131},
      {"sigmoid", 20, 0.99999999793884638181, 2.0611536139418493437e-9},
      {"tanh", 20, 0.9999999999999999915, 1.6993417021166355837e-17},
      {"tanh", -20, -0.9999999999999999915, 1.6993417021166355837e-17},
      {"tanh", 0.001, 0.00099999966666680002076, 0.99999900000066666629},
      {"tanh", -100, -1.0, 5.5355861069469501226e-87},
      {"softplus", -40, 4.2483542552915889863e-18, 4.2483542552915889773e-18},
      {"softplus", 40, 40.000000000000000004, 0.99999999999999999575},
      {"softplus", -300, 5.1482002224120137812e-131, 5.1482002224120137812e-131},
      {"softplus", 30, 30.000000000000093576, 0.99999999999990642377},
      {"log_sigmoid", 40, -4.2483542552915889863e-18, 4.2483542552915889773e-18},
      {"log_sigmoid", -40, -40.000000000000000004, 0.99999999999999999575},
      {"log_sigmoid", 300, -5.1482002224120137812e-131, 5.1482002224120137812e-131},
      {"swish", -50, -9.6437492398195889151e-21, -9.4508742550231971368e-21},
      {"swish", 50, 50.0, 1.0},
      {"swish", -300, -1.5444600667236041343e-128, -1.5393118665011921206e-128},
      {"swish", -20, -4.1223072363804071629e-8, -3.9161918660646783292e-8},
      {"gelu", -10, -7.619853024160526066e-23, -7.6184000964648140857e-22},
      {"gelu", -20, -5.5072482372124673902e-88, -1.1014360483133464042e-86},
      {"gelu", -30, -1.4720141781444561179e-196, -4.4160316907084943701e-195},
      {"gelu", 10, 10.0, 1.0},
      {"gelu", -5, -1.4332578593959695584e-6, -7.1469460017922946279e-6},
      {"gelu_tanh", -5, -2.2917961966295060456e-7, -1.5463619875325945956e-6},
      {"gelu_tanh", -8, -3.107782937501111218e-21, -4.7147845041068415845e-20},
      {"gelu_tanh", -3, -0.0036373920817730188378, -0.011584166630969726204},
      {"gelu_tanh", 8, 8.0, 1.0},
      {"mish", -50, -9.6437492398195889151e-21, -9.4508742550231971368e-21},
      {"mish", -20, -4.1223072406287614006e-8, -3.9161918743489690753e-8},
      {"mish", 20, 19.99999999999999983, 1.0000000000000003314},
      {"mish", -300, -1.5444600667236041343e-128, -1.5393118665011921206e-128},
      {"elu", -1e-10, -9.9999999995000003643e-11, 0.9999999999},
      {"elu", -40, -0.99999999999999999575, 4.2483542552915889953e-18},
      {"elu", -5, -0.9932620530009145329, 0.0067379469990854670966},
      {"softsign", 100000000.0, 0.9999999900000001, 9.999999800000003e-17},
      {"softsign", -100000000.0, -0.9999999900000001, 9.999999800000003e-17},
      {"softsign", 300, 0.99667774086378737542, 0.000011037405768148254434},
  };
  for (const Reference& r : references) {
    const tg::Activation act = tg::activation(r.name);
    CHECK_MESSAGE(std::abs(act.value(r.x) - r.f) <= 1e-12 * std::abs(r.f),
                  fmt::format("{}({}) = {}", r.name, r.x, act.value(r.x)));
    CHECK_MESSAGE(std::abs(act.slope(r.x) - r.slope) <= 1e-12 * std::abs(r.slope),
                  fmt::format("{}′({}) = {}", r.name, r.x, act.slope(r.x)));
    tg::Matrix m = tg::Matrix::Constant(1, 1, r.x);
    const auto c = curves_of<double>(act, m);
    CHECK_MESSAGE(std::abs(c.taped(0) - r.slope) <= 1e-12 * std::abs(r.slope),
                  fmt::format("{}′({}) taped", r.name, r.x));
  }
}

TEST_CASE("numeric safety: float agrees with double to a few units in the last place") {
  for (const auto& act : with_facts()) {
    double worst_value = 0, worst_slope = 0;
    tapegrad::BasicMatrix<float> x(1, 4001);
    for (Index i = 0; i < x.size(); ++i) x(i) = static_cast<float>(static_cast<double>(i - 2000) * 0.005);
    const auto single = curves_of<float>(act, x);
    const auto exact = curves_of<double>(act, x.cast<double>());
    for (Index i = 0; i < x.size(); ++i) {
      // near its zeros a slope is a difference of terms of size 1; hence the absolute part
      const auto off = [](double a, double b) { return std::abs(a - b) / (std::abs(b) + 0.02); };
      worst_value = std::max(worst_value, off(static_cast<double>(single.f(i)), exact.f(i)));
      worst_slope = std::max(worst_slope, off(static_cast<double>(single.fused(i)), exact.fused(i)));
    }
    CHECK_MESSAGE(worst_value < 1e-5, act.text() << " " << worst_value);
    CHECK_MESSAGE(worst_slope < 4e-5, act.text() << "′ " << worst_slope);
  }
}

TEST_CASE("numeric safety: where a slope vanishes far out, floats keep it to a few units") {
  for (const char* name : {"sigmoid", "tanh", "elu", "selu", "celu", "softplus", "log_sigmoid", "softsign"}) {
    tapegrad::BasicMatrix<float> x(1, 16'001);
    for (Index i = 0; i < x.size(); ++i) x(i) = static_cast<float>(static_cast<double>(i - 8000) * 0.00523);
    const auto single = curves_of<float>(tg::activation(name), x);
    const auto exact = curves_of<double>(tg::activation(name), x.cast<double>());
    double worst = 0;
    for (Index i = 0; i < x.size(); ++i)
      worst = std::max(worst, std::abs(static_cast<double>(single.fused(i)) / exact.fused(i) - 1));
    CHECK_MESSAGE(worst < 1e-6, name << " " << worst);
  }
}

TEST_CASE("a slope is the same on packs and as ops, to rounding") {
  for (const auto& act : with_facts()) {
    tg::Matrix x(1, 2001);
    for (Index i = 0; i < x.size(); ++i) x(i) = static_cast<double>(i - 1000) * 0.02;
    const auto c = curves_of<double>(act, x);
    double worst = 0;
    for (Index i = 0; i < x.size(); ++i)
      worst = std::max(worst, std::abs(c.fused(i) - c.taped(i)) / (std::abs(c.taped(i)) + 0.02));
    CHECK_MESSAGE(worst < 1e-13, act.text() << " " << worst);
  }
}

TEST_CASE("a value does not depend on its position, float") { check_position_independence<float>(); }
TEST_CASE("a value does not depend on its position, double") { check_position_independence<double>(); }

TEST_CASE("a slope does not depend on the length of the array, float") { check_length_independence<float>(); }
TEST_CASE("a slope does not depend on the length of the array, double") { check_length_independence<double>(); }

TEST_CASE("NaN in, NaN out, in its own row, float") { check_nan<float>(); }
TEST_CASE("NaN in, NaN out, in its own row, double") { check_nan<double>(); }

TEST_CASE("softmax and log_softmax are stable and shift invariant") {
  tg::Tape tape;
  tg::Matrix x(3, 3);
  x << 1000, 999, -1000, -3, -2, -1, 1e300, -1e300, 0;
  const tg::Matrix p = tg::softmax(tape.input(x)).value();
  CHECK(p(0, 0) == doctest::Approx(1 / (1 + std::exp(-1.0))).scale(0).epsilon(1e-14));
  CHECK(p(0, 2) == 0);
  CHECK(p(2, 0) == 1);
  for (Index row = 0; row < 3; ++row) CHECK(p.row(row).sum() == doctest::Approx(1).scale(0).epsilon(1e-15));
  const tg::Matrix l = tg::log_softmax(tape.input(x)).value();
  CHECK(l(0, 2) == doctest::Approx(-2000 - std::log1p(std::exp(-1.0))).scale(0).epsilon(1e-15));
  CHECK(l(2, 1) == -2e300);
}

TEST_CASE("a saturated softmax keeps its small derivatives") {
  // p = (1 − e, e) with e = e⁻⁴⁰: dx = ±e(1 − e)(g₀ − g₁), which 1 − p₀ would round to zero.
  tg::Tape tape;
  tg::Matrix x(1, 2), g(1, 2);
  x << 40, 0;
  g << 0.7, 0.2;
  const tg::Var in = tape.input(x, {.requires_grad = true});
  tg::softmax(in).backward(g);
  const double expected = 0.5 * 4.2483542552915889592e-18;
  CHECK(std::abs(in.grad()(0) - expected) <= 1e-12 * expected);
  CHECK(std::abs(in.grad()(1) + expected) <= 1e-12 * expected);
}

TEST_CASE("activation() reads names with settings, text() writes them") {
  const tg::Activation leaky = tg::activation("leaky_relu(negative_slope=0.2)");
  CHECK(leaky.name() == "leaky_relu");
  CHECK(leaky.value(-3) == doctest::Approx(-0.6).scale(0));
  CHECK(leaky.slope(-3) == 0.2);
  CHECK(leaky.text() == "leaky_relu(negative_slope=0.2)");
  CHECK(tg::activation(leaky.text()).slope(-1) == 0.2);
  CHECK(tg::activation("leaky_relu").text() == "leaky_relu");
  CHECK(tg::activation("leaky_relu").with("negative_slope", 0.1).text() == "leaky_relu(negative_slope=0.1)");
  CHECK(tg::activation("leaky_relu(negative_slope=0.01)").text() == "leaky_relu");
  CHECK(tg::activation("swish()").text() == "swish");
  CHECK(tg::activation("  swish ( beta = 2.5 ) ").text() == "swish(beta=2.5)");
  CHECK(tg::activation(" swish(beta=2)").text() == "swish(beta=2)");
  CHECK(tg::activation("maxout(pieces=3)").inputs_per_output() == 3);
  CHECK(tg::activation("maxout(pieces=3)").text() == "maxout(pieces=3)");
  CHECK(tg::activation("glu").inputs_per_output() == 2);
  CHECK(tg::activation("prelu").learned() == std::vector<std::pair<std::string_view, double>>{{"weight", 0.25}});
  CHECK(tg::activation("elu").settings() == std::vector<std::pair<std::string_view, double>>{{"alpha", 1}});
}

TEST_CASE("activation() says what is wrong") {
  const auto fails = [](const char* text, const char* message) {
    CHECK_THROWS_WITH_AS(tg::activation(text), message, tg::Error);
  };
  fails("swich", "[activation] no activation named 'swich'; did you mean 'swish'?");
  fails("rleu", "[activation] no activation named 'rleu'; did you mean 'relu'?");
  std::string all;
  for (const std::string_view name : tg::activations())
    all += (all.empty() ? "; there are " : ", ") + std::string(name);
  CHECK(all.starts_with("; there are identity, sigmoid, tanh, relu, "));
  fails("perceptron", ("[activation] no activation named 'perceptron'" + all).c_str());
  fails("", ("[activation] no activation named ''" + all).c_str());
  fails("swish(beta=2", "[activation] 'swish(beta=2': the closing ')' is missing");
  fails("swish(beta=2)x", "[activation] 'swish(beta=2)x': the closing ')' is missing");
  fails("swish(beta)", "[activation] 'swish(beta)': 'beta' is not setting=number");
  fails("swish(beta=two)", "[activation] 'swish(beta=two)': 'two' is not a number");
  fails("swish(beta=)", "[activation] 'swish(beta=)': '' is not a number");
  fails("swish(bet=2)", "[swish] no setting named 'bet'; did you mean 'beta'?");
  fails("relu(alpha=2)", "[relu] no setting named 'alpha'");
  fails("leaky_relu(negative_slope=nan)", "[leaky_relu] negative_slope must be finite, got nan");
  fails("leaky_relu(negative_slope=inf)", "[leaky_relu] negative_slope must be finite, got inf");
  fails("elu(alpha=-1)", "[elu] alpha must be positive, got -1");
  fails("elu(alpha=0)", "[elu] alpha must be positive, got 0");
  fails("celu(alpha=-0.5)", "[celu] alpha must be positive, got -0.5");
  fails("swish(beta=0)", "[swish] beta must be positive, got 0");
  fails("maxout(pieces=0)", "[maxout] pieces must be a whole number of at least 1, got 0");
  fails("maxout(pieces=2.5)", "[maxout] pieces must be a whole number of at least 1, got 2.5");
  CHECK_THROWS_WITH_AS(tg::activation("leaky_relu").with("negative_slope", NAN),
                       "[leaky_relu] negative_slope must be finite, got nan", tg::Error);
  CHECK_THROWS_WITH_AS(tg::make_activation(tg::Elu{.alpha = -1}), "[elu] alpha must be positive, got -1",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::activation("softmax").value(1),
                       "[softmax] has no value of one number: it is not elementwise", tg::Error);
  CHECK_THROWS_WITH_AS(tg::activation("maxout").slope(1),
                       "[maxout] has no slope of one number: it is not elementwise", tg::Error);
}

TEST_CASE("bad settings and shapes of the functions") {
  tg::Tape tape;
  const tg::Var x = tape.input(tg::Matrix(tg::Matrix::Ones(2, 3)));
  const auto before = tape.size();
  CHECK_THROWS_WITH_AS(tg::leaky_relu(x, {.negative_slope = NAN}),
                       "[leaky_relu] negative_slope must be finite, got nan", tg::Error);
  CHECK_THROWS_WITH_AS(tg::elu(x, {.alpha = -1}), "[elu] alpha must be positive, got -1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::maxout(x, 0), "[maxout] pieces must be a whole number of at least 1, got 0", tg::Error);
  CHECK_THROWS_WITH_AS(tg::maxout(x, 2), "[maxout] the columns of 2x3 are not a multiple of 2", tg::Error);
  CHECK_THROWS_WITH_AS(tg::glu(x), "[glu] the columns of 2x3 are not a multiple of 2", tg::Error);
  CHECK_THROWS_WITH_AS(tg::activation("prelu")(x),
                       "[prelu] needs its learned slope: use tg::prelu(x, slope) or the layer", tg::Error);
  const tg::Var slope = tape.input(tg::Matrix(tg::Matrix::Ones(1, 2)));
  CHECK_THROWS_WITH_AS(tg::prelu(x, slope), "[prelu] shapes do not broadcast: 2x3 and 1x2", tg::Error);
  const tg::Var no_columns = tape.input(tg::Matrix(2, 0));
  CHECK_THROWS_WITH_AS(tg::softmax(no_columns), "[softmax] needs at least one column, got 2x0", tg::Error);
  CHECK_THROWS_WITH_AS(tg::log_softmax(no_columns), "[log_softmax] needs at least one column, got 2x0", tg::Error);
  CHECK(tape.size() == before + 2);  // the two inputs: nothing that failed was recorded
}

TEST_CASE("a user's activation is a full member") {
  tg::register_activation<Gaussian>();
  CHECK(tg::activations().back() == "test_gaussian");
  const tg::Activation act = tg::activation("test_gaussian");
  CHECK(act.value(0.5) == doctest::Approx(std::exp(-0.25)).scale(0).epsilon(1e-15));
  CHECK(act.slope(0.5) == doctest::Approx(-std::exp(-0.25)).scale(0).epsilon(1e-15));
  CHECK(act.facts().sup_slope == doctest::Approx(std::sqrt(2 / std::exp(1.0))).scale(0).epsilon(1e-6));
  CHECK(act.facts().saturates_left);
  CHECK(act.facts().saturates_right);
  for (const int order : {1, 2}) {
    const auto result =
        tg::grad_check([&](auto v) { return act(v[0]); }, {tg::Matrix::Random(3, 5)}, {.order = order});
    CHECK_MESSAGE(result.ok, result.message);
  }
  CHECK_THROWS_WITH_AS(tg::register_activation<Gaussian>(), "[activation] 'test_gaussian' is registered already",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::register_activation<tg::Swish>(), "[activation] 'swish' is registered already",
                       tg::Error);
  const tg::Activation steep = tg::make_activation(Steep{});
  CHECK(steep.with("slope", 3).value(2) == 6);
  CHECK(steep.text() == "test_steep(slope=2)");  // not registered, so nothing is a default
}

namespace {

/// Its facts have to be found: flat for x → −∞ or, mirrored, for x → ∞, and steepest at 0.
struct Step {
  double side = 1;
  static constexpr std::string_view name = "test_one_sided";
  static constexpr std::array settings{tg::Setting{"side", &Step::side}};
  template <class X> X value(const X& x) const {
    return tapegrad::where(side * x > 0, 2 * side * x, 0.1 * side * x);
  }
  template <class X> X vjp(const X& g, const X& x, const X&) const {
    return tapegrad::where(side * x > 0, 2 * side * g, 0.1 * side * g);
  }
};

}  // namespace

TEST_CASE("which side of a user's activation saturates is found by a scan") {
  const tg::Facts left = tg::make_activation(Step{1}).facts();
  CHECK(left.saturates_left);
  CHECK_FALSE(left.saturates_right);
  CHECK(left.sup_slope == 2);
  const tg::Facts right = tg::make_activation(Step{-1}).facts();
  CHECK_FALSE(right.saturates_left);
  CHECK(right.saturates_right);
  CHECK(right.sup_slope == 2);
}
