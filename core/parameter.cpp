#include "tapegrad/core/parameter.h"

#include <utility>

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicParameter<T>::BasicParameter(std::string name, BasicMatrix<T> value) : data_(std::make_shared<Data>()) {
  data_->name = std::move(name);
  data_->value = std::move(value);
  data_->grad.resize(data_->value.rows(), data_->value.cols());
}

template <class T> void BasicParameter<T>::clear_grad() const {
  data_->grad.setZero(data_->value.rows(), data_->value.cols());
}

template <class T> BasicMatrix<T>& BasicParameter<T>::mutable_grad() const {
  grad();
  data_->has_grad = true;
  return data_->grad;
}

TAPEGRAD_INSTANTIATE_SCALARS(Parameter)

}  // namespace tapegrad
