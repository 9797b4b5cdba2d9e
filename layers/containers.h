#pragma once

#include <concepts>

#include "tapegrad/layers/activation.h"

namespace tapegrad::inline TAPEGRAD_ABI {

namespace detail {
/** Arguments of a constructor that are not those of the copy or move constructor. */
template <class Self, class... Given>
concept NotCopy = sizeof...(Given) > 1 || (!std::same_as<std::remove_cvref_t<Given>, Self> || ...);
}  // namespace detail

/** Modules in a row: the output of one is the input of the next. Takes layers, activation rules and activations;
 * an error inside carries the path of the layer, "0.linear: [matmul] …".
 *
 *      Sequential net{Linear(784, 128, rng), Relu(), Linear(128, 10, rng)};
 *
 * Use braces: what stands in them is evaluated from left to right, so the first layer draws its random numbers first.
 * Arguments in parentheses are evaluated in any order: GCC would make the last layer first, Clang the first. */
template <class T> class BasicSequential : public BasicModule<T> {
  /// Whatever stands among the layers.
  struct Given {
    Given() = default;
    Given(BasicVar<T> (*)(const BasicVar<T>&)) {}
    template <class Layer> Given(Layer&&) {}
  };

 public:
  BasicSequential() = default;
  template <class... Layers>
  requires detail::NotCopy<BasicSequential, Layers...>
  explicit BasicSequential(Layers&&... layers) { (add(std::forward<Layers>(layers)), ...); }

  /// Chosen only where an argument is a function template, which has no type to deduce: Sequential{Linear(…), relu}.
  template <class Never = void>
  explicit BasicSequential(Given, Given = {}, Given = {}, Given = {}, Given = {}, Given = {}, Given = {},
                           Given = {}, Given = {}, Given = {}, Given = {}, Given = {}) {
    add(static_cast<Never*>(nullptr));  // says what a layer is
  }

  /** Appends a layer or an activation rule. */
  template <class Layer>
  requires(!std::convertible_to<Layer, std::unique_ptr<BasicModule<T>>> &&
           !std::convertible_to<Layer, Activation>) void add(Layer&& layer) {
    using Plain = std::remove_cvref_t<Layer>;
    using OtherScalar = std::conditional_t<std::same_as<T, float>, double, float>;
    if constexpr (std::derived_from<Plain, BasicModule<T>>) {
      constexpr bool given_away = !std::is_lvalue_reference_v<Layer>;
      static_assert(given_away,
                    "a layer belongs to one network: make it in place, Sequential{Linear(2, 8, rng), Tanh()}, "
                    "or give it away with std::move(layer)");
      if constexpr (given_away) add(std::make_unique<Plain>(std::move(layer)));
    } else if constexpr (std::derived_from<Plain, BasicModule<OtherScalar>>) {
      static_assert(std::same_as<T, OtherScalar>,
                    "a network has one scalar: all of its layers are of namespace tapegrad "
                    "(float), or all of tapegrad::f64 (double)");
    } else {
      static_assert(std::is_class_v<Plain>,
                    "a layer is a module, such as Linear(2, 8, rng), or an activation rule, such as "
                    "Relu(), not relu; by its name it is activation(\"relu\")");
      if constexpr (std::is_class_v<Plain>) add(make_activation(layer));
    }
  }
  void add(const Activation& activation) { add(BasicActivationLayer<T>(activation, out_features(0))); }
  void add(const Activation& activation, Index features) { add(BasicActivationLayer<T>(activation, features)); }
  void add(std::unique_ptr<BasicModule<T>> module) { this->add_module(std::to_string(size()), std::move(module)); }

  std::size_t size() const { return this->children().size(); }
  /** Layer number `index`. Throws when there is none. */
  BasicModule<T>& operator[](std::size_t index) const;
  /** The same as its own type: `net.at<Linear>(0).weight`. Throws when it is of another type. */
  template <class Layer> Layer& at(std::size_t index) const {
    auto* layer = dynamic_cast<Layer*>(&(*this)[index]);
    if (layer == nullptr)
      fail("sequential", "layer " + std::to_string(index) + " is of another type: it is '" +
                             std::string((*this)[index].kind()) + "'");
    return *layer;
  }

  std::string_view kind() const override { return "sequential"; }
  /** "sequential(linear(784, 128), relu, linear(128, 10))" */
  std::string text() const override;
  Index out_features(Index in) const override;

 protected:
  BasicVar<T> forward(BasicVar<T> x) override;
};

/** y = x + f(x), f the layers in a row: batch×n → batch×n (He et al. 2016). Throws when f changes the shape.
 *
 *      Residual block{Linear(64, 64, rng), Relu(), Linear(64, 64, rng)}; */
template <class T> class BasicResidual : public BasicModule<T> {
 public:
  template <class... Layers>
  requires detail::NotCopy<BasicResidual, Layers...>
  explicit BasicResidual(Layers&&... layers) {
    this->add_module("inner", std::make_unique<BasicSequential<T>>(std::forward<Layers>(layers)...));
  }
  std::string_view kind() const override { return "residual"; }
  std::string text() const override;
  Index out_features(Index in) const override { return this->children()[0].second->out_features(in); }

 protected:
  BasicVar<T> forward(BasicVar<T> x) override;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Sequential)
TAPEGRAD_SCALARS(Residual)
