#include "tapegrad/layers/containers.h"

#include "tapegrad/core/arithmetic.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> BasicModule<T>& BasicSequential<T>::operator[](std::size_t index) const {
  if (index >= size())
    fail("sequential", "no layer " + std::to_string(index) + ": there are " + std::to_string(size()));
  return *this->children()[index].second;
}

template <class T> std::string BasicSequential<T>::text() const {
  const detail::OneDeeper here;
  std::string list;
  for (const auto& [name, layer] : this->children()) list += (list.empty() ? "" : ", ") + layer->text();
  return "sequential(" + list + ")";
}

template <class T> Index BasicSequential<T>::out_features(Index in) const {
  const detail::OneDeeper here;
  for (const auto& [name, layer] : this->children()) in = layer->out_features(in);
  return in;
}

template <class T> BasicVar<T> BasicSequential<T>::forward(BasicVar<T> x) {
  for (const auto& [name, layer] : this->children()) x = (*layer)(x);
  return x;
}

template <class T> std::string BasicResidual<T>::text() const {
  return "residual" + this->children()[0].second->text().substr(std::string_view("sequential").size());
}

template <class T> BasicVar<T> BasicResidual<T>::forward(BasicVar<T> x) {
  const BasicVar<T> y = (*this->children()[0].second)(x);
  if (y.shape() != x.shape())
    fail("residual",
         "the input is " + to_string(x.shape()) + ", the layers inside make it " + to_string(y.shape()));
  return x + y;
}

TAPEGRAD_INSTANTIATE_SCALARS(Sequential)
TAPEGRAD_INSTANTIATE_SCALARS(Residual)

}  // namespace tapegrad
