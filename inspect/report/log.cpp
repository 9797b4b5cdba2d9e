#include "tapegrad/inspect/report/log.h"

#include "tapegrad/core/file.h"
#include "tapegrad/inspect/report/json.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using reporting::Json;

Json or_null(const std::optional<Index>& step) { return step ? Json(*step) : Json(); }

template <class Values> Json array_of(const Values& values) {
  Json array = Json::array();
  for (const auto& value : values) array.push_back(value);
  return array;
}

class Lines {
 public:
  void begin_run(const std::string& name) { run_ = name; }

  void add(std::string_view kind, const Json& object) {
    Json line{{"kind", std::string(kind)}, {"run", run_}};
    line.update(object);
    text += line.dump();
    text += '\n';
  }

  std::string text;

 private:
  std::string run_;
};

Json histogram(const std::string& path, Index step, const Histogram& h) {
  return {{"path", path},
          {"step", step},
          {"low", h.low},
          {"high", h.high},
          {"counts", array_of(h.counts)},
          {"underflow", h.underflow},
          {"overflow", h.overflow}};
}

void add_layer(Lines& lines, const LayerRecord& layer) {
  for (const LayerStep& s : layer.steps)
    lines.add("layer", {{"path", layer.path},
                        {"activation", layer.activation},
                        {"units", layer.units},
                        {"step", s.step},
                        {"z_mean", s.z_mean},
                        {"z_std", s.z_std},
                        {"mean", s.mean},
                        {"std", s.std},
                        {"saturated_low", s.saturated_low},
                        {"saturated_high", s.saturated_high},
                        {"dead_batch", s.dead_batch},
                        {"dead_epoch", s.dead_epoch},
                        {"dead_since", s.dead_since},
                        {"asleep", s.asleep},
                        {"gradient_rms", s.gradient_rms},
                        {"weight_factor", s.weight_factor},
                        {"slope_factor", s.slope_factor}});
  for (const auto& [step, counts] : layer.z_histograms)
    lines.add("z_histogram", histogram(layer.path, step, counts));
  for (const auto& [step, rates] : layer.firing_rates)
    lines.add("firing_rate", {{"path", layer.path}, {"step", step}, {"rates", array_of(rates)}});
  for (const Death& d : layer.deaths)
    lines.add("death", {{"path", layer.path},
                        {"step", d.step},
                        {"unit", d.unit},
                        {"at_initialization", d.at_initialization},
                        {"updates", d.updates},
                        {"weight_jump", d.weight_jump},
                        {"weight_norm", d.weight_norm},
                        {"bias_jump", d.bias_jump},
                        {"lr", d.lr},
                        {"gradient_norm", d.gradient_norm},
                        {"revived", or_null(d.revived)},
                        {"cause", d.cause}});
}

void add_parameter(Lines& lines, const ParameterRecord& parameter) {
  for (const ParameterStep& s : parameter.steps)
    lines.add("parameter", {{"path", parameter.path},
                            {"step", s.step},
                            {"weight_norm", s.weight_norm},
                            {"gradient_norm", s.gradient_norm},
                            {"update_norm", s.update_norm},
                            {"update_ratio", s.update_ratio}});
  for (const auto& [step, counts] : parameter.gradient_histograms) {
    Json object = histogram(parameter.path, step, counts);
    object["zeros"] = counts.zeros;
    lines.add("gradient_histogram", object);
  }
}

}  // namespace

void write_log(const std::string& path, std::span<const RunRecord> runs) {
  Lines lines;
  for (const RunRecord& run : runs) {
    lines.begin_run(run.name);
    lines.add("run", {{"classes", run.classes},
                      {"steps_per_epoch", run.steps_per_epoch},
                      {"notes", Json(run.notes)},
                      {"input_mean", run.input_mean},
                      {"input_std", run.input_std},
                      {"nan_step", or_null(run.nan_step)},
                      {"nan_input", run.nan_input}});
    for (const LossStep& s : run.loss)
      lines.add("loss", {{"step", s.step},
                         {"loss", s.loss},
                         {"accuracy", s.accuracy < 0 ? Json() : Json(s.accuracy)},
                         {"lr", s.lr}});
    for (const LayerRecord& layer : run.layers) add_layer(lines, layer);
    for (const ParameterRecord& parameter : run.parameters) add_parameter(lines, parameter);
  }
  write_whole_file("log", path, lines.text);
}

}  // namespace tapegrad
