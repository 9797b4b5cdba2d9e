#include "tapegrad/inspect/graph.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/matmul.h"
#include "tapegrad/core/reduction.h"
#include "tapegrad/inspect/range.h"
#include "tapegrad/inspect/text.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/linear.h"

using namespace tapegrad;

namespace {

template <class T> std::string range_text(std::vector<T> values) {
  return to_string(range_of(std::span<const T>(values)));
}

/// A module whose names would break out of quotes, tags and entities.
struct Nasty : Module {
  Nasty() { weight = add_parameter("w\"<&>`\\", Matrix::Ones(1, 1)); }
  std::string_view kind() const override { return "a\"b\\c<i>#1`"; }
  Var forward(Var x) override { return x * x.tape().parameter(weight); }
  Parameter weight;
};

/// A linear layer that records its parameters in a fixed order; in a call that is up to the compiler.
struct Affine : Module {
  Affine() {
    weight = add_parameter("weight", Matrix::Constant(1, 1, 2));
    bias = add_parameter("bias", Matrix::Ones(1, 1));
  }
  std::string_view kind() const override { return "affine"; }
  Var forward(Var x) override {
    const Var w = x.tape().parameter(weight);
    const Var b = x.tape().parameter(bias);
    return linear(x, w, b);
  }
  Parameter weight, bias;
};

/// loss = Σ relu(x·w + b) with w = 2, b = 1, x = (1, −3)
struct Tiny {
  Tiny() : net(Affine(), Relu()) {
    const Var x = tape.input((Matrix(2, 1) << 1, -3).finished());
    const Var loss = sum(net(x));
    loss.backward();
  }
  Sequential net;
  Tape tape;
};

}  // namespace

TEST_CASE_TEMPLATE("graph: a range counts what is not finite", T, float, double) {
  constexpr T inf = std::numeric_limits<T>::infinity();
  CHECK(range_text<T>({T(0.5), T(-1.25), 3}) == "[-1.25, 3]");
  CHECK(range_text<T>({inf, 2, -inf, std::numeric_limits<T>::quiet_NaN()}) == "[2, 2] and 3 not finite");
  CHECK(range_text<T>({inf}) == "1 not finite");
  CHECK(range_text<T>({}) == "nothing");
}

TEST_CASE("graph: the table of a tiny tape") {
  Tiny tiny;
  CHECK(graph_table(tiny.tape, &tiny.net) ==
        "#  op         shape  value    gradient  from   module\n"
        "0  input      2x1    [-3, 1]  -\n"
        "1  parameter  1x1    [2, 2]   [1, 1]           0.weight\n"
        "2  parameter  1x1    [1, 1]   [1, 1]           0.bias\n"
        "3  linear     2x1    [-5, 3]  [0, 1]    0 1 2  0.affine\n"
        "4  relu       2x1    [0, 3]   [1, 1]    3      1.relu\n"
        "5  sum        1x1    [3, 3]   [1, 1]    4\n");
  CHECK(graph_table(tiny.tape).find("linear     2x1    [-5, 3]  [0, 1]    0 1 2\n") != std::string::npos);
}

TEST_CASE("graph: lines of the table have at most 80 columns") {
  Rng rng(1);
  Sequential net{Residual{Linear(2, 2, rng)}};
  net.parameters()[1].set_value((Matrix(1, 2) << -1.23e-12, -1.11e-11).finished());
  Tape tape;
  const Var loss =
      sum(net(tape.input((Matrix(1, 2) << 1.23e-12, 1.11e-12).finished(), {.requires_grad = true})) * 1e-9);
  loss.backward();
  const std::string table = graph_table(tape, &net);
  std::istringstream lines(table);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, columns(line));
  CHECK(widest <= 80);
  CHECK(widest > 60);
  CHECK(table.find("[-1.11e-11, -1.23e-12]  [1e-09, 1e-09]\n          0.inner.0.bias\n") != std::string::npos);
}

TEST_CASE("graph: dot and Mermaid of a tiny tape") {
  Tiny tiny;
  CHECK(graph_dot(tiny.tape, &tiny.net) == R"(digraph tape {
  node [shape=box, fontname="sans-serif"];
  n0 [label="#0 input\n2x1\nvalue [-3, 1]", style=rounded];
  subgraph cluster_0 {
    label="0.affine";
    n1 [label="#1 parameter\n0.weight\n1x1\nvalue [2, 2]\ngradient [1, 1]", style=rounded];
    n2 [label="#2 parameter\n0.bias\n1x1\nvalue [1, 1]\ngradient [1, 1]", style=rounded];
    n3 [label="#3 linear\n2x1\nvalue [-5, 3]\ngradient [0, 1]"];
  }
  subgraph cluster_1 {
    label="1.relu";
    n4 [label="#4 relu\n2x1\nvalue [0, 3]\ngradient [1, 1]"];
  }
  n5 [label="#5 sum\n1x1\nvalue [3, 3]\ngradient [1, 1]"];
  n0 -> n3;
  n1 -> n3;
  n2 -> n3;
  n3 -> n4;
  n4 -> n5;
}
)");
  CHECK(graph_mermaid(tiny.tape, &tiny.net) == R"mermaid(flowchart TD
  n0(["#35;0 input<br/>2x1<br/>value [-3, 1]"])
  subgraph m0["0.affine"]
    n1(["#35;1 parameter<br/>0.weight<br/>1x1<br/>value [2, 2]<br/>gradient [1, 1]"])
    n2(["#35;2 parameter<br/>0.bias<br/>1x1<br/>value [1, 1]<br/>gradient [1, 1]"])
    n3["#35;3 linear<br/>2x1<br/>value [-5, 3]<br/>gradient [0, 1]"]
  end
  subgraph m1["1.relu"]
    n4["#35;4 relu<br/>2x1<br/>value [0, 3]<br/>gradient [1, 1]"]
  end
  n5["#35;5 sum<br/>1x1<br/>value [3, 3]<br/>gradient [1, 1]"]
  n0 --> n3
  n1 --> n3
  n2 --> n3
  n3 --> n4
  n4 --> n5
)mermaid");
}

TEST_CASE("graph: a module's nodes stay together when others stand between them, and bad numbers are red") {
  Rng rng(1);
  f64::Sequential net{f64::Residual{f64::Linear(1, 1, rng)}};
  f64::Tape tape;
  const f64::Var x = tape.input(0.5);
  tapegrad::log(net(x) * 0.0);
  const std::string dot = graph_dot(tape, &net);
  CHECK(dot.find("label=\"0.residual\";\n    n4 [label=\"#4 add") != std::string::npos);
  CHECK(dot.find("label=\"0.inner.0.linear\";\n    n1 [") != std::string::npos);
  CHECK(dot.find("n6 [label=\"#6 log\\n1x1\\nvalue 1 not finite\", color=red];") != std::string::npos);
  CHECK(graph_mermaid(tape, &net).find("  style n6 stroke:red\n") != std::string::npos);
}

TEST_CASE("graph: names are escaped") {
  Sequential net{Nasty()};
  Tape tape;
  net(tape.input(1));
  CHECK(graph_dot(tape, &net).find(R"(label="0.a\"b\\c<i>#1`";)") != std::string::npos);
  CHECK(graph_dot(tape, &net).find(R"(\n0.w\"<&>`\\\n1x1)") != std::string::npos);
  CHECK(graph_mermaid(tape, &net).find(R"(["0.a#quot;b\c#lt;i#gt;#35;1#96;"])") != std::string::npos);
  CHECK(graph_mermaid(tape, &net).find("<br/>0.w#quot;#lt;#amp;#gt;#96;\\<br/>") != std::string::npos);

  if (std::system("command -v dot > /dev/null 2>&1") != 0) return;
  const auto path = std::filesystem::temp_directory_path() / "tapegrad_graph.dot";
  std::ofstream(path) << graph_dot(tape, &net);
  CHECK(std::system(("dot -Tsvg '" + path.string() + "' > /dev/null").c_str()) == 0);
  std::filesystem::remove(path);
}

TEST_CASE("graph: an empty tape") {
  const Tape tape;
  CHECK(graph_table(tape) == "#  op  shape  value  gradient  from  module\n");
  CHECK(graph_dot(tape) == "digraph tape {\n  node [shape=box, fontname=\"sans-serif\"];\n}\n");
  CHECK(graph_mermaid(tape) == "flowchart TD\n");
}
