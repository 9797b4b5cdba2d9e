// The tape itself, optimizers, the monitor, data files and reports.

#include <tapegrad/tapegrad.h>

#include <filesystem>

#include "micro.h"

namespace tg = tapegrad;

namespace bench {
namespace {

/// A chain of 1x1 nodes: what a node costs beside the arithmetic.
void tape() {
  constexpr long nodes = 1000;
  const auto chain = [](tg::Tape& on) {
    tg::Var x = on.input(1.0, {.requires_grad = true});
    for (long i = 0; i < nodes; ++i) x = -x;
    return x;
  };
  add("tape/record a node/1x1/tapegrad", nodes, [=](benchmark::State& state) {
    tg::Tape on;
    for (auto _ : state) {
      on.reset();
      benchmark::DoNotOptimize(chain(on).index());
    }
  });
  add("tape/record and pull back a node/1x1/tapegrad", nodes, [=](benchmark::State& state) {
    tg::Tape on;
    for (auto _ : state) {
      on.reset();
      chain(on).backward();
      benchmark::DoNotOptimize(on.size());
    }
  });
  add("tape/reset and one input/1x1/tapegrad", 1, [=](benchmark::State& state) {
    tg::Tape on;
    for (auto _ : state) {
      on.reset();
      benchmark::DoNotOptimize(on.input(1.0).index());
    }
  });
}

void optimizer(const char* name, tg::OptimizerOptions options, const char* label) {
  for (const long size : {16L, 1024L, 131072L, 1048576L}) {
    add("optimizer/" + std::string(label) + "/" + std::to_string(size) + "/tapegrad", size,
        [=](benchmark::State& state) {
          tg::Parameter p("p", tg::Matrix::Constant(1, size, 0.5F));
          const auto made = tg::make_optimizer(name, std::vector{p}, options);
          p.mutable_grad().setConstant(1e-3F);
          for (auto _ : state) made->step();
        });
  }
}

tg::Sequential mnist_network() {
  tg::Rng rng(42);
  return tg::Sequential{tg::Linear(784, 128, rng), tg::Relu(), tg::Linear(128, 10, rng)};
}

constexpr tg::Index batch = 64;

struct Training {
  tg::Sequential net = mnist_network();
  tg::Adam adam{net.parameters(), {.lr = 1e-4}};
  tg::Tape tape;
  tg::Matrix x = tg::Matrix::Random(batch, 784);
  std::vector<int> labels = std::vector<int>(batch);

  Training() {
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 10);
  }
  tg::Var step() {
    tape.reset();
    const tg::Var loss = tg::cross_entropy(net(tape.input(x)), std::span<const int>(labels));
    loss.backward();
    adam.step();
    return loss;
  }
};

/// One item is one training step of the default MNIST network, so the difference is what the monitor adds.
void monitor() {
  constexpr double seconds = 0.6;  // long enough for some thousand steps: by default it looks often at first
  add("monitor/step without/784-128-10/tapegrad", 1, [](benchmark::State& state) {
    Training training;
    for (auto _ : state) training.step();
  })->MinTime(seconds);
  for (const tg::Index every : {0, 1, 10}) {  // 0: as often as it looks by itself
    const std::string name =
        "monitor/step, " + (every == 0 ? "default" : "every " + std::to_string(every)) + "/784-128-10/tapegrad";
    add(name, 1, [=](benchmark::State& state) {
      Training training;
      tg::Monitor watch(training.net, {.every = every, .steps_per_epoch = 938});
      for (auto _ : state) watch.step(training.step(), {.lr = 1e-4});
    })->MinTime(seconds);
  }
}

void files() {
  add("files/load Fashion-MNIST, 60000 images/47 MB/tapegrad", 1, [](benchmark::State& state) {
    const std::string directory = "/usr/share/datasets/fashion-mnist";
    if (!std::filesystem::exists(directory)) return state.SkipWithError("not installed");
    for (auto _ : state) benchmark::DoNotOptimize(tg::load_mnist(directory, tg::Split::train).size());
  });
  add("files/gather a batch, rows/64x784/tapegrad", batch, [](benchmark::State& state) {
    tg::Rng rng(1);
    const tg::Matrix all = tg::Matrix::Random(10000, 784);
    tg::Matrix out(batch, 784);
    tg::Batches batches(all.rows(), batch, rng);
    auto epoch = batches.epoch();
    auto at = epoch.begin();
    for (auto _ : state) {
      tg::gather_rows(all, (*at).first(std::min<std::size_t>((*at).size(), batch)), out.data());
      if (++at == epoch.end()) at = epoch.begin();
      benchmark::DoNotOptimize(out.data());
    }
  });
  add("files/write a report of 500 steps/784-128-10/tapegrad", 1, [](benchmark::State& state) {
    Training training;
    tg::Monitor watch(training.net, {.steps_per_epoch = 100});
    for (int i = 0; i < 500; ++i) watch.step(training.step(), {.lr = 1e-4});
    const auto path = std::filesystem::temp_directory_path() / "tapegrad_bench_report.html";
    for (auto _ : state) tg::write_report(path.string(), {&watch.record(), 1});
    std::filesystem::remove(path);
  });
}

}  // namespace

void add_programs() {
  tape();
  optimizer("sgd", {.lr = 1e-6}, "sgd");
  optimizer("sgd", {.lr = 1e-6, .momentum = 0.9}, "sgd with momentum");
  optimizer("adam", {.lr = 1e-6}, "adam");
  optimizer("adamw", {.lr = 1e-6}, "adamw");
  optimizer("rmsprop", {.lr = 1e-6}, "rmsprop");
  optimizer("adagrad", {.lr = 1e-6}, "adagrad");
  monitor();
  files();
}

}  // namespace bench
