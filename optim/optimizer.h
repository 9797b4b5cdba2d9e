#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapegrad/core/check.h"
#include "tapegrad/core/kernels/denormals.h"
#include "tapegrad/core/kernels/map.h"
#include "tapegrad/core/kernels/threads.h"
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

/** Something that an optimizer remembers of each element of a parameter. */
struct OptimizerBuffer {
  std::string_view name;
  bool used = true;
  double initial = 0;
};

using OptimizerBuffers = std::vector<OptimizerBuffer>;

/** A pack of the elements that an update is at. */
template <class T> struct Lanes {
  Index first;
  int count;

  Pack<T> load(const T* from) const { return Pack<T>::load(from + first, count); }
  void store(T* to, Pack<T> x) const { x.store(to + first, count); }
  /** Stores x, and returns it. */
  Pack<T> put(T* to, Pack<T> x) const {
    store(to, x);
    return x;
  }
  /** Momentum, m ← μm + share·g; without a buffer for it g itself. */
  Pack<T> momentum(T* buffer, double mu, double share, Pack<T> g) const {
    return buffer == nullptr ? g : put(buffer, mu * load(buffer) + share * g);
  }
};

/** a + weight·(b − a), exact at both ends */
template <class T> Pack<T> lerp(Pack<T> a, Pack<T> b, double weight) {
  return weight < 0.5 ? madd(Pack<T>(weight), b - a, a) : madd(Pack<T>(weight - 1), b - a, b);
}

/** One parameter in one step. */
template <class T> struct OptimizerUpdate {
  T* value;
  const T* grad;
  Index size;           ///< of both
  double lr;            ///< of its group
  double weight_decay;  ///< of its group
  Index t;              ///< the number of the step, from 1
  BasicMatrix<T>* buffers;

  /** Buffer number i of the optimizer; null when it is not used. */
  T* buffer(std::size_t i) const { return buffers[i].data(); }
  /** Calls body(w, g, at) for every pack, w the values, g the gradients with λw added, and stores the new w: one pass over
   * the memory of a parameter and its buffers, which the body loads and stores by `at`. Long ones are divided among the
   * threads, which get a copy of the body: its address does not escape, so for short ones what it holds stays in
   * registers. */
  template <class Body> EIGEN_ALWAYS_INLINE void each(const Body& body) const {
    if (weight_decay == 0) return each_pack(body);
    each_pack([body, decay = weight_decay](Pack<T>& w, Pack<T> g, auto at) { body(w, g + decay * w, at); });
  }

 private:
  template <class Body> EIGEN_ALWAYS_INLINE void each_pack(const Body& body) const {
    const auto packs = [body, w = value, g = grad](Index first, Index last) {
      elementwise::for_each_pack<T>(first, last, [&](Index i, int count) {
        const Lanes<T> at{i, count};
        Pack<T> x = at.load(w);
        body(x, at.load(g), at);
        at.store(w, x);
      });
    };
    if (size < parallel::least_elements) return packs(0, size);
    parallel::divide(size, 1024, true, [packs](Index first, Index last) {
      [[maybe_unused]] const DenormalsAreZero here;  // step() says so for its own thread only
      packs(first, last);
    });
  }
};

/** What all optimizers share: parameters, groups, learning rates, the step counter and the state. The constructor throws
 * when there are no parameters, one is empty or given twice, or a setting is out of its range. */
template <class T> class BasicOptimizer {
 public:
  virtual ~BasicOptimizer() = default;
  BasicOptimizer(const BasicOptimizer&) = delete;
  BasicOptimizer& operator=(const BasicOptimizer&) = delete;

  /** Updates every parameter from its gradient. Parameters that are frozen (`requires_grad()` false)
   * or got no gradient in this step (`has_grad()` false) are skipped, buffers included: neither momentum nor weight
   * decay moves them. The step counts for it all the same. Denormal numbers count as 0: what an optimizer
   * remembers of a dead unit's gradients decays to them, never to 0, and would make every later step up to ten times as
   * slow. Allocates nothing. Throws when a parameter or its gradient no longer has the shape it had at first, and when
   * none has a gradient though one requires it. */
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
  /** What is set once, but for the learning rate: "adam(beta1=0.9, beta2=0.999, eps=1e-08, amsgrad=0, weight_decay=0)" */
  std::string text() const;
  /** All parameters, group after group: the order of the state. */
  const std::vector<BasicParameter<T>>& parameters() const { return parameters_; }

  /** Shows a checkpoint everything that changes from step to step, beside the parameters: visit(name, number, its domain) and
   * visit(name, matrix), which must keep its shape. With the same numbers the next steps are bitwise the same. */
  template <class Visit> void each_state(const Visit& visit) {
    visit("steps", steps_, SettingDomain::not_negative);
    visit("lr", lr_, SettingDomain::not_negative);
    for (std::size_t i = 0; i < lr_scales_.size(); ++i)
      visit("lr_scale." + std::to_string(i), lr_scales_[i], SettingDomain::not_negative);
    const std::size_t each = buffers_of_each_.size();
    for (std::size_t i = 0; i < buffers_.size(); ++i)
      if (buffers_of_each_[i % each].used)
        visit(std::to_string(i / each) + "." + std::string(buffers_of_each_[i % each].name), buffers_[i]);
  }

 protected:
  using Update = OptimizerUpdate<T>;

  BasicOptimizer(std::string_view name, BasicParameterGroups<T> groups, double lr, double weight_decay,
                 OptimizerBuffers buffers);

 private:
  /** Writes the new value and buffers. */
  virtual void update(const Update& p) = 0;
  virtual Settings settings() const { return {}; }

  [[noreturn]] void fail_changed(std::size_t parameter) const;
  /// Throws when no parameter has a gradient though one requires it.
  void check_forgotten() const;
  std::size_t checked(Index group) const;
  double ratio(double group_lr) const;

  std::string name_;
  OptimizerBuffers buffers_of_each_;
  std::vector<BasicParameter<T>> parameters_;
  std::vector<Shape> shapes_;          // of each parameter
  std::vector<std::size_t> group_of_;  // of each parameter
  std::vector<BasicMatrix<T>>
      buffers_;  // those of the first parameter, then those of the second, …; empty if unused
  std::vector<double> weight_decays_;  // of each group
  std::vector<double> lr_scales_;      // of each group
  double lr_ = 0;
  Index steps_ = 0;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Optimizer)
TAPEGRAD_ALIASES(ParameterGroup)
TAPEGRAD_ALIASES(ParameterGroups)
