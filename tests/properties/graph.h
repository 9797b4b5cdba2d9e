#pragma once

#include <tapegrad/tapegrad.h>

#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "properties/dual.h"

/// Random graphs: up to 60 ops of every kind, with operands that broadcast.

namespace properties {

namespace tg = tapegrad::f64;
using tg::Index;
using tg::Matrix;
using tg::Shape;
using tg::Var;
using Fine = Dual<long double>;
using Coarse = Dual<double>;

struct Random {
  explicit Random(std::uint64_t seed) : engine(seed) {}
  double number(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine); }
  int integer(int low, int high) { return std::uniform_int_distribution<int>(low, high)(engine); }
  bool coin() { return integer(0, 1) == 1; }
  std::vector<double> numbers(Index count, double low, double high) {
    std::vector<double> all(static_cast<std::size_t>(count));
    for (double& each : all) each = number(low, high);
    return all;
  }

  std::mt19937_64 engine;
};

struct Kind;

/** An op of a graph and what was drawn for it. Without a kind it is an input. */
struct Node {
  const Kind* kind = nullptr;
  Shape shape = {};
  std::vector<std::size_t> parents = {};
  std::vector<double> numbers = {};
  std::vector<Index> indices = {};

  double p() const { return numbers.empty() ? 0 : numbers[0]; }
};

/** A kind of op: what fits it, what the textbook says, and how it is recorded. */
struct Kind {
  std::string name;
  std::size_t arity;
  /// Draws settings and shape for operands of these shapes; false when they do not fit.
  std::function<bool(Random& random, std::span<const Shape> x, Node& node)> draw;
  std::function<Table<Fine>(const Node& node, std::span<const Table<Fine>> x)> fine;
  std::function<Table<Coarse>(const Node& node, std::span<const Table<Coarse>> x)> coarse;
  std::function<Var(const Node& node, std::span<const Var> x)> record;
  bool elementwise = false;
};

const std::vector<Kind>& kinds();

struct Graph {
  /** A graph with fewer ops is the beginning of the one with more. */
  Graph(std::uint64_t seed, int ops, bool only_elementwise = false);

  std::vector<Node> nodes;
  std::vector<std::vector<double>> values;      ///< of the inputs
  std::vector<std::vector<double>> directions;  ///< of the inputs
  std::size_t inputs() const { return values.size(); }
  /// The outputs are the last nodes, each times a matrix of weights.
  std::size_t first_output() const { return std::max(inputs(), nodes.size() < 4 ? 0 : nodes.size() - 4); }
  std::vector<std::vector<double>> weights;  ///< of every node

  std::string text() const;
};

Matrix matrix(const std::vector<double>& data, Shape shape);

/** The graph on a tape: all of its nodes, and Σ weights·outputs. */
struct Recorded {
  Recorded(tg::Tape& tape, const Graph& graph);

  std::vector<Var> nodes;
  Var sum;
  std::span<const Var> inputs(const Graph& graph) const { return std::span(nodes).first(graph.inputs()); }
};

}  // namespace properties
