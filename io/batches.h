#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "tapegrad/core/rng.h"
#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Mini-batches of row numbers: every epoch yields each of 0 … samples − 1 exactly once, shuffled anew, in batches
 * of `batch_size`; the last one may be smaller. An epoch allocates nothing.
 *
 *      Batches batches(train.size(), 64, rng.split());
 *      for (std::span<const Index> batch : batches.epoch()) {
 *        tape.reset();
 *        Var x = tape.input({Index(batch.size()), train.inputs.cols()},
 *                           [&](float* out) { gather_rows(train.inputs, batch, out); });
 *        gather_labels(train.labels, batch, labels);
 *        …
 *      } */
class Batches {
 public:
  /** Shuffled by `rng`. Throws when there are no samples, or when `batch_size` is below 1. */
  Batches(Index samples, Index batch_size, Rng rng);
  /** In order, for testing. */
  Batches(Index samples, Index batch_size);

  class Iterator {
   public:
    Iterator(std::span<const Index> rest, std::size_t batch_size) : rest_(rest), batch_size_(batch_size) {}
    std::span<const Index> operator*() const { return rest_.first(std::min(batch_size_, rest_.size())); }
    Iterator& operator++() {
      rest_ = rest_.subspan((**this).size());
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.rest_.size() == b.rest_.size(); }

   private:
    std::span<const Index> rest_;
    std::size_t batch_size_;
  };

  class Epoch {
   public:
    Iterator begin() const { return {order_, batch_size_}; }
    Iterator end() const { return {order_.last(0), batch_size_}; }

   private:
    friend class Batches;
    Epoch(std::span<const Index> order, std::size_t batch_size) : order_(order), batch_size_(batch_size) {}
    std::span<const Index> order_;
    std::size_t batch_size_;
  };

  /** Shuffles, and gives the batches of one epoch; they are valid until the next call. */
  Epoch epoch();

  /** Number of batches in an epoch. */
  Index count() const { return (samples() + batch_size_ - 1) / batch_size_; }
  Index samples() const { return static_cast<Index>(order_.size()); }
  Index batch_size() const { return batch_size_; }

  /** What shuffles; null when nothing does. An epoch's order depends on its state alone, so saving that state
   * before an epoch is enough to repeat it. */
  Rng* rng() { return rng_ ? &*rng_ : nullptr; }

 private:
  std::vector<Index> order_;
  Index batch_size_;
  std::optional<Rng> rng_;
};

/** Copies the given rows of `matrix` to `out`, which has room for rows.size() x cols values, row by row. Throws
 * when a row does not exist. */
template <class T>
void gather_rows(const std::type_identity_t<BasicMatrixRef<T>>& matrix, std::span<const Index> rows, T* out);

extern template void gather_rows(const BasicMatrixRef<float>&, std::span<const Index>, float*);
extern template void gather_rows(const BasicMatrixRef<double>&, std::span<const Index>, double*);

/** Makes `out` the labels of the given rows; its memory is used again. Throws when a row does not exist. */
void gather_labels(std::span<const int> labels, std::span<const Index> rows, std::vector<int>& out);

}  // namespace tapegrad
