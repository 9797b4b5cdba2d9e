#include "tapegrad/core/arithmetic.h"

#include "tapegrad/core/activations.h"
#include "tapegrad/core/reduction.h"

namespace tapegrad::inline TAPEGRAD_ABI {

namespace elementwise {

Shape broadcast_shape(std::string_view op, std::span<const Shape> shapes) {
  Shape result = shapes[0];
  for (const Shape& shape : shapes.subspan(1)) {
    const bool rows_fit = shape.rows == result.rows || shape.rows == 1 || result.rows == 1;
    const bool cols_fit = shape.cols == result.cols || shape.cols == 1 || result.cols == 1;
    if (!rows_fit || !cols_fit) {
      std::string list = to_string(shapes[0]);
      for (const Shape& each : shapes.subspan(1)) list += " and " + to_string(each);
      fail(op, "shapes do not broadcast: " + list);
    }
    if (result.rows == 1) result.rows = shape.rows;
    if (result.cols == 1) result.cols = shape.cols;
  }
  return result;
}

}  // namespace elementwise

void Clamp::check() const {
  if (!(low <= high)) fail(name, "low must not be above high, got " + to_string(low) + " and " + to_string(high));
}

TAPEGRAD_ARITHMETIC_RULES(TAPEGRAD_DEFINE_RULE)

}  // namespace tapegrad
