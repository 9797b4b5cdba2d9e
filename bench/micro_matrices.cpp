// Matrix products, reductions and the ops of whole rows.

#include <tapegrad/tapegrad.h>

#include "micro.h"

namespace tg = tapegrad;

namespace bench {
namespace {

tg::Matrix random_matrix(tg::Index rows, tg::Index cols) {
  tg::Rng rng(7);
  tg::Matrix x(rows, cols);
  for (float& value : x.reshaped()) value = static_cast<float>(rng.uniform(-1, 1));
  return x;
}

/// An item is one multiplication with its addition: 2 / (ns per item) is GFLOP/s.
void product(tg::Index m, tg::Index n, tg::Index k) {
  const std::string name = "matmul m*n*k/" + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
  add(name + "/tapegrad", m * n * k, [=](benchmark::State& state) {
    const tg::Parameter a("a", random_matrix(m, k));
    const tg::Parameter b("b", random_matrix(k, n));
    tg::Tape tape;
    for (auto _ : state) {
      tape.reset();
      benchmark::DoNotOptimize(tg::matmul(tape.parameter(a), tape.parameter(b)).value().data());
    }
  });
  add(name + "/eigen", m * n * k, [=](benchmark::State& state) {
    const tg::Matrix a = random_matrix(m, k);
    const tg::Matrix b = random_matrix(k, n);
    tg::Matrix c(m, n);
    for (auto _ : state) {
      c.noalias() = a * b;
      benchmark::DoNotOptimize(c.data());
      benchmark::ClobberMemory();
    }
  });
}

/// `f` of a rows×cols input, and with a backward pass from its sum.
template <class F> void function(const std::string& name, tg::Index rows, tg::Index cols, F f) {
  const std::string size = "/" + std::to_string(rows) + "x" + std::to_string(cols) + "/tapegrad";
  add("forward/" + name + size, rows * cols, [=](benchmark::State& state) {
    const tg::Parameter x("x", random_matrix(rows, cols));
    tg::Tape tape;
    for (auto _ : state) {
      tape.reset();
      benchmark::DoNotOptimize(f(tape.parameter(x)).value().data());
    }
  });
  add("forward+backward/" + name + size, rows * cols, [=](benchmark::State& state) {
    const tg::Parameter x("x", random_matrix(rows, cols));
    tg::Tape tape;
    for (auto _ : state) {
      tape.reset();
      const tg::Var y = f(tape.parameter(x));
      if (y.shape() == tg::Shape{1, 1})
        y.backward();
      else
        y.backward(x.value().topLeftCorner(y.rows(), y.cols()));
      benchmark::DoNotOptimize(x.grad().data());
    }
  });
}

}  // namespace

void add_matrices() {
  for (const tg::Index n : {4, 8, 16, 32, 64, 128, 256, 512, 1024}) product(n, n, n);
  product(16, 32, 32);
  product(32, 128, 784);
  product(256, 128, 784);
  product(128, 512, 784);
  for (const tg::Index rows : {64, 1024}) {
    for (const tg::Index cols : {10, 128}) {
      function("softmax", rows, cols, [](tg::Var x) { return tg::softmax(x); });
      function("log_softmax", rows, cols, [](tg::Var x) { return tg::log_softmax(x); });
      function("cross_entropy", rows, cols, [](tg::Var x) {
        static const std::vector<int> labels(1024, 3);
        return tg::cross_entropy(x, std::span<const int>(labels).first(static_cast<std::size_t>(x.rows())));
      });
      function("glu", rows, cols, [](tg::Var x) { return tg::glu(x); });
      function("maxout", rows, cols, [](tg::Var x) { return tg::maxout(x); });
      function("sum", rows, cols, [](tg::Var x) { return tg::sum(x); });
      function("sum_rows", rows, cols, [](tg::Var x) { return tg::sum(x, tg::Axis::rows); });
      function("sum_cols", rows, cols, [](tg::Var x) { return tg::sum(x, tg::Axis::cols); });
      function("max", rows, cols, [](tg::Var x) { return tg::max(x); });
      function("logsumexp", rows, cols, [](tg::Var x) { return tg::logsumexp(x, tg::Axis::cols); });
      function("standardize_rows", rows, cols, [](tg::Var x) { return tg::standardize(x, tg::Axis::rows); });
      function("standardize_cols", rows, cols, [](tg::Var x) { return tg::standardize(x, tg::Axis::cols); });
      function("transpose", rows, cols, [](tg::Var x) { return tg::transpose(tg::transpose(x)); });
    }
  }
}

}  // namespace bench
