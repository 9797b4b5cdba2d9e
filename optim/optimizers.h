#pragma once

#include <cmath>
#include <concepts>
#include <memory>

#include "tapegrad/core/check.h"
#include "tapegrad/core/kernels/math.h"
#include "tapegrad/optim/optimizer.h"

/// Every optimizer is a struct of its settings with a name, what it remembers, the range of its own settings and one
/// update; one word at the end of this file registers it.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Stochastic gradient descent (Sutskever et al. 2013 for the momentum), with g ← g + λw:
 *
 *      m ← μm + (1 − dampening)·g        at t = 1: m ← g
 *      w ← w − lr·m                      nesterov: w − lr·(g + μm);  without momentum: w − lr·g
 *
 * Throws unless lr ≥ 0, momentum ≥ 0, weight_decay ≥ 0 and all are finite. */
struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;     ///< of the gradients that enter the momentum, but the first
  bool nesterov = false;    ///< look ahead along the momentum; needs momentum and no dampening
  double weight_decay = 0;  ///< λ: adds λ·w to the gradient (L2 penalty)

  static constexpr std::string_view name = "sgd";
  std::vector<OptimizerBuffer> buffers() const { return {{"momentum_buffer", momentum != 0}}; }
  void check() const {
    check_setting(name, "momentum", SettingDomain::not_negative, momentum);
    check_setting(name, "dampening", SettingDomain::finite, dampening);
    if (nesterov && (momentum == 0 || dampening != 0))
      fail(name, "nesterov needs momentum and no dampening, got momentum " + to_string(momentum) +
                     " and dampening " + to_string(dampening));
  }
  template <class T> void update(const OptimizerUpdate<T>& p) const {
    if (momentum == 0 && p.weight_decay == 0)
      return p.each([minus_lr = Pack<T>(-p.lr)](Pack<T>& w, Pack<T> g, auto) { w = madd(minus_lr, g, w); });
    const double share = p.t == 1 ? 1 : 1 - dampening;
    p.each([rate = p.lr, share, mu = momentum, ahead = nesterov, buffer = p.buffer(0)](Pack<T>& w, Pack<T> g,
                                                                                       auto at) {
      if (buffer != nullptr) {
        const Pack<T> m = mu * at.load(buffer) + share * g;
        at.store(buffer, m);
        g = ahead ? g + mu * m : m;
      }
      w = w - rate * g;
    });
  }
};

/** Adam (Kingma & Ba 2015; AMSGrad: Reddi et al. 2018), with g ← g + λw:
 *
 *      m ← β₁m + (1 − β₁)·g,   v ← β₂v + (1 − β₂)·g²,   amsgrad: u ← max(u, v), else u = v
 *      w ← w − lr·m̂/(√û + ε)   with m̂ = m/(1 − β₁ᵗ), û = u/(1 − β₂ᵗ)
 *
 * Throws unless lr, eps, weight_decay ≥ 0 and finite, and both betas in [0, 1). */
struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< λ: adds λ·w to the gradient (L2 penalty)
  bool amsgrad = false;     ///< divide by the largest v so far

  static constexpr std::string_view name = "adam";
  std::vector<OptimizerBuffer> buffers() const {
    return {{"exp_avg"}, {"exp_avg_sq"}, {"max_exp_avg_sq", amsgrad}};
  }
  void check(std::string_view optimizer = name) const {
    check_settings(optimizer, SettingDomain::below_one, {{"beta1", beta1}, {"beta2", beta2}});
    check_setting(optimizer, "eps", SettingDomain::not_negative, eps);
  }
  /** `shrink` multiplies w before the step. */
  template <class T> void update(const OptimizerUpdate<T>& p, double shrink = 1) const {
    const auto t = static_cast<double>(p.t);
    const double step_size = p.lr / (1 - std::pow(beta1, t));
    const double correction = 1 / std::sqrt(1 - std::pow(beta2, t));  // one division per element is slow enough
    p.each([shrink, step_size, correction, beta1 = beta1, beta2 = beta2, eps = eps, mean = p.buffer(0),
            square = p.buffer(1), largest = p.buffer(2)](Pack<T>& w, Pack<T> g, auto at) {
      w = shrink * w;
      const Pack<T> m = lerp(at.load(mean), g, 1 - beta1);
      Pack<T> v = madd(Pack<T>(beta2), at.load(square), (1 - beta2) * g * g);
      at.store(mean, m);
      at.store(square, v);
      if (largest != nullptr) {
        v = simd::max(at.load(largest), v);
        at.store(largest, v);
      }
      w = w - step_size * m / madd(simd::sqrt(v), Pack<T>(correction), Pack<T>(eps));
    });
  }
};

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019): w ← w − lr·λ·w, then Adam's step with λ = 0. Settings are
 * checked as those of Adam. */
struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;  ///< λ: shrinks w itself by lr·λ·w, whatever the gradient
  bool amsgrad = false;        ///< divide by the largest v so far

  static constexpr std::string_view name = "adamw";
  AdamOptions adam() const { return {.beta1 = beta1, .beta2 = beta2, .eps = eps, .amsgrad = amsgrad}; }
  std::vector<OptimizerBuffer> buffers() const { return adam().buffers(); }
  void check() const { adam().check(name); }
  template <class T> void update(OptimizerUpdate<T> p) const {
    const double shrink = 1 - p.lr * p.weight_decay;
    p.weight_decay = 0;
    adam().update(p, shrink);
  }
};

/** RMSprop (Tieleman & Hinton 2012; centered: Graves 2013), with g ← g + λw:
 *
 *      v ← αv + (1 − α)·g²,   centered: a ← αa + (1 − α)·g and u = v − a² (0 if rounding makes it less), else u = v
 *      m ← μm + g/(√u + ε)
 *      w ← w − lr·m                      without momentum: w − lr·g/(√u + ε)
 *
 * Throws unless lr, eps, weight_decay, momentum ≥ 0 and finite, and alpha in [0, 1). */
struct RmsPropOptions {
  double lr = 0.01;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;  ///< λ: adds λ·w to the gradient (L2 penalty)
  double momentum = 0;
  bool centered = false;  ///< divide by the standard deviation instead of the root mean square

  static constexpr std::string_view name = "rmsprop";
  std::vector<OptimizerBuffer> buffers() const {
    return {{"square_avg"}, {"momentum_buffer", momentum != 0}, {"grad_avg", centered}};
  }
  void check() const {
    check_setting(name, "alpha", SettingDomain::below_one, alpha);
    check_settings(name, SettingDomain::not_negative, {{"eps", eps}, {"momentum", momentum}});
  }
  template <class T> void update(const OptimizerUpdate<T>& p) const {
    p.each([rate = p.lr, alpha = alpha, eps = eps, mu = momentum, square = p.buffer(0), buffer = p.buffer(1),
            mean = p.buffer(2)](Pack<T>& w, Pack<T> g, auto at) {
      Pack<T> v = alpha * at.load(square) + (1 - alpha) * g * g;
      at.store(square, v);
      if (mean != nullptr) {
        const Pack<T> a = lerp(at.load(mean), g, 1 - alpha);
        at.store(mean, a);
        v = simd::max(v - a * a, Pack<T>(0));
      }
      g = g / (simd::sqrt(v) + eps);
      if (buffer != nullptr) {
        g = mu * at.load(buffer) + g;
        at.store(buffer, g);
      }
      w = w - rate * g;
    });
  }
};

/** Adagrad (Duchi et al. 2011), with g ← g + λw:
 *
 *      s ← s + g²
 *      w ← w − lr/(1 + (t − 1)·lr_decay)·g/(√s + ε)
 *
 * Throws unless all are ≥ 0 and finite. */
struct AdagradOptions {
  double lr = 0.01;
  double lr_decay = 0;
  double eps = 1e-10;
  double weight_decay = 0;               ///< λ: adds λ·w to the gradient (L2 penalty)
  double initial_accumulator_value = 0;  ///< of the sum of squares

  static constexpr std::string_view name = "adagrad";
  std::vector<OptimizerBuffer> buffers() const { return {{"sum", true, initial_accumulator_value}}; }
  void check() const {
    check_settings(
        name, SettingDomain::not_negative,
        {{"initial_accumulator_value", initial_accumulator_value}, {"lr_decay", lr_decay}, {"eps", eps}});
  }
  template <class T> void update(const OptimizerUpdate<T>& p) const {
    const double rate = p.lr / (1 + static_cast<double>(p.t - 1) * lr_decay);
    p.each([rate, eps = eps, sum = p.buffer(0)](Pack<T>& w, Pack<T> g, auto at) {
      const Pack<T> s = at.load(sum) + g * g;
      at.store(sum, s);
      w = w - rate * g / (simd::sqrt(s) + eps);
    });
  }
};

/** The optimizer that such a struct describes; one of your own is `RuleOptimizer<float, Lion>`. */
template <class T, class Rule> class RuleOptimizer final : public BasicOptimizer<T> {
 public:
  using Options = Rule;
  explicit RuleOptimizer(BasicParameterGroups<T> parameters, Rule options = {})
      : BasicOptimizer<T>(Rule::name, std::move(parameters), options.lr, options.weight_decay, options.buffers()),
        rule_(options) {
    rule_.check();
  }

 private:
  void update(const OptimizerUpdate<T>& p) override;
  Rule rule_;
};

template <class T, class Rule> void RuleOptimizer<T, Rule>::update(const OptimizerUpdate<T>& p) { rule_.update(p); }

/** Settings for make_optimizer(); what is not given has the optimizer's own default. */
struct OptimizerOptions {
  std::optional<double> lr = {};
  std::optional<double> momentum = {};
  std::optional<double> weight_decay = {};
};

/** The optimizer of that name: `make_optimizer("adam", net.parameters(), {.lr = 0.05})`. Throws for an unknown name
 * and for a setting that the optimizer does not have:
 * "[optimizer] no optimizer named 'adm'; did you mean 'adam'?" */
template <class T>
std::unique_ptr<BasicOptimizer<T>> make_optimizer(std::string_view name, std::vector<BasicParameter<T>> parameters,
                                                  OptimizerOptions options = {});

/** The names that make_optimizer() knows. */
std::vector<std::string_view> optimizers();

}  // namespace tapegrad

/// The optimizers of the library: registered here and nowhere else.
#define TAPEGRAD_OPTIMIZERS(X) X(Sgd) X(Adam) X(AdamW) X(RmsProp) X(Adagrad)

#define TAPEGRAD_DECLARE_OPTIMIZER(Name)                                  \
  namespace tapegrad::inline TAPEGRAD_ABI {                               \
  template <class T> using Basic##Name = RuleOptimizer<T, Name##Options>; \
  extern template class RuleOptimizer<float, Name##Options>;              \
  extern template class RuleOptimizer<double, Name##Options>;             \
  }                                                                       \
  TAPEGRAD_ALIASES(Name)
TAPEGRAD_OPTIMIZERS(TAPEGRAD_DECLARE_OPTIMIZER)
#undef TAPEGRAD_DECLARE_OPTIMIZER
