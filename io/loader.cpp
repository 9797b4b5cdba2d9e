#include "tapegrad/io/loader.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicLoader<T>::BasicLoader(const BasicDataset<T>& data, LoaderOptions options) : data_(data), options_(options) {
  if (data.size() < 1) fail("loader", "the data set has no samples");
  if (static_cast<Index>(data.labels.size()) != data.size())
    fail("loader",
         fmt::format(
             "{} labels for {} rows{}", data.labels.size(), data.size(),
             data.labels.empty() ? "; for targets that are numbers, Batches gives the rows of each batch" : ""));
  if (options.batch < 1) fail("loader", fmt::format("batch is {}, expected at least 1", options.batch));
  count_ = data.size() / options.batch + (options.drop_last || data.size() % options.batch == 0 ? 0 : 1);
  if (count_ == 0)
    fail("loader",
         fmt::format("drop_last leaves nothing: {} samples do not fill a batch of {}", data.size(), options.batch));
}

template <class T> auto BasicLoader<T>::begin() -> Iterator {
  if (done_ < 0 || done_ > count_)  // after the last batch of an epoch, the rest of it is nothing
    fail("loader", fmt::format("the position is {}, an epoch has {} batches", done_, count_));
  Rng* const rng = options_.shuffle.rng();
  const bool begins = done_ == 0;
  if (rng != nullptr) {
    Rng shuffled = begins ? *rng : epoch_start_;
    order_ = shuffled.permutation(data_.size());
    next();  // if there is no memory for the batch, the same epoch begins again
    if (begins) epoch_start_ = std::exchange(*rng, shuffled);
    return Iterator(*this);
  }
  if (order_.empty()) {
    std::vector<Index> order(static_cast<std::size_t>(data_.size()));
    std::iota(order.begin(), order.end(), Index{0});
    order_.swap(order);
  }
  next();
  return Iterator(*this);
}

template <class T> void BasicLoader<T>::next() {
  over_ = done_ == count_;
  if (over_) {
    done_ = 0;
    return;
  }
  const Index first = done_ * options_.batch, size = std::min(options_.batch, data_.size() - first);
  const auto rows =
      std::span<const Index>(order_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size));
  // Not resize(): Eigen frees the old memory first, and keeps it when there is no other.
  if (batch_.inputs.rows() != size || batch_.inputs.cols() != data_.inputs.cols())
    BasicMatrix<T>(size, data_.inputs.cols()).swap(batch_.inputs);
  gather_rows(data_.inputs, rows, batch_.inputs.data());
  gather_labels(data_.labels, rows, batch_.labels);
  ++done_;
}

TAPEGRAD_INSTANTIATE_SCALARS(Loader)

}  // namespace tapegrad
