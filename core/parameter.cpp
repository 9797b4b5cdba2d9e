#include "tapegrad/core/parameter.h"

#include <utility>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicParameter<T>::BasicParameter(std::string name, BasicMatrix<T> value) : data_(std::make_shared<Data>()) {
  data_->name = std::move(name);
  data_->value = std::move(value);
  data_->grad.resize(data_->value.rows(), data_->value.cols());
}

template <class T> void BasicParameter<T>::set_value(const BasicMatrixRef<T>& value) const {
  if (Shape{value.rows(), value.cols()} == shape()) {
    mutable_value() = value;
  } else {
    BasicMatrix<T> copy = value;
    data_->before.swap(mutable_value());
    data_->value.swap(copy);
  }
}

template <class T> void BasicParameter<T>::fail_empty() { fail("parameter", "the parameter is empty"); }

template <class T> void BasicParameter<T>::clear_grad() const {
  // Not setZero(rows, cols) on another size: Eigen frees the old memory first, and keeps it when there is no other.
  if (Shape{data_->grad.rows(), data_->grad.cols()} != shape())
    BasicMatrix<T>(value().rows(), value().cols()).swap(data_->grad);
  data_->grad.setZero();
}

template <class T> BasicMatrix<T>& BasicParameter<T>::mutable_grad() const {
  grad();
  data_->has_grad = true;
  return data_->grad;
}

TAPEGRAD_INSTANTIATE_SCALARS(Parameter)

}  // namespace tapegrad
