#include "tapegrad/optim/snapshot.h"

#include <doctest/doctest.h>

#include <limits>

#include "tapegrad/core/activations.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/linear.h"
#include "tapegrad/layers/normalization.h"
#include "tapegrad/optim/optimizers.h"

using namespace tapegrad;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class T> struct Net {
  Rng rng{1};
  BasicSequential<T> net{BasicLinear<T>(2, 3, rng), BasicBatchNorm1d<T>(3), BasicLinear<T>(3, 1, rng)};
  BasicMatrix<T> x = BasicMatrix<T>::Random(5, 2);

  /// Other parameters and running statistics.
  void change() {
    for (const BasicParameter<T>& p : net.parameters()) p.mutable_value().array() += T(0.5);
    for (const auto& [path, buffer] : net.named_buffers()) buffer->array() += T(0.25);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("snapshot: parameters and buffers come back", T, float, double) {
  Net<T> it;
  const BasicMatrix<T> first = it.net.predict(it.x);
  BasicSnapshot<T> kept(it.net);
  it.change();
  const BasicMatrix<T> second = it.net.predict(it.x);
  CHECK(second != first);
  kept.swap();
  CHECK(it.net.predict(it.x) == first);
  kept.swap();
  CHECK(it.net.predict(it.x) == second);
  kept.restore();
  CHECK(it.net.predict(it.x) == first);
  it.change();
  kept.take();
  it.change();
  kept.restore();
  CHECK(it.net.predict(it.x) == second);
}

TEST_CASE("early stopping: after so many epochs without a better one, and the best network comes back") {
  Net<float> it;
  EarlyStopping stopping(it.net, {.patience = 2, .min_delta = 0.1});
  CHECK(stopping.best_epoch() == -1);
  CHECK(!stopping.stop_after(not_a_number));
  CHECK(!stopping.stop_after(3));
  it.change();
  const Matrix best = it.net.predict(it.x);
  CHECK(!stopping.stop_after(2));
  it.change();
  CHECK(!stopping.stop_after(1.95));  // better by less than min_delta
  CHECK(stopping.stop_after(5));
  CHECK(stopping.best() == 2);
  CHECK(stopping.best_epoch() == 2);
  CHECK(it.net.predict(it.x) != best);
  stopping.restore();
  CHECK(it.net.predict(it.x) == best);
  CHECK(!stopping.stop_after(1));
  CHECK(!stopping.stop_after(1));
  CHECK(stopping.stop_after(1));

  EarlyStopping never(it.net, {.patience = 3});
  it.change();
  for (const bool stop : {false, false, true}) CHECK(never.stop_after(not_a_number) == stop);
  CHECK(never.best() == std::numeric_limits<double>::infinity());
  never.restore();
  CHECK(it.net.predict(it.x) == best);

  CHECK_THROWS_WITH_AS(EarlyStopping(it.net, {.patience = 0}),
                       "[early_stopping] patience must be a whole number of at least 1, got 0", Error);
  CHECK_THROWS_WITH_AS(EarlyStopping(it.net, {.min_delta = -1}),
                       "[early_stopping] min_delta must not be negative, got -1", Error);
}

TEST_CASE_TEMPLATE("weight average: the mean of the first steps, exponential later", T, float, double) {
  BasicParameter<T> w("w", BasicMatrix<T>::Zero(1, 2));
  struct One {
    BasicParameter<T> w;
    std::vector<BasicParameter<T>> parameters() const { return {w}; }
    std::vector<std::pair<std::string, BasicMatrix<T>*>> named_buffers() const { return {}; }
  } net{w};
  BasicWeightAverage<T> average(net, 0.75);
  const auto mean_after = [&](double value) {
    w.mutable_value().setConstant(static_cast<T>(value));
    average.update();
    average.swap();
    const double mean = static_cast<double>(w.value()(1));
    average.swap();
    CHECK(w.value()(1) == static_cast<T>(value));
    return mean;
  };
  CHECK(mean_after(1) == 1);
  CHECK(mean_after(3) == 2);
  CHECK(mean_after(8) == doctest::Approx(4).scale(0));
  CHECK(mean_after(0) == doctest::Approx(3).scale(0));   // a quarter each
  CHECK(mean_after(11) == doctest::Approx(5).scale(0));  // 3 + (11 − 3)/4
  CHECK(mean_after(-3) == doctest::Approx(3).scale(0));  // 5 + (−3 − 5)/4
  CHECK_THROWS_WITH_AS(BasicWeightAverage<T>(net, 1), "[weight_average] decay must be in [0, 1), got 1", Error);
}

TEST_CASE_TEMPLATE("gradient mean: several batches make the step of one large batch", T, float, double) {
  const BasicMatrix<T> x = BasicMatrix<T>::Random(12, 2), y = BasicMatrix<T>::Random(12, 1);
  const auto trained = [&](Index batches) {
    Rng rng(1);
    BasicSequential<T> net{BasicLinear<T>(2, 4, rng), Tanh(), BasicLinear<T>(4, 1, rng)};
    net.parameter("0.bias").set_requires_grad(false);
    BasicParameter<T> unused("unused", BasicMatrix<T>::Ones(1, 1));
    auto parameters = net.parameters();
    parameters.push_back(unused);
    BasicAdam<T> adam(parameters, {.lr = 0.1});
    BasicGradientMean<T> mean(parameters, batches);
    BasicTape<T> tape;
    const Index rows = 12 / batches;
    for (Index i = 0; i < 5 * batches; ++i) {
      tape.reset();
      const Index first = i % batches * rows;
      mse(net(tape.input(x.middleRows(first, rows))), y.middleRows(first, rows)).backward();
      if (mean.add()) adam.step();
    }
    CHECK(adam.steps() == 5);
    CHECK(!unused.has_grad());
    return BasicMatrix<T>(net.predict(x));
  };
  const BasicMatrix<T> whole = trained(1);
  for (const Index batches : {2, 3, 6})
    CHECK((trained(batches) - whole).cwiseAbs().maxCoeff() < (std::is_same_v<T, float> ? 1e-5 : 1e-13));
  BasicParameter<T> p("p", x);
  CHECK_THROWS_WITH_AS(BasicGradientMean<T>({p}, 0),
                       "[gradient_mean] batches must be a whole number of at least 1, got 0", Error);
}
