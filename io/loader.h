#pragma once

#include <iterator>
#include <vector>

#include "tapegrad/core/rng.h"
#include "tapegrad/io/batches.h"
#include "tapegrad/io/dataset.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Rows of a data set: `inputs` is batch x features, with one label for each row. */
template <class T> struct BasicBatch {
  BasicMatrix<T> inputs;
  std::vector<int> labels;
};

/** The generator that shuffles: `.shuffle = rng` uses the caller's, so that every epoch has another order. */
class Shuffle {
 public:
  Shuffle() = default;
  Shuffle(Rng& rng) : rng_(&rng) {}
  Shuffle(Rng&& temporary) = delete;
  Rng* rng() const { return rng_; }

 private:
  Rng* rng_ = nullptr;
};

struct LoaderOptions {
  Index batch = 32;
  Shuffle shuffle = {};    ///< none: the order of the data set
  bool drop_last = false;  ///< leaves out the samples that do not fill a batch
};

/** The batches of a data set. Every loop over it is one epoch, in an order of its own:
 *
 *      Loader loader(train, {.batch = 64, .shuffle = rng});
 *      for (int epoch = 0; epoch < 10; ++epoch)
 *        for (auto& [x, labels] : loader) {
 *          tape.reset();
 *          Var loss = cross_entropy(net(tape.input(x)), labels);
 *          …
 *        }
 *
 * The data set and the generator must outlive it. A loop goes on where the last one was left (by break, or by a checkpoint that
 * was loaded: `run.add("loader", loader)` beside the generator); restart() begins a new epoch instead. An epoch
 * allocates no more than its order, and its last batch where that is smaller. */
template <class T> class BasicLoader {
 public:
  /** Throws when there are no samples, when the batch is below 1, when there are not as many labels as rows, and when
   * drop_last leaves nothing. */
  explicit BasicLoader(const BasicDataset<T>& data, LoaderOptions options = {});
  explicit BasicLoader(BasicDataset<T>&& temporary, LoaderOptions options = {}) = delete;

  class Iterator {
   public:
    explicit Iterator(BasicLoader& loader) : loader_(&loader) {}
    BasicBatch<T>& operator*() const { return loader_->batch_; }
    Iterator& operator++() {
      loader_->next();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return loader_->over_; }

   private:
    BasicLoader* loader_;
  };

  Iterator begin();
  std::default_sentinel_t end() const { return {}; }
  /** The next loop begins a new epoch. */
  void restart() { done_ = 0; }

  /** Batches of an epoch. */
  Index count() const { return count_; }
  /** Batches of this epoch that were given out; 0 when it is over. */
  Index position() const { return done_; }
  /** What a checkpoint holds. */
  template <class Visit> void each_state(const Visit& visit) {
    visit("shuffle", epoch_start_);
    visit("position", done_);
  }

 private:
  void next();

  const BasicDataset<T>& data_;
  LoaderOptions options_;
  Index count_;
  std::vector<Index> order_;
  BasicBatch<T> batch_;
  Rng epoch_start_;  ///< what shuffled this epoch, as it was before
  Index done_ = 0;
  bool over_ = false;
};

}  // namespace tapegrad

TAPEGRAD_ALIASES(Batch)
TAPEGRAD_SCALARS(Loader)
