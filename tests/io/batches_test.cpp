#include "tapegrad/io/batches.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "tapegrad/core/error.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/core/softmax.h"
#include "tapegrad/io/toy.h"

using namespace tapegrad;

namespace {

/// All batches of the next epoch.
std::vector<std::vector<Index>> epoch(Batches& batches) {
  std::vector<std::vector<Index>> all;
  for (const std::span<const Index> batch : batches.epoch()) all.emplace_back(batch.begin(), batch.end());
  return all;
}

std::vector<Index> joined(const std::vector<std::vector<Index>>& batches) {
  std::vector<Index> all;
  for (const auto& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

std::vector<Index> iota(Index count) {
  std::vector<Index> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), Index{0});
  return all;
}

}  // namespace

TEST_CASE("batches: every epoch covers every sample once, the last batch may be smaller") {
  for (const Index samples : {1, 2, 7, 64, 65, 100}) {
    for (const Index size : {1, 2, 7, 64, 1000}) {
      CAPTURE(samples);
      CAPTURE(size);
      Batches batches(samples, size, Rng(1));
      CHECK(batches.count() == (samples + size - 1) / size);
      for (int repeat = 0; repeat < 3; ++repeat) {
        const auto all = epoch(batches);
        REQUIRE(static_cast<Index>(all.size()) == batches.count());
        for (std::size_t i = 0; i + 1 < all.size(); ++i) CHECK(static_cast<Index>(all[i].size()) == size);
        CHECK(static_cast<Index>(all.back().size()) == samples - (batches.count() - 1) * size);
        std::vector<Index> sorted = joined(all);
        std::sort(sorted.begin(), sorted.end());
        CHECK(sorted == iota(samples));
      }
    }
  }
}

TEST_CASE("batches: the seed decides the order, and every epoch has its own") {
  Batches a(100, 8, Rng(3));
  Batches b(100, 8, Rng(3));
  Batches c(100, 8, Rng(4));
  const auto first = epoch(a);
  CHECK(first == epoch(b));
  CHECK(first != epoch(c));
  CHECK(joined(first) == Rng(3).permutation(100));
  const auto second = epoch(a);
  CHECK(second == epoch(b));
  CHECK(second != first);
}

TEST_CASE("batches: the state of the generator is enough to repeat an epoch") {
  Batches batches(50, 8, Rng(5));
  epoch(batches);
  const Rng::State state = batches.rng()->state();
  const auto second = epoch(batches);
  Batches resumed(50, 8, Rng(0));
  resumed.rng()->set_state(state);
  CHECK(epoch(resumed) == second);
}

TEST_CASE("batches: in order without a generator") {
  Batches batches(7, 3);
  const std::vector<std::vector<Index>> expected{{0, 1, 2}, {3, 4, 5}, {6}};
  CHECK(epoch(batches) == expected);
  CHECK(epoch(batches) == expected);
  CHECK(batches.rng() == nullptr);
  CHECK(batches.samples() == 7);
  CHECK(batches.batch_size() == 3);
}

TEST_CASE("batches: an epoch takes no new memory") {
  Batches batches(100, 8, Rng(1));
  const Index* data = (*batches.epoch().begin()).data();
  CHECK((*batches.epoch().begin()).data() == data);
}

TEST_CASE("batches: errors") {
  CHECK_THROWS_WITH_AS(Batches(0, 8), "[batches] nothing to divide: there are 0 samples", Error);
  CHECK_THROWS_WITH_AS(Batches(-1, 8, Rng(1)), "[batches] nothing to divide: there are -1 samples", Error);
  CHECK_THROWS_WITH_AS(Batches(std::numeric_limits<Index>::max(), 1),
                       "[batches] 9223372036854775807 samples are more than any memory holds", Error);
  CHECK_THROWS_WITH_AS(Batches(10, 0), "[batches] batch size is 0, expected at least 1", Error);
  CHECK_THROWS_WITH_AS(Batches(10, -3, Rng(1)), "[batches] batch size is -3, expected at least 1", Error);
}

TEST_CASE_TEMPLATE("batches: gather_rows", T, float, double) {
  BasicMatrix<T> matrix(4, 3);
  matrix << 0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32;
  const std::vector<Index> rows{3, 0, 3};
  BasicMatrix<T> out(3, 3);
  gather_rows(matrix, rows, out.data());
  CHECK(out == (BasicMatrix<T>(3, 3) << 30, 31, 32, 0, 1, 2, 30, 31, 32).finished());

  BasicMatrix<T> part(3, 2);
  gather_rows(matrix.rightCols(2), rows, part.data());  // rows that do not follow each other in memory
  CHECK(part == (BasicMatrix<T>(3, 2) << 31, 32, 1, 2, 31, 32).finished());

  const BasicMatrix<T> before = out;
  for (const Index wrong : {4, -1}) {
    const std::string text = "[gather_rows] there is no row " + std::to_string(wrong) + ", only 0 to 3";
    CHECK_THROWS_WITH_AS(gather_rows(matrix, std::vector<Index>{1, wrong}, out.data()), text.c_str(), Error);
  }
  CHECK(out == before);
}

TEST_CASE("batches: gather_labels") {
  const std::vector<int> labels{5, 6, 7};
  std::vector<int> out;
  gather_labels(labels, std::vector<Index>{2, 0, 1, 2}, out);
  CHECK(out == std::vector<int>{7, 5, 6, 7});
  const int* data = out.data();
  gather_labels(labels, std::vector<Index>{1}, out);
  CHECK(out == std::vector<int>{6});
  CHECK(out.data() == data);
  CHECK_THROWS_WITH_AS(gather_labels(labels, std::vector<Index>{0, 3}, out),
                       "[gather_labels] there is no row 3, only 0 to 2", Error);
  CHECK(out == std::vector<int>{6});
}

TEST_CASE("labels: a loss takes a vector, a span and those of a data set") {
  const Dataset points = xor_points();
  std::vector<int> labels = points.labels;
  Tape tape;
  const Var logits = tape.input(Matrix::Identity(4, 2));
  const float expected = cross_entropy(logits, points.labels).item();
  CHECK(cross_entropy(logits, labels).item() == expected);
  CHECK(cross_entropy(logits, std::span<int>(labels)).item() == expected);
  CHECK(cross_entropy(logits, std::span<const int>(labels)).item() == expected);
  const Var log_probabilities = log_softmax(logits);
  CHECK(nll(log_probabilities, labels).item() == nll(log_probabilities, std::span<const int>(labels)).item());
}
