#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "refuse_allocations.h"
#include "tapegrad/inspect/statistics.h"
#include "tapegrad/tapegrad.h"

/// What a monitor does when memory runs out, when it is misused, and with very many numbers.

namespace {

namespace tg = tapegrad;
using tg::Index;

/// Everything in a record, as text.
std::string text_of(const tg::RunRecord& record) {
  const auto path =
      std::filesystem::temp_directory_path() / ("tapegrad_log_" + std::to_string(std::random_device()()));
  tg::write_log(path.string(), std::array{record});
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  std::filesystem::remove(path);
  return text;
}

/// Trains with a unit that dies and one that comes back, and looks at every step.
struct Training {
  tg::Rng rng{3};
  tg::Sequential net{tg::Linear(2, 9, rng), tg::Relu(), tg::Linear(9, 7, rng), tg::Tanh(), tg::Linear(7, 2, rng)};
  tg::Sgd sgd{net.parameters(), {.lr = 0.1}};
  tg::Dataset data = tg::two_moons(30, 0.1, rng);
  tg::Monitor monitor{net, {.histogram_every = 2, .firing_every = 2, .confirm_after = 1, .classes = 2}};
  tg::Tape tape;
  tg::Var loss = tape.input(0);

  void train(int step) {
    tape.reset();
    loss = tg::cross_entropy(net(tape.input(data.inputs)), data.labels);
    loss.backward();
    sgd.step();
    auto& bias = net.at<tg::Linear>(0).bias.mutable_value();
    if (step == 1) bias(0, 2) = -100;
    if (step == 3) bias(0, 2) = 1;
  }
  void look() { monitor.step(loss, {.lr = 0.1}); }
};

TEST_CASE("monitor: a step that fails for want of memory leaves nothing in the record, and can be repeated") {
  const int steps = 7;
  Training reference;
  for (int step = 0; step < steps; ++step) reference.train(step), reference.look();
  const std::string expected = text_of(reference.monitor.record());
  REQUIRE(reference.monitor.record().layers[0].deaths.size() > 0);
  for (int fails = 0; fails < steps; ++fails)
    for (const bool from_then_on : {false, true})
      for (std::size_t granted = 0; refusing::possible(); ++granted) {
        Training run;
        bool refused = false;
        for (int step = 0; step < steps; ++step) {
          run.train(step);
          if (step != fails) {
            run.look();
            continue;
          }
          bool thrown = false;
          refusing::begin(granted, from_then_on);
          try {
            run.look();
          } catch (const std::bad_alloc&) {
            thrown = true;
          }
          refused = refusing::end();
          CHECK(thrown == refused);
          if (thrown) CHECK(run.monitor.steps() == step);
          if (thrown) run.look();
        }
        const bool same = text_of(run.monitor.record()) == expected;
        CHECK(same);
        if (!refused) break;
      }
}

TEST_CASE("monitor: a parameter of another shape than before is an error that names it") {
  Training run;
  run.train(0);
  run.look();
  run.train(1);
  const tg::Matrix weight = run.net.at<tg::Linear>(2).weight.value();
  run.net.at<tg::Linear>(2).weight.mutable_value() = tg::Matrix::Ones(500, 500);
  CHECK_THROWS_WITH_AS(run.look(), "[monitor] parameter 2.weight was 7x9, now it is 500x500", tg::Error);
  CHECK(run.monitor.steps() == 1);
  CHECK(run.monitor.record().loss.size() == 1);
  run.net.at<tg::Linear>(2).weight.mutable_value() = weight;
  run.look();
  CHECK(run.monitor.record().parameters[2].steps.size() == 2);
}

TEST_CASE("monitor: the loss of another network is an error, and so is a monitor that was moved from") {
  Training run, other;
  run.train(0);
  other.train(0);
  CHECK_THROWS_WITH_AS(run.monitor.step(other.loss),
                       "[monitor] the network it watches has recorded nothing before the loss, variable #12 "
                       "(cross_entropy)",
                       tg::Error);
  CHECK(run.monitor.steps() == 0);
  run.look();
  tg::Monitor moved = std::move(run.monitor);
  CHECK(moved.steps() == 1);
  const std::string message = "[monitor] this one was moved from";
  CHECK_THROWS_WITH_AS(run.look(), message.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(run.monitor.end_epoch(), message.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(run.monitor.steps(), message.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(run.monitor.record(), message.c_str(), tg::Error);
  CHECK_THROWS_WITH_AS(std::as_const(run.monitor).record(), message.c_str(), tg::Error);
}

TEST_CASE("monitor: deaths that are over do not pile up, and those that are not stay") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(1, 3, rng, {.weight_init = tg::constant(1), .bias_init = tg::zeros()}), tg::Relu(),
                     tg::Linear(3, 1, rng)};
  net.at<tg::Linear>(0).bias.mutable_value() << 0, -100, 0;
  tg::Monitor monitor(net, {.every = 1, .confirm_after = 0, .most_records = 20});
  tg::Tape tape;
  Index all = 0;
  for (int step = 0; step < 1000; ++step) {
    tape.reset();
    const tg::Var loss = tg::mean(net(tape.input(tg::Matrix::Constant(1, 1, step % 2 == 0 ? 1 : -1))));
    loss.backward();
    monitor.step(loss);
    all += step % 2;
    const tg::LayerRecord& layer = monitor.record().layers[0];
    CHECK(layer.deaths.size() <= 23);
    CHECK(layer.dead_since == std::vector<Index>{step % 2 == 0 ? -1 : step, 0, step % 2 == 0 ? -1 : step});
    Index now = 0;
    for (const tg::Death& death : layer.deaths) {
      now += !death.revived;
      if (death.revived) CHECK(*death.revived == death.step + 1);
    }
    CHECK(now == (step % 2 == 0 ? 1 : 3));
  }
  CHECK(all == 500);
}

TEST_CASE("statistics: sums of very many numbers are as exact as the numbers") {
  const Index many = 100'000'000;
  const auto near = [](double a, double b) { return std::abs(a - b) <= 4e-7 * std::abs(b); };
  CHECK(near(tg::sum_of(Eigen::ArrayXf::Constant(many, 0.1f)), 1e7));
  CHECK(near(tg::mean_of(Eigen::ArrayXf::Constant(many, 0.7f).square()), 0.49));
  const auto ramp = Eigen::ArrayXf::NullaryExpr(many, [](Index i) { return static_cast<float>(i % 1000) / 999; });
  CHECK(near(tg::sum_of(ramp), 5e7));
  CHECK(tg::sum_of(Eigen::ArrayXf(0)) == 0);
  CHECK(tg::sum_of(Eigen::ArrayXf::LinSpaced(33, 0, 32)) == 528);
}

TEST_CASE("monitor: its figures hold for a million samples far from zero") {
  const Index rows = 1'000'003;
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(1, 1, rng, {.weight_init = tg::constant(1), .bias_init = tg::zeros()}), tg::Relu(),
                     tg::Linear(1, 1, rng, {.weight_init = tg::constant(1), .bias_init = tg::zeros()})};
  tg::Matrix x(rows, 1);
  double sum = 0, squares = 0;
  for (Index i = 0; i < rows; ++i) {
    x(i, 0) = static_cast<float>(1000 + rng.normal());
    sum += static_cast<double>(x(i, 0));
  }
  const double mean = sum / static_cast<double>(rows);
  for (Index i = 0; i < rows; ++i) squares += std::pow(static_cast<double>(x(i, 0)) - mean, 2);
  const double std = std::sqrt(squares / static_cast<double>(rows));
  tg::Monitor monitor(net);
  tg::Tape tape;
  const tg::Var loss = tg::sum(net(tape.input(x)));
  loss.backward();
  monitor.step(loss);
  const tg::RunRecord& record = monitor.record();
  const auto near = [](double a, double b) { return std::abs(a - b) <= 4e-7 * std::abs(b); };
  CHECK(near(record.input_mean, mean));
  CHECK(near(record.input_std, std));
  CHECK(near(record.layers[0].steps[0].mean, mean));
  CHECK(near(record.layers[0].steps[0].std, std));
  CHECK(near(record.layers[0].steps[0].gradient_rms, 1));
  CHECK(near(record.layers[1].steps[0].sample_std, std));
}

}  // namespace
