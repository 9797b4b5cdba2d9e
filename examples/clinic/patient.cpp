#include "clinic/patient.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace clinic {
namespace {

constexpr tg::Index steps = 2400, batch = 32;

constexpr std::array all_faults{
    Fault{"high-rate", "a learning rate of 100", [](Patient& p) { p.lr = 100; }},
    Fault{"low-rate", "a learning rate of 0.00001", [](Patient& p) { p.lr = 1e-5; }},
    Fault{"rate-gone", "a schedule that takes a fifth of the rate at every step",
          [](Patient& p) { p.rate_collapses = true; }},
    Fault{"momentum", "momentum 0.999", [](Patient& p) { p.momentum = 0.999; }},
    Fault{"weight-decay", "weight decay 1", [](Patient& p) { p.weight_decay = 1; }},
    Fault{"uphill", "the gradient is added instead of subtracted",
          [](Patient& p) {
            p.uphill = true;
            p.lr = 0.01;
          }},
    Fault{"frozen", "the optimizer does not get the first layer",
          [](Patient& p) { p.first_layer_left_out = true; }},
    Fault{"zero-weights", "all weights begin at 0", [](Patient& p) { p.init = "zeros"; }},
    Fault{"small-weights", "weights a hundred times too small", [](Patient& p) { p.weight_scale = 0.01; }},
    Fault{"large-weights", "weights thirty times too large", [](Patient& p) { p.weight_scale = 30; }},
    Fault{"dead-units", "hidden biases of -10", [](Patient& p) { p.bias = -10; }},
    Fault{"deep-sigmoid", "eight sigmoid layers",
          [](Patient& p) {
            p.hidden.assign(8, 16);
            p.activation = "sigmoid";
            p.init = "xavier_normal";
          }},
    Fault{"no-activation", "nothing between the linear layers", [](Patient& p) { p.activation = "identity"; }},
    Fault{"one-unit", "a hidden layer of one unit",
          [](Patient& p) {
            p.hidden = {32, 1};
          }},
    Fault{"double-softmax", "softmax before cross_entropy", [](Patient& p) { p.output_activation = "softmax"; }},
    Fault{"relu-output", "relu before cross_entropy", [](Patient& p) { p.output_activation = "relu"; }},
    Fault{"dropout", "dropout of 0.95", [](Patient& p) { p.dropout = 0.95; }},
    Fault{"eval-mode", "train() is never called", [](Patient& p) { p.batch_norm = p.trains_in_eval_mode = true; }},
    Fault{"large-inputs", "inputs a thousand times too large",
          [](Patient& p) { p.spoil = [](tg::Dataset& d) { d.inputs *= 1000; }; }},
    Fault{"one-large-column", "one column a thousand times too large",
          [](Patient& p) { p.spoil = [](tg::Dataset& d) { d.inputs.col(1) *= 1000; }; }},
    Fault{"nan", "one input is not a number",
          [](Patient& p) { p.spoil = [](tg::Dataset& d) { d.inputs(17, 0) = std::nanf(""); }; }},
    Fault{"constant-input", "one column never changes",
          [](Patient& p) { p.spoil = [](tg::Dataset& d) { d.inputs.col(1).setConstant(0.5f); }; }},
    Fault{"one-label", "all labels are 1",
          [](Patient& p) { p.spoil = [](tg::Dataset& d) { d.labels.assign(d.labels.size(), 1); }; }},
    Fault{"shuffled", "labels in another order than the inputs",
          [](Patient& p) {
            p.spoil = [](tg::Dataset& d) {
              tg::Rng rng(7);
              for (int& label : d.labels) label = static_cast<int>(rng.below(2));
            };
          }},
};

tg::Sequential network(const Patient& p, tg::Rng& rng) {
  tg::Sequential net;
  tg::Index in = 2;
  const tg::LinearOptions options{.weight_init = tg::initializer(p.init), .bias_init = tg::constant(p.bias)};
  for (const tg::Index units : p.hidden) {
    tg::Linear linear(in, units, rng, options);
    linear.weight.mutable_value() *= static_cast<float>(p.weight_scale);
    net.add(std::move(linear));
    if (p.batch_norm) net.add(tg::BatchNorm1d(units));
    net.add(tg::activation(p.activation));
    if (p.dropout > 0) net.add(tg::Dropout(p.dropout, rng));
    in = units;
  }
  net.add(tg::Linear(in, 2, rng, {.weight_init = tg::initializer(p.init)}));
  if (!p.output_activation.empty()) net.add(tg::activation(p.output_activation));
  return net;
}

/// The moons to learn, and others; what a remedy does to data is done to both.
std::pair<tg::Dataset, tg::Dataset> moons(const Patient& p, tg::Rng& rng) {
  tg::Dataset train = tg::two_moons(500, 0.1, rng), test = tg::two_moons(500, 0.1, rng);
  if (p.spoil) {
    const std::vector<int> right = test.labels;
    for (tg::Dataset* each : {&train, &test}) p.spoil(*each);
    test.labels = right;
    test.inputs = test.inputs.array().isNaN().select(0.f, test.inputs);
  }
  if (p.rows_dropped) {
    tg::Dataset kept;
    kept.classes = 2;
    kept.inputs = train.inputs;
    tg::Index rows = 0;
    for (tg::Index i = 0; i < train.size(); ++i) {
      if (!train.inputs.row(i).allFinite()) continue;
      kept.inputs.row(rows++) = train.inputs.row(i);
      kept.labels.push_back(train.labels[static_cast<std::size_t>(i)]);
    }
    kept.inputs.conservativeResize(rows, 2);
    train = kept;
  }
  for (tg::Index col = 0; p.standardized && col < 2; ++col) {
    const float mean = train.inputs.col(col).mean();
    const float std = std::sqrt((train.inputs.col(col).array() - mean).square().mean());
    for (tg::Dataset* each : {&train, &test})
      each->inputs.col(col) = (each->inputs.col(col).array() - mean) / (std > 0 ? std : 1.f);
  }
  return {train, test};
}

}  // namespace

std::span<const Fault> faults() { return all_faults; }

Outcome train(const Patient& p, std::uint64_t seed,
              const std::function<void(tg::Index, const tg::Finding&)>& news) {
  tg::Rng rng(seed);
  const std::pair<tg::Dataset, tg::Dataset> sets = moons(p, rng);
  const tg::Dataset& data = sets.first;
  const tg::Dataset& test = sets.second;
  tg::Sequential net = network(p, rng);
  net.train(!p.trains_in_eval_mode);
  std::vector<tg::Parameter> learned = net.parameters();
  if (p.first_layer_left_out) learned.erase(learned.begin(), learned.begin() + 2);
  tg::Sgd sgd(learned, {.lr = p.lr, .momentum = p.momentum, .weight_decay = p.weight_decay});
  tg::Monitor monitor(net, {.classes = 2,
                            .optimizer = {.name = "sgd", .momentum = p.momentum, .weight_decay = p.weight_decay},
                            .data = tg::describe(data.inputs, data.labels, 2)});
  tg::Rng order = rng.split();
  tg::Loader loader(data, {.batch = batch, .shuffle = order});
  tg::Tape tape;
  std::set<std::string> told;
  for (tg::Index step = 0; step < steps;)
    for (auto& [x, labels] : loader) {
      if (step == steps) break;
      tape.reset();
      const tg::Var loss = tg::cross_entropy(net(tape.input(x)), labels);
      loss.backward();
      const double lr = p.rate_collapses ? p.lr * std::pow(0.8, step) : p.lr;
      if (p.uphill) {
        for (tg::Parameter& each : learned) each.mutable_value() += static_cast<float>(lr) * each.grad();
      } else {
        sgd.set_lr(lr);
        sgd.step();
      }
      monitor.step(loss, {.lr = lr});
      if (++step % 50 != 0 && step != 1) continue;
      for (const tg::Finding& each : tg::findings(monitor.record()))
        if (each.severity != tg::Severity::info && told.insert(each.rule).second) news(step, each);
    }
  return {monitor.record(), tg::accuracy(net.predict(test.inputs), test.labels)};
}

bool apply(const tg::Remedy& remedy, Patient& p) {
  switch (remedy.change) {
    case tg::Change::learning_rate:
      if (remedy.to == "constant") return !(p.rate_collapses = false);
      p.lr *= remedy.value;
      return true;
    case tg::Change::momentum:
      p.momentum = remedy.value;
      return true;
    case tg::Change::weight_decay:
      p.weight_decay = remedy.value;
      return true;
    case tg::Change::dropout:
      p.dropout = remedy.value;
      return true;
    case tg::Change::activation:
      p.activation = remedy.to;
      [[fallthrough]];
    case tg::Change::initialization:
      p.init = remedy.change == tg::Change::activation ? tg::initializer_for(remedy.to) : remedy.to;
      p.bias = 0;
      p.weight_scale = 1;
      return true;
    case tg::Change::normalization:
      return p.batch_norm = true;
    case tg::Change::output_activation:
      p.output_activation.clear();
      return true;
    case tg::Change::units:
      for (tg::Index& units : p.hidden) units = std::max(units, static_cast<tg::Index>(remedy.value));
      return true;
    case tg::Change::inputs:
      return p.standardized = true;
    case tg::Change::rows:
      return p.rows_dropped = true;
    case tg::Change::parameters:
      return !(p.first_layer_left_out = false);
    case tg::Change::direction:
      return !(p.uphill = false);
    case tg::Change::training_mode:
      return !(p.trains_in_eval_mode = false);
    default:
      return false;
  }
}

}  // namespace clinic
