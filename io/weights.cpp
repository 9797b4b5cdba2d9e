#include "tapegrad/io/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "tapegrad/core/error.h"
#include "tapegrad/io/layer_text.h"
#include "tapegrad/io/weights_file.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using weights::Entry;
using weights::Tensor;
using weights::Type;
using weights::type_of;

std::string joined(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

/// The paths of all modules of a kind.
template <class T> std::set<std::string> paths_of(BasicModule<T>& net, std::string_view kind, std::string_view of) {
  std::set<std::string> paths;
  for (const auto& [path, module] : net.named_modules())
    if (module->kind() == kind) paths.insert(joined(path, of));
  return paths;
}

template <class T> Tensor tensor_of(std::string name, const BasicMatrix<T>& m, bool always_two = false) {
  return {std::move(name), type_of<T>, m.rows() == 1 && !always_two ? 1 : 2, {m.rows(), m.cols()}, m.data()};
}

void refuse_checkpoint(const weights::Reader& file) {
  if (!file.text(weights::checkpoint_key).empty())
    fail("weights",
         file.path() + ": is a checkpoint of a whole run, which Checkpoint loads; save_weights() writes weights");
}

/// Sets a network to what a file holds; throws before anything is changed.
template <class T> void load(weights::Reader& file, BasicModule<T>& net) {
  std::map<std::string, const Entry*> entries;
  for (const Entry& entry : file.entries()) entries.emplace(entry.name, &entry);
  for (const std::string& counter : paths_of(net, "batch_norm", "num_batches_tracked")) entries.erase(counter);
  weights::Differences differences;
  const auto take = [&](const std::string& path, Shape shape) -> const Entry* {
    const auto found = entries.find(path);
    if (found == entries.end()) {
      differences.add(path + " is missing in the file");
      return nullptr;
    }
    const Entry* const entry = found->second;
    entries.erase(found);
    if (entry->shape != shape)
      differences.add(
          fmt::format("{} is {} in the network, {} in the file", path, to_string(shape), to_string(entry->shape)));
    return entry;
  };
  const auto parameters = net.named_parameters();
  const auto buffers = net.named_buffers();
  std::vector<const Entry*> wanted;
  for (const auto& [path, parameter] : parameters) wanted.push_back(take(path, parameter.shape()));
  for (const auto& [path, buffer] : buffers) wanted.push_back(take(path, {buffer->rows(), buffer->cols()}));
  for (const auto& [path, entry] : entries) differences.add(path + " is only in the file");
  differences.check("weights", file.path(), "network");
  std::vector<BasicMatrix<T>> values;
  for (const Entry* entry : wanted) values.push_back(file.read<T>(*entry));
  auto next = values.begin();
  for (const auto& [path, parameter] : parameters) parameter.set_value(*next++);
  for (const auto& [path, buffer] : buffers) *buffer = *next++;
}

}  // namespace

template <class T> void save_weights(BasicModule<T>& net, const std::string& path) {
  constexpr std::int64_t none = 0;
  const auto matrices = paths_of(net, "linear", "weight");
  std::vector<Tensor> tensors;
  for (const std::string& counter : paths_of(net, "batch_norm", "num_batches_tracked"))
    tensors.push_back({counter, Type::i64, 0, {1, 1}, &none});
  const auto parameters = net.named_parameters();
  for (const auto& [name, parameter] : parameters)
    tensors.push_back(tensor_of(name, parameter.value(), matrices.contains(name)));
  for (const auto& [name, buffer] : net.named_buffers()) tensors.push_back(tensor_of(name, *buffer));
  weights::write(path, tensors, {{"format", "pt"}, {"network", net.text()}});
}

template <class T> void load_weights(BasicModule<T>& net, const std::string& path) {
  weights::Reader file(path);
  refuse_checkpoint(file);
  load(file, net);
}

template <class T> BasicSequential<T> load_network(const std::string& path) {
  weights::Reader file(path);
  refuse_checkpoint(file);
  const std::string_view text = file.text("network");
  if (text.empty())
    fail("weights", path + ": it does not say what the network is made of; make it, and use load_weights()");
  std::uint64_t numbers = 0;
  for (const Entry& entry : file.entries()) numbers += static_cast<std::uint64_t>(entry.shape.size());
  std::unique_ptr<BasicModule<T>> made;
  try {
    made = weights::made<T>(weights::parsed(text), numbers);
  } catch (const Error& error) {
    const std::string_view what = error.what(), same = "[weights] ";
    fail("weights", fmt::format("{}: {}", path, what.starts_with(same) ? what.substr(same.size()) : what));
  }
  auto* const net = dynamic_cast<BasicSequential<T>*>(made.get());
  if (net == nullptr) fail("weights", fmt::format("{}: the network is a {}, not a sequential", path, made->kind()));
  load(file, *net);
  return std::move(*net);
}

template <class T> BasicSequential<T> clone(const BasicSequential<T>& net) {
  auto& from = const_cast<BasicSequential<T>&>(net);  // which is only read
  constexpr auto no_limit = std::numeric_limits<std::uint64_t>::max();
  const auto made = weights::made<T>(weights::parsed(net.text()), no_limit);
  auto& copy = dynamic_cast<BasicSequential<T>&>(*made);
  copy_parameters<T>(net, copy);
  const auto rngs = from.named_generators(), new_rngs = copy.named_generators();
  const auto modules = from.named_modules(), new_modules = copy.named_modules();
  const auto parameters = from.parameters(), new_parameters = copy.parameters();
  for (std::size_t i = 0; i < std::min(rngs.size(), new_rngs.size()); ++i) *new_rngs[i].second = *rngs[i].second;
  for (std::size_t i = 0; i < std::min(modules.size(), new_modules.size()); ++i)
    new_modules[i].second->train(modules[i].second->training());
  for (std::size_t i = 0; i < parameters.size(); ++i)
    BasicParameter<T>(new_parameters[i]).set_requires_grad(parameters[i].requires_grad());
  return std::move(copy);
}

template <class T> void save_matrices(const BasicNamedMatrices<T>& matrices, const std::string& path) {
  std::vector<Tensor> tensors;
  for (const auto& [name, matrix] : matrices) tensors.push_back(tensor_of(name, matrix));
  weights::write(path, tensors, {});
}

template <class T> BasicNamedMatrices<T> load_matrices(const std::string& path) {
  weights::Reader file(path);
  BasicNamedMatrices<T> matrices;
  for (const Entry& entry : file.entries()) matrices.emplace_back(entry.name, file.read<T>(entry));
  return matrices;
}

#define TAPEGRAD_FUNCTIONS(T)                                                    \
  template void save_weights(BasicModule<T>&, const std::string&);               \
  template void load_weights(BasicModule<T>&, const std::string&);               \
  template BasicSequential<T> load_network(const std::string&);                  \
  template BasicSequential<T> clone(const BasicSequential<T>&);                  \
  template void save_matrices(const BasicNamedMatrices<T>&, const std::string&); \
  template BasicNamedMatrices<T> load_matrices(const std::string&);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
