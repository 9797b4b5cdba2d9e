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

/** Names and values, in order. */
using NamedNumbers = std::vector<std::pair<std::string_view, double>>;
/** f(x) and f′(x) */
struct NumberAndSlope {
  double value, slope;
};

/** What is known of an activation f. A test scans f and f′ and checks each of these. */
struct Facts {
  std::string_view formula;
  double lower = -std::numeric_limits<double>::infinity();  ///< infimum of f
  double upper = std::numeric_limits<double>::infinity();   ///< supremum of f
  double sup_slope = 1;                                     ///< supremum of |f′|
  std::vector<Kink> kinks = {};                             ///< where f′ jumps
  std::vector<double> bends = {};                           ///< where only f″ jumps
  // Found from f′, whatever a rule says:
  bool saturates_left = false;   ///< |f′| < 0.1·sup|f′| towards −∞
  bool saturates_right = false;  ///< the same towards +∞
};

/** The type-erased form of a rule: what is known of it, and what depends on its type. */
struct ActivationRule {
  virtual ~ActivationRule() = default;
  /** The same rule with another setting. */
  virtual std::shared_ptr<const ActivationRule> with(std::string_view setting, double value) const = 0;
  virtual BasicVar<float> apply(BasicVar<float> x, std::span<const BasicVar<float>> learned) const = 0;
  virtual BasicVar<double> apply(BasicVar<double> x, std::span<const BasicVar<double>> learned) const = 0;
  // Of an elementwise rule:
  virtual NumberAndSlope at(double x) const = 0;
  virtual void slopes(std::span<const float> x, float* out) const = 0;
  virtual void slopes(std::span<const double> x, double* out) const = 0;

  std::string_view name;
  bool elementwise = true;
  Index inputs_per_output = 1;
  NamedNumbers settings, learned;
  Facts facts;
};

/** An activation chosen at run time, with its settings. Made by activation("swish(beta=2)") or from a rule.
 *
 *      Activation f = activation("leaky_relu").with("negative_slope", 0.2);
 *      Var y = f(x);
 *      double slope = f.slope(-3);   // 0.2 */
class Activation {
 public:
  explicit Activation(std::shared_ptr<const ActivationRule> rule);
  Activation(const Activation&) = default;  ///< and no move: that would leave one without a rule
  Activation& operator=(const Activation&) = default;

  std::string_view name() const { return rule_->name; }
  /** "leaky_relu(negative_slope=0.2)", or the bare name when every setting has its default; activation() reads it.
   */
  std::string text() const;
  Facts facts() const { return rule_->facts; }
  /** Names and values of the settings, in order. */
  NamedNumbers settings() const { return rule_->settings; }
  /** The same activation with another setting. Throws for an unknown name and a value outside its domain. */
  Activation with(std::string_view setting, double value) const { return Activation(rule_->with(setting, value)); }

  /** Records f(x). Throws when f has learned parameters: those belong to a layer. */
  template <class T> BasicVar<T> operator()(BasicVar<T> x, std::span<const BasicVar<T>> learned = {}) const {
    return rule_->apply(x, learned);
  }

  /** Whether each output depends on one input only; then f and f′ are plain functions. */
  bool elementwise() const { return rule_->elementwise; }
  /** f(x) of an elementwise activation; throws for another one. */
  double value(double x) const { return numeric("value").at(x).value; }
  /** f′(x) of an elementwise activation, with the subgradient in use at a kink; throws for another one. */
  double slope(double x) const { return numeric("slope").at(x).slope; }
  /** f′ of every element, vectorized; `out` has room for as many. Throws when f is not elementwise. */
  template <class T> void slopes(std::type_identity_t<std::span<const T>> x, T* out) const {
    numeric("slope").slopes(x, out);
  }
  /** How many inputs make one output: 2 for glu, `pieces` for maxout, else 1. */
  Index inputs_per_output() const { return rule_->inputs_per_output; }
  /** Names and initial values of parameters learned per feature: the slope of prelu. */
  NamedNumbers learned() const { return rule_->learned; }

 private:
  /// The rule, when it has values of numbers; throws when it is not elementwise.
  const ActivationRule& numeric(const char* what) const;

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

/** A rule that is not elementwise says itself how it is applied to a matrix. */
template <class Rule>
concept Structured = requires(const Rule rule, BasicVar<float> x) {
  rule.apply(x, std::span<const BasicVar<float>>());
};

/** sup|f′| of a rule without facts, by a scan; 0 when it is not elementwise. */
double scanned_sup_slope(const ActivationRule& rule);
/** Whether f saturates far to the left, x < 0, or to the right. */
bool saturates_at(const ActivationRule& rule, double x);
[[noreturn]] void unknown_setting(const ActivationRule& rule, std::string_view setting);

template <class Rule> class ErasedRule final : public ActivationRule {
 public:
  explicit ErasedRule(const Rule& rule) : rule_(rule) {
    name = Rule::name;
    elementwise = !Structured<Rule>;
    if constexpr (requires { Rule::settings; }) {
      check_settings(rule);
      for (const auto& setting : Rule::settings)
        settings.emplace_back(setting.name, static_cast<double>(rule.*setting.member));
    }
    if constexpr (requires { rule.inputs_per_output(); }) inputs_per_output = rule.inputs_per_output();
    if constexpr (requires { rule.learned(); }) learned = rule.learned();
    if constexpr (requires { rule.facts(); })
      facts = rule.facts();
    else
      facts.sup_slope = scanned_sup_slope(*this);
    facts.saturates_left = saturates_at(*this, -1e30);
    facts.saturates_right = saturates_at(*this, 1e30);
  }

  std::shared_ptr<const ActivationRule> with(std::string_view setting,
                                             [[maybe_unused]] double value) const override {
    if constexpr (requires { Rule::settings; }) {
      for (const auto& known : Rule::settings) {
        if (known.name != setting) continue;
        check_setting(Rule::name, setting, known.domain, value);
        Rule changed = rule_;
        changed.*known.member = static_cast<std::remove_reference_t<decltype(changed.*known.member)>>(value);
        return std::make_shared<ErasedRule>(changed);
      }
    }
    unknown_setting(*this, setting);
  }
  BasicVar<float> apply(BasicVar<float> x, std::span<const BasicVar<float>> weights) const override {
    return apply_to(x, weights);
  }
  BasicVar<double> apply(BasicVar<double> x, std::span<const BasicVar<double>> weights) const override {
    return apply_to(x, weights);
  }
  NumberAndSlope at([[maybe_unused]] double x) const override {
    if constexpr (Structured<Rule>)
      return {};
    else
      return {elementwise::value(rule_, Pack<double>(x)).first(), slope(Pack<double>(x)).first()};
  }
  void slopes(std::span<const float> x, float* out) const override { slopes_of(x, out); }
  void slopes(std::span<const double> x, double* out) const override { slopes_of(x, out); }

 private:
  template <class T>
  BasicVar<T> apply_to(BasicVar<T> x, [[maybe_unused]] std::span<const BasicVar<T>> weights) const {
    if constexpr (Structured<Rule>)
      return rule_.apply(x, weights);
    else
      return tapegrad::apply(rule_, x);
  }
  template <class T> Pack<T> slope(Pack<T> x) const {
    return elementwise::vjp<0>(rule_, Pack<T>(1), elementwise::value(rule_, x), x);
  }
  template <class T> void slopes_of([[maybe_unused]] std::span<const T> x, [[maybe_unused]] T* out) const {
    if constexpr (!Structured<Rule>)
      elementwise::map_array(static_cast<Index>(x.size()), std::array{x.data()}, out,
                             [this](Pack<T> pack) { return slope(pack); });
  }

  Rule rule_;
};

}  // namespace detail

/** A rule as a run-time activation, registered or not. */
template <class Rule> Activation make_activation(const Rule& rule) {
  constexpr bool named = requires { std::string_view(Rule::name); };
  constexpr bool valued = requires(Pack<float> x) { elementwise::value(rule, x); }
  || detail::Structured<Rule>;
  constexpr bool differentiable = requires(BasicVar<float> x) { rule.vjp(x, x, x); }
  || detail::Structured<Rule>;
  static_assert(named, "an activation needs a name: static constexpr std::string_view name = \"gaussian\";");
  static_assert(valued, "an activation needs its formula: template <class X> static X value(const X& x)");
  static_assert(differentiable,
                "an activation needs its vector-Jacobian product: "
                "template <class X> static X vjp(const X& g, const X& x, const X& y)");
  if constexpr (named && valued && differentiable)
    return Activation(std::make_shared<detail::ErasedRule<Rule>>(rule));
}

/** Makes a rule available by name, with everything that follows from that. Example:
 *
 *      struct Gaussian {   // exp(−x²)
 *        static constexpr std::string_view name = "gaussian";
 *        template <class X> static X value(const X& x) { return tg::exp(-x * x); }
 *        template <class X> static X vjp(const X& g, const X& x, const X& y) { return -2 * g * x * y; }
 *      };
 *      tg::register_activation<Gaussian>(); */
template <class Rule> void register_activation(const Rule& rule = {}) {
  register_activation(make_activation(rule));
}

}  // namespace tapegrad

/// make_activation() of a rule; `extern` in front of it when the library compiles it.
#define TAPEGRAD_DEFINE_MAKE(Rule) template Activation make_activation(const Rule&);
