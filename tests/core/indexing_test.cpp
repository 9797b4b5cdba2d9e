#include "op_samples.h"

using namespace op_samples;

namespace {

/// Row or element numbers that repeat some and leave out others.
std::vector<Index> scattered(Index count, Index of) {
  std::vector<Index> numbers;
  for (Index i = 0; i < count; ++i) numbers.push_back((i * i + 1) % of);
  return numbers;
}

}  // namespace

OP_SAMPLES(slice_cols) {
  for (const Index first : {0, 1})
    over_shapes(
        samples, [=](Vars v) { return tg::slice_cols(v[0], first, (v[0].cols() - first + 1) / 2); },
        [](Shape s) { return s.cols >= 2; }, 1e300);
}

OP_SAMPLES(pad_cols) {
  over_shapes(
      samples, [](Vars v) { return tg::pad_cols(v[0], 2, 1); }, [](Shape) { return true; }, 1e300);
}

OP_SAMPLES(select_rows) {
  for (const Index count : {0, 5})
    over_shapes(
        samples, [=](Vars v) { return tg::select_rows(v[0], scattered(count, v[0].rows())); }, not_empty, 1e300);
}

OP_SAMPLES(scatter_rows) {
  over_shapes(
      samples, [](Vars v) { return tg::scatter_rows(v[0], scattered(v[0].rows(), 4), 4); },
      [](Shape) { return true; }, 1e300);
}

OP_SAMPLES(gather) {
  for (const Index count : {2, 4})
    over_shapes(
        samples,
        [=](Vars v) {
          return tg::gather(v[0], scattered(3 * count, v[0].shape().size()), {count, 3});
        },
        not_empty, 1e300);
}

OP_SAMPLES(scatter) {
  over_shapes(
      samples,
      [](Vars v) {
        return tg::scatter(v[0], scattered(v[0].shape().size(), 20), {4, 5});
      },
      [](Shape) { return true; }, 1e300);
}

OP_SAMPLES(detach) {
  // a detached factor is a constant: what is left is linear
  over_shapes(samples, [](Vars v) {
    Matrix constant = v[0].value();
    constant.setConstant(1.5);
    const Var factor = v[0].tape().input(constant, {.requires_grad = true});
    return tg::detach(factor * 2.0) * v[0];
  });
}

OP_SAMPLES(concat_cols) {
  tg::Rng rng(13);
  const auto f = [](Vars v) { return tg::concat_cols(v); };
  const Index widths[][3] = {{1, 1, 1}, {2, 3, 1}, {0, 2, 1}, {1, 0, 0}, {7, 1, 4}, {17, 2, 1}, {1, 4, 0}};
  for (const Index rows : {0, 1, 2, 4})
    for (const auto& [a, b, c] : widths) {
      samples.push_back({f, {normal({rows, a}, rng), normal({rows, b}, rng), normal({rows, c}, rng)}});
      if (a < 17)
        samples.push_back({f, {normal({rows, a}, rng, 1e300), normal({rows, b}, rng), speckled({rows, c}, rng)}});
    }
  samples.push_back({f, {normal({2, 65}, rng)}});
  samples.push_back({[](Vars v) {
                       return tg::concat_cols({v[0], v[1], v[0]});
                     },
                     {normal({2, 3}, rng), normal({2, 1}, rng)}});
}

OP_SAMPLES(concat_rows) {
  tg::Rng rng(23);
  const auto f = [](Vars v) { return tg::concat_rows(v); };
  const Index heights[][3] = {{1, 1, 1}, {2, 3, 1}, {0, 2, 1}, {1, 0, 0}, {7, 1, 4}, {1, 4, 0}};
  for (const Index cols : {0, 1, 2, 5})
    for (const auto& [a, b, c] : heights) {
      samples.push_back({f, {normal({a, cols}, rng), normal({b, cols}, rng), normal({c, cols}, rng)}});
      samples.push_back({f, {normal({a, cols}, rng, 1e300), normal({b, cols}, rng), speckled({c, cols}, rng)}});
    }
  samples.push_back({[](Vars v) {
                       return tg::concat_rows({v[0], v[1], v[0]});
                     },
                     {normal({2, 3}, rng), normal({1, 3}, rng)}});
}

OP_SAMPLES(reshape) {
  over_shapes(
      samples,
      [](Vars v) {
        return tg::reshape(v[0], {1, v[0].shape().size()});
      },
      any_shape, 1e300);
  over_shapes(
      samples,
      [](Vars v) {
        return tg::reshape(v[0], {v[0].cols(), v[0].rows()});
      },
      any_shape, 1e300);
}

TEST_CASE("concat_rows and reshape: values, and what does not fit") {
  tg::Tape tape;
  const Var x = tape.input(Matrix{{1, 2, 3}, {4, 5, 6}}, {.requires_grad = true});
  const Var y = tape.input(Matrix{{7, 8, 9}});
  CHECK(tg::concat_rows({y, x, y}).value() == Matrix{{7, 8, 9}, {1, 2, 3}, {4, 5, 6}, {7, 8, 9}});
  CHECK(tg::reshape(x, {3, 2}).value() == Matrix{{1, 2}, {3, 4}, {5, 6}});
  tg::sum(tg::reshape(x, {6, 1}) * tape.input(Matrix{{1}, {2}, {3}, {4}, {5}, {6}})).backward();
  CHECK(x.grad() == x.value());
  const auto check = [](const char* text, const auto& make) { CHECK_THROWS_WITH_AS(make(), text, tg::Error); };
  check("[concat_rows] columns differ: 2x3 and 1x1", [&] { tg::concat_rows({x, tape.constant(1)}); });
  check("[concat_cols] rows differ: 2x3 and 1x1", [&] { tg::concat_cols({x, tape.constant(1)}); });
  check("[concat_rows] nothing to concatenate", [&] { tg::concat_rows(std::span<const Var>()); });
  check("[reshape] 2x3 has not the elements of 2x2", [&] { tg::reshape(x, {2, 2}); });
  check("[reshape] 2x3 has not the elements of -2x-3", [&] { tg::reshape(x, {-2, -3}); });
}

TEST_CASE("indexing: what is not there, and more columns than a value can have") {
  tg::Tape tape;
  const Var x = tape.input(Matrix::Ones(2, 3));
  const Var none = tape.input(Matrix(0, 3));
  const auto check = [](const char* text, const auto& make) { CHECK_THROWS_WITH_AS(make(), text, tg::Error); };
  check("[select_rows] there is no row 0: the matrix has no rows", [&] { tg::select_rows(none, {0}); });
  check("[select_rows] row -1 is not in 0..1", [&] { tg::select_rows(x, {0, -1}); });
  check("[scatter_rows] there is no row 1: the matrix has no rows", [&] {
    tg::scatter_rows(x, std::vector<Index>{1, 0}, 0);
  });
  check("[scatter_rows] row 4 is not in 0..3", [&] { tg::scatter_rows(x, std::vector<Index>{1, 4}, 4); });
  check("[scatter_rows] row_count must not be negative, got -1",
        [&] { tg::scatter_rows(none, std::vector<Index>{}, -1); });
  constexpr Index most = std::numeric_limits<Index>::max();
  check("[pad_cols] cannot add 9223372036854775807 and 9223372036854775807 columns",
        [&] { tg::pad_cols(x, most, most); });
  check("[pad_cols] cannot add 9223372036854775807 and 1 columns", [&] { tg::pad_cols(x, most, 1); });
  check("[pad_cols] cannot add 0 and 9223372036854775805 columns", [&] { tg::pad_cols(x, 0, most - 2); });
  check("[tape] too large a value: 2x4294967299", [&] { tg::pad_cols(x, Index{1} << 32, 0); });
  CHECK(tg::select_rows(none, std::span<const Index>()).shape() == tg::Shape{0, 3});
}
