#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <functional>
#include <memory>
#include <new>

/// What observers must not do, and steps that fail half-way.

namespace tg = tapegrad::f64;

namespace {

struct Meddler final : tg::Observer {
  std::function<void()> on_value, on_gradient;
  void on_forward(const tg::Tape&, tg::NodeIndex) override {
    if (on_value) on_value();
  }
  void on_backward(const tg::Tape&, tg::NodeIndex) override {
    if (on_gradient) on_gradient();
  }
};

const char* const refused = "[tape] an observer may only read: it must not record, attach, reset or run backward()";

}  // namespace

TEST_CASE("an observer may only read") {
  tg::Tape tape;
  tg::Parameter w("w", tg::Matrix::Constant(1, 1, 3));
  Meddler meddler, other;
  tape.attach(meddler);
  meddler.on_value = [&] { tape.reset(); };
  CHECK_THROWS_WITH_AS(tape.input(1), refused, tg::Error);
  meddler.on_value = [&] { tape.input(1); };
  CHECK_THROWS_WITH_AS(tape.input(1), refused, tg::Error);
  meddler.on_value = [&] { tape.attach(other); };
  CHECK_THROWS_WITH_AS(tape.input(1), refused, tg::Error);
  meddler.on_value = nullptr;
  tape.reset();
  const tg::Var v = tape.parameter(w);
  const tg::Var y = v * v;
  meddler.on_gradient = [&] { y.backward(); };
  CHECK_THROWS_WITH_AS(y.backward(), refused, tg::Error);
  meddler.on_gradient = nullptr;
  CHECK_FALSE(w.has_grad());  // nothing is left of the pass that failed
  y.backward();
  CHECK(w.grad()(0) == 6);
}

TEST_CASE("an observer or a tape may go while they are attached, and an observer may detach itself") {
  tg::Tape tape;
  auto first = std::make_unique<Meddler>();
  Meddler second;
  int seen = 0;
  second.on_value = [&] { ++seen; };
  tape.attach(*first);
  tape.attach(second);
  first.reset();
  tape.input(1);
  CHECK(seen == 1);
  const Meddler copy = second;  // is attached to nothing
  second.on_value = [&] {
    ++seen;
    tape.detach(second);
  };
  tape.input(1);
  tape.input(1);
  CHECK(seen == 2);
  {
    tg::Tape shorter;
    shorter.attach(second);
  }
  tape.attach(second);
}

namespace {
struct Twice {
  static tg::Var vjp(const tapegrad::TapedAt<double>& at, std::size_t) {
    if (fails) throw std::bad_alloc();
    return at.g * 2.0;
  }
  static inline bool fails = false;
  static constexpr tapegrad::Op<double> op{.name = "twice_or_not", .vjp = &vjp};
  static constexpr bool elementwise = true;  // not in the list of ops: no samples for its gradient check
};
tg::Var twice(tg::Var x) {
  double* out = x.tape().allocate(x.shape());
  for (tg::Index i = 0; i < x.shape().size(); ++i) out[i] = 2 * x.value().data()[i];
  return x.tape().push(Twice(), x.shape(), out, {x});
}
}  // namespace

TEST_CASE("an op that throws in backward leaves no gradient") {
  tg::Tape tape;
  tg::Parameter a("a", tg::Matrix::Constant(1, 1, 3)), b("b", tg::Matrix::Constant(1, 1, 5));
  const tg::Var y = twice(tape.parameter(a)) * tape.parameter(b);
  y.backward();
  CHECK(a.grad()(0) == 10);
  Twice::fails = true;
  CHECK_THROWS_AS(y.backward(), std::bad_alloc);
  CHECK_FALSE(a.has_grad());
  CHECK_FALSE(b.has_grad());
  CHECK_THROWS_WITH_AS(y.grad(), "[grad] variable #3 (mul): no backward pass in this step yet", tg::Error);
  Twice::fails = false;
  y.backward();
  CHECK(a.grad()(0) == 10);
  CHECK(b.grad()(0) == 6);
}

TEST_CASE("a second backward() adds to leaves, not to what is computed") {
  tg::Tape tape;
  tg::Parameter w("w", tg::Matrix::Constant(1, 1, 3));
  const tg::Var x = tape.input(2, {.requires_grad = true});
  const tg::Var product = x * tape.parameter(w);
  const tg::Var y = product * product;
  for (const double times : {1, 2}) {
    y.backward();
    CHECK(w.grad()(0) == times * 24);
    CHECK(x.grad()(0) == times * 36);
    CHECK(product.grad()(0) == 12);
  }
}

TEST_CASE("a step may fail after the network is gone, whose state it would restore") {
  tg::Tape tape;
  const tg::Matrix x = tg::Matrix::Random(4, 3);
  {
    tg::Rng rng(1);
    tg::Sequential net{tg::BatchNorm1d(3), tg::Dropout(0.5, rng)};
    net(tape.input(x));
  }
  tg::Rng rng(2);
  tg::Sequential other{tg::Linear(7, 2, rng)};
  CHECK_THROWS_AS(other(tape.input(x)), tg::Error);
}
