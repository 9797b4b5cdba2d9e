#include "tapegrad/io/toy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "tapegrad/core/error.h"

using namespace tapegrad;

namespace {

/// How many points of each class there are; checks that the set is whole.
template <class T> std::vector<int> count_classes(const BasicDataset<T>& data) {
  CHECK(data.inputs.cols() == 2);
  CHECK(data.inputs.allFinite());
  REQUIRE(data.size() == static_cast<Index>(data.labels.size()));
  std::vector<int> counts(static_cast<std::size_t>(data.classes));
  for (const int label : data.labels) ++counts.at(static_cast<std::size_t>(label));
  return counts;
}

}  // namespace

TEST_CASE("toy: exclusive or") {
  const Dataset data = xor_points();
  CHECK(data.inputs == (Matrix(4, 2) << 0, 0, 0, 1, 1, 0, 1, 1).finished());
  CHECK(data.targets() == (Matrix(4, 1) << 0, 1, 1, 0).finished());
  CHECK(data.classes == 2);
  CHECK(f64::xor_points().inputs == data.inputs.cast<double>());
}

TEST_CASE_TEMPLATE("toy: points without noise lie where the header says", T, float, double) {
  const double eps = 4 * std::numeric_limits<T>::epsilon();
  const double pi = std::numbers::pi;
  Rng rng(1);

  const BasicDataset<T> moons = two_moons<T>(101, 0, rng);
  CHECK(count_classes(moons) == std::vector<int>{51, 50});
  for (Index i = 0; i < 101; ++i) {
    const bool upper = moons.labels[static_cast<std::size_t>(i)] == 0;
    const double x = moons.inputs(i, 0) - (upper ? 0 : 1);
    const double y = moons.inputs(i, 1) - (upper ? 0 : 0.5);
    CHECK(std::abs(std::hypot(x, y) - 1) < eps);
    CHECK((upper ? y > -eps : y < eps));
  }
  CHECK(std::abs(moons.inputs(0, 0) - 1) < eps);  // the first and the last of class 0
  CHECK(std::abs(moons.inputs(100, 0) + 1) < eps);

  const BasicDataset<T> arms = spirals<T>(300, 3, 0, rng);
  CHECK(count_classes(arms) == std::vector<int>{100, 100, 100});
  for (Index i = 0; i < 300; ++i) {
    const double r = static_cast<double>(i / 3 + 1) / 100;
    const double phi = 2 * pi * (r + static_cast<double>(arms.labels[static_cast<std::size_t>(i)]) / 3);
    CHECK(std::abs(arms.inputs(i, 0) - r * std::cos(phi)) < eps);
    CHECK(std::abs(arms.inputs(i, 1) - r * std::sin(phi)) < eps);
  }

  const BasicDataset<T> rings = circles<T>(21, 0, rng);
  CHECK(count_classes(rings) == std::vector<int>{11, 10});
  for (Index i = 0; i < 21; ++i) CHECK(std::abs(rings.inputs.row(i).norm() - (i % 2 == 0 ? 1 : 0.5)) < eps);
}

TEST_CASE("toy: noise has the standard deviation that was asked for") {
  Rng quiet(1);
  Rng loud(7);
  for (const double noise : {0.01, 0.5}) {
    const f64::Matrix difference = f64::two_moons(5000, noise, loud).inputs - f64::two_moons(5000, 0, quiet).inputs;
    CHECK(std::abs(difference.mean()) < 0.05 * noise);
    CHECK(std::abs(std::sqrt(difference.array().square().mean()) / noise - 1) < 0.05);
  }
}

TEST_CASE("toy: the seed decides the points, in float as in double") {
  Rng a(3);
  Rng b(3);
  Rng c(4);
  const Dataset first = spirals(30, 2, 0.1, a);
  CHECK(first.inputs == f64::spirals(30, 2, 0.1, b).inputs.cast<float>());
  CHECK(first.inputs != spirals(30, 2, 0.1, c).inputs);
  CHECK(first.inputs != spirals(30, 2, 0.1, a).inputs);
}

TEST_CASE("toy: the smallest sets") {
  Rng rng(1);
  CHECK(count_classes(two_moons(2, 0, rng)) == std::vector<int>{1, 1});
  CHECK(count_classes(circles(2, 0, rng)) == std::vector<int>{1, 1});
  CHECK(count_classes(spirals(1, 1, 0, rng)) == std::vector<int>{1});
}

TEST_CASE("toy: errors") {
  Rng rng(1);
  CHECK_THROWS_WITH_AS(two_moons(1, 0, rng), "[two_moons] 1 points are too few for 2 classes", Error);
  CHECK_THROWS_WITH_AS(circles(-5, 0, rng), "[circles] -5 points are too few for 2 classes", Error);
  CHECK_THROWS_WITH_AS(spirals(2, 3, 0, rng), "[spirals] 2 points are too few for 3 classes", Error);
  CHECK_THROWS_WITH_AS(spirals(2, 0, 0, rng), "[spirals] number of classes is 0, expected at least 1", Error);
  CHECK_THROWS_WITH_AS(two_moons(10, -0.1, rng),
                       "[two_moons] noise is -0.1, expected a finite number of at least 0", Error);
  CHECK_THROWS_WITH_AS(circles(10, std::nan(""), rng),
                       "[circles] noise is nan, expected a finite number of at least 0", Error);
  CHECK_THROWS_WITH_AS(spirals(10, 2, std::numeric_limits<double>::infinity(), rng),
                       "[spirals] noise is inf, expected a finite number of at least 0", Error);
}
