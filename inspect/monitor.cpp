#include "tapegrad/inspect/monitor.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tapegrad/inspect/statistics.h"
#include "tapegrad/inspect/unit_health.h"
#include "tapegrad/inspect/watched_parameter.h"
#include "tapegrad/layers/activation.h"
#include "tapegrad/layers/linear.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

template <class T> bool owns(const BasicModule<T>& module, const Node<T>& node) { return node.owner == &module; }

/// Nodes of one layer in the recorded step.
struct LayerNodes {
  NodeIndex z = 0;
  NodeIndex y = 0;
  bool found = false;
};

/// The first node a module recorded gives its input, the last one its output.
template <class T> LayerNodes find_nodes(const BasicTape<T>& tape, NodeIndex end, const BasicModule<T>& module) {
  LayerNodes nodes;
  for (NodeIndex i = 0; i < end; ++i) {
    const Node<T>& node = tape.node(i);
    if (!owns(module, node) || node.parent_count == 0) continue;
    if (!nodes.found) nodes.z = node.parents[0];
    nodes.y = i;
    nodes.found = true;
  }
  return nodes;
}

/// The linear layer that made the units of node z, perhaps with a normalization in between.
template <class T> const BasicLinear<T>* source_of(const BasicTape<T>& tape, NodeIndex z) {
  const Index units = tape.node(z).shape().cols;
  for (NodeIndex i = z; tape.node(i).parent_count > 0; i = tape.node(i).parents[0]) {
    if (tape.node(i).shape().cols != units) return nullptr;
    const auto* linear =
        dynamic_cast<const BasicLinear<T>*>(static_cast<const BasicModule<T>*>(tape.node(i).owner));
    if (linear != nullptr) return linear;
  }
  return nullptr;
}

}  // namespace

template <class T> struct BasicMonitor<T>::Implementation {
  /// One activation layer, and what must be remembered of it from step to step.
  struct Layer {
    const BasicActivationLayer<T>* module;
    Thinning steps, histograms, firing;
    UnitSlopes<T> slopes{};  ///< of the current batch
    std::vector<Unit> units{};
    bool finite = true;                           ///< all z of this period were
    Index samples = 0;                            ///< in this period
    double output_rms = 0;                        ///< RMS ∂L/∂y in this step
    const WatchedParameter<T>* weight = nullptr;  ///< of the linear layer that makes its z
    const WatchedParameter<T>* bias = nullptr;
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
    for (const auto& [path, module] : net.named_modules()) {
      modules.push_back(module);
      const auto* layer = dynamic_cast<const BasicActivationLayer<T>*>(module);
      if (layer == nullptr) continue;
      layers.push_back({layer, steps, histograms, Thinning(1, std::max<Index>(options.most_records / 4, 2))});
      LayerRecord& to = record.layers.emplace_back();
      to.path = path;
      to.activation = layer->activation().text();
      to.elementwise = layer->activation().elementwise();
      to.facts = layer->activation().facts();
    }
    LayerRecord& output = record.layers.emplace_back();
    output.path = output.activation = "output";
    output.elementwise = false;
    for (const auto& [path, parameter] : net.named_parameters()) {
      watched.emplace_back(parameter, steps, histograms);
      ParameterRecord& to = record.parameters.emplace_back();
      to.path = path;
      to.shape = parameter.shape();
    }
  }

  void look(BasicVar<T> loss, const StepInfo& info) {
    const BasicTape<T>& tape = loss.tape();
    const NodeIndex end = loss.index();
    loss_steps.append(record.loss, {count, static_cast<double>(loss.item()), info.accuracy, info.lr});
    if (!std::isfinite(record.loss.back().loss) && !record.nan_step) record.nan_step = count;
    if (count == 0) look_at_input(tape, end);
    for (std::size_t i = 0; i < layers.size(); ++i) look_at_layer(tape, end, i);
    look_at_output(tape, end);
    attribute();
    for (std::size_t i = 0; i < watched.size(); ++i) {
      watched[i].look(record.parameters[i], count);
      if (count % options.histogram_every == 0) watched[i].add_histogram(record.parameters[i], count, scratch);
    }
    last_lr = info.lr;
  }

  void look_at_input(const BasicTape<T>& tape, NodeIndex end) {
    for (NodeIndex i = 0; i < end; ++i) {
      const Node<T>& node = tape.node(i);
      if (node.owner == nullptr || node.parent_count == 0) continue;
      const Node<T>& input = tape.node(node.parents[0]);
      const Values<T> values(input.value, input.size());
      record.input_mean = mean_of<T>(values);
      record.input_std = std_of<T>(values, record.input_mean);
      return;
    }
  }

  void look_at_layer(const BasicTape<T>& tape, NodeIndex end, std::size_t index) {
    Layer& layer = layers[index];
    LayerRecord& to = record.layers[index];
    layer.output_rms = 0;
    const LayerNodes nodes = find_nodes(tape, end, *layer.module);
    if (!nodes.found) return;
    const Node<T>& z = tape.node(nodes.z);
    const Node<T>& y = tape.node(nodes.y);
    const Values<T> z_values(z.value, z.size());
    const Values<T> y_values(y.value, y.size());
    LayerStep step{.step = count};
    step.z_mean = mean_of<T>(z_values);
    step.z_std = std_of<T>(z_values, step.z_mean);
    step.mean = mean_of<T>(y_values);
    step.std = std_of<T>(y_values, step.mean);
    step.gradient_rms = gradient_rms(z);
    layer.output_rms = gradient_rms(y);
    step.slope_factor = ratio(step.gradient_rms, layer.output_rms);

    if (to.units == 0) begin_units(layer, to, z.shape().cols, source_of(tape, nodes.z));
    if (to.elementwise && z.shape().cols == to.units) look_at_units(layer, to, z, step);
    if (count % options.histogram_every == 0 && std::isfinite(step.z_mean)) {
      Histogram histogram{.low = -8, .high = 8};
      for (const T v : z_values) histogram.add(static_cast<double>(v));
      layer.histograms.append(to.z_histograms, {count, histogram});
    }
    layer.steps.append(to.steps, step);
  }

  void begin_units(Layer& layer, LayerRecord& to, Index units, const BasicLinear<T>* source) {
    to.units = units;
    to.dead_since.assign(static_cast<std::size_t>(units), Unit::never);
    layer.units.assign(static_cast<std::size_t>(units), Unit{});
    if (source == nullptr) return;
    for (const WatchedParameter<T>& each : watched) {
      if (each.is(source->weight)) layer.weight = &each;
      if (source->has_bias() && each.is(source->bias)) layer.bias = &each;
    }
  }

  void look_at_units(Layer& layer, LayerRecord& to, const Node<T>& z, LayerStep& step) {
    layer.slopes.begin(to.units, to.facts.sup_slope);
    layer.slopes.add(layer.module->activation(), z.value, z.shape(), scratch);
    const auto elements = static_cast<double>(std::max<Index>(z.size(), 1));
    step.saturated_low = static_cast<double>(layer.slopes.low()) / elements;
    step.saturated_high = static_cast<double>(layer.slopes.high()) / elements;
    layer.samples += z.shape().rows;
    layer.finite = layer.finite && std::isfinite(step.z_mean);
    Index off = 0, off_this_epoch = 0, dead = 0, asleep = 0;
    for (std::size_t u = 0; u < layer.units.size(); ++u) {
      Unit& unit = layer.units[u];
      unit.unsaturated += layer.slopes.unsaturated(u);
      if (unit.see(layer.slopes.dead(u), count)) unit.candidate = certificate(layer, u);
      note_death(unit, to);
      to.dead_since[u] = unit.death == Unit::never ? Unit::never : unit.off_since;
      off += unit.off();
      off_this_epoch += unit.off_this_epoch;
      dead += unit.death != Unit::never;
      asleep += layer.slopes.asleep(u);
    }
    const auto units = static_cast<double>(std::max<Index>(to.units, 1));
    step.dead_batch = static_cast<double>(off) / units;
    step.dead_epoch = static_cast<double>(off_this_epoch) / units;
    step.dead_since = static_cast<double>(dead) / units;
    step.asleep = static_cast<double>(asleep) / units;
  }

  /// A death enters the record when it is confirmed, and leaves the unit when it is over.
  void note_death(Unit& unit, LayerRecord& to) const {
    const bool dead = unit.dead(options.confirm_after);
    if (dead && unit.death == Unit::never) {
      unit.death = static_cast<Index>(to.deaths.size());
      to.deaths.push_back(unit.candidate);
    } else if (!dead && unit.death != Unit::never) {
      to.deaths[static_cast<std::size_t>(unit.death)].revived = count;
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
    death.cause = cause_of(death);
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
    for (NodeIndex i = end; i-- > 0;) {
      const Node<T>& node = tape.node(i);
      if (std::find(modules.begin(), modules.end(), node.owner) == modules.end()) continue;
      const double sample_std = sample_std_of(static_cast<const T*>(node.value), node.shape());
      for (std::size_t k = 0; k < layers.size(); ++k) {
        if (node.owner != layers[k].module) continue;
        record.layers[k].steps.back().sample_std = sample_std;
        return;
      }
      LayerRecord& to = record.layers.back();
      const Values<T> values(node.value, node.size());
      LayerStep step{.step = count, .sample_std = sample_std};
      step.z_mean = step.mean = mean_of<T>(values);
      step.z_std = step.std = std_of<T>(values, step.mean);
      step.gradient_rms = gradient_rms(node);
      to.units = node.shape().cols;
      output_steps.append(to.steps, step);
      return;
    }
  }

  /// Splits the change of the gradient from layer to layer: what stands between two activations, and f′.
  void attribute() {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto& next = record.layers[i + 1].steps;
      if (record.layers[i].steps.empty() || next.empty()) continue;
      record.layers[i].steps.back().weight_factor = ratio(layers[i].output_rms, next.back().gradient_rms);
    }
  }

  void end_firing_period() {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Layer& layer = layers[i];
      if (layer.samples == 0) continue;
      std::vector<double> rates;
      for (Unit& unit : layer.units)
        rates.push_back(static_cast<double>(std::exchange(unit.unsaturated, 0)) /
                        static_cast<double>(layer.samples));
      if (!layer.finite) std::fill(rates.begin(), rates.end(), std::numeric_limits<double>::quiet_NaN());
      layer.samples = 0;
      layer.finite = true;
      layer.firing.append(record.layers[i].firing_rates, {count, std::move(rates)});
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
  std::vector<const void*> modules;
  std::vector<Layer> layers;
  std::vector<WatchedParameter<T>> watched;
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

template <class T> void BasicMonitor<T>::step(BasicVar<T> loss, StepInfo info) {
  Implementation& self = *implementation_;
  if (loss.shape() != Shape{1, 1})
    fail("monitor",
         fmt::format("needs the scalar loss (1x1), variable {} is {}", loss.label(), to_string(loss.shape())));
  if (self.count % self.options.every == 0) self.look(loss, info);
  if ((self.count + 1) % self.options.firing_every == 0) self.end_firing_period();
  ++self.count;
  if (self.count % self.options.every == 0)  // the next step is looked at: keep what its update will change
    for (auto& each : self.watched) each.remember();
  if (self.options.steps_per_epoch > 0 && self.count % self.options.steps_per_epoch == 0) self.begin_epoch();
}

template <class T> void BasicMonitor<T>::end_epoch() { implementation_->begin_epoch(); }
template <class T> Index BasicMonitor<T>::steps() const { return implementation_->count; }
template <class T> const RunRecord& BasicMonitor<T>::record() const { return implementation_->record; }
template <class T> RunRecord& BasicMonitor<T>::record() { return implementation_->record; }

TAPEGRAD_INSTANTIATE_SCALARS(Monitor)

}  // namespace tapegrad
