#include "tapegrad/inspect/monitor.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include "tapegrad/inspect/statistics.h"
#include "tapegrad/inspect/structure.h"
#include "tapegrad/inspect/watched_layer.h"
#include "tapegrad/inspect/watched_parameter.h"
#include "tapegrad/layers/activation.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// Steps from one look to the next where the caller does not say it: in runs of 4,000 steps one of 28 is looked at, which costs
/// about as much as a step of training. A histogram costs about three.
Index usual_distance(Index step) {
  return step < 20 ? 1 : step < 100 ? 5 : step < 300 ? 10 : step < 1000 ? 25 : 50;
}

}  // namespace

template <class T> struct BasicMonitor<T>::Implementation {
  Implementation(BasicModule<T>& net, MonitorOptions o)
      : options(std::move(o)), loss_steps(std::max<Index>(options.every, 1), options.most_records) {
    const Thinning steps = loss_steps;
    const Thinning histograms(std::max<Index>(options.histogram_every, 1),
                              std::max<Index>(options.most_records / 4, 2));
    const auto positive = [](const char* name, Index value, Index least) {
      if (value < least) fail("monitor", fmt::format("{} must be at least {}, got {}", name, least, value));
    };
    positive("every", options.every, 0);
    positive("histogram_every", options.histogram_every, 0);
    positive("firing_every", options.firing_every, 1);
    positive("confirm_after", options.confirm_after, 0);
    positive("most_records", options.most_records, 2);
    positive("steps_per_epoch", options.steps_per_epoch, 0);
    positive("classes", options.classes, 0);
    record.name = options.name;
    record.classes = options.classes;
    record.steps_per_epoch = options.steps_per_epoch;
    record.optimizer = options.optimizer;
    record.data = std::move(options.data);
    modules = net.named_modules();
    modal = with_modes(modules);
    if (!modal.empty()) record.modal_path = modal.front().first;
    for (const auto& [path, module] : modules) {
      const auto* layer = dynamic_cast<const BasicActivationLayer<T>*>(module);
      if (layer == nullptr) continue;
      layers.emplace_back(layer, steps, histograms, options.confirm_after, options.most_records);
      LayerRecord& to = record.layers.emplace_back();
      to.path = path;
      to.activation = layer->activation().text();
      to.elementwise = layer->activation().elementwise();
      to.facts = layer->activation().facts();
    }
    LayerRecord& logits = record.layers.emplace_back();
    logits.path = logits.activation = "output";
    logits.elementwise = false;
    for (const auto& [path, parameter] : net.named_parameters()) {
      watched.emplace_back(parameter, steps, histograms);
      ParameterRecord& to = record.parameters.emplace_back();
      to.path = path;
      to.shape = parameter.shape();
      to.requires_grad = parameter.requires_grad();
    }
  }

  bool is_ours(const void* owner) const {
    return owner != nullptr &&
           std::any_of(modules.begin(), modules.end(), [&](const auto& each) { return each.second == owner; });
  }

  bool in_training() const {
    return std::any_of(modal.begin(), modal.end(), [](const auto& each) { return each.second->training(); });
  }

  // What may fail. Nothing of it is in the record yet, nor in what is remembered.

  /// Whether this step is to be looked at. With `every` = 0 a loss far above the first one is reason to look at every step.
  bool due(Index step, double last_loss) const {
    if (options.every > 0) return step % options.every == 0;
    return step >= next_look || last_loss > first_loss + std::abs(first_loss);
  }

  void look(BasicVar<T> loss) {
    const BasicTape<T>& tape = loss.tape();
    const NodeIndex end = loss.index();
    look_at_input(tape, loss);
    if (count == 0) structure = structure_of(loss, modules);
    in_eval = !modal.empty() && !in_training();
    const Index apart = options.histogram_every > 0 ? options.histogram_every
                        : options.every > 0         ? 50
                                                    : 8 * usual_distance(count);
    const bool histogram = count % apart == 0;
    for (std::size_t i = 0; i < layers.size(); ++i)
      layers[i].look({count, count - last_look, last_lr, remembered, histogram}, tape, end, record.layers[i],
                     watched, scratch);
    look_at_output(tape, end);
    attribute();
    for (std::size_t i = 0; i < watched.size() && remembered; ++i) {
      watched[i].look(record.parameters[i], count);
      if (histogram) watched[i].look_at_histogram(count, scratch);
    }
  }

  void look_at_input(const BasicTape<T>& tape, const BasicVar<T>& loss) {
    for (NodeIndex i = 0; i < loss.index(); ++i) {
      const Node<T>& node = tape.node(i);
      if (node.parent_count == 0 || !is_ours(node.owner)) continue;
      if (count > 0 && (record.nan_step || std::isfinite(loss.item()))) return;
      const Node<T>& in = tape.node(node.parents[0]);
      const Values<T> values(in.value, in.size());
      input_mean = mean_of(values);
      input_std = std_of<T>(values, input_mean);
      return;
    }
    fail("monitor",
         fmt::format("the network it watches has recorded nothing before the loss, variable {}", loss.label()));
  }

  /// The last value the network made: the logits, or what an activation makes of them, whose step is there already.
  void look_at_output(const BasicTape<T>& tape, NodeIndex end) {
    output_seen = false;
    for (NodeIndex i = end; i-- > 0;) {
      const Node<T>& node = tape.node(i);
      if (!is_ours(node.owner)) continue;
      const double sample_std = sample_std_of(static_cast<const T*>(node.value), node.shape());
      for (WatchedLayer<T>& each : layers) {
        if (node.owner != each.layer) continue;
        each.step.sample_std = sample_std;
        return;
      }
      const Values<T> values(node.value, node.size());
      output_seen = true;
      output_units = node.shape().cols;
      output = {.step = count, .sample_std = sample_std};
      output.z_mean = output.mean = mean_of(values);
      output.z_std = output.std = std_of<T>(values, output.mean);
      output.gradient_rms = gradient_rms(node);
      return;
    }
  }

  /// Splits the change of the gradient from layer to layer: what stands between two activations, and f′.
  void attribute() {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const bool is_last = i + 1 == layers.size();
      if (!layers[i].seen || !(is_last ? output_seen : layers[i + 1].seen)) continue;
      layers[i].step.weight_factor =
          ratio(layers[i].output_rms, is_last ? output.gradient_rms : layers[i + 1].step.gradient_rms);
    }
  }

  void make_room(bool looked) {
    for (std::size_t i = 0; i < layers.size(); ++i) layers[i].make_room(record.layers[i]);
    Thinning::make_room(record.loss);
    if (!looked) return;
    if (output_seen) Thinning::make_room(record.layers.back().steps);
    for (std::size_t i = 0; i < watched.size() && remembered; ++i) watched[i].make_room(record.parameters[i]);
  }

  // What cannot fail.

  void commit(double loss) noexcept {
    if (!std::isfinite(loss) && !record.nan_step) {
      record.nan_step = count;
      record.nan_input = !std::isfinite(input_mean);
    }
    ++record.looks;
    record.looks_in_eval += in_eval;
    if (count == 0) {
      record.structure = std::move(structure);
      record.input_mean = input_mean;
      record.input_std = input_std;
    }
    if (output_seen) {
      record.layers.back().units = output_units;
      output_steps.append(record.layers.back().steps, output);
    }
    if (!remembered) return;
    for (std::size_t i = 0; i < watched.size(); ++i) watched[i].commit(record.parameters[i]);
    last_look = count;
  }

  void commit_loss(double loss, const StepInfo& info) noexcept {
    loss_steps.append(record.loss, {count, loss, info.accuracy, info.lr});
    if (info.accuracy < 0) return;
    accuracies += info.accuracy;
    ++batches;
  }

  void validation(double loss, double accuracy, bool training_mode) {
    Thinning::make_room(record.validation);
    const double train_accuracy = batches > 0 ? accuracies / static_cast<double>(batches) : -1;
    validation_steps.append(record.validation, {count, loss, accuracy, train_accuracy, training_mode});
    accuracies = 0;
    batches = 0;
  }

  void begin_epoch() {
    for (WatchedLayer<T>& each : layers) each.begin_epoch();
  }

  MonitorOptions options;
  Thinning loss_steps;
  Thinning output_steps = loss_steps;
  RunRecord record;
  NamedModules<T> modules;
  StructureRecord structure;  ///< seen in the first step
  NamedModules<T> modal;      ///< which act differently in training
  bool in_eval = false;       ///< none of them is in training mode
  Thinning validation_steps{1, options.most_records};
  double accuracies = 0;  ///< of the batches since the last evaluation
  Index batches = 0;      ///< with an accuracy
  std::vector<WatchedLayer<T>> layers;
  std::vector<WatchedParameter<T>> watched;
  LayerStep output{};  ///< the logits
  bool output_seen = false;
  Index output_units = 0;
  double input_mean = 0, input_std = 0;
  std::vector<T> scratch;
  double first_loss = 0, last_lr = 0;
  bool remembered = true;  ///< the weights before the update of this step, so that it can be looked at
  Index last_look = 0;
  Index next_look = 0;  ///< with `every` = 0
  Index period_end = options.firing_every;
  Index count = 0;
};

template <class T>
BasicMonitor<T>::BasicMonitor(BasicModule<T>& net, MonitorOptions options)
    : implementation_(std::make_unique<Implementation>(net, std::move(options))) {}
template <class T> BasicMonitor<T>::~BasicMonitor() = default;
template <class T> BasicMonitor<T>::BasicMonitor(BasicMonitor&&) noexcept = default;
template <class T> BasicMonitor<T>& BasicMonitor<T>::operator=(BasicMonitor&&) noexcept = default;

template <class T> auto BasicMonitor<T>::self() const -> Implementation& {
  if (implementation_ == nullptr) fail("monitor", "this one was moved from");
  return *implementation_;
}

template <class T> void BasicMonitor<T>::step(BasicVar<T> loss, StepInfo info) {
  Implementation& me = self();
  if (loss.shape() != Shape{1, 1})
    fail("monitor",
         fmt::format("needs the scalar loss (1x1), variable {} is {}", loss.label(), to_string(loss.shape())));
  // A loss that is not finite for the first time is looked at without its update.
  const auto value = static_cast<double>(loss.item());
  const bool looks = me.remembered || (!std::isfinite(value) && !me.record.nan_step);
  const bool period_ends = me.count + 1 == me.period_end;
  if (me.count == 0) me.first_loss = value;
  const Index distance = usual_distance(me.count);
  if (me.count >= me.next_look) me.next_look = (me.count / distance + 1) * distance;
  const bool next_looks = me.due(me.count + 1, value);
  for (std::size_t i = 0; i < me.watched.size() && (looks || next_looks); ++i)
    me.watched[i].check_shape(me.record.parameters[i]);
  if (looks) me.look(loss);
  const bool adapts = me.options.every == 0;
  for (std::size_t i = 0; i < me.layers.size(); ++i) {
    if (!looks && adapts) me.layers[i].follow(loss.tape(), loss.index(), me.record.layers[i], me.scratch);
    if (period_ends) me.layers[i].end_firing_period(looks);
  }
  me.make_room(looks);

  if (looks || adapts)
    for (std::size_t i = 0; i < me.layers.size(); ++i) me.layers[i].commit(me.record.layers[i]);
  if (looks) me.commit(value);
  if (looks || adapts) me.commit_loss(value, info);
  for (std::size_t i = 0; i < me.layers.size() && period_ends; ++i)
    me.layers[i].commit_firing_period(me.count, me.record.layers[i]);
  if (period_ends) me.period_end += me.options.firing_every;
  me.last_lr = info.lr;
  ++me.count;
  me.remembered = next_looks;
  if (next_looks)  // keep what the next update will change
    for (auto& each : me.watched) each.remember();
  if (me.options.steps_per_epoch > 0 && me.count % me.options.steps_per_epoch == 0) me.begin_epoch();
}

template <class T> void BasicMonitor<T>::validation(double loss, double accuracy) {
  self().validation(loss, accuracy, false);
}

template <class T> void BasicMonitor<T>::validation(BasicVar<T> loss, double accuracy) {
  Implementation& me = self();
  me.validation(static_cast<double>(loss.item()), accuracy, me.in_training());
}

template <class T> void BasicMonitor<T>::end_epoch() { self().begin_epoch(); }
template <class T> Index BasicMonitor<T>::steps() const { return self().count; }
template <class T> const RunRecord& BasicMonitor<T>::record() const { return self().record; }
template <class T> RunRecord& BasicMonitor<T>::record() { return self().record; }

TAPEGRAD_INSTANTIATE_SCALARS(Monitor)

}  // namespace tapegrad
