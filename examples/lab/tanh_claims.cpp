#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "common/parallel.h"
#include "groups.h"
#include "measure.h"

namespace lab {
namespace {

double mean_size(const std::vector<Eigen::RowVectorXd>& unit_means) {
  double sum = 0;
  for (const Eigen::RowVectorXd& layer : unit_means) sum += layer.cwiseAbs().mean();
  return sum / static_cast<double>(unit_means.size());
}

Claim tanh_zero_centred() {
  return {.id = 16,
          .text = "tanh is zero-centred",
          .expected_verdict = Verdict::qualified,
          .expectation = "For inputs symmetric about 0; unit means while training show the rest.",
          .needs_images = true,
          .measure =
              [](Lab& lab) {
                const Training run = train(lab.train_images(), lab.test_images(), lab.tanh,
                                           {.steps = lab.repeats(1000), .seed = lab.seed});
                return Numbers{
                    {"mean on N(0, 1)", normal_mean(value_of(lab.tanh))},
                    {"mean size of a unit's mean at the start", mean_size(run.unit_means_before)},
                    {"mean size of a unit's mean after training", mean_size(run.unit_means_after)},
                    {"largest unit mean after training", run.unit_means_after.back().cwiseAbs().maxCoeff()}};
              },
          .claimed = {{"mean on N(0, 1)", {-0.01, 0.01}}},
          .limits = {at_least("mean size of a unit's mean after training", 0.1)},
          .expected = {{"mean on N(0, 1)", 0, 1e-9}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "For inputs that scatter evenly around 0, tanh's mean is {:.1g}. In a network its inputs do "
                    "not: on "
                    "images a unit's mean lies {:.2f} from 0 at the start and {:.2f} after training, up to {:.2f}.",
                    std::abs(n["mean on N(0, 1)"]), n["mean size of a unit's mean at the start"],
                    n["mean size of a unit's mean after training"], n["largest unit mean after training"]);
              }};
}

Claim tanh_vanishes_less() {
  return {
      .id = 17,
      .text = "tanh′ lies in (0,1), σ′ in (0,.25), so vanishing is milder",
      .expected_verdict = Verdict::qualified,
      .expectation = "(0, 1] and (0, .25]; yet tanh′(3) = .0099 < σ′(3) = .0452.",
      .measure =
          [](Lab& lab) {
            const double tanh_top = largest(slope_of(lab.tanh), -5, 5).value;
            const double sigmoid_top = largest(slope_of(lab.sigmoid), -5, 5).value;
            return Numbers{{"largest tanh′", tanh_top},
                           {"largest σ′", sigmoid_top},
                           {"smallest tanh′ within ±15", smallest(slope_of(lab.tanh), -15, 15).value},
                           {"smallest σ′ within ±15", smallest(slope_of(lab.sigmoid), -15, 15).value},
                           {"largest tanh′ over largest σ′", tanh_top / sigmoid_top},
                           {"tanh′(3)", lab.tanh.slope(3)},
                           {"σ′(3)", lab.sigmoid.slope(3)},
                           {"tanh′(3) over σ′(3)", lab.tanh.slope(3) / lab.sigmoid.slope(3)},
                           {"tanh′ and σ′ are equal at",
                            root([&](double z) { return lab.tanh.slope(z) - lab.sigmoid.slope(z); }, 0, 5)}};
          },
      .claimed = {at_most("largest tanh′", 1), at_most("largest σ′", 0.25), above("smallest tanh′ within ±15", 0),
                  above("smallest σ′ within ±15", 0), above("largest tanh′ over largest σ′", 1)},
      .limits = {below("tanh′(3) over σ′(3)", 1)},
      .expected = {{"largest tanh′", 1, 1e-9},
                   {"largest σ′", 0.25, 1e-9},
                   {"tanh′(3)", 0.0099, 1e-4},
                   {"σ′(3)", 0.0452, 1e-4}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "At 0 tanh′ is {:.3g} and σ′ {:.3g} (so the bounds belong to the ranges), but tanh′ falls faster: "
                "beyond "
                "±{:.2f} it is the smaller one, at 3 {:.4f} against {:.4f}. Milder holds for small z only.",
                n["largest tanh′"], n["largest σ′"], n["tanh′ and σ′ are equal at"], n["tanh′(3)"], n["σ′(3)"]);
          }};
}

/// Loss of 2-16-16-16-1 with a sigmoid output on two moons after 500 steps, over five seeds.
std::vector<double> moons_losses(const tg::Activation& hidden, std::uint64_t seed) {
  std::vector<double> losses(5);
  example::two_at_a_time(losses.size(), [&](std::size_t i) {
    tg::Rng rng(seed + i);
    const tg::Dataset moons = tg::two_moons(300, 0.1, rng);
    const tg::Matrix targets = moons.targets();
    tg::Sequential net;
    tg::Index features = 2;
    const tg::LinearOptions linear{.weight_init = tg::xavier_normal(), .bias_init = tg::zeros()};
    for (int layer = 0; layer < 3; ++layer) {
      net.add(tg::Linear(features, 16, rng, linear));
      net.add(hidden);
      features = 16;
    }
    net.add(tg::Linear(features, 1, rng, linear));
    tg::Sgd sgd(net.parameters(), {.lr = 0.3});
    tg::Tape tape;
    for (int step = 0; step <= 500; ++step) {
      tape.reset();
      const tg::Var loss = tg::bce_with_logits(net(tape.input(moons.inputs)), targets);
      loss.backward();
      sgd.step();
      losses[i] = loss.item();
    }
  });
  return losses;
}

Claim tanh_hidden_sigmoid_output() {
  return {.id = 18,
          .text = "tanh for hidden layers, sigmoid for the output",
          .expected_verdict = Verdict::qualified,
          .expectation = "Historical: compare with ReLU hidden layers.",
          .measure =
              [](Lab& lab) {
                const double tanh = mean_of(moons_losses(lab.tanh, lab.seed));
                const double relu = mean_of(moons_losses(lab.relu, lab.seed));
                const double sigmoid = mean_of(moons_losses(lab.sigmoid, lab.seed));
                return Numbers{{"loss with tanh hidden layers", tanh},
                               {"loss with ReLU hidden layers", relu},
                               {"loss with sigmoid hidden layers", sigmoid},
                               {"loss of tanh over sigmoid", tanh / sigmoid},
                               {"loss of ReLU over tanh", relu / tanh}};
              },
          .claimed = {below("loss of tanh over sigmoid", 0.9)},
          .limits = {at_most("loss of ReLU over tanh", 1)},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "A question with two answers (two moons) and a sigmoid at the output, three hidden layers, 500 "
                    "steps, "
                    "mean of five seeds: loss {:.3f} with tanh in the hidden layers, {:.3f} with sigmoid, {:.3f} "
                    "with ReLU. "
                    "The rule dates from before ReLU.",
                    n["loss with tanh hidden layers"], n["loss with sigmoid hidden layers"],
                    n["loss with ReLU hidden layers"]);
              }};
}

}  // namespace

std::vector<Claim> tanh_claims() {
  return {tanh_zero_centred(), tanh_vanishes_less(), tanh_hidden_sigmoid_output()};
}

}  // namespace lab
