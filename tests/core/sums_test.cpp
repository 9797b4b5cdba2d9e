#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <array>
#include <cmath>
#include <vector>

/// Sums in float of many terms of one sign: each of these stops at 2²⁴ or drifts when terms are added one after the other.

namespace tg = tapegrad;

namespace {

constexpr double tolerance = 4e-7;

double error(double value, double right) { return std::abs(value / right - 1); }

/// Terms of one sign that are equal, and some that are not, with their sum in double.
tg::Matrix terms(tg::Index rows, tg::Index cols, float value, bool equal) {
  tg::Matrix m = tg::Matrix::Constant(rows, cols, value);
  tg::Rng rng(7);
  if (!equal)
    for (float& x : m.reshaped()) x *= static_cast<float>(rng.uniform(0.5, 1.5));
  return m;
}

}  // namespace

TEST_CASE("sum and mean of long matrices") {
  for (const bool equal : {true, false}) {
    for (const float value : {1.F, 0.1F, 1.7F}) {
      for (const tg::Shape shape : {tg::Shape{3'000'000, 1}, {1, 3'000'000}, {600'000, 5}, {300, 1000}}) {
        CAPTURE(equal);
        CAPTURE(value);
        CAPTURE(tg::to_string(shape));
        const tg::Matrix m = terms(shape.rows, shape.cols, value, equal);
        const tg::f64::Matrix exact = m.cast<double>();
        tg::Tape tape;
        const tg::Var x = tape.borrow(m);
        CHECK(error(tg::sum(x).item(), exact.sum()) < tolerance);
        CHECK(error(tg::mean(x).item(), exact.mean()) < tolerance);
        const tg::Var columns = tg::sum(x, tg::Axis::rows);
        const tg::Var lines = tg::mean(x, tg::Axis::cols);
        for (tg::Index col = 0; col < std::min<tg::Index>(shape.cols, 100); ++col)
          CHECK(error(columns.value()(0, col), exact.col(col).sum()) < tolerance);
        for (tg::Index row = 0; row < std::min<tg::Index>(shape.rows, 100); ++row)
          CHECK(error(lines.value()(row, 0), exact.row(row).mean()) < tolerance);
      }
    }
  }
}

TEST_CASE("twenty million ones") {
  tg::Tape tape;
  const tg::Matrix ones = tg::Matrix::Ones(20'000'000, 1);
  const tg::Var x = tape.borrow(ones);
  CHECK(tg::sum(x).item() == 2e7F);
  CHECK(tg::mean(x, tg::Axis::rows).item() == 1);
}

TEST_CASE("gradients of a layer over many rows") {
  for (const tg::Index rows : {1000, 100'000, 1'000'000}) {
    for (const tg::Index in : {1, 3, 20}) {
      for (const tg::Index out : {1, 2, 17}) {
        if (rows * in * out > 60'000'000) continue;
        CAPTURE(rows);
        CAPTURE(in);
        CAPTURE(out);
        tg::Rng rng(1);
        tg::Linear layer(in, out, rng);
        tg::Tape tape;
        const tg::Matrix x = tg::Matrix::Ones(rows, in);
        tg::mean(layer(tape.borrow(x))).backward();
        const double right = 1 / static_cast<double>(out);
        for (const float g : layer.weight.grad().reshaped()) CHECK(error(g, right) < tolerance);
        for (const float g : layer.bias.grad().reshaped()) CHECK(error(g, right) < tolerance);
      }
    }
  }
}

TEST_CASE("a weight's gradient over a large batch, of a layer of usual size") {
  const tg::Index rows = 20'000, in = 64, out = 48;
  const tg::Matrix x = terms(rows, in, 0.3F, false), g = terms(rows, out, 1e-3F, false);
  const tg::f64::Matrix right = g.cast<double>().transpose() * x.cast<double>();
  tg::Tape tape;
  const tg::Var product = tg::matmul(tape.borrow(g), tape.borrow(x), {.transpose_a = true});
  for (tg::Index i = 0; i < right.size(); ++i) CHECK(error(product.value().data()[i], right.data()[i]) < tolerance);
}

TEST_CASE("a row that is selected many times") {
  const tg::Index rows = 3'000'000;
  const std::vector<tg::Index> first(static_cast<std::size_t>(rows), 0);
  tg::Tape tape;
  const tg::Var table = tape.input(tg::Matrix(tg::Matrix::Ones(2, 2)), {.requires_grad = true});
  tg::mean(tg::select_rows(table, first), tg::Axis::all).backward();
  for (tg::Index col = 0; col < 2; ++col) {
    CHECK(error(table.grad()(0, col), 0.5) < tolerance);
    CHECK(table.grad()(1, col) == 0);
  }
}

TEST_CASE("losses over many rows, and a bias that is broadcast") {
  const tg::Index rows = 3'000'000;
  tg::Tape tape;
  const tg::Matrix zeros = tg::Matrix::Zero(rows, 1), half = tg::Matrix::Constant(rows, 1, 0.5F);
  const tg::Var z = tape.borrow(zeros), y = tape.borrow(half);
  CHECK(error(tg::bce_with_logits(z, y).item(), std::log(2.0)) < tolerance);
  CHECK(error(tg::mse(z, y).item(), 0.25) < tolerance);
  CHECK(error(tg::l1(z, y).item(), 0.5) < tolerance);
  CHECK(error(tg::mse(z, y, {.reduction = tg::Reduction::sum}).item(), 0.25 * rows) < tolerance);
  const tg::Var bias = tape.input(0.0, {.requires_grad = true});
  tg::mean((z + bias) * y).backward();
  CHECK(error(bias.grad()(0), 0.5) < tolerance);
}
