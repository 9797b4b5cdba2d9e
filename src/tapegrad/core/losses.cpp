#include "tapegrad/core/losses.h"

#include <cmath>

#include "tapegrad/core/activations.h"
#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/reduction.h"
#include "tapegrad/core/select.h"

namespace tapegrad {
inline namespace TAPEGRAD_ABI {

namespace {

template <class T> void check_target(std::string_view op, BasicVar<T> prediction, BasicVar<T> target) {
  common_tape(op, {prediction, target});
  if (prediction.shape() != target.shape())
    fail(op, "the prediction is " + to_string(prediction.shape()) + ", the target " + to_string(target.shape()));
}

void check_batch(std::string_view op, Shape shape) {
  if (shape.size() == 0) fail(op, "empty batch: the prediction is " + to_string(shape));
}

void check_labels(std::string_view op, Shape shape, std::span<const int> labels) {
  if (static_cast<Index>(labels.size()) != shape.rows)
    fail(op, std::to_string(labels.size()) + " labels for a prediction of " + to_string(shape));
  for (std::size_t row = 0; row < labels.size(); ++row)
    if (labels[row] < 0 || labels[row] >= shape.cols)
      fail(op, "label " + std::to_string(labels[row]) + " in row " + std::to_string(row) + " is not in 0.." +
                   std::to_string(shape.cols - 1));
}

template <class T> BasicVar<T> reduce(BasicVar<T> errors, Reduction reduction) {
  return reduction == Reduction::mean ? mean(errors) : sum(errors);
}

template <class Rule, class T>
BasicVar<T> elementwise_loss(std::string_view op, const Rule& rule, BasicVar<T> prediction, BasicVar<T> target,
                             Reduction reduction) {
  check_target(op, prediction, target);
  check_batch(op, prediction.shape());
  return reduce(record<Rule, T, 2>(rule, {prediction, target}), reduction);
}

/// Σ over the rows of ln Σeᶻ − Σ qz with q the smoothed one-hot target; dz = (softmax(z) − q)·scale.
template <class T> struct CrossEntropy {
  struct Attributes {
    const int* labels;
    const T* probabilities;  ///< softmax of the logits, kept for the backward pass
    double smoothing;
    double scale;
  };

  static void pull_back(BasicTape<T>& tape, NodeIndex self) {
    const NodeIndex logits = tape.node(self).parents[0];
    const GradSink<T> sink = tape.grad_sink(logits);
    const Node<T>& node = tape.node(self);
    const auto& [labels, probabilities, smoothing, scale] = *static_cast<const Attributes*>(node.attributes);
    const Shape shape = tape.node(logits).shape();
    const T g = static_cast<T>(static_cast<double>(*node.grad) * scale);
    const T off = static_cast<T>(smoothing / static_cast<double>(shape.cols));
    const T on = static_cast<T>(1 - smoothing);
    for (Index row = 0; row < shape.rows; ++row) {
      const T* p = probabilities + row * shape.cols;
      T* to = sink.data + row * shape.cols;
      const T before = sink.add ? to[labels[row]] : T(0);
      for (Index i = 0; i < shape.cols; ++i) to[i] = (p[i] - off) * g + (sink.add ? to[i] : T(0));
      to[labels[row]] = (p[labels[row]] - off - on) * g + before;
    }
  }
  static BasicVar<T> taped_vjp(const TapedRuleInput<T>& at, std::size_t) {
    const auto& [labels, probabilities, smoothing, scale] = at.template attributes<Attributes>();
    const BasicVar<T> z = at.parent(0);
    BasicMatrix<T> q =
        BasicMatrix<T>::Constant(z.rows(), z.cols(), static_cast<T>(smoothing / static_cast<double>(z.cols())));
    for (Index row = 0; row < z.rows(); ++row) q(row, labels[row]) += static_cast<T>(1 - smoothing);
    return (softmax(z) - at.tape.input(q)) * (at.g * scale);
  }
  static constexpr Op<T> op{.name = "cross_entropy", .pull_back = &pull_back, .taped_vjp = &taped_vjp};
};

void check_smoothing(double smoothing) {
  if (!(smoothing >= 0 && smoothing < 1))
    fail("cross_entropy", "label_smoothing must be in [0, 1), got " + to_string(smoothing));
}

}  // namespace

TAPEGRAD_LOSS_OPS(TAPEGRAD_DEFINE_ELEMENTWISE)

template <class T> BasicVar<T> mse(BasicVar<T> prediction, BasicVar<T> target, LossOptions options) {
  return elementwise_loss("mse", SquaredError{}, prediction, target, options.reduction);
}

template <class T> BasicVar<T> l1(BasicVar<T> prediction, BasicVar<T> target, LossOptions options) {
  return elementwise_loss("l1", AbsoluteError{}, prediction, target, options.reduction);
}

template <class T> BasicVar<T> huber(BasicVar<T> prediction, BasicVar<T> target, HuberOptions options) {
  check_setting("huber", "delta", SettingDomain::positive, options.delta);
  return elementwise_loss("huber", HuberError{options.delta}, prediction, target, options.reduction);
}

template <class T> BasicVar<T> bce_with_logits(BasicVar<T> logits, BasicVar<T> target, LossOptions options) {
  return elementwise_loss("bce_with_logits", BceWithLogits{}, logits, target, options.reduction);
}

template <class T>
BasicVar<T> cross_entropy(BasicVar<T> logits, std::span<const int> labels, CrossEntropyOptions options) {
  BasicTape<T>& tape = logits.tape();
  const Shape shape = logits.shape();
  check_batch("cross_entropy", shape);
  check_labels("cross_entropy", shape, labels);
  check_smoothing(options.label_smoothing);
  T* probabilities = tape.allocate(shape.size());
  double total = 0;
  for (Index row = 0; row < shape.rows; ++row) {
    const T* z = logits.value().data() + row * shape.cols;
    const auto [largest, log_rest] = softmax_row(z, probabilities + row * shape.cols, shape.cols);
    // ln Σeᶻ − Σqz with everything measured from the largest logit
    double loss =
        static_cast<double>(log_rest) +
        (1 - options.label_smoothing) * static_cast<double>(largest - z[labels[static_cast<std::size_t>(row)]]);
    if (options.label_smoothing > 0) {
      double rest = 0;
      for (Index i = 0; i < shape.cols; ++i) rest += static_cast<double>(largest - z[i]);
      loss += options.label_smoothing / static_cast<double>(shape.cols) * rest;
    }
    total += loss;
  }
  const double scale = options.reduction == Reduction::mean ? 1 / static_cast<double>(shape.rows) : 1;
  T* out = tape.allocate(1);
  *out = static_cast<T>(total * scale);
  const typename CrossEntropy<T>::Attributes attributes{tape.remember(labels).data(), probabilities,
                                                        options.label_smoothing, scale};
  return tape.push(CrossEntropy<T>::op, {1, 1}, out, {logits}, tape.remember(attributes));
}

template <class T>
BasicVar<T> cross_entropy(BasicVar<T> logits, BasicVar<T> probabilities, CrossEntropyOptions options) {
  check_target("cross_entropy", logits, probabilities);
  check_batch("cross_entropy", logits.shape());
  check_smoothing(options.label_smoothing);
  const double smoothing = options.label_smoothing;
  const BasicVar<T> target = smoothing == 0
                                 ? probabilities
                                 : probabilities * (1 - smoothing) + smoothing / static_cast<double>(logits.cols());
  const BasicVar<T> total = -sum(target * log_softmax(logits));
  return options.reduction == Reduction::sum ? total : total / static_cast<double>(logits.rows());
}

template <class T>
BasicVar<T> nll(BasicVar<T> log_probabilities, std::span<const int> labels, LossOptions options) {
  BasicTape<T>& tape = log_probabilities.tape();
  const Shape shape = log_probabilities.shape();
  check_batch("nll", shape);
  check_labels("nll", shape, labels);
  Index* elements = tape.template allocate_array<Index>(labels.size());
  for (std::size_t row = 0; row < labels.size(); ++row)
    elements[row] = static_cast<Index>(row) * shape.cols + labels[row];
  const BasicVar<T> chosen =
      gather(log_probabilities, std::span<const Index>(elements, labels.size()), {shape.rows, 1});
  return -reduce(chosen, options.reduction);
}

#define TAPEGRAD_INSTANTIATE(T)                                                               \
  template BasicVar<T> mse(BasicVar<T>, BasicVar<T>, LossOptions);                            \
  template BasicVar<T> l1(BasicVar<T>, BasicVar<T>, LossOptions);                             \
  template BasicVar<T> huber(BasicVar<T>, BasicVar<T>, HuberOptions);                         \
  template BasicVar<T> bce_with_logits(BasicVar<T>, BasicVar<T>, LossOptions);                \
  template BasicVar<T> cross_entropy(BasicVar<T>, std::span<const int>, CrossEntropyOptions); \
  template BasicVar<T> cross_entropy(BasicVar<T>, BasicVar<T>, CrossEntropyOptions);          \
  template BasicVar<T> nll(BasicVar<T>, std::span<const int>, LossOptions);
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

}  // namespace TAPEGRAD_ABI
}  // namespace tapegrad
