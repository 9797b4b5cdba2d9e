#include "tapegrad/inspect/revive.h"

#include <doctest/doctest.h>

#include "tapegrad/layers/containers.h"

using namespace tapegrad;

namespace {

/// 3-6-2, of which the hidden units 1 and 4 are off for every input near 0.
template <class T> BasicSequential<T> half_dead() {
  Rng rng(5);
  BasicSequential<T> net{BasicLinear<T>(3, 6, rng), Relu(), BasicLinear<T>(6, 2, rng)};
  for (const Index unit : {1, 4}) net.template at<BasicLinear<T>>(0).bias.mutable_value()(0, unit) = -100;
  return net;
}

const std::vector<bool> marks{false, true, false, false, true, false};

template <class T> BasicMatrix<T> inputs() {
  Rng rng(9);
  BasicMatrix<T> x(40, 3);
  for (T& v : x.reshaped()) v = static_cast<T>(rng.normal());
  return x;
}

UnitCensus units(std::string path, std::vector<bool> dead) {
  UnitCensus result;
  result.path = std::move(path);
  result.dead = std::move(dead);
  return result;
}

}  // namespace

TEST_CASE_TEMPLATE("revive: the dead units fire again, the others and the function are what they were", T, float,
                   double) {
  BasicSequential<T> net = half_dead<T>();
  auto& in = net.template at<BasicLinear<T>>(0);
  auto& out = net.template at<BasicLinear<T>>(2);
  const BasicMatrix<T> weight = in.weight.value();
  const BasicMatrix<T> bias = in.bias.value();
  const BasicMatrix<T> onward = out.weight.value();
  const BasicMatrix<T> y = net.predict(inputs<T>());
  Rng rng(1);
  CHECK(revive_dead(net, {units("1", marks)}, rng) == 2);

  for (Index unit = 0; unit < 6; ++unit) {
    const bool dead = marks[static_cast<std::size_t>(unit)];
    CHECK((in.weight.value().row(unit) == weight.row(unit)) == !dead);
    CHECK(in.bias.value()(0, unit) == (dead ? T(0) : bias(0, unit)));
    CHECK((out.weight.value().col(unit) == onward.col(unit)) == !dead);
    if (dead) CHECK(out.weight.value().col(unit).isZero(0));
  }
  CHECK(net.predict(inputs<T>()) == y);
  const BasicMatrix<T> z = in.predict(inputs<T>());
  for (const Index unit : {1, 4}) CHECK((z.col(unit).array() > 0).any());
}

TEST_CASE("revive: the initializer sees the fans of the whole layer") {
  Sequential net = half_dead<float>();
  Rng rng(1);
  const Initializer check_fans{"check", [](Shape shape, Fans fans, Rng&) {
                                 CHECK(shape == Shape{2, 3});
                                 CHECK(fans.in == 3);
                                 CHECK(fans.out == 6);
                                 return f64::Matrix(f64::Matrix::Constant(2, 3, 0.25));
                               }};
  const ReviveOptions options{.weight_init = check_fans, .bias = 0.5, .outgoing = Outgoing::keep};
  const Matrix onward = net.at<Linear>(2).weight.value();
  CHECK(revive(net.at<Linear>(0), marks, net.at<Linear>(2), rng, options) == 2);
  CHECK(net.at<Linear>(0).weight.value().row(4).isConstant(0.25));
  CHECK(net.at<Linear>(0).bias.value()(0, 1) == 0.5F);
  CHECK(net.at<Linear>(2).weight.value() == onward);
}

TEST_CASE("revive: nothing to do") {
  Rng rng(1);
  Sequential net{Residual{Linear(3, 3, rng), Relu(), Linear(3, 3, rng)}, Relu()};
  const Rng::State before = rng.state();
  CHECK(revive_dead(net, {units("1", {false, false, false})}, rng) == 0);
  CHECK(rng.state() == before);
}

TEST_CASE("revive: works without a bias") {
  Rng rng(1);
  Linear in(2, 2, rng, {.bias = false});
  Linear out(2, 1, rng);
  CHECK(revive(in, {true, false}, out, rng) == 1);
}

TEST_CASE("revive: errors leave the network as it was") {
  Sequential net = half_dead<float>();
  Rng rng(1);
  const Matrix before = net.at<Linear>(0).weight.value();
  CHECK_THROWS_WITH_AS(revive(net.at<Linear>(0), {true}, net.at<Linear>(2), rng),
                       "[revive] 1 marks do not fit the weights 6x3 and 2x6", Error);
  CHECK_THROWS_WITH_AS(revive_dead(net, {units("1", marks), units("2", marks)}, rng),
                       "[revive] layer '2' does not stand between two linear layers", Error);
  CHECK_THROWS_WITH_AS(revive_dead(net, {units("1", marks), units("0.inner.1", marks)}, rng),
                       "[revive] layer '0.inner.1' does not stand between two linear layers", Error);
  const Initializer wrong{"mine", [](Shape, Fans, Rng&) { return f64::Matrix(f64::Matrix::Zero(1, 1)); }};
  CHECK_THROWS_WITH_AS(revive(net.at<Linear>(0), marks, net.at<Linear>(2), rng, {.weight_init = wrong}),
                       "[mine] was asked for 2x3 values, made 1x1", Error);
  CHECK(net.at<Linear>(0).weight.value() == before);
}
