#include <tapegrad/tapegrad.h>

#include <cstdio>

namespace tg = tapegrad;

int main() {
  tg::Rng rng(42);
  const double u = rng.uniform();

  tg::Tape tape;
  tg::Matrix x(1, 3);
  x << 1, 2, 3;
  const tg::Var a = tape.input(x, {.requires_grad = true});
  const tg::Var b = tape.input(2.0);

  std::printf("u = %.3f, a is %dx%d, b = %g\n", u, int(a.rows()), int(a.cols()), double(b.item()));
  return u >= 0 && u < 1 && a.value() == x && b.item() == 2 ? 0 : 1;
}
