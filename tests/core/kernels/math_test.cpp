#include "tapegrad/core/kernels/math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace {

using Pack = tapegrad::Pack<float>;
namespace simd = tapegrad::simd;

/// The largest relative error of f between low and high, in units of 2⁻²³.
template <class F, class Exact> double worst_error(double low, double high, F f, Exact exact) {
  constexpr int count = 200000;
  double worst = 0;
  for (int i = 0; i < count; ++i) {
    const auto x = static_cast<float>(low + (high - low) * i / count);
    const double right = exact(static_cast<double>(x));
    if (right == 0) continue;
    const double y = static_cast<double>(f(Pack::broadcast(x)).first());
    worst = std::max(worst, std::abs(y - right) / std::abs(right) * 0x1p23);
  }
  return worst;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

TEST_CASE("math: the exponential is as accurate as its derivation says") {
  const auto exact = [](double x) { return std::exp(x); };
  CHECK(worst_error(
            -5, 5, [](Pack x) { return simd::exp(x); }, exact) < 1.05);
  CHECK(worst_error(
            -87, 87, [](Pack x) { return simd::exp(x); }, exact) < 2.95);
  CHECK(worst_error(
            -87, 0, [](Pack x) { return simd::exp_minus_abs(x); }, exact) < 2.95);
  CHECK(worst_error(
            -87, 87, [](Pack x) { return simd::expm1(x); }, [](double x) { return std::expm1(x); }) < 1.05);
}

TEST_CASE("math: so are the functions made of it") {
  const auto sigmoid_slope = [](double x) { return sigmoid(x) * sigmoid(-x); };
  const auto tanh_slope = [&](double x) { return 4 * sigmoid_slope(2 * x); };
  CHECK(worst_error(
            -87, 87, [](Pack x) { return simd::sigmoid_and_slope(x).value; }, sigmoid) < 3);
  CHECK(worst_error(
            -87, 87, [](Pack x) { return simd::sigmoid_and_slope(x).slope; }, sigmoid_slope) < 3);
  CHECK(worst_error(
            -20, 20, [](Pack x) { return simd::tanh(x); }, [](double x) { return std::tanh(x); }) < 3);
  CHECK(worst_error(
            -1e-3, 1e-3, [](Pack x) { return simd::tanh(x); }, [](double x) { return std::tanh(x); }) < 3);
  CHECK(worst_error(
            -43, 43, [](Pack x) { return simd::tanh_and_slope(x).slope; }, tanh_slope) < 3);
  CHECK(worst_error(
            -13, 13, [](Pack x) { return simd::gauss(x); }, [](double x) { return std::exp(-x * x / 2); }) < 3);
  const auto normal_cdf = [](double x) { return std::erfc(-x * std::sqrt(0.5)) / 2; };
  CHECK(worst_error(
            -13, 13, [](Pack x) { return simd::normal_cdf(x); }, normal_cdf) < 4);
}

TEST_CASE("math: the exponential of doubles falls to a quarter of the smallest normal number, then to 0") {
  const auto exp = [](double x) { return simd::exp(tapegrad::Pack<double>::broadcast(x)).first(); };
  CHECK(exp(-709.78) == doctest::Approx(0x1p-1024).scale(0).epsilon(.01));
  CHECK(exp(-709.79) == 0);
}
