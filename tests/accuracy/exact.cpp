#include "accuracy/exact.h"

#include <algorithm>

namespace accuracy {
namespace {

using X = std::span<const Real>;

/// A number of twice the length: what is lost in the argument of an exponential would be multiplied by the exponent.
struct Long {
  Real high, low = 0;
};
Long operator*(Long a, Long b) {
  const Real p = a.high * b.high;
  return {p, std::fma(a.high, b.high, -p) + a.high * b.low + a.low * b.high};
}
Long operator+(Long a, Long b) {
  const Real s = a.high + b.high, v = s - a.high;
  return {s, (a.high - (s - v)) + (b.high - v) + a.low + b.low};
}

constexpr Long root_half = {0.707106781186547524381894036515916468L, 1.8950325588932570797e-20L};
constexpr Real root_of_2pi = 2.50662827463100050241576528481104525L;
constexpr Long twice_root_of_2_over_pi = {1.59576912160573071170627246218032269L, 5.351177755720478292e-20L};
constexpr Long cubic = {0.0447149999999999999994882565745868419L, 5.1174342541315809285e-22L};
constexpr Real selu_scale = 1.0507009873554804934193349852946L;
constexpr Real selu_alpha = 1.6732632423543772848170429916717L;

Real positive(Real x) { return std::max(x, 0.0L); }
Real sigmoid(Real x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
Real sigmoid_slope(Real x) { return sigmoid(x) * sigmoid(-x); }
Real softplus(Real x) { return positive(x) + std::log1p(std::exp(-std::abs(x))); }
Real normal_pdf(Real x) {
  const Long square = Long{x} * Long{x};
  return std::isinf(square.high) ? 0 : std::exp(-square.high / 2) * (1 - square.low / 2) / root_of_2pi;
}
Real normal_cdf(Real x) {
  const Long z = Long{-std::clamp(x, -1e5L, 1e5L)} * root_half;
  return (std::erfc(z.high) - z.low * std::exp(-z.high * z.high) * 1.12837916709551257389615890312154517L) / 2;
}
/// 1 − tanh²
Real tanh_slope(Real x) { return 4 * sigmoid_slope(2 * x); }
Real sign(Real x) { return static_cast<Real>(x > 0) - static_cast<Real>(x < 0); }
Real where(bool condition, Real a = 1, Real b = 0) { return condition ? a : b; }
/// Keeps x³ and its like finite; far beyond it nothing changes.
Real held(Real x) { return std::clamp(x, -1e5L, 1e5L); }
Term sum(Real a, Real b) { return {a + b, std::max(std::abs(a), std::abs(b))}; }
Real half_of_tie(Real a, Real b) { return a > b ? 1 : a == b ? 0.5L : 0; }

Exact gelu_tanh(X x) {
  const Real c = held(x[0]);
  const Long u = twice_root_of_2_over_pi * Long{c} * (Long{1} + cubic * Long{c} * Long{c});
  const Real du = twice_root_of_2_over_pi.high * (1 + 3 * cubic.high * c * c);
  const Real left = c < 0 ? 1 + u.low : 1;
  return {x[0] * sigmoid(u.high) * left, {sum(sigmoid(u.high) * left, c * sigmoid_slope(u.high) * left * du)}};
}

/// tanh(softplus(x)) for x < 0 is e(e + 2)/(e(e + 2) + 2), so that nothing is lost where e is small.
Exact mish(X x) {
  const Real c = held(x[0]);
  const Real e = std::exp(c);
  const Real t = c < 0 ? e * (e + 2) / (e * (e + 2) + 2) : std::tanh(softplus(c));
  return {x[0] * t, {sum(t, c * tanh_slope(softplus(c)) * sigmoid(c))}};
}

/// The slope in the exponent may be a number where aᵇ is none any more.
Exact power(X x) {
  const Real y = std::pow(x[0], x[1]), slope = y * std::log(x[0]);
  return {y, {x[1] * std::pow(x[0], x[1] - 1), {slope, std::max(std::abs(slope), y > 0x1p127L ? y : 0)}}};
}

Exact huber(X x) {
  const Real d = x[0] - x[1];
  const Real slope = std::clamp(d, -1.0L, 1.0L);
  return {std::abs(d) <= 1 ? d * d / 2 : std::abs(d) - 0.5L, {slope, -slope}};
}

Exact bce_with_logits(X x) {
  const Real z = x[0];
  const Real t = x[1];
  return {{softplus(z) - z * t, std::max(softplus(z), std::abs(z * t))},
          {sum((1 - t) * sigmoid(z), -t * sigmoid(-z)), -z}};
}

}  // namespace

// clang-format off
const std::map<std::string_view, Row>& rows() {
  static const std::map<std::string_view, Row> all = {
  // arithmetic
  {"add", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {x[0] + x[1], {1, 1}}; }}},
  {"sub", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {x[0] - x[1], {1, -1}}; }}},
  {"mul", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {x[0] * x[1], {x[1], x[0]}}; }}},
  {"div", {{0.51, 2, 0.51, 2}, [](X x) -> Exact { return {x[0] / x[1], {1 / x[1], -x[0] / x[1] / x[1]}}; }}},
  {"neg", {{0, 0, 0, 0}, [](X x) -> Exact { return {-x[0], {-1}}; }}},
  {"add_scalar", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {x[0] + 0.75L, {1}}; }}},
  {"sub_from_scalar", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {0.75L - x[0], {-1}}; }}},
  {"mul_scalar", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {0.75L * x[0], {0.75L}}; }}},
  {"div_scalar", {{0.51, 0.51, 0.51, 0.51}, [](X x) -> Exact { return {x[0] / 0.75L, {1 / 0.75L}}; }}},
  {"divide_scalar", {{0.51, 1.5, 0.51, 1.5}, [](X x) -> Exact { return {0.75L / x[0], {-0.75L / x[0] / x[0]}}; }}},
  {"greater", {{0, 0, 0, 0}, [](X x) -> Exact { return {where(x[0] > x[1])}; }}},
  {"greater_equal", {{0, 0, 0, 0}, [](X x) -> Exact { return {where(x[0] >= x[1])}; }}},
  {"where", {{0, 0, 0, 0}, [](X x) -> Exact { return {x[0] != 0 ? x[1] : x[2], {where(x[0] != 0), where(x[0] == 0)}}; }}},
  {"exp", {{5, 5, 2, 2}, [](X x) -> Exact { return {std::exp(x[0]), {std::exp(x[0])}}; }}},
  {"expm1", {{2, 5, 1, 2}, [](X x) -> Exact { return {std::expm1(x[0]), {std::exp(x[0])}}; }}},
  {"log", {{1.5, 0.51, 2, 0.51}, [](X x) -> Exact { return {std::log(x[0]), {1 / x[0]}}; }, 0}},
  {"log1p", {{2.5, 2, 1, 2}, [](X x) -> Exact { return {std::log1p(x[0]), {1 / (1 + x[0])}}; }, -1}},
  {"sqrt", {{0.51, 2, 0.51, 2}, [](X x) -> Exact { return {std::sqrt(x[0]), {0.5L / std::sqrt(x[0])}}; }, 0}},
  {"square", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {x[0] * x[0], {2 * x[0]}}; }}},
  {"pow", {{0.51, 1.5, 0.51, 1.5}, [](X x) -> Exact { return {std::pow(x[0], 2.5L), {2.5L * std::pow(x[0], 1.5L)}}; }, 0}},
  {"power", {{0.51, 30, 0.51, 3}, power, 0x1p-126L}},
  {"sin", {{2, 2, 0.55, 0.55}, [](X x) -> Exact { return {std::sin(x[0]), {std::cos(x[0])}}; }, -HUGE_VALL, false}},
  {"cos", {{2, 2, 0.55, 0.55}, [](X x) -> Exact { return {std::cos(x[0]), {-std::sin(x[0])}}; }, -HUGE_VALL, false}},
  {"sign", {{0, 0, 0, 0}, [](X x) -> Exact { return {sign(x[0])}; }}},
  {"abs", {{0, 0, 0, 0}, [](X x) -> Exact { return {std::abs(x[0]), {sign(x[0])}}; }}},
  {"maximum", {{0, 0, 0, 0}, [](X x) -> Exact { return {std::max(x[0], x[1]), {half_of_tie(x[0], x[1]), half_of_tie(x[1], x[0])}}; }}},
  {"minimum", {{0, 0, 0, 0}, [](X x) -> Exact { return {std::min(x[0], x[1]), {half_of_tie(x[1], x[0]), half_of_tie(x[0], x[1])}}; }}},
  {"clamp", {{0, 0, 0, 0}, [](X x) -> Exact { return {std::clamp(x[0], 0.0L, 1.0L), {where(x[0] >= 0 && x[0] <= 1)}}; }}},
  {"sigmoid_slope", {{6, 8, 5, 6}, [](X x) -> Exact { return {sigmoid_slope(x[0]), {-sigmoid_slope(x[0]) * std::tanh(x[0] / 2)}}; }}},
  {"normal_pdf", {{6.5, 7, 3.5, 4}, [](X x) -> Exact { return {normal_pdf(x[0]), {-held(x[0]) * normal_pdf(x[0])}}; }}},
  {"normal_cdf", {{7, 6.5, 3.5, 3.5}, [](X x) -> Exact { return {normal_cdf(x[0]), {normal_pdf(x[0])}}; }}},
  {"prelu", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {x[0] > 0 ? x[0] : x[1] * x[0], {x[0] > 0 ? 1 : x[1], x[0] > 0 ? 0 : x[0]}}; }}},
  // activations
  {"identity", {{0, 0, 0, 0}, [](X x) -> Exact { return {x[0], {1}}; }}},
  {"sigmoid", {{5, 6, 3, 5}, [](X x) -> Exact { return {sigmoid(x[0]), {sigmoid_slope(x[0])}}; }}},
  {"tanh", {{6, 5, 2.5, 5}, [](X x) -> Exact { return {std::tanh(x[0]), {tanh_slope(x[0])}}; }}},
  {"relu", {{0, 0, 0, 0}, [](X x) -> Exact { return {positive(x[0]), {where(x[0] > 0)}}; }}},
  {"leaky_relu", {{1, 0.51, 1, 0.51}, [](X x) -> Exact { return {x[0] > 0 ? x[0] : 0.01L * x[0], {where(x[0] > 0, 1, 0.01L)}}; }}},
  {"elu", {{1.5, 5, 1, 2}, [](X x) -> Exact { return {x[0] > 0 ? x[0] : std::expm1(x[0]), {std::exp(std::min(x[0], 0.0L))}}; }}},
  {"selu", {{2, 5.5, 3, 3}, [](X x) -> Exact {
     return {selu_scale * (x[0] > 0 ? x[0] : selu_alpha * std::expm1(x[0])), {selu_scale * (x[0] > 0 ? 1 : selu_alpha * std::exp(x[0]))}}; }}},
  {"celu", {{1.5, 5, 1, 2}, [](X x) -> Exact { return {x[0] > 0 ? x[0] : std::expm1(x[0]), {std::exp(std::min(x[0], 0.0L))}}; }}},
  {"softplus", {{5, 5, 2, 3}, [](X x) -> Exact { return {softplus(x[0]), {sigmoid(x[0])}}; }}},
  {"softsign", {{2, 4, 2, 4}, [](X x) -> Exact {
     return {std::isinf(x[0]) ? sign(x[0]) : x[0] / (1 + std::abs(x[0])), {1 / (1 + std::abs(x[0])) / (1 + std::abs(x[0]))}}; }}},
  {"swish", {{7, 7, 6, 6.5}, [](X x) -> Exact { return {x[0] * sigmoid(x[0]), {sum(sigmoid(x[0]), held(x[0]) * sigmoid_slope(x[0]))}}; }}},
  {"gelu", {{7, 7, 4, 4}, [](X x) -> Exact { return {x[0] * normal_cdf(x[0]), {sum(normal_cdf(x[0]), held(x[0]) * normal_pdf(x[0]))}}; }}},
  {"gelu_tanh", {{8.5, 9, 6.5, 7.5}, gelu_tanh}},
  {"mish", {{7, 7, 6.5, 7.5}, mish}},
  {"hard_sigmoid", {{1.5, 0.51, 1.5, 0.51}, [](X x) -> Exact { return {std::clamp((x[0] + 3) / 6, 0.0L, 1.0L), {where(std::abs(x[0]) < 3, 1.0L / 6)}}; }}},
  {"hard_swish", {{3, 1, 2.5, 1}, [](X x) -> Exact {
     return {x[0] <= -3 ? 0 : x[0] >= 3 ? x[0] : x[0] * (x[0] + 3) / 6, {std::abs(x[0]) < 3 ? sum(x[0] / 3, 0.5L) : where(x[0] >= 3)}}; }}},
  {"hard_tanh", {{0, 0, 0, 0}, [](X x) -> Exact { return {std::clamp(x[0], -1.0L, 1.0L), {where(std::abs(x[0]) < 1)}}; }}},
  {"relu6", {{0, 0, 0, 0}, [](X x) -> Exact { return {std::clamp(x[0], 0.0L, 6.0L), {where(x[0] > 0 && x[0] < 6)}}; }}},
  {"log_sigmoid", {{5, 5, 2.5, 3}, [](X x) -> Exact { return {-softplus(-x[0]), {sigmoid(-x[0])}}; }}},
  // losses
  {"squared_error", {{2.5, 0.51, 2.5, 0.51}, [](X x) -> Exact { return {(x[0] - x[1]) * (x[0] - x[1]), {2 * (x[0] - x[1]), 2 * (x[1] - x[0])}}; }}},
  {"absolute_error", {{0.51, 0, 0.51, 0}, [](X x) -> Exact { return {std::abs(x[0] - x[1]), {sign(x[0] - x[1]), sign(x[1] - x[0])}}; }}},
  {"huber_error", {{2.5, 0.51, 1.5, 0.51}, huber}},
  {"bce_with_logits", {{2.5, 4, 2, 3.5}, bce_with_logits}},
  };
  return all;
}
// clang-format on

}  // namespace accuracy
