// What the page of the playground trains, without a browser.
#include "../../playground/session.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace playground;

namespace {

std::vector<float> first_losses(const Config& config) {
  Session session(config);
  session.run(100);
  return session.first_losses();
}

Index dead_in(const std::vector<std::vector<UnitState>>& layers) {
  Index count = 0;
  for (const auto& units : layers)
    count += std::count_if(units.begin(), units.end(), [](const UnitState& u) { return u.state == "dead"; });
  return count;
}

/// Every state is what the library's census says.
void check_census(Session& session) {
  const auto shown = session.units();
  const auto census = tg::census(session.net(), session.train().inputs);
  REQUIRE(shown.size() == census.size());
  for (std::size_t l = 0; l < shown.size(); ++l) {
    REQUIRE(shown[l].size() == census[l].dead.size());
    for (std::size_t u = 0; u < shown[l].size(); ++u) {
      CAPTURE(l);
      CAPTURE(u);
      CHECK((shown[l][u].state == "dead") == census[l].dead[u]);
      CHECK((shown[l][u].state == "asleep") == (census[l].asleep[u] && !census[l].dead[u]));
      CHECK(shown[l][u].firing_rate == census[l].firing_rate[u]);
    }
  }
}

}  // namespace

TEST_CASE(
    "playground: every kind of data has two classes, as many points as were asked for, and repeats with its seed") {
  for (const char* data : {"xor", "circles", "moons", "spirals", "blobs"}) {
    CAPTURE(data);
    const Config config{.data = data, .points = 120};
    tg::Rng rng(1), same(1), other(2);
    const tg::Dataset points = points_of(config, rng);
    CHECK(points.size() == 120);
    CHECK(points.inputs.cols() == 2);
    CHECK(std::count(points.labels.begin(), points.labels.end(), 1) == 60);
    CHECK(points_of(config, same).inputs == points.inputs);
    CHECK(points_of(config, other).inputs != points.inputs);
  }
  tg::Rng rng(1);
  const tg::Dataset own = points_of({.data = "own", .input_scale = 10, .own = {-1, 2, 0, 3, -4, 1}}, rng);
  CHECK(own.inputs == (tg::Matrix(2, 2) << -10, 20, 30, -40).finished());
  CHECK(own.labels == std::vector<int>{0, 1});
}

TEST_CASE("playground: what it does not know is refused") {
  tg::Rng rng(1);
  CHECK_THROWS_WITH_AS(points_of({.data = "stars"}, rng), "[playground] no data named 'stars'", tg::Error);
  CHECK_THROWS_WITH_AS(points_of({.data = "own", .own = {1, 1, 1}}, rng),
                       "[playground] needs at least 2 points, got 1", tg::Error);
}

TEST_CASE(
    "playground: validation points are not trained on; standardized inputs have mean 0 and standard deviation 1") {
  Session session(Config{.points = 200, .validation = 0.2, .input_scale = 100, .standardized = true});
  CHECK(session.train().size() == 160);
  CHECK(session.validation().size() == 40);
  for (const Index col : {0, 1}) {
    const Eigen::ArrayXd x = session.train().inputs.col(col).cast<double>().array();
    CHECK(x.mean() == doctest::Approx(0).epsilon(1e-5));
    CHECK(std::sqrt((x - x.mean()).square().mean()) == doctest::Approx(1).epsilon(1e-4));
  }
  Session all(Config{.points = 200, .validation = 0});
  CHECK(all.train().size() == 200);
  CHECK(std::isnan(all.evaluate_validation().loss));
}

TEST_CASE("playground: a run learns two moons, the same way each time, with the monitor or without") {
  Session session(Config{.optimizer = "sgd", .lr = 0.1});
  session.run(3000);
  CHECK(session.steps() == 3000);
  CHECK(session.first_losses().size() == 100);
  CHECK(session.evaluate_validation().loss < 0.1);
  CHECK(session.evaluate_train().accuracy > 0.97);
  Session alone(session.config());
  alone.run_alone(3000);
  CHECK(alone.evaluate_train().loss == session.evaluate_train().loss);
}

TEST_CASE("playground: settings that are changed before the first step give the run that begins with them") {
  const Config changed{.optimizer = "sgd", .lr = 0.05, .momentum = 0.9, .weight_decay = 0.01, .batch = 30};
  Session session(Config{});
  session.retune(changed);
  session.run(100);
  CHECK(session.first_losses() == first_losses(changed));
  CHECK(session.first_losses() != first_losses(Config{}));
}

TEST_CASE("playground: settings that are refused change nothing") {
  Session session(Config{});
  Config wrong = session.config();
  wrong.lr = -1;
  CHECK_THROWS_AS(session.retune(wrong), tg::Error);
  wrong = session.config();
  wrong.optimizer = "none";
  CHECK_THROWS_AS(session.retune(wrong), tg::Error);
  CHECK(session.config() == Config{});
  session.run(100);
  CHECK(session.first_losses() == first_losses(Config{}));
}

TEST_CASE("playground: a run that begins with the weights of another, where they fit") {
  Session first(Config{});
  first.run(200);
  Config next = first.config();
  next.noise = 0.3;
  Session second(next, &first);
  CHECK(second.steps() == 0);
  CHECK(dynamic_cast<tg::Linear&>(second.net()[0]).weight.value() ==
        dynamic_cast<tg::Linear&>(first.net()[0]).weight.value());
  next.hidden = {8, 4};
  CHECK_THROWS_AS(Session(next, &first), tg::Error);
}

TEST_CASE("playground: biases of −10 kill ReLU units, which the census names, and revive brings some back") {
  Session session(Config{.activation = "relu", .initializer = "he_normal"});
  session.run(50);
  check_census(session);
  session.damage("biases");
  check_census(session);
  const Index dead = dead_in(session.units());
  CHECK(dead == 16);
  const auto* output = dynamic_cast<const tg::Linear*>(&session.net()[4]);
  REQUIRE(output != nullptr);
  CHECK(output->bias.value()(0, 0) != -10);
  CHECK(session.revive() == dead);
  CHECK(dead_in(session.units()) < dead);
  check_census(session);
  session.run(50);
  CHECK(std::isfinite(session.evaluate_train().loss));
}

TEST_CASE("playground: weights × 10 and weights 0") {
  Session session(Config{});
  const auto& weight = dynamic_cast<tg::Linear&>(session.net()[2]).weight;
  const tg::Matrix before = weight.value();
  session.damage("weights");
  CHECK(weight.value() == tg::Matrix(before * 10));
  session.damage("zero");
  CHECK(weight.value().isZero(0));
  session.run(20);  // tanh of 0 is 0, and no gradient passes weights of 0
  CHECK(weight.value().isZero(0));
  CHECK(session.revive() == 0);
}

TEST_CASE("playground: large inputs saturate sigmoid") {
  Session session(Config{.hidden = {8}, .activation = "sigmoid", .input_scale = 1000});
  check_census(session);
  const auto units = session.units();
  for (const UnitState& unit : units[0]) CHECK(unit.state != "alive");
}

TEST_CASE("playground: one picture of each hidden unit and one of the output, within their ranges") {
  Session session(Config{.hidden = {4, 3}, .activation = "relu"});
  const std::vector<float> pictures = session.pictures(10);
  REQUIRE(pictures.size() == (4 + 3 + 1) * 100);
  CHECK(std::all_of(pictures.begin(), pictures.end(), [](float v) { return v >= -1 && v <= 1; }));
  CHECK(std::all_of(pictures.end() - 100, pictures.end(), [](float v) { return v > 0 && v < 1; }));
}

TEST_CASE("playground: programs name what differs, and have at most 32 lines") {
  const std::string plain = program_of(Config{});
  CHECK(plain.find("tg::Rng rng(42)") != std::string::npos);
  CHECK(plain.find("tg::activation(\"tanh\")") != std::string::npos);
  CHECK(plain.find("batch_norm") == std::string::npos);
  const std::string full = program_of({.data = "own",
                                       .momentum = 0.9,
                                       .weight_decay = 0.1,
                                       .batch_norm = true,
                                       .dropout = 0.5,
                                       .softmax_twice = true,
                                       .shuffled_labels = true,
                                       .input_scale = 10,
                                       .standardized = true});
  for (const char* words : {"points.csv", ".momentum = 0.9", ".weight_decay = 0.1", ".batch_norm = true",
                            ".dropout = 0.5", "tg::Softmax()", "rng.below(2)", "*= 10", "tg::Scaler"}) {
    CAPTURE(words);
    CHECK(full.find(words) != std::string::npos);
  }
  CHECK(std::count(plain.begin(), plain.end(), '\n') <= 30);
  CHECK(std::count(full.begin(), full.end(), '\n') <= 32);
}
