#pragma once

#include "tapegrad/layers/sequential.h"

namespace tapegrad {
inline namespace TAPEGRAD_ABI {

/** y = x + f(x), f the layers in a row: batch×n → batch×n (He et al. 2016). Throws when f changes the shape.
 *
 *      Residual block(Linear(64, 64, rng), Relu(), Linear(64, 64, rng)); */
template <class T> class BasicResidual : public BasicModule<T> {
 public:
  template <class... Layers>
  requires(sizeof...(Layers) > 0 &&
           !(sizeof...(Layers) == 1 && (std::same_as<std::remove_cvref_t<Layers>, BasicResidual> &&
                                        ...))) explicit BasicResidual(Layers&&... layers) {
    this->add_module("inner", std::make_unique<BasicSequential<T>>(std::forward<Layers>(layers)...));
  }
  std::string_view kind() const override { return "residual"; }

 protected:
  BasicVar<T> forward(BasicVar<T> x) override;
};

extern template class BasicResidual<float>;
extern template class BasicResidual<double>;

}  // namespace TAPEGRAD_ABI

using Residual = BasicResidual<float>;
namespace f64 {
using Residual = BasicResidual<double>;
}

}  // namespace tapegrad
