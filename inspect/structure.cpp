#include "tapegrad/inspect/structure.h"

#include <algorithm>
#include <array>
#include <optional>

#include "tapegrad/core/registry.h"
#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/normalization.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

template <std::size_t N> bool is_among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Losses of one op.
constexpr std::array<std::string_view, 5> losses{"cross_entropy", "bce_with_logits", "mse", "l1", "huber"};

/// Ops of a map that is linear in x, or that scales x by statistics of the batch.
constexpr std::array<std::string_view, 18> linear_ops{
    "input",        "parameter",  "linear",      "matmul",     "add",         "sub",
    "neg",          "add_scalar", "mul_scalar",  "div_scalar", "transpose",   "standardize",
    "broadcast_to", "identity",   "concat_cols", "slice_cols", "concat_rows", "reshape"};

template <class T> bool is_leaf(const Node<T>& node) { return node.parent_count == 0; }

template <class T> bool is_linear(const BasicTape<T>& tape, const Node<T>& node) {
  // A product with a mask or a learned scale is linear in the other operand.
  if (node.op->name == "mul") return is_leaf(tape.node(node.parents[0])) || is_leaf(tape.node(node.parents[1]));
  return is_among(linear_ops, node.op->name);
}

/// The op that a loss is made of where it has weights or targets of its own, below the sum over its terms.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> terms{
    {{"squared_error", "mse"},
     {"absolute_error", "l1"},
     {"huber_error", "huber"},
     {"bce_with_logits", "bce_with_logits"},
     {"log_softmax", "cross_entropy"},
     {"gather", "nll"}}};

/// What a loss is, and the node of what it takes.
struct FoundLoss {
  std::string_view name;
  NodeIndex output = 0;
};

/// A product with weights or targets, and below it what makes the terms of a loss.
template <class T> std::optional<FoundLoss> loss_of_terms(const BasicTape<T>& tape, NodeIndex index) {
  const Node<T>* node = &tape.node(index);
  while (node->op->name == "mul") {
    const Node<T>&a = tape.node(node->parents[0]), &b = tape.node(node->parents[1]);
    if (a.requires_grad == b.requires_grad) return std::nullopt;
    node = a.requires_grad ? &a : &b;
  }
  const auto term =
      std::find_if(terms.begin(), terms.end(), [&](const auto& t) { return t.first == node->op->name; });
  if (term == terms.end()) return std::nullopt;
  NodeIndex output = node->parents[0];
  // Rows of weight 0 are left out with where().
  if (const Node<T>& at = tape.node(output); at.op->name == "where" && is_leaf(tape.node(at.parents[0])))
    output = at.parents[1];
  return FoundLoss{term->second, output};
}

/// The loss itself, below what is added to it or scales it.
template <class T> std::optional<FoundLoss> find_loss(const BasicTape<T>& tape, NodeIndex index) {
  const Node<T>& node = tape.node(index);
  if (node.shape() != Shape{1, 1}) return std::nullopt;
  if (is_among(losses, node.op->name)) return FoundLoss{node.op->name, node.parents[0]};
  for (std::uint32_t k = 0; k < node.parent_count; ++k)
    if (tape.node(node.parents[k]).shape() == Shape{1, 1})
      if (const auto found = find_loss(tape, node.parents[k])) return found;
  if (node.op->name == "sum") return loss_of_terms(tape, node.parents[0]);
  return std::nullopt;
}

bool is_activation(std::string_view name) {
  const std::vector<std::string_view> names = activations();
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

template <class T> StructureRecord structure_of(BasicVar<T> loss, const NamedModules<T>& modules) {
  const BasicTape<T>& tape = loss.tape();
  StructureRecord result;
  const auto found = find_loss(tape, loss.index());
  NodeIndex output = found ? found->output : loss.index();
  while (tape.node(output).op->name == "identity") output = tape.node(output).parents[0];
  const Node<T>& taken = tape.node(output);
  if (found) {
    result.loss = found->name;
    result.outputs = taken.shape().cols;
    if (is_activation(taken.op->name)) result.output_activation = taken.op->name;
  }
  const void* before = nullptr;
  for (NodeIndex i = 0; i <= output; ++i) {
    const Node<T>& node = tape.node(i);
    if (!is_leaf(node) && !is_linear(tape, node) && (i < output || !found || result.output_activation.empty()))
      result.nonlinear = true;
    if (node.owner == nullptr || node.owner == before) continue;
    before = node.owner;
    const auto module =
        std::find_if(modules.begin(), modules.end(), [&](const auto& each) { return each.second == node.owner; });
    if (module == modules.end()) continue;
    const auto& [path, layer] = *module;
    if (const auto* linear = dynamic_cast<const BasicLinear<T>*>(layer)) {
      const Shape shape = linear->weight.shape();
      result.linear.push_back({path, shape.cols, shape.rows});
    }
    if (const auto* dropout = dynamic_cast<const BasicDropout<T>*>(layer))
      result.dropout.emplace_back(path, dropout->probability());
  }
  for (const auto& [path, module] : modules)
    if (found && module == taken.owner) result.output_path = path;
  return result;
}

template <class T> LayerNodes find_nodes(const BasicTape<T>& tape, NodeIndex end, const BasicModule<T>& module) {
  LayerNodes nodes;
  for (NodeIndex i = 0; i < end; ++i) {
    const Node<T>& node = tape.node(i);
    if (node.owner != &module || node.parent_count == 0) continue;
    if (!nodes.found) nodes.z = node.parents[0];
    nodes.y = i;
    nodes.found = true;
  }
  return nodes;
}

template <class T> const BasicLinear<T>* source_of(const BasicTape<T>& tape, NodeIndex z) {
  const Index units = tape.node(z).shape().cols;
  for (NodeIndex i = z; tape.node(i).parent_count > 0; i = tape.node(i).parents[0]) {
    if (tape.node(i).shape().cols != units) return nullptr;
    const auto* linear =
        dynamic_cast<const BasicLinear<T>*>(static_cast<const BasicModule<T>*>(tape.node(i).owner));
    if (linear != nullptr) return linear;
  }
  return nullptr;
}

template <class T> NamedModules<T> with_modes(const NamedModules<T>& modules) {
  NamedModules<T> result;
  for (const auto& each : modules) {
    const auto* dropout = dynamic_cast<const BasicDropout<T>*>(each.second);
    const bool drops = dropout != nullptr && dropout->probability() > 0;
    if (drops || dynamic_cast<const BasicBatchNorm1d<T>*>(each.second) != nullptr) result.push_back(each);
  }
  return result;
}

#define TAPEGRAD_FUNCTIONS(T)                                                            \
  template StructureRecord structure_of(BasicVar<T>, const NamedModules<T>&);            \
  template LayerNodes find_nodes(const BasicTape<T>&, NodeIndex, const BasicModule<T>&); \
  template const BasicLinear<T>* source_of(const BasicTape<T>&, NodeIndex);              \
  template NamedModules<T> with_modes(const NamedModules<T>&);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
