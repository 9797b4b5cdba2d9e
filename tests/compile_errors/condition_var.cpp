// write tg::where(x > 0, a, b)
#include <tapegrad/core/arithmetic.h>

tapegrad::Var hinge(tapegrad::Var x) {
  if (x > 0) return x;
  return 0 * x;
}
