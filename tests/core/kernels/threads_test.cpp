#include "tapegrad/core/threads.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "child_process.h"
#include "refuse_allocations.h"
#include "tapegrad/core/kernels/gemm.h"
#include "tapegrad/core/kernels/threads.h"
#include "tapegrad/tapegrad.h"

namespace {

template <class T> tapegrad::BasicMatrix<T> random(tapegrad::Index rows, tapegrad::Index cols, tapegrad::Rng& rng) {
  tapegrad::BasicMatrix<T> m(rows, cols);
  for (T& v : m.reshaped()) v = static_cast<T>(rng.normal());
  return m;
}

}  // namespace

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

TEST_CASE("threads: a body computes undivided, and cannot change the number of threads") {
  tapegrad::set_threads(3);
  tapegrad::Rng rng(5);
  const auto a = random<float>(400, 300, rng);
  const auto b = random<float>(300, 200, rng);
  const auto product = [&] {
    tapegrad::Tape tape;
    return tapegrad::Matrix(tapegrad::matmul(tape.borrow(a), tape.borrow(b)).value());
  };
  std::array<tapegrad::Matrix, 3> inside;
  tapegrad::parallel::divide_in_parts(3, 1, [&](int, tapegrad::Index first, tapegrad::Index last) {
    for (tapegrad::Index i = first; i < last; ++i) inside[static_cast<std::size_t>(i)] = product();
  });
  CHECK(tapegrad::threads() == 3);
  CHECK_THROWS_WITH_AS(tapegrad::parallel::divide_in_parts(3, 1,
                                                           [](int part, tapegrad::Index, tapegrad::Index) {
                                                             if (part == 0) tapegrad::set_threads(2);
                                                           }),
                       "[threads] set_threads() inside a parallel computation", tapegrad::Error);
  CHECK(tapegrad::threads() == 3);
  CHECK(product().isApprox(inside[0], 1e-5F));
  tapegrad::set_threads(1);
  for (const auto& each : inside) CHECK(each == product());
}

TEST_CASE("threads: out of memory while helpers start") {
  const std::size_t points = refusing::at_each_allocation(
      [] {
        tapegrad::set_threads(1);
        tapegrad::set_threads(4);
      },
      [] {
        CHECK(tapegrad::threads() == 1);
        tapegrad::set_threads(2);
        tapegrad::set_threads(1);
      });
  CHECK((points > 4 || !refusing::possible()));
  tapegrad::set_threads(1);
}

TEST_CASE("threads: a system that does not start them all is told, and one thread goes on") {
  const std::string said = child::result_of([] {
    std::ifstream statm("/proc/self/statm");
    rlim_t pages = 0;
    statm >> pages;
    const rlim_t limit = pages * 4096 + (rlim_t{64} << 20);  // a thread has a stack of some megabytes
    const rlimit memory{limit, limit};
    if (setrlimit(RLIMIT_AS, &memory) != 0) return std::string("not allowed");
    std::string text;
    try {
      tapegrad::set_threads(200);
    } catch (const tapegrad::Error& error) {
      text = error.what();
    }
    return fmt::format("{}; {}", text, tapegrad::threads());
  });
  const std::string begin = "[threads] the system does not start 200 threads, only ";
  REQUIRE(said.starts_with(begin));
  const int started = std::atoi(said.c_str() + begin.size());
  CHECK(started > 1);
  CHECK(started < 200);
  CHECK(said == begin + std::to_string(started) + "; 1");
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
    tapegrad::Sequential net{tapegrad::Linear(200, 256, rng), tapegrad::Relu(), tapegrad::Linear(256, 10, rng)};
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

TEST_CASE("threads: the same number again starts none, and those without work sleep") {
  const auto running = [] {
    std::set<std::string> ids;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ids.insert(entry.path());
    return ids;
  };
  const auto busy = [] {
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  };
  tapegrad::set_threads(2);
  const auto before = running();
  tapegrad::set_threads(2);
  CHECK(running() == before);
  tapegrad::parallel::run([](void*, int, int) {}, nullptr);
  const double start = busy();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(busy() - start < .01);  // seconds
  tapegrad::set_threads(1);
}
