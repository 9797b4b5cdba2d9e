#include <fmt/core.h>

#include <cmath>

#include "common/parallel.h"
#include "groups.h"
#include "measure.h"

namespace lab {
namespace {

/// Share of the four rows of XOR that 2-8-1 answers rightly after training.
double xor_accuracy(const tg::Activation& f, std::uint64_t seed) {
  tg::Rng rng(seed);
  const tg::LinearOptions linear{.weight_init = tg::xavier_normal(), .bias_init = tg::zeros()};
  tg::Sequential net{tg::Linear(2, 8, rng, linear), f, tg::Linear(8, 1, rng, linear)};
  tg::Adam adam(net.parameters(), {.lr = 0.05});
  const tg::Dataset data = tg::xor_points();
  const tg::Matrix targets = data.targets();
  tg::Tape tape;
  for (int step = 0; step < 500; ++step) {
    tape.reset();
    tg::bce_with_logits(net(tape.input(data.inputs)), targets).backward();
    adam.step();
  }
  const tg::Matrix logits = net.predict(data.inputs);
  return ((logits.array() > 0).cast<float>() == targets.array()).cast<double>().mean();
}

/// The best that any of many random straight lines does on XOR.
double best_line(std::uint64_t seed) {
  tg::Rng rng(seed);
  const tg::Dataset data = tg::xor_points();
  const tg::Matrix targets = data.targets();
  double best = 0;
  for (int i = 0; i < 10000; ++i) {
    const auto w1 = static_cast<float>(rng.normal());
    const auto w2 = static_cast<float>(rng.normal());
    const auto b = static_cast<float>(rng.normal());
    const auto score = w1 * data.inputs.col(0).array() + w2 * data.inputs.col(1).array() + b;
    best = std::max(best, ((score > 0).cast<float>() == targets.col(0).array()).cast<double>().mean());
  }
  return best;
}

Claim layers_are_linear() {
  return {
      .id = 1,
      .text = "Layers are linear; the activation adds the nonlinearity",
      .expected_verdict = Verdict::qualified,
      .expectation =
          "Layers are affine, and affine of affine is affine. XOR with no activation reaches at most "
          "75 %, with tanh 100 %.",
      .measure =
          [](Lab& lab) {
            tg::Rng rng(lab.seed);
            tg::f64::Sequential two{tg::f64::Linear(8, 8, rng), tg::f64::Linear(8, 8, rng)};
            const tg::f64::Matrix x = normal_matrix<double>(1, 8, rng);
            const tg::f64::Matrix y = normal_matrix<double>(1, 8, rng);
            const tg::f64::Matrix zero = tg::f64::Matrix::Zero(1, 8);
            const tg::f64::Matrix at_zero = two.predict(zero);
            const double curvature =
                (two.predict(x + y) - two.predict(x) - two.predict(y) + at_zero).cwiseAbs().maxCoeff();
            double without = 0;
            double with = 1;
            for (std::uint64_t i = 0; i < 10; ++i) {
              without = std::max(without, xor_accuracy(lab.identity, lab.seed + i));
              with = std::min(with, xor_accuracy(lab.tanh, lab.seed + i));
            }
            return Numbers{{"two layers: f(x+y) − f(x) − f(y) + f(0)", curvature},
                           {"two layers: f(0)", at_zero.cwiseAbs().maxCoeff()},
                           {"XOR, best of 10000 straight lines", best_line(lab.seed)},
                           {"XOR without activation, best of 10 seeds", without},
                           {"XOR with tanh, worst of 10 seeds", with}};
          },
      .claimed = {at_most("two layers: f(x+y) − f(x) − f(y) + f(0)", 1e-12),
                  at_most("XOR without activation, best of 10 seeds", 0.75),
                  exactly("XOR with tanh, worst of 10 seeds", 1)},
      .limits = {above("two layers: f(0)", 1e-12)},
      .expected = {{"XOR, best of 10000 straight lines", 0.75, 0}, {"XOR with tanh, worst of 10 seeds", 1, 0}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "Two layers without an activation between them are still one straight (affine) map, shifted by "
                "{:.2g} "
                "because of the biases, which is why linear is not quite the word. They answer at most {:.0f} % of "
                "XOR; with tanh between them it is {:.0f} %.",
                n["two layers: f(0)"], 100 * n["XOR without activation, best of 10 seeds"],
                100 * n["XOR with tanh, worst of 10 seeds"]);
          }};
}

/// Slope and offset of the line that fits ln(measured) against ln(theory) best.
struct Fit {
  double slope;
  double offset;
};
Fit fit_line(const std::vector<double>& x, const std::vector<double>& y) {
  const double x_mean = mean_of(x);
  const double y_mean = mean_of(y);
  double xy = 0;
  double xx = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - x_mean) * (y[i] - y_mean);
    xx += (x[i] - x_mean) * (x[i] - x_mean);
  }
  return {xy / xx, y_mean - xy / xx * x_mean};
}

Claim gradient_shrinks_by_both() {
  return {
      .id = 2,
      .text = "The gradient shrinks by f′ and by the weights",
      .expected_verdict = Verdict::is_true,
      .expectation =
          "ReLU's standard deviation per layer changes by √(n·Var(W)/2): scan the initialization, fit the "
          "slope.",
      .measure =
          [](Lab& lab) {
            constexpr tg::Index width = 256;
            const std::vector<double> theory{0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2};
            std::vector<double> logs(theory.size());
            std::vector<double> outputs(theory.size());
            std::vector<double> gradients(theory.size());
            example::two_at_a_time(theory.size(), [&](std::size_t i) {
              const tg::Initializer weights = tg::normal(0, theory[i] * std::sqrt(2.0 / width));
              for (std::uint64_t k = 0; k < 3; ++k) {
                const Propagation p = propagate(lab.relu, weights, 16, width, lab.seed + k);
                outputs[i] += std::log(p.output_factor()) / 3;
                gradients[i] += std::log(p.gradient_factor()) / 3;
              }
              logs[i] = std::log(theory[i]);
            });
            const Fit forward = fit_line(logs, outputs);
            const Fit backward = fit_line(logs, gradients);
            const double f_part = std::sqrt(normal_mean([&](double z) { return std::pow(lab.relu.slope(z), 2); }));
            return Numbers{{"slope of ln(output factor) over ln(theory)", forward.slope},
                           {"slope of ln(gradient factor) over ln(theory)", backward.slope},
                           {"gradient factor per layer over theory", std::exp(backward.offset)},
                           {"part of f′, √E[f′²]", f_part}};
          },
      .claimed = {{"slope of ln(gradient factor) over ln(theory)", {0.95, 1.05}},
                  {"gradient factor per layer over theory", {0.95, 1.05}},
                  below("part of f′, √E[f′²]", 1)},
      .expected = {{"slope of ln(output factor) over ln(theory)", 1, 0.03},
                   {"slope of ln(gradient factor) over ln(theory)", 1, 0.03},
                   {"part of f′, √E[f′²]", std::sqrt(0.5), 1e-3}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "Eight initializations of a 16-layer ReLU network: the gradient changes per layer by {:.3f} times "
                "√(n·Var(W)) · √E[f′²], the weights' part times the activation's ({:.3f} for ReLU). On logarithmic "
                "axes measurement and theory lie on a line of slope {:.3f}.",
                n["gradient factor per layer over theory"], n["part of f′, √E[f′²]"],
                n["slope of ln(gradient factor) over ln(theory)"]);
          }};
}

Claim relu_can_vanish() {
  return {
      .id = 3,
      .text = "Even ReLU networks can have vanishing gradients",
      .expected_verdict = Verdict::is_true,
      .expectation =
          "30 layers of 256 ReLU units, gradient factor per layer: He 1.01, Xavier .71 (theory .707), "
          "U(±1/√n) .41 (.408).",
      .measure =
          [](Lab& lab) {
            const auto factor = [&](const tg::Initializer& weights) {
              return mean_gradient_factor(lab.relu, weights, 30, 256, lab.seed, lab.repeats(6));
            };
            return Numbers{{"factor per layer with He", factor(tg::he_normal())},
                           {"factor per layer with Xavier", factor(tg::xavier_normal())},
                           {"factor per layer with U(±1/√n)", factor(tg::uniform_fan_in())}};
          },
      .claimed = {at_most("factor per layer with Xavier", 0.8), at_most("factor per layer with U(±1/√n)", 0.8)},
      .expected = {{"factor per layer with He", 1.01, 0.02},
                   {"factor per layer with Xavier", 0.707, 0.02},
                   {"factor per layer with U(±1/√n)", 0.408, 0.02}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "On its way down, a ReLU network's gradient is multiplied per layer by {:.2f} with He's "
                "initialization, but by {:.2f} with Xavier's and {:.2f} with U(±1/√n): after 30 layers {:.1g} and "
                "{:.1g} of it are left. ReLU does not keep gradients alive, its initialization does.",
                n["factor per layer with He"], n["factor per layer with Xavier"],
                n["factor per layer with U(±1/√n)"], std::pow(n["factor per layer with Xavier"], 30),
                std::pow(n["factor per layer with U(±1/√n)"], 30));
          }};
}

/// Autocorrelation at lag 15 of dy/dx over 256 points of [−2, 2], for networks of one input and layers of 200 ReLU
/// units, averaged over networks (Balduzzi et al. 2017, "The shattered gradients problem"). He's initialization; the
/// biases are N(0, ½²), for without them all kinks would lie at x = 0 and nothing could shatter.
double gradient_autocorrelation(const tg::Activation& f, int depth, bool residual, std::uint64_t seed,
                                int networks) {
  constexpr tg::Index points = 256;
  constexpr tg::Index width = 200;
  constexpr tg::Index lag = 15;
  std::vector<double> measured(static_cast<std::size_t>(networks));
  example::two_at_a_time(measured.size(), [&](std::size_t k) {
    tg::Rng rng(seed + k);
    const tg::LinearOptions he{.weight_init = tg::he_normal(), .bias_init = tg::normal(0, 0.5)};
    tg::Sequential net{tg::Linear(1, width, rng, he), f};
    for (int i = 1; i < depth; ++i) {
      if (residual) {
        net.add(tg::Residual{tg::Linear(width, width, rng, he), f});
      } else {
        net.add(tg::Linear(width, width, rng, he));
        net.add(f);
      }
    }
    net.add(tg::Linear(width, 1, rng, he));
    tg::Matrix x(points, 1);
    for (tg::Index i = 0; i < points; ++i)
      x(i, 0) = static_cast<float>(-2 + 4.0 * static_cast<double>(i) / (points - 1));
    tg::Tape tape;
    const tg::Var in = tape.input(x, {.requires_grad = true});
    tg::sum(net(in)).backward();
    const Eigen::ArrayXd g = in.grad().col(0).array().cast<double>();
    const Eigen::ArrayXd deviation = g - g.mean();
    measured[k] = (deviation.head(points - lag) * deviation.tail(points - lag)).sum() / deviation.square().sum();
  });
  return mean_of(measured);
}

Claim residuals_keep_gradients() {
  return {.id = 4,
          .text = "Residual connections keep gradients alive",
          .expected_verdict = Verdict::is_true,
          .expectation =
              "Shattered gradients: autocorrelation at lag 15 of the input gradient is .69 at depth 1, .50 at "
              "10, .28 at 24, .05 at 50, and .87 at 50 with residuals; the order counts.",
          .measure =
              [](Lab& lab) {
                const auto at = [&](int depth, bool residual) {
                  return gradient_autocorrelation(lab.relu, depth, residual, lab.seed, lab.repeats(40));
                };
                Numbers n{{"depth 1", at(1, false)},
                          {"depth 10", at(10, false)},
                          {"depth 24", at(24, false)},
                          {"depth 50", at(50, false)},
                          {"depth 50 with residuals", at(50, true)}};
                n.set("smallest step down from depth 1 to 50",
                      std::min({n["depth 1"] - n["depth 10"], n["depth 10"] - n["depth 24"],
                                n["depth 24"] - n["depth 50"]}));
                n.set("gain by residuals at depth 50", n["depth 50 with residuals"] - n["depth 50"]);
                return n;
              },
          .claimed = {above("smallest step down from depth 1 to 50", 0),
                      at_least("gain by residuals at depth 50", 0.3)},
          .expected = {{"depth 1", 0.69, 0.15},
                       {"depth 10", 0.50, 0.15},
                       {"depth 24", 0.28, 0.15},
                       {"depth 50", 0.05, 0.15},
                       {"depth 50 with residuals", 0.87, 0.15}},
          .sentence =
              [](const Numbers& n) {
                return fmt::format(
                    "How alike are the gradients at neighbouring inputs? Correlation {:.2f} with one layer, {:.2f} "
                    "with "
                    "10, {:.2f} with 24, {:.2f} with 50: the gradient turns into noise. 50 layers with residual "
                    "connections keep {:.2f}.",
                    n["depth 1"], n["depth 10"], n["depth 24"], n["depth 50"], n["depth 50 with residuals"]);
              }};
}

Claim noise_rescues() {
  return {
      .id = 5,
      .text = "Gradient noise or a huge rate in lower layers rescues training, of little use",
      .expected_verdict = Verdict::qualified,
      .expectation = "It rescues a bad initialization (20 layers of 50 ReLU units, N(0, .1²)), not a He one.",
      .needs_images = true,
      .measure =
          [](Lab& lab) {
            TrainingOptions plain{
                .hidden = std::vector<tg::Index>(20, 50), .lr = 0.02, .steps = lab.repeats(2000), .seed = lab.seed};
            TrainingOptions noisy = plain;
            noisy.noise = 1;
            TrainingOptions steep = plain;
            steep.rate_factor = 2;
            std::vector<TrainingOptions> runs;
            for (const tg::Initializer& weights : {tg::normal(0, 0.1), tg::he_normal()})
              for (TrainingOptions options : {plain, noisy, steep}) {
                options.weights = weights;
                runs.push_back(options);
              }
            std::vector<double> accuracy(runs.size());
            const tg::Dataset& data = lab.train_images();
            const tg::Dataset& test = lab.test_images();
            example::two_at_a_time(runs.size(), [&](std::size_t i) {
              accuracy[i] = train(data, test, lab.relu, runs[i]).test_accuracy;
            });
            return Numbers{{"accuracy from N(0, .1²)", accuracy[0]},
                           {"accuracy from N(0, .1²) with noise", accuracy[1]},
                           {"accuracy from N(0, .1²), rate doubling downwards", accuracy[2]},
                           {"accuracy from He", accuracy[3]},
                           {"accuracy from He with noise", accuracy[4]},
                           {"accuracy from He, rate doubling downwards", accuracy[5]},
                           {"gain from N(0, .1²)", std::max(accuracy[1], accuracy[2]) - accuracy[0]},
                           {"gain from He", std::max(accuracy[4], accuracy[5]) - accuracy[3]}};
          },
      .claimed = {at_least("gain from N(0, .1²)", 0.2)},
      .limits = {at_most("gain from He", 0.02)},
      .expected = {{"accuracy from N(0, .1²)", 0.1, 0.02}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "20 ReLU layers started too small learn nothing ({:.0f} %, by chance it would be 10 %); with "
                "gradient "
                "noise, which makes the weights grow, they reach {:.0f} %. Started as He proposed they reach "
                "{:.0f} % "
                "without and {:.0f} % with noise: a good start leaves nothing to rescue. Rates that double from "
                "layer "
                "to layer downwards give {:.0f} % and {:.0f} %.",
                100 * n["accuracy from N(0, .1²)"], 100 * n["accuracy from N(0, .1²) with noise"],
                100 * n["accuracy from He"], 100 * n["accuracy from He with noise"],
                100 * n["accuracy from N(0, .1²), rate doubling downwards"],
                100 * n["accuracy from He, rate doubling downwards"]);
          }};
}

}  // namespace

std::vector<Claim> depth_claims() {
  return {layers_are_linear(), gradient_shrinks_by_both(), relu_can_vanish(), residuals_keep_gradients(),
          noise_rescues()};
}

}  // namespace lab
