#include "tapegrad/layers/activation.h"

#include <fmt/core.h>

#include <array>

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicActivationLayer<T>::BasicActivationLayer(Activation activation, Index features)
    : activation_(std::move(activation)) {
  for (const auto& [name, initial] : activation_.learned()) {
    if (features < 1)
      fail(activation_.name(),
           fmt::format("the layer needs its number of features, to learn one value for each, and nothing before it "
                       "tells that: write ActivationLayer(activation(\"{}\"), features)",
                       activation_.text()));
    learned_.push_back(
        this->add_parameter(std::string(name), BasicMatrix<T>::Constant(1, features, static_cast<T>(initial))));
  }
}

template <class T> BasicVar<T> BasicActivationLayer<T>::forward(BasicVar<T> x) {
  if (learned_.empty()) return activation_(x);
  std::array<BasicVar<T>, 4> learned;
  for (std::size_t i = 0; i < learned_.size(); ++i) learned.at(i) = x.tape().parameter(learned_[i]);
  return activation_(x, std::span<const BasicVar<T>>(learned.data(), learned_.size()));
}

TAPEGRAD_INSTANTIATE_SCALARS(ActivationLayer)

}  // namespace tapegrad
