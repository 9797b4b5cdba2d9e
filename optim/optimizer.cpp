#include "tapegrad/optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace tapegrad::inline TAPEGRAD_ABI {

using enum SettingDomain;

template <class T>
BasicOptimizer<T>::BasicOptimizer(std::string_view name, BasicParameterGroups<T> parameters, double lr,
                                  double weight_decay, OptimizerBuffers buffers)
    : name_(name), buffers_of_each_(std::move(buffers)), lr_(check_setting(name, "lr", not_negative, lr)) {
  check_setting(name, "weight_decay", not_negative, weight_decay);
  for (BasicParameterGroup<T>& group : parameters.groups) {
    lr_scales_.push_back(ratio(group.lr.value_or(lr)));
    weight_decays_.push_back(
        check_setting(name, "weight_decay", not_negative, group.weight_decay.value_or(weight_decay)));
    for (BasicParameter<T>& parameter : group.parameters) {
      if (parameter == BasicParameter<T>()) fail(name, fmt::format("parameter {} is empty", parameters_.size()));
      const auto before = std::find(parameters_.begin(), parameters_.end(), parameter);
      if (before != parameters_.end())
        fail(name, fmt::format("parameters {} and {} are the same ({})", before - parameters_.begin(),
                               parameters_.size(), parameter.name()));
      const Shape shape = parameter.shape();
      shapes_.push_back(shape);
      group_of_.push_back(lr_scales_.size() - 1);
      for (const auto& [buffer, used, initial] : buffers_of_each_)
        buffers_.push_back(BasicMatrix<T>::Constant(used ? shape.rows : 0, used ? shape.cols : 0, T(initial)));
      parameters_.push_back(std::move(parameter));
    }
  }
  if (parameters_.empty()) fail(name, "there are no parameters");
}

template <class T> void BasicOptimizer<T>::step() {
  const auto is_live = [](const BasicParameter<T>& p) { return p.requires_grad() && p.has_grad(); };
  // Locals, because the compiler must assume that update(), a virtual call, changes the members.
  const std::size_t count = parameters_.size();
  const std::size_t buffers_per_parameter = buffers_of_each_.size();
  BasicParameter<T>* const parameters = parameters_.data();
  bool any_live = false;
  for (std::size_t i = 0; i < count; ++i) {
    const BasicParameter<T>& p = parameters[i];
    if (!is_live(p)) continue;
    any_live = true;
    const Shape grad{p.grad().rows(), p.grad().cols()};
    if (p.shape() != shapes_[i] || grad != shapes_[i]) [[unlikely]]
      fail_changed(i);
  }
  if (!any_live) [[unlikely]]
    check_forgotten();
  ++steps_;
  [[maybe_unused]] const DenormalsAreZero here;
  BasicMatrix<T>* buffers = buffers_.data();
  for (std::size_t i = 0; i < count; ++i, buffers += buffers_per_parameter) {
    BasicParameter<T>& p = parameters[i];
    if (!is_live(p)) continue;
    const std::size_t group = group_of_[i];
    update({.value = p.mutable_value().data(),
            .grad = p.grad().data(),
            .size = p.size(),
            .lr = lr_ * lr_scales_[group],
            .weight_decay = weight_decays_[group],
            .t = steps_,
            .buffers = buffers});
  }
}

template <class T> void BasicOptimizer<T>::fail_changed(std::size_t i) const {
  const BasicParameter<T>& p = parameters_[i];
  fail(name_,
       fmt::format("parameter {} ({}) was {}, now it is {} and its gradient {}", i, p.name(), to_string(shapes_[i]),
                   to_string(p.shape()), to_string(Shape{p.grad().rows(), p.grad().cols()})));
}

template <class T> void BasicOptimizer<T>::check_forgotten() const {
  const auto any = [&](bool (BasicParameter<T>::*is)() const) {
    return std::any_of(parameters_.begin(), parameters_.end(), std::mem_fn(is));
  };
  if (any(&BasicParameter<T>::requires_grad) && !any(&BasicParameter<T>::has_grad))
    fail(name_, "no parameter has a gradient: call backward() before step()");
}

template <class T> std::size_t BasicOptimizer<T>::checked(Index group) const {
  if (group < 0 || group >= groups()) fail(name_, fmt::format("no group {}: there are {}", group, groups()));
  return static_cast<std::size_t>(group);
}

template <class T> double BasicOptimizer<T>::ratio(double group_lr) const {
  check_setting(name_, "lr", not_negative, group_lr);
  if (group_lr == lr_) return 1;
  if (lr_ == 0)
    fail(name_, fmt::format("the lr of a group, {}, has no ratio to that of the optimizer, which is 0", group_lr));
  return group_lr / lr_;
}

template <class T> void BasicOptimizer<T>::set_lr(double lr) { lr_ = check_setting(name_, "lr", not_negative, lr); }

template <class T> void BasicOptimizer<T>::set_lr(Index group, double lr) {
  lr_scales_[checked(group)] = ratio(lr);
}

template <class T> std::string BasicOptimizer<T>::text() const {
  Settings all = settings();
  for (const double decay : weight_decays_) all.emplace_back("weight_decay", decay);
  return described(name_, all);
}

TAPEGRAD_INSTANTIATE_SCALARS(Optimizer)

}  // namespace tapegrad
