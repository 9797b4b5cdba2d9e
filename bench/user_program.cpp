// What a user writes to train on MNIST: scripts/bench.sh measures how long it takes to compile, and its size.

#include <tapegrad/tapegrad.h>

#include <cstdio>
namespace tg = tapegrad;

int main(int argc, char** argv) {
  const tg::Dataset train =
      tg::load_mnist(argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist", tg::Split::train);
  tg::Rng rng(42);
  tg::Sequential net{tg::Linear(784, 128, rng), tg::Relu(), tg::Linear(128, 10, rng)};
  tg::Adam adam(net.parameters(), {.lr = 0.002});
  tg::Batches batches(train.size(), 64, rng.split());
  tg::Tape tape;
  std::vector<int> labels;
  for (int epoch = 1; epoch <= 5; ++epoch) {
    double total = 0;
    for (const std::span<const tg::Index> batch : batches.epoch()) {
      tape.reset();
      const tg::Var x = tape.input({static_cast<tg::Index>(batch.size()), 784},
                                   [&](float* out) { tg::gather_rows(train.inputs, batch, out); });
      tg::gather_labels(train.labels, batch, labels);
      const tg::Var loss = tg::cross_entropy(net(x), std::span<const int>(labels));
      loss.backward();
      adam.step();
      total += static_cast<double>(loss.item());
    }
    std::printf("epoch %d: loss %.4f\n", epoch, total / static_cast<double>(batches.count()));
  }
}
