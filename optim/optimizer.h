#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapegrad/core/parameter.h"

/// Optimizers: what turns gradients into better parameters.
///
///     Adam adam(net.parameters(), {.lr = 0.05});
///     for (…) {
///       tape.reset();                            // gradients start at zero
///       mse(net(tape.input(x)), y).backward();
///       adam.step();
///     }
///
/// Formulas and defaults are PyTorch's, but for one thing: an optimizer counts its steps once, not per parameter. In
/// the formulas below w is a parameter, g its gradient, t the number of the step, from 1. What becomes of an element
/// depends neither on its place nor on the size of the array.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Settings of Sgd. Throws unless lr ≥ 0, momentum ≥ 0, weight_decay ≥ 0 and all are finite. */
struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;     ///< of the gradients that enter the momentum, but the first
  bool nesterov = false;    ///< look ahead along the momentum; needs momentum and no dampening
  double weight_decay = 0;  ///< λ: adds λ·w to the gradient (L2 penalty)
};

/** Settings of Adam. Throws unless lr, eps, weight_decay ≥ 0 and finite, and both betas in [0, 1). */
struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< λ: adds λ·w to the gradient (L2 penalty)
  bool amsgrad = false;     ///< divide by the largest v so far
};

/** Settings of AdamW, checked as those of Adam. */
struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;  ///< λ: shrinks w itself by lr·λ·w, whatever the gradient
  bool amsgrad = false;        ///< divide by the largest v so far
};

/** Settings of RmsProp. Throws unless lr, eps, weight_decay, momentum ≥ 0 and finite, and alpha in [0, 1). */
struct RmsPropOptions {
  double lr = 0.01;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;  ///< λ: adds λ·w to the gradient (L2 penalty)
  double momentum = 0;
  bool centered = false;  ///< divide by the standard deviation instead of the root mean square
};

/** Settings of Adagrad. Throws unless all are ≥ 0 and finite. */
struct AdagradOptions {
  double lr = 0.01;
  double lr_decay = 0;
  double eps = 1e-10;
  double weight_decay = 0;               ///< λ: adds λ·w to the gradient (L2 penalty)
  double initial_accumulator_value = 0;  ///< of the sum of squares
};

/** Settings for make_optimizer(); what is not given has the optimizer's own default. */
struct OptimizerOptions {
  std::optional<double> lr = {};
  std::optional<double> momentum = {};
  std::optional<double> weight_decay = {};
};

/** Parameters that share settings of their own in place of the optimizer's. */
template <class T> struct BasicParameterGroup {
  std::vector<BasicParameter<T>> parameters;
  std::optional<double> lr = {};
  std::optional<double> weight_decay = {};
};

/** What an optimizer is made of: parameters, or groups of them.
 *
 *      Sgd a(net.parameters(), {.lr = 0.1});
 *      Sgd b({{.parameters = body}, {.parameters = head, .lr = 1}}, {.lr = 0.1}); */
template <class T> struct BasicParameterGroups {
  BasicParameterGroups(std::vector<BasicParameter<T>> parameters) : groups{{std::move(parameters), {}, {}}} {}
  BasicParameterGroups(std::initializer_list<BasicParameter<T>> parameters)
      : BasicParameterGroups(std::vector(parameters)) {}
  BasicParameterGroups(std::vector<BasicParameterGroup<T>> several) : groups(std::move(several)) {}
  BasicParameterGroups(std::initializer_list<BasicParameterGroup<T>> several) : groups(several) {}

  std::vector<BasicParameterGroup<T>> groups;
};

/** What an optimizer remembers of one parameter. The name is there to be read; the position decides. */
template <class T> struct BasicParameterState {
  std::string name;
  Shape shape;
  std::vector<std::pair<std::string, BasicMatrix<T>>> buffers;  ///< each of the parameter's shape
};

/** Everything a run needs to go on as if it had never stopped, beside the parameters and settings themselves. */
template <class T> struct BasicOptimizerState {
  std::string optimizer;          ///< "adam"
  Index steps = 0;                ///< taken so far
  double lr = 0;                  ///< the optimizer's learning rate
  std::vector<double> lr_scales;  ///< a group's learning rate over the optimizer's
  std::vector<BasicParameterState<T>> parameters;
};

/** What all optimizers share: parameters, groups, learning rates, the step counter and the state.
 *
 * Another optimizer names its buffers to the constructor and defines update(). The constructor throws when there
 * are no parameters, one is empty or given twice, or a setting is out of its range. */
template <class T> class BasicOptimizer {
 public:
  virtual ~BasicOptimizer() = default;
  BasicOptimizer(const BasicOptimizer&) = delete;
  BasicOptimizer& operator=(const BasicOptimizer&) = delete;

  /** Updates every parameter from its gradient. Untouched, with its buffers, stays one that is frozen
   * (`requires_grad()` false) or that no backward pass has reached in this step (`has_grad()` false): no momentum
   * and no weight decay moves it. The step counts for it all the same. Denormal numbers count as 0: what an optimizer
   * remembers of a dead unit's gradients decays to them, never to 0, and would make every later step up to ten times as
   * slow. Allocates nothing. Throws when a parameter or its gradient no longer has the shape it had at first. */
  void step();
  /** How many steps have been taken: one counter for all parameters. */
  Index steps() const { return steps_; }

  double lr() const { return lr_; }
  double lr(Index group) const { return lr_ * lr_scales_[checked(group)]; }
  /** Sets the learning rate. Groups with their own keep its ratio to the optimizer's, so that a schedule moves all
   * of them together. */
  void set_lr(double lr);
  /** Sets the learning rate of one group, and so its ratio. Throws when that has none because lr() is 0. */
  void set_lr(Index group, double lr);
  Index groups() const { return static_cast<Index>(lr_scales_.size()); }

  /** "adam" */
  std::string_view name() const { return name_; }
  /** All parameters, group after group: the order of the state. */
  const std::vector<BasicParameter<T>>& parameters() const { return parameters_; }

  /** A copy of the step counter, the learning rates and all buffers. */
  BasicOptimizerState<T> state() const;
  /** Goes on from `state`: the next steps are bitwise those that would have followed. Throws, before anything is
   * changed, when it is of another optimizer, other groups, or parameters of another number or shape. */
  void load_state(const BasicOptimizerState<T>& state);

 protected:
  /** One parameter in one step. */
  struct Update {
    T* value;
    const T* grad;
    Index size;               ///< of both
    double lr;                ///< of its group
    double weight_decay;      ///< of its group
    BasicMatrix<T>* buffers;  ///< in the order of their names
  };

  BasicOptimizer(std::string_view name, BasicParameterGroups<T> groups, double lr, double weight_decay,
                 std::vector<std::string_view> buffer_names, double buffer_value = 0);

 private:
  /** Writes the new value and buffers. steps() is the number of this step, from 1. */
  virtual void update(const Update& p) = 0;

  [[noreturn]] void fail_changed(std::size_t parameter) const;
  std::size_t checked(Index group) const;
  double ratio(double group_lr) const;

  std::string name_;
  std::vector<std::string_view> buffer_names_;
  std::vector<BasicParameter<T>> parameters_;
  std::vector<Shape> shapes_;            // of each parameter
  std::vector<std::size_t> group_of_;    // of each parameter
  std::vector<BasicMatrix<T>> buffers_;  // those of the first parameter, then those of the second, …
  std::vector<double> weight_decays_;    // of each group
  std::vector<double> lr_scales_;        // of each group
  double lr_ = 0;
  Index steps_ = 0;
};

/** Stochastic gradient descent (Sutskever et al. 2013 for the momentum), with g ← g + λw:
 *
 *      m ← μm + (1 − dampening)·g        at t = 1: m ← g
 *      w ← w − lr·m                      nesterov: w − lr·(g + μm);  without momentum: w − lr·g */
template <class T> class BasicSgd final : public BasicOptimizer<T> {
 public:
  using Options = SgdOptions;
  static constexpr std::string_view id = "sgd";
  explicit BasicSgd(BasicParameterGroups<T> parameters, SgdOptions options = {});

 private:
  void update(const typename BasicOptimizer<T>::Update& p) override;
  SgdOptions options_;
};

/** Adam (Kingma & Ba 2015; AMSGrad: Reddi et al. 2018), with g ← g + λw:
 *
 *      m ← β₁m + (1 − β₁)·g,   v ← β₂v + (1 − β₂)·g²,   amsgrad: u ← max(u, v), else u = v
 *      w ← w − lr·m̂/(√û + ε)   with m̂ = m/(1 − β₁ᵗ), û = u/(1 − β₂ᵗ) */
template <class T> class BasicAdam : public BasicOptimizer<T> {
 public:
  using Options = AdamOptions;
  static constexpr std::string_view id = "adam";
  explicit BasicAdam(BasicParameterGroups<T> parameters, AdamOptions options = {});

 protected:
  BasicAdam(std::string_view name, BasicParameterGroups<T> parameters, AdamOptions options, bool decoupled);

 private:
  void update(const typename BasicOptimizer<T>::Update& p) override;
  AdamOptions options_;
  bool decoupled_;
};

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019): w ← w − lr·λ·w, then Adam's step with λ = 0. */
template <class T> class BasicAdamW final : public BasicAdam<T> {
 public:
  using Options = AdamWOptions;
  static constexpr std::string_view id = "adamw";
  explicit BasicAdamW(BasicParameterGroups<T> parameters, AdamWOptions options = {});
};

/** RMSprop (Tieleman & Hinton 2012; centered: Graves 2013), with g ← g + λw:
 *
 *      v ← αv + (1 − α)·g²,   centered: a ← αa + (1 − α)·g and u = v − a² (0 if rounding makes it less), else u = v
 *      m ← μm + g/(√u + ε)
 *      w ← w − lr·m                      without momentum: w − lr·g/(√u + ε) */
template <class T> class BasicRmsProp final : public BasicOptimizer<T> {
 public:
  using Options = RmsPropOptions;
  static constexpr std::string_view id = "rmsprop";
  explicit BasicRmsProp(BasicParameterGroups<T> parameters, RmsPropOptions options = {});

 private:
  void update(const typename BasicOptimizer<T>::Update& p) override;
  RmsPropOptions options_;
};

/** Adagrad (Duchi et al. 2011), with g ← g + λw:
 *
 *      s ← s + g²
 *      w ← w − lr/(1 + (t − 1)·lr_decay)·g/(√s + ε) */
template <class T> class BasicAdagrad final : public BasicOptimizer<T> {
 public:
  using Options = AdagradOptions;
  static constexpr std::string_view id = "adagrad";
  explicit BasicAdagrad(BasicParameterGroups<T> parameters, AdagradOptions options = {});

 private:
  void update(const typename BasicOptimizer<T>::Update& p) override;
  AdagradOptions options_;
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

TAPEGRAD_SCALARS(Optimizer)
TAPEGRAD_SCALARS(Sgd)
TAPEGRAD_SCALARS(Adam)
TAPEGRAD_SCALARS(AdamW)
TAPEGRAD_SCALARS(RmsProp)
TAPEGRAD_SCALARS(Adagrad)
TAPEGRAD_ALIASES(ParameterGroup)
TAPEGRAD_ALIASES(ParameterGroups)
TAPEGRAD_ALIASES(ParameterState)
TAPEGRAD_ALIASES(OptimizerState)
