#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "groups.h"
#include "measure.h"

namespace lab {
namespace {

Claim swish_unbounded() {
  return {.id = 36,
          .text = "Swish is unbounded, so it does not saturate",
          .expected_verdict = Verdict::qualified,
          .expectation = "On the right only; f′ → 0 on the left.",
          .measure =
              [](Lab& lab) {
                return Numbers{{"f(1e6)", lab.swish.value(1e6)},
                               {"f′(20)", lab.swish.slope(20)},
                               {"|f′(−20)|", std::abs(lab.swish.slope(-20))}};
              },
          .claimed = {at_least("f(1e6)", 1000), at_least("f′(20)", 0.1)},
          .limits = {below("|f′(−20)|", 0.1)},
          .expected = {{"f′(20)", 1, 1e-6}, {"|f′(−20)|", 0, 1e-6}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "To the right swish grows on (f(1e6) = {:g}) with slope {:.3f} at 20; to the left its slope is "
                    "{:.1g} at −20: saturated, as ReLU is there.",
                    n["f(1e6)"], n["f′(20)"], n["|f′(−20)|"]);
              }};
}

Claim swish_bounded_below() {
  return {.id = 37,
          .text = "Swish is bounded below, which regularizes",
          .expected_verdict = Verdict::qualified,
          .expectation = "Minimum −.27846 at −1.27846; the regularizing is unproven.",
          .needs_images = true,
          .measure =
              [](Lab& lab) {
                const auto gap = [](const Training& run) { return run.train_accuracy - run.test_accuracy; };
                // Leaky ReLU is the one without a lower bound.
                const std::vector<double> swish = each(lab.five_seeds(lab.swish), gap);
                const std::vector<double> leaky = each(lab.five_seeds(lab.leaky_relu), gap);
                const Extremum bottom = smallest(value_of(lab.swish), -50, 50);
                return Numbers{{"minimum", bottom.value},
                               {"where it is", bottom.at},
                               {"f(−1e6)", lab.swish.value(-1e6)},
                               {"accuracy on training minus test images, swish", mean_of(swish)},
                               {"the same, leaky ReLU", mean_of(leaky)},
                               {"overlap of their ranges over five seeds", overlap(swish, leaky)}};
              },
          .claimed = {at_least("minimum", -1), at_least("f(−1e6)", -1)},
          .limits = {above("overlap of their ranges over five seeds", 0)},
          .expected = {{"minimum", -0.27846, 1e-5}, {"where it is", -1.27846, 1e-4}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "Swish is never below {:.5f}, at {:.5f}. A regularizer would bring training and test accuracy "
                    "closer: "
                    "they are {:.1f} points apart with swish and {:.1f} with leaky ReLU, which has no lower bound, "
                    "and the "
                    "ranges over five seeds {}.",
                    n["minimum"], n["where it is"], 100 * n["accuracy on training minus test images, swish"],
                    100 * n["the same, leaky ReLU"],
                    n["overlap of their ranges over five seeds"] > 0 ? "overlap" : "do not overlap");
              }};
}

Claim swish_slope_positive() {
  return {.id = 38,
          .text = "Swish′ is always > 0",
          .expected_verdict = Verdict::is_false,
          .expectation = "Negative below −1.27846 (10.05 % of N(0, 1)); range [−.09984, 1.09984], at ∓2.39936.",
          .measure =
              [](Lab& lab) {
                const Function slope = slope_of(lab.swish);
                const Extremum low = smallest(slope, -20, 20);
                const Extremum high = largest(slope, -20, 20);
                return Numbers{
                    {"smallest f′", low.value},
                    {"where f′ is smallest", low.at},
                    {"largest f′", high.value},
                    {"where f′ is largest", high.at},
                    {"f′ changes its sign at", root(slope, -2, 2)},
                    {"share of N(0, 1) with f′ < 0", normal_mean([&](double z) { return slope(z) < 0; })}};
              },
          .claimed = {above("smallest f′", 0)},
          .expected = {{"smallest f′", -0.09984, 1e-5},
                       {"where f′ is smallest", -2.39936, 1e-4},
                       {"largest f′", 1.09984, 1e-5},
                       {"where f′ is largest", 2.39936, 1e-4},
                       {"f′ changes its sign at", -1.27846, 1e-5},
                       {"share of N(0, 1) with f′ < 0", 0.1005, 2e-4}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "Left of {:.3f} swish falls while z rises; its slope is {:.5f} at {:.3f}, and negative for "
                    "{:.2f} % of "
                    "inputs from N(0, 1). It ranges up to {:.5f} at {:.3f}.",
                    n["f′ changes its sign at"], n["smallest f′"], n["where f′ is smallest"],
                    100 * n["share of N(0, 1) with f′ < 0"], n["largest f′"], n["where f′ is largest"]);
              }};
}

Claim smoothness_matters() {
  return {
      .id = 39,
      .text = "Smoothness matters for optimization and generalization",
      .expected_verdict = Verdict::qualified,
      .expectation = "Several seeds against ReLU.",
      .needs_images = true,
      .measure =
          [](Lab& lab) {
            const auto late = [](const Training& run) { return run.loss.back(); };
            const auto accuracy = [](const Training& run) { return run.test_accuracy; };
            const std::vector<double> swish_loss = each(lab.five_seeds(lab.swish), late);
            const std::vector<double> relu_loss = each(lab.five_seeds(lab.relu), late);
            const std::vector<double> swish = each(lab.five_seeds(lab.swish), accuracy);
            const std::vector<double> relu = each(lab.five_seeds(lab.relu), accuracy);
            // 2.776: Student's t for 5 pairs, 4 degrees of freedom, at 5 % in both tails.
            return Numbers{{"test accuracy, swish", mean_of(swish)},
                           {"test accuracy, ReLU", mean_of(relu)},
                           {"last training loss, swish", mean_of(swish_loss)},
                           {"last training loss, ReLU", mean_of(relu_loss)},
                           {"gain in test accuracy", mean_of(swish) - mean_of(relu)},
                           {"t of the gain in test accuracy", paired_t(swish, relu)},
                           {"t of the gain in training loss", paired_t(relu_loss, swish_loss)}};
          },
      .claimed = {above("gain in test accuracy", 0)},
      .limits = {below("t of the gain in test accuracy", 2.776), below("t of the gain in training loss", 2.776)},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "Swish, a smooth relative of ReLU, against ReLU over five seeds: test accuracy {:.2f} against "
                "{:.2f} %, "
                "training loss {:.3f} against {:.3f} at the end. With five pairs a difference counts from t = 2.78 "
                "on: "
                "here it is {:.1f} for the accuracy and {:.1f} for the loss.",
                100 * n["test accuracy, swish"], 100 * n["test accuracy, ReLU"], n["last training loss, swish"],
                n["last training loss, ReLU"], n["t of the gain in test accuracy"],
                n["t of the gain in training loss"]);
          }};
}

}  // namespace

std::vector<Claim> swish_claims() {
  return {swish_unbounded(), swish_bounded_below(), swish_slope_positive(), smoothness_matters()};
}

}  // namespace lab
