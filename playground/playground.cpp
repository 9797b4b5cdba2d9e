// What the page calls: a Session and what is known of activations, as JavaScript values. A call that fails throws a string.

#include <emscripten/bind.h>
#include <emscripten/val.h>

#include "session.h"

using emscripten::val;
using namespace playground;

namespace {

/// Runs f; its error goes to JavaScript as its text.
template <class F> auto said(F f) {
  std::string error;
  try {
    return f();
  } catch (const std::exception& e) {
    error = e.what();
  }
  val(error).throw_();
}

template <class Range> val list(const Range& range) {
  val result = val::array();
  for (const auto& each : range) result.call<void>("push", val(each));
  return result;
}

template <class T> void read(const val& from, const char* name, T& to) {
  const val value = from[name];
  if (!value.isUndefined()) to = value.as<T>();
}
void read(const val& from, const char* name, Index& to) {
  const val value = from[name];
  if (!value.isUndefined()) to = value.as<int>();
}

Config config_of(const val& from) {
  Config c;
  read(from, "data", c.data);
  read(from, "points", c.points);
  read(from, "noise", c.noise);
  read(from, "validation", c.validation);
  c.seed = static_cast<std::uint64_t>(from["seed"].as<double>());
  c.hidden.clear();
  for (const int units : emscripten::vecFromJSArray<int>(from["hidden"])) c.hidden.push_back(units);
  read(from, "activation", c.activation);
  read(from, "initializer", c.initializer);
  read(from, "optimizer", c.optimizer);
  read(from, "lr", c.lr);
  read(from, "momentum", c.momentum);
  read(from, "weightDecay", c.weight_decay);
  read(from, "batch", c.batch);
  read(from, "batchNorm", c.batch_norm);
  read(from, "dropout", c.dropout);
  read(from, "softmaxTwice", c.softmax_twice);
  read(from, "shuffledLabels", c.shuffled_labels);
  read(from, "inputScale", c.input_scale);
  read(from, "standardized", c.standardized);
  c.own = emscripten::vecFromJSArray<double>(from["own"]);
  return c;
}

val histogram_of(const tg::Histogram& h) {
  val bins = list(h.counts);
  val result = val::object();
  result.set("low", h.low);
  result.set("high", h.high);
  result.set("counts", bins);
  return result;
}

val layers_of(const tg::RunRecord& record) {
  val layers = val::array();
  for (const tg::LayerRecord& layer : record.layers) {
    val to = val::object();
    to.set("path", layer.path);
    to.set("activation", layer.activation);
    to.set("elementwise", layer.elementwise);
    if (!layer.steps.empty()) {
      const tg::LayerStep& s = layer.steps.back();
      to.set("saturatedLow", s.saturated_low);
      to.set("saturatedHigh", s.saturated_high);
      to.set("deadSince", s.dead_since);
      to.set("gradient", s.gradient_rms);
      to.set("weightFactor", s.weight_factor);
      to.set("slopeFactor", s.slope_factor);
      to.set("zMean", s.z_mean);
      to.set("zStd", s.z_std);
    }
    if (!layer.z_histograms.empty()) to.set("z", histogram_of(layer.z_histograms.back().second));
    layers.call<void>("push", to);
  }
  return layers;
}

val parameters_of(const tg::RunRecord& record) {
  val parameters = val::array();
  for (const tg::ParameterRecord& parameter : record.parameters) {
    val to = val::object();
    to.set("path", parameter.path);
    to.set("updateRatio", parameter.steps.empty() ? 0 : parameter.steps.back().update_ratio);
    parameters.call<void>("push", to);
  }
  return parameters;
}

val evaluation_of(const Evaluation& e) {
  val result = val::object();
  result.set("loss", e.loss);
  result.set("accuracy", e.accuracy);
  return result;
}

/** A Session for JavaScript. */
class Engine {
 public:
  /// `start`: null, or the engine whose weights the network begins with.
  Engine(const val& config, Engine* start)
      : session_(said([&] {
          return std::make_unique<Session>(config_of(config), start ? start->session_.get() : nullptr);
        })) {}

  void run(int steps) {
    said([&] {
      session_->run(steps);
      return true;
    });
  }
  void runAlone(int steps) { session_->run_alone(steps); }
  void retune(const val& config) {
    said([&] {
      session_->retune(config_of(config));
      return true;
    });
  }
  void damage(const std::string& what) { session_->damage(what); }
  int revive() {
    return said([&] { return static_cast<int>(session_->revive()); });
  }
  int steps() const { return static_cast<int>(session_->steps()); }

  val units() {
    val layers = val::array();
    for (const std::vector<UnitState>& layer : session_->units()) {
      val units = val::array();
      for (const UnitState& unit : layer) {
        val to = val::object();
        to.set("state", unit.state);
        to.set("firingRate", unit.firing_rate);
        to.set("deadSince", static_cast<int>(unit.dead_since));
        to.set("revived", static_cast<int>(unit.revived));
        to.set("certificate", unit.certificate);
        units.call<void>("push", to);
      }
      layers.call<void>("push", units);
    }
    return layers;
  }
  /// Paths of the layers whose units the library's census calls dead, with their numbers.
  val census() {
    val result = val::object();
    for (const tg::UnitCensus& layer : tg::census(session_->net(), session_->train().inputs)) {
      val dead = val::array();
      for (std::size_t u = 0; u < layer.dead.size(); ++u)
        if (layer.dead[u]) dead.call<void>("push", static_cast<int>(u));
      result.set(layer.path, dead);
    }
    return result;
  }
  val layers() const { return layers_of(session_->record()); }
  val parameters() const { return parameters_of(session_->record()); }
  val train() { return evaluation_of(session_->evaluate_train()); }
  val validation() { return evaluation_of(session_->evaluate_validation()); }
  val firstLosses() const { return list(session_->first_losses()); }
  std::string program() const { return program_of(session_->config()); }

  /// What is wrong, each with the remedies that are advised for it alone.
  val findings() const {
    val result = val::array();
    for (const tg::Finding& finding : tg::findings(session_->record())) {
      val to = val::object();
      to.set("rule", finding.rule);
      to.set("where", finding.where);
      to.set("severity", std::string(tg::to_string(finding.severity)));
      to.set("text", finding.text);
      to.set("effectOf", finding.effect_of);
      val remedies = val::array();
      for (const tg::Remedy& remedy : tg::remedies(std::span(&finding, 1))) {
        val r = val::object();
        r.set("change", std::string(tg::to_string(remedy.change)));
        r.set("value", remedy.value);
        r.set("to", remedy.to);
        r.set("initializer", std::string(tg::initializer_for(remedy.to)));
        r.set("text", tg::to_string(remedy));
        remedies.call<void>("push", r);
      }
      to.set("remedies", remedies);
      result.call<void>("push", to);
    }
    return result;
  }

  /// Extent of the plane, and the lines of the first layer as w1, w2, b, dead.
  val map() {
    const tg::DecisionMap map = session_->map();
    val result = val::object();
    result.set("low", list(map.low));
    result.set("high", list(map.high));
    val lines = val::array();
    for (const tg::DecisionMap::Line& line : map.units)
      lines.call<void>("push", list(std::array{line.w1, line.w2, line.b, line.dead ? 1. : 0.}));
    result.set("lines", lines);
    return result;
  }
  /// Views of the engine's memory: to be read before the next call.
  val pictures(int cells) {
    const std::vector<float>& p = session_->pictures(cells);
    return val(emscripten::typed_memory_view(p.size(), p.data()));
  }
  /// The weights (or their gradients in the last step) of linear layer k, out×in.
  val weights(int k, bool gradients) {
    int seen = 0;
    for (auto& [path, module] : session_->net().named_modules()) {
      auto* linear = dynamic_cast<tg::Linear*>(module);
      if (linear == nullptr || seen++ != k) continue;
      matrix_ = gradients ? tg::Matrix(linear->weight.grad()) : tg::Matrix(linear->weight.value());
      bias_ = linear->bias.value();
      break;
    }
    return val(emscripten::typed_memory_view(static_cast<std::size_t>(matrix_.size()), matrix_.data()));
  }
  /// The bias of the layer that weights() gave last.
  val bias() const {
    return val(emscripten::typed_memory_view(static_cast<std::size_t>(bias_.size()), bias_.data()));
  }
  /// x1, x2, label of the points trained on, then of the others; and how many are trained on.
  val points() {
    points_.clear();
    for (const tg::Dataset* data : {&session_->train(), &session_->validation()})
      for (Index i = 0; i < data->size(); ++i)
        for (const float value :
             {data->inputs(i, 0), data->inputs(i, 1), float(data->labels[static_cast<std::size_t>(i)])})
          points_.push_back(value);
    return val(emscripten::typed_memory_view(points_.size(), points_.data()));
  }
  int trained() const { return static_cast<int>(session_->train().size()); }

 private:
  std::unique_ptr<Session> session_;
  tg::Matrix matrix_, bias_;
  std::vector<float> points_;
};

/// f, f′ and whether it counts as saturated, at `count` places between low and high; null when f is not elementwise.
val curve(const std::string& text, double low, double high, int count) {
  return said([&] {
    const tg::Activation f = tg::activation(text);
    if (!f.elementwise()) return val::null();
    std::vector<double> x, value, slope, saturated;
    for (int i = 0; i < count; ++i) {
      x.push_back(low + (high - low) * i / (count - 1));
      value.push_back(f.value(x.back()));
      slope.push_back(f.slope(x.back()));
      saturated.push_back(std::abs(slope.back()) < 0.1 * f.facts().sup_slope ? 1 : 0);
    }
    val result = val::object();
    result.set("x", list(x));
    result.set("value", list(value));
    result.set("slope", list(slope));
    result.set("saturated", list(saturated));
    result.set("formula", std::string(f.facts().formula));
    return result;
  });
}

/// Names that the library knows: activations with their settings, initializers, optimizers.
val names() {
  val result = val::object(), activations = val::array(), initializers = val::array(), optimizers = val::array();
  for (const std::string_view name : tg::activations()) {
    val to = val::object(), settings = val::array();
    to.set("name", std::string(name));
    for (const auto& [setting, value] : tg::activation(name).settings()) {
      val s = val::object();
      s.set("name", std::string(setting));
      s.set("value", value);
      settings.call<void>("push", s);
    }
    to.set("settings", settings);
    activations.call<void>("push", to);
  }
  for (const std::string_view name : tg::initializers()) initializers.call<void>("push", std::string(name));
  for (const std::string_view name : tg::optimizers()) optimizers.call<void>("push", std::string(name));
  result.set("activations", activations);
  result.set("initializers", initializers);
  result.set("optimizers", optimizers);
  return result;
}

}  // namespace

EMSCRIPTEN_BINDINGS(playground) {
  emscripten::class_<Engine>("Engine")
      .constructor<const val&, Engine*>()
      .function("run", &Engine::run)
      .function("runAlone", &Engine::runAlone)
      .function("retune", &Engine::retune)
      .function("damage", &Engine::damage)
      .function("revive", &Engine::revive)
      .function("steps", &Engine::steps)
      .function("units", &Engine::units)
      .function("census", &Engine::census)
      .function("layers", &Engine::layers)
      .function("parameters", &Engine::parameters)
      .function("train", &Engine::train)
      .function("validation", &Engine::validation)
      .function("firstLosses", &Engine::firstLosses)
      .function("program", &Engine::program)
      .function("findings", &Engine::findings)
      .function("map", &Engine::map)
      .function("pictures", &Engine::pictures)
      .function("weights", &Engine::weights)
      .function("bias", &Engine::bias)
      .function("points", &Engine::points)
      .function("trained", &Engine::trained);
  emscripten::function("curve", &curve);
  emscripten::function("names", &names);
}
