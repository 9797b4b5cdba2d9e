#pragma once

#include <cmath>
#include <concepts>
#include <memory>

#include "tapegrad/core/check.h"
#include "tapegrad/core/kernels/math.h"
#include "tapegrad/optim/optimizer.h"

/// Every optimizer is a struct of its settings with a name, what it remembers, the range of its own settings and one
/// update; one word at the end of this file registers it. With eps = 0 an element whose gradients were all zero stays as it
/// is: 0/0 counts as 0 (PyTorch makes it NaN).

namespace tapegrad::inline TAPEGRAD_ABI {

/** E x² − (E x)², and 0 where rounding makes it less */
template <class T> Pack<T> variance(Pack<T> mean_of_squares, Pack<T> mean) {
  return simd::max(mean_of_squares - mean * mean, Pack<T>(0));
}
/** a/b, but 0 where b is 0: without ε, an element that never had a gradient stays where it is. */
template <class T> Pack<T> quotient(Pack<T> a, Pack<T> b) { return select(b == Pack<T>(0), Pack<T>(0), a / b); }

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
  OptimizerBuffers buffers() const { return {{"momentum_buffer", momentum != 0}}; }
  Settings settings() const {
    return {{"momentum", momentum}, {"dampening", dampening, SettingDomain::finite}, {"nesterov", nesterov}};
  }
  void check() const {
    if (nesterov && (momentum == 0 || dampening != 0))
      fail(name, "nesterov needs momentum and no dampening, got momentum " + to_string(momentum) +
                     " and dampening " + to_string(dampening));
  }
  template <class T> void update(const OptimizerUpdate<T>& p) const {
    if (momentum == 0 && p.weight_decay == 0)
      return p.each([minus_lr = Pack<T>(-p.lr)](Pack<T>& w, Pack<T> g, auto) { w = madd(minus_lr, g, w); });
    const double share = p.t == 1 ? 1 : 1 - dampening;
    p.each([=, *this, rate = p.lr, buffer = p.buffer(0)](Pack<T>& w, Pack<T> g, auto at) {
      const Pack<T> m = at.momentum(buffer, momentum, share, g);
      w = w - rate * (nesterov ? g + momentum * m : m);
    });
  }
};

/** Adam (Kingma & Ba 2015; AMSGrad: Reddi et al. 2018), with g ← g + λw:
 *
 *      m ← β₁m + (1 − β₁)·g,   v ← β₂v + (1 − β₂)·g²,   amsgrad: u ← max(u, v), else u = v
 *      w ← w − lr·m̂/(√û + ε)   with m̂ = m/(1 − β₁ᵗ), û = u/(1 − β₂ᵗ)
 *
 * and AdamW, the same with decoupled weight decay (Loshchilov & Hutter 2019): w ← w − lr·λ·w, then Adam's step with λ = 0.
 * Throws unless lr, eps, weight_decay ≥ 0 and finite, and both betas in [0, 1). */
template <bool decoupled> struct AdamRule {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = decoupled ? 0.01 : 0;  ///< λ: shrinks w by lr·λ·w, or adds λ·w to the gradient (L2 penalty)
  bool amsgrad = false;                        ///< divide by the largest v so far

  static constexpr std::string_view name = decoupled ? "adamw" : "adam";
  OptimizerBuffers buffers() const { return {{"exp_avg"}, {"exp_avg_sq"}, {"max_exp_avg_sq", amsgrad}}; }
  Settings settings() const {
    return {{"beta1", beta1, SettingDomain::below_one},
            {"beta2", beta2, SettingDomain::below_one},
            {"eps", eps},
            {"amsgrad", amsgrad}};
  }
  template <class T> void update(OptimizerUpdate<T> p) const {
    const double shrink = decoupled ? 1 - p.lr * std::exchange(p.weight_decay, 0) : 1;
    const double step_size = p.lr / (1 - std::pow(beta1, p.t));
    const double correction = 1 / std::sqrt(1 - std::pow(beta2, p.t));  // one division per element is slow enough
    p.each([=, *this, mean = p.buffer(0), square = p.buffer(1), largest = p.buffer(2)](Pack<T>& w, Pack<T> g,
                                                                                       auto at) {
      const Pack<T> m = at.put(mean, lerp(at.load(mean), g, 1 - beta1));
      Pack<T> v = at.put(square, madd(Pack<T>(beta2), at.load(square), (1 - beta2) * g * g));
      if (largest != nullptr) v = at.put(largest, simd::max(at.load(largest), v));
      w = shrink * w - quotient(step_size * m, madd(simd::sqrt(v), Pack<T>(correction), Pack<T>(eps)));
    });
  }
};
using AdamOptions = AdamRule<false>;
using AdamWOptions = AdamRule<true>;

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
  OptimizerBuffers buffers() const {
    return {{"square_avg"}, {"momentum_buffer", momentum != 0}, {"grad_avg", centered}};
  }
  Settings settings() const {
    return {
        {"alpha", alpha, SettingDomain::below_one}, {"eps", eps}, {"momentum", momentum}, {"centered", centered}};
  }
  template <class T> void update(const OptimizerUpdate<T>& p) const {
    p.each([*this, rate = p.lr, square = p.buffer(0), buffer = p.buffer(1), mean = p.buffer(2)](
               Pack<T>& w, Pack<T> g, auto at) {
      Pack<T> v = at.put(square, alpha * at.load(square) + (1 - alpha) * g * g);
      if (mean != nullptr) v = variance(v, at.put(mean, lerp(at.load(mean), g, 1 - alpha)));
      w = w - rate * at.momentum(buffer, momentum, 1, quotient(g, simd::sqrt(v) + eps));
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
  OptimizerBuffers buffers() const { return {{"sum", true, initial_accumulator_value}}; }
  Settings settings() const {
    return {{"initial_accumulator_value", initial_accumulator_value}, {"lr_decay", lr_decay}, {"eps", eps}};
  }
  template <class T> void update(const OptimizerUpdate<T>& p) const {
    const double rate = p.lr / (1 + static_cast<double>(p.t - 1) * lr_decay);
    p.each([rate, eps = eps, sum = p.buffer(0)](Pack<T>& w, Pack<T> g, auto at) {
      const Pack<T> s = at.put(sum, at.load(sum) + g * g);
      w = w - quotient(rate * g, simd::sqrt(s) + eps);
    });
  }
};

/** The optimizer that a struct of settings describes; one of your own is `RuleOptimizer<float, Lion>`:
 *
 *      struct Lion {   // Chen et al. 2023
 *        double lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
 *        static constexpr std::string_view name = "lion";
 *        OptimizerBuffers buffers() const { return {{"exp_avg"}}; }   // what it remembers of each element
 *        Settings settings() const {                                  // what the constructor checks; may be missing
 *          return {{"beta1", beta1, SettingDomain::below_one}, {"beta2", beta2, SettingDomain::below_one}};
 *        }
 *        template <class T> void update(const OptimizerUpdate<T>& p) const {
 *          p.each([*this, rate = p.lr, mean = p.buffer(0)](Pack<T>& w, Pack<T> g, auto at) {
 *            const Pack<T> m = at.load(mean);
 *            w = w - rate * sign(lerp(g, m, beta1));
 *            at.store(mean, lerp(g, m, beta2));
 *          });
 *        }
 *      };
 *
 * What its settings must be together, as nesterov needs momentum, a `void check() const` checks. */
template <class T, class Rule> class RuleOptimizer final : public BasicOptimizer<T> {
  static constexpr bool named = requires { std::string_view(Rule::name); };
  static constexpr bool has_rates = requires(const Rule rule) { double(rule.lr + rule.weight_decay); };
  static constexpr bool has_buffers = requires(const Rule rule) { OptimizerBuffers(rule.buffers()); };
  static constexpr bool updates = requires(const Rule rule, const OptimizerUpdate<T> p) { rule.update(p); };
  static_assert(named, "an optimizer needs a name: static constexpr std::string_view name = \"lion\";");
  static_assert(has_rates, "an optimizer needs double lr = 1e-3; and double weight_decay = 0;");
  static_assert(has_buffers, "an optimizer needs OptimizerBuffers buffers() const { return {}; }");
  static_assert(updates, "an optimizer needs template <class T> void update(const OptimizerUpdate<T>& p) const");

 public:
  using Options = Rule;
  explicit RuleOptimizer(BasicParameterGroups<T> parameters, Rule options = {})
      : BasicOptimizer<T>(Rule::name, std::move(parameters), options.lr, options.weight_decay, options.buffers()),
        rule_(options) {
    check_settings(Rule::name, settings());
    if constexpr (requires { options.check(); }) options.check();
  }

 private:
  void update(const OptimizerUpdate<T>& p) override;
  Settings settings() const override {
    if constexpr (requires { rule_.settings(); })
      return rule_.settings();
    else
      return {};
  }
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
