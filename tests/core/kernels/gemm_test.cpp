#include "tapegrad/core/kernels/gemm.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
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

TEST_CASE_TEMPLATE("gemm: products divided among threads in every way", T, float, double) {
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

namespace {

/// Memory behind which nothing may be read.
template <class T> struct BeforeAWall {
  explicit BeforeAWall(tapegrad::Index count)
      : bytes((static_cast<std::size_t>(count) * sizeof(T) + 4095) / 4096 * 4096),
        memory(static_cast<char*>(
            mmap(nullptr, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
        first(reinterpret_cast<T*>(memory + bytes) - count) {
    mprotect(memory + bytes, 4096, PROT_NONE);
    std::fill_n(first, count, T(1));
  }
  BeforeAWall(const BeforeAWall&) = delete;
  ~BeforeAWall() { munmap(memory, bytes + 4096); }
  std::size_t bytes;
  char* memory;
  T* first;
};

}  // namespace

TEST_CASE_TEMPLATE("gemm: nothing behind the operands is touched", T, float, double) {
  for (const Size& s : sizes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        const BeforeAWall<T> a(s.m * s.k), b(s.k * s.n), c(s.m * s.n), bias(s.n);
        tapegrad::gemm(ta, tb, s.m, s.n, s.k, a.first, b.first, c.first, true);
        CHECK(c.first[s.m * s.n - 1] == static_cast<T>(s.k + 1));
        tapegrad::gemm_with_bias(s.m, s.n, s.k, a.first, b.first, bias.first, c.first);
        CHECK(c.first[0] == static_cast<T>(s.k + 1));
      }
}
