// an activation needs its formula
#include <tapegrad/core/activations.h>

struct Wave {
  static constexpr std::string_view name = "wave";
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 2 * g * x; }
};

const tapegrad::Activation wave = tapegrad::make_activation(Wave());
