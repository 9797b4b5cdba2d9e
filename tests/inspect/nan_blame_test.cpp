#include "tapegrad/inspect/nan_blame.h"

#include <doctest/doctest.h>

#include <limits>

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/core/reduction.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/linear.h"

using namespace tapegrad;

namespace {

/// Any op as a layer.
template <class T> struct Layer : BasicModule<T> {
  using Function = BasicVar<T> (*)(BasicVar<T>);
  explicit Layer(std::string_view name, Function function) : name_(name), function_(function) {}
  std::string_view kind() const override { return name_; }
  BasicVar<T> forward(BasicVar<T> x) override { return function_(x); }
  std::string_view name_;
  Function function_;
};

template <class T> Layer<T> log_layer() {
  return Layer<T>("log", [](BasicVar<T> x) { return tapegrad::log(x); });
}

/// y = x·wᵀ with w the identity of n features.
template <class T> BasicLinear<T> identity_linear(Index n) {
  Rng rng(1);
  BasicLinear<T> layer(n, n, rng, {.bias = false});
  layer.weight.mutable_value().setIdentity();
  return layer;
}

}  // namespace

TEST_CASE_TEMPLATE("nan_blame: an op on the way forward, with its module, operands and rows", T, float, double) {
  BasicSequential<T> net{identity_linear<T>(2), BasicResidual<T>{log_layer<T>()}};
  BasicTape<T> tape;
  const BasicNanBlame<T> blame(tape, net);
  tape.reset();
  BasicMatrix<T> x = BasicMatrix<T>::Constant(9, 2, 2);
  CHECK_NOTHROW(net(tape.input(x)));
  tape.reset();
  x(1, 1) = T(-0.5);
  CHECK_THROWS_WITH_AS(
      net(tape.input(x)),
      "1.inner.0.log: [nan] log made 1 non-finite value (at (1, 1): nan) in step 3 from operand #2 "
      "(matmul) 9x2 in [-0.5, 2]; row 1",
      Error);
  for (Index row = 2; row < 9; ++row) x(row, 0) = 0;
  tape.reset();
  CHECK_THROWS_WITH_AS(
      net(tape.input(x)),
      "1.inner.0.log: [nan] log made 8 non-finite values (first at (1, 1): nan) in step 4 from operand "
      "#2 (matmul) 9x2 in [-0.5, 2]; rows 1, 2, 3, 4, 5 and 3 more",
      Error);
}

TEST_CASE("nan_blame: an op outside of the network, and several operands") {
  Sequential net;
  Tape tape;
  const NanBlame blame(tape, net);
  const Var x = tape.input(1e20);
  CHECK_THROWS_WITH_AS(
      x * x,
      "[nan] mul made 1 non-finite value (at (0, 0): inf) in step 1 from operands #0 (input) 1x1 in "
      "[1e+20, 1e+20], #0 (input) 1x1 in [1e+20, 1e+20]; row 0",
      Error);
}

TEST_CASE("nan_blame: inputs and parameters that are not finite are blamed themselves") {
  Sequential net{identity_linear<float>(3), Relu()};
  Tape tape;
  const NanBlame blame(tape, net);
  Matrix x = Matrix::Ones(2, 3);
  x(1, 2) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(
      net(tape.input(x)),
      "0.linear: [nan] operand #0 (input) 2x3 of matmul holds 1 non-finite value (at (1, 2): nan) in "
      "step 1; row 1",
      Error);
  tape.reset();
  net.at<Linear>(0).weight.mutable_value()(2, 0) = -std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH_AS(
      net(tape.input(Matrix::Ones(2, 3))),
      "0.linear: [nan] operand #1 (parameter 0.weight) 3x3 of matmul holds 1 non-finite value (at (2, "
      "0): -inf) in step 2; row 2",
      Error);
}

TEST_CASE("nan_blame: an infinity that no result depends on is nobody's fault") {
  Sequential net;
  Tape tape;
  const NanBlame blame(tape, net);
  const Var mask = tape.input(-std::numeric_limits<double>::infinity());
  CHECK(tapegrad::exp(mask).item() == 0);
}

TEST_CASE_TEMPLATE("nan_blame: a pull-back", T, float, double) {
  BasicSequential<T> net{identity_linear<T>(2), Layer<T>("root", [](BasicVar<T> x) { return tapegrad::sqrt(x); })};
  BasicTape<T> tape;
  const BasicNanBlame<T> blame(tape, net);
  BasicMatrix<T> x = BasicMatrix<T>::Ones(6, 2);
  x(4, 0) = 0;
  const BasicVar<T> loss = sum(net(tape.input(x)));
  CHECK_THROWS_WITH_AS(loss.backward(),
                       "1.root: [nan] sqrt's pull-back made 1 non-finite value (at (4, 0): inf) in "
                       "step 1 in the gradient of operand #2 (matmul) 6x2 in [0, 1]; its own gradient "
                       "is in [1, 1]; row 4",
                       Error);
  tape.reset();
  CHECK_NOTHROW(sum(net(tape.input(BasicMatrix<T>::Ones(6, 2)))).backward());
}

TEST_CASE("nan_blame: a pull-back outside of the network, with the other operand") {
  Sequential net;
  Tape tape;
  const NanBlame blame(tape, net);
  const Var a = tape.input(1e-30, {.requires_grad = true});
  const Var b = tape.input(1e10);
  const Var y = a * b * tape.input(1e30);
  CHECK_THROWS_WITH_AS(
      y.backward(),
      "[nan] mul's pull-back made 1 non-finite value (at (0, 0): inf) in step 1 in the gradient of "
      "operand #0 (input) 1x1 in [1e-30, 1e-30], other operand #1 (input) 1x1 in [1e+10, 1e+10]; its "
      "own gradient is in [1e+30, 1e+30]; row 0",
      Error);
}

TEST_CASE("nan_blame: the seed of a backward pass, in every pass of a step") {
  Sequential net;
  Tape tape;
  const NanBlame blame(tape, net);
  const Var x = tape.input(2, {.requires_grad = true});
  const Var y = x * 3;
  y.backward();
  CHECK_THROWS_WITH_AS(y.backward(Matrix::Constant(1, 1, std::numeric_limits<float>::quiet_NaN())),
                       "[nan] backward starts from 1 non-finite value (at (0, 0): nan) in the gradient "
                       "of #1 (mul_scalar) 1x1 in step 1; row 0",
                       Error);
}

TEST_CASE_TEMPLATE("nan_blame: finds a single value at any place, and nothing in the largest finite ones", T, float,
                   double) {
  BasicSequential<T> net;
  BasicTape<T> tape;
  const BasicNanBlame<T> blame(tape, net);
  for (Index cols = 1; cols < 140; cols += 3) {
    BasicMatrix<T> x = BasicMatrix<T>::Constant(1, cols, std::numeric_limits<T>::max());
    x(0, cols / 2) = std::numeric_limits<T>::lowest();
    tape.reset();
    CHECK_NOTHROW(tape.input(x) * 1.0);
    for (Index col = 0; col < cols; ++col) {
      BasicMatrix<T> bad = x;
      bad(0, col) = std::numeric_limits<T>::infinity();
      tape.reset();
      CHECK_THROWS_AS(tape.input(bad) * 1.0, Error);
    }
  }
}

TEST_CASE("nan_blame: stops watching at the end of its life") {
  Sequential net;
  Tape tape;
  { const NanBlame blame(tape, net); }
  CHECK_NOTHROW(tapegrad::log(tape.input(-1)));
}
