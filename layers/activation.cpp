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
    with_memory(kind(), {1, features}, [&, name = name, initial = initial] {
      return this->add_parameter(std::string(name), BasicMatrix<T>::Constant(1, features, static_cast<T>(initial)));
    });
  }
}

template <class T> std::string BasicActivationLayer<T>::text() const {
  std::string text = activation_.text();
  if (this->own_parameters().empty()) return text;
  const bool has_settings = text.ends_with(')');
  if (has_settings) text.pop_back();
  return fmt::format("{}{}features={})", text, has_settings ? ", " : "(", this->own_parameters()[0].size());
}

template <class T> BasicVar<T> BasicActivationLayer<T>::forward(BasicVar<T> x) {
  std::array<BasicVar<T>, 4> learned;
  std::size_t count = 0;
  for (const BasicParameter<T>& parameter : this->own_parameters())
    learned.at(count++) = x.tape().parameter(parameter);
  return activation_(x, std::span<const BasicVar<T>>(learned.data(), count));
}

TAPEGRAD_INSTANTIATE_SCALARS(ActivationLayer)

}  // namespace tapegrad
