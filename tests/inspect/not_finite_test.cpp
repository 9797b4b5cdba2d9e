#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tapegrad/tapegrad.h"

/// What the view inside says of networks with values that are not finite. They are really trained.

namespace {

namespace tg = tapegrad;
using tg::Index;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float inf = std::numeric_limits<float>::infinity();

/// A regression with two hidden layers; what may be wrong is changed before step `from`.
struct Regression {
  explicit Regression(const std::string& f) : net(tg::mlp({4, 20, 20, 1}, tg::activation(f), rng)) {
    for (float& v : x.reshaped()) v = static_cast<float>(rng.normal());
    for (Index i = 0; i < x.rows(); ++i) y(i, 0) = 3 * std::sin(x(i, 0)) + x(i, 1);
  }
  template <class Change> const tg::RunRecord& train(double lr, Index from, const Change& change) {
    tg::Sgd sgd(net.parameters(), {.lr = lr});
    for (Index step = 0; step < 80; ++step) {
      if (step == from) change();
      tape.reset();
      const tg::Var loss = tg::mse(net(tape.input(x)), y);
      loss.backward();
      sgd.step();
      monitor.step(loss, {.lr = lr});
    }
    return monitor.record();
  }

  tg::Rng rng{1};
  tg::Sequential net;
  tg::Matrix x = tg::Matrix(32, 4), y = tg::Matrix(32, 1);
  tg::Monitor monitor{net, {.confirm_after = 5}};
  tg::Tape tape;
};

const tg::Finding& not_finite(const std::vector<tg::Finding>& all) {
  const auto found =
      std::find_if(all.begin(), all.end(), [](const auto& each) { return each.rule == "not finite"; });
  REQUIRE(found != all.end());
  return *found;
}

/// Where all of z is NaN, nothing is dead, asleep or saturated, and nothing has come back to life.
void check_units(const tg::RunRecord& record) {
  for (const tg::LayerRecord& layer : record.layers) {
    const tg::LayerStep& last = layer.steps.back();
    REQUIRE(!std::isfinite(last.z_mean));
    for (const double share :
         {last.dead_batch, last.dead_epoch, last.dead_since, last.asleep, last.saturated_low, last.saturated_high})
      CHECK(share == 0);
    for (const Index since : layer.dead_since) CHECK(since == -1);
    for (const tg::Death& death : layer.deaths)
      if (death.revived) CHECK(*death.revived < *record.nan_step);
  }
}

}  // namespace

TEST_CASE("not finite: a network that blows up is told to lower the learning rate, and no unit of it is dead") {
  for (const char* f : {"relu", "tanh", "softplus", "sigmoid", "elu", "gelu", "selu", "softsign", "leaky_relu"}) {
    CAPTURE(f);
    Regression task(f);
    const tg::RunRecord& record = task.train(5, 0, [] {});
    REQUIRE(record.nan_step);
    CHECK(*record.nan_step > 0);
    CHECK(!record.nan_input);
    if (std::string_view(f) != "relu") check_units(record);  // units of relu may really have died before
    const auto all = tg::findings(record);
    CHECK(not_finite(all).text.find("lower the learning rate (5)") != std::string::npos);
    for (const tg::Finding& each : all) CHECK((each.rule != "dying relu" || std::string_view(f) == "relu"));
  }
}

TEST_CASE("not finite: data that are not finite are named, and not the learning rate") {
  for (const char* f : {"relu", "tanh"})
    for (const Index from : {0, 50}) {
      CAPTURE(f);
      CAPTURE(from);
      const std::string since = from == 0 ? "the loss is not finite from the first step on, before any update: "
                                          : "the loss is not finite since step 50: ";
      Regression missing(f);
      const tg::RunRecord& input = missing.train(0.01, from, [&] { missing.x(3, 2) = not_a_number; });
      CHECK(input.nan_input);
      check_units(input);
      const auto of_input = tg::findings(input);
      CHECK(not_finite(of_input).text ==
            since + "the inputs of that step are not finite; check the data, for example for missing values");
      CHECK(of_input.size() == 1);

      Regression wrong(f);
      const tg::RunRecord& target = wrong.train(0.01, from, [&] { wrong.y(3, 0) = inf; });
      CHECK(!target.nan_input);
      CHECK(
          not_finite(tg::findings(target)).text ==
          since +
              "the output of the network is finite, so the targets are not, or the loss cannot take it; check the "
              "targets");
    }
}

TEST_CASE("not finite: one batch with NaN neither kills nor revives a unit") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(1, 2, rng, {.weight_init = tg::constant(1), .bias_init = tg::zeros()}), tg::Relu(),
                     tg::Linear(2, 1, rng)};
  net.at<tg::Linear>(0).bias.mutable_value() << -100, 0;
  tg::Monitor monitor(net, {.confirm_after = 2});
  tg::Tape tape;
  for (int step = 0; step < 9; ++step) {
    tape.reset();
    const tg::Var loss = tg::mean(net(tape.input(tg::Matrix::Constant(3, 1, step == 5 ? not_a_number : 1))));
    loss.backward();
    monitor.step(loss);
    const tg::LayerRecord& layer = monitor.record().layers[0];
    CHECK(layer.steps.back().dead_batch == (step == 5 ? 0 : 0.5));
    CHECK(layer.steps.back().dead_since == (step == 5 || step < 2 ? 0 : 0.5));
    CHECK(layer.dead_since == std::vector<Index>{step == 5 || step < 2 ? -1 : 0, -1});
    CHECK(layer.deaths.size() == (step < 2 ? 0 : 1));
  }
  CHECK(!monitor.record().layers[0].deaths[0].revived);
}

TEST_CASE("not finite: preflight says what is wrong before any update") {
  Regression task("relu");
  const auto last = [&] {
    const std::string text = tg::to_text(
        tg::preflight(task.net, task.x, [&](tg::Var output) { return tg::mse(output, task.y); }, {.lr_steps = 0}));
    return text.substr(text.rfind("\n\n") + 2);
  };
  for (const auto parameter : {0, 2})
    task.net.parameters()[static_cast<std::size_t>(parameter)].mutable_value() *= 1e30f;
  CHECK(last() ==
        "critical: the loss is not finite from the first step on, before any update:\n"
        "  values grow too large or leave the domain of an op; scale the inputs, or use\n"
        "  smaller weights (he_normal); NanBlame names the op\n");
  task.x(0, 0) = not_a_number;
  CHECK(last() ==
        "critical: a value of the inputs is not finite, the first in row 0, column 0: one\n"
        "  is enough to make every weight NaN; leave out such rows, or fill them in\n"
        "critical: the loss is not finite from the first step on, before any update: the\n"
        "  inputs of that step are not finite; check the data, for example for missing\n"
        "  values\n");
}

TEST_CASE("not finite: a census judges only what it has seen, and revive changes nothing by the rest") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(1, 2, rng, {.weight_init = tg::constant(1), .bias_init = tg::zeros()}), tg::Relu(),
                     tg::Linear(2, 1, rng)};
  net.at<tg::Linear>(0).bias.mutable_value() << -100, 0;
  const tg::Matrix weight = net.at<tg::Linear>(0).weight.value();
  for (const tg::Matrix& x : {tg::Matrix(0, 1), tg::Matrix(tg::Matrix::Constant(3, 1, not_a_number)),
                              (tg::Matrix(2, 1) << -1, inf).finished()}) {
    const auto census = tg::census(net, x);
    CHECK(census[0].dead == std::vector<bool>{false, false});
    CHECK(census[0].asleep == std::vector<bool>{false, false});
    CHECK(census[0].firing_rate == std::vector<double>{0, 0});
    CHECK(tg::revive_dead(net, census, rng) == 0);
    CHECK(net.at<tg::Linear>(0).weight.value() == weight);
  }
  CHECK(tg::census(net, tg::Matrix::Ones(3, 1))[0].dead == std::vector<bool>{true, false});
}
