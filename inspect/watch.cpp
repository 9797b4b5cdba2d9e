#include "tapegrad/inspect/watch.h"

#include <algorithm>

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
BasicModuleWatch<T>::BasicModuleWatch(BasicTape<T>& tape, BasicModule<T>& net,
                                      const std::vector<std::string>& paths, BasicModuleHooks<T> hooks)
    : tape_(tape), hooks_(std::move(hooks)) {
  const auto modules = net.named_modules();
  for (const std::string& path : paths) {
    const auto found = std::find_if(modules.begin(), modules.end(), [&](const auto& m) { return m.first == path; });
    if (found == modules.end()) {
      std::vector<std::string> known;
      for (const auto& [name, module] : modules) known.push_back(name);
      known.erase(known.begin());  // nobody means "", the network itself
      fail("watch", "no module '" + path + "'" + did_you_mean(path, known));
    }
    for (const auto& [name, module] : found->second->named_modules()) members_[module].push_back(watched_.size());
    watched_.push_back({path});
  }
  tape.attach(*this);
}

template <class T> void BasicModuleWatch<T>::forget_old_step() {
  if (step_ == tape_.step()) return;
  step_ = tape_.step();
  outputs_.clear();
  for (Watched& each : watched_) each.open = false;
}

template <class T> void BasicModuleWatch<T>::close_unless(const Members* still_open) {
  forget_old_step();
  for (std::size_t k = 0; k < watched_.size(); ++k) {
    Watched& each = watched_[k];
    if (!each.open || (still_open != nullptr && std::count(still_open->begin(), still_open->end(), k) > 0))
      continue;
    each.open = false;
    outputs_.emplace_back(each.last, k);
    if (hooks_.on_output) hooks_.on_output(each.path, tape_.var(each.last).value());
  }
}

template <class T> void BasicModuleWatch<T>::on_forward(const BasicTape<T>& tape, NodeIndex index) {
  const auto found = members_.find(tape.node(index).owner);
  const Members* const inside = found == members_.end() ? nullptr : &found->second;
  close_unless(inside);
  if (inside == nullptr) return;
  for (const std::size_t k : *inside) {
    watched_[k].open = true;
    watched_[k].last = index;
  }
}

template <class T> void BasicModuleWatch<T>::on_backward(const BasicTape<T>& tape, NodeIndex index) {
  close_unless(nullptr);
  if (!hooks_.on_gradient) return;
  const Node<T>& node = tape.node(index);
  for (const auto& [output, k] : outputs_)
    if (output == index) hooks_.on_gradient(watched_[k].path, BasicView<T>(node.grad, node.rows, node.cols));
}

TAPEGRAD_INSTANTIATE_SCALARS(ModuleWatch)

}  // namespace tapegrad
