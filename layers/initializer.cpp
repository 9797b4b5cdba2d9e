#include "tapegrad/layers/initializer.h"

#include <Eigen/QR>
#include <cmath>
#include <utility>

#include "tapegrad/core/check.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using Values = BasicMatrix<double>;
using enum SettingDomain;

template <class Draw> Values filled(Shape shape, Draw&& draw) {
  Values values(shape.rows, shape.cols);
  for (Index row = 0; row < shape.rows; ++row)
    for (Index col = 0; col < shape.cols; ++col) values(row, col) = draw();
  return values;
}

/// From U(±√3·std) or N(0, std²), which have the same variance; each scheme says which std it asks for.
template <class Std> Initializer uniform_of(std::string name, Std std) {
  return {std::move(name), [std](Shape shape, Fans fans, Rng& rng) {
            const double bound = std::sqrt(3.0) * std(fans);
            return filled(shape, [&] { return rng.uniform(-bound, bound); });
          }};
}
template <class Std> Initializer normal_of(std::string name, Std std) {
  return {std::move(name), [std](Shape shape, Fans fans, Rng& rng) {
            return filled(shape, [&, s = std(fans)] { return rng.normal(0, s); });
          }};
}
auto xavier_std(std::string_view name, double gain) {
  check_setting(name, "gain", finite, gain);
  return [gain](Fans f) { return gain * std::sqrt(2.0 / static_cast<double>(f.in + f.out)); };
}
auto he_std(std::string_view name, double slope) {
  check_setting(name, "negative_slope", finite, slope);
  return [slope](Fans f) { return std::sqrt(2.0 / ((1 + slope * slope) * static_cast<double>(f.in))); };
}
double root_fan_in(Fans f) { return std::sqrt(static_cast<double>(f.in)); }

struct Named {
  std::string_view name;
  Initializer (*make)();
};

constexpr Named table[] = {
    {"xavier_uniform", [] { return xavier_uniform(); }},   {"xavier_normal", [] { return xavier_normal(); }},
    {"he_uniform", [] { return he_uniform(); }},           {"he_normal", [] { return he_normal(); }},
    {"kaiming_uniform", [] { return he_uniform(); }},      {"kaiming_normal", [] { return he_normal(); }},
    {"lecun_normal", [] { return lecun_normal(); }},       {"uniform_fan_in", [] { return uniform_fan_in(); }},
    {"orthogonal", [] { return orthogonal(); }},           {"zeros", [] { return zeros(); }},
    {"sparse_negative", [] { return sparse_negative(); }},
};

}  // namespace

Values Initializer::operator()(Shape shape, Fans fans, Rng& rng) const {
  if (!fill) fail("initializer", "'" + name + "' has no function");
  Values values = fill(shape, fans, rng);
  if (const Shape made{values.rows(), values.cols()}; made != shape)
    fail(name, "was asked for " + to_string(shape) + " values, made " + to_string(made));
  return values;
}

Initializer xavier_uniform(double gain) { return uniform_of("xavier_uniform", xavier_std("xavier_uniform", gain)); }
Initializer xavier_normal(double gain) { return normal_of("xavier_normal", xavier_std("xavier_normal", gain)); }
Initializer he_uniform(double negative_slope) {
  return uniform_of("he_uniform", he_std("he_uniform", negative_slope));
}
Initializer he_normal(double negative_slope) { return normal_of("he_normal", he_std("he_normal", negative_slope)); }
Initializer lecun_normal() {
  return normal_of("lecun_normal", [](Fans f) { return 1 / root_fan_in(f); });
}

Initializer uniform_fan_in() {
  return {"uniform_fan_in", [](Shape shape, Fans fans, Rng& rng) {
            const double bound = 1 / root_fan_in(fans);
            return filled(shape, [&] { return rng.uniform(-bound, bound); });
          }};
}

Initializer orthogonal(double gain) {
  check_setting("orthogonal", "gain", finite, gain);
  return {"orthogonal", [gain](Shape shape, Fans, Rng& rng) {
            // Q of a tall Gaussian matrix, with the signs of R's diagonal taken out: uniform over all rotations.
            const bool wide = shape.cols > shape.rows;
            const Shape tall = wide ? Shape{shape.cols, shape.rows} : shape;
            const Values gaussian = filled(tall, [&] { return rng.normal(); });
            const Eigen::HouseholderQR<Values> qr(gaussian);
            Values q = qr.householderQ() * Values::Identity(tall.rows, tall.cols);
            for (Index col = 0; col < tall.cols; ++col)
              if (qr.matrixQR()(col, col) < 0) q.col(col) = -q.col(col);
            return Values(wide ? Values(q.transpose() * gain) : Values(q * gain));
          }};
}

Initializer normal(double mean, double std) {
  check_setting("normal", "mean", finite, mean);
  check_setting("normal", "std", not_negative, std);
  return {"normal", [mean, std](Shape shape, Fans, Rng& rng) {
            return filled(shape, [&] { return rng.normal(mean, std); });
          }};
}

Initializer constant(double value) {
  check_setting("constant", "value", finite, value);
  return {value == 0 ? "zeros" : "constant",
          [value](Shape shape, Fans, Rng&) { return Values(Values::Constant(shape.rows, shape.cols, value)); }};
}

Initializer sparse_negative(double fraction, double value) {
  check_setting("sparse_negative", "fraction", up_to_one, fraction);
  if (!(value < 0) || !std::isfinite(value))
    fail("sparse_negative", "value must be negative, got " + to_string(value));
  return {"sparse_negative", [fraction, value](Shape shape, Fans, Rng& rng) {
            Values values = Values::Zero(shape.rows, shape.cols);
            const auto chosen = static_cast<std::size_t>(std::lround(fraction * static_cast<double>(shape.size())));
            const auto order = rng.permutation(shape.size());
            for (std::size_t i = 0; i < chosen; ++i) values.data()[order[i]] = value;
            return values;
          }};
}

Initializer initializer(std::string_view name) { return find_named("initializer", table, name).make(); }

std::vector<std::string_view> initializers() { return names_of(table); }

}  // namespace tapegrad
