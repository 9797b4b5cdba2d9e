#include <doctest/doctest.h>
#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>

#include "properties/graph.h"

/// What holds for every graph, tried on 1,000 random ones. For more of them, or others:
///
///     RC_PARAMS="max_success=100000 seed=2" build/ci/tests/tapegrad_tests --source-file='*properties_test.cpp'

namespace {

using namespace properties;

/// All ops, before a test registers one of its own.
const std::vector<std::string_view> library_ops = [] {
  std::vector<std::string_view> names;
  for (const auto& entry : tg::elementwise_ops()) names.push_back(entry.name);
  return names;
}();

bool check(const char* what, const std::function<void()>& property) {
  setenv("RC_PARAMS", "seed=1 max_success=1000", 0);
  return rc::check(what, property);
}

/// The number of ops grows with the size of the case, and shrinks when one fails.
Graph any_graph(bool only_elementwise = false) {
  const auto seed = *rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>());
  return Graph(seed, *rc::gen::inRange(1, 61), only_elementwise);
}

Table<Fine> calculated(const Node& node, std::span<const Table<Fine>> x) { return node.kind->fine(node, x); }
Table<Coarse> calculated(const Node& node, std::span<const Table<Coarse>> x) { return node.kind->coarse(node, x); }

/// Σ weights·outputs in dual numbers: ε along element `at` of input `input`, δ along the graph's direction.
template <class S> S reference(const Graph& graph, std::size_t input, std::size_t at) {
  std::vector<Table<S>> nodes;
  S sum;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.kind == nullptr) {
      Table<S> x(static_cast<int>(node.shape.rows), static_cast<int>(node.shape.cols));
      for (std::size_t k = 0; k < x.data.size(); ++k)
        x.data[k] = S(graph.values[i][k], i == input && k == at ? 1 : 0, graph.directions[i][k], 0);
      nodes.push_back(x);
    } else {
      std::vector<Table<S>> x;
      for (const std::size_t parent : node.parents) x.push_back(nodes[parent]);
      nodes.push_back(calculated(node, x));
    }
    if (i < graph.first_output()) continue;
    for (std::size_t k = 0; k < nodes[i].data.size(); ++k) sum = sum + nodes[i].data[k] * S(graph.weights[i][k]);
  }
  return sum;
}

struct Derivatives {
  std::vector<Matrix> first, first_taped, second, second_taped;
};

std::vector<Matrix> values_of(std::span<const Var> x) {
  std::vector<Matrix> all;
  for (const Var& each : x) all.push_back(each.value());
  return all;
}
std::vector<Matrix> grads_of(std::span<const Var> x) {
  std::vector<Matrix> all;
  for (const Var& each : x) all.push_back(each.grad());
  return all;
}
std::vector<Matrix> zeros_like(const std::vector<Matrix>& x) {
  std::vector<Matrix> all;
  for (const Matrix& each : x) all.push_back(Matrix::Zero(each.rows(), each.cols()));
  return all;
}

/// Gradients, and those of their product with the graph's direction; each by backward() and by grad().
Derivatives derivatives(const Graph& graph) {
  Derivatives all;
  tg::Tape tape;
  const Recorded of_backward(tape, graph);
  of_backward.sum.backward();
  all.first = grads_of(of_backward.inputs(graph));
  tape.reset();
  const Recorded recorded(tape, graph);
  const auto x = recorded.inputs(graph);
  const auto slopes = tg::grad(recorded.sum, x);
  all.first_taped = values_of(slopes);
  Var along = tape.constant(0);
  for (std::size_t i = 0; i < x.size(); ++i)
    along += tg::sum(slopes[i] * tape.input(matrix(graph.directions[i], x[i].shape())));
  all.second = all.second_taped = zeros_like(all.first);
  if (!along.requires_grad()) return all;
  all.second_taped = values_of(tg::grad(along, x));
  along.backward();
  all.second = grads_of(x);
  return all;
}

constexpr double tolerance = 1e-12;

/// What differs between the library and dual numbers; nothing when they agree to 1e-12 of the largest derivative. Where the
/// dual numbers of a double differ from those of a long double the graph multiplies rounding errors, and so may the library;
/// and so does an exponential of values that are far above 100.
std::string difference(const Graph& graph, int elements = 12) {
  nearest_tie = HUGE_VAL;
  tg::Tape tape;
  const Recorded recorded(tape, graph);
  if (!recorded.sum.requires_grad()) return "";
  double largest = 100;
  for (const Var& node : recorded.nodes) largest = std::max(largest, node.value().cwiseAbs().maxCoeff());
  const Derivatives got = derivatives(graph);
  struct Compared {
    std::size_t input, at;
    Fine fine;
    Coarse coarse;
  };
  std::vector<Compared> all;
  double first = 0, second = 0, first_noise = 0, second_noise = 0;
  Random random(1);
  for (int i = 0; i < elements; ++i) {
    const auto input = static_cast<std::size_t>(random.integer(0, static_cast<int>(graph.inputs()) - 1));
    const auto at = static_cast<std::size_t>(random.integer(0, static_cast<int>(graph.values[input].size()) - 1));
    all.push_back({input, at, reference<Fine>(graph, input, at), reference<Coarse>(graph, input, at)});
    first = std::max(first, static_cast<double>(std::abs(all.back().fine.b)));
    second = std::max(second, static_cast<double>(std::abs(all.back().fine.d)));
    first_noise = std::max(first_noise, static_cast<double>(std::abs(all.back().fine.b - all.back().coarse.b)));
    second_noise = std::max(second_noise, static_cast<double>(std::abs(all.back().fine.d - all.back().coarse.d)));
  }
  if (!(first < 1e8 && second < 1e10 && largest < 1000)) return "";  // exploded
  std::string text;
  const auto compare = [&](const char* what, const Compared& c, const std::vector<Matrix>& by, long double want,
                           double scale, double noise) {
    const double value = by[c.input].data()[c.at];
    const double allowed = tolerance * (1 + scale) * largest / 100 + 200 * noise;
    if (!(std::abs(value - static_cast<double>(want)) <= allowed))
      text += fmt::format("{} of input {}, element {}: {} is not {}\n", what, c.input, c.at, value,
                          static_cast<double>(want));
  };
  for (const Compared& c : all) {
    compare("backward", c, got.first, c.fine.b, first, first_noise);
    compare("grad", c, got.first_taped, c.fine.b, first, first_noise);
    compare("backward of grad", c, got.second, c.fine.d, second, second_noise);
    compare("grad of grad", c, got.second_taped, c.fine.d, second, second_noise);
  }
  // Rounding decides a comparison of what is nearly equal.
  return nearest_tie < 1e-9 ? "" : text;
}

double dot(const std::vector<double>& a, const Matrix& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b.data()[i];
  return sum;
}

/// The graph of these rows: what has one row for all stays. Every op must be elementwise.
Graph with_rows(Graph graph, const std::vector<Index>& rows) {
  const Index all = graph.nodes[0].shape.rows;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    Shape& shape = graph.nodes[i].shape;
    if (shape.rows != all) continue;
    shape.rows = static_cast<Index>(rows.size());
    for (auto* list : {&graph.weights, &graph.values, &graph.directions}) {
      if (i >= list->size()) continue;
      std::vector<double> taken;
      for (const Index row : rows)
        taken.insert(taken.end(), (*list)[i].begin() + row * shape.cols,
                     (*list)[i].begin() + (row + 1) * shape.cols);
      (*list)[i] = taken;
    }
  }
  return graph;
}

/// An elementwise graph of several rows, and some of them in another order; all of them, when `every` is set.
std::pair<Graph, std::vector<Index>> rows_of_any_graph(bool every) {
  Graph graph = any_graph(true);
  RC_PRE(graph.nodes[0].shape.rows > 1);
  std::vector<Index> rows;
  for (Index row = 0; row < graph.nodes[0].shape.rows; ++row) rows.push_back(row);
  std::shuffle(rows.begin(), rows.end(), Random(graph.nodes.size()).engine);
  if (!every) rows.resize(rows.size() / 2 + rows.size() % 2);
  return {graph, rows};
}

bool same(const Matrix& whole, const Matrix& part, const std::vector<Index>& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (Index col = 0; col < whole.cols(); ++col)
      if (std::memcmp(&whole(rows[i], col), &part(static_cast<Index>(i), col), sizeof(double)) != 0) return false;
  return true;
}

}  // namespace

TEST_CASE("properties: gradients of both orders are those of dual numbers") {
  CHECK(check("first and second derivatives", [] {
    const Graph graph = any_graph();
    const std::string what = difference(graph);
    if (!what.empty()) RC_FAIL(what + graph.text());
  }));
}

TEST_CASE("properties: backward is the transpose of forward") {
  CHECK(check("<u, Jv> = <J'u, v>", [] {
    const Graph graph = any_graph();
    tg::Tape tape;
    const Recorded recorded(tape, graph);
    if (!recorded.sum.requires_grad() || !difference(graph).empty()) return;
    nearest_tie = HUGE_VAL;
    const Fine along = reference<Fine>(graph, graph.inputs(), 0);
    const double noise = static_cast<double>(std::abs(reference<Coarse>(graph, graph.inputs(), 0).c - along.c));
    recorded.sum.backward();
    double product = 0, scale = 1;
    for (std::size_t i = 0; i < graph.inputs(); ++i) {
      product += dot(graph.directions[i], recorded.nodes[i].grad());
      scale += recorded.nodes[i].grad().cwiseAbs().sum();
    }
    if (nearest_tie > 1e-9 && scale < 1e6)
      RC_ASSERT(std::abs(product - static_cast<double>(along.c)) <= 1e-11 * scale + 200 * noise);
  }));
}

TEST_CASE("properties: backward is linear") {
  CHECK(check("backward(2u - 3v) = 2 backward(u) - 3 backward(v)", [] {
    const Graph graph = any_graph();
    tg::Tape tape;
    const Var y = Recorded(tape, graph).nodes.back();
    if (!y.requires_grad()) return;
    Random random(graph.nodes.size());
    const auto gradients = [&](const Matrix& seed) {
      tape.reset();
      const Recorded recorded(tape, graph);
      recorded.nodes.back().backward(seed);
      return grads_of(recorded.inputs(graph));
    };
    const Shape shape = y.shape();
    const Matrix u = matrix(random.numbers(shape.size(), -1, 1), shape);
    const Matrix v = matrix(random.numbers(shape.size(), -1, 1), shape);
    const auto of_u = gradients(u), of_v = gradients(v), of_both = gradients(2 * u - 3 * v);
    for (std::size_t i = 0; i < graph.inputs(); ++i) {
      const double scale = 1 + of_u[i].cwiseAbs().maxCoeff() + of_v[i].cwiseAbs().maxCoeff();
      RC_ASSERT((2 * of_u[i] - 3 * of_v[i] - of_both[i]).cwiseAbs().maxCoeff() <= 1e-12 * scale);
    }
  }));
}

TEST_CASE("properties: a value does not depend on its place, nor on the size of the batch") {
  CHECK(check("rows of a batch", [] {
    const auto [graph, rows] = rows_of_any_graph(false);
    tg::Tape tape, other;
    const Recorded whole(tape, graph), part(other, with_rows(graph, rows));
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
      if (graph.nodes[i].shape.rows > 1) RC_ASSERT(same(whole.nodes[i].value(), part.nodes[i].value(), rows));
  }));
}

TEST_CASE("properties: a permuted batch has permuted gradients") {
  CHECK(check("permutation of a batch", [] {
    const auto [graph, rows] = rows_of_any_graph(true);
    tg::Tape tape, other;
    const Recorded whole(tape, graph), permuted(other, with_rows(graph, rows));
    if (!whole.sum.requires_grad()) return;
    whole.sum.backward();
    permuted.sum.backward();
    for (std::size_t i = 0; i < graph.inputs(); ++i)
      if (graph.nodes[i].shape.rows > 1) RC_ASSERT(same(whole.nodes[i].grad(), permuted.nodes[i].grad(), rows));
  }));
}

TEST_CASE("properties: a reference that is wrong by 1e-6 is noticed") {
  int noticed = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    fault = 1 + 1e-6;
    noticed += difference(Graph(seed, 40)).empty() ? 0 : 1;
    fault = 1;
  }
  CHECK(noticed >= 30);
}

TEST_CASE("properties: the graphs have every op") {
  std::set<std::string_view> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    tg::Tape tape;
    const Recorded recorded(tape, Graph(seed, 60));
    for (tapegrad::NodeIndex i = 0; i < tape.size(); ++i) seen.insert(tape.node(i).op->name);
  }
  for (const std::string_view op : library_ops) CHECK_MESSAGE(seen.count(op) == 1, std::string(op));
}
