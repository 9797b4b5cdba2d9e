#include "tapegrad/layers/module.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

// Of each thread: whether it is in an EvalScope, and how many modules inside each other it is in.
thread_local bool in_eval_scope = false;
thread_local int depth = 0;
constexpr int deepest = 5000;  // 1 kB of stack for each, with the sanitizers

/// The owner of what is recorded until the scope ends, also by an exception.
template <class T> class Owner {
 public:
  Owner(BasicTape<T>& tape, const void* module) : tape_(tape), caller_(tape.owner()) { tape.set_owner(module); }
  ~Owner() { tape_.set_owner(caller_); }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  const void* caller() const { return caller_; }

 private:
  BasicTape<T>& tape_;
  const void* caller_;
};

std::string joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

}  // namespace

detail::OneDeeper::OneDeeper() {
  if (depth == deepest) fail("module", fmt::format("more than {} modules are inside each other", deepest));
  ++depth;
}

detail::OneDeeper::~OneDeeper() { --depth; }

EvalScope::EvalScope() : before_(std::exchange(in_eval_scope, true)) {}

EvalScope::~EvalScope() { in_eval_scope = before_; }

template <class T> BasicModule<T>::~BasicModule() {
  if (content_ == nullptr) return;
  // One after the other: a destructor that calls those of the modules inside may run out of stack.
  auto rest = std::move(content_->children);
  while (!rest.empty()) {
    const auto module = std::move(rest.back().second);
    rest.pop_back();
    if (module->content_ == nullptr) continue;
    for (auto& child : module->content_->children) rest.push_back(std::move(child));
    module->content_->children.clear();
  }
}

template <class T> BasicVar<T> BasicModule<T>::operator()(Var x) {
  const detail::OneDeeper here;
  const Owner<T> owner(x.tape(), this);
  try {
    content();
    const Var y = forward(x);
    for (BasicObserver<T>* each : y.tape().observers()) each->on_module(y.tape(), this, y.index());
    return y;
  } catch (const Error& error) {
    // Whoever called this module knows its name. The origin adds its kind, outer modules only prepend.
    if (owner.caller() == nullptr) throw;
    const std::string path = static_cast<BasicModule*>(const_cast<void*>(owner.caller()))->path_of(*this);
    if (path.empty()) throw;
    throw error.inside(path, kind());
  }
}

template <class T> std::string BasicModule<T>::path_of(const BasicModule& inner) {
  const auto is_it = [&](const auto& entry) { return &*entry.second == &inner; };
  if (const auto child = std::ranges::find_if(children(), is_it); child != children().end()) return child->first;
  const auto all = named_modules();  // a module may call one that is deeper inside
  const auto found = std::ranges::find_if(all, is_it);
  return found == all.end() ? "" : found->first;
}

template <class T>
void BasicModule<T>::list(const std::string& path, std::vector<std::pair<std::string, BasicModule*>>& result) {
  const detail::OneDeeper here;
  result.emplace_back(path, this);
  for (const auto& [name, child] : children()) child->list(joined(path, name), result);
}

template <class T> std::vector<std::pair<std::string, BasicModule<T>*>> BasicModule<T>::named_modules() {
  std::vector<std::pair<std::string, BasicModule*>> result;
  list("", result);
  return result;
}

template <class T> std::vector<std::pair<std::string, BasicParameter<T>>> BasicModule<T>::named_parameters() const {
  std::vector<std::pair<std::string, Parameter>> result;
  for (const auto& [path, module] : const_cast<BasicModule*>(this)->named_modules()) {  // which are only read
    for (const Parameter& parameter : module->content().parameters) {
      const auto same = [&](const auto& known) { return known.second == parameter; };
      if (std::ranges::none_of(result, same)) result.emplace_back(joined(path, parameter.name()), parameter);
    }
  }
  return result;
}

template <class T> std::vector<BasicParameter<T>> BasicModule<T>::parameters() const {
  std::vector<Parameter> result;
  for (auto& [path, parameter] : named_parameters()) result.push_back(parameter);
  return result;
}

template <class T> std::vector<std::pair<std::string, BasicMatrix<T>*>> BasicModule<T>::named_buffers() {
  std::vector<std::pair<std::string, BasicMatrix<T>*>> result;
  for (const auto& [path, module] : named_modules())
    for (const auto& [name, buffer] : module->content().buffers)
      result.emplace_back(joined(path, name), buffer.get());
  return result;
}

template <class T> void BasicModule<T>::train(bool on) {
  for (const auto& [path, module] : named_modules()) module->content().training = on;
}

template <class T> bool BasicModule<T>::training() const { return content().training && !in_eval_scope; }

template <class T>
BasicMatrix<T> BasicModule<T>::predict(const BasicMatrixRef<T>& x, Index batch, BasicObserver<T>* observer) {
  if (batch < 1) fail("predict", fmt::format("the batch must have at least one row, got {}", batch));
  const EvalScope eval;
  BasicTape<T> tape;
  if (observer != nullptr) tape.attach(*observer);
  const auto no_grad = tape.no_grad();
  BasicMatrix<T> result;
  Index first = 0;
  do {
    tape.reset();
    const Index rows = std::min(batch, x.rows() - first);
    const bool contiguous = x.outerStride() == x.cols();
    const Var y = (*this)(contiguous ? tape.borrow(BasicView<T>(x.data() + first * x.cols(), rows, x.cols()))
                                     : tape.input(x.middleRows(first, rows)));
    if (y.rows() != rows) fail("predict", fmt::format("{} rows went in, {} came out", rows, y.rows()));
    if (first == 0) result.resize(x.rows(), y.cols());
    result.middleRows(first, rows) = y.value();
    first += rows;
  } while (first < x.rows());
  return result;
}

template <class T> BasicParameter<T> BasicModule<T>::add_parameter(std::string name, BasicMatrix<T> value) {
  return content().parameters.emplace_back(std::move(name), std::move(value));
}

template <class T> BasicParameter<T> BasicModule<T>::add_parameter(Parameter shared) {
  return content().parameters.emplace_back(std::move(shared));
}

template <class T> BasicMatrix<T>& BasicModule<T>::add_buffer(std::string name, BasicMatrix<T> value) {
  return *content()
              .buffers.emplace_back(std::move(name), std::make_unique<BasicMatrix<T>>(std::move(value)))
              .second;
}

template <class T>
BasicModule<T>& BasicModule<T>::add_module(std::string name, std::unique_ptr<BasicModule> module) {
  if (module == nullptr) fail("module", "submodule '" + name + "' is null");
  return *content().children.emplace_back(std::move(name), std::move(module)).second;
}

TAPEGRAD_INSTANTIATE_SCALARS(Module)

}  // namespace tapegrad
