#include "tapegrad/inspect/report/charts.h"

#include <fmt/core.h>

#include <cstdlib>

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return Json::written(fmt::format("{:.4g}", value));
}

Json column(const std::vector<double>& values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(number(value));
  return array;
}

std::vector<std::size_t> evenly(std::size_t size, std::size_t count) {
  std::vector<std::size_t> chosen;
  count = std::min(size, std::max<std::size_t>(count, 2));
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(count < 2 ? 0 : i * (size - 1) / (count - 1));
  return chosen;
}

Scope::Scope(std::span<const RunRecord> records, double detail) : runs(records), layers(layer_names(records)) {
  for (const RunRecord& run : runs) {
    run_names.push_back(run.name);
    if (!run.loss.empty()) last_step = std::max(last_step, run.loss.back().step);
    for (const LayerRecord& layer : run.layers)
      if (!layer.steps.empty()) last_step = std::max(last_step, layer.steps.back().step);
  }
  const double charts = static_cast<double>(std::max<std::size_t>(1, runs.size() * layers.size()));
  const auto share = [&](double total, double least, double most) {
    return static_cast<std::size_t>(std::clamp(detail * total / charts, least, most));
  };
  curve_points = share(20'000, 40, 400);
  histogram_columns = share(4'000, 8, 60);
  raster_cells = share(200'000, 400, 6'000);
}

std::size_t Scope::columns(std::size_t alone) const {
  if (!several()) return alone;
  for (const std::size_t columns : {4, 3})  // so that the layers of a run stand below each other
    if (runs.size() > columns && runs.size() % columns == 0) return columns;
  return std::min<std::size_t>(runs.size(), 4);
}

Json Scope::layer_colour() const {
  return {{"field", "layer"}, {"type", "ordinal"}, {"scale", {{"domain", layers}}}, {"legend", nullptr}};
}

Json Scope::layer_colour(int position) const {
  Json colour = layer_colour();
  colour.erase("field");
  colour["datum"] = layers[static_cast<std::size_t>(position)];
  return colour;
}

Json Scope::run_colour() const {
  return {{"field", "run"}, {"type", "nominal"}, {"scale", {{"domain", run_names}}}, {"legend", nullptr}};
}

Json Scope::step_axis() const {
  return {{"field", "step"},
          {"type", "quantitative"},
          {"title", "step"},
          {"axis", {{"labelExpr", "format(datum.value, '~s')"}, {"tickCount", 5}}},
          {"scale", {{"domain", {0, last_step}}, {"nice", false}}}};
}

namespace {

/// "2.inner.10.weight" as parts that compare as a person orders them.
std::vector<std::pair<long, std::string>> path_parts(const std::string& path) {
  std::vector<std::pair<long, std::string>> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    char* rest = nullptr;
    const long index = std::strtol(part.c_str(), &rest, 10);
    parts.emplace_back(rest != part.c_str() && *rest == '\0' ? index : -1, part);
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::vector<std::pair<const ParameterRecord*, std::size_t>> weights(const RunRecord& run) {
  std::vector<std::pair<const ParameterRecord*, std::size_t>> found;
  for (const ParameterRecord& parameter : run.parameters) {
    if (parameter.shape.rows < 2 && !parameter.path.ends_with("weight")) continue;
    std::size_t i = 0;
    while (i + 1 < run.layers.size() && !is_output(run.layers[i]) &&
           path_parts(run.layers[i].path) < path_parts(parameter.path))
      ++i;
    if (i < run.layers.size()) found.emplace_back(&parameter, i);
  }
  return found;
}

Json line_chart(Json rows, const Scope& scope, Json y, Json colour) {
  Json spec = Json::parse(R"json({
    "width": "container", "height": 200,
    "transform": [{"flatten": ["step", "v"]}],
    "layer": [
      {"mark": {"type": "line", "interpolate": "linear"}, "encoding": {}},
      {"mark": {"type": "point", "filled": true, "size": 50, "tooltip": true},
       "params": [{"name": "near", "select": {"type": "point", "on": "pointerover", "nearest": true,
                                              "clear": "pointerout"}}],
       "encoding": {"opacity": {"condition": {"param": "near", "empty": false, "value": 1}, "value": 0}}}]
  })json");
  y["field"] = "v";
  y["type"] = "quantitative";
  const Json who = colour.find("field") == nullptr ? "layer" : colour["field"];
  for (Json& layer : spec["layer"].items()) {
    layer["encoding"]["x"] = scope.step_axis();
    layer["encoding"]["y"] = y;
    layer["encoding"]["color"] = colour;
  }
  Json y_tip = {{"field", "v"}, {"type", "quantitative"}, {"title", y["title"]}};
  const Json* axis = y.find("axis");
  const Json* format = axis == nullptr ? nullptr : axis->find("format");
  y_tip["format"] = format == nullptr ? ".3~g" : *format;
  spec.at("/layer/1/encoding/tooltip") = {
      {{"field", who}, {"type", "nominal"}}, {{"field", "step"}, {"type", "quantitative"}}, y_tip};
  spec["data"]["values"] = std::move(rows);
  return spec;
}

Json share_axis(const std::string& title) {
  return {{"title", title}, {"scale", {{"domain", {0, 1}}}}, {"axis", {{"format", ".0%"}, {"tickCount", 5}}}};
}

Json log_ticks(double low, double high) {
  Json ticks = Json::array();
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::log10(high) + 1);
  const int stride = std::max(1, (last - first) / 6);
  for (int decade = first; decade <= last; decade += stride)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, decade);
      if (tick >= low && tick <= high && (factor == 1 || high / low < 200)) ticks.push_back(number(tick));
    }
  return ticks;
}

Json log_axis(const std::string& title, const Range& range) {
  Json axis = {{"title", title}, {"scale", {{"type", "log"}, {"nice", false}}}};
  if (range.empty()) return axis;
  const double low = range.low * 0.8, high = range.high * 1.25;
  axis["scale"]["domain"] = {number(low), number(high)};
  axis["axis"] = {
      {"values", log_ticks(low, high)},
      {"labelExpr",
       "datum.value < 0.01 || datum.value >= 10000 ? format(datum.value, '~e') : format(datum.value, '~g')"}};
  return axis;
}

void add_guide(Json& spec, double at, const std::string& text) {
  const Json data = {{"values", Json::array({{{"at", number(at)}, {"text", text}}})}};
  spec["layer"].push_back({{"data", data},
                           {"mark", {{"type", "rule"}, {"style", "reference"}}},
                           {"encoding", {{"y", {{"field", "at"}, {"type", "quantitative"}}}}}});
  spec["layer"].push_back(
      {{"data", data},
       {"mark",
        {{"type", "text"}, {"style", "reference-text"}, {"align", "right"}, {"baseline", "bottom"}, {"dy", -3}}},
       {"encoding",
        {{"y", {{"field", "at"}, {"type", "quantitative"}}},
         {"x", {{"value", {{"expr", "width"}}}}},
         {"text", {{"field", "text"}}}}}});
}

ReportCell cell(std::string caption, const Json& spec, int layer) {
  return {std::move(caption), layer, spec.dump(), ""};
}
ReportCell nothing(std::string caption, std::string sentence, int layer) {
  return {std::move(caption), layer, "", std::move(sentence)};
}

}  // namespace tapegrad::reporting
