#include "tapegrad/layers/module.h"

#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <new>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

// Of each thread: whether it is in an EvalScope, and how many modules inside each other it is in.
thread_local bool in_eval_scope = false;
thread_local int nesting = 0;
constexpr int deepest = 5000;  // 1 kB of stack for each, with the sanitizers

std::string joined(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

}  // namespace

detail::OneDeeper::OneDeeper() : Scoped(nesting, nesting + 1) {
  if (nesting > deepest) fail("module", fmt::format("more than {} modules are inside each other", deepest));
}

EvalScope::EvalScope() : Scoped(in_eval_scope, true) {}

template <class T> struct BasicModule<T>::Content {
  std::vector<Parameter> parameters;
  std::deque<std::pair<std::string, BasicMatrix<T>>> buffers;  // which stay where they are, as do
  std::deque<std::pair<std::string, Rng>> generators;
  Named<std::unique_ptr<BasicModule>> children;
  bool training = true;
  std::uint32_t changes = 0;  // of the buffers and generators

  /// The same of all submodules, this one first.
  template <class Visit> void each(const Visit& visit) {
    const detail::OneDeeper here;
    visit(*this);
    for (const auto& [name, child] : children) child->content().each(visit);
  }
};

template <class T> BasicModule<T>::BasicModule() : content_(std::make_shared<Content>()) {}

template <class T> BasicModule<T>::~BasicModule() {
  // Those inside go one after the other: destructors that call each other may run out of stack.
  thread_local Named<std::unique_ptr<BasicModule>>* waiting = nullptr;
  if (content_ == nullptr) return;
  Named<std::unique_ptr<BasicModule>> mine = std::move(content_->children);
  if (waiting != nullptr) {
    try {
      std::move(mine.begin(), mine.end(), std::back_inserter(*waiting));
    } catch (const std::bad_alloc&) {  // then what is left goes here, on the stack
    }
    return;
  }
  const Scoped<Named<std::unique_ptr<BasicModule>>*> outermost(waiting, &mine);
  while (!mine.empty()) {
    const auto next = std::move(mine.back());
    mine.pop_back();
  }
}

template <class T> BasicVar<T> BasicModule<T>::operator()(Var x) {
  const detail::OneDeeper here;
  BasicTape<T>& tape = x.tape();
  const void* const caller = tape.owner();
  const auto owner = tape.set_owner(this);
  const std::size_t saved = tape.states().size();
  try {
    content();
    const Var y = forward(x);
    if (y.tape().observed()) y.tape().show_module(this, y.index());
    return y;
  } catch (const Error& error) {
    // Whoever called this module knows its name. The origin adds its kind, outer modules only prepend.
    if (caller == nullptr) {
      tape.states().fail(saved);
      throw;
    }
    const std::string path = static_cast<BasicModule*>(const_cast<void*>(caller))->path_of(*this);
    if (path.empty()) throw;
    throw error.inside(path, kind());
  } catch (...) {
    if (caller == nullptr) tape.states().fail(saved);
    throw;
  }
}

template <class T> std::string BasicModule<T>::path_of(const BasicModule& inner) {
  const auto is_it = [&](const auto& entry) { return &*entry.second == &inner; };
  if (const auto child = std::find_if(children().begin(), children().end(), is_it); child != children().end())
    return child->first;
  const auto all = named_modules();  // a module may call one that is deeper inside
  const auto found = std::find_if(all.begin(), all.end(), is_it);
  return found == all.end() ? "" : found->first;
}

template <class T> void BasicModule<T>::list(const std::string& path, Named<BasicModule*>& result) {
  const detail::OneDeeper here;
  result.emplace_back(path, this);
  for (const auto& [name, child] : children()) child->list(joined(path, name), result);
}

template <class T> auto BasicModule<T>::named_modules() -> Named<BasicModule*> {
  Named<BasicModule*> result;
  list("", result);
  return result;
}

template <class T> auto BasicModule<T>::named_parameters() const -> Named<Parameter> {
  Named<Parameter> result;
  for (const auto& [path, module] : const_cast<BasicModule*>(this)->named_modules()) {  // which are only read
    for (const Parameter& parameter : module->content().parameters) {
      const auto same = [&](const auto& known) { return known.second == parameter; };
      if (std::none_of(result.begin(), result.end(), same))
        result.emplace_back(joined(path, parameter.name()), parameter);
    }
  }
  return result;
}

template <class T> BasicParameter<T> BasicModule<T>::parameter(std::string_view path) const {
  const auto all = named_parameters();
  std::vector<std::string_view> known;
  for (const auto& [name, parameter] : all) {
    if (name == path) return parameter;
    known.push_back(name);
  }
  fail(kind(), fmt::format("no parameter '{}'{}", path, did_you_mean(path, known)));
}

template <class T> std::vector<BasicParameter<T>> BasicModule<T>::parameters() const {
  std::vector<Parameter> result;
  for (auto& [path, parameter] : named_parameters()) result.push_back(parameter);
  return result;
}

template <class T> auto BasicModule<T>::named_buffers() -> Named<BasicMatrix<T>*> {
  Named<BasicMatrix<T>*> result;
  for (const auto& [path, module] : named_modules())
    for (auto& [name, buffer] : module->content().buffers) result.emplace_back(joined(path, name), &buffer);
  return result;
}

template <class T> auto BasicModule<T>::named_generators() -> Named<Rng*> {
  Named<Rng*> result;
  for (const auto& [path, module] : named_modules())
    for (auto& [name, rng] : module->content().generators) result.emplace_back(joined(path, name), &rng);
  return result;
}

template <class T> auto BasicModule<T>::named_modes() -> Named<bool*> {
  Named<bool*> result;
  for (const auto& [path, module] : named_modules()) result.emplace_back(path, &module->content().training);
  return result;
}

template <class T> void BasicModule<T>::train(bool on) {
  content().each(
      [](const Content&) {});  // throws before anything is changed, and takes no memory: destructors call it
  content().each([on](Content& each) { each.training = on; });
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

template <class T> auto BasicModule<T>::content() const -> Content& {
  if (content_ == nullptr) [[unlikely]]
    fail(kind(), "the module was moved from");
  return *content_;
}

template <class T> auto BasicModule<T>::own_parameters() const -> const std::vector<Parameter>& {
  return content().parameters;
}

template <class T> auto BasicModule<T>::children() const -> const Named<std::unique_ptr<BasicModule>>& {
  return content().children;
}

template <class T> BasicMatrix<T>& BasicModule<T>::buffer(std::size_t index) const {
  return content().buffers.at(index).second;
}

template <class T> Rng& BasicModule<T>::generator(std::size_t index) const {
  return content().generators.at(index).second;
}

template <class T> void BasicModule<T>::restore_on_failure(BasicTape<T>& tape, BasicMatrix<T>& buffer) const {
  tape.states().save(content_, buffer, content().changes);
}

template <class T> void BasicModule<T>::restore_on_failure(BasicTape<T>& tape, Rng& generator) const {
  tape.states().save(content_, generator, content().changes);
}

template <class T> BasicParameter<T> BasicModule<T>::add_parameter(Parameter shared) {
  return content().parameters.emplace_back(std::move(shared));
}

template <class T> BasicMatrix<T>& BasicModule<T>::add_buffer(std::string name, BasicMatrix<T> value) {
  return content().buffers.emplace_back(std::move(name), std::move(value)).second;
}

template <class T> Rng& BasicModule<T>::add_generator(std::string name, const Rng& rng) {
  return content().generators.emplace_back(std::move(name), rng).second;
}

template <class T>
BasicModule<T>& BasicModule<T>::add_module(std::string name, std::unique_ptr<BasicModule> module) {
  if (module == nullptr) fail("module", "submodule '" + name + "' is null");
  return *content().children.emplace_back(std::move(name), std::move(module)).second;
}

template <class T> void copy_parameters(const BasicModule<T>& from, BasicModule<T>& to) {
  const auto matrices_of = [](BasicModule<T>& net) {
    std::vector<std::pair<std::string, const BasicMatrix<T>*>> all;
    for (const auto& [path, parameter] : net.named_parameters()) all.emplace_back(path, &parameter.value());
    for (const auto& [path, buffer] : net.named_buffers()) all.emplace_back(path, buffer);
    return all;
  };
  const auto source = matrices_of(const_cast<BasicModule<T>&>(from)),
             target = matrices_of(to);  // which are only read
  for (std::size_t i = 0; i < std::max(source.size(), target.size()); ++i) {
    const auto said = [i](const auto& all) {
      return i < all.size() ? fmt::format("{} ({}x{})", all[i].first, all[i].second->rows(), all[i].second->cols())
                            : std::string("nothing more");
    };
    if (said(source) != said(target))
      fail("copy_parameters",
           fmt::format("the networks differ: from one with {} to one with {}", said(source), said(target)));
  }
  auto next = source.begin();
  for (const auto& [path, parameter] : to.named_parameters()) parameter.set_value(*(next++)->second);
  for (const auto& [path, buffer] : to.named_buffers()) *buffer = *(next++)->second;
}

template void copy_parameters(const BasicModule<float>&, BasicModule<float>&);
template void copy_parameters(const BasicModule<double>&, BasicModule<double>&);
TAPEGRAD_INSTANTIATE_SCALARS(Module)

}  // namespace tapegrad
