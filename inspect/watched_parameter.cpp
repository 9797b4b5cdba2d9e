#include "tapegrad/inspect/watched_parameter.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tapegrad::inline TAPEGRAD_ABI {

namespace {

/// √(Σ variance of a weight over the units / Σ of their squares); 0 where all units are alike.
template <class T> double unit_spread(const BasicMatrix<T>& w) {
  if (w.rows() < 2) return -1;
  double spread = 0, size = 0;
  for (Index col = 0; col < w.cols(); ++col) {
    const auto column = w.col(col).template cast<double>().array().eval();
    spread += (column - column.mean()).square().sum();
    size += column.square().sum();
  }
  return size > 0 ? std::sqrt(spread / size) : 0;
}

/// Sums over pieces of a weight, its update and its gradient, each read once: in floats over 32 terms, then in doubles.
template <class T> struct Sums {
  double jump = 0, norm = 0, slope = 0, descent = 0;

  void add(const T* before, const T* now, const T* gradient, Index count) {
    constexpr Index block = 32;
    using Block = Eigen::Array<T, block, 1>;
    using Rest = Eigen::Array<T, Eigen::Dynamic, 1, 0, block, 1>;  // on the stack
    Index i = 0;
    for (; i + block <= count; i += block)
      add_block<Block>(Eigen::Map<const Block>(before + i), Eigen::Map<const Block>(now + i),
                       Eigen::Map<const Block>(gradient + i));
    const Index rest = count - i;
    if (rest > 0)
      add_block<Rest>(Eigen::Map<const Rest>(before + i, rest), Eigen::Map<const Rest>(now + i, rest),
                      Eigen::Map<const Rest>(gradient + i, rest));
  }
  void operator+=(const Sums& unit) {
    jump += unit.jump;
    norm += unit.norm;
    slope += unit.slope;
    descent += unit.descent;
  }

 private:
  template <class Array, class Piece> void add_block(const Piece& w, const Piece& now, const Piece& g) {
    const Array update = now - w;
    jump += static_cast<double>(update.square().sum());
    norm += static_cast<double>(w.square().sum());
    slope += static_cast<double>(g.square().sum());
    descent -= static_cast<double>((update * g).sum());
  }
};

}  // namespace

template <class T> void WatchedParameter<T>::check_shape(const ParameterRecord& to) const {
  if (parameter_.shape() != to.shape)
    fail("monitor",
         "parameter " + to.path + " was " + to_string(to.shape) + ", now it is " + to_string(parameter_.shape()));
}

template <class T> UnitUpdate WatchedParameter<T>::update_of(std::size_t unit) const {
  if (unit >= seen_gradients_.size()) return {};
  const Index size = unit_size(), from = static_cast<Index>(unit) * size;
  const Values<T> w(seen_.data() + from, size), now(before_.data() + from, size);
  return {.weight_jump = std::sqrt(sum_of((now - w).square())),
          .weight_norm = std::sqrt(sum_of(w.square())),
          .bias_jump = is_row() ? static_cast<double>(now[0] - w[0]) : 0,
          .gradient_norm = seen_gradients_[unit]};
}

template <class T> void WatchedParameter<T>::look(const ParameterRecord& to, Index count) {
  check_shape(to);
  const T* before = before_.data();
  const T* now = parameter_.value().data();
  const T* gradient = parameter_.grad().data();  // zeros when there is none
  if (count == 0) unit_spread_ = unit_spread(before_);
  Sums<T> sums;
  if (is_row()) {
    sums.add(before, now, gradient, before_.size());
    for (std::size_t u = 0; u < unit_gradients_.size(); ++u)
      unit_gradients_[u] = std::abs(static_cast<double>(gradient[u]));
  } else {
    for (Index row = 0; row < before_.rows(); ++row) {
      const Index from = row * before_.cols();
      Sums<T> unit;
      unit.add(before + from, now + from, gradient + from, before_.cols());
      unit_gradients_[static_cast<std::size_t>(row)] = std::sqrt(unit.slope);
      sums += unit;
    }
  }
  step_ = {.step = count,
           .weight_norm = std::sqrt(sums.norm),
           .gradient_norm = std::sqrt(sums.slope),
           .update_norm = std::sqrt(sums.jump),
           .update_ratio = ratio(std::sqrt(sums.jump), std::sqrt(sums.norm)),
           .descent = sums.descent};
  histogram_.reset();
}

template <class T> void WatchedParameter<T>::look_at_histogram(Index count, std::vector<T>& scratch) {
  constexpr Index enough = 8192;
  Histogram histogram{.low = -12, .high = 4};
  const BasicMatrix<T>& gradient = parameter_.grad();
  const Index apart = std::max<Index>(gradient.size() / enough, 1) | 1;  // odd, so that no column is left out
  const Index size = (gradient.size() + apart - 1) / apart;
  const Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, 0, Eigen::InnerStride<>> some(
      gradient.data(), size, Eigen::InnerStride<>(apart));
  scratch.resize(static_cast<std::size_t>(size));
  Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> decades(scratch.data(), size);
  decades = some.abs().log() * static_cast<T>(std::numbers::log10e);
  for (Index i = 0; i < size; ++i) {
    if (some[i] == 0)
      ++histogram.zeros;
    else
      histogram.add(static_cast<double>(decades[i]));
  }
  histogram_ = {count, histogram};
}

template <class T> void WatchedParameter<T>::make_room(ParameterRecord& to) const {
  Thinning::make_room(to.steps);
  if (histogram_) Thinning::make_room(to.gradient_histograms);
}

template <class T> void WatchedParameter<T>::commit(ParameterRecord& to) noexcept {
  to.unit_spread = unit_spread_;
  steps_.append(to.steps, step_);
  if (histogram_) histograms_.append(to.gradient_histograms, *histogram_);
  seen_.swap(before_);
  seen_gradients_.swap(unit_gradients_);
}

template class WatchedParameter<float>;
template class WatchedParameter<double>;

}  // namespace tapegrad
