// Images told apart: `digits` learns the ten kinds of clothes of Fashion-MNIST, `digits DIR` the handwritten digits of
// MNIST, or anything in their format. mnist (06) is the same with options, tests and pictures. The benchmarks measure
// how long this program takes to compile, and its size.

#include <tapegrad/tapegrad.h>

#include <cstdio>

namespace tg = tapegrad;

int main(int argc, char** argv) {
  if (argc > 1 && *argv[1] == '-') {
    std::puts("digits [DIR]  trains on the images in DIR, by default Fashion-MNIST");
    return std::fflush(stdout) != 0 || std::string_view(argv[1]) != "--help";
  }

  const tg::Dataset train =
      tg::load_mnist(argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist", tg::Split::train);
  tg::Rng rng(42);
  tg::Sequential net = tg::mlp({784, 128, 10}, tg::Relu(), rng);
  tg::Adam adam(net.parameters(), {.lr = 0.002});
  tg::Loader loader(train, {.batch = 64, .shuffle = rng});
  tg::Tape tape;
  for (int epoch = 1; epoch <= 5; ++epoch) {
    double total = 0;
    for (auto& [x, labels] : loader) {
      tape.reset();
      const tg::Var loss = tg::cross_entropy(net(tape.input(x)), labels);
      loss.backward();
      adam.step();
      total += static_cast<double>(loss.item());
    }
    std::printf("epoch %d: loss %.4f\n", epoch, total / static_cast<double>(loader.count()));
  }
  return std::fflush(stdout) != 0;
}
