// The whole of training in 25 lines: XOR, the smallest task that needs a hidden layer. xor (04) looks inside.

#include <tapegrad/tapegrad.h>

#include <cstdio>

namespace tg = tapegrad;  // float; `namespace tg = tapegrad::f64;` makes the same program compute in double

int main(int argc, char** argv) {
  if (argc > 1) {
    std::puts("Learns XOR and prints the loss every 100 steps. It has no options.");
    return std::fflush(stdout) != 0 || std::string_view(argv[1]) != "--help";
  }

  tg::Matrix x(4, 2), y(4, 1);
  x << 0, 0, 0, 1, 1, 0, 1, 1;
  y << 0, 1, 1, 0;
  tg::Rng rng(42);
  // With braces the layers are made from left to right. In parentheses the compiler may choose the order: GCC goes from
  // right to left, so the layers would draw other random numbers from rng than with Clang.
  tg::Sequential net{tg::Linear(2, 8, rng), tg::Tanh(), tg::Linear(8, 1, rng)};
  tg::Adam adam(net.parameters(), {.lr = 0.05});
  tg::Tape tape;  // records each step, so that backward() can go through it in reverse
  for (int step = 0; step < 500; ++step) {
    tape.reset();
    const tg::Var loss = tg::bce_with_logits(net(tape.input(x)), y);
    loss.backward();
    adam.step();
    if (step % 100 == 0) std::printf("step %d: loss %.4f\n", step, static_cast<double>(loss.item()));
  }
  return std::fflush(stdout) != 0;  // what is printed may be lost: on a full disk
}
