#include <cmath>

#include "op_samples.h"

using namespace op_samples;

OP_SAMPLES(softmax) {
  over_shapes(samples, [](Vars v) { return tg::softmax(v[0]); });
  over_shapes(samples, [](Vars v) { return tg::activation("softmax")(v[0]); });
}

OP_SAMPLES(log_softmax) {
  over_shapes(
      samples, [](Vars v) { return tg::log_softmax(v[0]); }, [](Shape) { return true; }, 500);
  over_shapes(samples, [](Vars v) { return tg::activation("log_softmax")(v[0]); });
}

COMPOSED_SAMPLES(softmax_over_an_axis) {
  for (const Axis axis : {Axis::rows, Axis::all}) {
    over_shapes(
        samples, [=](Vars v) { return tg::softmax(v[0], axis); }, not_empty);
    over_shapes(
        samples, [=](Vars v) { return tg::log_softmax(v[0], axis); }, not_empty, 500);
  }
}

TEST_CASE("softmax over the rows, and over everything") {
  tg::Tape tape;
  const Matrix values{{0.5, -1.25, 2}, {1.5, 0.25, -0.75}};
  const Var x = tape.input(values);
  CHECK(tg::softmax(x, Axis::rows)
            .value()
            .isApprox(Matrix{{0.2689414213699951, 0.18242552380635632, 0.9399133498259924},
                             {0.7310585786300049, 0.8175744761936437, 0.06008665017400762}},
                      1e-15));
  CHECK(tg::softmax(x, Axis::all)
            .value()
            .isApprox(Matrix{{0.10594286027440615, 0.018410108610303066, 0.47480295897215885},
                             {0.28798255193889394, 0.08250838254253194, 0.03035313766170624}},
                      1e-15));
  CHECK(tg::log_softmax(x, Axis::rows).value().array().exp().isApprox(tg::softmax(x, Axis::rows).value().array()));
  CHECK(tg::softmax(x, Axis::cols).value() == tg::softmax(x).value());
  const auto check = [&](const char* text, Shape shape, Axis axis) {
    CHECK_THROWS_WITH_AS(tg::softmax(tape.input(Matrix(shape.rows, shape.cols)), axis), text, tg::Error);
  };
  check("[softmax] needs at least one row, got 0x3", {0, 3}, Axis::rows);
  check("[softmax] needs at least one column, got 3x0", {3, 0}, Axis::cols);
  check("[softmax] needs at least one element, got 0x3", {0, 3}, Axis::all);
  CHECK_THROWS_WITH_AS(tg::log_softmax(tape.input(Matrix(2, 0))),
                       "[log_softmax] needs at least one column, got 2x0", tg::Error);
  CHECK(tg::softmax(tape.input(Matrix(3, 0)), Axis::rows).shape() == Shape{3, 0});
}

OP_SAMPLES(maxout) {
  const auto f = [](Vars v) { return tg::maxout(v[0], 2); };
  for (const int pieces : {1, 2, 3, 7, 17})
    over_shapes(
        samples, [=](Vars v) { return tg::maxout(v[0], pieces); }, [=](Shape s) { return s.cols % pieces == 0; },
        1e300);
  samples.push_back({f, {Matrix(3, 0)}});
  samples.push_back({f, {row({1, 1, 2, 3})}, true, {0, 1}});
  samples.push_back({f, {row({1, 1.001, 2, 1.9})}, true});
}

OP_SAMPLES(glu) {
  tg::Rng rng(14);
  for (const Index batch : {0, 1, 3})
    for (const Index cols : {0, 2, 6, 14, 34})
      for (const double scale : {1.0, 0.01, 10.0})
        if (cols < 34 || scale == 1)
          samples.push_back({[](Vars v) { return tg::glu(v[0]); }, {normal({batch, cols}, rng, scale)}});
  samples.push_back({[](Vars v) { return tg::activation("glu")(v[0]); }, {normal({2, 130}, rng)}});
}

OP_SAMPLES(prelu) {
  // as an activation with its learned slope
  tg::Rng rng(15);
  for (const Shape& shape : shapes)
    for (const double scale : {1.0, 0.01, 100.0, 1e100})
      if (shape.cols < 17 || scale == 1)
        samples.push_back({[](Vars v) { return tg::activation("prelu")(v[0], v.subspan(1)); },
                           {normal(shape, rng, scale), normal({1, shape.cols}, rng)}});
}

TEST_CASE("glu: the value is the first half times the sigmoid of the second") {
  tg::Tape tape;
  const Var y = tg::glu(tape.input(Matrix{{2, -3, 4, 0, 1, -50}, {0, 8, -1, 1, 0, 2}}));
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  CHECK(y.value().isApprox(Matrix{{1, -3 * sigmoid(1), 4 * std::exp(-50)}, {0, 4, -sigmoid(2)}}, 1e-14));
  CHECK(std::abs(y.value()(0, 2) / (4 * std::exp(-50)) - 1) < 1e-14);
}

TEST_CASE("maxout: values, the first of equal ones, and NaN") {
  tg::Tape tape;
  const Var x = tape.input(Matrix{{1, 5, 2, 7, 7, 7}, {-1, -3, -2, 0, NAN, 4}}, {.requires_grad = true});
  const Var y = tg::maxout(x, 3);
  CHECK(y.value().row(0) == Matrix{{5, 7}});
  CHECK(y.value()(1, 0) == -1);
  CHECK(std::isnan(y.value()(1, 1)));
  tg::sum(y * tape.input(Matrix{{2, 3}, {4, 5}})).backward();
  CHECK(x.grad() == Matrix{{0, 2, 0, 3, 0, 0}, {4, 0, 0, 0, 5, 0}});
}
