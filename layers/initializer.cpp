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

/// `scale(fans)` is the bound of a uniform, or the standard deviation of a normal distribution.
template <class Scale> Initializer uniform_within(std::string name, Scale scale) {
  return {std::move(name), [scale](Shape shape, Fans fans, Rng& rng) {
            const double bound = scale(fans);
            return filled(shape, [&] { return rng.uniform(-bound, bound); });
          }};
}
template <class Scale> Initializer normal_with(std::string name, Scale scale) {
  return {std::move(name), [scale](Shape shape, Fans fans, Rng& rng) {
            const double std = scale(fans);
            return filled(shape, [&] { return rng.normal(0, std); });
          }};
}

/// The standard deviations the three schemes ask for; a uniform distribution reaches √3 times as far.
auto xavier_std(double gain) {
  return [gain](Fans f) { return gain * std::sqrt(2.0 / static_cast<double>(f.in + f.out)); };
}
auto he_std(double slope) {
  return [slope](Fans f) { return std::sqrt(2.0 / ((1 + slope * slope) * static_cast<double>(f.in))); };
}
template <class Std> auto bound_of(Std std) {
  return [std](Fans f) { return std::sqrt(3.0) * std(f); };
}

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

Initializer xavier_uniform(double gain) {
  check_setting("xavier_uniform", "gain", finite, gain);
  return uniform_within("xavier_uniform", [std = xavier_std(gain)](Fans f) { return std::sqrt(3.0) * std(f); });
}

Initializer xavier_normal(double gain) {
  check_setting("xavier_normal", "gain", finite, gain);
  return normal_with("xavier_normal", xavier_std(gain));
}

Initializer he_uniform(double negative_slope) {
  check_setting("he_uniform", "negative_slope", finite, negative_slope);
  return uniform_within("he_uniform", bound_of(he_std(negative_slope)));
}

Initializer he_normal(double negative_slope) {
  check_setting("he_normal", "negative_slope", finite, negative_slope);
  return normal_with("he_normal", he_std(negative_slope));
}

Initializer lecun_normal() {
  return normal_with("lecun_normal", [](Fans f) { return 1 / std::sqrt(static_cast<double>(f.in)); });
}

Initializer uniform_fan_in() {
  return uniform_within("uniform_fan_in", [](Fans f) { return 1 / std::sqrt(static_cast<double>(f.in)); });
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
