#include "op_samples.h"

using namespace op_samples;

OP_SAMPLES(transpose) {
  over_shapes(
      samples, [](Vars v) { return tg::transpose(v[0]); }, [](Shape) { return true; }, 1e300);
}

OP_SAMPLES(matmul) {
  tg::Rng rng(11);
  const Index sizes[][3] = {{1, 1, 1},  {1, 5, 1}, {4, 1, 3}, {2, 3, 4}, {3, 7, 2}, {1, 17, 2},
                            {2, 2, 17}, {0, 3, 2}, {2, 0, 3}, {2, 3, 0}, {1, 65, 1}};
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const auto& [m, k, n] : sizes) {
        const Shape a = ta ? Shape{k, m} : Shape{m, k};
        const Shape b = tb ? Shape{n, k} : Shape{k, n};
        const auto f = [=](Vars v) { return tg::matmul(v[0], v[1], {ta, tb}); };
        samples.push_back({f, {normal(a, rng), normal(b, rng)}});
        if (k < 17 && n < 17) {
          samples.push_back({f, {normal(a, rng, 1e100), normal(b, rng, 1e100)}});
          if (m * k >= 4 && n > 1) samples.push_back({f, {speckled(a, rng), speckled(b, rng)}});
        }
      }
      // the same matrix on both sides
      samples.push_back({[=](Vars v) { return tg::matmul(v[0], v[0], {ta, tb}); }, {normal({3, 3}, rng)}});
    }
  }
}

OP_SAMPLES(linear) {
  tg::Rng rng(12);
  const Index sizes[][3] = {{1, 1, 1},  {1, 5, 1}, {4, 1, 3}, {2, 3, 4}, {3, 7, 2}, {1, 17, 2},
                            {2, 2, 17}, {0, 3, 2}, {2, 0, 3}, {2, 3, 0}, {1, 65, 1}};
  for (const auto& [batch, in, out] : sizes) {
    for (const double scale : {1.0, 0.01, 10.0, 1e100}) {
      if (in == 65 && scale != 1) continue;
      samples.push_back(
          {[](Vars v) { return tg::linear(v[0], v[1], v[2]); },
           {normal({batch, in}, rng, scale), normal({out, in}, rng, scale), normal({1, out}, rng, scale)}});
    }
    if (batch * in >= 2)
      samples.push_back({[](Vars v) { return tg::linear(v[0], v[1], v[2]); },
                         {speckled({batch, in}, rng), normal({out, in}, rng), speckled({1, out}, rng)}});
  }
}
