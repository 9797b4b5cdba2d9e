#include "tapegrad/inspect/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "tapegrad/inspect/range.h"
#include "tapegrad/inspect/text.h"

namespace tapegrad::inline TAPEGRAD_ABI {

namespace {

/// One node in words.
struct Described {
  std::string op, shape, value, gradient, from, where;  ///< `where`: its parameter's path, else its module's
  std::string cluster;                                  ///< its module's path
  bool healthy = true;                                  ///< all numbers are finite
};

template <class T> std::vector<Described> described(const BasicTape<T>& tape, BasicModule<T>* net) {
  const BasicNodeNames<T> names(net);
  std::vector<Described> result;
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const Node<T>& node = tape.node(static_cast<NodeIndex>(i));
    const auto range = [&](const T* data) {
      return range_of(std::span<const T>(data, static_cast<std::size_t>(node.size())));
    };
    const Range values = range(node.value);
    Described each{.op = std::string(node.op->name),
                   .shape = to_string(node.shape()),
                   .value = to_string(values),
                   .gradient = "-",
                   .from = "",
                   .where = names.parameter(node),
                   .cluster = names.module(node)};
    each.healthy = values.not_finite == 0;
    if (node.pass != 0) {
      const Range gradient = range(node.grad);
      each.gradient = to_string(gradient);
      each.healthy = each.healthy && gradient.not_finite == 0;
    }
    for (std::uint32_t k = 0; k < node.parent_count; ++k)
      each.from += fmt::format("{}{}", k == 0 ? "" : " ", node.parents[k]);
    if (each.where.empty()) each.where = each.cluster;
    result.push_back(std::move(each));
  }
  return result;
}

/// The lines of a node's label.
std::vector<std::string> label(std::size_t index, const Described& node) {
  std::vector<std::string> lines{fmt::format("#{} {}", index, node.op)};
  if (node.where != node.cluster) lines.push_back(node.where);
  lines.push_back(node.shape);
  lines.push_back("value " + node.value);
  if (node.gradient != "-") lines.push_back("gradient " + node.gradient);
  return lines;
}

using Escapes = std::span<const std::pair<char, std::string_view>>;

std::string escaped(std::string_view text, Escapes escapes) {
  std::string result;
  for (const char c : text) {
    const auto found = std::find_if(escapes.begin(), escapes.end(), [c](const auto& e) { return e.first == c; });
    if (found == escapes.end())
      result += c;
    else
      result += found->second;
  }
  return result;
}

constexpr std::array<std::pair<char, std::string_view>, 3> dot_escapes{
    {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', " "}}};
constexpr std::array<std::pair<char, std::string_view>, 7> mermaid_escapes{
    {{'"', "#quot;"}, {'#', "#35;"}, {'&', "#amp;"}, {'<', "#lt;"}, {'>', "#gt;"}, {'`', "#96;"}, {'\n', " "}}};

std::string label_text(std::size_t index, const Described& node, Escapes escapes, std::string_view line_break) {
  std::string text;
  for (const std::string& line : label(index, node)) {
    if (!text.empty()) text += line_break;
    text += escaped(line, escapes);
  }
  return text;
}

/// Calls open(k, name), node(i) and close() so that the nodes of a module stand together, in the order of the tape.
template <class Open, class Show, class Close>
void by_cluster(const std::vector<Described>& nodes, const Open& open, const Show& show, const Close& close) {
  std::vector<char> done(nodes.size(), 0);
  std::size_t clusters = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (done[i]) continue;
    const std::string& cluster = nodes[i].cluster;
    if (cluster.empty()) {
      show(i);
      continue;
    }
    open(clusters++, cluster);
    for (std::size_t j = i; j < nodes.size(); ++j) {
      if (nodes[j].cluster != cluster) continue;
      show(j);
      done[j] = 1;
    }
    close();
  }
}

template <class T, class Edge> void for_each_edge(const BasicTape<T>& tape, const Edge& edge) {
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const Node<T>& node = tape.node(static_cast<NodeIndex>(i));
    for (std::uint32_t k = 0; k < node.parent_count; ++k) edge(node.parents[k], i);
  }
}

}  // namespace

template <class T> BasicNodeNames<T>::BasicNodeNames(BasicModule<T>* net) {
  if (net == nullptr) return;
  for (const auto& [path, module] : net->named_modules())
    modules_.emplace_back(module, path.empty() ? "" : path + "." + std::string(module->kind()));
  for (const auto& [path, parameter] : net->named_parameters())
    parameters_.emplace_back(parameter.value().data(), path);
}

template <class T> std::string BasicNodeNames<T>::parameter(const Node<T>& node) const {
  if (node.op->name != "parameter") return "";
  for (const auto& [data, path] : parameters_)
    if (data == node.value) return path;
  return "";
}

template <class T> std::string BasicNodeNames<T>::module(const Node<T>& node) const {
  for (const auto& [module, path] : modules_)
    if (module == node.owner) return path;
  return "";
}

template <class T> std::string graph_table(const BasicTape<T>& tape, BasicModule<T>* net) {
  const std::vector<Described> nodes = described(tape, net);
  const bool gradients = nodes.empty() || std::any_of(nodes.begin(), nodes.end(),
                                                      [](const Described& node) { return node.gradient != "-"; });
  std::vector<std::array<std::string, 7>> rows{{"#", "op", "shape", "value", "gradient", "from", "module"}};
  for (const Described& node : nodes)
    rows.push_back(
        {std::to_string(rows.size() - 1), node.op, node.shape, node.value, node.gradient, node.from, node.where});
  std::array<std::size_t, 7> width{};
  for (const auto& row : rows)
    for (std::size_t k = 0; k < row.size(); ++k) width[k] = std::max(width[k], columns(row[k]));
  const auto trimmed = [](std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
  };
  std::string text;
  for (const auto& row : rows) {
    std::string line = fmt::format("{:>{}}", row[0], width[0]);
    for (std::size_t k = 1; k < 5; ++k)
      if (k != 4 || gradients) line += fmt::format("  {:<{}}", row[k], width[k]);
    const std::string rest = fmt::format("  {:<{}}  {}", row[5], width[5], row[6]);
    const std::string whole = trimmed(line + rest);
    const bool fits = columns(whole) <= 80;  // else operands and module stand below
    text += (fits ? whole : trimmed(line) + "\n" + trimmed(std::string(width[0], ' ') + rest)) + "\n";
  }
  return text;
}

template <class T> std::string graph_dot(const BasicTape<T>& tape, BasicModule<T>* net) {
  const std::vector<Described> nodes = described(tape, net);
  std::string text = "digraph tape {\n  node [shape=box, fontname=\"sans-serif\"];\n";
  std::string indent = "  ";
  by_cluster(
      nodes,
      [&](std::size_t k, const std::string& name) {
        text += fmt::format("  subgraph cluster_{} {{\n    label=\"{}\";\n", k, escaped(name, dot_escapes));
        indent = "    ";
      },
      [&](std::size_t i) {
        const bool leaf = nodes[i].from.empty();
        text += fmt::format("{}n{} [label=\"{}\"{}{}];\n", indent, i, label_text(i, nodes[i], dot_escapes, "\\n"),
                            leaf ? ", style=rounded" : "", nodes[i].healthy ? "" : ", color=red");
      },
      [&] {
        text += "  }\n";
        indent = "  ";
      });
  for_each_edge(tape, [&](std::size_t from, std::size_t to) { text += fmt::format("  n{} -> n{};\n", from, to); });
  return text + "}\n";
}

template <class T> std::string graph_mermaid(const BasicTape<T>& tape, BasicModule<T>* net) {
  const std::vector<Described> nodes = described(tape, net);
  std::string text = "flowchart TD\n";
  std::string indent = "  ";
  by_cluster(
      nodes,
      [&](std::size_t k, const std::string& name) {
        text += fmt::format("  subgraph m{}[\"{}\"]\n", k, escaped(name, mermaid_escapes));
        indent = "    ";
      },
      [&](std::size_t i) {
        const bool leaf = nodes[i].from.empty();
        text += fmt::format("{}n{}{}\"{}\"{}\n", indent, i, leaf ? "([" : "[",
                            label_text(i, nodes[i], mermaid_escapes, "<br/>"), leaf ? "])" : "]");
      },
      [&] {
        text += "  end\n";
        indent = "  ";
      });
  for_each_edge(tape, [&](std::size_t from, std::size_t to) { text += fmt::format("  n{} --> n{}\n", from, to); });
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (!nodes[i].healthy) text += fmt::format("  style n{} stroke:red\n", i);
  return text;
}

#define TAPEGRAD_FUNCTIONS(T)                                                 \
  template class BasicNodeNames<T>;                                           \
  template std::string graph_table(const BasicTape<T>&, BasicModule<T>* net); \
  template std::string graph_dot(const BasicTape<T>&, BasicModule<T>* net);   \
  template std::string graph_mermaid(const BasicTape<T>&, BasicModule<T>* net);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
