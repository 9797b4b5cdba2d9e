#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <string>

namespace tg = tapegrad::f64;

namespace {

tg::Parameter scalar(double value) { return {"w", tg::Matrix::Constant(1, 1, value)}; }

const char* const changed =
    "[backward] parameter 'w' was changed after it was recorded, and variable #1 (mul) needs the value that it "
    "had: "
    "change parameters after the last backward pass, or record it again";

}  // namespace

TEST_CASE("a parameter that an optimizer changed before backward() is an error") {
  tg::Parameter w = scalar(3);
  tg::Sgd sgd({w}, {.lr = 1});
  tg::Tape tape;
  const tg::Var v = tape.parameter(w);
  const tg::Var square = v * v;
  const tg::Var other = v * 1.0;
  other.backward();
  sgd.step();
  CHECK(w.value()(0) == 2);
  CHECK_THROWS_WITH_AS(square.backward(), changed, tg::Error);
  CHECK(w.grad()(0) == 1);  // nothing was added
}

TEST_CASE("every way to change a parameter counts, reading does not") {
  tg::Parameter w = scalar(3);
  const auto gradient_after = [&](auto&& change) {
    tg::Tape tape;
    const tg::Var v = tape.parameter(w);
    const tg::Var y = v * v;
    change();
    y.backward();
    return w.grad()(0);
  };
  CHECK(gradient_after([&] { static_cast<void>(w.value()(0) + w.grad()(0) + w.mutable_grad()(0)); }) == 6);
  CHECK_THROWS_WITH_AS(gradient_after([&] { w.set_value(tg::Matrix::Constant(1, 1, 4)); }), changed, tg::Error);
  CHECK_THROWS_WITH_AS(gradient_after([&] { w.mutable_value()(0) = 5; }), changed, tg::Error);
  CHECK_THROWS_WITH_AS(gradient_after([&] { w.mutable_value(); }), changed, tg::Error);
  CHECK_THROWS_WITH_AS(gradient_after([&] { w.set_value(tg::Matrix::Ones(50, 50)); }), changed, tg::Error);
  CHECK(w.shape() == tg::Shape{50, 50});
}

TEST_CASE("a parameter counts only where a gradient needs it") {
  tg::Parameter w = scalar(3), other = scalar(2), frozen = scalar(5);
  frozen.set_requires_grad(false);
  tg::Tape tape;
  const tg::Var v = tape.parameter(w);
  const tg::Var y = v * v;
  const tg::Var unrelated = tg::exp(tape.parameter(other));
  const tg::Var through_frozen = y * tape.parameter(frozen);
  other.set_value(tg::Matrix::Zero(1, 1));
  y.backward();
  CHECK(w.grad()(0) == 6);
  CHECK_THROWS_AS(unrelated.backward(), tg::Error);
  CHECK(tg::grad(unrelated * y, {v})[0].item() == unrelated.item() * 6);  // the rule of exp() does not run
  through_frozen.backward();
  frozen.set_value(tg::Matrix::Zero(1, 1));
  CHECK_THROWS_AS(through_frozen.backward(), tg::Error);
  CHECK(w.grad()(0) == 6 + 30);
}

TEST_CASE("grad() refuses a changed parameter") {
  tg::Parameter w = scalar(3);
  tg::Tape tape;
  const tg::Var v = tape.parameter(w);
  const tg::Var y = v * v * v;
  CHECK(tg::grad(y, {v})[0].item() == 27);
  w.set_value(tg::Matrix::Zero(1, 1));
  CHECK_THROWS_WITH_AS(
      tg::grad(y, {v}),
      "[grad] parameter 'w' was changed after it was recorded, and variable #2 (mul) needs the value "
      "that it had: change parameters after the last backward pass, or record it again",
      tg::Error);
}

TEST_CASE("a generator and its critic: recorded again after a change, a parameter has its new value") {
  for (const bool reset : {false, true}) {
    CAPTURE(reset);
    tg::Parameter generator("g", tg::Matrix::Constant(1, 1, 2)), critic("c", tg::Matrix::Constant(1, 1, 3));
    tg::Sgd sgd({critic}, {.lr = 1});
    tg::Tape tape;
    const auto score = [&] { return tg::square(tape.parameter(generator)) * tape.parameter(critic); };
    for (int step = 0; step < 3; ++step) {
      if (reset) tape.reset();
      generator.zero_grad();
      critic.zero_grad();
      score().backward();
      sgd.step();
      generator.zero_grad();
      critic.zero_grad();
      const tg::Var second = score();
      second.backward();
      const double g = generator.value()(0), c = critic.value()(0);
      CHECK(second.item() == g * g * c);
      CHECK(generator.grad()(0) == 2 * g * c);
      CHECK(critic.grad()(0) == g * g);
      CHECK(tape.parameter(critic).index() == tape.parameter(critic).index());
    }
  }
}

TEST_CASE("what was recorded stays readable when a parameter gets another size") {
  tg::Parameter w = scalar(3);
  tg::Tape tape;
  const tg::Var v = tape.parameter(w);
  w.set_value(tg::Matrix::Constant(20, 20, 7));
  CHECK(v.item() == 3);
  CHECK((v * 2.0).item() == 6);
  const tg::Var again = tape.parameter(w);
  CHECK(again.shape() == tg::Shape{20, 20});
  tg::sum(again * 2.0).backward();
  CHECK(w.grad() == tg::Matrix::Constant(20, 20, 2));
  CHECK_THROWS_WITH_AS(v.grad(), "[tape] parameter 'w' was 1x1 when it was recorded, now it is 20x20", tg::Error);
  tape.reset();
  const tg::Var third = tape.parameter(w);
  w.mutable_value() = tg::Matrix::Ones(3, 1);
  CHECK_THROWS_WITH_AS(third.value(), "[tape] parameter 'w' was 20x20 when it was recorded, now it is 3x1",
                       tg::Error);
}

TEST_CASE("what was detached from a parameter does not change with it") {
  tg::Parameter w = scalar(3), u = scalar(5);
  tg::Tape tape;
  const tg::Var cut = tg::detach(tape.parameter(w)), again = tg::detach(cut);
  const tg::Var y = cut * again * tape.parameter(u);
  w.set_value(tg::Matrix::Constant(1, 1, 100));
  w.set_value(tg::Matrix::Ones(50, 50));
  w.set_value(tg::Matrix::Ones(2, 2));
  CHECK(cut.value()(0) == 3);
  CHECK(again.item() == 3);
  y.backward();
  CHECK(u.grad()(0) == 9);
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("reset() forgotten") {
  tg::Parameter w = scalar(3);
  tg::Sgd sgd({w}, {.lr = 1e-3});
  tg::Tape tape;
  const auto train = [&] {
    for (int step = 0; step < 200; ++step) {
      tg::square(tape.parameter(w)).backward();
      sgd.step();
    }
  };
  CHECK_THROWS_WITH_AS(
      train(), "[tape] parameter 'w' was changed 100 times in step 1: every step begins with reset()", tg::Error);
  tape.reset();
  tg::square(tape.parameter(w)).backward();
  CHECK(w.grad()(0) == 2 * w.value()(0));
}

TEST_CASE("an empty parameter") {
  const std::string error = "[parameter] the parameter is empty";
  tg::Rng rng(1);
  tg::Parameter empty = tg::Linear(2, 2, rng, {.bias = false}).bias;
  CHECK(empty.empty());
  CHECK(!scalar(1).empty());
  CHECK_THROWS_WITH_AS(empty.name(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.shape(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.size(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.value(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.set_value(tg::Matrix::Ones(1, 1)), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.mutable_value(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.grad(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.mutable_grad(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.has_grad(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.zero_grad(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.requires_grad(), error.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(empty.set_requires_grad(true), error.c_str(), tg::Error);
}

TEST_CASE("another matrix put in the place of a gradient or a value") {
  tg::Parameter w("w", tg::Matrix::Constant(2, 3, 5));
  tg::Tape tape;
  const tg::Var v = tape.parameter(w);
  const tg::Var loss = tg::sum(v * 2.0);
  w.mutable_grad() = tg::Matrix(tg::Matrix::Constant(2, 3, 1));
  CHECK(tape.node(loss.index()).requires_grad);
  loss.backward();
  CHECK(w.grad() == tg::Matrix::Constant(2, 3, 3));
  CHECK(v.grad() == w.grad());
  w.mutable_grad() = tg::Matrix(tg::Matrix::Constant(2, 3, 7));
  CHECK(v.grad() == w.grad());
  w.mutable_grad() = tg::Matrix(tg::Matrix::Zero(3, 3));
  CHECK_THROWS_WITH_AS(loss.backward(), "[tape] the gradient of parameter 'w' is 3x3, its value 2x3", tg::Error);
  CHECK_THROWS_WITH_AS(v.grad(), "[grad] variable #0 (parameter): no backward pass in this step yet", tg::Error);

  tape.reset();
  const tg::Var before = tape.parameter(w);
  const tg::Var square = tg::sum(before * before);
  tg::Matrix& kept = w.mutable_value();
  const tg::Var again = tg::sum(tape.parameter(w));
  kept = tg::Matrix(tg::Matrix::Constant(2, 3, 7));
  CHECK_THROWS_WITH_AS(
      before.value(),
      "[tape] parameter 'w' got the memory of another matrix after it was recorded: use set_value()", tg::Error);
  CHECK_THROWS_AS(square.backward(), tg::Error);
  CHECK_THROWS_AS(again.backward(), tg::Error);
  CHECK(tg::sum(tape.parameter(w)).item() == 42);
}

TEST_CASE("a 1x1 parameter that got another size is no loss any more") {
  tg::Parameter w = scalar(3);
  tg::Tape tape;
  const tg::Var v = tape.parameter(w);
  w.set_value(tg::Matrix::Constant(20, 20, 7));
  tape.parameter(w);
  CHECK_THROWS_WITH_AS(v.backward(), "[tape] parameter 'w' was 1x1 when it was recorded, now it is 20x20",
                       tg::Error);
}

TEST_CASE("grad() needs no value off its path") {
  tg::Parameter w = scalar(3), u = scalar(4);
  tg::Tape tape;
  const tg::Var v = tape.parameter(w);
  const tg::Var y = v * v + tg::square(tape.parameter(u));
  u.mutable_value()(0) = 5;
  CHECK(tg::grad(y, {v})[0].item() == 6);
  CHECK_THROWS_AS(y.backward(), tg::Error);
}

TEST_CASE("a parameter that is thawed within a step learns from then on") {
  tg::Parameter w = scalar(3);
  tg::Tape tape;
  w.set_requires_grad(false);
  CHECK_FALSE(tape.parameter(w).requires_grad());
  w.set_requires_grad(true);
  tg::square(tape.parameter(w)).backward();
  CHECK(w.grad()(0) == 6);
  w.set_requires_grad(false);
  CHECK_FALSE(tape.parameter(w).requires_grad());
}

TEST_CASE("another tape that comes and goes takes no gradient away") {
  tg::Parameter w = scalar(3);
  const auto pass = [&](tg::Tape& tape) { (tape.parameter(w) * 1.0).backward(); };
  tg::Tape tape;
  pass(tape);
  {
    tg::Tape other;
    pass(other);
    CHECK(w.grad()(0) == 2);
  }
  pass(tape);
  CHECK(w.grad()(0) == 3);
  tape.reset();
  pass(tape);
  CHECK(w.grad()(0) == 1);
}
