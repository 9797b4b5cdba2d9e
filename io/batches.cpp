#include "tapegrad/io/batches.h"

#include <fmt/core.h>

#include <numeric>
#include <utility>

#include "tapegrad/core/error.h"
#include "tapegrad/core/kernels/threads.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

void check_rows(std::string_view where, std::span<const Index> rows, Index count) {
  for (const Index row : rows)
    if (row < 0 || row >= count) fail(where, fmt::format("there is no row {}, only 0 to {}", row, count - 1));
}

}  // namespace

Batches::Batches(Index samples, Index batch_size) : batch_size_(batch_size) {
  if (samples < 1) fail("batches", fmt::format("nothing to divide: there are {} samples", samples));
  if (batch_size < 1) fail("batches", fmt::format("batch size is {}, expected at least 1", batch_size));
  if (static_cast<std::size_t>(samples) > order_.max_size())
    fail("batches", fmt::format("{} samples are more than any memory holds", samples));
  batch_size_ = std::min(batch_size, samples);
  order_.resize(static_cast<std::size_t>(samples));
  std::iota(order_.begin(), order_.end(), Index{0});
}

Batches::Batches(Index samples, Index batch_size, Rng rng) : Batches(samples, batch_size) { rng_ = rng; }

Batches::Epoch Batches::epoch() {
  if (rng_) {  // like Rng::permutation, in place
    std::iota(order_.begin(), order_.end(), Index{0});
    for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng_->below(i)]);
  }
  return {order_, static_cast<std::size_t>(batch_size_)};
}

void gather_labels(std::span<const int> labels, std::span<const Index> rows, std::vector<int>& out) {
  check_rows("gather_labels", rows, static_cast<Index>(labels.size()));
  out.resize(rows.size());
  std::transform(rows.begin(), rows.end(), out.begin(),
                 [&](Index row) { return labels[static_cast<std::size_t>(row)]; });
}

template <class T>
void gather_rows(const std::type_identity_t<BasicMatrixRef<T>>& matrix, std::span<const Index> rows, T* out) {
  check_rows("gather_rows", rows, matrix.rows());
  const auto count = static_cast<Index>(rows.size());
  parallel::divide(count, 1, count * matrix.cols() >= parallel::least_elements, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i)
      std::copy_n(matrix.data() + rows[static_cast<std::size_t>(i)] * matrix.outerStride(), matrix.cols(),
                  out + i * matrix.cols());
  });
}

template void gather_rows(const BasicMatrixRef<float>&, std::span<const Index>, float*);
template void gather_rows(const BasicMatrixRef<double>&, std::span<const Index>, double*);

}  // namespace tapegrad
