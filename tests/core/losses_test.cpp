#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "op_samples.h"

using namespace op_samples;

namespace {

tg::Matrix matrix(Eigen::Index rows, Eigen::Index cols, std::initializer_list<double> values) {
  tg::Matrix m(rows, cols);
  std::copy(values.begin(), values.end(), m.data());
  return m;
}

}  // namespace

TEST_CASE("losses by hand") {
  tg::Tape tape;
  const tg::Matrix x = matrix(2, 2, {1, -2, 0.5, 3});
  const tg::Matrix t = matrix(2, 2, {0, 1, 0.5, 2.5});
  const tg::Var p = tape.input(x);
  CHECK(tg::mse(p, t).item() == doctest::Approx((1 + 9 + 0 + 0.25) / 4).epsilon(1e-15));
  CHECK(tg::mse(p, t, {tg::Reduction::sum}).item() == doctest::Approx(10.25).epsilon(1e-15));
  CHECK(tg::l1(p, t).item() == doctest::Approx((1 + 3 + 0 + 0.5) / 4).epsilon(1e-15));
  CHECK(tg::l1(p, t, {tg::Reduction::sum}).item() == doctest::Approx(4.5).epsilon(1e-15));
  CHECK(tg::huber(p, t).item() == doctest::Approx((0.5 + 2.5 + 0 + 0.125) / 4).epsilon(1e-15));
  CHECK(tg::huber(p, t, {.delta = 2, .reduction = tg::Reduction::sum}).item() ==
        doctest::Approx(0.5 + 4 + 0 + 0.125).epsilon(1e-15));
  const double bce = std::log1p(std::exp(1.0)) + std::log1p(std::exp(2.0)) + std::log1p(std::exp(0.5)) - 0.25 +
                     std::log1p(std::exp(3.0)) - 2.25;
  const tg::Matrix shares = matrix(2, 2, {0, 1, 0.5, 0.75});
  CHECK(tg::bce_with_logits(p, shares, {tg::Reduction::sum}).item() == doctest::Approx(bce).epsilon(1e-14));
}

TEST_CASE("bce_with_logits is stable for any logit") {
  tg::Tape tape;
  const tg::Matrix z = matrix(1, 4, {1000, -1000, 1e300, -1e300});
  const tg::Matrix right = matrix(1, 4, {1, 0, 1, 0});
  const tg::Var in = tape.input(z, {.requires_grad = true});
  const tg::Var loss = tg::bce_with_logits(in, right);
  CHECK(loss.item() == 0);
  loss.backward();
  CHECK(in.grad().isZero(0));
  const tg::Var wrong = tg::bce_with_logits(tape.input(matrix(1, 2, {1000, -1000})), matrix(1, 2, {0, 1}));
  CHECK(wrong.item() == 1000);
}

TEST_CASE("cross_entropy is stable at logits of ±1000") {
  for (const double smoothing : {0.0, 0.1}) {
    tg::Tape tape;
    const tg::Matrix z = matrix(3, 3, {1000, -1000, 0, -1000, -1000, -1000, 1000, 999, 1000});
    const std::vector<int> labels{0, 1, 1};
    const tg::Var in = tape.input(z, {.requires_grad = true});
    const tg::Var loss = tg::cross_entropy(in, labels, {smoothing, tg::Reduction::sum});
    const double e = std::exp(-1.0);
    const double last = std::log(2 + e);  // ln Σ e^(z − 1000)
    const double plain = 0 + std::log(3.0) + last + 1;
    const double spread = 1.0 / 3 * (0 + 2000 + 1000) + std::log(3.0) + last + 1.0 / 3;
    CHECK(loss.item() == doctest::Approx((1 - smoothing) * plain + smoothing * spread).epsilon(1e-14));
    loss.backward();
    CHECK(in.grad().allFinite());
    const double off = smoothing / 3;
    CHECK(in.grad()(1, 0) == doctest::Approx(1.0 / 3 - off).epsilon(1e-14));
    CHECK(in.grad()(1, 1) == doctest::Approx(1.0 / 3 - off - (1 - smoothing)).epsilon(1e-14));
    CHECK(in.grad()(2, 0) == doctest::Approx(1 / (2 + e) - off).epsilon(1e-14));
  }
}

TEST_CASE("cross_entropy is nll of log_softmax, and averages over the rows") {
  tg::Tape tape;
  const tg::Matrix z = matrix(2, 3, {0.1, 0.2, -0.3, 2, -1, 0.5});
  const std::vector<int> labels{2, 0};
  const double fused = tg::cross_entropy(tape.input(z), labels).item();
  const double composed = tg::nll(tg::log_softmax(tape.input(z)), labels).item();
  CHECK(fused == doctest::Approx(composed).epsilon(1e-15));
  CHECK(tg::cross_entropy(tape.input(z), labels, {.reduction = tg::Reduction::sum}).item() ==
        doctest::Approx(2 * fused).epsilon(1e-15));
  CHECK(tg::nll(tg::log_softmax(tape.input(z)), labels, {tg::Reduction::sum}).item() ==
        doctest::Approx(2 * fused).epsilon(1e-15));
  CHECK(tg::cross_entropy(tape.input(tg::Matrix(tg::Matrix::Zero(4, 10))), std::vector<int>{0, 3, 9, 5}).item() ==
        doctest::Approx(std::numbers::ln10).epsilon(1e-15));
}

TEST_CASE("an empty batch is refused by every loss") {
  tg::Tape tape;
  const tg::Var empty = tape.input(tg::Matrix(0, 3));
  const tg::Matrix target(0, 3);
  const std::vector<int> labels;
  const auto size = tape.size();
  const auto text = [](const char* op) { return std::string("[") + op + "] empty batch: the prediction is 0x3"; };
  CHECK_THROWS_WITH_AS(tg::mse(empty, empty), text("mse").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::l1(empty, empty), text("l1").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::huber(empty, empty), text("huber").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::bce_with_logits(empty, empty), text("bce_with_logits").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::cross_entropy(empty, labels), text("cross_entropy").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::cross_entropy(empty, empty), text("cross_entropy").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::nll(empty, labels), text("nll").c_str(), tg::Error);
  CHECK(tape.size() == size);
  CHECK_THROWS_WITH_AS(tg::mse(empty, target), text("mse").c_str(), tg::Error);
}

TEST_CASE("labels that do not fit are refused") {
  tg::Tape tape;
  const tg::Var z = tape.input(tg::Matrix(tg::Matrix::Zero(3, 10)));
  const auto size = tape.size();
  CHECK_THROWS_WITH_AS(tg::cross_entropy(z, std::vector<int>{1, 2, 10}),
                       "[cross_entropy] label 10 in row 2 is not in 0..9", tg::Error);
  CHECK_THROWS_WITH_AS(tg::cross_entropy(z, std::vector<int>{1, -1, 0}),
                       "[cross_entropy] label -1 in row 1 is not in 0..9", tg::Error);
  CHECK_THROWS_WITH_AS(tg::cross_entropy(z, std::vector<int>{1, 2}),
                       "[cross_entropy] 2 labels for a prediction of 3x10", tg::Error);
  CHECK_THROWS_WITH_AS(tg::nll(z, std::vector<int>{1, 2, 10}), "[nll] label 10 in row 2 is not in 0..9", tg::Error);
  CHECK_THROWS_WITH_AS(tg::nll(z, std::vector<int>{1, 2, 3, 4}), "[nll] 4 labels for a prediction of 3x10",
                       tg::Error);
  CHECK(tape.size() == size);
}

TEST_CASE("targets of another shape and bad settings are refused") {
  tg::Tape tape;
  const tg::Var x = tape.input(tg::Matrix(tg::Matrix::Zero(3, 2)));
  const tg::Var t = tape.input(tg::Matrix(tg::Matrix::Zero(3, 1)));
  const auto text = [](const char* op) {
    return std::string("[") + op + "] the prediction is 3x2, the target 3x1";
  };
  CHECK_THROWS_WITH_AS(tg::mse(x, t), text("mse").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::l1(x, t), text("l1").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::huber(x, t), text("huber").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::bce_with_logits(x, t), text("bce_with_logits").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::cross_entropy(x, t), text("cross_entropy").c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(tg::huber(x, x, {.delta = 0}), "[huber] delta must be positive, got 0", tg::Error);
  CHECK_THROWS_WITH_AS(tg::huber(x, x, {.delta = NAN}), "[huber] delta must be finite, got nan", tg::Error);
  const std::vector<int> labels{0, 1, 0};
  CHECK_THROWS_WITH_AS(tg::cross_entropy(x, labels, {.label_smoothing = 1}),
                       "[cross_entropy] label_smoothing must be in [0, 1), got 1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::cross_entropy(x, labels, {.label_smoothing = -0.1}),
                       "[cross_entropy] label_smoothing must be in [0, 1), got -0.1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::cross_entropy(x, x, {.label_smoothing = NAN}),
                       "[cross_entropy] label_smoothing must be in [0, 1), got nan", tg::Error);
}

TEST_CASE("a prediction that is NaN gives a loss that is NaN") {
  tg::Tape tape;
  const tg::Var x = tape.input(matrix(2, 2, {1, NAN, 0, 2}));
  const tg::Matrix t = tg::Matrix::Zero(2, 2);
  const std::vector<int> labels{0, 1};
  for (const tg::Var& loss : {tg::mse(x, t), tg::l1(x, t), tg::huber(x, t), tg::bce_with_logits(x, t),
                              tg::cross_entropy(x, labels), tg::nll(tg::log_softmax(x), labels)})
    CHECK(std::isnan(loss.item()));
}

TEST_CASE("the slope of bce_with_logits does not cancel far out, whatever the target") {
  for (const float z : {16.0F, 20.0F, 60.0F}) {
    for (const bool one : {false, true}) {
      tapegrad::Tape tape;
      const tapegrad::Var logit = tape.input(one ? z : -z, {.requires_grad = true});
      tg::bce_with_logits(logit, tape.input(one ? 1 : 0)).backward();
      const double exact = 1 / (1 + std::exp(static_cast<double>(z)));  // 2.1e-9 at 20
      CHECK(static_cast<double>(logit.grad()(0)) == doctest::Approx(one ? -exact : exact).epsilon(1e-6));
    }
  }
}

// --- gradient checks ---

OP_SAMPLES(cross_entropy) {
  for (const auto reduction : {tg::Reduction::mean, tg::Reduction::sum}) {
    for (const double smoothing : {0.0, 0.1}) {
      over_shapes(
          samples,
          [=](Vars v) {
            return tg::cross_entropy(v[0], labels_for(v[0].rows(), v[0].cols()), {smoothing, reduction});
          },
          not_empty);
    }
    over_shapes(
        samples,
        [=](Vars v) {
          Matrix target = Matrix::Constant(v[0].rows(), v[0].cols(), 1.0 / static_cast<double>(v[0].cols()));
          return tg::cross_entropy(v[0], v[0].tape().input(target), {0.05, reduction});
        },
        not_empty);
    // the gradient of the target
    tg::Rng rng(16);
    samples.push_back({[=](Vars v) {
                         return tg::cross_entropy(v[0], tg::softmax(v[1]),
                                                  {.label_smoothing = 0.2, .reduction = reduction});
                       },
                       {normal({3, 4}, rng), normal({3, 4}, rng)}});
  }
}

COMPOSED_SAMPLES(nll) {
  for (const auto reduction : {tg::Reduction::mean, tg::Reduction::sum})
    over_shapes(
        samples,
        [=](Vars v) { return tg::nll(tg::log_softmax(v[0]), labels_for(v[0].rows(), v[0].cols()), {reduction}); },
        not_empty);
}

/// A fused loss of a prediction and a target, by its mean and its sum.
template <class Loss> void loss_samples(Samples& samples, const Loss& loss) {
  tg::Rng rng(17);
  for (const Shape& shape : shapes) {
    if (!not_empty(shape) || shape.cols > 17) continue;
    for (const auto reduction : {tg::Reduction::mean, tg::Reduction::sum})
      for (const double scale : {0.5, 2.0, 4.0})
        samples.push_back({[=](Vars v) { return loss(v[0], v[1], reduction); },
                           {normal(shape, rng, scale), normal(shape, rng, scale)}});
  }
}

OP_SAMPLES(mse) {
  loss_samples(samples, [](Var y, Var t, tg::Reduction r) { return tg::mse(y, t, {r}); });
}

OP_SAMPLES(l1) {
  loss_samples(samples, [](Var y, Var t, tg::Reduction r) { return tg::l1(y, t, {r}); });
}

OP_SAMPLES(huber) {
  loss_samples(samples, [](Var y, Var t, tg::Reduction r) { return tg::huber(y, t, {0.7, r}); });
}

OP_SAMPLES(bce_with_logits) {
  loss_samples(samples, [](Var z, Var t, tg::Reduction r) { return tg::bce_with_logits(z, t, {r}); });
}

TEST_CASE("bce_with_logits refuses what is no probability") {
  tg::Tape tape;
  const tg::Var z = tape.input(matrix(2, 3, {1, 2, 3, 4, 5, 6}));
  const auto loss = [&](std::initializer_list<double> targets) {
    return tg::bce_with_logits(z, matrix(2, 3, targets)).item();
  };
  CHECK(std::isfinite(loss({0, 1, 0.5, 1, 0, 1})));
  CHECK_THROWS_WITH_AS(loss({0, 1, 0, 1, 1, 2}), "[bce_with_logits] target 2 at (1, 2) is not in [0, 1]",
                       tg::Error);
  CHECK_THROWS_WITH_AS(loss({0, -1, 0, 1, 1, 1}), "[bce_with_logits] target -1 at (0, 1) is not in [0, 1]",
                       tg::Error);
}
