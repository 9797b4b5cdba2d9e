#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

namespace tg = tapegrad;

namespace {

/// One number that depends on every bit of every number.
std::uint64_t digest(const std::vector<double>& numbers) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const double number : numbers) hash = (hash ^ std::bit_cast<std::uint64_t>(number)) * 0x100000001b3;
  return hash;
}

template <class Draw> std::vector<double> drawn(int count, Draw&& draw) {
  std::vector<double> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(draw());
  return numbers;
}

struct Moments {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
};
Moments moments_of(const std::vector<double>& x) {
  Moments m;
  const auto n = static_cast<double>(x.size());
  m.mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  for (const double v : x) {
    const double d = v - m.mean;
    m.variance += d * d / n;
    m.skewness += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  m.skewness /= std::pow(m.variance, 1.5);
  m.kurtosis /= m.variance * m.variance;
  return m;
}

}  // namespace

// The stream is part of the contract: the same seed gives the same run on every machine and with every compiler.
// These constants come from an independent implementation (Python, with correctly rounded operations).

TEST_CASE("golden: rng bits") {
  tg::Rng rng(42);
  CHECK(rng.bits() == 15021278609987233951u);
  CHECK(rng.bits() == 5881210131331364753u);
  CHECK(rng.bits() == 18149643915985481100u);
  CHECK(tg::Rng(0).bits() == 5987356902031041503u);
  CHECK(tg::Rng().bits() == tg::Rng(0).bits());
}

TEST_CASE("golden: rng uniform and normal numbers") {
  tg::Rng uniform(42);
  CHECK(uniform.uniform() == 0.8143051451229099);
  CHECK(uniform.uniform() == 0.3188210400616611);
  CHECK(uniform.uniform(-0.3, 0.7) == 0.6838941681774888);
  tg::Rng normal(42);
  CHECK(normal.normal() == 0.9813983900724986);
  CHECK(normal.normal() == -0.565720104673956);
  CHECK(normal.normal(0.1, 0.3) == 0.5020976928256068);
}

TEST_CASE("golden: rng streams of 10,000 numbers, bit by bit") {
  tg::Rng rng(7);
  CHECK(digest(drawn(10'000, [&] { return rng.uniform(); })) == 11026631162638663823u);
  CHECK(digest(drawn(10'000, [&] { return rng.uniform(-0.1, 0.3); })) == 2010189298558785158u);
  CHECK(digest(drawn(10'000, [&] { return rng.normal(); })) == 7297046226496448695u);
  CHECK(digest(drawn(10'000, [&] { return rng.normal(0.1, 0.3); })) == 2901881342513471272u);
  CHECK(digest(drawn(10'000, [&] { return static_cast<double>(rng.below(10)); })) == 16685538042698002533u);
}

TEST_CASE("golden: rng permutation") {
  tg::Rng rng(3);
  CHECK(rng.permutation(10) == std::vector<tg::Index>{7, 2, 1, 4, 9, 3, 8, 6, 5, 0});
}

TEST_CASE("uniform numbers fill [0, 1)") {
  tg::Rng rng(1);
  const auto x = drawn(200'000, [&] { return rng.uniform(); });
  CHECK(*std::min_element(x.begin(), x.end()) >= 0);
  CHECK(*std::max_element(x.begin(), x.end()) < 1);
  const Moments m = moments_of(x);  // five standard errors
  CHECK(std::abs(m.mean - 0.5) < 5 * std::sqrt(1 / 12.0 / 2e5));
  CHECK(std::abs(m.variance - 1 / 12.0) < 5 * std::sqrt(1 / 180.0 / 2e5));
}

TEST_CASE("normal numbers have the moments and the tails of the normal distribution") {
  tg::Rng rng(2);
  const auto x = drawn(400'000, [&] { return rng.normal(); });
  const double n = 4e5;
  const Moments m = moments_of(x);
  CHECK(std::abs(m.mean) < 5 / std::sqrt(n));
  CHECK(std::abs(m.variance - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(m.skewness) < 5 * std::sqrt(6 / n));
  CHECK(std::abs(m.kurtosis - 3) < 5 * std::sqrt(24 / n));
  // Shares within 1, 2, 3 and beyond 4 standard deviations: the tails are where a poor logarithm would show.
  for (const double limit : {1.0, 2.0, 3.0, 4.0}) {
    const double expected = std::erfc(limit / std::sqrt(2.0));
    const auto beyond =
        static_cast<double>(std::count_if(x.begin(), x.end(), [&](double v) { return std::abs(v) > limit; }));
    CHECK(std::abs(beyond / n - expected) < 5 * std::sqrt(expected / n));
  }
}

TEST_CASE("normal is the polar method with the true logarithm") {
  // Marsaglia's pairs obey u·√(−2 ln s / s) and v·√(−2 ln s / s), so z₁² + z₂² = −2 ln s: with libm's logarithm the
  // numbers differ by rounding only.
  tg::Rng rng(5);
  tg::Rng same(5);
  for (int i = 0; i < 20'000; ++i) {
    double u = 0, v = 0, s = 0;
    do {
      u = 2 * same.uniform() - 1;
      v = 2 * same.uniform() - 1;
      s = u * u + v * v;
    } while (s >= 1 || s == 0);
    const double scale = std::sqrt(-2 * std::log(s) / s);
    const double first = rng.normal();
    const double second = rng.normal();
    REQUIRE(std::abs(first - u * scale) <= 1e-14 * std::abs(u * scale));
    REQUIRE(std::abs(second - v * scale) <= 1e-14 * std::abs(v * scale));
  }
}

TEST_CASE("below is uniform and needs a number to choose from") {
  tg::Rng rng(4);
  for (const std::uint64_t count : {1u, 2u, 3u, 10u, 1000u}) {
    std::vector<int> hits(count);
    const int draws = 100'000;
    for (int i = 0; i < draws; ++i) ++hits.at(rng.below(count));
    double chi = 0;
    const double expected = static_cast<double>(draws) / static_cast<double>(count);
    for (const int h : hits) chi += (h - expected) * (h - expected) / expected;
    const auto degrees = static_cast<double>(count - 1);
    CHECK(chi <= degrees + 5 * std::sqrt(2 * degrees));
  }
  // Nearly 2⁶⁴: half of all products fall in the uneven rest and are drawn again.
  const std::uint64_t large = (std::uint64_t{1} << 63) + 1;
  std::uint64_t low = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t value = rng.below(large);
    REQUIRE(value < large);
    low += value < large / 2;
  }
  CHECK(std::abs(static_cast<double>(low) - 5000) < 5 * 50);
  CHECK_THROWS_WITH_AS(rng.below(0), "[rng] below(0) has no number to choose from", tg::Error);
}

TEST_CASE("bernoulli") {
  tg::Rng rng(8);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += rng.bernoulli(0.3);
  CHECK(std::abs(hits - 30'000) < 5 * std::sqrt(100'000 * 0.3 * 0.7));
  CHECK_FALSE(rng.bernoulli(0));
  CHECK(rng.bernoulli(1));
}

TEST_CASE("a permutation has every number once, every number everywhere alike") {
  tg::Rng rng(6);
  std::vector<std::vector<int>> at(5, std::vector<int>(5));
  for (int repeat = 0; repeat < 20'000; ++repeat) {
    auto order = rng.permutation(5);
    for (std::size_t i = 0; i < 5; ++i) ++at[i][static_cast<std::size_t>(order[i])];
    std::sort(order.begin(), order.end());
    REQUIRE(order == std::vector<tg::Index>{0, 1, 2, 3, 4});
  }
  for (const auto& row : at)
    for (const int hits : row) CHECK(std::abs(hits - 4000) < 5 * std::sqrt(20'000 * 0.2 * 0.8));
  CHECK(rng.permutation(0).empty());
  CHECK_THROWS_WITH_AS(rng.permutation(-1), "[rng] permutation(-1) has no numbers to order", tg::Error);
  CHECK_THROWS_WITH_AS(rng.permutation(INT64_MAX),
                       "[rng] permutation(9223372036854775807) has too many numbers to order", tg::Error);
}

TEST_CASE("below draws again where the last numbers would come too often") {
  __extension__ using Wide = unsigned __int128;
  for (const std::uint64_t count : {std::uint64_t{3}, std::uint64_t{1} << 63, (std::uint64_t{1} << 63) + 1,
                                    std::uint64_t{3} << 62, ~std::uint64_t{0}}) {
    CAPTURE(count);
    tg::Rng rng(11);
    tg::Rng same(11);
    for (int i = 0; i < 200; ++i) {
      Wide product = 0;
      do product = static_cast<Wide>(same.bits()) * count;
      while (static_cast<std::uint64_t>(product) < (0 - count) % count);
      REQUIRE(rng.below(count) == static_cast<std::uint64_t>(product >> 64));
      REQUIRE(rng.state() == same.state());
    }
  }
}

TEST_CASE("a state is saved and restored, with the spare normal number") {
  tg::Rng rng(9);
  rng.normal();  // one of two: the other one is kept
  const tg::Rng::State state = rng.state();
  CHECK(state.has_spare);
  const auto first = drawn(7, [&] { return rng.normal(); });
  CHECK_FALSE(rng.state() == state);
  tg::Rng other(1234);
  other.set_state(state);
  CHECK(other.state() == state);
  CHECK(drawn(7, [&] { return other.normal(); }) == first);
  CHECK(other.state() == rng.state());
}

TEST_CASE("a split generator goes its own way") {
  tg::Rng rng(10);
  tg::Rng child = rng.split();
  std::vector<std::uint64_t> of_both;
  for (int i = 0; i < 1000; ++i) {
    of_both.push_back(rng.bits());
    of_both.push_back(child.bits());
  }
  std::sort(of_both.begin(), of_both.end());
  CHECK(std::adjacent_find(of_both.begin(), of_both.end()) == of_both.end());
  tg::Rng again(10);
  CHECK(again.split().bits() == tg::Rng(tg::Rng(10).bits()).bits());
}

TEST_CASE("uniform(low, high) stays below its upper bound, and at a single number") {
  tapegrad::Rng rng(3);
  const double next = std::nextafter(1.0, 2.0);  // there is nothing between 1 and this
  for (int i = 0; i < 100; ++i) CHECK(rng.uniform(1, next) == 1);
  CHECK(rng.uniform(5, 5) == 5);
}
