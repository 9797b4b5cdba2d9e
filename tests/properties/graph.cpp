#include "properties/graph.h"

#include <fmt/format.h>

namespace properties {

Matrix matrix(const std::vector<double>& data, Shape shape) {
  return Eigen::Map<const Matrix>(data.data(), shape.rows, shape.cols);
}

Graph::Graph(std::uint64_t seed, int ops, bool only_elementwise) {
  Random random(seed);
  const Shape largest{random.integer(1, 5), random.integer(1, random.integer(0, 3) == 0 ? 20 : 6)};
  for (int i = random.integer(2, 4); i-- > 0;) {
    const Shape shape{i == 0 || random.coin() ? largest.rows : 1, i == 0 || random.coin() ? largest.cols : 1};
    nodes.push_back({.shape = shape});
    values.push_back(random.numbers(shape.size(), -2, 2));
    directions.push_back(random.numbers(shape.size(), -1, 1));
    weights.push_back(random.numbers(shape.size(), -1, 1));
  }
  // Elementwise kinds are drawn twice as often: sums make everything after them small.
  std::vector<const Kind*> some;
  for (const Kind& each : kinds())
    for (int times = each.elementwise ? 2 : only_elementwise ? 0 : 1; times-- > 0;) some.push_back(&each);
  while (ops > 0) {
    Node node{.kind = some[static_cast<std::size_t>(random.integer(0, static_cast<int>(some.size()) - 1))]};
    std::vector<Shape> x;
    while (x.size() < node.kind->arity) {
      const int last = static_cast<int>(nodes.size()) - 1;
      const int from = random.integer(0, 2) == 0 ? 0 : std::max(0, last - 6);
      node.parents.push_back(static_cast<std::size_t>(random.integer(from, last)));
      x.push_back(nodes[node.parents.back()].shape);
    }
    if (!node.kind->draw(random, x, node) || node.shape.size() > 120) continue;
    weights.push_back(random.numbers(node.shape.size(), -1, 1));
    nodes.push_back(std::move(node));
    --ops;
  }
}

std::string Graph::text() const {
  std::string text;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    text += fmt::format("  {} = {}({}) {}", i, node.kind == nullptr ? "input" : node.kind->name,
                        fmt::join(node.parents, ", "), tg::to_string(node.shape));
    if (!node.numbers.empty()) text += fmt::format(" with {}", fmt::join(node.numbers, ", "));
    if (!node.indices.empty()) text += fmt::format(" at {}", fmt::join(node.indices, ", "));
    text += "\n";
  }
  return text;
}

Recorded::Recorded(tg::Tape& tape, const Graph& graph) : sum(tape.constant(0)) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    std::vector<Var> x;
    for (const std::size_t parent : node.parents) x.push_back(nodes[parent]);
    if (node.kind == nullptr)
      nodes.push_back(tape.input(matrix(graph.values[i], node.shape), {.requires_grad = true}));
    else
      nodes.push_back(node.kind->record(node, x));
    if (nodes.back().shape() != node.shape) throw std::logic_error(node.kind->name + " has another shape");
    if (i >= graph.first_output()) sum += tg::sum(nodes.back() * tape.input(matrix(graph.weights[i], node.shape)));
  }
}

}  // namespace properties
