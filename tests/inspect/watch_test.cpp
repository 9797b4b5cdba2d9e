#include "tapegrad/inspect/watch.h"

#include <doctest/doctest.h>

#include "tapegrad/core/losses.h"
#include "tapegrad/core/reduction.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/linear.h"

using namespace tapegrad;

namespace {

template <class T> struct Seen {
  std::vector<std::pair<std::string, BasicMatrix<T>>> outputs, gradients;
  BasicModuleHooks<T> hooks() {
    return {.on_output = [this](std::string_view path, BasicView<T> y) { outputs.emplace_back(path, y); },
            .on_gradient = [this](std::string_view path, BasicView<T> g) { gradients.emplace_back(path, g); }};
  }
};

template <class T> BasicMatrix<T> batch() {
  return (BasicMatrix<T>(3, 2) << T(0.5), T(-1), T(2), T(1), T(-0.25), T(0.75)).finished();
}

}  // namespace

TEST_CASE_TEMPLATE("watch: outputs and gradients of named modules", T, float, double) {
  Rng rng(3);
  BasicSequential<T> net{BasicLinear<T>(2, 4, rng), Tanh(), BasicResidual<T>{BasicLinear<T>(4, 4, rng)},
                         BasicLinear<T>(4, 1, rng)};
  BasicTape<T> tape;
  Seen<T> seen;
  BasicModuleWatch<T> watch(tape, net, {"1", "2", "2.inner", ""}, seen.hooks());
  for (int step = 0; step < 2; ++step) {
    tape.reset();
    seen = {};
    const BasicVar<T> h = net[1](net[0](tape.input(batch<T>())));
    const BasicVar<T> r = net[2](h);
    const BasicVar<T> y = net[3](r);
    const BasicVar<T> loss = sum(y);
    loss.backward();
    // The root is called layer by layer here, which is one call: the layers are inside it.
    REQUIRE(seen.outputs.size() == 4);
    CHECK(seen.outputs[0].first == "1");
    CHECK(seen.outputs[0].second == h.value());
    CHECK(seen.outputs[1].first == "2.inner");
    CHECK(seen.outputs[2].first == "2");
    CHECK(seen.outputs[2].second == r.value());
    CHECK(seen.outputs[3].first == "");
    CHECK(seen.outputs[3].second == y.value());
    REQUIRE(seen.gradients.size() == 4);
    CHECK(seen.gradients[0].first == "");
    CHECK(seen.gradients[0].second == y.grad());
    CHECK(seen.gradients[1].first == "2");
    CHECK(seen.gradients[1].second == r.grad());
    CHECK(seen.gradients[2].first == "2.inner");
    CHECK(seen.gradients[3].first == "1");
    CHECK(seen.gradients[3].second == h.grad());
  }
}

TEST_CASE("watch: a shared module is seen at each of its calls") {
  Rng rng(3);
  Sequential net{Linear(2, 2, rng), Tanh()};
  Tape tape;
  Seen<float> seen;
  const ModuleWatch watch(tape, net, {"0"}, seen.hooks());
  const Var once = net(tape.input(batch<float>()));
  const Var twice = net(once);
  sum(twice).backward();
  REQUIRE(seen.outputs.size() == 2);
  CHECK(seen.outputs[0].second != seen.outputs[1].second);
  CHECK(seen.outputs[1].second.array().tanh().isApprox(twice.value().array()));
  CHECK(seen.gradients.size() == 2);
}

TEST_CASE("watch: finish() shows what a forward pass alone has left open, once") {
  Rng rng(3);
  Sequential net{Linear(2, 2, rng), Tanh()};
  Tape tape;
  Seen<float> seen;
  ModuleWatch watch(tape, net, {"1"}, seen.hooks());
  const Var y = net(tape.input(batch<float>()));
  CHECK(seen.outputs.empty());
  watch.finish();
  watch.finish();
  REQUIRE(seen.outputs.size() == 1);
  CHECK(seen.outputs[0].second == y.value());
  net(tape.input(batch<float>()));
  tape.reset();
  watch.finish();  // those values are gone
  CHECK(seen.outputs.size() == 1);
}

TEST_CASE("watch: several at once, empty hooks, and none after the end") {
  Rng rng(3);
  Sequential net{Linear(2, 2, rng), Tanh()};
  Tape tape;
  Seen<float> a, b;
  const ModuleWatch first(tape, net, {"0"}, a.hooks());
  const ModuleWatch silent(tape, net, {"0"}, {});
  {
    const ModuleWatch second(tape, net, {"0", "1"}, b.hooks());
    sum(net(tape.input(batch<float>()))).backward();
  }
  tape.reset();
  sum(net(tape.input(batch<float>()))).backward();
  CHECK(a.outputs.size() == 2);
  CHECK(a.gradients.size() == 2);
  CHECK(b.outputs.size() == 2);
}

TEST_CASE("watch: an unknown path") {
  Rng rng(3);
  Sequential net{Residual{Linear(2, 2, rng)}, Tanh()};
  Tape tape;
  CHECK_THROWS_WITH_AS(ModuleWatch(tape, net, {"0", "0.inner.O"}, {}),
                       "[watch] no module '0.inner.O'; did you mean '0.inner.0'?", Error);
  CHECK_THROWS_WITH_AS(ModuleWatch(tape, net, {"encoder"}, {}), "[watch] no module 'encoder'", Error);
}
