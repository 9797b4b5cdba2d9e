#include <tapegrad/tapegrad.h>

#include <cstring>

#include "input.h"

/// Texts that choose something: the first byte says what, and the numbers that go with it follow.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 17) return 0;
  double number = 0;
  std::int64_t whole = 0;
  std::memcpy(&number, data + 1, 8);
  std::memcpy(&whole, data + 9, 8);
  const std::string_view text = fuzz::text(data + 17, size - 17);
  fuzz::parse([&] {
    switch (data[0] % 5) {
      case 0: {
        const auto f = tapegrad::activation(text);
        if (tapegrad::activation(f.text()).text() != f.text()) std::abort();
        if (f.elementwise()) f.slope(number);
        break;
      }
      case 1: {
        tapegrad::Rng rng(1);
        tapegrad::Linear(3, 2, rng, {.weight_init = tapegrad::initializer(text)});
        break;
      }
      case 2:
        tapegrad::make_schedule(text, number, whole).at(whole / 2);
        break;
      case 3: {
        tapegrad::Parameter w("w", tapegrad::Matrix::Ones(2, 2));
        tapegrad::OptimizerOptions options = {.lr = number};
        if ((data[0] & 0x80) != 0) options.momentum = 1 / number;
        if ((data[0] & 0x40) != 0) options.weight_decay = number / 3;
        tapegrad::make_optimizer<float>(text, {w}, options)->step();
        break;
      }
      default:
        tapegrad::activation("swish").with(text, number);
        break;
    }
  });
  return 0;
}
