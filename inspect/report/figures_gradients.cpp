#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tapegrad/inspect/report/charts.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

namespace {

/// Steps [begin, end) of one epoch, or of a sixth of the run where epochs are unknown.
struct Period {
  std::string name;
  Index number, begin, end;
};

std::vector<Period> periods(const RunRecord& run, std::size_t most) {
  Index last = -1;
  for (const LayerRecord& layer : run.layers)
    if (!layer.steps.empty()) last = std::max(last, layer.steps.back().step);
  if (last < 0) return {};
  const Index length = run.steps_per_epoch;
  std::vector<Period> all;
  if (length > 0 && last >= length) {
    const auto chosen = evenly(static_cast<std::size_t>(last / length + 1), most);
    for (const std::size_t e : chosen) {
      const Index epoch = static_cast<Index>(e);
      all.push_back({fmt::format("epoch {}", epoch + 1), epoch + 1, epoch * length, (epoch + 1) * length});
    }
  } else {
    const Index parts = std::min<Index>(6, last + 1);
    for (Index p = 0; p < parts; ++p) {
      const Index begin = p * (last + 1) / parts, end = (p + 1) * (last + 1) / parts;
      all.push_back({fmt::format("steps {} to {}", begin, end - 1), begin, begin, end});
    }
  }
  return all;
}

/// Mean over a period of what `get` gives for a step; NaN where there is none.
template <class Get> double period_mean(const LayerRecord& layer, const Period& period, Get get) {
  double sum = 0;
  int count = 0;
  for (const LayerStep& s : layer.steps) {
    if (s.step < period.begin || s.step >= period.end) continue;
    const double value = get(s);
    if (!std::isfinite(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / count : unknown;
}

/// The gradient by layer, one row a period.
struct Lines {
  Json rows = Json::array();
  std::vector<Period> periods = {};  ///< of the rows
};

}  // namespace

ReportFigure gradient_figure(const Scope& scope) {
  ReportFigure figure{
      'H', "Gradients", "Gradient by layer", "RMS of ∂L/∂z, log scale",
      "Read from right to left, as the gradient flows: a line that falls towards the first layer is a "
      "vanishing gradient, one that rises an exploding one; faint lines are early, strong ones late."};
  figure.columns = scope.columns(1);
  Range range;
  std::vector<Lines> all;
  for (const RunRecord& run : scope.runs) {
    Lines& lines = all.emplace_back();
    for (const Period& period : periods(run, 8)) {
      Json layers = Json::array(), values = Json::array();
      for (std::size_t i = 0; i < run.layers.size(); ++i) {
        const double rms = std::sqrt(
            period_mean(run.layers[i], period, [](const LayerStep& s) { return s.gradient_rms * s.gradient_rms; }));
        if (!(rms > 0)) continue;
        range.add(rms);
        layers.push_back(scope.name(run, i));
        values.push_back(number(rms));
      }
      if (layers.empty()) continue;
      lines.rows.push_back({{"period", period.name}, {"order", period.number}, {"layer", layers}, {"v", values}});
      lines.periods.push_back(period);
    }
  }
  for (std::size_t r = 0; r < scope.runs.size(); ++r) {
    const std::string caption = scope.caption(scope.runs[r], "");
    Lines& lines = all[r];
    if (lines.periods.empty()) {
      figure.cells.push_back(nothing(caption, "No gradient was recorded, or all of them were zero."));
      continue;
    }
    Json spec = Json::parse(R"json({
      "width": "container", "height": 220,
      "transform": [{"flatten": ["layer", "v"]}],
      "mark": {"type": "line", "point": {"size": 36}},
      "encoding": {
        "x": {"field": "layer", "type": "ordinal", "title": null, "axis": {"labelAngle": 0, "labelOverlap": true}},
        "detail": {"field": "order", "type": "quantitative"},
        "color": {"field": "order", "type": "quantitative", "scale": {"zero": false, "nice": false},
                  "legend": {"orient": "top", "direction": "horizontal", "gradientLength": 110, "tickCount": 2}},
        "tooltip": [{"field": "period", "type": "nominal"}, {"field": "layer", "type": "nominal"},
                    {"field": "v", "type": "quantitative", "title": "RMS ∂L/∂z", "format": ".3g"}]}
    })json");
    Json& encoding = spec["encoding"];
    encoding["x"]["scale"] = {{"domain", scope.layers}};
    encoding["y"] = log_axis("RMS ∂L/∂z", range);
    encoding["y"].update({{"field", "v"}, {"type", "quantitative"}});
    const Period &begin = lines.periods.front(), &end = lines.periods.back();
    encoding["color"]["title"] = begin.name.starts_with("epoch") ? "epoch" : "step";
    encoding["color"]["legend"]["values"] = {begin.number, end.number};
    encoding["color"]["scale"]["domain"] = {begin.number, std::max(end.number, begin.number + 1)};
    spec["data"]["values"] = std::move(lines.rows);
    figure.cells.push_back(cell(caption, spec));
  }
  return figure;
}

namespace {

/// Bars from 1 to the factors of every layer.
Json attribution_chart(Json rows, const Scope& scope, double reach) {
  Json spec = Json::parse(R"json({
    "width": "container", "height": 100,
    "layer": [
      {"mark": {"type": "bar", "clip": true}, "encoding": {"x2": {"field": "one"},
        "color": {"field": "factor", "type": "nominal", "legend": null,
                  "scale": {"domain": ["weights", "f′"], "range": ["#56b4e9", "#e69f00"]}}}},
      {"mark": {"type": "text", "style": "note", "align": {"expr": "datum.v < 1 ? 'right' : 'left'"},
                "dx": {"expr": "datum.v < 1 ? -4 : 4"}, "clip": true},
       "encoding": {"text": {"field": "v", "type": "quantitative", "format": ".2~g"}}}],
    "encoding": {
      "x": {"field": "v", "type": "quantitative", "title": "factor",
            "axis": {"labelExpr": "format(datum.value, '~g')", "grid": true}},
      "y": {"field": "layer", "type": "ordinal", "title": null, "scale": {"paddingInner": 0.35}},
      "yOffset": {"field": "factor", "type": "nominal", "sort": ["weights", "f′"]}}
  })json");
  Json names = Json::array();
  for (const std::string& name : scope.layers)
    if (name != "output") names.push_back(name);
  spec.at("/encoding/x/scale") = {
      {"type", "log"}, {"domain", {number(1 / reach), number(reach)}}, {"nice", false}, {"clamp", true}};
  spec.at("/encoding/x/axis/values") = log_ticks(1 / reach, reach);
  spec.at("/encoding/y/scale/domain") = names;
  spec["height"] = 36 * names.size();
  spec["data"]["values"] = std::move(rows);
  return spec;
}

}  // namespace

ReportFigure attribution_figure(const Scope& scope) {
  ReportFigure figure{'I', "Attribution", "What changes the gradient on its way back",
                      "factor per layer, log scale",
                      "A bar to the left of 1 shrinks the gradient, one to the right enlarges it: blue is what the "
                      "weights behind the layer do, orange what the slope f′ does; the numbers multiply."};
  figure.columns = scope.columns(2);
  Range range{0.5, 2};
  std::vector<Json> all(scope.runs.size(), Json::array());
  std::vector<std::string> when(scope.runs.size());
  for (std::size_t r = 0; r < scope.runs.size(); ++r) {
    const RunRecord& run = scope.runs[r];
    const std::vector<Period> parts = periods(run, 8);
    if (parts.empty()) continue;
    when[r] = parts.back().name;
    for (std::size_t i = 0; i < run.layers.size(); ++i) {
      if (is_output(run.layers[i])) continue;
      const auto add = [&](const char* factor, double LayerStep::*member) {
        const double value = std::exp(
            period_mean(run.layers[i], parts.back(), [&](const LayerStep& s) { return std::log(s.*member); }));
        if (!std::isfinite(value)) return;
        range.add(std::clamp(value, 1e-6, 1e6));
        all[r].push_back({{"layer", scope.name(run, i)}, {"factor", factor}, {"v", number(value)}, {"one", 1}});
      };
      add("weights", &LayerStep::weight_factor);
      add("f′", &LayerStep::slope_factor);
    }
  }
  // As far to the left of 1 as to the right, so that one sees at once which way it goes.
  const double reach = 1.6 * std::max(range.high, 1 / range.low);
  for (std::size_t r = 0; r < scope.runs.size(); ++r) {
    if (all[r].empty()) {
      figure.cells.push_back(nothing(scope.caption(scope.runs[r], ""), "No gradient got through any layer."));
      continue;
    }
    const Json spec = attribution_chart(std::move(all[r]), scope, reach);
    figure.cells.push_back(cell(scope.caption(scope.runs[r], when[r]), spec));
  }
  return figure;
}

ReportFigure update_figure(const Scope& scope) {
  ReportFigure figure{'J', "Updates", "Size of the updates", "‖Δw‖ / ‖w‖ of the weights, log scale",
                      "How much of itself each weight matrix changes in a step: around 0.001 is healthy, far above "
                      "the learning rate is too high, far below the layer hardly learns."};
  figure.columns = scope.columns(1);
  figure.layers_by_colour = scope.layers.size();
  Range range{3e-4, 3e-3};
  std::vector<Json> all;
  for (const RunRecord& run : scope.runs) {
    Json rows = Json::array();
    for (const auto& [parameter, layer] : weights(run)) {
      const Curve curve = thinned(parameter->steps, scope.curve_points,
                                  [](const ParameterStep& s) { return if_positive(s.update_ratio); });
      if (curve.step.empty()) continue;
      for (const double value : curve.value) range.add(std::max(value, 1e-12));
      rows.push_back({{"layer", scope.name(run, layer)},
                      {"path", parameter->path},
                      {"step", column(curve.step)},
                      {"v", column(curve.value)}});
    }
    all.push_back(std::move(rows));
  }
  for (std::size_t r = 0; r < scope.runs.size(); ++r) {
    const std::string caption = scope.caption(scope.runs[r], "");
    if (all[r].empty()) {
      figure.cells.push_back(nothing(caption, "No weight changed in any recorded step."));
      continue;
    }
    Json spec = line_chart(std::move(all[r]), scope, log_axis("update ratio", range), scope.layer_colour());
    for (Json& layer : spec["layer"].items())
      layer["encoding"]["detail"] = {{"field", "path"}, {"type", "nominal"}};
    spec.at("/layer/1/encoding/tooltip").push_back({{"field", "path"}, {"type", "nominal"}});
    add_guide(spec, 1e-3, "healthy: 0.001");
    figure.cells.push_back(cell(caption, spec));
  }
  return figure;
}

}  // namespace tapegrad::reporting
