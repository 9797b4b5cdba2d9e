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
        doctest::Approx(1000 + std::log(2)).epsilon(1e-15));
}
