#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "groups.h"
#include "measure.h"

namespace lab {
namespace {

Claim relu_does_not_saturate() {
  return {.id = 19,
          .text = "ReLU does not saturate for positive inputs",
          .expected_verdict = Verdict::is_true,
          .expectation = "f′ = 1.",
          .measure =
              [](Lab& lab) {
                double low = INFINITY;
                double high = -INFINITY;
                for (const double z : decades(1e-6, 1e6, 200)) {
                  low = std::min(low, lab.relu.slope(z));
                  high = std::max(high, lab.relu.slope(z));
                }
                return Numbers{{"smallest f′ from 1e-6 to 1e6", low}, {"largest f′ from 1e-6 to 1e6", high}};
              },
          .claimed = {at_least("smallest f′ from 1e-6 to 1e6", 0.1)},
          .expected = {{"smallest f′ from 1e-6 to 1e6", 1, 0}, {"largest f′ from 1e-6 to 1e6", 1, 0}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format("From a millionth to a million ReLU's slope is between {:g} and {:g}.",
                                   n["smallest f′ from 1e-6 to 1e6"], n["largest f′ from 1e-6 to 1e6"]);
              }};
}

Claim relu_is_fast() {
  return {
      .id = 20,
      .text = "ReLU is faster: it is only linear",
      .expected_verdict = Verdict::qualified,
      .expectation = "Piecewise linear; for the time see 9.",
      .measure =
          [](Lab& lab) {
            const double relu = nanoseconds(lab.relu, lab.seed);
            const double sigmoid = nanoseconds(lab.sigmoid, lab.seed);
            const auto bend = [&](double low, double high) {
              return std::abs(lab.relu.value(low) + lab.relu.value(high) - 2 * lab.relu.value((low + high) / 2));
            };
            return Numbers{{"ReLU, ns per element", relu},
                           {"sigmoid, ns per element", sigmoid},
                           {"time of sigmoid over ReLU", sigmoid / relu},
                           {"f(1) + f(3) − 2·f(2)", bend(1, 3)},
                           {"f(−1) + f(1) − 2·f(0)", bend(-1, 1)}};
          },
      .claimed = {at_least("time of sigmoid over ReLU", 1.2)},
      .limits = {above("f(−1) + f(1) − 2·f(0)", 1e-9)},
      .expected = {{"f(1) + f(3) − 2·f(2)", 0, 0}, {"f(−1) + f(1) − 2·f(0)", 1, 0}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "ReLU takes {:.2f} ns per element, sigmoid {:.1f} times that. It is straight on each side of 0 "
                "(bend "
                "{:g}), but not across it (bend {:g}): piecewise linear, or it would be of no use between layers.",
                n["ReLU, ns per element"], n["time of sigmoid over ReLU"], n["f(1) + f(3) − 2·f(2)"],
                n["f(−1) + f(1) − 2·f(0)"]);
          }};
}

/// What becomes of units that start off on all the data: 2-32-32-2 on two moons, plain SGD.
struct OffUnits {
  double gradient = 0;    ///< largest |∂L/∂w| of first-layer units with bias −10, over all steps
  double moved = 0;       ///< largest change of their weights and biases
  double revived = 0;     ///< share of second-layer units, just off on all the data at the start, that fire again
  double partly_off = 0;  ///< share of the other first-layer units that are off on some samples, on on others
};

OffUnits train_off_units(const tg::Activation& f, std::uint64_t seed) {
  constexpr tg::Index width = 32;
  constexpr tg::Index off = 8;
  tg::Rng rng(seed);
  const tg::Dataset moons = tg::two_moons(200, 0.1, rng);
  const tg::LinearOptions linear{.weight_init = tg::he_normal(), .bias_init = tg::zeros()};
  tg::Sequential net{tg::Linear(2, width, rng, linear), f, tg::Linear(width, width, rng, linear), f,
                     tg::Linear(width, 2, rng, linear)};
  auto& first = net.at<tg::Linear>(0);
  auto& second = net.at<tg::Linear>(2);
  first.bias.mutable_value().leftCols(off).setConstant(-10);
  const auto inputs_of_second = [&] {
    tg::Tape tape;
    const auto no_grad = tape.no_grad();
    return tg::Matrix(second(net[1](first(tape.input(moons.inputs)))).value());
  };
  const tg::Matrix z = inputs_of_second();
  for (tg::Index unit = 0; unit < off; ++unit)
    second.bias.mutable_value()(0, unit) = -0.05F - z.col(unit).maxCoeff();
  const tg::Matrix weights = first.weight.value().topRows(off);

  OffUnits result;
  tg::Sgd sgd(net.parameters(), {.lr = 0.1});
  tg::Tape tape;
  for (int step = 0; step < 300; ++step) {
    tape.reset();
    tg::cross_entropy(net(tape.input(moons.inputs)), moons.labels).backward();
    const auto size = [](const auto& values) { return static_cast<double>(values.cwiseAbs().maxCoeff()); };
    result.gradient =
        std::max({result.gradient, size(first.weight.grad().topRows(off)), size(first.bias.grad().leftCols(off))});
    sgd.step();
  }
  result.moved = std::max((first.weight.value().topRows(off) - weights).cwiseAbs().maxCoeff(),
                          (first.bias.value().leftCols(off).array() + 10).abs().maxCoeff());
  const tg::Matrix after = inputs_of_second();
  for (tg::Index unit = 0; unit < off; ++unit) result.revived += (after.col(unit).maxCoeff() > 0) / double{off};
  tg::Tape census;
  const tg::Matrix z1 = first(census.input(moons.inputs)).value();
  for (tg::Index unit = off; unit < width; ++unit)
    result.partly_off += (z1.col(unit).minCoeff() <= 0 && z1.col(unit).maxCoeff() > 0) / double{width - off};
  return result;
}

Claim negative_input_is_dead() {
  return {
      .id = 21,
      .text = "With a negative input ReLU is dead",
      .expected_verdict = Verdict::qualified,
      .expectation =
          "Dead means off on all the data. Bias −10: gradient exactly 0. In the first layer that is permanent "
          "under plain SGD; deeper units can revive.",
      .measure =
          [](Lab& lab) {
            const OffUnits units = train_off_units(lab.relu, lab.seed);
            return Numbers{{"bias −10: largest gradient in 300 steps", units.gradient},
                           {"bias −10: largest change in 300 steps", units.moved},
                           {"units off on some samples, not on all", units.partly_off},
                           {"second-layer units that revived", units.revived}};
          },
      .claimed = {exactly("bias −10: largest gradient in 300 steps", 0),
                  exactly("bias −10: largest change in 300 steps", 0)},
      .limits = {above("units off on some samples, not on all", 0), above("second-layer units that revived", 0)},
      .expected = {{"bias −10: largest gradient in 300 steps", 0, 0},
                   {"bias −10: largest change in 300 steps", 0, 0}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "Units with bias −10 are off on all the data: gradient {:g}, movement {:g} in 300 steps. But "
                "{:.0f} % of "
                "the other units are off on some samples and live by the rest, and {:.0f} % of the second-layer "
                "units "
                "that were just off came back, moved by the layer below.",
                n["bias −10: largest gradient in 300 steps"], n["bias −10: largest change in 300 steps"],
                100 * n["units off on some samples, not on all"], 100 * n["second-layer units that revived"]);
          }};
}

Claim relu_gradient_is_zero() {
  return {
      .id = 22,
      .text = "For negative inputs ReLU's gradient is exactly 0",
      .expected_verdict = Verdict::is_true,
      .expectation = "Exactly; at 0 by convention.",
      .measure =
          [](Lab& lab) {
            double steepest = 0;
            for (const double z : decades(1e-30, 1e6, 200, -1))
              steepest = std::max(steepest, std::abs(lab.relu.slope(z)));
            return Numbers{{"largest |f′| from −1e6 to −1e-30", steepest},
                           {"f′(0)", lab.relu.slope(0)},
                           {"slope to the right of 0", lab.relu.value(1e-3) / 1e-3},
                           {"slope to the left of 0", lab.relu.value(-1e-3) / -1e-3}};
          },
      .claimed = {exactly("largest |f′| from −1e6 to −1e-30", 0)},
      .expected = {{"largest |f′| from −1e6 to −1e-30", 0, 0}, {"f′(0)", 0, 0}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "For 200 negative inputs down to −1e-30 the largest slope is {:g}. At 0 itself there is none (left "
                "{:g}, right {:g}); {:g} is used there by agreement.",
                n["largest |f′| from −1e6 to −1e-30"], std::abs(n["slope to the left of 0"]),
                n["slope to the right of 0"], n["f′(0)"]);
          }};
}

Claim sigmoid_and_tanh_die_too() {
  return {.id = 23,
          .text = "Sigmoid and tanh have the same problem",
          .expected_verdict = Verdict::is_false,
          .expectation = "Theirs is small but positive: σ′(−5) = .00665, tanh′(−5) = 1.8e-4.",
          .measure =
              [](Lab& lab) {
                return Numbers{{"ReLU′(−5)", lab.relu.slope(-5)},
                               {"σ′(−5)", lab.sigmoid.slope(-5)},
                               {"tanh′(−5)", lab.tanh.slope(-5)}};
              },
          .claimed = {exactly("σ′(−5)", 0), exactly("tanh′(−5)", 0)},
          .expected = {{"σ′(−5)", 0.00665, 1e-5}, {"tanh′(−5)", 1.8e-4, 5e-6}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "At −5 ReLU's slope is {:g}, sigmoid's {:.3g}, tanh's {:.2g}. Times a large error a small "
                    "slope still "
                    "moves a unit; 0 never does.",
                    n["ReLU′(−5)"], n["σ′(−5)"], n["tanh′(−5)"]);
              }};
}

Claim relu_not_zero_centred() {
  return {.id = 24,
          .text = "ReLU's output is not zero-centred",
          .expected_verdict = Verdict::is_true,
          .expectation = "N(0, 1): mean .399.",
          .measure =
              [](Lab& lab) {
                return Numbers{{"mean on N(0, 1)", normal_mean(value_of(lab.relu))}};
              },
          .claimed = {at_least("mean on N(0, 1)", 0.1)},
          .expected = {{"mean on N(0, 1)", 0.399, 5e-4}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "Inputs with mean 0 and variance 1 become outputs with mean {:.4f}, 1/√(2π) = {:.4f}.",
                    n["mean on N(0, 1)"], 1 / std::sqrt(2 * M_PI));
              }};
}

Claim leaky_cures() {
  return {.id = 25,
          .text = "Leaky ReLU's .01x cures the zero gradient",
          .expected_verdict = Verdict::is_true,
          .expectation = "The unit of 21 moves again.",
          .measure =
              [](Lab& lab) {
                const OffUnits relu = train_off_units(lab.relu, lab.seed);
                const OffUnits leaky = train_off_units(lab.leaky_relu, lab.seed);
                return Numbers{{"slope at −10", lab.leaky_relu.slope(-10)},
                               {"ReLU: largest change of units with bias −10", relu.moved},
                               {"leaky ReLU: largest change of units with bias −10", leaky.moved}};
              },
          .claimed = {above("slope at −10", 0), above("leaky ReLU: largest change of units with bias −10", 1e-6)},
          .expected = {{"slope at −10", 0.01, 1e-9}, {"ReLU: largest change of units with bias −10", 0, 0}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "The same units with bias −10: with ReLU their weights and biases move by {:g} in 300 steps, "
                    "with leaky "
                    "ReLU by up to {:.2g}. Slowly, with a slope of {:g}, but they move.",
                    n["ReLU: largest change of units with bias −10"],
                    n["leaky ReLU: largest change of units with bias −10"], n["slope at −10"]);
              }};
}

Claim leaky_range() {
  return {.id = 26,
          .text = "Leaky ReLU has range ℝ, a ≈ .01",
          .expected_verdict = Verdict::is_true,
          .expectation = "For a > 0; other values are used (.1 in the ELU paper).",
          .measure =
              [](Lab& lab) {
                return Numbers{
                    {"a, the slope at −1", lab.leaky_relu.slope(-1)},
                    {"f(−1e6)", lab.leaky_relu.value(-1e6)},
                    {"f(1e6)", lab.leaky_relu.value(1e6)},
                    {"f(−1e6) with a = .1", tg::activation("leaky_relu(negative_slope=0.1)").value(-1e6)}};
              },
          .claimed = {{"a, the slope at −1", {0.005, 0.02}}, at_most("f(−1e6)", -1000), at_least("f(1e6)", 1000)},
          .expected = {{"a, the slope at −1", 0.01, 1e-9}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "a = {:g}: f(−1e6) = {:g} and f(1e6) = {:g}, and on it goes in both directions, a line on "
                    "either side. "
                    "That needs a > 0; with a = .1, as others use it, the left end is at {:g}.",
                    n["a, the slope at −1"], n["f(−1e6)"], n["f(1e6)"], n["f(−1e6) with a = .1"]);
              }};
}

}  // namespace

std::vector<Claim> relu_claims() {
  return {relu_does_not_saturate(),
          relu_is_fast(),
          negative_input_is_dead(),
          relu_gradient_is_zero(),
          sigmoid_and_tanh_die_too(),
          relu_not_zero_centred(),
          leaky_cures(),
          leaky_range()};
}

}  // namespace lab
