#include "tapegrad/layers/module.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// Restores a value when the scope ends, also by an exception.
template <class Setter> struct Finally {
  Setter restore;
  ~Finally() { restore(); }
};
template <class Setter> Finally(Setter) -> Finally<Setter>;

/// Eval mode for a module and all inside it, until the scope ends; then each is in its own mode again.
template <class T> class EvalMode {
 public:
  explicit EvalMode(BasicModule<T>& root) {
    for (const auto& [path, module] : root.named_modules()) before_.emplace_back(module, module->training());
    root.eval();
  }
  ~EvalMode() {
    for (const auto& [module, training] : before_) module->train(training);  // outer ones first
  }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  std::vector<std::pair<BasicModule<T>*, bool>> before_;
};

std::string joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

}  // namespace

template <class T> BasicVar<T> BasicModule<T>::operator()(Var x) {
  BasicTape<T>& tape = x.tape();
  const void* const caller = tape.owner();
  const Finally restore{[&tape, caller] { tape.set_owner(caller); }};
  tape.set_owner(this);
  try {
    const Var y = forward(x);
    output_cols_ = y.cols();
    return y;
  } catch (const Error& error) {
    // Whoever called this module knows its name. The origin adds its kind, outer modules only prepend.
    if (caller == nullptr) throw;
    const std::string path = static_cast<const BasicModule*>(caller)->path_of(*this);
    if (path.empty()) throw;
    throw error.inside(path, kind());
  }
}

template <class T> std::string BasicModule<T>::path_of(const BasicModule& inner) const {
  for (const auto& [name, child] : children_) {
    if (child.get() == &inner) return name;
    if (const std::string path = child->path_of(inner); !path.empty()) return joined(name, path);
  }
  return "";
}

template <class T> std::vector<std::pair<std::string, BasicModule<T>*>> BasicModule<T>::named_modules() {
  std::vector<std::pair<std::string, BasicModule*>> result{{"", this}};
  for (const auto& [name, child] : children_)
    for (const auto& [path, module] : child->named_modules())
      result.emplace_back(path.empty() ? name : joined(name, path), module);
  return result;
}

template <class T> std::vector<std::pair<std::string, BasicParameter<T>>> BasicModule<T>::named_parameters() const {
  std::vector<std::pair<std::string, Parameter>> result;
  const auto add = [&](std::string path, const Parameter& parameter) {
    const auto same = [&](const auto& known) { return known.second == parameter; };
    if (std::none_of(result.begin(), result.end(), same)) result.emplace_back(std::move(path), parameter);
  };
  for (const Parameter& parameter : parameters_) add(parameter.name(), parameter);
  for (const auto& [name, child] : children_)
    for (const auto& [path, parameter] : child->named_parameters()) add(name + "." + path, parameter);
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
    for (const auto& [name, buffer] : module->buffers_) result.emplace_back(joined(path, name), buffer.get());
  return result;
}

template <class T> void BasicModule<T>::train(bool on) {
  training_ = on;
  for (const auto& [name, child] : children_) child->train(on);
}

template <class T>
BasicMatrix<T> BasicModule<T>::predict(const BasicMatrixRef<T>& x, Index batch, BasicObserver<T>* observer) {
  if (batch < 1) fail("predict", fmt::format("the batch must have at least one row, got {}", batch));
  const EvalMode eval_mode(*this);
  BasicTape<T> tape;
  if (observer != nullptr) tape.attach(*observer);
  const auto no_grad = tape.no_grad();
  BasicMatrix<T> result;
  for (Index first = 0; first < x.rows() || first == 0; first += batch) {
    tape.reset();
    const Index rows = std::min(batch, x.rows() - first);
    const bool contiguous = x.outerStride() == x.cols();
    const Var y = (*this)(contiguous ? tape.borrow(BasicView<T>(x.data() + first * x.cols(), rows, x.cols()))
                                     : tape.input(x.middleRows(first, rows)));
    if (y.rows() != rows) fail("predict", fmt::format("{} rows went in, {} came out", rows, y.rows()));
    if (first == 0) result.resize(x.rows(), y.cols());
    result.middleRows(first, rows) = y.value();
  }
  return result;
}

template <class T> BasicParameter<T> BasicModule<T>::add_parameter(std::string name, BasicMatrix<T> value) {
  return parameters_.emplace_back(std::move(name), std::move(value));
}

template <class T> BasicParameter<T> BasicModule<T>::add_parameter(Parameter shared) {
  return parameters_.emplace_back(std::move(shared));
}

template <class T> BasicMatrix<T>& BasicModule<T>::add_buffer(std::string name, BasicMatrix<T> value) {
  return *buffers_.emplace_back(std::move(name), std::make_unique<BasicMatrix<T>>(std::move(value))).second;
}

template <class T>
BasicModule<T>& BasicModule<T>::add_module(std::string name, std::unique_ptr<BasicModule> module) {
  if (module == nullptr) fail("module", "submodule '" + name + "' is null");
  return *children_.emplace_back(std::move(name), std::move(module)).second;
}

template <class T> std::string summary(BasicModule<T>& module, Index features) {
  // A pass over two zero rows finds the outputs, those of any user's module too.
  const auto modules = module.named_modules();
  for (const auto& [path, each] : modules) each->output_cols_ = -1;
  const EvalMode eval_mode(module);
  BasicTape<T> tape;
  const auto no_grad = tape.no_grad();
  const Index result = module(tape.input(BasicMatrix<T>::Zero(2, features))).cols();

  std::vector<std::array<std::string, 4>> rows{{"path", "type", "output", "parameters"}};
  Index total = 0;
  for (const auto& [path, parameter] : module.named_parameters()) total += parameter.size();
  for (const auto& [path, each] : modules) {
    if (path.empty() && modules.size() > 1) continue;
    Index count = 0;
    for (const auto& [name, parameter] : each->named_parameters()) count += parameter.size();
    const std::string shape = each->output_cols_ < 0 ? "" : fmt::format("batch x {}", each->output_cols_);
    rows.push_back({path, std::string(each->kind()), shape, count == 0 ? "-" : fmt::format("{}", count)});
  }
  rows.push_back({"total", "", fmt::format("batch x {}", result), fmt::format("{}", total)});
  std::array<std::size_t, 4> width{};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  std::string text;
  for (const auto& row : rows)
    text += fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>{}}\n", row[0], width[0], row[1], width[1], row[2], width[2],
                        row[3], width[3]);
  return text;
}

TAPEGRAD_INSTANTIATE_SCALARS(Module)
template std::string summary(BasicModule<float>&, Index);
template std::string summary(BasicModule<double>&, Index);

}  // namespace tapegrad
