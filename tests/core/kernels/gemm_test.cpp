#include "tapegrad/core/kernels/gemm.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>

#include "tapegrad/core/rng.h"
#include "tapegrad/core/threads.h"
#include "tapegrad/tapegrad.h"

namespace {

template <class T> tapegrad::BasicMatrix<T> random(tapegrad::Index rows, tapegrad::Index cols, tapegrad::Rng& rng) {
  tapegrad::BasicMatrix<T> m(rows, cols);
  for (T& v : m.reshaped()) v = static_cast<T>(rng.normal());
  return m;
}

struct Size {
  tapegrad::Index m, n, k;
};
/// Vector tails, single rows and columns, rows that just fit in a register, both sides of the limits of a small product,
/// of one that is computed in pieces, with and without copying them, and of a general one.
constexpr std::array sizes{
    Size{1, 1, 1},     Size{4, 8, 2},     Size{4, 1, 8},     Size{1, 4, 8},     Size{8, 2, 4},    Size{8, 16, 2},
    Size{13, 10, 20},  Size{21, 16, 3},   Size{40, 1, 8},    Size{16, 1, 20},   Size{1, 1, 5000}, Size{1, 9, 300},
    Size{5, 7, 3},     Size{3, 17, 33},   Size{16, 32, 32},  Size{33, 31, 16},  Size{64, 64, 16}, Size{65, 64, 17},
    Size{1, 300, 70},  Size{300, 1, 70},  Size{32, 128, 80}, Size{7, 1, 4096},  Size{1, 7, 5000}, Size{97, 130, 90},
    Size{7, 70, 300},  Size{46, 33, 260}, Size{20, 40, 900}, Size{50, 40, 900}, Size{600, 9, 20}, Size{20, 72, 500},
    Size{50, 70, 500}, Size{50, 72, 500}, Size{70, 72, 500}, Size{513, 64, 520}};

/// Products that are divided: along either side, with a side that is too short, and with parts of unequal size.
constexpr std::array divided_sizes{Size{97, 130, 90}, Size{300, 20, 50}, Size{20, 300, 50}, Size{250, 33, 70},
                                   Size{33, 250, 70}};

/// The largest error of gemm against plain sums, in units of k·ε·Σ|a·b|, over all transpositions and both ways to write.
template <class T> double worst_error(const Size& s, bool add) {
  tapegrad::Rng rng(3);
  double worst = 0;
  for (const bool ta : {false, true})
    for (const bool tb : {false, true}) {
      const auto a = random<T>(ta ? s.k : s.m, ta ? s.m : s.k, rng);
      const auto b = random<T>(tb ? s.n : s.k, tb ? s.k : s.n, rng);
      const auto before = random<T>(s.m, s.n, rng);
      tapegrad::BasicMatrix<T> c = before;
      tapegrad::gemm(ta, tb, s.m, s.n, s.k, a.data(), b.data(), c.data(), add);
      for (tapegrad::Index i = 0; i < s.m; ++i)
        for (tapegrad::Index j = 0; j < s.n; ++j) {
          long double sum = add ? before(i, j) : 0;
          long double scale = std::abs(sum);
          for (tapegrad::Index p = 0; p < s.k; ++p) {
            const long double term =
                static_cast<long double>(ta ? a(p, i) : a(i, p)) * static_cast<long double>(tb ? b(j, p) : b(p, j));
            sum += term;
            scale += std::abs(term);
          }
          const long double unit = static_cast<long double>(s.k + 1) * std::numeric_limits<T>::epsilon() * scale;
          worst = std::max(worst, static_cast<double>(std::abs(sum - c(i, j)) / unit));
        }
    }
  return worst;
}

/// Whether gemm_with_bias gives the product, and the bias in every row.
template <class T> bool right_with_bias(const Size& s) {
  using Exact = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic>;
  tapegrad::Rng rng(4);
  const auto a = random<T>(s.m, s.k, rng);
  const auto b = random<T>(s.n, s.k, rng);
  const auto bias = random<T>(1, s.n, rng);
  tapegrad::BasicMatrix<T> c(s.m, s.n);
  tapegrad::gemm_with_bias(s.m, s.n, s.k, a.data(), b.data(), bias.data(), c.data());
  const Exact wide_a = a.template cast<long double>();
  const Exact wide_b = b.template cast<long double>();
  const Exact wide_bias = bias.template cast<long double>();
  const Exact exact = (wide_a * wide_b.transpose()).rowwise() + wide_bias.row(0);
  const Exact scale = (wide_a.cwiseAbs() * wide_b.cwiseAbs().transpose()).rowwise() + wide_bias.cwiseAbs().row(0);
  const auto unit = static_cast<long double>(s.k + 1) * std::numeric_limits<T>::epsilon();
  const Exact error = (c.template cast<long double>() - exact).cwiseAbs();
  return (error.array() <= unit * scale.array()).all();
}

}  // namespace

TEST_CASE("gemm: every transposition of every size, against plain sums") {
  for (const Size& s : sizes)
    for (const bool add : {false, true}) {
      INFO(fmt::format("{}x{}, inner {}, add {}", s.m, s.n, s.k, add));
      CHECK(worst_error<float>(s, add) <= 1);
      CHECK(worst_error<double>(s, add) <= 1);
    }
}

TEST_CASE_TEMPLATE("gemm_with_bias: the product, and the bias in every row", T, float, double) {
  for (const Size& s : sizes) {
    INFO(fmt::format("{}x{}, inner {}", s.m, s.n, s.k));
    CHECK(right_with_bias<T>(s));
  }
}

TEST_CASE_TEMPLATE("threads: products divided in every way are right", T, float, double) {
  for (const int n : {1, 2, 3}) {
    tapegrad::set_threads(n);
    for (const Size& s : divided_sizes) {
      INFO(fmt::format("{}x{}, inner {}, {} threads", s.m, s.n, s.k, n));
      CHECK(worst_error<T>(s, false) <= 1);
      CHECK(worst_error<T>(s, true) <= 1);
      CHECK(right_with_bias<T>(s));
    }
  }
  tapegrad::set_threads(1);
}

TEST_CASE("gemm_with_bias: with nothing to multiply the bias is left") {
  tapegrad::Matrix c = tapegrad::Matrix::Zero(2, 3);
  const tapegrad::Matrix bias{{1, 2, 3}};
  tapegrad::gemm_with_bias<float>(2, 3, 0, nullptr, nullptr, bias.data(), c.data());
  CHECK(c == tapegrad::Matrix{{1, 2, 3}, {1, 2, 3}});
}

TEST_CASE("gemm: an empty inner dimension gives zeros, or leaves what is there") {
  tapegrad::Matrix c = tapegrad::Matrix::Ones(3, 4);
  tapegrad::gemm<float>(false, false, 3, 4, 0, nullptr, nullptr, c.data(), true);
  CHECK(c == tapegrad::Matrix::Ones(3, 4));
  tapegrad::gemm<float>(false, false, 3, 4, 0, nullptr, nullptr, c.data(), false);
  CHECK(c == tapegrad::Matrix::Zero(3, 4));
}

TEST_CASE("gemm: NaN stays within its row and column") {
  tapegrad::Rng rng(1);
  for (const tapegrad::Index n : {5, 40, 200, 600}) {
    tapegrad::Matrix a = random<float>(n, n, rng);
    const tapegrad::Matrix b = random<float>(n, n, rng);
    tapegrad::Matrix c(n, n);
    a(2, 3) = std::nanf("");
    tapegrad::gemm(false, true, n, n, n, a.data(), b.data(), c.data(), false);
    for (tapegrad::Index row = 0; row < n; ++row) CHECK(c.row(row).array().isNaN().all() == (row == 2));
  }
}

TEST_CASE("threads: products and elementwise ops agree with one thread, and are the same every time") {
  tapegrad::Rng rng(5);
  const auto a = random<double>(300, 200, rng);
  const auto b = random<double>(250, 200, rng);
  const auto compute = [&](int n) {
    tapegrad::set_threads(n);
    tapegrad::f64::Tape tape;
    const auto x = tape.input(a, {.requires_grad = true});
    const auto w = tape.input(b, {.requires_grad = true});
    const auto y = tapegrad::tanh(tapegrad::matmul(x, w, {.transpose_b = true}));
    tapegrad::sum(tapegrad::square(y)).backward();
    std::array<tapegrad::f64::Matrix, 3> result{y.value(), x.grad(), w.grad()};
    tapegrad::set_threads(1);
    return result;
  };
  const auto one = compute(1);
  for (const int n : {2, 3, 5}) {
    const auto first = compute(n);
    const auto second = compute(n);
    for (std::size_t i = 0; i < one.size(); ++i) {
      CHECK(first[i] == second[i]);
      CHECK(first[i].isApprox(one[i], 1e-13));
    }
  }
}

TEST_CASE_TEMPLATE("threads: parts of a general product are what one thread computes", T, float, double) {
  constexpr tapegrad::Index m = 600, n = 128,
                            k = 520;  // halves of its columns, too, are more than stays in a cache
  tapegrad::Rng rng(8);
  const auto a = random<T>(m, k, rng);
  const auto b = random<T>(n, k, rng);
  const auto multiply = [&](int threads) {
    tapegrad::set_threads(threads);
    tapegrad::BasicMatrix<T> c = tapegrad::BasicMatrix<T>::Constant(m, n, std::numeric_limits<T>::quiet_NaN());
    tapegrad::gemm(false, true, m, n, k, a.data(), b.data(), c.data(), false);
    tapegrad::set_threads(1);
    return c;
  };
  const auto one = multiply(1);
  const T rounding = static_cast<T>(k) * std::numeric_limits<T>::epsilon();
  CHECK(one.isApprox(a * b.transpose(), rounding));
  CHECK(multiply(2).isApprox(one, rounding));
}

TEST_CASE("threads: a loss over many rows is that of one thread to the last bit") {
  tapegrad::Rng rng(6);
  const auto logits = random<float>(301, 7, rng);
  std::vector<int> labels(301);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 7);
  const auto compute = [&](int n) {
    tapegrad::set_threads(n);
    tapegrad::Tape tape;
    const auto z = tape.input(logits, {.requires_grad = true});
    const auto loss = tapegrad::cross_entropy(z, labels, {.label_smoothing = 0.1});
    loss.backward();
    tapegrad::set_threads(1);
    return std::pair(loss.item(), tapegrad::Matrix(z.grad()));
  };
  const auto one = compute(1);
  CHECK(one.first > 1);
  CHECK(compute(2) == one);
  CHECK(compute(3) == one);
}

TEST_CASE("threads: a training with two threads is the same every time") {
  const auto train = [] {
    tapegrad::set_threads(2);
    tapegrad::Rng rng(7);
    tapegrad::Sequential net(tapegrad::Linear(200, 256, rng), tapegrad::Relu(), tapegrad::Linear(256, 10, rng));
    tapegrad::Adam adam(net.parameters());
    const tapegrad::Matrix x = random<float>(256, 200, rng);
    std::vector<int> labels(256);
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 10);
    tapegrad::Tape tape;
    std::vector<float> losses;
    for (int step = 0; step < 20; ++step) {
      tape.reset();
      const tapegrad::Var loss = tapegrad::cross_entropy(net(tape.input(x)), labels);
      loss.backward();
      adam.step();
      losses.push_back(loss.item());
    }
    tapegrad::set_threads(1);
    return losses;
  };
  const auto losses = train();
  CHECK(losses == train());
  CHECK(losses.back() < 0.5f * losses.front());
}

TEST_CASE("threads: the number is checked, and belongs to the thread that said it") {
  CHECK(tapegrad::threads() == 1);
  CHECK_THROWS_WITH_AS(tapegrad::set_threads(0), "[threads] the number must be from 1 to 256, got 0",
                       tapegrad::Error);
  CHECK_THROWS_WITH_AS(tapegrad::set_threads(257), "[threads] the number must be from 1 to 256, got 257",
                       tapegrad::Error);
  tapegrad::set_threads(3);
  CHECK(tapegrad::threads() == 3);
  tapegrad::set_threads(1);
  CHECK(tapegrad::threads() == 1);
}

TEST_CASE("threads: what a part throws arrives when all parts are done, and the threads go on") {
  const auto run = [](int n, std::set<int> failing) {
    tapegrad::set_threads(n);
    struct Context {
      std::set<int> failing;
      std::atomic<int> done = 0;
    } context{std::move(failing)};
    std::string error;
    try {
      tapegrad::parallel::run(
          [](void* given, int part, int) {
            auto& c = *static_cast<Context*>(given);
            if (c.failing.contains(part)) throw std::runtime_error("part " + std::to_string(part));
            ++c.done;
          },
          &context);
    } catch (const std::runtime_error& e) {
      error = e.what();
    }
    return std::to_string(context.done) + " done, " + error;
  };
  for (int again = 0; again < 3; ++again) {
    CHECK(run(3, {0}) == "2 done, part 0");
    CHECK(run(3, {2}) == "2 done, part 2");
    CHECK(run(3, {1, 2}) == "1 done, part 1");
    CHECK(run(3, {0, 1, 2}) == "0 done, part 0");
    CHECK(run(3, {}) == "3 done, ");
    CHECK(run(1, {0}) == "0 done, part 0");
  }
  tapegrad::set_threads(1);
}
