#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "tapegrad/core/activations.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/inspect/describe.h"
#include "tapegrad/inspect/findings.h"
#include "tapegrad/inspect/monitor.h"
#include "tapegrad/inspect/preflight.h"
#include "tapegrad/inspect/remedies.h"
#include "tapegrad/io/batches.h"
#include "tapegrad/io/loader.h"
#include "tapegrad/io/toy.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/linear.h"
#include "tapegrad/layers/normalization.h"
#include "tapegrad/optim/optimizers.h"

/// Every rule on networks that are trained: one that it is about, and a healthy one near it.

using namespace tapegrad;

namespace {

using LossOf = std::function<Var(Var output, std::span<const int> labels)>;

Var by_class(Var output, std::span<const int> labels) { return cross_entropy(output, labels); }

/// How a network is trained: two moons, 32 at a time.
struct Training {
  Index steps = 1200;
  double lr = 0.1;
  LossOf loss = by_class;
  Index classes = 2;
  double momentum = 0;
  double weight_decay = 0;
  std::function<double(Index step)> schedule = nullptr;
  bool ascend = false;
  bool in_eval = false;
  std::vector<std::string> left_out = {};  ///< parameters that the optimizer does not get
  bool data_known = true;
  std::function<void(Sequential&, Monitor&)> at_end = nullptr;
};

Dataset moons(double noise = 0.1) {
  Rng rng(3);
  return two_moons(400, noise, rng);
}

std::vector<Parameter> learned(Sequential& net, const Training& how) {
  std::vector<Parameter> result;
  for (const auto& [path, parameter] : net.named_parameters())
    if (std::find(how.left_out.begin(), how.left_out.end(), path) == how.left_out.end())
      result.push_back(parameter);
  return result;
}

RunRecord trained(Sequential& net, const Dataset& data, const Training& how = {}) {
  const std::vector<Parameter> parameters = learned(net, how);
  Sgd sgd(parameters, {.lr = how.lr, .momentum = how.momentum, .weight_decay = how.weight_decay});
  MonitorOptions options{.classes = how.classes,
                         .optimizer = {.name = "sgd", .momentum = how.momentum, .weight_decay = how.weight_decay}};
  if (how.data_known) options.data = describe(data.inputs, data.labels, data.classes);
  Monitor monitor(net, options);
  Batches batches(data.size(), 32, Rng(7));
  Tape tape;
  std::vector<int> labels;
  net.train(!how.in_eval);
  for (Index step = 0; step < how.steps;)
    for (const std::span<const Index> rows : batches.epoch()) {
      if (step++ == how.steps) break;
      tape.reset();
      Matrix x(static_cast<Index>(rows.size()), data.inputs.cols());
      gather_rows(data.inputs, rows, x.data());
      gather_labels(data.labels, rows, labels);
      const Var loss = how.loss(net(tape.input(x)), labels);
      loss.backward();
      const double lr = how.schedule ? how.schedule(step) : how.lr;
      if (how.ascend) {
        for (Parameter p : parameters) p.mutable_value() += static_cast<float>(lr) * p.grad();
      } else {
        sgd.set_lr(lr);
        sgd.step();
      }
      monitor.step(loss, {.lr = lr});
    }
  if (how.at_end) how.at_end(net, monitor);
  return monitor.record();
}

LinearOptions starting(Initializer weights, double bias = 0) {
  return {.weight_init = std::move(weights), .bias_init = constant(bias)};
}

Sequential healthy_net(std::uint64_t seed = 1) {
  Rng rng(seed);
  return Sequential{Linear(2, 32, rng, starting(he_normal())), Relu(), Linear(32, 32, rng, starting(he_normal())),
                    Relu(), Linear(32, 2, rng)};
}

std::vector<Finding> alarms(const RunRecord& record) {
  std::vector<Finding> result = findings(record);
  std::erase_if(result, [](const Finding& each) { return each.severity == Severity::info; });
  return result;
}

/// The finding that leads, which must be of this rule.
Finding leading(const RunRecord& record, std::string_view rule) {
  const std::vector<Finding> all = alarms(record);
  std::string found;
  for (const Finding& each : all) found += each.rule + ": " + each.text + "\n";
  CAPTURE(found);
  REQUIRE(!all.empty());
  CHECK(all[0].rule == rule);
  CHECK(all[0].effect_of.empty());
  for (std::size_t i = 1; i < all.size(); ++i) CHECK((all[i].rule == rule || all[i].effect_of == rule));
  return all[0];
}

bool silent(const RunRecord& record, std::string_view rule = "") {
  for (const Finding& each : alarms(record)) {
    CAPTURE(each.text);
    if (rule.empty() || each.rule == rule) {
      MESSAGE(each.rule, ": ", each.text);
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("diagnosis: healthy networks get no alarm, at any time") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    Sequential net = healthy_net(seed);
    for (const Index steps : {1, 10, 100, 400}) {
      Sequential young = healthy_net(seed);
      CHECK(silent(trained(young, moons(), {.steps = steps})));
    }
    CHECK(silent(trained(net, moons())));
  }
  Sequential hard = healthy_net();  // the classes overlap, so that no network can get below 0.6·ln 2
  CHECK(silent(trained(hard, moons(0.5))));
}

TEST_CASE("diagnosis: input not finite") {
  Dataset data = moons();
  data.inputs(123, 1) = std::numeric_limits<float>::quiet_NaN();
  Sequential net = healthy_net();
  const Finding found = leading(trained(net, data), "input not finite");
  CHECK(found.text ==
        "a value of the inputs is not finite, the first in row 123, column 1: one is enough to make every weight "
        "NaN; leave "
        "out such rows, or fill them in");
  CHECK(found.source == Source::data);
  // Units of which z is not finite are neither dead nor saturated.
  CHECK(silent(trained(net, data), "dying relu"));
}

TEST_CASE("diagnosis: labels constant, class imbalance") {
  Dataset data = moons();
  for (int& label : data.labels) label = 1;
  Sequential net = healthy_net();
  const RunRecord record = trained(net, data);
  leading(record, "labels constant");
  Sequential other = healthy_net();
  leading(trained(other, data, {.data_known = false}), "labels constant");
  for (std::size_t i = 0; i < 12; ++i) data.labels[i * 30] = 0;
  Sequential third = healthy_net();
  const Finding found = leading(trained(third, data), "class imbalance");
  CHECK(found.text ==
        "97 % of the samples are of class 1: always saying so is right that often, and the others hardly count in "
        "the loss; "
        "look at the accuracy of each class, and collect or repeat samples of the others; no setting of the "
        "training makes up "
        "for them");
  for (std::size_t i = 0; i < 60; ++i) data.labels[i * 6] = 0;
  Sequential fourth = healthy_net();
  CHECK(silent(trained(fourth, data), "class imbalance"));
}

TEST_CASE("diagnosis: unscaled inputs, as a whole and one column") {
  Dataset data = moons();
  data.inputs *= 1000;
  Sequential net = healthy_net();
  leading(trained(net, data), "unscaled inputs");
  data = moons();
  data.inputs *= 0.001f;
  Sequential small = healthy_net();
  leading(trained(small, data), "unscaled inputs");
  data = moons();
  data.inputs.col(1) *= 1000;
  Sequential column = healthy_net();
  CHECK(leading(trained(column, data), "unscaled inputs").text ==
        "column 1 of the inputs has a standard deviation of 510, the others about 0.87: the network hardly sees "
        "the others; "
        "scale every column to mean 0 and standard deviation 1");
  data = moons();
  data.inputs.col(1) *= 5;
  Sequential wide = healthy_net();
  CHECK(silent(trained(wide, data), "unscaled inputs"));
}

TEST_CASE("diagnosis: constant input") {
  Dataset data = moons();
  data.inputs.col(1).setConstant(0.5f);
  Sequential net = healthy_net();
  CHECK(leading(trained(net, data), "constant input").text ==
        "column 1 of the inputs is 0.5 in all 400 rows: it tells nothing; check how it is read, or leave it out");
}

TEST_CASE("diagnosis: unscaled targets") {
  const auto scaled = [](float size) {
    return [size](Var output, std::span<const int> labels) {
      Matrix t(output.rows(), 1);
      for (Index i = 0; i < t.rows(); ++i) t(i, 0) = size * static_cast<float>(labels[static_cast<std::size_t>(i)]);
      return mse(output, t);
    };
  };
  const auto net = [] {
    Rng rng(1);
    return Sequential{Linear(2, 32, rng, starting(he_normal())), Relu(), Linear(32, 1, rng)};
  };
  Sequential large = net();
  leading(trained(large, moons(), {.lr = 1e-6, .loss = scaled(300), .classes = 0, .data_known = false}),
          "unscaled targets");
  Sequential usual = net();
  CHECK(silent(trained(usual, moons(), {.loss = scaled(1), .classes = 0, .data_known = false})));
}

TEST_CASE("diagnosis: output activation") {
  const auto net = [](const char* f) {
    Rng rng(1);
    Sequential result{Linear(2, 32, rng, starting(he_normal())), Relu(), Linear(32, 2, rng)};
    if (*f != 0) result.add(activation(f), 2);
    return result;
  };
  for (const char* f : {"softmax", "sigmoid", "tanh", "relu"}) {
    Sequential twice = net(f);
    const Finding found = leading(trained(twice, moons()), "output activation");
    CHECK(found.where == "3");
    CHECK(found.source == Source::structure);
  }
  Sequential softmax = net("softmax");
  CHECK(leading(trained(softmax, moons()), "output activation").text ==
        "cross_entropy takes logits and has a softmax of its own, but softmax stands before it: its outputs can "
        "never be far "
        "from each other, or never below 0, and the gradient is cut; leave out softmax (for probabilities, apply "
        "softmax to "
        "what predict() returns)");
  for (const char* f : {"", "identity", "log_softmax"}) {
    Sequential right = net(f);
    CHECK(silent(trained(right, moons())));
  }
  // The same with weights and targets of one's own, of which the loss is more than one op.
  const auto targets = [](std::span<const int> labels, Index cols) {
    Matrix t = Matrix::Zero(static_cast<Index>(labels.size()), cols);
    for (Index i = 0; i < t.rows(); ++i)
      if (const int label = labels[static_cast<std::size_t>(i)]; cols == 1)
        t(i, 0) = static_cast<float>(label);
      else
        t(i, label) = 1;
    return t;
  };
  const LossOf smoothed = [](Var output, std::span<const int> labels) {
    return cross_entropy(output, labels, {.label_smoothing = 0.1, .class_weights = {1, 2}});
  };
  const LossOf weighted = [](Var output, std::span<const int> labels) {
    return cross_entropy(output, labels, {.class_weights = {1, 2}});
  };
  const LossOf probabilities = [&](Var output, std::span<const int> labels) {
    return cross_entropy(output, output.tape().input(targets(labels, 2)), {.label_smoothing = 0.1});
  };
  for (const LossOf& loss : {weighted, smoothed, probabilities}) {
    Sequential twice = net("softmax");
    CHECK(leading(trained(twice, moons(), {.loss = loss}), "output activation").where == "3");
    Sequential once = net("");
    CHECK(silent(trained(once, moons(), {.loss = loss})));
  }
  const LossOf negative = [](Var output, std::span<const int> labels) {
    return nll(output, labels, {.class_weights = {1, 2}});
  };
  Sequential log = net("log_softmax");
  const RunRecord of_logs = trained(log, moons(), {.loss = negative});
  CHECK(silent(of_logs));
  CHECK(of_logs.structure.loss == "nll");
  CHECK(of_logs.structure.output_activation == "log_softmax");
  const std::vector<double> rows(32, 2.0);
  for (const char* name : {"bce_with_logits", "mse", "l1", "huber"}) {
    const std::string loss_name = name;
    const LossOf loss = [&](Var output, std::span<const int> labels) {
      const LossOptions how{.sample_weights = Weights(rows.data(), labels.size())};
      const Var t = output.tape().input(targets(labels, 1));
      return loss_name == "bce_with_logits" ? bce_with_logits(output, t, how)
             : loss_name == "mse"           ? mse(output, t, how)
             : loss_name == "l1"
                 ? l1(output, t, how)
                 : huber(output, t, {.delta = 0.3, .sample_weights = Weights(rows.data(), labels.size())});
    };
    Rng rng(1);
    Sequential one{Linear(2, 32, rng, starting(he_normal())), Relu(), Linear(32, 1, rng), Sigmoid()};
    const RunRecord record = trained(one, moons(), {.loss = loss, .classes = 0});
    CHECK(record.structure.loss == name);
    CHECK(record.structure.output_activation == "sigmoid");
    CHECK(record.structure.outputs == 1);
    CHECK(silent(record, "output activation") == (loss_name != "bce_with_logits"));
  }
  // A sigmoid before mse is where it belongs.
  Rng rng(1);
  Sequential squared{Linear(2, 32, rng, starting(he_normal())), Relu(), Linear(32, 1, rng), Sigmoid()};
  const LossOf loss = [](Var output, std::span<const int> labels) {
    Matrix t(output.rows(), 1);
    for (Index i = 0; i < t.rows(); ++i) t(i, 0) = static_cast<float>(labels[static_cast<std::size_t>(i)]);
    return mse(output, t);
  };
  CHECK(silent(trained(squared, moons(), {.lr = 0.5, .loss = loss, .classes = 0}), "output activation"));
}

TEST_CASE("diagnosis: softmax of one unit") {
  Rng rng(1);
  Sequential net{Linear(2, 16, rng), Relu(), Linear(16, 1, rng)};
  net.add(activation("softmax"), 1);
  const LossOf loss = [](Var output, std::span<const int> labels) {
    Matrix t(output.rows(), 1);
    for (Index i = 0; i < t.rows(); ++i) t(i, 0) = static_cast<float>(labels[static_cast<std::size_t>(i)]);
    return bce_with_logits(output, t);
  };
  leading(trained(net, moons(), {.loss = loss}), "softmax of one unit");
}

TEST_CASE("diagnosis: no activation, too few units, dropout too high") {
  Rng rng(1);
  Sequential linear{Linear(2, 32, rng), Linear(32, 32, rng), Linear(32, 2, rng)};
  CHECK(leading(trained(linear, moons()), "no activation").text ==
        "3 linear layers follow each other without an activation between them: together they are one linear map, "
        "and the "
        "classes are told apart by a straight line; put relu or tanh behind each but the last");
  Sequential none{Linear(2, 2, rng)};  // one linear layer is logistic regression
  CHECK(silent(trained(none, moons())));
  Sequential normalized{Linear(2, 32, rng), BatchNorm1d(32), Linear(32, 2, rng)};
  leading(trained(normalized, moons()), "no activation");

  Sequential narrow{Linear(2, 16, rng), Relu(), Linear(16, 1, rng), Relu(), Linear(1, 2, rng)};
  const Finding few = leading(trained(narrow, moons()), "too few units");
  CHECK(few.where == "2");
  Sequential two{Linear(2, 16, rng), Tanh(), Linear(16, 2, rng), Tanh(), Linear(2, 2, rng)};
  CHECK(silent(trained(two, moons())));

  Sequential dropped{Linear(2, 32, rng), Relu(), Dropout(0.95, rng), Linear(32, 2, rng)};
  const Finding high = leading(trained(dropped, moons()), "dropout too high");
  CHECK(high.where == "2");
  CHECK(high.text == "layer 2 drops 95 % of the units, usual is 10 to 50 %: hardly any signal is left; use 0.2");
  Sequential usual{Linear(2, 32, rng), Relu(), Dropout(0.5, rng), Linear(32, 2, rng)};
  CHECK(silent(trained(usual, moons())));
}

TEST_CASE("diagnosis: modes") {
  Rng rng(1);
  const auto net = [&] { return Sequential{Linear(2, 32, rng), BatchNorm1d(32), Relu(), Linear(32, 2, rng)}; };
  Sequential forgotten = net();
  CHECK(leading(trained(forgotten, moons(), {.in_eval = true}), "not in training mode").where == "1");
  const auto evaluate = [](Sequential& network, Monitor& monitor) {
    const Dataset data = moons();
    Tape tape;
    monitor.validation(cross_entropy(network(tape.input(data.inputs)), data.labels), 0.99);
  };
  Sequential training = net();
  leading(trained(training, moons(), {.at_end = evaluate}), "in training mode at evaluation");
  Sequential right = net();
  CHECK(silent(trained(right, moons(), {.at_end = [&](Sequential& network, Monitor& monitor) {
                         network.eval();
                         evaluate(network, monitor);
                         network.train();
                       }})));
}

TEST_CASE("diagnosis: identical units, bad initialization, dead at birth") {
  const auto net = [](const Initializer& weights, double bias = 0) {
    Rng rng(1);
    return Sequential{Linear(2, 32, rng, starting(weights, bias)), Relu(), Linear(32, 2, rng, starting(weights))};
  };
  for (const double value : {0., 0.3}) {
    Sequential alike = net(constant(value));
    CHECK(leading(trained(alike, moons()), "identical units").where == "0.weight");
  }
  Sequential small = net(normal(0, 0.001));
  CHECK(leading(trained(small, moons(), {.lr = 0.01}), "bad initialization").where == "0.weight");
  Sequential large = net(normal(0, 30));
  CHECK(leading(trained(large, moons(), {.lr = 1e-5}), "bad initialization").where == "0.weight");
  for (const Initializer& usual :
       {he_normal(), he_uniform(), xavier_normal(), xavier_uniform(), uniform_fan_in()}) {
    Sequential right = net(usual);
    CHECK(silent(trained(right, moons())));
  }
  Sequential dead = net(he_normal(), -10);
  const RunRecord born = trained(dead, moons());
  CHECK(leading(born, "dead at birth").where == "1");
  CHECK(silent(born, "learning rate too low"));  // no update, for want of a gradient
  Sequential decayed = net(he_normal(), -10);
  CHECK(leading(trained(decayed, moons(), {.weight_decay = 0.1}), "dead at birth").where == "1");
}

TEST_CASE("remedies: what to change, and by how much") {
  const auto first = [](Sequential net, const Training& how) {
    const std::vector<Remedy> all = remedies(findings(trained(net, moons(), how)));
    REQUIRE(!all.empty());
    return all[0];
  };
  Rng rng(1);
  Sequential deep;
  for (Index in = 2; deep.size() < 16; in = 16) {
    deep.add(Linear(in, 16, rng));
    deep.add(Sigmoid());
  }
  deep.add(Linear(16, 2, rng));
  const Remedy steeper = first(std::move(deep), {});
  CHECK(to_string(steeper) == "use relu in the hidden layers, and begin with he_normal weights");
  CHECK(steeper.rule == "bad initialization");
  const Remedy slower =
      first(Sequential{Linear(2, 32, rng, starting(xavier_normal())), Tanh(), Linear(32, 2, rng)}, {.lr = 30});
  CHECK(slower.change == Change::learning_rate);
  CHECK(slower.value < 0.1);
  CHECK(slower.value >= 1e-4);
  const Remedy faster = first(healthy_net(), {.lr = 1e-6});
  CHECK(faster.change == Change::learning_rate);
  CHECK(faster.value > 100);
  Dataset alike = moons();
  std::fill(alike.labels.begin(), alike.labels.end(), 1);
  Sequential net = healthy_net();
  const std::vector<Remedy> none = remedies(findings(trained(net, alike)));
  REQUIRE(none.size() == 1);
  CHECK(to_string(none[0]) == "no training repairs this: look at the column of the labels");
  CHECK(initializer_for("tanh") == "xavier_normal");
  CHECK(initializer_for("leaky_relu") == "he_normal");
  CHECK(initializer_for("selu") == "lecun_normal");
}

TEST_CASE("diagnosis: uphill") {
  Sequential net = healthy_net();
  const Finding found = leading(trained(net, moons(), {.lr = 0.01, .ascend = true}), "uphill");
  CHECK(found.number == doctest::Approx(-1).scale(0));
  Sequential down = healthy_net();  // momentum may go uphill for a while, but not at first
  CHECK(silent(trained(down, moons(), {.lr = 0.02, .momentum = 0.9})));
}

TEST_CASE("diagnosis: frozen parameter") {
  Sequential net = healthy_net();
  const Finding found = leading(trained(net, moons(), {.left_out = {"2.weight", "2.bias"}}), "frozen parameter");
  CHECK(found.where == "2.weight");
  CHECK(found.text ==
        "2.weight, 2.bias has a gradient and never moved, while others did: give it to the optimizer "
        "(net.parameters() has "
        "all), or call set_requires_grad(false) where that is meant");
  Sequential meant = healthy_net();
  for (auto& [path, parameter] : meant.named_parameters())
    if (path.starts_with("2.")) parameter.set_requires_grad(false);
  CHECK(silent(trained(meant, moons(), {.left_out = {"2.weight", "2.bias"}})));
}

TEST_CASE("diagnosis: weight decay, learning rate gone, momentum too high") {
  Sequential decayed = healthy_net();
  leading(trained(decayed, moons(), {.weight_decay = 1}), "weight decay");
  Sequential mild = healthy_net();
  CHECK(silent(trained(mild, moons(), {.weight_decay = 1e-3})));

  Sequential gone = healthy_net();
  leading(trained(gone, moons(), {.lr = 0.01, .schedule = [](Index step) { return 0.01 * std::pow(0.8, step); }}),
          "learning rate gone");
  Sequential cosine = healthy_net();
  CHECK(silent(trained(cosine, moons(),
                       {.schedule = [](Index step) { return 0.05 * (1 + std::cos(3.14159 * step / 1200.)); }})));

  Sequential heavy = healthy_net();
  leading(trained(heavy, moons(), {.lr = 0.1, .momentum = 0.999}), "momentum too high");
}

TEST_CASE("diagnosis: learning rate too high, and too low") {
  Rng rng(1);
  Sequential high{Linear(2, 32, rng, starting(xavier_normal())), Tanh(), Linear(32, 2, rng)};
  const RunRecord wild = trained(high, moons(), {.lr = 30});
  leading(wild, "learning rate too high");
  for (const Finding& each : findings(wild))
    if (each.rule == "saturation")
      CHECK(each.text.ends_with(
          "; it was 0 % at first, and updates have brought it there: lower the learning rate (30), "
          "normalization before the layer, or relu"));
  for (const double lr : {1e-6, 0.}) {
    Sequential low = healthy_net();
    leading(trained(low, moons(), {.lr = lr}), "learning rate too low");
  }
}

TEST_CASE("diagnosis: a network without a hidden layer is not told to change its learning rate") {
  Rng rng(1);
  Sequential net{Linear(2, 2, rng)};
  const Dataset xor_data = xor_points<float>();
  const std::vector<Finding> all = alarms(trained(net, xor_data, {.steps = 2100, .lr = 0.5}));
  REQUIRE(all.size() == 1);  // its best weights are 0, so that every update is large beside them
  CHECK(all[0].rule == "loss at ln C");
  CHECK(all[0].text.ends_with(
      "; without a hidden layer it is a linear map, which tells classes apart by straight lines only; add one"));
}

TEST_CASE("diagnosis: overfitting is told, with the epoch of the best") {
  Rng rng(3);
  const Dataset few = two_moons(40, 0.5, rng), other = two_moons(400, 0.5, rng), many = two_moons(2000, 0.5, rng);
  const auto run = [&](const Dataset& data, int epochs, Index steps_per_epoch) {
    Rng weights(1);
    Sequential net{Linear(2, 64, weights), Relu(), Linear(64, 64, weights), Relu(), Linear(64, 2, weights)};
    Adam adam(net.parameters(), {.lr = 0.003f});
    Monitor monitor(net, {.steps_per_epoch = steps_per_epoch, .classes = 2});
    Loader loader(data, {.batch = 8, .shuffle = weights});
    Tape tape;
    double best = 1e9;
    int best_epoch = 0;
    for (int epoch = 1; epoch <= epochs; ++epoch) {
      Index number = 0;
      for (auto& [x, labels] : loader) {
        tape.reset();
        const Var loss = cross_entropy(net(tape.input(x)), labels);
        loss.backward();
        adam.step();
        monitor.step(loss, {.lr = adam.lr()});
        if (++number == 5) break;
      }
      loader.restart();
      const double loss = cross_entropy(tape.input(net.predict(other.inputs)), other.labels).item();
      monitor.validation(loss);
      if (loss < best) best_epoch = epoch;
      best = std::min(best, loss);
    }
    return std::pair(monitor.record(), best_epoch);
  };
  const auto told = [](const RunRecord& record) {
    std::string text;
    for (const Finding& each : findings(record))
      if (each.rule == "overfitting") {
        CHECK(each.severity == Severity::info);
        text = each.text;
      }
    return text;
  };
  const auto [record, epoch] = run(few, 150, 5);
  CHECK(told(record).starts_with("the loss on other data was lowest after epoch " + std::to_string(epoch) + ","));
  CHECK(told(run(few, 150, 0).first).starts_with("the loss on other data was lowest after step "));
  CHECK(told(run(few, epoch, 5).first).empty());  // stopped in time
  CHECK(told(run(many, 150, 5).first).empty());
}

TEST_CASE("diagnosis: labels shuffled, memorizes") {
  Dataset data = moons();
  Rng rng(5);
  for (int& label : data.labels) label = static_cast<int>(rng.below(2));
  Sequential net = healthy_net();
  leading(trained(net, data, {.steps = 2100, .lr = 0.01}), "labels shuffled");

  // A step's accuracy is what the batch gave; other data know nothing of these labels.
  data = moons();
  for (int& label : data.labels) label = 1 - label;
  Sequential swapped = healthy_net();
  const RunRecord record = trained(swapped, data, {.at_end = [&](Sequential& network, Monitor& monitor) {
                                     Tape tape;
                                     for (int i = 0; i < 3; ++i) {
                                       tape.reset();
                                       const Var loss =
                                           cross_entropy(network(tape.input(data.inputs)), data.labels);
                                       loss.backward();
                                       monitor.step(loss, {.lr = 0.1, .accuracy = 0.99});
                                     }
                                     monitor.validation(5.0, 0.01);
                                   }});
  CHECK(leading(record, "memorizes").text ==
        "on its training batches the network is right on 99 %, on other data on 1 %: worse than guessing, so the "
        "labels of "
        "the two are not the same ones; check how both are read");
}

TEST_CASE("diagnosis: xor that is stuck at half") {
  const Dataset data = xor_points<float>();
  int stuck = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Rng rng(seed);
    Sequential net{Linear(2, 2, rng), Sigmoid(), Linear(2, 1, rng), Sigmoid()};
    Sgd sgd(net.parameters(), {.lr = 0.1});
    Monitor monitor(net, {.data = describe(data.inputs, data.targets())});
    Tape tape;
    double late = 0;
    for (Index step = 0; step < 2000; ++step) {
      tape.reset();
      const Var loss = mse(net(tape.input(data.inputs)), data.targets());
      loss.backward();
      sgd.step();
      monitor.step(loss, {.lr = 0.1});
      late = static_cast<double>(loss.item());
    }
    if (late < 0.2) continue;
    ++stuck;
    CHECK_FALSE(alarms(monitor.record()).empty());
  }
  CHECK(stuck >= 4);
}
