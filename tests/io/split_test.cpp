#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace tg = tapegrad;
using tg::Index;

namespace {

/// Row i is (i); the labels as given.
tg::Dataset labelled(std::vector<int> labels, int classes) {
  tg::Dataset data{
      .inputs = tg::Matrix(static_cast<Index>(labels.size()), 1), .labels = labels, .classes = classes};
  for (Index i = 0; i < data.size(); ++i) data.inputs(i, 0) = static_cast<float>(i);
  return data;
}

/// n samples, of which every tenth is of class 1.
tg::Dataset unbalanced(int n) {
  std::vector<int> labels;
  for (int i = 0; i < n; ++i) labels.push_back(i % 10 == 9 ? 1 : 0);
  return labelled(labels, 2);
}

Index ones(const tg::Dataset& data) { return std::count(data.labels.begin(), data.labels.end(), 1); }

}  // namespace

TEST_CASE("split: every sample is in one part, with its label") {
  const tg::Dataset data = unbalanced(1000);
  tg::Rng rng(1);
  const auto [train, valid, test] = tg::split(data, {.7, .15, .15}, rng);
  CHECK(train.size() == 700);
  CHECK(valid.size() == 150);
  CHECK(test.size() == 150);
  std::set<float> rows;
  for (const tg::Dataset* part : {&train, &valid, &test}) {
    CHECK(part->classes == 2);
    for (Index i = 0; i < part->size(); ++i) {
      const float row = part->inputs(i, 0);
      rows.insert(row);
      REQUIRE(part->labels[static_cast<std::size_t>(i)] == data.labels[static_cast<std::size_t>(row)]);
    }
  }
  CHECK(rows.size() == 1000);
  CHECK(train.inputs(0, 0) != 0);  // shuffled

  tg::Rng same(1), other(2);
  CHECK(tg::split(data, {.7, .15, .15}, same)[1].inputs == valid.inputs);
  CHECK(tg::split(data, {.7, .15, .15}, other)[1].inputs != valid.inputs);
}

TEST_CASE("split: stratified, every part has its share of each class") {
  const tg::Dataset data = unbalanced(1000);
  tg::Rng rng(1);
  const auto parts = tg::split(data, {.5, .3, .2}, rng, {.stratified = true});
  CHECK(ones(parts[0]) == 50);
  CHECK(ones(parts[1]) == 30);
  CHECK(ones(parts[2]) == 20);
  CHECK(parts[0].size() == 500);
  CHECK(parts[2].size() == 200);
}

TEST_CASE("split: a class that would be missing in a part is told") {
  const tg::Dataset data = unbalanced(20);  // two of class 1
  tg::Rng rng(5);
  CHECK_THROWS_WITH_AS(tg::split(data, {.8, .1, .1}, rng),
                       "[split] part 2 has no sample of class 1, of which there are 2: use {.stratified = true}",
                       tg::Error);
  const auto [a, b] = tg::split(data, {.5, .5}, rng, {.stratified = true});
  CHECK(ones(a) == 1);
  CHECK(ones(b) == 1);
  CHECK_THROWS_WITH_AS(
      tg::split(data, {.6, .2, .2}, rng, {.stratified = true}),
      "[split] part 3 has no sample of class 1, of which there are 2: get more, or leave the class out", tg::Error);
  CHECK(tg::split(data, {.8, .1, .1}, rng, {.allow_missing = true})[1].size() == 2);
  // The first class is one, too; what has no class (-1) need not be anywhere.
  CHECK_THROWS_WITH_AS(
      tg::split(labelled({-1, 1, 0, 1, 1, 1}, 2), {.5, .5}, rng, {.stratified = true}),
      "[split] part 2 has no sample of class 0, of which there is 1: get more, or leave the class out", tg::Error);
  CHECK(tg::split(labelled({-1, 1, 1, 1, 1}, 2), {.6, .4}, rng, {.stratified = true}).size() == 2);
}

TEST_CASE("split: parts that make no sense are errors") {
  const tg::Dataset data = unbalanced(20);
  tg::Rng rng(1);
  CHECK_THROWS_WITH_AS(tg::split(data, {.7, .2}, rng), "[split] the parts add up to 0.8999999999999999, expected 1",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::split(data, {1.0, 0.0}, rng), "[split] a part is 0, expected above 0 and at most 1",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::split(data, {NAN, 1.0}, rng), "[split] a part is nan, expected above 0 and at most 1",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::split(data, {.99, .01}, rng), "[split] part 2 of 20 samples would be empty", tg::Error);
  CHECK_THROWS_WITH_AS(tg::split(labelled({0, 1}, 2), {.4, .3, .3}, rng), "[split] 2 samples do not make 3 parts",
                       tg::Error);
  tg::Dataset unlabelled = data;
  unlabelled.labels.clear();
  CHECK_THROWS_WITH_AS(tg::split(unlabelled, {.5, .5}, rng, {.stratified = true}),
                       "[split] stratified needs labels", tg::Error);
  CHECK(tg::split(unlabelled, {.5, .5}, rng)[1].labels.empty());
}

TEST_CASE("take, concat") {
  const tg::Dataset data = labelled({0, 1, 2, 1}, 3);
  const std::vector<Index> rows{3, 0, 3};
  const tg::Dataset some = tg::take(data, std::span<const Index>(rows));
  CHECK(some.inputs == (tg::Matrix(3, 1) << 3, 0, 3).finished());
  CHECK(some.labels == std::vector<int>{1, 0, 1});
  CHECK(some.classes == 3);
  const tg::Dataset both = tg::concat(some, data);
  CHECK(both.inputs == (tg::Matrix(7, 1) << 3, 0, 3, 0, 1, 2, 3).finished());
  CHECK(both.labels == std::vector<int>{1, 0, 1, 0, 1, 2, 1});
  tg::Dataset wide = data;
  wide.inputs.resize(4, 2);
  CHECK_THROWS_WITH_AS(tg::concat(data, wide), "[concat] the data sets have 1 and 2 columns", tg::Error);
  tg::Dataset unlabelled = data;
  unlabelled.labels.clear();
  CHECK_THROWS_WITH_AS(tg::concat(data, unlabelled), "[concat] only one of the data sets has labels", tg::Error);
  const std::vector<Index> wrong{4};
  CHECK_THROWS_WITH_AS(tg::take(data, std::span<const Index>(wrong)),
                       "[gather_rows] there is no row 4, only 0 to 3", tg::Error);
}

TEST_CASE("one_hot") {
  const std::vector<int> labels{2, 0};
  CHECK(tg::one_hot(labels, 3) == (tg::Matrix(2, 3) << 0, 0, 1, 1, 0, 0).finished());
  CHECK(tg::f64::one_hot(labels, 3) == (tg::f64::Matrix(2, 3) << 0, 0, 1, 1, 0, 0).finished());
  CHECK_THROWS_WITH_AS(tg::one_hot(labels, 2), "[one_hot] label 2 at index 0 is not one of 0 to 1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::one_hot(labels, 0), "[one_hot] classes is 0, expected at least 1", tg::Error);
}

TEST_CASE("scaler: mean 0 and standard deviation 1, with the numbers of the training data") {
  tg::f64::Matrix train(4, 2), test(1, 2);
  train << 1, 10, 2, 20, 3, 30, 6, 40;
  test << 4, 10;
  const tg::f64::Scaler scaler(train);
  CHECK(scaler.mean()(0, 0) == 3);
  CHECK(scaler.mean()(0, 1) == 25);
  CHECK(scaler.std()(0, 0) == doctest::Approx(std::sqrt(3.5)).scale(0).epsilon(1e-15));  // numpy.std([1, 2, 3, 6])
  tg::f64::Matrix x = train;
  scaler.apply(x);
  CHECK(x.col(0).sum() == doctest::Approx(0).epsilon(1e-15));
  CHECK(x.col(0).squaredNorm() == doctest::Approx(4).scale(0).epsilon(1e-15));
  scaler.invert(x);
  CHECK((x - train).cwiseAbs().maxCoeff() < 1e-14);
  scaler.apply(test);
  CHECK(test(0, 0) == doctest::Approx(1 / std::sqrt(3.5)).scale(0).epsilon(1e-15));
  CHECK(test(0, 1) == doctest::Approx(-15 / std::sqrt(125.0)).scale(0).epsilon(1e-15));
}

TEST_CASE("scaler: a constant column becomes 0, and is told") {
  tg::Matrix x(3, 2);
  x << 0.1F, 1, 0.1F, 2, 0.1F, 3;
  const tg::Scaler scaler(x);
  CHECK(scaler.constant_columns() == std::vector<Index>{0});
  x(0, 0) = 7;  // not in the training data
  scaler.apply(x);
  CHECK((x.col(0).array() == 0).all());
  scaler.invert(x);
  CHECK((x.col(0).array() == 0.1F).all());
}

TEST_CASE("scaler: columns that are far from 0, tiny or huge") {
  tg::f64::Matrix x(1000, 3);
  tg::Rng rng(2);
  for (Index i = 0; i < x.rows(); ++i) {
    const double z = rng.normal();
    x.row(i) << 1e9 + std::round(z * 1000), z * 1e-200, z * 1e150;
  }
  tg::f64::Matrix scaled = x;
  tg::f64::Scaler(x).apply(scaled);
  for (Index col = 0; col < 3; ++col) {
    CHECK(std::abs(scaled.col(col).mean()) < 1e-9);
    CHECK(scaled.col(col).squaredNorm() / 1000 == doctest::Approx(1).scale(0).epsilon(1e-9));
  }
  CHECK((scaled.col(1) - scaled.col(2)).cwiseAbs().maxCoeff() < 1e-12);
}

TEST_CASE("scaler: what cannot be scaled is an error") {
  tg::Matrix x = tg::Matrix::Zero(2, 3);
  x(1, 2) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(tg::Scaler{x}, "[scaler] row 1, column 2 is nan: fill it first", tg::Error);
  CHECK(tg::Scaler(x.topRows(1)).std()(0, 2) == 0);  // the NaN is below
  CHECK_THROWS_WITH_AS(tg::Scaler{tg::Matrix(0, 3)}, "[scaler] there are no rows", tg::Error);
  const tg::Scaler scaler(tg::Matrix::Zero(2, 3));
  tg::Matrix narrow(5, 2);
  CHECK_THROWS_WITH_AS(scaler.apply(narrow), "[scaler] it was made for 3 columns, got 5x2", tg::Error);
  CHECK_THROWS_WITH_AS(scaler.invert(narrow), "[scaler] it was made for 3 columns, got 5x2", tg::Error);
  CHECK_THROWS_WITH_AS(tg::Scaler().apply(narrow), "[scaler] it was made for 0 columns, got 5x2", tg::Error);
  tg::f64::Matrix wide(2, 1);
  wide << -1e308, 1e308;
  CHECK_THROWS_WITH_AS(tg::f64::Scaler{wide}, "[scaler] column 0 spans more than a double holds", tg::Error);
}

TEST_CASE("split: names of columns and classes stay with the samples") {
  tg::Dataset data{.inputs = tg::Matrix::Ones(2, 1), .labels = {0, 1}, .classes = 2};
  data.columns = {"height"};
  data.class_names = {"oak", "pine"};
  const std::vector<Index> rows{1};
  const tg::Dataset some = tg::take(data, std::span<const Index>(rows));
  CHECK(some.columns == data.columns);
  CHECK(some.class_names == data.class_names);
  tg::Dataset other = data;
  CHECK(tg::concat(data, other).class_names == data.class_names);
  other.class_names = {"fir", "oak"};
  CHECK_THROWS_WITH_AS(
      tg::concat(data, other),
      "[concat] the data sets have other classes; read the second with {.classes = first.class_names}", tg::Error);
}

TEST_CASE("concat: images stay images only where both are of one size") {
  tg::Dataset a = labelled({0, 1}, 2), b = a, c = a;
  a.image_rows = b.image_rows = 1, a.image_cols = b.image_cols = 1, c.image_rows = 1;
  CHECK(tg::concat(a, b).image_rows == 1);
  CHECK(tg::concat(a, b).image_cols == 1);
  CHECK(tg::concat(a, c).image_rows == 0);
  CHECK(tg::concat(a, c).image_cols == 0);
}

TEST_CASE("split: parts may miss 1 by what rounding does, no more") {
  tg::Dataset data = unbalanced(20);
  data.labels.clear();
  tg::Rng rng(1);
  CHECK(tg::split(data, {.5, .5 + 9.9e-7}, rng).size() == 2);
  CHECK_THROWS_WITH_AS(tg::split(data, {.5, .5 + 1.005e-6}, rng),
                       "[split] the parts add up to 1.000001005, expected 1", tg::Error);
}
