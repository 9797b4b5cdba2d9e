#include "tapegrad/io/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <functional>
#include <map>

#include "tapegrad/io/weights_file.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using weights::Entry;
using weights::Tensor;
using weights::Type;
using weights::type_of;

using weights::checkpoint_key;
constexpr const char* version = "1";
constexpr const char* on = "true";  ///< of a flag; one that is off is not in the file

template <class T> Shape shape_of(const BasicMatrix<T>& m) { return {m.rows(), m.cols()}; }

constexpr Shape rng_shape{1, 6};
std::vector<std::int64_t> words_of(const Rng& rng) {
  const Rng::State& state = rng.state();
  std::vector<std::int64_t> words;
  for (const std::uint64_t word : state.words) words.push_back(static_cast<std::int64_t>(word));
  words.push_back(std::bit_cast<std::int64_t>(state.spare_normal));
  words.push_back(state.has_spare);
  return words;
}
Rng::State state_of(const BasicMatrix<std::int64_t>& words) {
  Rng::State state;
  std::copy_n(words.data(), state.words.size(), state.words.begin());
  state.spare_normal = std::bit_cast<double>(words(4));
  state.has_spare = words(5) != 0;
  return state;
}

/// What goes into a file.
struct Saving {
  const std::string& name;
  std::vector<Tensor>& tensors;
  weights::Texts& texts;
  std::deque<std::vector<std::int64_t>>& numbers;  ///< what tensors point to

  template <class T> void operator()(const BasicParameter<T>& p) const { matrix(p.value()); }
  template <class T> void operator()(BasicMatrix<T>* m) const { matrix(*m); }
  template <class T> void matrix(const BasicMatrix<T>& m) const { add<T>(2, shape_of(m), m.data()); }
  void operator()(const Rng* rng) const {
    add<std::int64_t>(1, rng_shape, numbers.emplace_back(words_of(*rng)).data());
  }
  template <class Number>
  requires std::is_arithmetic_v<Number>
  void operator()(const Number* number) const {
    using Stored = std::conditional_t<std::is_floating_point_v<Number>, double, std::int64_t>;
    const auto bits = std::bit_cast<std::int64_t>(static_cast<Stored>(*number));
    add<Stored>(0, {1, 1}, numbers.emplace_back(1, bits).data());
  }
  template <class Number> void operator()(const std::vector<Number>* list) const {
    add<Number>(1, {1, static_cast<Index>(list->size())}, list->data());
  }
  void operator()(const std::string* text) const { texts.emplace_back(name, *text); }
  template <class Same>
  requires requires(const Same& s) { s.text; }
  void operator()(const Same& same) const { texts.emplace_back(name, same.text); }
  template <class Flag>
  requires requires(const Flag& f) { f.get(); }
  void operator()(const Flag& flag) const {
    if (flag.get()) texts.emplace_back(name, on);
  }

 private:
  template <class Number> void add(int dimensions, Shape shape, const void* values) const {
    tensors.push_back({name, type_of<Number>, dimensions, shape, values});
  }
};

}  // namespace

/// Finds what is wanted in a file, and notes what to do once everything fits.
struct Checkpoint::Loading {
  weights::Reader file;
  std::map<std::string_view, const Entry*> entries = {};
  std::map<std::string_view, std::string_view> texts = {};
  const Item* item = nullptr;  ///< that is wanted now
  weights::Differences differences = {};
  std::vector<std::function<void()>> changes = {};

  template <class T> void operator()(const BasicParameter<T>& p) {
    take<T>(p.shape(), [p](BasicMatrix<T>& values) { p.mutable_value().swap(values); });
  }
  template <class T> void operator()(BasicMatrix<T>* m) {  // an empty one has no size yet
    take<T>(m->size() == 0 ? std::nullopt : std::optional(shape_of(*m)),
            [m](BasicMatrix<T>& values) { m->swap(values); });
  }
  void operator()(Rng* rng) {
    take<std::int64_t>(rng_shape, [rng](const auto& words) { rng->set_state(state_of(words)); });
  }
  template <class Number>
  requires std::is_arithmetic_v<Number>
  void operator()(Number* number) {
    using Stored = std::conditional_t<std::is_floating_point_v<Number>, double, std::int64_t>;
    const auto check = [&](Stored value) {
      if (item->domain)
        check_setting("checkpoint", file.path() + ": " + item->name, *item->domain, static_cast<double>(value));
      if constexpr (std::is_integral_v<Number>)
        if (static_cast<Stored>(static_cast<Number>(value)) != value)
          fail("checkpoint", fmt::format("{}: {} is too large here, {}", file.path(), item->name, value));
    };
    take<Stored>(
        Shape{1, 1}, [number](const auto& values) { *number = static_cast<Number>(values(0)); }, check);
  }
  template <class Number> void operator()(std::vector<Number>* list) {
    take<Number>({}, [list](const auto& values) { list->assign(values.data(), values.data() + values.size()); });
  }
  void operator()(std::string* text) {
    if (const auto found = find(texts))
      changes.emplace_back([text, value = std::string(*found)] { *text = value; });
  }
  void operator()(const Same& same) {
    const auto found = find(texts);
    if (found && *found != same.text)
      differences.add(fmt::format("{} is {} here, {} in the file", item->name, same.text, *found));
  }
  void operator()(const Flag& flag) {
    const auto found = texts.find(item->name);
    const bool is_on = found != texts.end() && found->second == on;
    if (is_on) texts.erase(found);
    changes.emplace_back([flag, is_on] { flag.set(is_on); });
  }

 private:
  /// The part of that name, which is then no longer left over.
  template <class Parts> std::optional<typename Parts::mapped_type> find(Parts& parts) {
    const auto found = parts.find(item->name);
    if (found == parts.end()) {
      differences.add(item->name + " is missing in the file");
      return {};
    }
    const auto part = found->second;
    parts.erase(found);
    return part;
  }
  template <class Number, class Change, class Check = void (*)(Number)>
  void take(std::optional<Shape> shape, const Change& change, const Check& check = nullptr) {
    const auto found = find(entries);
    if (!found) return;
    const Entry& entry = **found;
    if (entry.type != type_of<Number>)
      return differences.add(fmt::format("{} is {} here, {} in the file", item->name,
                                         weights::name_of(type_of<Number>), weights::name_of(entry.type)));
    if (shape && entry.shape != *shape)
      return differences.add(
          fmt::format("{} is {} here, {} in the file", item->name, to_string(*shape), to_string(entry.shape)));
    auto values = file.read<Number>(entry);
    if constexpr (!std::is_pointer_v<Check>) check(values(0));
    changes.emplace_back([change, values = std::move(values)]() mutable { change(values); });
  }
};

void Checkpoint::hold(const std::string& name, Held held, std::optional<SettingDomain> domain) {
  if (std::any_of(items_.begin(), items_.end(), [&](const Item& item) { return item.name == name; }))
    fail("checkpoint", "'" + name + "' is there already");
  items_.push_back({name, std::move(held), domain});
}

template <class T> void Checkpoint::add_parameter(const std::string& name, const BasicParameter<T>& parameter) {
  hold(name, parameter);
  hold(name + ".frozen", Flag{[parameter] { return !parameter.requires_grad(); },
                              [p = parameter](bool frozen) mutable { p.set_requires_grad(!frozen); }});
}

template <class T> void Checkpoint::add_network(const std::string& name, BasicModule<T>& net) {
  hold(name, Same{net.text()});
  for (const auto& [path, training] : net.named_modes())
    hold(name + (path.empty() ? "" : ".") + path + ".eval",
         Flag{[mode = training] { return !*mode; }, [mode = training](bool eval) { *mode = !eval; }});
  for (const auto& [path, parameter] : net.named_parameters()) add_parameter(name + "." + path, parameter);
  for (const auto& [path, buffer] : net.named_buffers()) hold(name + "." + path, buffer);
  for (const auto& [path, rng] : net.named_generators()) hold(name + "." + path, rng);
}

template <class T> void Checkpoint::add_optimizer(const std::string& name, BasicOptimizer<T>& optimizer) {
  hold(name, Same{optimizer.text()});
  add_parts(name, optimizer);
  std::size_t i = 0;
  for (const BasicParameter<T>& parameter : optimizer.parameters()) {
    const auto is_it = [&, p = &parameter](const Item& item) {
      const auto* const held = std::get_if<BasicParameter<T>>(&item.held);
      return held != nullptr && *held == *p;
    };
    if (std::none_of(items_.begin(), items_.end(), is_it))
      add_parameter(fmt::format("{}.{}.value", name, i), parameter);
    ++i;
  }
}

void Checkpoint::save(const std::string& path) const {
  std::vector<Tensor> tensors;
  weights::Texts texts{{checkpoint_key, version}};
  std::deque<std::vector<std::int64_t>> numbers;
  for (const Item& item : items_) std::visit(Saving{item.name, tensors, texts, numbers}, item.held);
  weights::write(path, tensors, texts, "checkpoint");
}

void Checkpoint::load(const std::string& path) const {
  Loading loading{weights::Reader(path, "checkpoint")};
  const std::string_view found = loading.file.text(checkpoint_key);
  if (found.empty()) fail("checkpoint", path + ": is no checkpoint; weights are read by load_weights()");
  if (found != version)
    fail("checkpoint", fmt::format("{}: is of version {}, this library reads version {}", path, found, version));
  for (const Entry& entry : loading.file.entries()) loading.entries.emplace(entry.name, &entry);
  for (const auto& [name, text] : loading.file.texts())
    if (name != checkpoint_key) loading.texts.emplace(name, text);
  for (const Item& item : items_) {
    loading.item = &item;
    std::visit(loading, item.held);
  }
  for (const auto& [name, entry] : loading.entries)
    loading.differences.add(std::string(name) + " is only in the file");
  for (const auto& [name, text] : loading.texts)
    loading.differences.add(std::string(name) + " is only in the file");
  loading.differences.check("checkpoint", path, "run");
  for (const auto& change : loading.changes) change();
}

#define TAPEGRAD_FUNCTIONS(T)                                                            \
  template void Checkpoint::add_parameter(const std::string&, const BasicParameter<T>&); \
  template void Checkpoint::add_network(const std::string&, BasicModule<T>&);            \
  template void Checkpoint::add_optimizer(const std::string&, BasicOptimizer<T>&);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
