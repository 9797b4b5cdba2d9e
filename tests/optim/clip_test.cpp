#include "tapegrad/optim/clip.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/error.h"
#include "tapegrad/core/reduction.h"

using namespace tapegrad;

namespace {

template <class T> BasicParameter<T> with_grad(std::string name, const BasicMatrix<T>& grad) {
  BasicParameter<T> parameter(std::move(name), BasicMatrix<T>::Zero(grad.rows(), grad.cols()));
  parameter.mutable_grad() = grad;
  return parameter;
}

template <class T> BasicMatrix<T> row(std::initializer_list<double> values) {
  BasicMatrix<T> result(1, static_cast<Index>(values.size()));
  Index i = 0;
  for (const double value : values) result(0, i++) = static_cast<T>(value);
  return result;
}

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE_TEMPLATE("clip: by norm, over all parameters together", T, float, double) {
  const std::vector<BasicParameter<T>> parameters{with_grad<T>("a", row<T>({3, 0, 0, 0, 0})),
                                                  with_grad<T>("b", row<T>({0, 4}).transpose())};
  CHECK(clip_grad_norm(parameters, 5) == 5);  // 5/(5 + 1e-6) < 1: PyTorch scales here too
  const double scale = 5 / (5 + 1e-6);
  const double eps = 4 * std::numeric_limits<T>::epsilon();
  CHECK(std::abs(parameters[0].grad()(0, 0) - 3 * scale) < eps);

  CHECK(clip_grad_norm(parameters, 1) == doctest::Approx(5 * scale).scale(0).epsilon(eps));
  CHECK(std::abs(parameters[0].grad()(0, 0) - 0.6) < 1e-6);
  CHECK(std::abs(parameters[1].grad()(1, 0) - 0.8) < 1e-6);
  CHECK(std::abs(3 * parameters[1].grad()(1, 0) / parameters[0].grad()(0, 0) - 4) < 4 * eps);  // the direction
  CHECK(parameters[0].grad()(0, 1) == 0);
  CHECK(parameters[1].grad()(0, 0) == 0);

  const BasicMatrix<T> before = parameters[0].grad();
  CHECK(clip_grad_norm(parameters, 1.1) == doctest::Approx(1).scale(0).epsilon(1e-6));
  CHECK(clip_grad_norm(parameters, inf) == doctest::Approx(1).scale(0).epsilon(1e-6));
  CHECK(parameters[0].grad() == before);
  clip_grad_norm(parameters, 0);
  CHECK(parameters[0].grad().isZero(0));
  CHECK(clip_grad_norm(parameters, 0) == 0);
}

TEST_CASE("clip: the norm of a large gradient agrees with a plain sum, and does not overflow") {
  f64::Matrix grad(37, 41);
  for (Index i = 0; i < grad.size(); ++i) grad.data()[i] = std::sin(static_cast<double>(i));
  CHECK(clip_grad_norm(std::vector{with_grad<double>("g", grad)}, inf) ==
        doctest::Approx(std::sqrt(grad.array().square().sum())).scale(0).epsilon(1e-14));

  CHECK(clip_grad_norm(std::vector{with_grad<float>("g", grad.cast<float>())}, inf) ==
        doctest::Approx(grad.norm()).scale(0).epsilon(1e-6));

  CHECK(clip_grad_norm(std::vector{with_grad<float>("g", row<float>({3e-30, 4e-30}))}, inf) ==
        doctest::Approx(5e-30).scale(0));
  const std::vector huge{with_grad<double>("g", row<double>({3e200, 4e200}))};
  CHECK(clip_grad_norm(huge, 1) == doctest::Approx(5e200).scale(0).epsilon(1e-14));
  CHECK(huge[0].grad()(0, 1) == doctest::Approx(0.8).scale(0));
  const std::vector large{with_grad<float>("g", row<float>({3e30, 4e30}))};
  CHECK(clip_grad_norm(large, 1) == doctest::Approx(5e30).scale(0));
  CHECK(large[0].grad()(0, 1) == doctest::Approx(0.8).scale(0));
}

TEST_CASE_TEMPLATE("clip: by value, far beyond one register", T, float, double) {
  BasicMatrix<T> grad(7, 31);
  for (Index i = 0; i < grad.size(); ++i) grad.data()[i] = static_cast<T>(i % 5 - 2);
  const std::vector<BasicParameter<T>> parameters{with_grad<T>("a", grad)};
  clip_grad_value(parameters, 1.5);
  CHECK(parameters[0].grad() == grad.cwiseMin(T(1.5)).cwiseMax(T(-1.5)));
}

TEST_CASE_TEMPLATE("clip: by value", T, float, double) {
  const std::vector<BasicParameter<T>> parameters{
      with_grad<T>("a", row<T>({-3, -0.5, 0, 0.25, 7, not_a_number, inf, -inf, 0.5}))};
  clip_grad_value(parameters, 0.5);
  const BasicMatrix<T>& grad = parameters[0].grad();
  CHECK(grad.leftCols(5) == row<T>({-0.5, -0.5, 0, 0.25, 0.5}));
  CHECK(std::isnan(grad(0, 5)));
  CHECK(grad.rightCols(3) == row<T>({0.5, -0.5, 0.5}));
}

TEST_CASE("clip: parameters without a gradient and frozen ones do not count, and stay as they are") {
  Tape tape;
  const Parameter used("used", row<float>({3, 4}));
  const Parameter unused("unused", row<float>({1, 1}));
  Parameter frozen = with_grad<float>("frozen", row<float>({100}));
  frozen.set_requires_grad(false);
  sum(square(tape.parameter(used))).backward();
  const std::vector parameters{used, unused, frozen};
  CHECK(clip_grad_norm(parameters, 1) == 10);
  clip_grad_value(parameters, 0.1);
  CHECK(used.grad() == row<float>({0.1, 0.1}));
  CHECK(!unused.has_grad());
  CHECK(frozen.grad()(0, 0) == 100);
}

TEST_CASE("clip: a norm that is not finite is an error, and nothing is changed") {
  const std::vector parameters{with_grad<float>("0.weight", row<float>({3, 4})),
                               with_grad<float>("0.bias", row<float>({1, not_a_number}))};
  CHECK_THROWS_WITH_AS(clip_grad_norm(parameters, 1), "[clip_grad_norm] the norm of the gradient of 0.bias is nan",
                       Error);
  parameters[1].mutable_grad()(0, 1) = static_cast<float>(-inf);
  CHECK_THROWS_WITH_AS(clip_grad_norm(parameters, 1), "[clip_grad_norm] the norm of the gradient of 0.bias is inf",
                       Error);
  CHECK(parameters[0].grad() == row<float>({3, 4}));

  const std::vector huge{with_grad<double>("a", row<double>({1.5e308})),
                         with_grad<double>("b", row<double>({1.5e308}))};
  CHECK_THROWS_WITH_AS(clip_grad_norm(huge, 1), "[clip_grad_norm] the norm of all gradients is inf", Error);
}

TEST_CASE("clip: errors") {
  const std::vector parameters{with_grad<float>("a", row<float>({3, 4}))};
  CHECK_THROWS_WITH_AS(clip_grad_norm(parameters, -1),
                       "[clip_grad_norm] max_norm must not be negative or NaN, got -1", Error);
  CHECK_THROWS_WITH_AS(clip_grad_norm(parameters, not_a_number),
                       "[clip_grad_norm] max_norm must not be negative or NaN, got nan", Error);
  CHECK_THROWS_WITH_AS(clip_grad_value(parameters, -0.5),
                       "[clip_grad_value] limit must not be negative or NaN, got -0.5", Error);
  CHECK(parameters[0].grad() == row<float>({3, 4}));
}
