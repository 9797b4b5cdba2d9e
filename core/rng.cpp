#include "tapegrad/core/rng.h"

#include <bit>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "tapegrad/core/error.h"

// The build compiles this file with -ffp-contract=off: a fused multiply-add rounds once instead of twice,
// and the stream would depend on the machine.

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// Natural logarithm for 0 < x < 1 from + − × ÷ alone, so that it rounds alike everywhere (libm need not):
/// x = m·2^e with m in [√½, √2), and log m = 2·artanh(s), s = (m − 1)/(m + 1), by its series.
double portable_log(double x) {
  constexpr double ln2 = 0.693147180559945309417;
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < 0.70710678118654752440) {
    mantissa *= 2;
    --exponent;
  }
  const double s = (mantissa - 1) / (mantissa + 1);
  const double s2 = s * s;
  double sum = 0;
  for (int k = 25; k >= 1; k -= 2) sum = 1.0 / k + s2 * sum;
  return exponent * ln2 + 2 * s * sum;
}

}  // namespace

Rng::Rng(std::uint64_t seed) {
  for (auto& word : state_.words) {
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

std::uint64_t Rng::bits() {
  auto& s = state_.words;
  const std::uint64_t result = std::rotl(s[0] + s[3], 23) + s[0];
  const std::uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = std::rotl(s[3], 45);
  return result;
}

double Rng::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

double Rng::uniform(double low, double high) {
  const double x = low + (high - low) * uniform();
  return x < high ? x : std::nextafter(high, low);  // rounding can reach the upper bound, which is excluded
}

double Rng::normal() {
  if (state_.has_spare) {
    state_.has_spare = false;
    return state_.spare_normal;
  }
  double u = 0;
  double v = 0;
  double s = 0;
  do {
    u = 2 * uniform() - 1;
    v = 2 * uniform() - 1;
    s = u * u + v * v;
  } while (s >= 1 || s == 0);
  const double scale = std::sqrt(-2 * portable_log(s) / s);
  state_.spare_normal = v * scale;
  state_.has_spare = true;
  return u * scale;
}

double Rng::normal(double mean, double std) { return mean + std * normal(); }

std::uint64_t Rng::below(std::uint64_t count) {
  if (count == 0) fail("rng", "below(0) has no number to choose from");
  // 128-bit product: its high half is the answer unless the low half falls in the uneven rest.
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(bits()) * count;
  if (static_cast<std::uint64_t>(product) < count) {
    const std::uint64_t uneven = (0 - count) % count;
    while (static_cast<std::uint64_t>(product) < uneven) product = static_cast<Wide>(bits()) * count;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

std::vector<Index> Rng::permutation(Index count) {
  if (count < 0 || std::int64_t{count} >> 48 != 0)
    fail("rng",
         "permutation(" + std::to_string(count) + ") has " + (count < 0 ? "no" : "too many") + " numbers to order");
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[below(i)]);
  return order;
}

}  // namespace tapegrad
