#include "tapegrad/inspect/preflight.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>
#include <unordered_map>

#include "tapegrad/core/losses.h"
#include "tapegrad/inspect/describe.h"
#include "tapegrad/inspect/monitor.h"
#include "tapegrad/inspect/text.h"
#include "tapegrad/layers/activation.h"
#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/linear.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// Puts everything that a step can change back when the scope ends.
template <class T> class Restore {
 public:
  explicit Restore(BasicModule<T>& net) {
    for (const BasicParameter<T>& each : net.parameters())
      parameters_.push_back(
          {each, each.value(), each.has_grad(), each.has_grad() ? each.grad() : BasicMatrix<T>()});
    for (const auto& [path, buffer] : net.named_buffers()) buffers_.emplace_back(buffer, *buffer);
    for (const auto& [path, module] : net.named_modules()) modes_.emplace_back(module, module->training());
  }
  ~Restore() {
    for (Saved& each : parameters_) {
      each.parameter.set_value(each.value);
      if (each.has_grad)
        each.parameter.mutable_grad() = each.grad;
      else
        each.parameter.zero_grad();
    }
    for (auto& [buffer, value] : buffers_) *buffer = value;
    for (const auto& [module, training] : modes_) module->train(training);  // outer ones first
  }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  struct Saved {
    BasicParameter<T> parameter;
    BasicMatrix<T> value;
    bool has_grad;
    BasicMatrix<T> grad;
  };
  std::vector<Saved> parameters_;
  std::vector<std::pair<BasicMatrix<T>*, BasicMatrix<T>>> buffers_;
  std::vector<std::pair<BasicModule<T>*, bool>> modes_;
};

template <class T> double mean_square(const T* values, Index count) {
  double sum = 0;
  for (Index i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

/// E[f(std·ξ)²] for ξ ~ N(0, 1), by the midpoint rule, which converges very fast here.
template <class F> double gaussian_mean_square(const F& f, double std) {
  constexpr double step = 0.02;
  double sum = 0;
  double weights = 0;
  for (int i = -400; i < 400; ++i) {
    const double x = (i + 0.5) * step;  // never on a kink at 0
    const double weight = std::exp(-0.5 * x * x);
    const double y = f(std * x);
    sum += weight * y * y;
    weights += weight;
  }
  return sum / weights;
}

/// What is expected of the output of a layer, as a mean square, and how it scales the gradient on its way back;
/// nothing for a module of which nobody knows.
struct Expected {
  double value, back;
};

template <class T> std::optional<Expected> expected_of(const BasicModule<T>& module, double input) {
  if (const auto* linear = dynamic_cast<const BasicLinear<T>*>(&module)) {
    const BasicMatrix<T>& w = linear->weight.value();
    const double scale = mean_square(w.data(), w.size());
    double value = static_cast<double>(w.cols()) * scale * input;
    if (linear->has_bias()) value += mean_square(linear->bias.value().data(), linear->bias.size());
    return Expected{value, static_cast<double>(w.rows()) * scale};
  }
  const auto* layer = dynamic_cast<const BasicActivationLayer<T>*>(&module);
  if (layer == nullptr || !layer->activation().elementwise()) return std::nullopt;
  const Activation& f = layer->activation();
  const double std = std::sqrt(input);
  return Expected{gaussian_mean_square([&f](double x) { return f.value(x); }, std),
                  gaussian_mean_square([&f](double x) { return f.slope(x); }, std)};
}

/// What is expected of every node of the tape, as mean squares.
template <class T> class Theory {
 public:
  Theory(const BasicTape<T>& tape, BasicModule<T>& net) : value(tape.size()), gradient(tape.size()) {
    forward(tape, net);
    backward(tape);
  }
  std::vector<double> value, gradient;

 private:
  void forward(const BasicTape<T>& tape, BasicModule<T>& net) {
    std::unordered_map<const void*, const BasicModule<T>*> modules;
    for (const auto& [path, module] : net.named_modules()) modules[module] = module;
    back_.assign(tape.size(), -1);
    for (std::size_t i = 0; i < tape.size(); ++i) {
      const Node<T>& node = tape.node(static_cast<NodeIndex>(i));
      value[i] = mean_square(static_cast<const T*>(node.value), node.size());
      const auto found = modules.find(node.owner);
      if (node.parent_count == 0 || found == modules.end()) continue;
      const auto expected = expected_of(*found->second, value[node.parents[0]]);
      if (!expected) continue;
      value[i] = expected->value;
      back_[i] = expected->back;
    }
  }

  void backward(const BasicTape<T>& tape) {
    std::vector<char> measured(tape.size(), 0);
    std::vector<char> used(tape.size(), 0);
    for (std::size_t i = tape.size(); i-- > 0;) {
      const Node<T>& node = tape.node(static_cast<NodeIndex>(i));
      if (node.pass == 0) continue;
      if (measured[i] || !used[i]) gradient[i] = mean_square(static_cast<const T*>(node.grad), node.size());
      for (std::uint32_t k = 0; k < node.parent_count; ++k) {
        const NodeIndex parent = node.parents[k];
        used[parent] = 1;
        if (k == 0 && back_[i] >= 0)
          gradient[parent] += back_[i] * gradient[i];
        else
          measured[parent] = 1;
      }
    }
  }

  std::vector<double> back_;  ///< how a node scales the gradient for its first operand; below 0: nobody knows
};

template <class T>
std::vector<PreflightLayer> layers_of(const BasicTape<T>& tape, BasicModule<T>& net, const RunRecord& record) {
  const Theory<T> theory(tape, net);
  std::vector<PreflightLayer> result;
  std::unordered_map<const void*, NodeIndex> outputs;  // a linear or activation layer records its output last
  for (std::size_t i = 0; i < tape.size(); ++i) {
    const Node<T>& node = tape.node(static_cast<NodeIndex>(i));
    if (node.parent_count > 0) outputs[node.owner] = static_cast<NodeIndex>(i);
  }
  for (const auto& [path, module] : net.named_modules()) {
    const auto* activation = dynamic_cast<const BasicActivationLayer<T>*>(module);
    const bool elementwise = activation != nullptr && activation->activation().elementwise();
    const auto output = outputs.find(module);
    if (output == outputs.end() || (!elementwise && dynamic_cast<const BasicLinear<T>*>(module) == nullptr))
      continue;
    const Node<T>& node = tape.node(output->second);
    PreflightLayer layer{.path = path, .kind = std::string(module->kind()), .units = node.shape().cols};
    layer.rms = std::sqrt(mean_square(static_cast<const T*>(node.value), node.size()));
    layer.expected_rms = std::sqrt(theory.value[output->second]);
    if (node.pass != 0) layer.gradient_rms = std::sqrt(mean_square(static_cast<const T*>(node.grad), node.size()));
    layer.expected_gradient_rms = std::sqrt(theory.gradient[output->second]);
    for (const LayerRecord& seen : record.layers) {
      if (seen.path != path || seen.steps.empty() || !elementwise) continue;
      layer.activation = true;
      layer.dead = seen.steps[0].dead_batch;
      layer.asleep = seen.steps[0].asleep;
      layer.saturated = seen.steps[0].saturated_low + seen.steps[0].saturated_high;
    }
    result.push_back(std::move(layer));
  }
  return result;
}

/// Plain SGD with a rate that grows in equal factors, until the loss explodes.
template <class T, class Loss>
void try_rates(BasicModule<T>& net, const Loss& loss_of, const PreflightOptions& options, PreflightReport& report) {
  auto& curve = report.lr_curve;
  std::vector<BasicParameter<T>> parameters = net.parameters();
  BasicTape<T> tape;
  const double factor = std::pow(options.lr_high / options.lr_low, 1 / static_cast<double>(options.lr_steps - 1));
  double lr = options.lr_low;
  for (Index step = 0; step < options.lr_steps; ++step, lr *= factor) {
    tape.reset();
    const BasicVar<T> loss = loss_of(tape);
    curve.emplace_back(lr, static_cast<double>(loss.item()));
    if (!(curve.back().second <= 3 * std::abs(curve.front().second))) break;
    loss.backward();
    for (BasicParameter<T>& each : parameters)
      if (each.has_grad()) each.mutable_value() -= static_cast<T>(lr) * each.grad();
  }
  std::size_t lowest = 0;
  for (std::size_t i = 1; i < curve.size(); ++i)
    if (curve[i].second <= curve[lowest].second) lowest = i;
  double fall = 0;
  for (std::size_t i = 0; i < lowest; ++i) {
    if (curve[i].second - curve[i + 1].second <= fall) continue;
    fall = curve[i].second - curve[i + 1].second;
    report.lr_fastest = curve[i].first;
  }
  if (!(curve.back().second <= 1.5 * std::abs(curve.front().second))) report.lr_limit = curve[lowest].first;
}

template <class T>
PreflightReport check(BasicModule<T>& net, const BasicMatrixRef<T>& inputs,
                      const std::function<BasicVar<T>(BasicVar<T>)>& loss, bool classifies, DataRecord data,
                      const PreflightOptions& options) {
  if (!(options.lr_low > 0 && options.lr_low < options.lr_high && std::isfinite(options.lr_high)))
    fail("preflight", fmt::format("the learning rates must be 0 < lr_low < lr_high, got {} and {}", options.lr_low,
                                  options.lr_high));
  if (options.lr_steps != 0 && options.lr_steps < 3)
    fail("preflight", fmt::format("lr_steps must be 0 or at least 3, got {}", options.lr_steps));
  const Restore<T> restore(net);
  net.train();
  for (const auto& [path, module] : net.named_modules())
    if (dynamic_cast<BasicDropout<T>*>(module) != nullptr) module->eval();

  PreflightReport report{.inputs = {inputs.rows(), inputs.cols()}};
  const auto loss_of = [&](BasicTape<T>& tape) {
    const BasicVar<T> output = net(tape.input(inputs));
    report.classes = classifies ? output.cols() : 0;
    return loss(output);
  };
  {
    BasicTape<T> tape;
    const BasicVar<T> first = loss_of(tape);
    first.backward();
    report.loss = static_cast<double>(first.item());
    BasicMonitor<T> monitor(net, {.confirm_after = 0, .classes = report.classes, .data = std::move(data)});
    monitor.step(first);
    RunRecord& record = monitor.record();
    record.looks_in_eval = 0;  // dropout is off for the check only
    report.input_mean = record.input_mean;
    report.input_std = record.input_std;
    report.findings = findings(record);
    report.layers = layers_of(tape, net, record);
  }
  if (options.lr_steps > 0 && std::isfinite(report.loss)) try_rates(net, loss_of, options, report);
  return report;
}

}  // namespace

template <class T>
PreflightReport preflight(BasicModule<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                          std::span<const int> labels, const PreflightOptions& options) {
  return check<T>(
      net, inputs, [labels](BasicVar<T> output) { return cross_entropy(output, labels); }, true,
      describe(BasicMatrix<T>(inputs), labels), options);
}

template <class T>
PreflightReport preflight(BasicModule<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                          const std::type_identity_t<std::function<BasicVar<T>(BasicVar<T> output)>>& loss,
                          const PreflightOptions& options) {
  return check<T>(net, inputs, loss, false, describe(BasicMatrix<T>(inputs)), options);
}

#define TAPEGRAD_FUNCTIONS(T)                                                                              \
  template PreflightReport preflight(BasicModule<T>&, const std::type_identity_t<BasicMatrixRef<T>>&,      \
                                     std::span<const int>, const PreflightOptions&);                       \
  template PreflightReport preflight(BasicModule<T>&, const std::type_identity_t<BasicMatrixRef<T>>&,      \
                                     const std::type_identity_t<std::function<BasicVar<T>(BasicVar<T>)>>&, \
                                     const PreflightOptions&);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

/// The sign of a NaN means nothing, and confuses when it is printed.
static double without_sign_of_nan(double x) { return std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x; }

std::string to_text(const PreflightReport& report) {
  std::string text = fmt::format("preflight: {} samples of {} inputs, mean {:.3g}, standard deviation {:.3g}\n",
                                 report.inputs.rows, report.inputs.cols, report.input_mean, report.input_std);
  text += fmt::format("loss {:.4g}", without_sign_of_nan(report.loss));
  if (report.classes > 1)
    text += fmt::format("; guessing among {} classes gives ln {} = {:.4g}", report.classes, report.classes,
                        std::log(static_cast<double>(report.classes)));
  text += fmt::format("\n\n{:<22}{:>6}{:>10}{:>10}{:>11}{:>10}{:>6}{:>5}\n", "layer", "units", "rms", "expected",
                      "gradient", "expected", "dead", "sat.");
  for (const PreflightLayer& layer : report.layers) {
    text += fmt::format("{:<22}{:>6}{:>10.3g}{:>10.3g}{:>11.2g}{:>10.2g}", layer.path + "." + layer.kind,
                        layer.units, without_sign_of_nan(layer.rms), without_sign_of_nan(layer.expected_rms),
                        without_sign_of_nan(layer.gradient_rms), without_sign_of_nan(layer.expected_gradient_rms));
    if (layer.activation) text += fmt::format("{:>5.0f}%{:>4.0f}%", 100 * layer.dead, 100 * layer.saturated);
    text += "\n";
  }
  text += "\n";
  if (!report.lr_curve.empty()) {
    std::string rates = "learning rate of plain SGD on this batch: ";
    rates += report.lr_fastest > 0 ? fmt::format("the loss falls fastest at {:.2g}", report.lr_fastest)
                                   : "none makes the loss fall";
    rates += report.lr_limit > 0 ? fmt::format(", from {:.2g} on it rises", report.lr_limit)
                                 : fmt::format(", up to {:.3g} it does not explode", report.lr_curve.back().first);
    text += wrapped(rates, 80, 0, 2);
  }
  for (const Finding& each : report.findings)
    text += wrapped(std::string(to_string(each.severity)) + ": " + each.text, 80, 0, 2);
  if (report.findings.empty()) text += "nothing looks wrong\n";
  return text;
}

}  // namespace tapegrad
