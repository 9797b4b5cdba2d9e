#include "tapegrad/io/loader.h"

#include <fmt/core.h>

#include <algorithm>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicLoader<T>::BasicLoader(const BasicDataset<T>& data, LoaderOptions options) : data_(data), options_(options) {
  if (data.size() < 1) fail("loader", "the data set has no samples");
  if (static_cast<Index>(data.labels.size()) != data.size())
    fail("loader", fmt::format("{} labels for {} rows", data.labels.size(), data.size()));
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
  if (done_ == 0 && rng != nullptr) {
    epoch_start_ = *rng;
    order_ = rng->permutation(data_.size());
  } else if (rng != nullptr) {
    order_ = Rng(epoch_start_).permutation(data_.size());
  } else if (order_.empty()) {
    for (Index row = 0; row < data_.size(); ++row) order_.push_back(row);
  }
  over_ = false;
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
  batch_.inputs.resize(size, data_.inputs.cols());
  gather_rows(data_.inputs, rows, batch_.inputs.data());
  gather_labels(data_.labels, rows, batch_.labels);
  ++done_;
}

TAPEGRAD_INSTANTIATE_SCALARS(Loader)

}  // namespace tapegrad
