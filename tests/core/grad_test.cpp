#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <vector>

namespace tg = tapegrad::f64;
using tg::Index;
using tg::Matrix;
using tg::Var;

namespace {

const Matrix x0{{0.5, -1.25, 2}, {1.5, 0.25, -0.75}};
const Matrix v0{{1, -0.5, 0.25}, {0, 2, -1}};
const auto times_sum = [](Var x) { return tanh(x) * sum(x, tg::Axis::cols); };

/// A network of two outputs whose parameters are 2x3 and 1x2, and its loss.
struct Small {
  std::vector<tg::Parameter> parameters{{"w", Matrix{{0.5, -0.25, 1}, {-1, 0.75, 0.125}}},
                                        {"b", Matrix{{0.1, -0.2}}}};
  Var loss(tg::Tape& tape) const {
    const Var z = tg::linear(tape.input(x0), tape.parameter(parameters[0]), tape.parameter(parameters[1]));
    return tg::cross_entropy(tanh(z), std::vector<int>{1, 0});
  }
};

}  // namespace

TEST_CASE("grad with respect to parameters is backward(), and leaves their gradients alone") {
  const Small net;
  tg::Tape tape;
  const Var loss = net.loss(tape);
  const std::vector<Var> gradients = tg::grad(loss, net.parameters);
  CHECK_FALSE(net.parameters[0].has_grad());
  loss.backward();
  REQUIRE(gradients.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) CHECK(gradients[i].value().isApprox(net.parameters[i].grad(), 1e-14));
  tg::Parameter unused("unused", Matrix::Ones(2, 2));
  CHECK(tg::grad(loss, std::vector{unused})[0].value().isZero(0));
}

TEST_CASE("jvp: value of PyTorch, differences, and its own gradient") {
  tg::Tape tape;
  const Var x = tape.input(x0, {.requires_grad = true}), v = tape.input(v0);
  const Var along = tg::jvp(times_sum, x, v);
  CHECK(along.value().isApprox(Matrix{{1.3296475341524165, -0.811472021330905, 0.7450990678234766},
                                      {0.9051482536448664, 2.124948360016465, -1.2317347606686186}},
                               1e-14));
  const double h = 1e-4;
  const auto at = [&](double step) { return Matrix(times_sum(tape.input(Matrix(x0 + step * v0))).value()); };
  const Matrix difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
  CHECK(along.value().isApprox(difference, 1e-10));
  const auto of_jvp = [](std::span<const Var> in) { return tg::jvp(times_sum, in[0], in[1]); };
  CHECK(tg::grad_check(of_jvp, {x0, v0}).ok);
}

TEST_CASE("jvp: what does not depend on x, what is linear in it, and what does not fit") {
  tg::Tape tape;
  const Var x = tape.input(x0, {.requires_grad = true}), v = tape.input(v0);
  CHECK(tg::jvp(tape.input(x0), x, v).value() == Matrix::Zero(2, 3));
  CHECK(tg::jvp(3.0 * x, x, v).value() == 3 * v0);
  CHECK(tg::jvp(x, x, v).value() == v0);
  CHECK_THROWS_WITH_AS(tg::jvp(times_sum, x, tape.constant(1)), "[jvp] v is 1x1, x is 2x3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::jvp(times_sum, v, v), "[grad] variable #1 (input) requires no gradient", tg::Error);
}

TEST_CASE("hvp: values of PyTorch, and differences of the gradient") {
  const Small net;
  const std::vector<Matrix> v{Matrix{{1, -2, 0.5}, {0.25, 0, -1}}, Matrix{{0.5, -1.5}}};
  tg::Tape tape;
  const std::vector<Var> product = tg::hvp(net.loss(tape), net.parameters, v);
  REQUIRE(product.size() == 2);
  CHECK(product[0].value().isApprox(Matrix{{0.15752252340278602, 0.12434394163785367, -0.24428845350823752},
                                           {0.23225513822390545, -0.7079126648991942, 1.143796810530911}},
                                    1e-14));
  CHECK(product[1].value().isApprox(Matrix{{0.05596992173316269, 0.5281476861175263}}, 1e-14));
  const std::vector<Matrix> values{product[0].value(), product[1].value()};
  const double h = 1e-3;
  const auto gradient = [&](double step, std::size_t i) {
    Small moved;
    for (std::size_t k = 0; k < 2; ++k) moved.parameters[k].mutable_value() += step * v[k];
    tape.reset();
    return Matrix(tg::grad(moved.loss(tape), moved.parameters)[i].value());
  };
  for (std::size_t i = 0; i < 2; ++i) {
    const Matrix near = gradient(h, i) - gradient(-h, i), far = gradient(2 * h, i) - gradient(-2 * h, i);
    const Matrix farther = gradient(3 * h, i) - gradient(-3 * h, i);
    CHECK(values[i].isApprox((45 * near - 9 * far + farther) / (60 * h), 1e-10));
  }
}

TEST_CASE("hvp: a loss without second derivatives, and matrices that do not fit") {
  Small net;
  tg::Tape tape;
  const Var linear = sum(2.0 * tape.parameter(net.parameters[0]));
  const std::vector<Matrix> v{Matrix::Ones(2, 3), Matrix::Ones(1, 2)};
  for (const Var& each : tg::hvp(linear, net.parameters, v)) CHECK(each.value().isZero(0));
  CHECK_THROWS_WITH_AS(tg::hvp(linear, net.parameters, {v[0]}), "[hvp] 1 matrices for 2 parameters", tg::Error);
  CHECK_THROWS_WITH_AS(tg::hvp(linear, net.parameters, {v[0], v[0]}), "[hvp] parameter 'b' is 1x2, its matrix 2x3",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::hvp(2.0 * tape.parameter(net.parameters[0]), net.parameters, v),
                       "[grad] needs a scalar (1x1) or a seed, variable #20 (mul_scalar) is 2x3", tg::Error);
}

TEST_CASE("jacobian: values of PyTorch, shapes, and no gradient left behind") {
  tg::Tape tape;
  const Var x = tape.input(x0, {.requires_grad = true});
  const Matrix expected{{1.445176823467419, 0.46211715726000974, 0.46211715726000974, 0, 0, 0},
                        {-0.8482836399575129, -0.49776505723197206, -0.8482836399575129, 0, 0, 0},
                        {0.9640275800758169, 0.9640275800758169, 1.0523411111422725, 0, 0, 0},
                        {0, 0, 0, 1.085854892568515, 0.9051482536448664, 0.9051482536448664},
                        {0, 0, 0, 0.24491866240370913, 1.1849335112100872, 0.24491866240370913},
                        {0, 0, 0, -0.6351489523872873, -0.6351489523872873, -0.03856314410595585}};
  CHECK(tg::jacobian(times_sum(x), x).isApprox(expected, 1e-14));
  CHECK(tape.grad_enabled());
  tg::Rng rng(3);
  tg::Sequential net = tg::mlp({3, 5, 2}, tg::Tanh(), rng);
  const Var y = net(x);
  const Matrix j = tg::jacobian(y, x);
  CHECK(j.rows() == 4);
  CHECK(j.cols() == 6);
  CHECK(j.block(0, 3, 2, 3).isZero(0));  // another sample
  CHECK_FALSE(net.parameters()[0].has_grad());
  const Var v = tape.input(v0);
  CHECK(tg::jvp(y, x, v).value().reshaped<Eigen::RowMajor>().isApprox(j * v0.reshaped<Eigen::RowMajor>(), 1e-14));
  CHECK(tg::jacobian(tape.input(Matrix(0, 2)), x).size() == 0);
  CHECK_THROWS_WITH_AS(tg::jacobian(y, v), ("[grad] variable " + v.label() + " requires no gradient").c_str(),
                       tg::Error);
}

TEST_CASE("grad: an input of another tape is an error that names both") {
  tg::Tape tape, other;
  const Var x = tape.input(x0, {.requires_grad = true}), stranger = other.input(x0, {.requires_grad = true});
  const Var y = tg::sum(x);
  CHECK_THROWS_WITH_AS(tg::grad(y, {stranger}), "[grad] variables #1 (sum) and #0 (input) are on different tapes",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::grad(y, {x}, other.constant(1)),
                       "[grad] variables #1 (sum) and #1 (constant) are on different tapes", tg::Error);
}
