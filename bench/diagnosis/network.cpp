#include "diagnosis/network.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace diagnosis {
namespace {

struct Exponential {
  static constexpr std::string_view name = "exponential";
  template <class X> static X value(const X& x) { return tg::exp(x); }
  template <class X> static X vjp(const X& g, const X&, const X& y) { return g * y; }
};

tg::Initializer initializer_of(const std::string& text) {
  if (text.starts_with("constant:")) return tg::constant(std::stod(text.substr(9)));
  if (text == "random_uniform")  // Keras' default range
    return {"random_uniform", [](tg::Shape s, tg::Fans, tg::Rng& rng) {
              tg::BasicMatrix<double> m(s.rows, s.cols);
              for (Index i = 0; i < m.size(); ++i) m.data()[i] = rng.uniform(-0.05, 0.05);
              return m;
            }};
  return tg::initializer(text);
}

/// The class a user reads off a row of the output.
int class_of(const Config& c, const float* row, Index outputs) {
  if (outputs > 1) return static_cast<int>(std::max_element(row, row + outputs) - row);
  const bool logit = c.loss() == "bce" && c.text("output_activation").empty();
  return row[0] > (logit ? 0.f : 0.5f * static_cast<float>(c.num("target_scale", 1)));
}

}  // namespace

void register_exponential() { tg::register_activation<Exponential>(); }

Net build(const Config& c, Index features, int classes) {
  tg::Rng rng(c.seed());
  const std::string name = c.text("activation", "relu"), init = c.text("init", "he_normal");
  const auto options = [](const std::string& weights) {
    return tg::LinearOptions{.weight_init = initializer_of(weights), .bias_init = tg::zeros()};
  };
  Net n;
  Index in = features, layer = 0;
  const auto prepare = [&](tg::Linear& linear, bool hidden) {
    const double bias = c.num("bias");
    const Index only_bias = c.whole("bias_layer", -1), only_weight = c.whole("weight_layer", -1);
    if (hidden && bias != 0 && (only_bias < 0 || only_bias == layer))
      linear.bias.mutable_value().setConstant(static_cast<float>(bias));
    if (only_weight < 0 || only_weight == layer)
      linear.weight.mutable_value() *= static_cast<float>(c.num("weight_scale", 1));
  };
  for (const Index units : c.hidden()) {
    tg::Linear linear(in, units, rng, options(init));
    prepare(linear, true);
    n.linear_paths.push_back(std::to_string(n.net.size()));
    n.net.add(std::move(linear));
    if (c.flag("batch_norm")) n.net.add(tg::BatchNorm1d(units));
    if (!name.empty()) {
      n.activation_paths.push_back(std::to_string(n.net.size()));
      n.net.add(tg::activation(name), units);
    }
    if (c.num("dropout") > 0) n.net.add(tg::Dropout(c.num("dropout"), rng));
    in = units;
    ++layer;
  }
  n.outputs = c.whole("outputs", c.loss() == "bce" ? 1 : classes);
  tg::Linear last(in, n.outputs, rng, options(c.text("output_init", init.c_str())));
  prepare(last, false);
  n.linear_paths.push_back(std::to_string(n.net.size()));
  n.net.add(std::move(last));
  if (const std::string f = c.text("output_activation"); !f.empty()) n.net.add(tg::activation(f), n.outputs);
  return n;
}

tg::Matrix targets_of(const Config& c, const Samples& samples, Index outputs) {
  const float scale = static_cast<float>(c.num("target_scale", 1));
  if (samples.regression()) return scale * samples.targets;
  tg::Matrix t = tg::Matrix::Zero(samples.size(), outputs);
  for (Index i = 0; i < samples.size(); ++i) {
    const int label = samples.set.labels[static_cast<std::size_t>(i)];
    if (outputs == 1)
      t(i, 0) = scale * static_cast<float>(label);
    else
      t(i, label) = scale;
  }
  return t;
}

tg::Var loss_of(const Config& c, tg::Var output, const Samples& samples) {
  if (c.loss() == "ce") return tg::cross_entropy(output, samples.set.labels);
  const tg::Matrix targets = targets_of(c, samples, output.cols());
  return c.loss() == "bce" ? tg::bce_with_logits(output, targets) : tg::mse(output, targets);
}

double accuracy_of(const Config& c, const tg::Matrix& output, const Samples& samples) {
  if (samples.regression()) {
    const tg::Matrix t = targets_of(c, samples, 1);
    const auto mean = static_cast<double>(t.mean());
    return 1 - static_cast<double>((output - t).squaredNorm()) / (t.cast<double>().array() - mean).square().sum();
  }
  Index right = 0;
  for (Index i = 0; i < output.rows(); ++i)
    right += class_of(c, output.row(i).data(), output.cols()) == samples.set.labels[static_cast<std::size_t>(i)];
  return static_cast<double>(right) / static_cast<double>(std::max<Index>(output.rows(), 1));
}

tg::Matrix outputs_of(const Config& c, tg::Sequential& net, const tg::Matrix& x) {
  if (c.text("mode") != "eval_in_train") return net.predict(x);
  net.train();  // the user forgot eval(): one pass in training mode, batches of 32
  tg::Matrix all;
  for (Index from = 0; from < x.rows(); from += 32) {
    const Index n = std::min<Index>(32, x.rows() - from);
    if (n < 2) break;
    tg::Tape tape;
    const tg::Var y = net(tape.input(tg::Matrix(x.middleRows(from, n))));
    if (all.size() == 0) all.resize(x.rows(), y.cols());
    all.middleRows(from, n) = y.value();
  }
  return all;
}

std::unique_ptr<tg::Optimizer> optimizer_of(const Config& c, const std::vector<tg::Parameter>& parameters) {
  const std::string name = c.text("optimizer", "adam");
  const double lr = c.num("lr", 1e-3), decay = c.num("weight_decay"), eps = c.num("eps", 1e-8),
               momentum = c.num("momentum");
  if (name == "sgd")
    return std::make_unique<tg::Sgd>(parameters,
                                     tg::SgdOptions{.lr = lr, .momentum = momentum, .weight_decay = decay});
  if (name == "adam")
    return std::make_unique<tg::Adam>(parameters, tg::AdamOptions{.lr = lr, .eps = eps, .weight_decay = decay});
  if (name == "rmsprop")
    return std::make_unique<tg::RmsProp>(
        parameters, tg::RmsPropOptions{.lr = lr, .eps = eps, .weight_decay = decay, .momentum = momentum});
  throw std::runtime_error("no optimizer named " + name);
}

double lr_at(const Config& c, Index step, Index total) {
  const double lr = c.num("lr", 1e-3);
  const std::string schedule = c.text("schedule", "constant");
  if (schedule == "collapse") return lr * std::pow(0.8, static_cast<double>(step));
  return tg::make_schedule(schedule, lr, total).at(step);
}

}  // namespace diagnosis
