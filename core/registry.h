#pragma once

#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapegrad/core/elementwise.h"

/// What every activation is, whichever it is: its facts, and the registry that finds it by name.

namespace tapegrad::inline TAPEGRAD_ABI {

/** A point where f′ jumps, and the subgradient that is used there. */
struct Kink {
  double at = 0;
  double slope = 0;
};

/** What is known of an activation f. A test scans f and f′ and checks each of these. */
struct Facts {
  std::string_view formula;
  double lower = -std::numeric_limits<double>::infinity();  ///< infimum of f
  double upper = std::numeric_limits<double>::infinity();   ///< supremum of f
  double sup_slope = 1;                                     ///< supremum of |f′|
  std::vector<Kink> kinks = {};                             ///< where f′ jumps
  std::vector<double> bends = {};                           ///< where only f″ jumps
  bool saturates_left = false;                              ///< |f′| < 0.1·sup|f′| towards −∞
  bool saturates_right = false;                             ///< the same towards +∞
};

/** The type-erased form of a rule, for both scalars. */
class ActivationRule {
 public:
  virtual ~ActivationRule() = default;
  virtual std::string_view name() const = 0;
  virtual Facts facts() const = 0;
  virtual std::vector<std::pair<std::string_view, double>> settings() const = 0;
  virtual std::shared_ptr<const ActivationRule> with(std::string_view setting, double value) const = 0;
  virtual BasicVar<float> apply(BasicVar<float> x, std::span<const BasicVar<float>> learned) const = 0;
  virtual BasicVar<double> apply(BasicVar<double> x, std::span<const BasicVar<double>> learned) const = 0;
  virtual bool elementwise() const = 0;
  virtual double value(double x) const = 0;
  virtual double slope(double x) const = 0;
  virtual void slopes(std::span<const float> x, float* out) const = 0;
  virtual void slopes(std::span<const double> x, double* out) const = 0;
  virtual Index inputs_per_output() const = 0;
  virtual std::vector<std::pair<std::string_view, double>> learned() const = 0;
};

/** An activation chosen at run time, with its settings. Made by activation("swish(beta=2)") or from a rule.
 *
 *      Activation f = activation("leaky_relu").with("negative_slope", 0.2);
 *      Var y = f(x);
 *      double slope = f.slope(-3);   // 0.2 */
class Activation {
 public:
  explicit Activation(std::shared_ptr<const ActivationRule> rule) : rule_(std::move(rule)) {}

  std::string_view name() const { return rule_->name(); }
  /** "leaky_relu(negative_slope=0.2)", or the bare name when every setting has its default; activation() reads it.
   */
  std::string text() const;
  Facts facts() const { return rule_->facts(); }
  /** Names and values of the settings, in order. */
  std::vector<std::pair<std::string_view, double>> settings() const { return rule_->settings(); }
  /** The same activation with another setting. Throws for an unknown name and a value outside its domain. */
  Activation with(std::string_view setting, double value) const { return Activation(rule_->with(setting, value)); }

  /** Records f(x). Throws when f has learned parameters: those belong to a layer. */
  template <class T> BasicVar<T> operator()(BasicVar<T> x, std::span<const BasicVar<T>> learned = {}) const {
    return rule_->apply(x, learned);
  }

  /** Whether each output depends on one input only; then f and f′ are plain functions. */
  bool elementwise() const { return rule_->elementwise(); }
  /** f(x) of an elementwise activation; throws for another one. */
  double value(double x) const { return rule_->value(x); }
  /** f′(x) of an elementwise activation, with the subgradient in use at a kink; throws for another one. */
  double slope(double x) const { return rule_->slope(x); }
  /** f′ of every element, vectorized; `out` has room for as many. Throws when f is not elementwise. */
  template <class T> void slopes(std::type_identity_t<std::span<const T>> x, T* out) const {
    rule_->slopes(x, out);
  }
  /** How many inputs make one output: 2 for glu, `pieces` for maxout, else 1. */
  Index inputs_per_output() const { return rule_->inputs_per_output(); }
  /** Names and initial values of parameters learned per feature: the slope of prelu. */
  std::vector<std::pair<std::string_view, double>> learned() const { return rule_->learned(); }

 private:
  std::shared_ptr<const ActivationRule> rule_;
};

/** The activation of that name, with settings when given: "swish", "swish(beta=2)". Throws for an unknown one:
 * "[activation] no activation named 'swich'; did you mean 'swish'?" */
Activation activation(std::string_view text);
/** The names of all registered activations, the library's first, then the user's in the order of registration. */
std::vector<std::string_view> activations();
/** Throws when the name is taken. */
void register_activation(Activation activation);

namespace detail {

template <class Rule>
concept HasSettings = requires {
  Rule::settings;
};
template <class Rule>
concept HasFacts = requires(const Rule rule) {
  rule.facts();
};
/** A rule that is not elementwise says itself how it is applied to a matrix. */
template <class Rule>
concept Structured = requires(const Rule rule, BasicVar<float> x) {
  rule.apply(x, std::span<const BasicVar<float>>());
};

/** Facts of a rule that states none: the supremum of |f′| and the saturating sides come from a scan. */
Facts scanned_facts(const ActivationRule& rule);
[[noreturn]] void not_elementwise(std::string_view name, std::string_view what);
[[noreturn]] void unknown_setting(const ActivationRule& rule, std::string_view setting);

template <class Rule> class ErasedRule final : public ActivationRule {
 public:
  explicit ErasedRule(const Rule& rule) : rule_(rule) {
    if constexpr (HasSettings<Rule>) check_settings(rule);
  }

  std::string_view name() const override { return Rule::name; }
  Facts facts() const override {
    if constexpr (HasFacts<Rule>) return rule_.facts();
    return scanned_facts(*this);
  }
  std::vector<std::pair<std::string_view, double>> settings() const override {
    std::vector<std::pair<std::string_view, double>> result;
    if constexpr (HasSettings<Rule>)
      for (const auto& setting : Rule::settings)
        result.emplace_back(setting.name, static_cast<double>(rule_.*setting.member));
    return result;
  }
  std::shared_ptr<const ActivationRule> with(std::string_view name, [[maybe_unused]] double value) const override {
    if constexpr (HasSettings<Rule>) {
      for (const auto& setting : Rule::settings) {
        if (setting.name != name) continue;
        check_setting(Rule::name, name, setting.domain, value);
        Rule changed = rule_;
        changed.*setting.member = static_cast<std::remove_reference_t<decltype(changed.*setting.member)>>(value);
        return std::make_shared<ErasedRule>(changed);
      }
    }
    unknown_setting(*this, name);
  }
  BasicVar<float> apply(BasicVar<float> x, std::span<const BasicVar<float>> learned) const override {
    return apply_to(x, learned);
  }
  BasicVar<double> apply(BasicVar<double> x, std::span<const BasicVar<double>> learned) const override {
    return apply_to(x, learned);
  }
  bool elementwise() const override { return !Structured<Rule>; }
  double value([[maybe_unused]] double x) const override {
    if constexpr (Structured<Rule>)
      not_elementwise(name(), "value");
    else
      return rule_.value(Pack<double>(x)).first();
  }
  double slope([[maybe_unused]] double x) const override {
    if constexpr (Structured<Rule>) {
      not_elementwise(name(), "slope");
    } else {
      const Pack<double> in(x);
      return elementwise::vjp<0>(rule_, Pack<double>(1), rule_.value(in), in).first();
    }
  }
  void slopes(std::span<const float> x, float* out) const override { slopes_of(x, out); }
  void slopes(std::span<const double> x, double* out) const override { slopes_of(x, out); }
  Index inputs_per_output() const override {
    if constexpr (requires { rule_.inputs_per_output(); }) return rule_.inputs_per_output();
    return 1;
  }
  std::vector<std::pair<std::string_view, double>> learned() const override {
    if constexpr (requires { rule_.learned(); }) return rule_.learned();
    return {};
  }

 private:
  template <class T>
  BasicVar<T> apply_to(BasicVar<T> x, [[maybe_unused]] std::span<const BasicVar<T>> learned) const {
    if constexpr (Structured<Rule>)
      return rule_.apply(x, learned);
    else
      return record<Rule, T, 1>(rule_, {x});
  }

  template <class T> void slopes_of([[maybe_unused]] std::span<const T> x, [[maybe_unused]] T* out) const {
    if constexpr (Structured<Rule>) {
      not_elementwise(name(), "slope");
    } else {
      elementwise::map_array(static_cast<Index>(x.size()), std::array{x.data()}, out, [this](Pack<T> v) {
        return elementwise::vjp<0>(rule_, Pack<T>(1), rule_.value(v), v);
      });
    }
  }

  Rule rule_;
};

}  // namespace detail

/** Makes a rule available by name, with everything that follows from that. Example:
 *
 *      struct Gaussian {   // exp(−x²)
 *        static constexpr std::string_view name = "gaussian";
 *        template <class X> static X value(const X& x) { return tg::exp(-x * x); }
 *        template <class X> static X vjp(const X& g, const X& x, const X& y) { return -2 * g * x * y; }
 *      };
 *      tg::register_activation<Gaussian>(); */
template <class Rule> void register_activation(const Rule& rule = {}) {
  register_activation(Activation(std::make_shared<detail::ErasedRule<Rule>>(rule)));
}

/** A rule as a run-time activation, registered or not. */
template <class Rule> Activation make_activation(const Rule& rule) {
  return Activation(std::make_shared<detail::ErasedRule<Rule>>(rule));
}

}  // namespace tapegrad
