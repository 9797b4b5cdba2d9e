#include <tapegrad/tapegrad.h>

#include <cstdio>

namespace tg = tapegrad;

/// consumer REPORT: trains for a step, and writes a report.
int main(int argc, char** argv) {
  tg::Rng rng(42);
  const double u = rng.uniform();

  tg::Tape tape;
  tg::Matrix x(1, 3);
  x << 1, 2, 3;
  const tg::Var a = tape.input(x, {.requires_grad = true});
  const tg::Var b = tape.input(2.0);
  std::printf("tapegrad %s: u = %.3f, a is %dx%d, b = %g\n", TAPEGRAD_VERSION, u, int(a.rows()), int(a.cols()),
              double(b.item()));
  bool good = u >= 0 && u < 1 && a.value() == x && b.item() == 2;

  tg::Sequential net{tg::Linear(3, 2, rng), tg::Tanh(), tg::Linear(2, 1, rng)};
  tg::Sgd sgd(net.parameters(), {.lr = 0.1});
  tg::Monitor monitor(net);
  tape.reset();
  const tg::Var loss = tg::mse(net(tape.input(x)), tape.input(2.0));
  loss.backward();
  sgd.step();
  monitor.step(loss, {.lr = 0.1});
  if (argc > 1) tg::write_report(argv[1], {&monitor.record(), 1});

  try {
    tg::matmul(tape.input(x), tape.input(x));
    good = false;
  } catch (const tg::Error& error) {
    std::puts(error.what());
  }
  return good ? 0 : 1;
}
