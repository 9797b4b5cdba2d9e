#include "tapegrad/layers/normalization.h"

#include <fmt/core.h>

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/check.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicNormalization<T>::BasicNormalization(std::string_view kind, Index features, double eps) : eps_(eps) {
  if (features < 1) fail(kind, "needs at least 1 feature, got " + std::to_string(features));
  check_setting(kind, "eps", SettingDomain::not_negative, eps);
  with_memory(kind, {1, features}, [&] {
    weight = this->add_parameter("weight", BasicMatrix<T>::Ones(1, features));
    bias = this->add_parameter("bias", BasicMatrix<T>::Zero(1, features));
  });
}

template <class T> std::string BasicNormalization<T>::text() const {
  return fmt::format("{}({}, eps={})", this->kind(), weight.size(), eps_);
}

template <class T> BasicVar<T> BasicNormalization<T>::forward(BasicVar<T> x) {
  if (x.cols() != weight.size())
    fail(this->kind(),
         "made for " + std::to_string(weight.size()) + " features, the input is " + to_string(x.shape()));
  const BasicVar<T> w = x.tape().parameter(weight);
  const BasicVar<T> b = x.tape().parameter(bias);
  return normalized(x) * w + b;
}

template <class T>
BasicBatchNorm1d<T>::BasicBatchNorm1d(Index features, BatchNormOptions options)
    : BasicNormalization<T>("batch_norm", features, options.eps),
      momentum_(check_setting("batch_norm", "momentum", SettingDomain::up_to_one, options.momentum)) {
  this->add_buffer("running_mean", BasicMatrix<T>::Zero(1, features));
  this->add_buffer("running_var", BasicMatrix<T>::Ones(1, features));
}

template <class T> std::string BasicBatchNorm1d<T>::text() const {
  const std::string text = BasicNormalization<T>::text();
  return fmt::format("{}, momentum={})", text.substr(0, text.size() - 1), momentum_);
}

template <class T> BasicVar<T> BasicBatchNorm1d<T>::normalized(BasicVar<T> x) {
  BasicMatrix<T>& mean = running_mean();
  BasicMatrix<T>& variance = running_var();
  for (const BasicMatrix<T>* const kept : {&mean, &variance}) {
    const Shape shape{kept->rows(), kept->cols()};
    if (shape != Shape{1, x.cols()})
      fail("batch_norm", fmt::format("running_{} is {}, should be 1x{}", kept == &mean ? "mean" : "var",
                                     to_string(shape), x.cols()));
  }
  if (!this->training()) {
    const BasicVar<T> scale = x.tape().input((variance.array() + static_cast<T>(this->eps_)).rsqrt().matrix());
    return (x - x.tape().input(mean)) * scale;
  }
  if (x.rows() < 2)
    fail("batch_norm", "needs more than one row in training, got " + to_string(x.shape()) +
                           (x.rows() == 1 ? ": leave out such a last batch, as Loader does with drop_last" : ""));
  const BasicVar<T> y = standardize(x, Axis::rows, this->eps_);
  const auto values = x.value();
  const T momentum = static_cast<T>(momentum_);
  this->restore_on_failure(x.tape(), mean);
  this->restore_on_failure(x.tape(), variance);
  for (Index col = 0; col < x.cols(); ++col) {
    const auto column = values.col(col).template cast<double>().array();
    const double m = column.mean();
    const double v = (column - m).square().sum() / static_cast<double>(x.rows() - 1);
    mean(0, col) += momentum * (static_cast<T>(m) - mean(0, col));
    variance(0, col) += momentum * (static_cast<T>(v) - variance(0, col));
  }
  return y;
}

TAPEGRAD_INSTANTIATE_SCALARS(Normalization)
TAPEGRAD_INSTANTIATE_SCALARS(BatchNorm1d)
TAPEGRAD_INSTANTIATE_SCALARS(LayerNorm)

}  // namespace tapegrad
