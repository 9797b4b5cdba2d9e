#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "groups.h"
#include "measure.h"

namespace lab {
namespace {

double accuracy_of(const Training& run) { return run.test_accuracy; }

/// Share of pairs in which the first is below the second.
double share_below(const std::vector<double>& a, const std::vector<double>& b) {
  double count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] < b[i];
  return count / static_cast<double>(a.size());
}

Claim elu_has_it_all() {
  return {.id = 27,
          .text = "ELU has all of ReLU's advantages",
          .expected_verdict = Verdict::is_false,
          .expectation = "No exact zeros (ReLU 50 %), needs exp, saturates on the left.",
          .measure =
              [](Lab& lab) {
                tg::Rng rng(lab.seed);
                const Eigen::RowVectorXd z = normal_matrix<double>(1, 100000, rng);
                const auto zeros = [&](const tg::Activation& f) {
                  return (apply(f, z).array() == 0).cast<double>().mean();
                };
                return Numbers{{"exact zeros of ReLU on N(0, 1)", zeros(lab.relu)},
                               {"exact zeros of ELU on N(0, 1)", zeros(lab.elu)},
                               {"ELU′(−10)", lab.elu.slope(-10)}};
              },
          .claimed = {at_least("exact zeros of ELU on N(0, 1)", 0.25)},
          .expected = {{"exact zeros of ReLU on N(0, 1)", 0.5, 0.01}, {"exact zeros of ELU on N(0, 1)", 0, 0}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "ReLU answers {:.0f} % of N(0, 1) with an exact 0, which makes for sparse and cheap layers; "
                    "ELU {:.0f} "
                    "%. It saturates on the left (slope {:.1e} at −10) and costs more (claim 32).",
                    100 * n["exact zeros of ReLU on N(0, 1)"], 100 * n["exact zeros of ELU on N(0, 1)"],
                    n["ELU′(−10)"]);
              }};
}

Claim elu_never_dies() {
  return {.id = 28,
          .text = "ELU has no dead units",
          .expected_verdict = Verdict::qualified,
          .expectation = "f′ < .01 below −4.6; in float y + α rounds to 0 below −17.32.",
          .measure =
              [](Lab& lab) {
                double flattest = INFINITY;
                for (const double z : decades(1e-3, 100, 200, -1)) flattest = std::min(flattest, lab.elu.slope(z));
                // ELU's slope is often computed from its value, as y + α (Clevert et al. 2015).
                const auto slope_lives = [&](double z) {
                  return value_in_float(lab.elu, static_cast<float>(z)) + 1.0F > 0 ? 1.0 : -1.0;
                };
                return Numbers{{"smallest f′ from −100 on", flattest},
                               {"f′ = .01 at", root([&](double z) { return lab.elu.slope(z) - 0.01; }, -50, 0)},
                               {"f′(−10)", lab.elu.slope(-10)},
                               {"in float y + α is 0 below", root(slope_lives, -100, 0)}};
              },
          .claimed = {above("smallest f′ from −100 on", 0)},
          .limits = {below("f′(−10)", 1e-3), {"in float y + α is 0 below", {-90, 0}}},
          .expected = {{"f′ = .01 at", -4.605, 0.005}, {"in float y + α is 0 below", -17.32, 0.02}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "ELU's slope is above 0 everywhere, so no unit is dead for good. But it is below .01 from "
                    "{:.2f} on, "
                    "{:.1e} at −10, and a float program that computes it as y + α gets exactly 0 below {:.2f}: "
                    "asleep, which "
                    "for a training is much the same.",
                    n["f′ = .01 at"], n["f′(−10)"], n["in float y + α is 0 below"]);
              }};
}

Claim elu_mean() {
  return {.id = 29,
          .text = "ELU's mean output is near 0",
          .expected_verdict = Verdict::qualified,
          .expectation = "N(0, 1): .1605 (ReLU .399).",
          .measure =
              [](Lab& lab) {
                const double elu = normal_mean(value_of(lab.elu));
                const double relu = normal_mean(value_of(lab.relu));
                return Numbers{{"mean of ELU on N(0, 1)", elu},
                               {"mean of ReLU on N(0, 1)", relu},
                               {"|mean| of ELU over ReLU", std::abs(elu / relu)}};
              },
          .claimed = {at_most("|mean| of ELU over ReLU", 0.5)},
          .limits = {at_least("mean of ELU on N(0, 1)", 0.05)},
          .expected = {{"mean of ELU on N(0, 1)", 0.1605, 5e-4}, {"mean of ReLU on N(0, 1)", 0.399, 5e-4}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "Of N(0, 1) ELU makes a mean of {:.4f}: nearer to 0 than ReLU's {:.3f}, but not 0.",
                    n["mean of ELU on N(0, 1)"], n["mean of ReLU on N(0, 1)"]);
              }};
}

Claim elu_learns_faster() {
  return {
      .id = 30,
      .text = "ELU learns faster by less bias shift",
      .expected_verdict = Verdict::qualified,
      .expectation = "Compare loss curves over several seeds.",
      .needs_images = true,
      .measure =
          [](Lab& lab) {
            const std::vector<Training>& elu = lab.five_seeds(lab.elu);
            const std::vector<Training>& relu = lab.five_seeds(lab.relu);
            const auto shift = [](const std::vector<Training>& runs) {
              return mean_of(each(runs, [](const Training& run) {
                double sum = 0;
                for (const Eigen::RowVectorXd& layer : run.unit_means_after)
                  sum += layer.cwiseAbs().mean() / static_cast<double>(run.unit_means_after.size());
                return sum;
              }));
            };
            const auto early = [](const Training& run) { return run.loss.front(); };
            const auto late = [](const Training& run) { return run.loss.back(); };
            return Numbers{
                {"mean size of a unit's mean, ELU", shift(elu)},
                {"mean size of a unit's mean, ReLU", shift(relu)},
                {"bias shift of ELU over ReLU", shift(elu) / shift(relu)},
                {"loss in the first tenth, ELU", mean_of(each(elu, early))},
                {"loss in the first tenth, ReLU", mean_of(each(relu, early))},
                {"loss in the last tenth, ELU", mean_of(each(elu, late))},
                {"loss in the last tenth, ReLU", mean_of(each(relu, late))},
                {"seeds with ELU ahead in the first tenth", share_below(each(elu, early), each(relu, early))},
                {"seeds with ELU ahead in the last tenth", share_below(each(elu, late), each(relu, late))}};
          },
      .claimed = {below("bias shift of ELU over ReLU", 1), above("seeds with ELU ahead in the first tenth", 0.5)},
      .limits = {below("seeds with ELU ahead in the last tenth", 1)},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "784-100-100-10 on images, five seeds: with ELU units stay {:.0f} % as far from 0 as with ReLU. In "
                "the "
                "first tenth of the training ELU's loss is lower in {:.0f} % of the seeds ({:.3f} against {:.3f}), "
                "in "
                "the last one in {:.0f} % ({:.3f} against {:.3f}).",
                100 * n["bias shift of ELU over ReLU"], 100 * n["seeds with ELU ahead in the first tenth"],
                n["loss in the first tenth, ELU"], n["loss in the first tenth, ReLU"],
                100 * n["seeds with ELU ahead in the last tenth"], n["loss in the last tenth, ELU"],
                n["loss in the last tenth, ReLU"]);
          }};
}

Claim elu_saturates() {
  return {.id = 31,
          .text = "ELU saturates for negative inputs",
          .expected_verdict = Verdict::is_true,
          .expectation = "→ −α.",
          .measure =
              [](Lab& lab) {
                Numbers n;
                double slope = 0;
                for (const double alpha : {0.5, 1.0, 2.0}) {
                  const auto settings = lab.elu.settings();
                  const bool settable = !settings.empty() && settings.front().first == "alpha";
                  const tg::Activation elu = settable ? lab.elu.with("alpha", alpha) : lab.elu;
                  n.set(fmt::format("f(−40), α = {:g}", alpha), elu.value(-40));
                  slope = std::max(slope, std::abs(elu.slope(-40)));
                }
                n.set("largest f′(−40)", slope);
                return n;
              },
          .claimed = {at_most("largest f′(−40)", 1e-6)},
          .expected = {{"f(−40), α = 0.5", -0.5, 1e-9}, {"f(−40), α = 1", -1, 1e-9}, {"f(−40), α = 2", -2, 1e-9}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format("At −40 ELU is {:.4g}, {:.4g}, {:.4g} for α = .5, 1, 2, and its slope {:.1g}.",
                                   n["f(−40), α = 0.5"], n["f(−40), α = 1"], n["f(−40), α = 2"],
                                   n["largest f′(−40)"]);
              }};
}

Claim elu_costs_more() {
  return {
      .id = 32,
      .text = "ELU costs more",
      .expected_verdict = Verdict::is_true,
      .expectation = "Nanoseconds per element.",
      .measure =
          [](Lab& lab) {
            const double elu = nanoseconds(lab.elu, lab.seed);
            const double relu = nanoseconds(lab.relu, lab.seed);
            return Numbers{{"ELU, ns per element", elu},
                           {"ReLU, ns per element", relu},
                           {"time of ELU over ReLU", elu / relu}};
          },
      .claimed = {at_least("time of ELU over ReLU", 1.2)},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "{:.2f} ns per element against {:.2f} for ReLU, {:.1f} times as long; the matrix product beside it "
                "makes that matter less (claim 9). Times differ from run to run.",
                n["ELU, ns per element"], n["ReLU, ns per element"], n["time of ELU over ReLU"]);
          }};
}

Claim elu_not_always_better() {
  return {.id = 33,
          .text = "ELU is not proven always better than ReLU",
          .expected_verdict = Verdict::is_true,
          .expectation = "Five seeds: the ranges overlap.",
          .needs_images = true,
          .measure =
              [](Lab& lab) {
                const std::vector<double> elu = each(lab.five_seeds(lab.elu), accuracy_of);
                const std::vector<double> relu = each(lab.five_seeds(lab.relu), accuracy_of);
                return Numbers{{"ELU, lowest accuracy", *std::min_element(elu.begin(), elu.end())},
                               {"ELU, highest accuracy", *std::max_element(elu.begin(), elu.end())},
                               {"ReLU, lowest accuracy", *std::min_element(relu.begin(), relu.end())},
                               {"ReLU, highest accuracy", *std::max_element(relu.begin(), relu.end())},
                               {"overlap of the ranges", overlap(elu, relu)}};
              },
          .claimed = {above("overlap of the ranges", 0)},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "Test accuracy over five seeds: ELU {:.1f} to {:.1f} %, ReLU {:.1f} to {:.1f} %. Which seed is "
                    "drawn "
                    "decides more than which of the two is used.",
                    100 * n["ELU, lowest accuracy"], 100 * n["ELU, highest accuracy"],
                    100 * n["ReLU, lowest accuracy"], 100 * n["ReLU, highest accuracy"]);
              }};
}

}  // namespace

std::vector<Claim> elu_claims() {
  return {elu_has_it_all(), elu_never_dies(),       elu_mean(), elu_learns_faster(), elu_saturates(),
          elu_costs_more(), elu_not_always_better()};
}

}  // namespace lab
