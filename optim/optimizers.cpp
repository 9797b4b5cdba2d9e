#include "tapegrad/optim/optimizers.h"

#include <array>

namespace tapegrad::inline TAPEGRAD_ABI {

#define TAPEGRAD_DEFINE_OPTIMIZER(Name)               \
  template class RuleOptimizer<float, Name##Options>; \
  template class RuleOptimizer<double, Name##Options>;
TAPEGRAD_OPTIMIZERS(TAPEGRAD_DEFINE_OPTIMIZER)
#undef TAPEGRAD_DEFINE_OPTIMIZER

namespace {

template <class T> using Parameters = std::vector<BasicParameter<T>>;

template <class T> struct Maker {
  std::string_view name;
  std::unique_ptr<BasicOptimizer<T>> (*make)(Parameters<T>, const OptimizerOptions&);
};

template <class T, class Rule>
constexpr Maker<T> maker{
    Rule::name, [](Parameters<T> parameters, const OptimizerOptions& given) -> std::unique_ptr<BasicOptimizer<T>> {
      Rule options;
      options.lr = given.lr.value_or(options.lr);
      options.weight_decay = given.weight_decay.value_or(options.weight_decay);
      if constexpr (requires { options.momentum; })
        options.momentum = given.momentum.value_or(options.momentum);
      else if (given.momentum)
        fail("optimizer", std::string(Rule::name) + " has no momentum to set");
      return std::make_unique<RuleOptimizer<T, Rule>>(std::move(parameters), options);
    }};

#define TAPEGRAD_MAKER(Name) maker<T, Name##Options>,
template <class T> constexpr std::array makers{TAPEGRAD_OPTIMIZERS(TAPEGRAD_MAKER)};
#undef TAPEGRAD_MAKER

}  // namespace

template <class T>
std::unique_ptr<BasicOptimizer<T>> make_optimizer(std::string_view name, Parameters<T> parameters,
                                                  OptimizerOptions options) {
  return find_named("optimizer", makers<T>, name).make(std::move(parameters), options);
}

template std::unique_ptr<BasicOptimizer<float>> make_optimizer(std::string_view, Parameters<float>,
                                                               OptimizerOptions);
template std::unique_ptr<BasicOptimizer<double>> make_optimizer(std::string_view, Parameters<double>,
                                                                OptimizerOptions);

std::vector<std::string_view> optimizers() { return names_of(makers<float>); }

}  // namespace tapegrad
