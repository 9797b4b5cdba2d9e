#include <fmt/core.h>

#include <Eigen/Eigenvalues>
#include <cmath>

#include "groups.h"
#include "measure.h"

namespace lab {
namespace {

Claim formulas() {
  return {
      .id = 6,
      .text = "Formulas of sigmoid, tanh, ReLU, leaky ReLU, ELU, swish",
      .expected_verdict = Verdict::is_true,
      .expectation = "tanh(x) = 2σ(2x) − 1; gradient check below 1e-8 off the kinks.",
      .measure =
          [](Lab& lab) {
            const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
            const std::vector<std::pair<const tg::Activation*, Function>> formulas{
                {&lab.sigmoid, sigma},
                {&lab.tanh, [](double x) { return (std::exp(x) - std::exp(-x)) / (std::exp(x) + std::exp(-x)); }},
                {&lab.relu, [](double x) { return x > 0 ? x : 0; }},
                {&lab.leaky_relu, [](double x) { return x > 0 ? x : 0.01 * x; }},
                {&lab.elu, [](double x) { return x > 0 ? x : std::exp(x) - 1; }},
                {&lab.swish, [&](double x) { return x * sigma(x); }}};
            double value_error = 0;
            double slope_error = 0;
            const Eigen::RowVectorXd grid = Eigen::RowVectorXd::LinSpaced(200, -5.025, 5.025);  // 0 is between two
            for (const auto& formula : formulas) {
              for (const double x : grid)
                value_error = std::max(value_error, std::abs(formula.first->value(x) - formula.second(x)));
              slope_error = std::max(slope_error, gradient_error(*formula.first, grid));
            }
            double identity_error = 0;
            for (const double x : grid)
              identity_error =
                  std::max(identity_error, std::abs(lab.tanh.value(x) - (2 * lab.sigmoid.value(2 * x) - 1)));
            return Numbers{{"largest deviation from a formula", value_error},
                           {"largest |tanh(x) − (2σ(2x) − 1)|", identity_error},
                           {"worst relative error of a gradient", slope_error}};
          },
      .claimed = {at_most("largest deviation from a formula", 1e-14),
                  at_most("largest |tanh(x) − (2σ(2x) − 1)|", 1e-14),
                  below("worst relative error of a gradient", 1e-8)},
      .expected = {{"largest |tanh(x) − (2σ(2x) − 1)|", 0, 1e-14}, {"worst relative error of a gradient", 0, 1e-8}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "At 200 points from −5 to 5 the six functions agree with their textbook formulas to {:.1g}, tanh "
                "is a "
                "sigmoid stretched and shifted (to {:.1g}), and the gradients agree with measured differences to "
                "{:.1g}.",
                n["largest deviation from a formula"], n["largest |tanh(x) − (2σ(2x) − 1)|"],
                n["worst relative error of a gradient"]);
          }};
}

Claim sigmoid_vanishes() {
  return {
      .id = 7,
      .text = "Sigmoid makes gradients vanish",
      .expected_verdict = Verdict::is_true,
      .expectation = "σ′ ≤ .25, at 0; .25⁵ = 9.8e-4; with U(±1/√n) the gradient's ratio is √48 = 6.93 per layer.",
      .measure =
          [](Lab& lab) {
            const Extremum top = largest(slope_of(lab.sigmoid), -10, 10);
            const double factor =
                mean_gradient_factor(lab.sigmoid, tg::uniform_fan_in(), 8, 256, lab.seed, lab.repeats(6));
            return Numbers{{"largest σ′", top.value},
                           {"where σ′ is largest", top.at},
                           {"largest σ′, five times over", std::pow(top.value, 5)},
                           {"gradient ratio per layer", 1 / factor}};
          },
      .claimed = {at_most("largest σ′, five times over", 0.01), at_least("gradient ratio per layer", 2)},
      .expected = {{"largest σ′", 0.25, 1e-9},
                   {"where σ′ is largest", 0, 1e-4},
                   {"largest σ′, five times over", 9.8e-4, 1e-5},
                   {"gradient ratio per layer", 6.93, 0.35}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "σ′ is never above {:.3g}, so five sigmoids in a row pass at most {:.1e} of a gradient (weights "
                "aside). "
                "In a network with weights from U(±1/√n) each layer divides it by {:.2f}.",
                n["largest σ′"], n["largest σ′, five times over"], n["gradient ratio per layer"]);
          }};
}

/// Of a layer's outputs a, how its weights' gradients δ·a look to one unit of the next layer.
struct SignShare {
  double one_example;  ///< share of (example, unit) in which all weight gradients have the same sign
  double batch;        ///< share of units in which they do when the gradients of 64 examples are averaged
};
SignShare equal_signs(const tg::Activation& f, std::uint64_t seed) {
  tg::Rng rng(seed);
  tg::Linear first(20, 50, rng);
  tg::Linear second(50, 50, rng);
  tg::Linear last(50, 2, rng);
  const auto share = [&](tg::Index examples, int times) {
    int equal = 0;
    for (int k = 0; k < times; ++k) {
      tg::Tape tape;
      const tg::Var hidden = f(first(tape.input(normal_matrix<float>(examples, 20, rng))));
      std::vector<int> labels(static_cast<std::size_t>(examples));
      for (int& label : labels) label = static_cast<int>(rng.below(2));
      tg::cross_entropy(last(f(second(hidden))), labels).backward();
      const tg::Matrix& g = second.weight.grad();
      for (tg::Index unit = 0; unit < g.rows(); ++unit)
        equal += (g.row(unit).array() > 0).all() || (g.row(unit).array() < 0).all();
    }
    return equal / (50.0 * times);
  };
  return {share(1, 100), share(64, 20)};
}

/// Condition number of E[a aᵀ] for n units a = f(z) with independent z ~ N(0, 1): how much slower gradient descent is
/// along the worst direction than along the best (LeCun et al. 1991).
double second_moment_condition(const tg::Activation& f, tg::Index n) {
  const double mean = normal_mean(value_of(f));
  const double variance = normal_variance(value_of(f));
  Eigen::MatrixXd moment = Eigen::MatrixXd::Constant(n, n, mean * mean);
  moment.diagonal().array() += variance;
  const Eigen::VectorXd eigenvalues = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(moment).eigenvalues();
  return eigenvalues.maxCoeff() / eigenvalues.minCoeff();
}

Claim sigmoid_not_zero_centred() {
  return {
      .id = 8,
      .text = "Sigmoid is not zero-centred, which slows weight updates",
      .expected_verdict = Verdict::qualified,
      .expectation =
          "Mean .5; per example all weight gradients of a unit share their sign. Condition number of the "
          "second moment for n = 100: σ 577, ReLU 48, tanh 1.",
      .measure =
          [](Lab& lab) {
            const SignShare signs = equal_signs(lab.sigmoid, lab.seed);
            return Numbers{{"mean output on N(0, 1)", normal_mean(value_of(lab.sigmoid))},
                           {"gradients of one sign, one example", signs.one_example},
                           {"gradients of one sign, batch of 64", signs.batch},
                           {"the same for tanh, one example", equal_signs(lab.tanh, lab.seed).one_example},
                           {"condition number, sigmoid", second_moment_condition(lab.sigmoid, 100)},
                           {"condition number, ReLU", second_moment_condition(lab.relu, 100)},
                           {"condition number, tanh", second_moment_condition(lab.tanh, 100)}};
          },
      .claimed = {at_least("mean output on N(0, 1)", 0.1), exactly("gradients of one sign, one example", 1),
                  at_least("condition number, sigmoid", 10)},
      .limits = {below("gradients of one sign, batch of 64", 1)},
      .expected = {{"mean output on N(0, 1)", 0.5, 1e-3},
                   {"condition number, sigmoid", 577, 3},
                   {"condition number, ReLU", 48, 1},
                   {"condition number, tanh", 1, 0.01}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "Sigmoid's mean is {:.2f}. In one example all weights of a unit are therefore pushed the same way "
                "({:.0f} % of the cases), in a batch of 64 only in {:.0f} %. What lasts is a stretched loss: "
                "condition "
                "number {:.0f}, ReLU {:.0f}, tanh {:.1f}.",
                n["mean output on N(0, 1)"], 100 * n["gradients of one sign, one example"],
                100 * n["gradients of one sign, batch of 64"], n["condition number, sigmoid"],
                n["condition number, ReLU"], n["condition number, tanh"]);
          }};
}

Claim sigmoid_is_slow() {
  return {.id = 9,
          .text = "Sigmoid needs exp and is slow",
          .expected_verdict = Verdict::qualified,
          .expectation =
              "Against ReLU yes, against the matrix product no: nanoseconds per element of each and of a "
              "256-wide product.",
          .measure =
              [](Lab& lab) {
                const double sigmoid = nanoseconds(lab.sigmoid, lab.seed);
                const double relu = nanoseconds(lab.relu, lab.seed);
                const double product = product_nanoseconds(lab.seed);
                return Numbers{{"sigmoid, ns per element", sigmoid},
                               {"ReLU, ns per element", relu},
                               {"256-wide product, ns per element", product},
                               {"time of sigmoid over ReLU", sigmoid / relu},
                               {"time of sigmoid over product", sigmoid / product}};
              },
          .claimed = {at_least("time of sigmoid over ReLU", 1.2)},
          .limits = {at_most("time of sigmoid over product", 0.7)},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "A sigmoid takes {:.1f} times as long as a ReLU ({:.2f} and {:.2f} ns per element), yet only "
                    "{:.0f} % "
                    "of the matrix product in front of it ({:.2f} ns per element). These three are times, and "
                    "differ from "
                    "run to run.",
                    n["time of sigmoid over ReLU"], n["sigmoid, ns per element"], n["ReLU, ns per element"],
                    100 * n["time of sigmoid over product"], n["256-wide product, ns per element"]);
              }};
}

Claim sigmoid_range() {
  return {.id = 10,
          .text = "Sigmoid's range is 0 to 1",
          .expected_verdict = Verdict::is_true,
          .expectation = "The open interval; in float it rounds to 1 from 16.64 on.",
          .measure =
              [](Lab& lab) {
                const auto rounds_to_one = [&](double x) {
                  return value_in_float(lab.sigmoid, static_cast<float>(x)) >= 1 ? 1.0 : -1.0;
                };
                return Numbers{
                    {"smallest output within ±30", smallest(value_of(lab.sigmoid), -30, 30).value},
                    {"1 minus the largest output within ±30", 1 - largest(value_of(lab.sigmoid), -30, 30).value},
                    {"in float equal to 1 from", root(rounds_to_one, 0, 100)}};
              },
          .claimed = {{"smallest output within ±30", {0, 1e-3, true}},
                      {"1 minus the largest output within ±30", {0, 1e-3, true}}},
          .expected = {{"in float equal to 1 from", 16.64, 0.01}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "Between −30 and 30 sigmoid comes within {:.1g} of 0 and {:.1g} of 1 and reaches neither; with "
                    "24-bit "
                    "floats it is rounded to 1 from {:.2f} on.",
                    n["smallest output within ±30"], n["1 minus the largest output within ±30"],
                    n["in float equal to 1 from"]);
              }};
}

Claim sigmoid_normalizes() {
  return {.id = 11,
          .text = "Being bounded, sigmoid normalizes the neurons' outputs",
          .expected_verdict = Verdict::is_false,
          .expectation = "On N(0, 1): mean .5, variance .043. It squashes, it does not normalize.",
          .measure =
              [](Lab& lab) {
                return Numbers{{"mean on N(0, 1)", normal_mean(value_of(lab.sigmoid))},
                               {"variance on N(0, 1)", normal_variance(value_of(lab.sigmoid))}};
              },
          .claimed = {{"mean on N(0, 1)", {-0.1, 0.1}}, {"variance on N(0, 1)", {0.9, 1.1}}},
          .expected = {{"mean on N(0, 1)", 0.5, 1e-3}, {"variance on N(0, 1)", 0.043, 5e-4}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "Normalized numbers have mean 0 and variance 1. Sigmoid makes of such numbers ones with mean "
                    "{:.3f} "
                    "and variance {:.4f}.",
                    n["mean on N(0, 1)"], n["variance on N(0, 1)"]);
              }};
}

Claim sigmoid_probabilities() {
  return {.id = 12,
          .text = "Sigmoid suits probabilities",
          .expected_verdict = Verdict::qualified,
          .expectation =
              "For binary and multi-label answers; for exclusive classes softmax, whose outputs alone sum to 1.",
          .measure =
              [](Lab& lab) {
                double two = 0;
                for (const double z : decades(0.01, 30, 50))
                  two = std::max(two, std::abs(lab.sigmoid.value(z) + lab.sigmoid.value(-z) - 1));
                tg::Rng rng(lab.seed);
                double sigmoids = 0;
                double softmaxes = 0;
                for (int i = 0; i < 100; ++i) {
                  const Eigen::RowVectorXd logits = normal_matrix<double>(1, 10, rng);
                  sigmoids += std::abs(apply(lab.sigmoid, logits).sum() - 1) / 100;
                  softmaxes = std::max(softmaxes, std::abs(apply(lab.softmax, logits).sum() - 1));
                }
                return Numbers{{"two classes: largest |σ(z) + σ(−z) − 1|", two},
                               {"ten sigmoids: mean |sum − 1|", sigmoids},
                               {"softmax of ten: largest |sum − 1|", softmaxes}};
              },
          .claimed = {at_most("two classes: largest |σ(z) + σ(−z) − 1|", 1e-12)},
          .limits = {at_least("ten sigmoids: mean |sum − 1|", 0.1)},
          .expected = {{"two classes: largest |σ(z) + σ(−z) − 1|", 0, 1e-12},
                       {"softmax of ten: largest |sum − 1|", 0, 1e-12}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "For yes or no the two probabilities σ(z) and σ(−z) sum to 1 (to {:.1g}). Ten sigmoids for ten "
                    "classes "
                    "of which one is right miss 1 by {:.1f} on average; softmax sums to 1 (to {:.1g}).",
                    n["two classes: largest |σ(z) + σ(−z) − 1|"], n["ten sigmoids: mean |sum − 1|"],
                    n["softmax of ten: largest |sum − 1|"]);
              }};
}

Claim sigmoid_is_smooth() {
  return {
      .id = 13,
      .text = "Sigmoid has a smooth gradient",
      .expected_verdict = Verdict::is_true,
      .expectation = "max |σ″| = .0962, at ±1.317.",
      .measure =
          [](Lab& lab) {
            constexpr double h = 1e-4;
            const auto steepness = [&](double x) {
              return std::abs(lab.sigmoid.slope(x + h / 2) - lab.sigmoid.slope(x - h / 2)) / h;
            };
            const Extremum top =
                largest([&](double x) { return std::abs(second_derivative(lab.sigmoid, x)); }, 0, 8);
            return Numbers{{"steepest change of σ′ over 1e-4", largest(steepness, -8, 8).value},
                           {"largest |σ″|", top.value},
                           {"where |σ″| is largest", top.at}};
          },
      .claimed = {at_most("steepest change of σ′ over 1e-4", 1), at_most("largest |σ″|", 1)},
      .expected = {{"largest |σ″|", 0.0962, 1e-4}, {"where |σ″| is largest", 1.317, 1e-3}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "Nowhere does σ′ jump: from one point to the next it changes by at most {:.4f} per unit of z, at "
                "±{:.3f}. A kink such as ReLU's would show as a change of 1/h = 10000.",
                n["steepest change of σ′ over 1e-4"], n["where |σ″| is largest"]);
          }};
}

Claim slope_between_points() {
  return {
      .id = 14,
      .text = "Differentiable means the slope between any two points is known",
      .expected_verdict = Verdict::is_false,
      .expectation = "It is the slope at one point; difference quotients converge to σ′.",
      .measure =
          [](Lab& lab) {
            const auto miss = [&](double h) {
              const double quotient = (lab.sigmoid.value(1 + h) - lab.sigmoid.value(1)) / h;
              return std::abs(quotient - lab.sigmoid.slope(1));
            };
            return Numbers{{"slope from 1 to 5 misses σ′(1) by", miss(4)},
                           {"slope from 1 to 1.1 misses it by", miss(0.1)},
                           {"slope from 1 to 1.001 misses it by", miss(1e-3)},
                           {"slope from 1 to 1.00001 misses it by", miss(1e-5)}};
          },
      .claimed = {at_most("slope from 1 to 5 misses σ′(1) by", 1e-3)},
      .expected = {{"slope from 1 to 1.00001 misses it by", 0, 1e-6}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "σ′(1) is the slope at 1. From 1 to 5 the mean slope is {:.3f} off, from 1 to 1.1 {:.4f}, to 1.001 "
                "{:.1g}, to 1.00001 {:.1g}: only as the points come together does it become σ′.",
                n["slope from 1 to 5 misses σ′(1) by"], n["slope from 1 to 1.1 misses it by"],
                n["slope from 1 to 1.001 misses it by"], n["slope from 1 to 1.00001 misses it by"]);
          }};
}

Claim clear_predictions() {
  return {.id = 15,
          .text = "Sigmoid gives clear predictions near 0 or 1",
          .expected_verdict = Verdict::qualified,
          .expectation = ".99 needs z > 4.595, where σ′ < .01: that clearness is saturation.",
          .measure =
              [](Lab& lab) {
                const double z = root([&](double x) { return lab.sigmoid.value(x) - 0.99; }, 0, 30);
                return Numbers{{"σ(30)", lab.sigmoid.value(30)},
                               {"z at which σ = .99", z},
                               {"σ′ there", lab.sigmoid.slope(z)},
                               {"σ′ there over the largest σ′",
                                lab.sigmoid.slope(z) / largest(slope_of(lab.sigmoid), -10, 10).value}};
              },
          .claimed = {at_least("σ(30)", 0.99)},
          .limits = {below("σ′ there over the largest σ′", 0.1)},
          .expected = {{"z at which σ = .99", 4.595, 1e-3}, {"σ′ there", 0.0099, 1e-4}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "An answer of .99 needs z = {:.3f}; there σ′ is {:.4f}, {:.0f} % of its largest value. What "
                    "looks clear "
                    "is a saturated unit, which hardly learns any more.",
                    n["z at which σ = .99"], n["σ′ there"], 100 * n["σ′ there over the largest σ′"]);
              }};
}

}  // namespace

std::vector<Claim> sigmoid_claims() {
  return {formulas(),
          sigmoid_vanishes(),
          sigmoid_not_zero_centred(),
          sigmoid_is_slow(),
          sigmoid_range(),
          sigmoid_normalizes(),
          sigmoid_probabilities(),
          sigmoid_is_smooth(),
          slope_between_points(),
          clear_predictions()};
}

}  // namespace lab
