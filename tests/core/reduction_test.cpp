#include <cmath>

#include "op_samples.h"

using namespace op_samples;

namespace {

template <class Reduce> Samples reduction_samples(const Reduce& reduce, double large, Index group_left_out = 0) {
  Samples samples;
  for (const Axis axis : {Axis::all, Axis::rows, Axis::cols}) {
    const auto fits = [=](Shape s) { return s.size() / tg::reduced(s, axis).size() != group_left_out; };
    over_shapes(
        samples, [=](Vars v) { return reduce(v[0], axis); }, [=](Shape s) { return not_empty(s) && fits(s); },
        large);
  }
  return samples;
}

/// The two largest (smallest) elements of a group are equal: both are on a kink.
template <class Reduce> Samples extreme_samples(const Reduce& reduce, double sign) {
  Samples samples = reduction_samples(reduce, 1e300);
  const auto f = [=](Axis axis) { return [=](Vars v) { return reduce(v[0], axis); }; };
  Matrix ties(2, 3);
  ties << 3, 1, 3, 2, -1, 0;
  ties *= sign;
  samples.push_back({f(Axis::all), {ties}, true, {0, 2}});
  samples.push_back({f(Axis::cols), {ties}, true, {0, 2}});
  Matrix near(1, 4);
  near << 1 - 1e-3, 1, 0.9, -2;
  samples.push_back({f(Axis::all), {sign * near}, true});
  return samples;
}

}  // namespace

OP_SAMPLES(sum) {
  samples = reduction_samples([](Var x, Axis axis) { return tg::sum(x, axis); }, 1e300);
}

OP_SAMPLES(mean) {
  samples = reduction_samples([](Var x, Axis axis) { return tg::mean(x, axis); }, 1e300);
}

COMPOSED_SAMPLES(var) {
  for (const Index correction : {0, 1})
    for (Sample& s :
         reduction_samples([=](Var x, Axis axis) { return tg::var(x, axis, correction); }, 100, correction))
      samples.push_back(std::move(s));
}

COMPOSED_SAMPLES(stddev) {
  // of two numbers it is the distance, with a kink where they are equal
  for (Sample& s : reduction_samples([](Var x, Axis axis) { return tg::stddev(x, axis); }, 100, 1))
    if (s.inputs[0].rows() > 2 && s.inputs[0].cols() > 2) samples.push_back(std::move(s));
  tg::Rng rng(21);
  for (const Shape shape : {Shape{3, 3}, Shape{5, 4}, Shape{4, 9}})
    for (const Axis axis : {Axis::all, Axis::rows, Axis::cols})
      for (const double scale : {0.1, 1.0, 10.0, 100.0})
        samples.push_back({[=](Vars v) { return tg::stddev(v[0], axis); }, {normal(shape, rng, scale)}});
}

COMPOSED_SAMPLES(norm) {
  tg::Rng rng(22);
  for (const Shape shape : {Shape{1, 2}, Shape{3, 3}, Shape{5, 4}, Shape{4, 9}})
    for (const Axis axis : {Axis::all, Axis::rows, Axis::cols})
      for (const double scale : {0.1, 1.0, 10.0, 100.0}) {
        Matrix x = normal(shape, rng, scale);
        x.array() += x.array().sign() * 0.3 * scale;  // away from 0, where the norm of one number has a kink
        samples.push_back({[=](Vars v) { return tg::norm(v[0], axis); }, {x}});
      }
}

TEST_CASE("var, stddev and norm: values and gradients of PyTorch") {
  using tg::norm, tg::stddev, tg::var;
  tg::Tape tape;
  const Matrix values{{0.5, -1.25, 2}, {1.5, 0.25, -0.75}};
  const Var x = tape.input(values, {.requires_grad = true});
  const auto check = [&](Var y, const Matrix& value, const Matrix& gradient_of_squares) {
    CHECK(y.value().isApprox(value, 1e-14));
    CHECK(tg::grad(sum(square(y)), {x})[0].value().isApprox(gradient_of_squares, 1e-13));
  };
  check(var(x), Matrix{{1.56875}}, Matrix{{0.156875, -2.039375, 2.039375}, {1.411875, -0.156875, -1.411875}});
  check(var(x, Axis::all, 0), Matrix{{1.3072916666666667}},
        Matrix{{0.10894097222222222, -1.4162326388888888, 1.4162326388888888},
               {0.98046875, -0.10894097222222222, -0.98046875}});
  check(var(x, Axis::rows), Matrix{{0.5, 1.125, 3.78125}}, Matrix{{-1, -3.375, 20.796875}, {1, 3.375, -20.796875}});
  check(var(x, Axis::cols, 0), Matrix{{1.763888888888889}, {0.8472222222222223}},
        Matrix{{0.19598765432098764, -3.9197530864197536, 3.7237654320987654},
               {1.3179012345679015, -0.09413580246913579, -1.2237654320987654}});
  check(stddev(x), Matrix{{1.2524975049875349}}, Matrix{{0.05, -0.65, 0.65}, {0.45, -0.05, -0.45}});
  check(stddev(x, Axis::rows), Matrix{{0.7071067811865476, 1.0606601717798212, 1.9445436482630056}},
        Matrix{{-1, -1.5, 2.75}, {1, 1.5, -2.75}});
  check(norm(x), Matrix{{2.947456530637899}}, Matrix{{1, -2.5, 4}, {3, 0.5, -1.5}});
  check(norm(x, Axis::cols), Matrix{{2.4109126902482387}, {1.695582495781317}}, 2 * values);
}

TEST_CASE("norm and stddev of zeros have slope 0, also in their second derivatives; NaN stays") {
  tg::Tape tape;
  const Var x = tape.input(Matrix{{0, -0.0, 0}, {3, 0, 4}, {2, 2, 2}}, {.requires_grad = true});
  const Var length = tg::norm(x, Axis::cols);
  CHECK(length.value().col(0).head(2) == Eigen::Vector2d(0, 5));
  const Var slope = tg::grad(sum(length), {x})[0];
  CHECK(slope.value().topRows(2).isApprox(Matrix{{0, 0, 0}, {0.6, 0, 0.8}}, 1e-15));
  CHECK(tg::grad(sum(slope), {x})[0].value().row(0).isZero(0));
  const Var spread = tg::stddev(x, Axis::cols);
  CHECK(spread.value()(2) == 0);
  CHECK(tg::grad(sum(spread), {x})[0].value().row(2).isZero(0));
  CHECK(std::isnan(tg::norm(tape.input(Matrix{{1, NAN}})).item()));
  CHECK(std::isnan(tg::stddev(tape.input(Matrix{{1, NAN}})).item()));
}

TEST_CASE("var: what it needs") {
  tg::Tape tape;
  const Var one = tape.input(Matrix{{2}, {3}});
  CHECK(tg::var(one, Axis::cols, 0).value().isZero(0));
  CHECK(tg::var(tape.input(Matrix(0, 3)), Axis::cols).shape() == Shape{0, 1});
  CHECK_THROWS_WITH_AS(tg::var(one, Axis::cols), "[var] needs more than 1 elements, the input is 2x1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::var(one, Axis::all, 2), "[var] needs more than 2 elements, the input is 2x1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::var(one, Axis::all, -1), "[var] needs more than -1 elements, the input is 2x1",
                       tg::Error);
  CHECK_THROWS_WITH_AS(tg::var(tape.input(Matrix(0, 3))), "[var] nothing to reduce: the input is 0x3", tg::Error);
}

OP_SAMPLES(max) {
  samples = extreme_samples([](Var x, Axis axis) { return tg::max(x, axis); }, 1);
}

OP_SAMPLES(min) {
  samples = extreme_samples([](Var x, Axis axis) { return tg::min(x, axis); }, -1);
}

OP_SAMPLES(logsumexp) {
  samples = reduction_samples([](Var x, Axis axis) { return tg::logsumexp(x, axis); }, 500);
}

OP_SAMPLES(standardize) {
  // Two numbers become ±1, whatever they are: their derivatives are all cancellation, unless eps is large.
  samples = reduction_samples([](Var x, Axis axis) { return tg::standardize(x, axis); }, 1e4, 2);
  over_shapes(
      samples, [](Vars v) { return tg::standardize(v[0], Axis::cols, 0.1); }, not_empty, 1);
  over_shapes(
      samples, [](Vars v) { return tg::standardize(v[0], Axis::rows, 0.1); }, not_empty, 1);
  samples.push_back({[](Vars v) { return tg::standardize(v[0], Axis::rows); }, {Matrix(3, 0)}});
  samples.push_back({[](Vars v) { return tg::standardize(v[0], Axis::cols); }, {Matrix(0, 3)}});
}

OP_SAMPLES(broadcast_to) {
  over_shapes(
      samples,
      [](Vars v) {
        return tg::broadcast_to(v[0], {3, v[0].cols()});
      },
      [](Shape s) { return s.rows == 1; }, 1e300);
  over_shapes(
      samples,
      [](Vars v) {
        return tg::broadcast_to(v[0], {v[0].rows(), 5});
      },
      [](Shape s) { return s.cols == 1; }, 1e300);
  over_shapes(
      samples,
      [](Vars v) {
        return tg::broadcast_to(v[0], {3, 7});
      },
      [](Shape s) { return s.size() == 1; }, 1e300);
  over_shapes(
      samples,
      [](Vars v) {
        return tg::broadcast_to(v[0], {0, v[0].cols()});
      },
      [](Shape s) { return s.rows == 1 && s.cols < 17; });
}

TEST_CASE("max and min give equal elements equal parts of the gradient") {
  tg::Tape tape;
  Matrix x(2, 3);
  x << 3, 1, 3, 3, 1, 1;
  const auto slope = [&](auto reduce, Axis axis, double sign) {
    tape.reset();
    const Var v = tape.input(sign * x, {.requires_grad = true});
    tg::sum(reduce(v, axis) * 6.0).backward();
    return Matrix(v.grad());
  };
  const auto max = [](Var v, Axis axis) { return tg::max(v, axis); };
  const auto min = [](Var v, Axis axis) { return tg::min(v, axis); };
  Matrix rows(2, 3), cols(2, 3), all(2, 3);
  rows << 3, 3, 6, 3, 3, 0;
  cols << 3, 0, 3, 6, 0, 0;
  all << 2, 0, 2, 2, 0, 0;
  CHECK(slope(max, Axis::rows, 1) == rows);
  CHECK(slope(max, Axis::cols, 1) == cols);
  CHECK(slope(max, Axis::all, 1) == all);
  CHECK(slope(min, Axis::rows, -1) == rows);
  CHECK(slope(min, Axis::cols, -1) == cols);
  CHECK(slope(min, Axis::all, -1) == all);
}

TEST_CASE("reductions: values by axis, and infinite ones") {
  tg::Tape tape;
  Matrix m(2, 3);
  m << 1, 5, -2, 4, -infinity, 0.5;
  const Var x = tape.input(m);
  CHECK(tg::max(x, Axis::rows).value() == Matrix{{4, 5, 0.5}});
  CHECK(tg::min(x, Axis::rows).value() == Matrix{{1, -infinity, -2}});
  CHECK(tg::max(x, Axis::cols).value() == Matrix{{5}, {4}});
  CHECK(tg::min(x, Axis::cols).value() == Matrix{{-2}, {-infinity}});
  CHECK(tg::max(x).item() == 5);
  m(1, 1) = 3;
  const Var y = tape.input(m);
  CHECK(tg::sum(y, Axis::rows).value() == Matrix{{5, 8, -1.5}});
  CHECK(tg::sum(y, Axis::cols).value() == Matrix{{4}, {7.5}});
  CHECK(tg::mean(y, Axis::rows).value() == Matrix{{2.5, 4, -0.75}});
  CHECK(tg::mean(y, Axis::cols).value().isApprox(Matrix{{4.0 / 3}, {2.5}}, 1e-15));
  CHECK(tg::logsumexp(tape.input(Matrix{{-infinity, -infinity}})).item() == -infinity);
  CHECK(tg::logsumexp(tape.input(Matrix{{infinity, 1}})).item() == infinity);
  CHECK(tg::logsumexp(tape.input(Matrix{{1000, 1000}})).item() ==
        doctest::Approx(1000 + std::log(2)).scale(0).epsilon(1e-15));
}
