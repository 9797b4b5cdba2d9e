#include "tapegrad/inspect/decision_map.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tapegrad/tapegrad.h"

namespace {

namespace tg = tapegrad;
using tg::Index;
using Loss = std::function<tg::Var(tg::Var)>;

/// XOR in a wide and low frame: x1 is 0 or 4, x2 is 0 or 1.
struct Xor {
  tg::Matrix x = (tg::Matrix(4, 2) << 0, 0, 0, 1, 4, 0, 4, 1).finished();
  std::vector<int> labels{0, 1, 1, 0};
  tg::Matrix y = (tg::Matrix(4, 1) << 0, 1, 1, 0).finished();

  void solve(tg::Sequential& net, const Loss& loss) const {
    tg::Adam adam(net.parameters(), {.lr = 0.05});
    tg::Tape tape;
    for (int step = 0; step < 800; ++step) {
      tape.reset();
      loss(net(tape.input(x))).backward();
      adam.step();
    }
  }
  /// What the map says in the cells of the four points; they lie 1/6 from the edges.
  std::vector<int> answers(const tg::DecisionMap& map) const {
    std::vector<int> classes;
    for (Index i = 0; i < 4; ++i) {
      const auto cell = [&](std::size_t axis) {
        const double place = (static_cast<double>(x(i, static_cast<Index>(axis))) - map.low[axis]) /
                             (map.high[axis] - map.low[axis]);
        return static_cast<std::size_t>(place * static_cast<double>(map.cells));
      };
      classes.push_back(
          static_cast<int>(std::lround(map.output[cell(1) * static_cast<std::size_t>(map.cells) + cell(0)])));
    }
    return classes;
  }
};

tg::Sequential network(tg::Rng& rng, Index outputs) {
  tg::Sequential net{tg::Linear(2, 8, rng), tg::Tanh(), tg::Linear(8, outputs, rng)};
  return net;
}

}  // namespace

TEST_CASE("decision map: a solved XOR is drawn right, whatever the output means") {
  const Xor task;
  tg::Rng rng(4);
  tg::Sequential logit = network(rng, 1), value = network(rng, 1), sigmoid = network(rng, 1),
                 both = network(rng, 1), classes = network(rng, 2);
  sigmoid.add(tg::Sequential{tg::Sigmoid()});
  both.add(tg::Tanh());
  task.solve(logit, [&](tg::Var z) { return tg::bce_with_logits(z, task.y); });
  task.solve(value, [&](tg::Var z) { return tg::mse(z, task.y); });
  task.solve(sigmoid, [&](tg::Var z) { return tg::mse(z, task.y); });
  task.solve(both, [&](tg::Var z) { return tg::mse(z, (2 * task.y.array() - 1).matrix()); });
  task.solve(classes, [&](tg::Var z) { return tg::cross_entropy(z, task.labels); });
  for (tg::Sequential* net : {&logit, &value, &sigmoid, &both, &classes}) {
    const tg::DecisionMap map = tg::decision_map(*net, task.x, task.labels, 60);
    CHECK(task.answers(map) == task.labels);
    CHECK(map.low == std::array<double, 2>{-1, -0.25});
    CHECK(map.high == std::array<double, 2>{5, 1.25});
    for (const double answer : map.output) CHECK((answer >= 0 && answer <= 1));
  }
  CHECK(task.answers(tg::decision_map(value, task.x, task.labels, 60, tg::SingleOutput::probability)) ==
        task.labels);
  CHECK(task.answers(tg::decision_map(logit, task.x, task.labels, 60, tg::SingleOutput::logit)) == task.labels);
  CHECK(task.answers(tg::decision_map(value, task.x, task.labels, 60, tg::SingleOutput::logit)) != task.labels);
}

TEST_CASE("decision map: of several outputs it has the probabilities of all classes") {
  const Xor task;
  tg::Rng rng(4);
  tg::Sequential net = network(rng, 3);
  const auto check = [&] {
    const tg::DecisionMap map = tg::decision_map(net, task.x, task.labels, 2);
    REQUIRE(map.probabilities.size() == 4 * 3);
    tg::Matrix centre(1, 2);
    centre << 0.5f, 0.125f;  // of the first cell: a quarter of the way from (-1, -0.25) to (5, 1.25)
    const tg::Matrix y = net.predict(centre);
    double sum = 0;
    for (Index c = 0; c < 3; ++c)
      sum += net.size() > 3 ? static_cast<double>(y(0, c)) : std::exp(static_cast<double>(y(0, c)));
    for (std::size_t c = 0; c < 3; ++c) {
      const double value = static_cast<double>(y(0, static_cast<Index>(c)));
      CHECK(map.probabilities[c] == doctest::Approx((net.size() > 3 ? value : std::exp(value)) / sum).scale(0));
    }
    return map.probabilities;
  };
  const std::vector<double> from_logits = check();
  net.add(tg::Softmax());  // says the same, and is not softened again
  const std::vector<double> from_softmax = check();
  for (std::size_t i = 0; i < from_logits.size(); ++i)
    CHECK(from_softmax[i] == doctest::Approx(from_logits[i]).scale(0));
  tg::Sequential one = network(rng, 1);
  CHECK(tg::decision_map(one, task.x, task.labels, 2).probabilities.empty());
}

TEST_CASE("decision map: what it cannot draw") {
  const Xor task;
  tg::Rng rng(4);
  tg::Sequential net = network(rng, 1);
  const auto error = [&](const tg::Matrix& x, Index cells) {
    try {
      tg::decision_map(net, x, task.labels, cells);
    } catch (const tg::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  for (const Index cells : {Index(-1), Index(0), Index(1), Index(1001), Index(1) << 40})
    CHECK(error(task.x, cells) == "[decision_map] cells must be from 2 to 1000, got " + std::to_string(cells));
  CHECK(error(tg::Matrix::Ones(4, 3), 60) == "[decision_map] needs inputs of two columns, got 4x3");
  CHECK(error(tg::Matrix(0, 2), 60) == "[decision_map] needs at least one point, got none");
  CHECK(error(tg::Matrix::Ones(3, 2), 60) == "[decision_map] 4 labels for 3 points");
  tg::Matrix x = task.x;
  x(2, 1) = std::numeric_limits<float>::quiet_NaN();
  CHECK(error(x, 60) == "[decision_map] needs finite inputs");
  net.at<tg::Linear>(0).weight.mutable_value()(0, 0) = std::numeric_limits<float>::quiet_NaN();
  for (const double answer : tg::decision_map(net, task.x, task.labels, 2).output) CHECK(std::isnan(answer));
}
