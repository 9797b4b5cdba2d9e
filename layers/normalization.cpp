#include "tapegrad/layers/normalization.h"

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/check.h"
#include "tapegrad/core/reduction.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

void check(std::string_view kind, Index features, double eps) {
  if (features < 1) fail(kind, "needs at least 1 feature, got " + std::to_string(features));
  check_setting(kind, "eps", SettingDomain::not_negative, eps);
}

template <class T> void check_columns(std::string_view kind, BasicVar<T> x, Index features) {
  if (x.cols() != features)
    fail(kind, "made for " + std::to_string(features) + " features, the input is " + to_string(x.shape()));
}

}  // namespace

template <class T>
BasicBatchNorm1d<T>::BasicBatchNorm1d(Index features, BatchNormOptions options) : options_(options) {
  check("batch_norm", features, options.eps);
  check_setting("batch_norm", "momentum", SettingDomain::up_to_one, options.momentum);
  weight = this->add_parameter("weight", BasicMatrix<T>::Ones(1, features));
  bias = this->add_parameter("bias", BasicMatrix<T>::Zero(1, features));
  this->add_buffer("running_mean", BasicMatrix<T>::Zero(1, features));
  this->add_buffer("running_var", BasicMatrix<T>::Ones(1, features));
}

template <class T> BasicVar<T> BasicBatchNorm1d<T>::forward(BasicVar<T> x) {
  BasicTape<T>& tape = x.tape();
  check_columns("batch_norm", x, weight.size());
  const BasicVar<T> w = tape.parameter(weight);
  const BasicVar<T> b = tape.parameter(bias);
  if (!this->training()) {
    const BasicVar<T> scale = tape.input(((running_var().array() + static_cast<T>(options_.eps)).rsqrt()).matrix());
    return (x - tape.input(running_mean())) * scale * w + b;
  }
  if (x.rows() < 2) fail("batch_norm", "needs more than one row in training, got " + to_string(x.shape()));
  const BasicVar<T> y = standardize(x, Axis::rows, options_.eps);
  const auto values = x.value();
  const T momentum = static_cast<T>(options_.momentum);
  for (Index col = 0; col < x.cols(); ++col) {
    const auto column = values.col(col).template cast<double>().array();
    const double mean = column.mean();
    const double variance = (column - mean).square().sum() / static_cast<double>(x.rows() - 1);
    running_mean()(0, col) += momentum * (static_cast<T>(mean) - running_mean()(0, col));
    running_var()(0, col) += momentum * (static_cast<T>(variance) - running_var()(0, col));
  }
  return y * w + b;
}

template <class T> BasicLayerNorm<T>::BasicLayerNorm(Index features, LayerNormOptions options) : options_(options) {
  check("layer_norm", features, options.eps);
  weight = this->add_parameter("weight", BasicMatrix<T>::Ones(1, features));
  bias = this->add_parameter("bias", BasicMatrix<T>::Zero(1, features));
}

template <class T> BasicVar<T> BasicLayerNorm<T>::forward(BasicVar<T> x) {
  BasicTape<T>& tape = x.tape();
  check_columns("layer_norm", x, weight.size());
  const BasicVar<T> w = tape.parameter(weight);
  const BasicVar<T> b = tape.parameter(bias);
  return standardize(x, Axis::cols, options_.eps) * w + b;
}

TAPEGRAD_INSTANTIATE_SCALARS(BatchNorm1d)
TAPEGRAD_INSTANTIATE_SCALARS(LayerNorm)

}  // namespace tapegrad
