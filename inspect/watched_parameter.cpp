#include "tapegrad/inspect/watched_parameter.h"

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

}  // namespace

template <class T> void WatchedParameter<T>::check_shape(const ParameterRecord& to) const {
  if (parameter_.shape() != to.shape)
    fail("monitor",
         "parameter " + to.path + " was " + to_string(to.shape) + ", now it is " + to_string(parameter_.shape()));
}

template <class T> void WatchedParameter<T>::look(const ParameterRecord& to, Index count) {
  check_shape(to);
  const BasicMatrix<T>& now = parameter_.value();
  const BasicMatrix<T>& gradient = parameter_.grad();  // zeros when there is none
  // A row is a unit of the layer above; of a bias (one row) every column is one.
  const bool is_row = now.rows() == 1;
  const Index rows = is_row ? now.cols() : now.rows();
  const Index cols = is_row ? 1 : now.cols();
  if (count == 0) unit_spread_ = unit_spread(before_);
  ParameterStep step{.step = count};
  for (Index row = 0; row < rows; ++row) {
    const Values<T> w(before_.data() + row * cols, cols);
    const Values<T> after(now.data() + row * cols, cols);
    const Values<T> g(gradient.data() + row * cols, cols);
    const double jump = sum_of((after - w).square());
    const double norm = sum_of(w.square());
    const double slope = sum_of(g.square());
    step.descent -= sum_of((after - w) * g);
    step.update_norm += jump;
    step.weight_norm += norm;
    step.gradient_norm += slope;
    update_[static_cast<std::size_t>(row)] = {std::sqrt(jump), std::sqrt(norm),
                                              is_row ? static_cast<double>(after[0] - w[0]) : 0, std::sqrt(slope)};
  }
  step.update_norm = std::sqrt(step.update_norm);
  step.weight_norm = std::sqrt(step.weight_norm);
  step.gradient_norm = std::sqrt(step.gradient_norm);
  step.update_ratio = ratio(step.update_norm, step.weight_norm);
  step_ = step;
  histogram_.reset();
}

template <class T> void WatchedParameter<T>::look_at_histogram(Index count, std::vector<T>& scratch) {
  Histogram histogram{.low = -12, .high = 4};
  const BasicMatrix<T>& gradient = parameter_.grad();
  const Values<T> all(gradient.data(), gradient.size());
  scratch.resize(static_cast<std::size_t>(gradient.size()));
  Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> decades(scratch.data(), gradient.size());
  decades = all.abs().log() * static_cast<T>(std::numbers::log10e);
  for (Index i = 0; i < all.size(); ++i) {
    if (all[i] == 0)
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
  last_update_.swap(update_);
}

template class WatchedParameter<float>;
template class WatchedParameter<double>;

}  // namespace tapegrad
