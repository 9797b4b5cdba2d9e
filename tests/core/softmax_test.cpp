#include "op_samples.h"

using namespace op_samples;

OP_SAMPLES(softmax) {
  over_shapes(samples, [](Vars v) { return tg::softmax(v[0]); });
  over_shapes(samples, [](Vars v) { return tg::activation("softmax")(v[0]); });
}

OP_SAMPLES(log_softmax) {
  over_shapes(
      samples, [](Vars v) { return tg::log_softmax(v[0]); }, [](Shape) { return true; }, 500);
  over_shapes(samples, [](Vars v) { return tg::activation("log_softmax")(v[0]); });
}

OP_SAMPLES(maxout) {
  const auto f = [](Vars v) { return tg::maxout(v[0], 2); };
  for (const int pieces : {1, 2, 3, 7, 17})
    over_shapes(
        samples, [=](Vars v) { return tg::maxout(v[0], pieces); }, [=](Shape s) { return s.cols % pieces == 0; },
        1e300);
  samples.push_back({f, {Matrix(3, 0)}});
  samples.push_back({f, {row({1, 1, 2, 3})}, true, {0, 1}});
  samples.push_back({f, {row({1, 1.001, 2, 1.9})}, true});
}

OP_SAMPLES(glu) {
  tg::Rng rng(14);
  for (const Index batch : {0, 1, 3})
    for (const Index cols : {0, 2, 6, 14, 34})
      for (const double scale : {1.0, 0.01, 10.0})
        if (cols < 34 || scale == 1)
          samples.push_back({[](Vars v) { return tg::glu(v[0]); }, {normal({batch, cols}, rng, scale)}});
  samples.push_back({[](Vars v) { return tg::activation("glu")(v[0]); }, {normal({2, 130}, rng)}});
}

OP_SAMPLES(prelu) {
  // as an activation with its learned slope
  tg::Rng rng(15);
  for (const Shape& shape : shapes)
    for (const double scale : {1.0, 0.01, 100.0, 1e100})
      if (shape.cols < 17 || scale == 1)
        samples.push_back({[](Vars v) { return tg::activation("prelu")(v[0], v.subspan(1)); },
                           {normal(shape, rng, scale), normal({1, shape.cols}, rng)}});
}
