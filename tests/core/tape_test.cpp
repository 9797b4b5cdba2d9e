#include <doctest/doctest.h>
#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace tg = tapegrad::f64;

namespace {

tg::Matrix matrix(Eigen::Index rows, Eigen::Index cols, std::initializer_list<double> values) {
  tg::Matrix m(rows, cols);
  std::copy(values.begin(), values.end(), m.data());
  return m;
}

tg::Var ones(tg::Tape& tape, Eigen::Index rows, Eigen::Index cols) {
  return tape.input(tg::Matrix(tg::Matrix::Ones(rows, cols)), {.requires_grad = true});
}

struct Recorder final : tg::Observer {
  std::vector<std::string> log;
  void on_forward(const tg::Tape& tape, tg::NodeIndex i) override {
    const auto& n = tape.node(i);
    log.push_back(fmt::format("forward {} {} {}{}{}", i, n.op->name, tg::to_string(n.shape()),
                              n.requires_grad ? " grad" : "", n.leaf ? " leaf" : ""));
    CHECK(tape.size() == i + 1);
  }
  void on_backward(const tg::Tape& tape, tg::NodeIndex i) override {
    log.push_back(fmt::format("backward {} {} {}", i, tape.node(i).op->name, tape.node(i).grad[0]));
  }
  void after_pull_back(const tg::Tape& tape, tg::NodeIndex i) override {
    log.push_back(fmt::format("after {} {}", i, tape.node(i).op->name));
  }
};

}  // namespace

TEST_CASE("a stale Var says from which step it is") {
  tg::Tape tape;
  while (tape.step() < 41) tape.reset();
  for (int i = 0; i < 17; ++i) tape.constant(i);
  const tg::Var old = tg::relu(tape.var(16));
  CHECK(old.label() == "#17 (relu)");
  tape.reset();
  const char* text = "[tape] variable #17 (relu) is from step 41, the tape is at step 42";
  CHECK_THROWS_WITH_AS(old.value(), text, tg::Error);
  CHECK_THROWS_WITH_AS(old.grad(), text, tg::Error);
  CHECK_THROWS_WITH_AS(old.backward(), text, tg::Error);
  CHECK_THROWS_WITH_AS(old.item(), text, tg::Error);
  CHECK_THROWS_WITH_AS(old.shape(), text, tg::Error);
  CHECK_THROWS_WITH_AS(tg::tanh(old), text, tg::Error);
  CHECK_THROWS_WITH_AS(old + tape.constant(1), text, tg::Error);
  CHECK_THROWS_WITH_AS(tape.constant(1) + old, text, tg::Error);
  CHECK_THROWS_WITH_AS(tg::sum(old), text, tg::Error);
  CHECK_THROWS_WITH_AS(tg::grad(tape.constant(1), {old}), text, tg::Error);
}

TEST_CASE("an empty Var") {
  const tg::Var empty;
  CHECK(empty.empty());
  const char* text = "[tape] the variable is empty: it was never recorded";
  CHECK_THROWS_WITH_AS(empty.value(), text, tg::Error);
  CHECK_THROWS_WITH_AS(empty.backward(), text, tg::Error);
  CHECK_THROWS_WITH_AS(tg::relu(empty), text, tg::Error);
  CHECK_THROWS_WITH_AS(tg::matmul(empty, empty), text, tg::Error);
  tg::Tape tape;
  CHECK_THROWS_WITH_AS(tape.constant(1) + empty, text, tg::Error);
  CHECK_THROWS_WITH_AS(tape.parameter(tg::Parameter()), "[tape] the parameter is empty", tg::Error);
  CHECK(tape.size() == 2 - 1);  // the constant only
}

TEST_CASE("two tapes mixed") {
  tg::Tape one, two;
  const tg::Var a = one.constant(1);
  two.constant(0);
  const tg::Var b = tg::tanh(two.constant(2));
  CHECK_THROWS_WITH_AS(a + b, "[add] variables #0 (constant) and #2 (tanh) are on different tapes", tg::Error);
  CHECK_THROWS_WITH_AS(tg::matmul(a, b), "[matmul] variables #0 (constant) and #2 (tanh) are on different tapes",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::concat_cols({a, b}),
                       "[concat_cols] variables #0 (constant) and #2 (tanh) are on different tapes", tg::Error);
  CHECK_THROWS_WITH_AS(tg::mse(a, b), "[mse] variables #0 (constant) and #2 (tanh) are on different tapes",
                       tg::Error);
  CHECK(one.size() == 1);
  CHECK(two.size() == 3);
}

TEST_CASE("backward needs a scalar and something to differentiate") {
  tg::Tape tape;
  const tg::Var x = ones(tape, 2, 3);
  CHECK_THROWS_WITH_AS(x.backward(), "[backward] needs a scalar (1x1) or a seed, variable #0 (input) is 2x3",
                       tg::Error);
  CHECK_THROWS_WITH_AS(x.backward(tg::Matrix::Ones(3, 2)), "[backward] the seed is 3x2, variable #0 (input) is 2x3",
                       tg::Error);
  const tg::Var c = tape.constant(1);
  CHECK_THROWS_WITH_AS(c.backward(),
                       "[backward] variable #1 (constant) depends on nothing that requires a gradient", tg::Error);
  CHECK_THROWS_WITH_AS(x.item(), "[item] needs a scalar (1x1), variable #0 (input) is 2x3", tg::Error);
  CHECK_THROWS_WITH_AS(x.grad(), "[grad] variable #0 (input): no backward pass in this step yet", tg::Error);
  CHECK_THROWS_WITH_AS(c.grad(), "[grad] variable #1 (constant) requires no gradient", tg::Error);
  CHECK_THROWS_WITH_AS(tg::grad(x, {x}), "[grad] needs a scalar (1x1) or a seed, variable #0 (input) is 2x3",
                       tg::Error);
  const tg::Var s = tg::sum(x);
  CHECK_THROWS_WITH_AS(tg::grad(s, {c}), "[grad] variable #1 (constant) requires no gradient", tg::Error);
  CHECK_THROWS_WITH_AS(tg::grad(x, {x}, c), "[grad] the seed is 1x1, variable #0 (input) is 2x3", tg::Error);
}

TEST_CASE("matrix products of shapes that do not fit") {
  tg::Tape tape;
  const auto in = [&](Eigen::Index r, Eigen::Index c) { return ones(tape, r, c); };
  CHECK_THROWS_WITH_AS(tg::matmul(in(32, 784), in(128, 10)), "[matmul] inner dimensions differ: 32x784 * 128x10",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::matmul(in(2, 3), in(3, 4), {.transpose_a = true}),
                       "[matmul] inner dimensions differ: (2x3)^T * 3x4", tg::Error);
  CHECK_THROWS_WITH_AS(tg::matmul(in(2, 3), in(3, 4), {.transpose_b = true}),
                       "[matmul] inner dimensions differ: 2x3 * (3x4)^T", tg::Error);
  CHECK_THROWS_WITH_AS(tg::linear(in(2, 3), in(4, 3), in(1, 3)),
                       "[linear] the bias is 1x3, the weight 4x3 needs 1x4", tg::Error);
  CHECK_THROWS_WITH_AS(tg::linear(in(2, 3), in(4, 2), in(1, 4)), "[matmul] inner dimensions differ: 2x3 * (4x2)^T",
                       tg::Error);
}

TEST_CASE("reductions and selections that do not fit") {
  tg::Tape tape;
  const tg::Var empty = ones(tape, 0, 3);
  const tg::Var x = ones(tape, 2, 3);
  CHECK(tg::sum(empty).item() == 0);
  CHECK_THROWS_WITH_AS(tg::mean(empty), "[mean] nothing to reduce: the input is 0x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::max(empty), "[max] nothing to reduce: the input is 0x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::min(empty, tg::Axis::rows), "[min] nothing to reduce: the input is 0x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::logsumexp(empty), "[logsumexp] nothing to reduce: the input is 0x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::standardize(empty, tg::Axis::rows), "[standardize] nothing to reduce: the input is 0x3",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::standardize(x, tg::Axis::rows, -1), "[standardize] eps must not be negative, got -1",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::concat_cols({x, ones(tape, 1, 3)}), "[concat_cols] rows differ: 2x3 and 1x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::concat_cols(std::span<const tg::Var>()), "[concat_cols] nothing to concatenate",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::slice_cols(x, 2, 2), "[slice_cols] 2 columns from 2 are not in 2x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::slice_cols(x, -1, 2), "[slice_cols] 2 columns from -1 are not in 2x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::pad_cols(x, -1, 2), "[pad_cols] cannot add -1 and 2 columns", tg::Error);
  CHECK_THROWS_WITH_AS(tg::select_rows(x, {0, 2}), "[select_rows] row 2 is not in 0..1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::gather(x, std::vector<tg::Index>{6}, {1, 1}), "[gather] element 6 is not in 2x3",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::gather(x, std::vector<tg::Index>{1}, {1, 2}), "[gather] 1 element numbers for 1x2",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::scatter_rows(x, std::vector<tg::Index>{1}, 4), "[scatter_rows] 1 row numbers for 2x3",
                       tg::Error);
}

TEST_CASE("errors carry the path of the module") {
  const tg::Error error("matmul", "inner dimensions differ: 2x3 * 4x5");
  CHECK(std::string(error.inside("linear").what()) == "linear: [matmul] inner dimensions differ: 2x3 * 4x5");
  CHECK(std::string(error.inside("linear").inside("0").what()) ==
        "0.linear: [matmul] inner dimensions differ: 2x3 * 4x5");
}

TEST_CASE("two backward passes add up in parameters and inputs, not in between") {
  tg::Tape tape;
  tg::Parameter w("w", matrix(1, 1, {3}));
  const tg::Var x = tape.input(2, {.requires_grad = true});
  const tg::Var y = x * tape.parameter(w);
  const tg::Var loss = y * y;
  loss.backward();
  CHECK(w.grad()(0) == 24);
  CHECK(x.grad()(0) == 36);
  CHECK(y.grad()(0) == 12);
  CHECK(loss.grad()(0) == 1);
  loss.backward();
  CHECK(w.grad()(0) == 48);
  CHECK(x.grad()(0) == 72);
  CHECK(y.grad()(0) == 12);
  CHECK(tape.parameter(w).grad()(0) == 48);
  tape.reset();
  CHECK_FALSE(w.has_grad());
  CHECK(w.grad()(0) == 0);
  const tg::Var again = tape.parameter(w) * 2.0;
  again.backward();
  CHECK(w.grad()(0) == 2);
  w.zero_grad();
  CHECK(w.grad()(0) == 0);
}

TEST_CASE("every Var before the loss has a readable gradient after backward") {
  tg::Tape tape;
  const tg::Var x = ones(tape, 2, 2);
  const tg::Var unused = ones(tape, 1, 3);
  tg::Parameter idle("idle", matrix(1, 2, {1, 2}));
  const tg::Var p = tape.parameter(idle);
  tg::sum(x).backward();
  CHECK(unused.grad() == tg::Matrix::Zero(1, 3));
  CHECK(p.grad() == tg::Matrix::Zero(1, 2));
  CHECK(x.grad() == tg::Matrix::Ones(2, 2));
}

TEST_CASE("a new tape after the death of the old one starts at zero") {
  tg::Parameter w("w", matrix(1, 1, {3}));
  for (int run = 0; run < 3; ++run) {
    tg::Tape tape;
    (tape.parameter(w) * 5.0).backward();
    CHECK(w.grad()(0) == 5);
  }
  CHECK(w.grad()(0) == 5);  // still readable after the tape is gone
}

TEST_CASE("a parameter recorded twice is one node, shared ones get the sum") {
  tg::Tape tape;
  tg::Parameter w("w", matrix(1, 1, {3}));
  const tg::Parameter same = w;
  CHECK(same == w);
  const tg::Var a = tape.parameter(w);
  const tg::Var b = tape.parameter(same);
  CHECK(a.index() == b.index());
  CHECK(tape.size() == 1);
  CHECK(a.value().data() == w.value().data());  // not copied
  (a * 2.0 + b * b).backward();
  CHECK(w.grad()(0) == 8);
  CHECK(same.grad()(0) == 8);
  tg::Parameter other("w", matrix(1, 1, {3}));
  CHECK_FALSE(other == w);
}

TEST_CASE("parameters may come in any order, and some not at all") {
  std::vector<tg::Parameter> parameters;
  for (int i = 0; i < 4; ++i) parameters.emplace_back(fmt::format("p{}", i), matrix(1, 1, {i + 1.0}));
  const std::vector<std::vector<std::size_t>> steps{
      {0, 1, 2, 3}, {0, 1, 2, 3}, {3, 1, 3, 0, 0}, {2}, {1, 2, 1, 3, 0}};
  tg::Tape tape;
  for (const auto& step : steps) {
    tape.reset();
    std::vector<double> uses(parameters.size(), 0);
    std::vector<tg::Var> first(parameters.size());
    tg::Var sum = tape.constant(0);
    for (const std::size_t i : step) {
      const tg::Var p = tape.parameter(parameters[i]);
      if (uses[i]++ == 0) first[i] = p;
      CHECK(p.index() == first[i].index());
      CHECK(p.item() == static_cast<double>(i) + 1);
      sum = sum + p;
    }
    sum.backward();
    for (std::size_t i = 0; i < parameters.size(); ++i) CHECK(parameters[i].grad()(0) == uses[i]);
  }
}

TEST_CASE("a parameter may change its shape between steps") {
  tg::Tape tape;
  tg::Parameter w("w", matrix(1, 2, {1, 2}));
  for (const Eigen::Index rows : {1, 3, 2}) {
    w.set_value(tg::Matrix::Constant(rows, 2, 2));
    tape.reset();
    tg::sum(tg::square(tape.parameter(w))).backward();
    CHECK(w.grad() == tg::Matrix::Constant(rows, 2, 4));
  }
}

TEST_CASE("what is too large is not recorded") {
  tg::Tape tape;
  tg::Parameter good("good", matrix(1, 1, {3}));
  tg::Parameter bad("bad", tg::Matrix(Eigen::Index{1} << 32, 0));
  for (int step = 0; step < 2; ++step) {
    tape.reset();
    const tg::Var before = tape.parameter(good);
    for (int i = 0; i < 2; ++i)
      CHECK_THROWS_WITH_AS(tape.parameter(bad), "[tape] too large a value: 4294967296x0", tg::Error);
    CHECK(tape.size() == 1);
    const tg::Var after = tape.input(5);
    CHECK(after.index() == 1);
    (before * after).backward();
    CHECK(good.grad()(0) == 5);
  }
}

TEST_CASE("what is too large to have an address is refused before it is written") {
  constexpr Eigen::Index big = Eigen::Index{1} << 31;
  tg::Tape tape;
  bool written = false;
  const auto fill = [&](double*) { written = true; };
  CHECK_THROWS_WITH_AS(tape.input({big, big}, fill), "[tape] too large a value: 2147483648x2147483648", tg::Error);
  CHECK_THROWS_WITH_AS(tape.input({2 * big, 0}, fill), "[tape] too large a value: 4294967296x0", tg::Error);
  CHECK_THROWS_WITH_AS(tape.input({-1, 1}, fill), "[tape] too large a value: -1x1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::broadcast_to(tape.input(1), {big, big}),
                       "[tape] too large a value: 2147483648x2147483648", tg::Error);
  CHECK_FALSE(written);
  CHECK(tape.size() == 1);
}

TEST_CASE("a frozen parameter takes part and gets nothing") {
  tg::Tape tape;
  tg::Parameter w("w", matrix(1, 1, {3}));
  tg::Parameter frozen("frozen", matrix(1, 1, {4}));
  frozen.set_requires_grad(false);
  const tg::Var f = tape.parameter(frozen);
  CHECK_FALSE(f.requires_grad());
  (tape.parameter(w) * f).backward();
  CHECK(w.grad()(0) == 4);
  CHECK_FALSE(frozen.has_grad());
  CHECK_THROWS_WITH_AS(f.grad(), "[grad] variable #0 (parameter) requires no gradient", tg::Error);
}

TEST_CASE("nothing is recorded for the backward pass in a no-grad scope") {
  tg::Tape tape;
  tg::Parameter w("w", matrix(1, 1, {3}));
  const tg::Var x = tape.input(2, {.requires_grad = true});
  {
    const auto guard = tape.no_grad();
    CHECK_FALSE(tape.grad_enabled());
    CHECK_FALSE((x * x).requires_grad());
    {
      const auto inner = tape.no_grad();
      CHECK_FALSE(tape.grad_enabled());
    }
    CHECK_FALSE(tape.grad_enabled());
    CHECK_FALSE((tape.parameter(w) * 2.0).requires_grad());
  }
  CHECK(tape.grad_enabled());
  // The parameter was first seen in the scope; outside of it, it learns all the same.
  const tg::Var loss = tape.parameter(w) * x;
  CHECK(loss.requires_grad());
  loss.backward();
  CHECK(w.grad()(0) == 2);
}

TEST_CASE("detach cuts the graph and shares the memory") {
  tg::Tape tape;
  const tg::Var x = tape.input(3, {.requires_grad = true});
  const tg::Var cut = tg::detach(x);
  CHECK_FALSE(cut.requires_grad());
  CHECK(cut.value().data() == x.value().data());
  (x * cut).backward();
  CHECK(x.grad()(0) == 3);
}

TEST_CASE("an input gets no gradient unless it asks, and no work is done for it") {
  tg::Tape tape;
  tg::Parameter w("w", tg::Matrix::Ones(4, 3));
  const tg::Var x = tape.input(tg::Matrix(tg::Matrix::Ones(2, 3)));
  CHECK_FALSE(x.requires_grad());
  const tg::Var y = tg::matmul(x, tape.parameter(w), {.transpose_b = true});
  tg::sum(y).backward();
  CHECK(tape.node(x.index()).grad == nullptr);
  CHECK(w.grad() == tg::Matrix::Constant(4, 3, 2));
  CHECK_THROWS_WITH_AS(x.grad(), "[grad] variable #0 (input) requires no gradient", tg::Error);
}

TEST_CASE("an input can be filled in place") {
  tg::Tape tape;
  const tg::Var x = tape.input({2, 2}, [](double* values) { std::iota(values, values + 4, 1.0); });
  CHECK(x.value() == matrix(2, 2, {1, 2, 3, 4}));
  const tg::Matrix wide = matrix(2, 3, {1, 2, 3, 4, 5, 6});
  CHECK(tape.input(wide.leftCols(2)).value() == matrix(2, 2, {1, 2, 4, 5}));
  // a seed that is a part of a matrix
  const tg::Var in = tape.input(matrix(2, 2, {1, 2, 3, 4}), {.requires_grad = true});
  (in * 2.0).backward(wide.rightCols(2));
  CHECK(in.grad() == matrix(2, 2, {4, 6, 10, 12}));
}

TEST_CASE("a borrowed input is not copied") {
  tg::Tape tape;
  const tg::Matrix values = matrix(2, 2, {1, 2, 3, 4});
  const tg::Var x = tape.borrow(values, {.requires_grad = true});
  CHECK(x.value().data() == values.data());
  CHECK(tape.bytes_used() == 0);
  const tg::Var last_row = tape.borrow(tg::BasicView<double>(values.data() + 2, 1, 2));
  CHECK(last_row.value() == matrix(1, 2, {3, 4}));
  CHECK_FALSE(last_row.requires_grad());
  tg::sum(x * x * last_row).backward();
  CHECK(x.grad() == matrix(2, 2, {6, 16, 18, 32}));
  CHECK(values == matrix(2, 2, {1, 2, 3, 4}));
  constexpr tg::Index big = tg::Index{1} << 31;
  CHECK_THROWS_WITH_AS(tape.borrow(tg::BasicView<double>(values.data(), big, big)),
                       "[tape] too large a value: 2147483648x2147483648", tg::Error);
}

TEST_CASE("a seed on the tape is never written to") {
  tg::Tape tape;
  const tg::Var x = tape.input(matrix(1, 2, {2, 3}), {.requires_grad = true});
  const tg::Var seed = tape.input(matrix(1, 2, {10, 100}));
  const tg::Var y = x * x;
  y.backward(seed);
  CHECK(x.grad() == matrix(1, 2, {40, 600}));

  // A second pass goes through y and writes its gradient, which is that of the last pass; x's are added up.
  tg::sum(y * 5.0).backward();
  CHECK(seed.value() == matrix(1, 2, {10, 100}));
  CHECK(y.grad() == matrix(1, 2, {5, 5}));
  CHECK(x.grad() == matrix(1, 2, {60, 630}));

  // One that does not reach y leaves its gradient.
  y.backward(seed);
  tg::sum(x).backward();
  CHECK(y.grad() == matrix(1, 2, {10, 100}));
  CHECK(x.grad() == matrix(1, 2, {101, 1231}));

  // From a leaf, the seed is added.
  x.backward(seed);
  CHECK(x.grad() == matrix(1, 2, {111, 1331}));

  CHECK_THROWS_WITH_AS(y.backward(tape.input(1)), "[backward] the seed is 1x1, variable #2 (mul) is 1x2",
                       tg::Error);
  CHECK_THROWS_WITH_AS(seed.backward(seed),
                       "[backward] variable #1 (input) depends on nothing that requires a gradient", tg::Error);
  tg::Tape other;
  CHECK_THROWS_WITH_AS(y.backward(other.input(1)),
                       "[backward] variables #2 (mul) and #0 (input) are on different tapes", tg::Error);
  tape.reset();
  CHECK_THROWS_WITH_AS(tape.input(1, {.requires_grad = true}).backward(seed),
                       "[tape] variable #1 (input) is from step 1, the tape is at step 2", tg::Error);
}

TEST_CASE("observers see every node in order, complete, forward and backward") {
  tg::Tape tape;
  Recorder recorder;
  tape.attach(recorder);
  tg::Parameter w("w", matrix(1, 1, {3}));
  const tg::Var x = tape.input(2);
  const tg::Var loss = tg::square(x * tape.parameter(w));
  loss.backward();
  tape.detach(recorder);
  tg::relu(x);
  CHECK(recorder.log == std::vector<std::string>{
                            "forward 0 input 1x1 leaf",
                            "forward 1 parameter 1x1 grad leaf",
                            "forward 2 mul 1x1 grad",
                            "forward 3 square 1x1 grad",
                            "backward 3 square 1",
                            "after 3 square",
                            "backward 2 mul 12",
                            "after 2 mul",
                            "backward 1 parameter 24",
                        });
}

TEST_CASE("what an observer throws comes out, and the node stays") {
  struct Throwing final : tg::Observer {
    void on_forward(const tg::Tape& tape, tg::NodeIndex i) override {
      if (tape.node(i).op->name == "parameter") throw std::runtime_error("seen enough");
    }
  } observer;
  tg::Tape tape;
  tg::Parameter w("w", matrix(1, 1, {3}));
  for (int i = 0; i < 15; ++i) tape.constant(i);  // the next node is the one for which the list grows
  tape.attach(observer);
  CHECK_THROWS_WITH_AS(tape.parameter(w), "seen enough", std::runtime_error);
  tape.detach(observer);
  CHECK(tape.size() == 16);
  CHECK(tape.parameter(w).index() == 15);
  for (int i = 0; i < 100; ++i) tape.constant(i);
  tg::square(tape.parameter(w)).backward();
  CHECK(w.grad()(0) == 6);
}

TEST_CASE("gradients of gradients") {
  tg::Tape tape;
  const tg::Var x = tape.input(matrix(1, 2, {2, 3}), {.requires_grad = true});
  const tg::Var unrelated = tape.input(1, {.requires_grad = true});
  const tg::Var y = tg::sum(x * x * x);
  const auto first = tg::grad(y, {x, unrelated});
  CHECK(first[0].value() == matrix(1, 2, {12, 27}));
  CHECK(first[1].value() == matrix(1, 1, {0}));
  const tg::Var second = tg::grad(tg::sum(first[0]), {x})[0];
  CHECK(second.value() == matrix(1, 2, {12, 18}));
  const tg::Var third = tg::grad(tg::sum(second), {x})[0];
  CHECK(third.value() == matrix(1, 2, {6, 6}));
  // a gradient penalty trains: d/dx Σ(3x²)² = 36x³
  tg::sum(tg::square(first[0])).backward();
  CHECK(x.grad() == matrix(1, 2, {288, 972}));
}

TEST_CASE("the gradient by grad() leaves parameters alone") {
  tg::Tape tape;
  tg::Parameter w("w", matrix(1, 1, {3}));
  const tg::Var p = tape.parameter(w);
  CHECK(tg::grad(p * p, {p})[0].item() == 6);
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("a chain of a million nodes runs forward, backward and is destroyed") {
  constexpr int length = 1'000'000;
  auto tape = std::make_unique<tg::Tape>();
  const tg::Var x = tape->input(1, {.requires_grad = true});
  tg::Var y = x;
  for (int i = 0; i < length; ++i) y = i % 2 == 0 ? y * 2.0 : y * 0.5;
  CHECK(tape->size() == length + 1);
  CHECK(y.item() == 1);
  y.backward();
  CHECK(x.grad()(0) == 1);
  CHECK(tape->bytes_used() > 0);
  const auto reserved = tape->bytes_reserved();
  tape->reset();
  CHECK(tape->bytes_used() == 0);
  CHECK(tape->bytes_reserved() == reserved);
  tape.reset();
}

TEST_CASE("the taped gradient of a chain of 10,000 nodes") {
  tg::Tape tape;
  const tg::Var x = tape.input(1, {.requires_grad = true});
  tg::Var y = x * x;
  for (int i = 0; i < 10'000; ++i) y = i % 2 == 0 ? y * 2.0 : y * 0.5;
  const tg::Var slope = tg::grad(y, {x})[0];
  CHECK(slope.item() == 2);
  CHECK(tg::grad(slope, {x})[0].item() == 2);
}

TEST_CASE("the arena aligns, grows, and keeps its memory in one piece") {
  tapegrad::Arena arena;
  for (const std::size_t bytes : {1u, 15u, 16u, 63u, 64u, 65u, 1000u, 100'000u, 1'000'000u}) {
    auto* p = static_cast<unsigned char*>(arena.allocate(bytes));
    CHECK(reinterpret_cast<std::uintptr_t>(p) % (bytes >= 64 ? 64 : 16) == 0);
    std::fill_n(p, bytes, static_cast<unsigned char>(0xab));
  }
  const auto used = arena.used();
  CHECK(used >= 1'101'224);
  arena.reset();
  CHECK(arena.used() == 0);
  CHECK(arena.capacity() >= used);
}

TEST_CASE("two passes on a new tape add up, after another tape died") {
  tg::Parameter w("w", matrix(1, 1, {3}));
  {
    tg::Tape tape;
    (tape.parameter(w) * 5.0).backward();
    CHECK(w.grad()(0) == 5);
  }
  tg::Tape tape;
  const tg::Var loss = tape.parameter(w) * 7.0;
  loss.backward();
  CHECK(w.grad()(0) == 7);
  loss.backward();
  CHECK(w.grad()(0) == 14);
  (tape.parameter(w) * 2.0).backward();
  CHECK(w.grad()(0) == 16);
}

TEST_CASE("taped gradients by several paths add up, and stop where no input lies") {
  tg::Tape tape;
  const tg::Var x = tape.input(3, {.requires_grad = true});
  const tg::Var z = tape.input(5, {.requires_grad = true});
  const tg::Var unused = tape.input(7, {.requires_grad = true});
  const tg::Var y = x * x * z + 4 * x - z;
  const auto slopes = tg::grad(y, {x, z, unused});
  CHECK(slopes[0].item() == 34);
  CHECK(slopes[1].item() == 8);
  CHECK(slopes[2].item() == 0);
  CHECK(tg::grad(y, {y})[0].item() == 1);
  CHECK(tg::grad(y, {x}, tape.input(-2))[0].item() == -68);
  CHECK(tg::grad(slopes[0], {z})[0].item() == 6);
}
