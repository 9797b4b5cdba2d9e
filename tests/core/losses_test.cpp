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
  CHECK(tg::mse(p, t).item() == doctest::Approx((1 + 9 + 0 + 0.25) / 4).scale(0).epsilon(1e-15));
  CHECK(tg::mse(p, t, {tg::Reduction::sum}).item() == doctest::Approx(10.25).scale(0).epsilon(1e-15));
  CHECK(tg::l1(p, t).item() == doctest::Approx((1 + 3 + 0 + 0.5) / 4).scale(0).epsilon(1e-15));
  CHECK(tg::l1(p, t, {tg::Reduction::sum}).item() == doctest::Approx(4.5).scale(0).epsilon(1e-15));
  CHECK(tg::huber(p, t).item() == doctest::Approx((0.5 + 2.5 + 0 + 0.125) / 4).scale(0).epsilon(1e-15));
  CHECK(tg::huber(p, t, {.delta = 2, .reduction = tg::Reduction::sum}).item() ==
        doctest::Approx(0.5 + 4 + 0 + 0.125).scale(0).epsilon(1e-15));
  const double bce = std::log1p(std::exp(1.0)) + std::log1p(std::exp(2.0)) + std::log1p(std::exp(0.5)) - 0.25 +
                     std::log1p(std::exp(3.0)) - 2.25;
  const tg::Matrix shares = matrix(2, 2, {0, 1, 0.5, 0.75});
  CHECK(tg::bce_with_logits(p, shares, {tg::Reduction::sum}).item() ==
        doctest::Approx(bce).scale(0).epsilon(1e-14));
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
    CHECK(loss.item() == doctest::Approx((1 - smoothing) * plain + smoothing * spread).scale(0).epsilon(1e-14));
    loss.backward();
    CHECK(in.grad().allFinite());
    const double off = smoothing / 3;
    CHECK(in.grad()(1, 0) == doctest::Approx(1.0 / 3 - off).scale(0).epsilon(1e-14));
    CHECK(in.grad()(1, 1) == doctest::Approx(1.0 / 3 - off - (1 - smoothing)).scale(0).epsilon(1e-14));
    CHECK(in.grad()(2, 0) == doctest::Approx(1 / (2 + e) - off).scale(0).epsilon(1e-14));
  }
}

TEST_CASE("cross_entropy is nll of log_softmax, and averages over the rows") {
  tg::Tape tape;
  const tg::Matrix z = matrix(2, 3, {0.1, 0.2, -0.3, 2, -1, 0.5});
  const std::vector<int> labels{2, 0};
  const double fused = tg::cross_entropy(tape.input(z), labels).item();
  const double composed = tg::nll(tg::log_softmax(tape.input(z)), labels).item();
  CHECK(fused == doctest::Approx(composed).scale(0).epsilon(1e-15));
  CHECK(tg::cross_entropy(tape.input(z), labels, {.reduction = tg::Reduction::sum}).item() ==
        doctest::Approx(2 * fused).scale(0).epsilon(1e-15));
  CHECK(tg::nll(tg::log_softmax(tape.input(z)), labels, {tg::Reduction::sum}).item() ==
        doctest::Approx(2 * fused).scale(0).epsilon(1e-15));
  CHECK(tg::cross_entropy(tape.input(tg::Matrix(tg::Matrix::Zero(4, 10))), std::vector<int>{0, 3, 9, 5}).item() ==
        doctest::Approx(std::numbers::ln10).scale(0).epsilon(1e-15));
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

TEST_CASE("weighted losses: values and gradients of PyTorch") {
  const std::vector<int> labels{2, 0, 1, 1};
  const std::vector<double> classes{0.5, 2, 1.25}, samples{1, 0, 2.5, 0.25};
  const Matrix logits{{0.5, -1.25, 2}, {1.5, 0.25, -0.75}, {-2, 0.125, 1}, {3, -0.5, 0.75}};
  const Matrix shares{{0.25, 0.5, 0.25}, {1, 0, 0}, {0, 0.125, 0.875}, {0.5, 0.25, 0.25}};
  struct Case {
    const char* name;
    std::function<Var(Var)> loss;
    double value;
    Matrix gradient;
  };
  const Case cases[] = {
      {"class weights", [&](Var z) { return tg::cross_entropy(z, labels, {.class_weights = classes}); },
       1.7785027190201657,
       Matrix{{0.038439170023357457, 0.006679726157920963, -0.04511889618127842},
              {-0.024483448595559572, 0.017898835130230568, 0.006584613465329001},
              {0.01180735140571226, -0.24896434403019763, 0.23715699262448536},
              {0.3062937001669579, -0.3385768186527394, 0.03228311848578154}}},
      {"class weights, sum",
       [&](Var z) {
         return tg::cross_entropy(z, labels, {.reduction = tg::Reduction::sum, .class_weights = classes});
       },
       10.226390634365952,
       Matrix{{0.22102522763430538, 0.03840842540804554, -0.2594336530423509},
              {-0.14077982942446754, 0.10291830199882578, 0.03786152742564176},
              {0.0678922705828455, -1.4315449781736365, 1.363652707590791},
              {1.761188775960008, -1.9468167072532518, 0.18562793129324387}}},
      {"class weights, one ignored",
       [&](Var z) { return tg::cross_entropy(z, labels, {.class_weights = classes, .ignore_index = 1}); },
       0.2606364477606588,
       Matrix{{0.1263001300767459, 0.021947671661740307, -0.14824780173848623},
              {-0.08044561681398145, 0.0588104582850433, 0.021635158528938145},
              {0.0, 0.0, 0.0},
              {0.0, 0.0, 0.0}}},
      {"one ignored, smoothed",
       [&](Var z) { return tg::cross_entropy(z, labels, {.label_smoothing = 0.2, .ignore_index = 0}); },
       1.7336979139425888,
       Matrix{{0.0367178384802592, -0.011979975446743413, -0.024737863033515786},
              {0.0, 0.0, 0.0},
              {-0.010906843791747976, -0.1941463852511616, 0.20505322904290954},
              {0.27130924043777904, -0.2800250067644308, 0.008715766326651749}}},
      {"class weights, smoothed",
       [&](Var z) { return tg::cross_entropy(z, labels, {.label_smoothing = 0.2, .class_weights = classes}); },
       1.7665746252698278,
       Matrix{{0.03264206857408209, -0.016508679639180485, -0.016133388934901616},
              {0.005852676246062407, 8.007987219829098e-05, -0.005932756118260704},
              {0.0051246986010084795, -0.21000216315546905, 0.2048774645544606},
              {0.2775245712051607, -0.2928937021813202, 0.015369130976159523}}},
      {"class weights, one ignored, smoothed, sum",
       [&](Var z) {
         return tg::cross_entropy(z, labels,
                                  {.label_smoothing = 0.2,
                                   .reduction = tg::Reduction::sum,
                                   .class_weights = classes,
                                   .ignore_index = 0});
       },
       9.588700232520146,
       Matrix{{0.18769189430097205, -0.0949249079252878, -0.09276698637568417},
              {0.0, 0.0, 0.0},
              {0.029467016955798755, -1.207512438143947, 1.1780454211881484},
              {1.595766284429674, -1.6841387875425913, 0.08837250311291726}}},
      {"class weights, smoothed probabilities",
       [&](Var z) {
         return tg::cross_entropy(z, z.tape().input(shares), {.label_smoothing = 0.2, .class_weights = classes});
       },
       1.9459410334359548,
       Matrix{{0.028553730404272167, -0.2225789742190806, 0.1940252438148084},
              {0.008413222103714717, 0.0001151148162850454, -0.008528336919999761},
              {0.002911323981950454, 0.010817029656658149, -0.013728353638608564},
              {0.18383012336116775, -0.12602063058065546, -0.0578094927805123}}},
      {"nll, class weights, one ignored",
       [&](Var z) { return tg::nll(z, labels, {.class_weights = classes, .ignore_index = 1}); },
       -1.8571428571428572,
       Matrix{{0.0, 0.0, -0.7142857142857142}, {-0.2857142857142857, 0.0, 0.0}, {0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}}},
      {"sample weights", [&](Var z) { return tg::cross_entropy(z, labels, {.sample_weights = samples}); },
       1.14249658391018,
       Matrix{{0.04715204856198515, 0.008193797420383049, -0.05534584598236819},
              {0.0, 0.0, 0.0},
              {0.0226307568609485, -0.4771816593912121, 0.45455090253026365},
              {0.058706292532000263, -0.06489389024177505, 0.006187597709774796}}},
      {"probabilities, sample weights",
       [&](Var z) { return tg::cross_entropy(z, z.tape().input(shares), {.sample_weights = samples}); },
       1.0279132505768467,
       Matrix{{-0.01951461810468152, -0.1251395359129503, 0.1446541540176318},
              {0.0, 0.0, 0.0},
              {0.0226307568609485, 0.10615167394212122, -0.12878243080306964},
              {0.025372959198666934, -0.014893890241775062, -0.01047906895689187}}},
      {"bce, sample weights", [&](Var z) { return tg::bce_with_logits(z, shares, {.sample_weights = samples}); },
       0.6573424219316935,
       Matrix{{0.033107496106831516, -0.024648876548861436, 0.056070851375811755},
              {0.0, 0.0, 0.0},
              {0.026489538227137233, 0.0902687496386125, -0.031986982526665576},
              {0.010057202818276295, 0.002834237084403231, 0.009537304426119842}}},
      {"huber, sample weights, sum",
       [&](Var z) {
         return tg::huber(z, shares, {.delta = 0.75, .reduction = tg::Reduction::sum, .sample_weights = samples});
       },
       5.66015625, Matrix{{0.25, -0.75, 0.75}, {0.0, 0.0, 0.0}, {-1.875, 0.0, 0.3125}, {0.1875, -0.1875, 0.125}}},
      {"mse, sample weights", [&](Var z) { return tg::mse(z, shares, {.sample_weights = samples}); },
       1.5993055555555555,
       Matrix{{0.04444444444444444, -0.31111111111111106, 0.31111111111111106},
              {0.0, 0.0, 0.0},
              {-0.8888888888888888, 0.0, 0.05555555555555555},
              {0.1111111111111111, -0.033333333333333326, 0.02222222222222222}}}};
  for (const Case& each : cases) {
    INFO(each.name);
    tg::Tape tape;
    const Var z = tape.input(logits, {.requires_grad = true});
    const Var loss = each.loss(z);
    CHECK(loss.item() == doctest::Approx(each.value).scale(0).epsilon(1e-14));
    CHECK(tg::grad(loss, {z})[0].value().isApprox(each.gradient, 1e-13));
    loss.backward();
    CHECK(z.grad().isApprox(each.gradient, 1e-13));
    loss.backward();  // into a gradient that is there
    CHECK(z.grad().isApprox(2 * each.gradient, 1e-13));
  }
}

TEST_CASE("a row of weight 0, and one whose label is ignored, is left out even where it is NaN") {
  tg::Tape tape;
  const Matrix z{{NAN, 1, 2}, {0.5, 0, -1}, {infinity, NAN, 0}};
  const std::vector<int> labels{-1, 2, 1};
  const std::vector<double> samples{0, 1, 0};
  const Matrix target = Matrix::Constant(3, 3, 0.25);
  const Var x = tape.input(z, {.requires_grad = true}),
            only = tape.input(Matrix(z.row(1)), {.requires_grad = true});
  const std::vector<int> label{2};
  const Matrix row = target.row(0);
  const std::pair<Var, Var> pairs[] = {
      {tg::cross_entropy(x, labels, {.sample_weights = samples, .ignore_index = -1}),
       tg::cross_entropy(only, label)},
      {tg::cross_entropy(x, labels, {0.1, tg::Reduction::mean, {1, 1, 1}, samples, -1}),
       tg::cross_entropy(only, label, {0.1})},
      {tg::nll(x, labels, {.sample_weights = samples, .ignore_index = -1}), tg::nll(only, label)},
      {tg::cross_entropy(x, tape.input(target), {.sample_weights = samples}),
       tg::cross_entropy(only, tape.input(row))},
      {tg::mse(x, target, {.sample_weights = samples}), tg::mse(only, row)},
      {tg::l1(x, target, {.sample_weights = samples}), tg::l1(only, row)},
      {tg::huber(x, target, {.sample_weights = samples}), tg::huber(only, row)},
      {tg::bce_with_logits(x, target, {.sample_weights = samples}), tg::bce_with_logits(only, row)}};
  int at = 0;
  for (const auto& [weighted, alone] : pairs) {
    INFO(at++);
    CHECK(weighted.item() == doctest::Approx(alone.item()).scale(0).epsilon(1e-14));
    Matrix expected = Matrix::Zero(3, 3);
    expected.row(1) = tg::grad(alone, {only})[0].value();
    CHECK(tg::grad(weighted, {x})[0].value().isApprox(expected, 1e-14));
  }
}

TEST_CASE("a fused weighted loss leaves the gradient of rows that count for nothing at 0") {
  tg::Tape tape;
  const Var x = tape.input(Matrix{{NAN, 1}, {0.5, 0}}, {.requires_grad = true});
  tg::cross_entropy(x, std::vector<int>{-7, 1}, {.ignore_index = -7}).backward();
  CHECK(x.grad().row(0).isZero(0));
  CHECK(x.grad().row(1).norm() > 0.1);
  tape.reset();
  const Var twice = tape.input(Matrix{{3, 1}, {0.5, 0}}, {.requires_grad = true});
  const Var first = tg::cross_entropy(twice, std::vector<int>{-7, 1}, {.ignore_index = -7});
  (first + tg::sum(twice)).backward();  // whose gradient is there when that of `first` comes
  CHECK(twice.grad().row(0) == Matrix{{1, 1}});
  tape.reset();
  const Var y = tape.input(Matrix{{NAN, 1}, {0.5, 0}}, {.requires_grad = true});
  tg::mse(y, Matrix::Zero(2, 2), {.sample_weights = {0, 1}}).backward();
  CHECK(y.grad() == Matrix{{0, 0}, {0.5, 0}});
}

TEST_CASE("weights that do not fit, and nothing to average") {
  tg::Tape tape;
  const Var z = tape.input(Matrix::Zero(2, 3));
  const Matrix t = Matrix::Zero(2, 3);
  const std::vector<int> labels{4, 4};
  const auto check = [](const char* text, const auto& make) { CHECK_THROWS_WITH_AS(make(), text, tg::Error); };
  const std::vector<int> good{0, 1};
  check("[cross_entropy] 2 class_weights for a prediction of 2x3", [&] {
    tg::cross_entropy(z, good, {.class_weights = {1, 2}});
  });
  check("[cross_entropy] 2 class_weights for a prediction of 2x3", [&] {
    tg::cross_entropy(z, tape.input(t), {.class_weights = {1, 2}});
  });
  check("[nll] 3 sample_weights for a prediction of 2x3", [&] { tg::nll(z, good, {.sample_weights = {1, 2, 3}}); });
  check("[mse] 1 sample_weights for a prediction of 2x3", [&] { tg::mse(z, t, {.sample_weights = {1}}); });
  check("[l1] sample_weights must not be negative, got -1", [&] { tg::l1(z, t, {.sample_weights = {1, -1}}); });
  check("[huber] sample_weights must be finite, got nan", [&] { tg::huber(z, t, {.sample_weights = {1, NAN}}); });
  check("[bce_with_logits] nothing to average: all weights are 0", [&] {
    tg::bce_with_logits(z, t, {.sample_weights = {0, 0}});
  });
  check("[cross_entropy] nothing to average: every label is 4, the ignore_index",
        [&] { tg::cross_entropy(z, labels, {.ignore_index = 4}); });
  check("[cross_entropy] label 4 in row 0 is not in 0..2",
        [&] { tg::cross_entropy(z, labels, {.ignore_index = 5}); });
  check("[nll] nothing to average: all weights are 0", [&] { tg::nll(z, good, {.class_weights = {0, 0, 1}}); });
  check("[cross_entropy] ignore_index needs labels, the target is probabilities",
        [&] { tg::cross_entropy(z, tape.input(t), {.ignore_index = 0}); });
  CHECK(tg::cross_entropy(z, labels, {.reduction = tg::Reduction::sum, .ignore_index = 4}).item() == 0);
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
      CHECK(static_cast<double>(logit.grad()(0)) == doctest::Approx(one ? -exact : exact).scale(0).epsilon(1e-6));
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

COMPOSED_SAMPLES(weighted_losses) {
  tg::Rng rng(18);
  const std::vector<double> rows{0.5, 0, 2, 1.5, 0.25}, classes{1, 0.125, 3};
  const std::vector<int> labels{2, 1, 0, 9, 1};
  for (const auto reduction : {tg::Reduction::mean, tg::Reduction::sum})
    for (const double smoothing : {0.0, 0.2})
      for (const double scale : {0.5, 2.0, 10.0})
        for (int repeat = 0; repeat < 4; ++repeat)
          samples.push_back({[=](Vars v) {
                               const tg::CrossEntropyOptions options{smoothing, reduction, classes, rows, 9};
                               return tg::cross_entropy(v[0], labels, options);
                             },
                             {normal({5, 3}, rng, scale)}});
  for (const Index cols : {1, 3, 17})
    for (int repeat = 0; repeat < 4; ++repeat) {
      const auto add = [&](const auto& loss) {
        samples.push_back(
            {[=](Vars v) { return loss(v[0], v[1], rows); }, {normal({5, cols}, rng), normal({5, cols}, rng)}});
      };
      add([](Var y, Var t, const auto& w) { return tg::mse(y, t, {.sample_weights = w}); });
      add([](Var y, Var t, const auto& w) { return tg::huber(y, t, {.delta = 0.7, .sample_weights = w}); });
      add([](Var y, Var t, const auto& w) { return tg::bce_with_logits(y, t, {.sample_weights = w}); });
      add([](Var y, Var t, const auto& w) {
        return tg::cross_entropy(y, tg::softmax(t), {.label_smoothing = 0.1, .sample_weights = w});
      });
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
  CHECK(std::isnan(loss({0, NAN, 0, 1, 1, 1})));
  for (const double bad : {-1.0, 2.0, infinity}) {  // before and behind a NaN
    CHECK_THROWS_AS(loss({NAN, bad, NAN, 1, 1, 1}), tg::Error);
    CHECK_THROWS_AS(loss({0, bad, 1, 1, NAN, 1}), tg::Error);
    tg::Matrix targets = tg::Matrix::Zero(100, 1);
    targets(3) = targets(99) = NAN;
    targets(11) = bad;
    CHECK_THROWS_AS(tg::bce_with_logits(tape.input(tg::Matrix(tg::Matrix::Zero(100, 1))), targets), tg::Error);
  }
}

TEST_CASE_TEMPLATE("cross_entropy and what it is made of do not cancel where the label is nearly certain", T, float,
                   double) {
  for (const double d : {12.0, 20.0, 45.0, 80.0}) {
    CAPTURE(d);
    const double rest = 2 * std::exp(-d);  // of the others, whose logits are d below that of the label
    const double loss = std::log1p(rest), slope = -rest / (1 + rest), other = std::exp(-d) / (1 + rest);
    const auto near = [](T got, double want) {
      CHECK(static_cast<double>(got) ==
            doctest::Approx(want).scale(0).epsilon(8 * static_cast<double>(std::numeric_limits<T>::epsilon())));
    };
    const std::vector<int> labels{1};
    tg::BasicTape<T> tape;
    const tg::BasicMatrix<T> z{{static_cast<T>(-d), 0, static_cast<T>(-d)}};
    const auto each = [&](auto make) {
      tape.reset();
      const tg::BasicVar<T> x = tape.input(z, {.requires_grad = true});
      const tg::BasicVar<T> y = make(x);
      near(y.item(), loss);
      const tg::BasicVar<T> taped = tg::grad(y, {x})[0];
      y.backward();
      for (const tg::BasicMatrix<T>& g : {tg::BasicMatrix<T>(taped.value()), tg::BasicMatrix<T>(x.grad())}) {
        near(g(0, 1), slope);
        near(g(0, 0), other);
        near(g(0, 2), other);
      }
    };
    each([&](tg::BasicVar<T> x) { return tg::cross_entropy(x, labels); });
    each([&](tg::BasicVar<T> x) { return tg::cross_entropy(x, tape.input(tg::BasicMatrix<T>{{0, 1, 0}})); });
    each([&](tg::BasicVar<T> x) { return tg::nll(tg::log_softmax(x), labels); });

    tape.reset();
    const tg::BasicVar<T> x = tape.input(z);
    near(tg::logsumexp(x).item(), loss);
    near(tg::logsumexp(x, tg::Axis::cols).item(), loss);
    near(tg::logsumexp(tg::transpose(x), tg::Axis::rows).item(), loss);
    near(-tg::log_softmax(x).value()(0, 1), loss);
  }
}
