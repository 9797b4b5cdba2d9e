#include "tapegrad/inspect/monitor.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tapegrad/layers/activation.h"
#include "tapegrad/layers/linear.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

constexpr double saturated_below = 0.1;  ///< of sup|f′|
constexpr double asleep_below = 0.001;   ///< of sup|f′|
constexpr Index never = -1;

template <class T> using Values = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

template <class T> double mean_of(Values<T> v) { return v.size() == 0 ? 0 : static_cast<double>(v.mean()); }

template <class T> double std_of(Values<T> v, double mean) {
  return v.size() == 0 ? 0 : std::sqrt(static_cast<double>((v - static_cast<T>(mean)).square().mean()));
}

template <class T> double rms_of(const T* values, Index count) {
  if (values == nullptr || count == 0) return 0;
  return std::sqrt(static_cast<double>(Values<T>(values, count).square().mean()));
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/// A history of bounded length: entries a fixed number of steps apart, and the newest one. When it grows too long
/// the distance doubles, so that a long run keeps the same detail everywhere.
class Thinning {
 public:
  Thinning(Index distance, Index most) : distance_(distance), most_(static_cast<std::size_t>(most)) {}

  template <class Entry> void append(std::vector<Entry>& entries, Entry entry) {
    const auto between = [this](const Entry& e) { return step_of(e) % distance_ != 0; };
    if (!entries.empty() && between(entries.back())) entries.pop_back();
    entries.push_back(std::move(entry));
    if (entries.size() <= most_) return;
    distance_ *= 2;
    std::erase_if(entries, [&](const Entry& e) { return between(e) && &e != &entries.back(); });
  }

 private:
  template <class Entry> static Index step_of(const Entry& entry) {
    if constexpr (requires { entry.step; })
      return entry.step;
    else
      return entry.first;
  }

  Index distance_;
  std::size_t most_;
};

template <class T> bool owns(const BasicModule<T>& module, const Node<T>& node) { return node.owner == &module; }

/// One unit's part in the last update of the linear layer that feeds it.
struct UnitUpdate {
  double weight_jump = 0;
  double weight_norm = 0;
  double bias_jump = 0;
  double gradient_norm = 0;
};

/// Per-unit statistics of |f′| over some samples: the definitions of saturated, asleep and dead.
template <class T> struct UnitSlopes {
  std::vector<T> steepest;           ///< largest |f′| of each unit
  std::vector<Index> unsaturated{};  ///< samples on which it was not saturated
  Index low = 0;                     ///< saturated (sample, unit) with z ≤ 0, and with z > 0
  Index high = 0;

  void begin(Index units) {
    steepest.assign(static_cast<std::size_t>(units), T(0));
    unsaturated.assign(static_cast<std::size_t>(units), 0);
    low = high = 0;
  }
  void add(const Activation& f, double sup_slope, const T* z, Shape shape, std::vector<T>& scratch) {
    scratch.resize(static_cast<std::size_t>(shape.size()));
    f.slopes<T>({z, scratch.size()}, scratch.data());
    const T threshold = static_cast<T>(saturated_below * sup_slope);
    for (Index row = 0; row < shape.rows; ++row) {
      const T* slope = scratch.data() + row * shape.cols;
      const T* in = z + row * shape.cols;
      Index low_in_row = 0;
      Index high_in_row = 0;
      for (Index unit = 0; unit < shape.cols; ++unit) {
        const T size = std::abs(slope[unit]);
        const bool saturated = size < threshold;
        const auto u = static_cast<std::size_t>(unit);
        steepest[u] = std::max(steepest[u], size);
        unsaturated[u] += !saturated;
        low_in_row += saturated & (in[unit] <= 0);
        high_in_row += saturated & (in[unit] > 0);
      }
      low += low_in_row;
      high += high_in_row;
    }
  }
  bool dead(Index unit) const { return steepest[static_cast<std::size_t>(unit)] == 0; }
  bool asleep(Index unit, double sup_slope) const {
    return static_cast<double>(steepest[static_cast<std::size_t>(unit)]) < asleep_below * sup_slope;
  }
};

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
  /// One activation layer, and what must be remembered of its units from step to step.
  struct Layer {
    const BasicActivationLayer<T>* module;
    Thinning steps, histograms, firing;
    UnitSlopes<T> slopes{};          ///< of the current batch
    std::vector<Index> off_looks{};  ///< per unit: looks since then
    std::vector<Index> off_since{};  ///< per unit; never: it fired in the last step looked at
    std::vector<char> off_this_epoch{};
    std::vector<Death> candidate{};    ///< what was noted when the unit went off
    std::vector<Index> open_death{};   ///< index into the record's deaths, or never
    std::vector<Index> unsaturated{};  ///< samples of this period on which the unit was not saturated
    bool finite = true;                ///< all z of this period were
    Index samples = 0;                 ///< in this period
    const BasicLinear<T>* source = nullptr;
  };
  struct Watched {
    BasicParameter<T> parameter;
    Thinning steps, histograms;
    BasicMatrix<T> before;                  ///< its value before the current update
    std::vector<UnitUpdate> last_update{};  ///< by row, of the last update looked at
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
      watched.push_back({parameter, steps, histograms, parameter.value()});
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
    output_gradients.assign(layers.size(), 0);
    for (std::size_t i = 0; i < layers.size(); ++i) look_at_layer(tape, end, i);
    look_at_output(tape, end);
    attribute();
    for (std::size_t i = 0; i < watched.size(); ++i) look_at_parameter(watched[i], record.parameters[i]);
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
    step.gradient_rms = rms_of(static_cast<const T*>(z.pass == 0 ? nullptr : z.grad), z.size());
    const double output_rms = rms_of(static_cast<const T*>(y.pass == 0 ? nullptr : y.grad), y.size());
    step.slope_factor = ratio(step.gradient_rms, output_rms);

    if (to.units == 0) begin_units(layer, to, z.shape().cols, source_of(tape, nodes.z));
    if (to.elementwise && z.shape().cols == to.units) look_at_units(layer, to, z, step);
    if (count % options.histogram_every == 0 && std::isfinite(step.z_mean)) {
      Histogram histogram{.low = -8, .high = 8};
      for (const T v : z_values) histogram.add(static_cast<double>(v));
      layer.histograms.append(to.z_histograms, {count, histogram});
    }
    layer.steps.append(to.steps, step);
    output_gradients[index] = output_rms;
  }

  void begin_units(Layer& layer, LayerRecord& to, Index units, const BasicLinear<T>* source) {
    const auto n = static_cast<std::size_t>(units);
    to.units = units;
    to.dead_since.assign(n, never);
    layer.off_since.assign(n, never);
    layer.off_looks.assign(n, 0);
    layer.off_this_epoch.assign(n, 1);
    layer.candidate.assign(n, Death{});
    layer.open_death.assign(n, never);
    layer.unsaturated.assign(n, 0);
    layer.source = source;
  }

  void look_at_units(Layer& layer, LayerRecord& to, const Node<T>& z, LayerStep& step) {
    const double sup_slope = to.facts.sup_slope;
    layer.slopes.begin(to.units);
    layer.slopes.add(layer.module->activation(), sup_slope, z.value, z.shape(), scratch);
    const double elements = static_cast<double>(std::max<Index>(z.size(), 1));
    step.saturated_low = static_cast<double>(layer.slopes.low) / elements;
    step.saturated_high = static_cast<double>(layer.slopes.high) / elements;
    layer.samples += z.shape().rows;
    layer.finite = layer.finite && std::isfinite(step.z_mean);
    Index dead = 0;
    Index dead_epoch = 0;
    Index dead_since = 0;
    Index asleep = 0;
    for (Index unit = 0; unit < to.units; ++unit) {
      const auto u = static_cast<std::size_t>(unit);
      const bool off = layer.slopes.dead(unit);
      layer.unsaturated[u] += layer.slopes.unsaturated[u];
      layer.off_this_epoch[u] = layer.off_this_epoch[u] && off;
      dead += off;
      dead_epoch += layer.off_this_epoch[u];
      asleep += layer.slopes.asleep(unit, sup_slope);
      if (off) {
        if (layer.off_since[u] == never) {
          note_candidate(layer, unit);
        } else {
          ++layer.off_looks[u];
        }
        if (layer.off_looks[u] >= options.confirm_after) {
          ++dead_since;
          if (layer.open_death[u] == never) {
            layer.open_death[u] = static_cast<Index>(to.deaths.size());
            to.deaths.push_back(layer.candidate[u]);
          }
        }
      } else {
        layer.off_since[u] = never;
        layer.off_looks[u] = 0;
        if (layer.open_death[u] != never) to.deaths[static_cast<std::size_t>(layer.open_death[u])].revived = count;
        layer.open_death[u] = never;
      }
      to.dead_since[u] = layer.open_death[u] != never ? layer.off_since[u] : never;
    }
    const double units = static_cast<double>(std::max<Index>(to.units, 1));
    step.dead_batch = static_cast<double>(dead) / units;
    step.dead_epoch = static_cast<double>(dead_epoch) / units;
    step.dead_since = static_cast<double>(dead_since) / units;
    step.asleep = static_cast<double>(asleep) / units;
  }

  /// A unit went off between the last step looked at and this one: what did the update between do to it?
  void note_candidate(Layer& layer, Index unit) {
    const auto u = static_cast<std::size_t>(unit);
    layer.off_since[u] = count;
    Death& death = layer.candidate[u];
    death = {.step = count, .unit = unit, .at_initialization = count == 0};
    if (layer.source != nullptr) {
      for (const Watched& each : watched) {
        if (u >= each.last_update.size()) continue;
        if (each.parameter == layer.source->weight) {
          death.weight_jump = each.last_update[u].weight_jump;
          death.weight_norm = each.last_update[u].weight_norm;
          death.gradient_norm = std::hypot(death.gradient_norm, each.last_update[u].gradient_norm);
        } else if (layer.source->has_bias() && each.parameter == layer.source->bias &&
                   u < each.last_update.size()) {
          death.bias_jump = each.last_update[u].bias_jump;
          death.gradient_norm = std::hypot(death.gradient_norm, each.last_update[u].gradient_norm);
        }
      }
    }
    death.lr = last_lr;
    death.cause = cause_of(death);
  }

  static std::string cause_of(const Death& death) {
    if (death.at_initialization) return "off on the first batch, before any update";
    const double relative = ratio(death.weight_jump, death.weight_norm);
    if (relative == 0) return "its own weights had not moved: the layers below had";
    return fmt::format("{}: the update before moved its weights by {:.2g} %", relative > 0.1 ? "a jump" : "a drift",
                       100 * relative);
  }

  /// The last value the network made: the logits.
  void look_at_output(const BasicTape<T>& tape, NodeIndex end) {
    for (NodeIndex i = end; i-- > 0;) {
      const Node<T>& node = tape.node(i);
      if (std::find(modules.begin(), modules.end(), node.owner) == modules.end()) continue;
      if (dynamic_cast<const BasicActivationLayer<T>*>(static_cast<const BasicModule<T>*>(node.owner)) != nullptr)
        return;  // the network ends in an activation, which is there already
      LayerRecord& to = record.layers.back();
      const Values<T> values(node.value, node.size());
      LayerStep step{.step = count};
      step.z_mean = step.mean = mean_of<T>(values);
      step.z_std = step.std = std_of<T>(values, step.mean);
      step.gradient_rms = rms_of(static_cast<const T*>(node.pass == 0 ? nullptr : node.grad), node.size());
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
      record.layers[i].steps.back().weight_factor = ratio(output_gradients[i], next.back().gradient_rms);
    }
  }

  void look_at_parameter(Watched& each, ParameterRecord& to) {
    const BasicMatrix<T>& now = each.parameter.value();
    const BasicMatrix<T>& gradient = each.parameter.grad();  // zeros when there is none
    // A row is a unit of the layer above; of a bias (one row) every column is one.
    const bool is_row = now.rows() == 1;
    const Index rows = is_row ? now.cols() : now.rows();
    const Index cols = is_row ? 1 : now.cols();
    each.last_update.resize(static_cast<std::size_t>(rows));
    ParameterStep step{.step = count};
    for (Index row = 0; row < rows; ++row) {
      const Values<T> w(each.before.data() + row * cols, cols);
      const Values<T> after(now.data() + row * cols, cols);
      const Values<T> g(gradient.data() + row * cols, cols);
      const double jump = static_cast<double>((after - w).square().sum());
      const double norm = static_cast<double>(w.square().sum());
      const double slope = static_cast<double>(g.square().sum());
      step.update_norm += jump;
      step.weight_norm += norm;
      step.gradient_norm += slope;
      each.last_update[static_cast<std::size_t>(row)] = {
          std::sqrt(jump), std::sqrt(norm), is_row ? static_cast<double>(after[0] - w[0]) : 0, std::sqrt(slope)};
    }
    step.update_norm = std::sqrt(step.update_norm);
    step.weight_norm = std::sqrt(step.weight_norm);
    step.gradient_norm = std::sqrt(step.gradient_norm);
    step.update_ratio = ratio(step.update_norm, step.weight_norm);
    each.steps.append(to.steps, step);
    if (count % options.histogram_every == 0) {
      Histogram histogram{.low = -12, .high = 4};
      const Values<T> all(gradient.data(), gradient.size());
      scratch.resize(static_cast<std::size_t>(gradient.size()));
      Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> decades(scratch.data(), gradient.size());
      decades = all.abs().log() * static_cast<T>(std::numbers::log10e);
      for (Index i = 0; i < all.size(); ++i) {
        if (all[i] == 0)
          ++histogram.zeros;
        else
          histogram.add(static_cast<double>(decades[i]));
      }
      each.histograms.append(to.gradient_histograms, {count, histogram});
    }
  }

  void end_firing_period() {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Layer& layer = layers[i];
      if (layer.samples == 0) continue;
      std::vector<double> rates;
      for (Index& n : layer.unsaturated) {
        rates.push_back(static_cast<double>(n) / static_cast<double>(layer.samples));
        n = 0;
      }
      if (!layer.finite) std::fill(rates.begin(), rates.end(), std::numeric_limits<double>::quiet_NaN());
      layer.samples = 0;
      layer.finite = true;
      layer.firing.append(record.layers[i].firing_rates, {count, std::move(rates)});
    }
  }

  void begin_epoch() {
    for (Layer& layer : layers) std::fill(layer.off_this_epoch.begin(), layer.off_this_epoch.end(), char{1});
  }

  MonitorOptions options;
  Thinning loss_steps;
  Thinning output_steps = loss_steps;
  RunRecord record;
  std::vector<const void*> modules;
  std::vector<Layer> layers;
  std::vector<Watched> watched;
  std::vector<T> scratch;
  std::vector<double> output_gradients;  ///< RMS ∂L/∂y per layer in this step
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
    for (auto& each : self.watched) each.before = each.parameter.value();
  if (self.options.steps_per_epoch > 0 && self.count % self.options.steps_per_epoch == 0) self.begin_epoch();
}

template <class T> void BasicMonitor<T>::end_epoch() { implementation_->begin_epoch(); }
template <class T> Index BasicMonitor<T>::steps() const { return implementation_->count; }
template <class T> const RunRecord& BasicMonitor<T>::record() const { return implementation_->record; }
template <class T> RunRecord& BasicMonitor<T>::record() { return implementation_->record; }

double UnitCensus::dead_share() const {
  return ratio(static_cast<double>(std::count(dead.begin(), dead.end(), true)), static_cast<double>(dead.size()));
}

double UnitCensus::asleep_share() const {
  return ratio(static_cast<double>(std::count(asleep.begin(), asleep.end(), true)),
               static_cast<double>(asleep.size()));
}

template <class T>
std::vector<UnitCensus> census(BasicModule<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                               Index batch) {
  struct Reader : BasicObserver<T> {
    std::vector<const BasicActivationLayer<T>*> layers;
    std::vector<UnitSlopes<T>> slopes;
    std::vector<T> scratch;
    void on_forward(const BasicTape<T>& tape, NodeIndex index) override {
      const Node<T>& node = tape.node(index);
      for (std::size_t i = 0; i < layers.size(); ++i) {
        if (node.owner != layers[i] || node.parent_count == 0) continue;
        const Node<T>& z = tape.node(node.parents[0]);
        if (slopes[i].steepest.empty()) slopes[i].begin(z.shape().cols);
        slopes[i].add(layers[i]->activation(), layers[i]->activation().facts().sup_slope, z.value, z.shape(),
                      scratch);
      }
    }
  } reader;
  std::vector<UnitCensus> result;
  for (const auto& [path, module] : net.named_modules()) {
    const auto* layer = dynamic_cast<const BasicActivationLayer<T>*>(module);
    if (layer == nullptr || !layer->activation().elementwise()) continue;
    reader.layers.push_back(layer);
    result.push_back({.path = path});
  }
  reader.slopes.resize(reader.layers.size());
  net.predict(inputs, batch, &reader);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const UnitSlopes<T>& slopes = reader.slopes[i];
    const double sup_slope = reader.layers[i]->activation().facts().sup_slope;
    for (Index unit = 0; unit < static_cast<Index>(slopes.steepest.size()); ++unit) {
      const auto u = static_cast<std::size_t>(unit);
      result[i].dead.push_back(slopes.dead(unit));
      result[i].asleep.push_back(slopes.asleep(unit, sup_slope));
      result[i].firing_rate.push_back(
          ratio(static_cast<double>(slopes.unsaturated[u]), static_cast<double>(inputs.rows())));
    }
  }
  return result;
}

TAPEGRAD_INSTANTIATE_SCALARS(Monitor)
template std::vector<UnitCensus> census(BasicModule<float>&, const BasicMatrixRef<float>&, Index);
template std::vector<UnitCensus> census(BasicModule<double>&, const BasicMatrixRef<double>&, Index);

}  // namespace tapegrad
