#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <numeric>

namespace tg = tapegrad;
using tg::Index;

namespace {

/// Row i is (i, −i), its label i mod 3.
template <class T> tg::BasicDataset<T> numbered(Index n) {
  tg::BasicDataset<T> data{.inputs = tg::BasicMatrix<T>(n, 2), .labels = {}, .classes = 3};
  for (Index i = 0; i < n; ++i) {
    data.inputs.row(i) << static_cast<T>(i), static_cast<T>(-i);
    data.labels.push_back(static_cast<int>(i % 3));
  }
  return data;
}

template <class T> std::vector<int> rows_of(tg::BasicLoader<T>& loader, Index most = 1000) {
  std::vector<int> rows;
  for (auto& [x, labels] : loader) {
    REQUIRE(x.rows() == static_cast<Index>(labels.size()));
    for (Index i = 0; i < x.rows(); ++i) {
      rows.push_back(static_cast<int>(x(i, 0)));
      REQUIRE(x(i, 1) == -x(i, 0));
      REQUIRE(labels[static_cast<std::size_t>(i)] == rows.back() % 3);
    }
    if (loader.position() == most) break;
  }
  return rows;
}

std::vector<int> sorted(std::vector<int> rows) {
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<int> first_numbers(int n) {
  std::vector<int> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

}  // namespace

TEST_CASE_TEMPLATE("loader: an epoch gives each sample once, in another order each time", T, float, double) {
  const auto data = numbered<T>(10);
  tg::Rng rng(1);
  tg::BasicLoader<T> loader(data, {.batch = 4, .shuffle = rng});
  CHECK(loader.count() == 3);
  const std::vector<int> first = rows_of(loader), second = rows_of(loader);
  CHECK(sorted(first) == first_numbers(10));
  CHECK(sorted(second) == first_numbers(10));
  CHECK(first != second);
  CHECK(first != first_numbers(10));
  CHECK(loader.position() == 0);

  tg::BasicLoader<T> in_order(data, {.batch = 4});
  CHECK(rows_of(in_order) == first_numbers(10));
  CHECK(rows_of(in_order) == first_numbers(10));
  tg::BasicLoader<T> whole_batches(data, {.batch = 4, .drop_last = true});
  CHECK(whole_batches.count() == 2);
  CHECK(rows_of(whole_batches) == first_numbers(8));
  tg::BasicLoader<T> one(data, {.batch = 100});
  CHECK(one.count() == 1);
  CHECK(rows_of(one) == first_numbers(10));
}

TEST_CASE("loader: as a temporary in the loop, the generator goes on") {
  const tg::Dataset data = numbered<float>(50);
  tg::Rng rng(1);
  std::vector<std::vector<int>> epochs(2);
  for (auto& epoch : epochs)
    for (auto& [x, labels] : tg::Loader(data, {.batch = 7, .shuffle = rng, .drop_last = true}))
      for (Index i = 0; i < x.rows(); ++i) epoch.push_back(static_cast<int>(x(i, 0)));
  CHECK(epochs[0].size() == 49);
  CHECK(epochs[0] != epochs[1]);
}

TEST_CASE("loader: goes on after a break, unless it is told to restart") {
  const tg::Dataset data = numbered<float>(10);
  tg::Rng rng(3);
  tg::Loader loader(data, {.batch = 3, .shuffle = rng});
  std::vector<int> rows = rows_of(loader, 2);
  CHECK(rows.size() == 6);
  CHECK(loader.position() == 2);
  const std::vector<int> rest = rows_of(loader);
  rows.insert(rows.end(), rest.begin(), rest.end());
  CHECK(sorted(rows) == first_numbers(10));

  rows_of(loader, 1);
  loader.restart();
  CHECK(sorted(rows_of(loader)) == first_numbers(10));
}

TEST_CASE("loader: its state repeats the rest of the epoch and those after it") {
  const tg::Dataset data = numbered<float>(10);
  tg::Rng rng(3), other(99);
  tg::Loader loader(data, {.batch = 3, .shuffle = rng}), copy(data, {.batch = 3, .shuffle = other});
  rows_of(loader);
  rows_of(loader, 2);
  std::vector<tg::Rng> generators;
  std::vector<Index> positions;
  const auto keep = [&](std::string_view, auto& part) {
    if constexpr (std::is_same_v<decltype(part), tg::Rng&>)
      generators.push_back(part);
    else
      positions.push_back(part);
  };
  const auto restore = [&](std::string_view, auto& part) {
    if constexpr (std::is_same_v<decltype(part), tg::Rng&>)
      part = generators.front();
    else
      part = positions.front();
  };
  loader.each_state(keep);
  copy.each_state(restore);
  other = rng;
  CHECK(rows_of(copy) == rows_of(loader));
  rows_of(loader, 4);  // left in the last batch: nothing is left of the epoch
  CHECK(rows_of(loader).empty());
  CHECK(rows_of(loader).size() == 10);

  positions.front() = 5;
  copy.each_state(restore);
  CHECK_THROWS_WITH_AS(copy.begin(), "[loader] the position is 5, an epoch has 4 batches", tg::Error);
}

TEST_CASE("loader: what cannot be divided is an error") {
  tg::Dataset data = numbered<float>(3);
  CHECK_THROWS_WITH_AS(tg::Loader(data, {.batch = 0}), "[loader] batch is 0, expected at least 1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::Loader(data, {.batch = 4, .drop_last = true}),
                       "[loader] drop_last leaves nothing: 3 samples do not fill a batch of 4", tg::Error);
  data.labels.pop_back();
  CHECK_THROWS_WITH_AS(tg::Loader{data}, "[loader] 2 labels for 3 rows", tg::Error);
  data.labels.clear();
  CHECK_THROWS_WITH_AS(
      tg::Loader{data},
      "[loader] 0 labels for 3 rows; for targets that are numbers, Batches gives the rows of each batch",
      tg::Error);
  const tg::Dataset empty;
  CHECK_THROWS_WITH_AS(tg::Loader{empty}, "[loader] the data set has no samples", tg::Error);
}

TEST_CASE("loader: one sample is an epoch of one batch") {
  tg::Dataset data;
  data.inputs = tg::Matrix::Constant(1, 2, 3);
  data.labels = {1};
  data.classes = 2;
  int batches = 0;
  for (const auto& [x, labels] : tg::Loader(data, {.batch = 4})) {
    CHECK(x == data.inputs);
    CHECK(labels[0] == 1);
    ++batches;
  }
  CHECK(batches == 1);
}
