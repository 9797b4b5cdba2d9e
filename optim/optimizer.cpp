#include "tapegrad/optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tapegrad/core/elementwise.h"
#include "tapegrad/core/error.h"
#include "tapegrad/core/kernels/denormals.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

double not_negative(std::string_view optimizer, std::string_view setting, double value) {
  if (!std::isfinite(value)) fail(optimizer, fmt::format("{} must be finite, got {}", setting, value));
  if (value < 0) fail(optimizer, fmt::format("{} must not be negative, got {}", setting, value));
  return value;
}

void check_fraction(std::string_view optimizer, std::string_view setting, double value) {
  if (!(value >= 0 && value < 1)) fail(optimizer, fmt::format("{} must be in [0, 1), got {}", setting, value));
}

using BufferNames = std::vector<std::string_view>;

/** A pack of the elements that an update is at. */
template <class T> struct Lanes {
  Index first;
  int count;

  Pack<T> load(const T* from) const { return Pack<T>::load(from + first, count); }
  void store(T* to, Pack<T> x) const { x.store(to + first, count); }
};

/** Calls body(lanes) for every pack of an array: one pass over the memory of a parameter and its buffers. Long ones are
 * divided among the threads, which get a copy of the body: its address does not escape, so for short ones what it holds
 * stays in registers. */
template <class T, class Body> void each_pack(Index size, const Body& body) {
  const auto packs = [body](Index first, Index last) {
    elementwise::for_each_pack<T>(first, last, [&](Index i, int count) { body(Lanes<T>{i, count}); });
  };
  if (size < parallel::least_elements) return packs(0, size);
  parallel::divide(size, 1024, true, [packs](Index first, Index last) {
    [[maybe_unused]] const DenormalsAreZero here;  // step() says so for its own thread only
    packs(first, last);
  });
}

/** a + weight·(b − a), exact at both ends */
template <class T> Pack<T> lerp(Pack<T> a, Pack<T> b, double weight) {
  return weight < 0.5 ? madd(Pack<T>(weight), b - a, a) : madd(Pack<T>(weight - 1), b - a, b);
}

}  // namespace

template <class T>
BasicOptimizer<T>::BasicOptimizer(std::string_view name, BasicParameterGroups<T> parameters, double lr,
                                  double weight_decay, std::vector<std::string_view> buffer_names,
                                  double buffer_value)
    : name_(name), buffer_names_(std::move(buffer_names)), lr_(not_negative(name, "lr", lr)) {
  not_negative(name, "weight_decay", weight_decay);
  for (BasicParameterGroup<T>& group : parameters.groups) {
    lr_scales_.push_back(ratio(group.lr.value_or(lr)));
    weight_decays_.push_back(not_negative(name, "weight_decay", group.weight_decay.value_or(weight_decay)));
    for (BasicParameter<T>& parameter : group.parameters) {
      if (parameter == BasicParameter<T>()) fail(name, fmt::format("parameter {} is empty", parameters_.size()));
      const auto before = std::find(parameters_.begin(), parameters_.end(), parameter);
      if (before != parameters_.end())
        fail(name, fmt::format("parameters {} and {} are the same ({})", before - parameters_.begin(),
                               parameters_.size(), parameter.name()));
      const Shape shape = parameter.shape();
      shapes_.push_back(shape);
      group_of_.push_back(lr_scales_.size() - 1);
      for (std::size_t k = 0; k < buffer_names_.size(); ++k)
        buffers_.push_back(BasicMatrix<T>::Constant(shape.rows, shape.cols, static_cast<T>(buffer_value)));
      parameters_.push_back(std::move(parameter));
    }
  }
  if (parameters_.empty()) fail(name, "there are no parameters");
}

template <class T> void BasicOptimizer<T>::step() {
  const auto is_live = [](const BasicParameter<T>& p) { return p.requires_grad() && p.has_grad(); };
  // Locals, because the compiler must assume that update(), a virtual call, changes the members.
  const std::size_t count = parameters_.size();
  const std::size_t buffers_per_parameter = buffer_names_.size();
  BasicParameter<T>* const parameters = parameters_.data();
  for (std::size_t i = 0; i < count; ++i) {
    const BasicParameter<T>& p = parameters[i];
    if (!is_live(p)) continue;
    const Shape grad{p.grad().rows(), p.grad().cols()};
    if (p.shape() != shapes_[i] || grad != shapes_[i]) [[unlikely]]
      fail_changed(i);
  }
  ++steps_;
  [[maybe_unused]] const DenormalsAreZero here;
  BasicMatrix<T>* buffers = buffers_.data();
  for (std::size_t i = 0; i < count; ++i, buffers += buffers_per_parameter) {
    BasicParameter<T>& p = parameters[i];
    if (!is_live(p)) continue;
    const std::size_t group = group_of_[i];
    update({.value = p.value().data(),
            .grad = p.grad().data(),
            .size = p.size(),
            .lr = lr_ * lr_scales_[group],
            .weight_decay = weight_decays_[group],
            .buffers = buffers});
  }
}

template <class T> void BasicOptimizer<T>::fail_changed(std::size_t i) const {
  const BasicParameter<T>& p = parameters_[i];
  fail(name_,
       fmt::format("parameter {} ({}) was {}, now it is {} and its gradient {}", i, p.name(), to_string(shapes_[i]),
                   to_string(p.shape()), to_string(Shape{p.grad().rows(), p.grad().cols()})));
}

template <class T> std::size_t BasicOptimizer<T>::checked(Index group) const {
  if (group < 0 || group >= groups()) fail(name_, fmt::format("no group {}: there are {}", group, groups()));
  return static_cast<std::size_t>(group);
}

template <class T> double BasicOptimizer<T>::ratio(double group_lr) const {
  not_negative(name_, "lr", group_lr);
  if (group_lr == lr_) return 1;
  if (lr_ == 0)
    fail(name_, fmt::format("the lr of a group, {}, has no ratio to that of the optimizer, which is 0", group_lr));
  return group_lr / lr_;
}

template <class T> void BasicOptimizer<T>::set_lr(double lr) { lr_ = not_negative(name_, "lr", lr); }

template <class T> void BasicOptimizer<T>::set_lr(Index group, double lr) {
  lr_scales_[checked(group)] = ratio(lr);
}

template <class T> BasicOptimizerState<T> BasicOptimizer<T>::state() const {
  BasicOptimizerState<T> state{name_, steps_, lr_, lr_scales_, {}};
  auto buffer = buffers_.begin();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    auto& saved = state.parameters.emplace_back(BasicParameterState<T>{parameters_[i].name(), shapes_[i], {}});
    for (const std::string_view name : buffer_names_) saved.buffers.emplace_back(name, *buffer++);
  }
  return state;
}

template <class T> void BasicOptimizer<T>::load_state(const BasicOptimizerState<T>& state) {
  if (state.optimizer != name_) fail(name_, fmt::format("the state is that of '{}'", state.optimizer));
  if (state.steps < 0) fail(name_, fmt::format("the state has {} steps", state.steps));
  not_negative(name_, "the state's lr", state.lr);
  if (state.lr_scales.size() != lr_scales_.size())
    fail(name_,
         fmt::format("the state has {} groups, the optimizer {}", state.lr_scales.size(), lr_scales_.size()));
  for (const double scale : state.lr_scales) not_negative(name_, "the state's lr_scale", scale);
  if (state.parameters.size() != parameters_.size())
    fail(name_,
         fmt::format("the state has {} parameters, the optimizer {}", state.parameters.size(), parameters_.size()));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const BasicParameterState<T>& saved = state.parameters[i];
    const auto mismatch = [&](std::string_view what, Shape shape) {
      if (shape != shapes_[i])
        fail(name_, fmt::format("parameter {} ({}) is {}, {} {}", i, parameters_[i].name(), to_string(shapes_[i]),
                                what, to_string(shape)));
    };
    mismatch("in the state", saved.shape);
    std::vector<std::string_view> names;
    for (const auto& buffer : saved.buffers) names.push_back(buffer.first);
    if (names != buffer_names_)
      fail(name_, fmt::format("parameter {} ({}) has the buffers [{}], in the state [{}]", i, parameters_[i].name(),
                              fmt::join(buffer_names_, ", "), fmt::join(names, ", ")));
    for (const auto& [name, values] : saved.buffers)
      mismatch(fmt::format("its {} in the state", name), {values.rows(), values.cols()});
  }
  steps_ = state.steps;
  lr_ = state.lr;
  lr_scales_ = state.lr_scales;
  auto to = buffers_.begin();
  for (const BasicParameterState<T>& saved : state.parameters)
    for (const auto& buffer : saved.buffers) *to++ = buffer.second;
}

template <class T>
BasicSgd<T>::BasicSgd(BasicParameterGroups<T> parameters, SgdOptions options)
    : BasicOptimizer<T>(id, std::move(parameters), options.lr, options.weight_decay,
                        BufferNames(options.momentum == 0 ? 0 : 1, "momentum_buffer")),
      options_(options) {
  not_negative(id, "momentum", options.momentum);
  if (!std::isfinite(options.dampening))
    fail(id, fmt::format("dampening must be finite, got {}", options.dampening));
  if (options.nesterov && (options.momentum == 0 || options.dampening != 0))
    fail(id, fmt::format("nesterov needs momentum and no dampening, got momentum {} and dampening {}",
                         options.momentum, options.dampening));
}

template <class T> void BasicSgd<T>::update(const typename BasicOptimizer<T>::Update& given) {
  const SgdOptions& o = options_;
  if (o.momentum == 0 && given.weight_decay == 0) {
    const Pack<T> minus_lr(-given.lr);
    return each_pack<T>(given.size, [value = given.value, grad = given.grad, minus_lr](auto at) {
      at.store(value, madd(minus_lr, at.load(grad), at.load(value)));
    });
  }
  const double share = this->steps() == 1 ? 1 : 1 - o.dampening;
  const auto p = given;  // stores to memory cannot change it
  T* const momentum = o.momentum == 0 ? nullptr : p.buffers[0].data();
  each_pack<T>(p.size, [&](auto at) {
    const Pack<T> w = at.load(p.value);
    Pack<T> g = at.load(p.grad);
    if (p.weight_decay != 0) g = g + p.weight_decay * w;
    if (momentum != nullptr) {
      const Pack<T> m = o.momentum * at.load(momentum) + share * g;
      at.store(momentum, m);
      g = o.nesterov ? g + o.momentum * m : m;
    }
    at.store(p.value, w - p.lr * g);
  });
}

template <class T>
BasicAdam<T>::BasicAdam(BasicParameterGroups<T> parameters, AdamOptions options)
    : BasicAdam(id, std::move(parameters), options, false) {}

template <class T>
BasicAdam<T>::BasicAdam(std::string_view name, BasicParameterGroups<T> parameters, AdamOptions options,
                        bool decoupled)
    : BasicOptimizer<T>(name, std::move(parameters), options.lr, options.weight_decay,
                        options.amsgrad ? BufferNames{"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
                                        : BufferNames{"exp_avg", "exp_avg_sq"}),
      options_(options),
      decoupled_(decoupled) {
  check_fraction(name, "beta1", options.beta1);
  check_fraction(name, "beta2", options.beta2);
  not_negative(name, "eps", options.eps);
}

template <class T>
BasicAdamW<T>::BasicAdamW(BasicParameterGroups<T> parameters, AdamWOptions o)
    : BasicAdam<T>(id, std::move(parameters), {o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.amsgrad}, true) {}

template <class T> void BasicAdam<T>::update(const typename BasicOptimizer<T>::Update& given) {
  const auto p = given;  // stores to memory cannot change it
  const AdamOptions o = options_;
  const bool penalty = !decoupled_ && p.weight_decay != 0;
  const double shrink = decoupled_ ? 1 - p.lr * p.weight_decay : 1;
  const auto t = static_cast<double>(this->steps());
  const double step_size = p.lr / (1 - std::pow(o.beta1, t));
  const double inverse_correction =
      1 / std::sqrt(1 - std::pow(o.beta2, t));  // one division per element is slow enough
  T* const mean = p.buffers[0].data();
  T* const square = p.buffers[1].data();
  T* const largest = o.amsgrad ? p.buffers[2].data() : nullptr;
  each_pack<T>(p.size, [&](auto at) {
    Pack<T> w = at.load(p.value);
    Pack<T> g = at.load(p.grad);
    if (penalty) g = g + p.weight_decay * w;
    w = shrink * w;
    const Pack<T> m = lerp(at.load(mean), g, 1 - o.beta1);
    Pack<T> v = madd(Pack<T>(o.beta2), at.load(square), (1 - o.beta2) * g * g);
    at.store(mean, m);
    at.store(square, v);
    if (largest != nullptr) {
      v = simd::max(at.load(largest), v);
      at.store(largest, v);
    }
    at.store(p.value, w - step_size * m / madd(simd::sqrt(v), Pack<T>(inverse_correction), Pack<T>(o.eps)));
  });
}

template <class T>
BasicRmsProp<T>::BasicRmsProp(BasicParameterGroups<T> parameters, RmsPropOptions options)
    : BasicOptimizer<T>(id, std::move(parameters), options.lr, options.weight_decay,
                        [&] {
                          BufferNames names{"square_avg"};
                          if (options.momentum != 0) names.push_back("momentum_buffer");
                          if (options.centered) names.push_back("grad_avg");
                          return names;
                        }()),
      options_(options) {
  check_fraction(id, "alpha", options.alpha);
  not_negative(id, "eps", options.eps);
  not_negative(id, "momentum", options.momentum);
}

template <class T> void BasicRmsProp<T>::update(const typename BasicOptimizer<T>::Update& given) {
  const auto p = given;  // stores to memory cannot change it
  const RmsPropOptions o = options_;
  T* const square = p.buffers[0].data();
  T* const momentum = o.momentum == 0 ? nullptr : p.buffers[1].data();
  T* const mean = o.centered ? p.buffers[o.momentum == 0 ? 1 : 2].data() : nullptr;
  each_pack<T>(p.size, [&](auto at) {
    const Pack<T> w = at.load(p.value);
    Pack<T> g = at.load(p.grad);
    if (p.weight_decay != 0) g = g + p.weight_decay * w;
    Pack<T> v = o.alpha * at.load(square) + (1 - o.alpha) * g * g;
    at.store(square, v);
    if (mean != nullptr) {
      const Pack<T> a = lerp(at.load(mean), g, 1 - o.alpha);
      at.store(mean, a);
      v = simd::max(v - a * a, Pack<T>(0));
    }
    g = g / (simd::sqrt(v) + o.eps);
    if (momentum != nullptr) {
      g = o.momentum * at.load(momentum) + g;
      at.store(momentum, g);
    }
    at.store(p.value, w - p.lr * g);
  });
}

template <class T>
BasicAdagrad<T>::BasicAdagrad(BasicParameterGroups<T> parameters, AdagradOptions options)
    : BasicOptimizer<T>(id, std::move(parameters), options.lr, options.weight_decay, {"sum"},
                        not_negative(id, "initial_accumulator_value", options.initial_accumulator_value)),
      options_(options) {
  not_negative(id, "lr_decay", options.lr_decay);
  not_negative(id, "eps", options.eps);
}

template <class T> void BasicAdagrad<T>::update(const typename BasicOptimizer<T>::Update& given) {
  const auto p = given;  // stores to memory cannot change it
  const double eps = options_.eps;
  const double rate = p.lr / (1 + static_cast<double>(this->steps() - 1) * options_.lr_decay);
  T* const sum = p.buffers[0].data();
  each_pack<T>(p.size, [&](auto at) {
    const Pack<T> w = at.load(p.value);
    Pack<T> g = at.load(p.grad);
    if (p.weight_decay != 0) g = g + p.weight_decay * w;
    const Pack<T> s = at.load(sum) + g * g;
    at.store(sum, s);
    at.store(p.value, w - rate * g / (simd::sqrt(s) + eps));
  });
}

namespace {

template <class Optimizer, class T>
std::unique_ptr<BasicOptimizer<T>> make(std::vector<BasicParameter<T>> parameters, const OptimizerOptions& given) {
  typename Optimizer::Options options;
  options.lr = given.lr.value_or(options.lr);
  options.weight_decay = given.weight_decay.value_or(options.weight_decay);
  if constexpr (requires { options.momentum; })
    options.momentum = given.momentum.value_or(options.momentum);
  else if (given.momentum)
    fail("optimizer", fmt::format("{} has no momentum to set", Optimizer::id));
  return std::make_unique<Optimizer>(std::move(parameters), options);
}

template <class T> struct Maker {
  std::string_view name;
  std::unique_ptr<BasicOptimizer<T>> (*make)(std::vector<BasicParameter<T>>, const OptimizerOptions&);
};

template <class T, template <class> class... Optimizers>
constexpr std::array<Maker<T>, sizeof...(Optimizers)> makers_of{{{Optimizers<T>::id, make<Optimizers<T>, T>}...}};

template <class T>
constexpr auto makers = makers_of<T, BasicSgd, BasicAdam, BasicAdamW, BasicRmsProp, BasicAdagrad>;

}  // namespace

template <class T>
std::unique_ptr<BasicOptimizer<T>> make_optimizer(std::string_view name, std::vector<BasicParameter<T>> parameters,
                                                  OptimizerOptions options) {
  for (const Maker<T>& maker : makers<T>)
    if (maker.name == name) return maker.make(std::move(parameters), options);
  fail("optimizer", fmt::format("no optimizer named '{}'{}", name, did_you_mean(name, optimizers())));
}

TAPEGRAD_INSTANTIATE_SCALARS(Optimizer)
TAPEGRAD_INSTANTIATE_SCALARS(Sgd)
TAPEGRAD_INSTANTIATE_SCALARS(Adam)
TAPEGRAD_INSTANTIATE_SCALARS(AdamW)
TAPEGRAD_INSTANTIATE_SCALARS(RmsProp)
TAPEGRAD_INSTANTIATE_SCALARS(Adagrad)
template std::unique_ptr<BasicOptimizer<float>> make_optimizer(std::string_view, std::vector<BasicParameter<float>>,
                                                               OptimizerOptions);
template std::unique_ptr<BasicOptimizer<double>> make_optimizer(std::string_view,
                                                                std::vector<BasicParameter<double>>,
                                                                OptimizerOptions);

std::vector<std::string_view> optimizers() {
  std::vector<std::string_view> names;
  for (const auto& maker : makers<float>) names.push_back(maker.name);
  return names;
}

}  // namespace tapegrad
