#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "tapegrad/core/activations.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/core/threads.h"
#include "tapegrad/inspect/findings.h"
#include "tapegrad/inspect/monitor.h"
#include "tapegrad/io/toy.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/linear.h"
#include "tapegrad/layers/normalization.h"
#include "tapegrad/optim/optimizers.h"

/// What several threads do at once. The stage tsan runs these tests under ThreadSanitizer.

using namespace tapegrad;

namespace {

/// Runs f(0) … f(n − 1), each on a thread of its own.
template <class F> void at_once(int n, const F& f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i) threads.emplace_back([&f, i] { f(i); });
  for (std::thread& each : threads) each.join();
}

/// Trains a network of its own with a Monitor; everything in it depends on the seed only.
Matrix trained(std::uint64_t seed, int threads = 1) {
  set_threads(threads);
  Rng rng(seed);
  const Dataset data = two_moons(512, 0.1, rng);
  Sequential net{Linear(2, 256, rng), BatchNorm1d(256), Relu(), Dropout(0.2, rng), Linear(256, 2, rng)};
  Adam adam(net.parameters(), {.lr = 0.01});
  Monitor monitor(net, {.classes = 2});
  Tape tape;
  for (int step = 0; step < 30; ++step) {
    tape.reset();
    const Var loss = cross_entropy(net(tape.input(data.inputs)), data.labels);
    loss.backward();
    adam.step();
    monitor.step(loss, {.lr = 0.01});
  }
  findings(monitor.record());
  set_threads(1);
  return net.predict(data.inputs);
}

}  // namespace

TEST_CASE(
    "concurrency: networks that are trained on threads of their own get the same bits as one after the other") {
  constexpr int n = 4;
  std::vector<Matrix> alone, together(n);
  for (int i = 0; i < n; ++i) alone.push_back(trained(static_cast<std::uint64_t>(i)));
  at_once(n, [&](int i) { together[static_cast<std::size_t>(i)] = trained(static_cast<std::uint64_t>(i)); });
  for (std::size_t i = 0; i < n; ++i) CHECK(alone[i] == together[i]);
  CHECK(alone[0] != alone[1]);
}

TEST_CASE("concurrency: threads with helpers of their own") {
  const Matrix alone = trained(7, 2);
  at_once(3, [&](int) { CHECK(trained(7, 2) == alone); });
}

TEST_CASE("concurrency: one network predicts for many threads, in training mode, too") {
  Rng rng(1);
  Sequential net{Linear(8, 64, rng), BatchNorm1d(64), Relu(), Dropout(0.5, rng), Linear(64, 3, rng)};
  Matrix x(200, 8);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(rng.normal());
  const Matrix alone = net.predict(x);
  CHECK(net.training());
  at_once(4, [&](int) {
    for (int i = 0; i < 20; ++i) CHECK(net.predict(x) == alone);
  });
  CHECK(net.training());
}

TEST_CASE("concurrency: a child process computes with helpers of its own, with those of its parent still there") {
  const Matrix alone = trained(7, 2);
  set_threads(2);
  const Matrix product = trained(7, 2);  // helpers are running, or have been
  CHECK(product == alone);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(trained(7, 2) == alone && trained(7, 1).rows() == 512 ? 0 : 1);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  set_threads(1);
}
