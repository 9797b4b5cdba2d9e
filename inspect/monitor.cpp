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
#include "tapegrad/inspect/unit_health.h"
#include "tapegrad/inspect/watched_parameter.h"
#include "tapegrad/layers/activation.h"

namespace tapegrad::inline TAPEGRAD_ABI {
template <class T> struct BasicMonitor<T>::Implementation {
  /// What one step says of a layer. It becomes part of the record only when all of the step has been looked at, so that a
  /// step that fails for want of memory can be repeated.
  struct Look {
    bool seen = false;
    Index rows = 0;         ///< of z; 0 when its units were not judged
    double output_rms = 0;  ///< RMS ∂L/∂y
    LayerStep step{};
    std::optional<Histogram> histogram{};
    std::vector<Unit> units{};
    std::vector<Death> deaths{};         ///< confirmed in this step
    std::vector<std::size_t> revived{};  ///< places among the deaths of the record
    std::vector<double> rates{};         ///< of the firing period that ends with this step
  };

  /// One activation layer, and what must be remembered of it from step to step.
  struct Layer {
    const BasicActivationLayer<T>* module;
    Thinning steps, histograms, firing;
    UnitSlopes<T> slopes{};  ///< of the current batch
    std::vector<Unit> units{};
    bool finite = true;                           ///< all z of this period were
    Index samples = 0;                            ///< in this period
    const WatchedParameter<T>* weight = nullptr;  ///< of the linear layer that makes its z
    const WatchedParameter<T>* bias = nullptr;
    Look look{};
  };

  Implementation(BasicModule<T>& net, MonitorOptions o)
      : options(std::move(o)), loss_steps(options.every, options.most_records) {
    const Thinning steps(options.every, options.most_records);
    const Thinning histograms(options.histogram_every, std::max<Index>(options.most_records / 4, 2));
    const auto positive = [](const char* name, Index value, Index least) {
      if (value < least) fail("monitor", fmt::format("{} must be at least {}, got {}", name, least, value));
    };
    positive("every", options.every, 1);
    positive("histogram_every", options.histogram_every, 1);
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
      layers.push_back({layer, steps, histograms, Thinning(1, std::max<Index>(options.most_records / 4, 2))});
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

  void look(BasicVar<T> loss) {
    const BasicTape<T>& tape = loss.tape();
    const NodeIndex end = loss.index();
    look_at_input(tape, loss);
    if (count == 0) structure = structure_of(loss, modules);
    in_eval = !modal.empty() && !in_training();
    for (std::size_t i = 0; i < layers.size(); ++i) look_at_layer(tape, end, i);
    look_at_output(tape, end);
    attribute();
    for (std::size_t i = 0; i < watched.size(); ++i) {
      watched[i].look(record.parameters[i], count);
      if (count % options.histogram_every == 0) watched[i].look_at_histogram(count, scratch);
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

  void look_at_layer(const BasicTape<T>& tape, NodeIndex end, std::size_t index) {
    Layer& layer = layers[index];
    const LayerRecord& to = record.layers[index];
    Look& look = layer.look;
    const LayerNodes nodes = find_nodes(tape, end, *layer.module);
    look.seen = nodes.found;
    look.rows = 0;
    look.histogram.reset();
    look.deaths.clear();
    look.revived.clear();
    if (!nodes.found) return;
    const Node<T>& z = tape.node(nodes.z);
    const Node<T>& y = tape.node(nodes.y);
    const Values<T> z_values(z.value, z.size());
    const Values<T> y_values(y.value, y.size());
    LayerStep& step = look.step = {.step = count};
    step.z_mean = mean_of(z_values);
    step.z_std = std_of<T>(z_values, step.z_mean);
    step.mean = mean_of(y_values);
    step.std = std_of<T>(y_values, step.mean);
    step.gradient_rms = gradient_rms(z);
    look.output_rms = gradient_rms(y);
    step.slope_factor = ratio(step.gradient_rms, look.output_rms);

    if (layer.units.empty()) find_source(layer, source_of(tape, nodes.z));
    const auto units = layer.units.empty() ? static_cast<std::size_t>(z.shape().cols) : layer.units.size();
    look.units = layer.units;
    look.units.resize(units);
    if (to.elementwise && z.shape() == Shape{z.shape().rows, static_cast<Index>(units)})
      look_at_units(layer, to, z);
    if (count % options.histogram_every == 0 && std::isfinite(step.z_mean)) {
      look.histogram = Histogram{.low = -8, .high = 8};
      for (const T v : z_values) look.histogram->add(static_cast<double>(v));
    }
  }

  void find_source(Layer& layer, const BasicLinear<T>* source) {
    if (source == nullptr) return;
    for (const WatchedParameter<T>& each : watched) {
      if (each.is(source->weight)) layer.weight = &each;
      if (source->has_bias() && each.is(source->bias)) layer.bias = &each;
    }
  }

  void look_at_units(Layer& layer, const LayerRecord& to, const Node<T>& z) {
    Look& look = layer.look;
    layer.slopes.begin(z.shape().cols, to.facts.sup_slope);
    layer.slopes.add(layer.module->activation(), z.value, z.shape(), scratch);
    look.rows = z.shape().rows;
    const auto elements = static_cast<double>(std::max<Index>(z.size(), 1));
    LayerStep& step = look.step;
    step.saturated_low = static_cast<double>(layer.slopes.low()) / elements;
    step.saturated_high = static_cast<double>(layer.slopes.high()) / elements;
    Index off = 0, off_this_epoch = 0, dead = 0, asleep = 0;
    for (std::size_t u = 0; u < look.units.size(); ++u) {
      Unit& unit = look.units[u];
      unit.unsaturated += layer.slopes.unsaturated(u);
      unit.judged = layer.slopes.judged(u);
      if (!unit.judged) continue;
      if (unit.see(layer.slopes.dead(u), count)) unit.candidate = certificate(layer, u);
      note_death(unit, to, look);
      off += unit.off();
      off_this_epoch += unit.off_this_epoch;
      dead += unit.death != Unit::never;
      asleep += layer.slopes.asleep(u);
    }
    const auto units = static_cast<double>(std::max<std::size_t>(look.units.size(), 1));
    step.dead_batch = static_cast<double>(off) / units;
    step.dead_epoch = static_cast<double>(off_this_epoch) / units;
    step.dead_since = static_cast<double>(dead) / units;
    step.asleep = static_cast<double>(asleep) / units;
  }

  /// A death enters the record when it is confirmed, and leaves the unit when it is over.
  void note_death(Unit& unit, const LayerRecord& to, Look& look) const {
    const bool dead = unit.dead(options.confirm_after);
    if (dead && unit.death == Unit::never) {
      unit.death = static_cast<Index>(to.deaths.size() + look.deaths.size());
      look.deaths.push_back(unit.candidate);
      look.deaths.back().cause = cause_of(unit.candidate);
    } else if (!dead && unit.death != Unit::never) {
      look.revived.push_back(static_cast<std::size_t>(unit.death));
      unit.death = Unit::never;
    }
  }

  /// A unit went off between the last step looked at and this one: what did the update between do to it?
  Death certificate(const Layer& layer, std::size_t unit) const {
    Death death{.step = count, .unit = static_cast<Index>(unit), .at_initialization = count == 0, .lr = last_lr};
    const UnitUpdate weight = layer.weight == nullptr ? UnitUpdate{} : layer.weight->last_update(unit);
    const UnitUpdate bias = layer.bias == nullptr ? UnitUpdate{} : layer.bias->last_update(unit);
    death.weight_jump = weight.weight_jump;
    death.weight_norm = weight.weight_norm;
    death.bias_jump = bias.bias_jump;
    death.gradient_norm = std::hypot(weight.gradient_norm, bias.gradient_norm);
    return death;
  }

  static std::string cause_of(const Death& death) {
    if (death.at_initialization) return "off on the first batch, before any update";
    const double relative = ratio(death.weight_jump, death.weight_norm);
    if (relative == 0) return "its own weights had not moved: the layers below had";
    return fmt::format("{}: the update before moved its weights by {:.2g} %", relative > 0.1 ? "a jump" : "a drift",
                       100 * relative);
  }

  /// The last value the network made: the logits, or what an activation makes of them, whose step is there already.
  void look_at_output(const BasicTape<T>& tape, NodeIndex end) {
    output.seen = false;
    for (NodeIndex i = end; i-- > 0;) {
      const Node<T>& node = tape.node(i);
      if (!is_ours(node.owner)) continue;
      const double sample_std = sample_std_of(static_cast<const T*>(node.value), node.shape());
      for (Layer& layer : layers) {
        if (node.owner != layer.module) continue;
        layer.look.step.sample_std = sample_std;
        return;
      }
      const Values<T> values(node.value, node.size());
      output.seen = true;
      output.step = {.step = count, .sample_std = sample_std};
      output.step.z_mean = output.step.mean = mean_of(values);
      output.step.z_std = output.step.std = std_of<T>(values, output.step.mean);
      output.step.gradient_rms = gradient_rms(node);
      output.units.resize(static_cast<std::size_t>(node.shape().cols));
      return;
    }
  }

  /// Splits the change of the gradient from layer to layer: what stands between two activations, and f′.
  void attribute() {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Look& here = layers[i].look;
      const Look& next = i + 1 < layers.size() ? layers[i + 1].look : output;
      if (here.seen && next.seen) here.step.weight_factor = ratio(here.output_rms, next.step.gradient_rms);
    }
  }

  void end_firing_period(bool looked) {
    for (Layer& layer : layers) {
      const Index now = looked ? layer.look.rows : 0;
      const double samples = static_cast<double>(layer.samples + now);
      const bool finite = layer.finite && (now == 0 || std::isfinite(layer.look.step.z_mean));
      layer.look.rates.clear();
      if (samples == 0) continue;
      for (const Unit& unit : now > 0 ? layer.look.units : layer.units)
        layer.look.rates.push_back(finite ? static_cast<double>(unit.unsaturated) / samples
                                          : std::numeric_limits<double>::quiet_NaN());
    }
  }

  void make_room(bool looked, bool period_ends) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      LayerRecord& to = record.layers[i];
      const Look& look = layers[i].look;
      if (period_ends && !look.rates.empty()) Thinning::make_room(to.firing_rates);
      if (!looked || !look.seen) continue;
      Thinning::make_room(to.steps);
      if (look.histogram) Thinning::make_room(to.z_histograms);
      to.deaths.reserve(to.deaths.size() + look.deaths.size());
      to.dead_since.reserve(look.units.size());
    }
    if (!looked) return;
    Thinning::make_room(record.loss);
    if (output.seen) Thinning::make_room(record.layers.back().steps);
    for (std::size_t i = 0; i < watched.size(); ++i) watched[i].make_room(record.parameters[i]);
  }

  // What cannot fail.

  void commit(double loss, const StepInfo& info) noexcept {
    loss_steps.append(record.loss, {count, loss, info.accuracy, info.lr});
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
    for (std::size_t i = 0; i < layers.size(); ++i)
      if (layers[i].look.seen) commit(layers[i], record.layers[i]);
    if (output.seen) {
      record.layers.back().units = static_cast<Index>(output.units.size());
      output_steps.append(record.layers.back().steps, output.step);
    }
    for (std::size_t i = 0; i < watched.size(); ++i) watched[i].commit(record.parameters[i]);
    last_lr = info.lr;
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

  void commit(Layer& layer, LayerRecord& to) noexcept {
    Look& look = layer.look;
    layer.units.swap(look.units);
    layer.samples += look.rows;
    layer.finite = layer.finite && (look.rows == 0 || std::isfinite(look.step.z_mean));
    for (const std::size_t place : look.revived) to.deaths[place].revived = count;
    std::move(look.deaths.begin(), look.deaths.end(), std::back_inserter(to.deaths));
    if (to.deaths.size() > layer.units.size() + static_cast<std::size_t>(options.most_records))
      thin_deaths(layer, to);
    to.units = static_cast<Index>(layer.units.size());
    to.dead_since.resize(layer.units.size());
    for (std::size_t u = 0; u < layer.units.size(); ++u) {
      const Unit& unit = layer.units[u];
      to.dead_since[u] = unit.judged && unit.death != Unit::never ? unit.off_since : Unit::never;
    }
    if (look.histogram) layer.histograms.append(to.z_histograms, {count, *look.histogram});
    layer.steps.append(to.steps, look.step);
  }

  /// Drops every other death that is over.
  static void thin_deaths(Layer& layer, LayerRecord& to) noexcept {
    bool keep = false;
    std::erase_if(to.deaths, [&](const Death& death) { return death.revived && !(keep = !keep); });
    for (std::size_t i = 0; i < to.deaths.size(); ++i)
      if (!to.deaths[i].revived)
        layer.units[static_cast<std::size_t>(to.deaths[i].unit)].death = static_cast<Index>(i);
  }

  void commit_firing_period() noexcept {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Layer& layer = layers[i];
      if (layer.samples > 0)
        layer.firing.append(record.layers[i].firing_rates, {count, std::move(layer.look.rates)});
      for (Unit& unit : layer.units) unit.unsaturated = 0;
      layer.samples = 0;
      layer.finite = true;
    }
  }

  void begin_epoch() {
    for (Layer& layer : layers)
      for (Unit& unit : layer.units) unit.off_this_epoch = true;
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
  std::vector<Layer> layers;
  std::vector<WatchedParameter<T>> watched;
  Look output;  ///< the logits
  double input_mean = 0, input_std = 0;
  std::vector<T> scratch;
  double last_lr = 0;
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
  const bool looks = me.count % me.options.every == 0;
  const bool next_looks = (me.count + 1) % me.options.every == 0;
  const bool period_ends = (me.count + 1) % me.options.firing_every == 0;
  for (std::size_t i = 0; i < me.watched.size() && (looks || next_looks); ++i)
    me.watched[i].check_shape(me.record.parameters[i]);
  if (looks) me.look(loss);
  if (period_ends) me.end_firing_period(looks);
  me.make_room(looks, period_ends);

  if (looks) me.commit(static_cast<double>(loss.item()), info);
  if (period_ends) me.commit_firing_period();
  ++me.count;
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
