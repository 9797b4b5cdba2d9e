#include "tapegrad/optim/clip.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tapegrad/core/check.h"
#include "tapegrad/core/elementwise.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/** √Σg²: fast where no square can overflow or vanish, with care elsewhere. */
template <class T> double norm_of(const BasicMatrix<T>& grad) {
  const Eigen::Map<const Eigen::Vector<T, Eigen::Dynamic>> values(grad.data(), grad.size());
  constexpr Index block = 1024;  // summed in T, the blocks in double
  double sum = 0;
  for (Index i = 0; i < values.size(); i += block)
    sum += static_cast<double>(values.segment(i, std::min(block, values.size() - i)).squaredNorm());
  if (sum > 1e-20 && sum < 1e30) return std::sqrt(sum);
  return values.template cast<double>().stableNorm();
}

/** Calls f(parameter, gradient) for each that has one. */
template <class T, class F> void each_grad(const std::vector<BasicParameter<T>>& parameters, const F& f) {
  for (const BasicParameter<T>& p : parameters)
    if (p.requires_grad() && p.has_grad()) f(p, p.mutable_grad());
}

}  // namespace

template <class T> double clip_grad_norm(const std::vector<BasicParameter<T>>& parameters, double max_norm) {
  check_setting("clip_grad_norm", "max_norm", SettingDomain::limit, max_norm);
  double norm = 0;
  each_grad(parameters, [&](const BasicParameter<T>& p, const BasicMatrix<T>& grad) {
    const double part = norm_of(grad);
    if (!std::isfinite(part))
      fail("clip_grad_norm", fmt::format("the norm of the gradient of {} is {}", p.name(), part));
    norm = std::hypot(norm, part);
  });
  if (!std::isfinite(norm)) fail("clip_grad_norm", fmt::format("the norm of all gradients is {}", norm));
  const double scale = max_norm / (norm + 1e-6);
  if (scale < 1) each_grad(parameters, [&](const auto&, BasicMatrix<T>& grad) { grad *= static_cast<T>(scale); });
  return norm;
}

template <class T> void clip_grad_value(const std::vector<BasicParameter<T>>& parameters, double limit) {
  check_setting("clip_grad_value", "limit", SettingDomain::limit, limit);
  each_grad(parameters, [&](const auto&, BasicMatrix<T>& grad) {
    elementwise::for_each_pack<T>(0, grad.size(), [&](Index i, int count) {
      const Pack<T> g = Pack<T>::load(grad.data() + i, count);
      simd::min(simd::max(g, Pack<T>(-limit)), Pack<T>(limit)).store(grad.data() + i, count);
    });
  });
}

#define TAPEGRAD_FUNCTIONS(T)                                                    \
  template double clip_grad_norm(const std::vector<BasicParameter<T>>&, double); \
  template void clip_grad_value(const std::vector<BasicParameter<T>>&, double);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
