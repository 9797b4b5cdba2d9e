// The half of plot.h that writes Vega-Lite.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "plot.h"

namespace plot {
namespace {

/// Four significant digits are more than a screen shows, and half the size of the page.
Json number(double value) {
  return std::isfinite(value) ? Json(std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr)) : Json();
}

/// One row for each curve, its points as lists: at most 400 of them, the first and the last among them.
Json rows_of(const std::vector<Curve>& curves) {
  Json rows = Json::array();
  for (const Curve& curve : curves) {
    rows.push_back({{"curve", curve.name},
                    {"key", fmt::format("y{}", rows.size())},
                    {"x", Json::array()},
                    {"y", Json::array()}});
    const std::size_t points = std::min<std::size_t>(curve.x.size(), 400);
    for (std::size_t i = 0; i < points; ++i) {
      const std::size_t at = points < 2 ? 0 : i * (curve.x.size() - 1) / (points - 1);
      rows.back()["x"].push_back(number(curve.x[at]));
      rows.back()["y"].push_back(number(curve.y[at]));
    }
  }
  return rows;
}

Json position(const char* field, const Axis& axis, const Range& range) {
  const auto unscaled = [&](double v) { return axis.logarithmic ? std::pow(10, v) : v; };
  Json result{{"field", field}, {"type", "quantitative"}, {"title", nullptr}, {"axis", {{"tickCount", 6}}}};
  if (!axis.title.empty()) result["title"] = axis.title;
  if (!axis.format.empty()) result["axis"]["format"] = axis.format;
  if (axis.logarithmic && axis.format.empty()) {
    result["axis"] = {{"format", ".0e"}};
    Json decades = Json::array();
    for (double k = std::ceil(range.low); k <= range.high; ++k) decades.push_back(std::pow(10, k));
    if (decades.size() > 1) result["axis"]["values"] = decades;
  }
  result["scale"] = {{"type", axis.logarithmic ? "log" : "linear"},
                     {"domain", {unscaled(range.low), unscaled(range.high)}},
                     {"nice", false}};
  return result;
}

/// Adds colour and stroke of each curve.
void add_looks(Json& encoding, const Figure& figure) {
  Json colour = Json::parse(R"({"field": "curve", "type": "nominal", "legend": null})");
  for (const Curve& curve : figure.curves) colour["scale"]["domain"].push_back(curve.name);
  if (figure.legend && figure.curves.size() > 1)
    colour["legend"] = Json::parse(R"({"orient": "top", "title": null, "columns": 4, "labelLimit": 300,
                                       "symbolType": "stroke", "symbolSize": 400})");
  encoding["color"] = colour;
  if (figure.colours == Colours::ordinal) {
    // From dark to light, without the ends that one of the two grounds would swallow
    encoding["color"]["type"] = "ordinal";
    encoding["color"]["scale"]["scheme"] = Json::parse(R"({"name": "viridis", "extent": [0.2, 0.9]})");
  } else if (figure.curves.size() <= 3) {
    encoding["strokeDash"] = colour;
    encoding["strokeDash"]["scale"]["range"] = Json::parse("[[1, 0], [6, 3], [1.5, 3]]");
  }
}

/// A rule where the pointer is, with the values of all curves there
Json hover(const Figure& figure, const Json& x) {
  Json layer = Json::parse(R"json({
    "transform": [{"pivot": "key", "value": "y", "groupby": ["x"]}],
    "params": [{"name": "hover", "select": {"type": "point", "fields": ["x"], "nearest": true,
                                            "on": "pointerover", "clear": "pointerout"}}],
    "mark": {"type": "rule", "style": "reference"},
    "encoding": {"opacity": {"condition": {"param": "hover", "empty": false, "value": 1}, "value": 0}}})json");
  layer["encoding"]["x"] = x;
  Json& tooltip = layer["encoding"]["tooltip"];
  tooltip.push_back({{"field", "x"}, {"type", "quantitative"}, {"title", figure.x.title}});
  for (std::size_t k = 0; k < figure.curves.size(); ++k)
    tooltip.push_back({{"field", fmt::format("y{}", k)},
                       {"type", "quantitative"},
                       {"title", figure.curves[k].name},
                       {"format", figure.y.format.empty() ? ".4~g" : figure.y.format}});
  return layer;
}

/// A dashed line and its name, across the chart or, of a moment, from top to bottom
Json reference(const Reference& of, bool moment) {
  Json layer = Json::parse(moment ? R"json({
    "encoding": {"x": {"field": "at", "type": "quantitative"}},
    "layer": [{"mark": {"type": "rule", "style": "reference"}},
              {"mark": {"type": "text", "style": "reference-text", "align": "left", "baseline": "top", "dx": 4},
               "encoding": {"y": {"value": 0}, "text": {"field": "text"}}}]})json"
                                  : R"json({
    "encoding": {"y": {"field": "at", "type": "quantitative"}},
    "layer": [{"mark": {"type": "rule", "style": "reference"}},
              {"mark": {"type": "text", "style": "reference-text", "align": "right", "baseline": "bottom", "dy": -3},
               "encoding": {"x": {"value": {"expr": "width"}}, "text": {"field": "text"}}}]})json");
  layer["data"]["values"].push_back({{"at", of.at}, {"text", of.text}});
  return layer;
}

}  // namespace

Json vega_lite(const Figure& figure, int height) {
  Json chart = Json::parse(R"json({
    "width": "container", "autosize": {"type": "fit", "contains": "padding"},
    "transform": [{"flatten": ["x", "y"]}],
    "layer": [{"mark": {"type": "line", "clip": true}}]})json");
  chart["height"] = height;
  chart["data"]["values"] = rows_of(figure.curves);
  Json encoding{{"x", position("x", figure.x, range_of(figure, &Curve::x, figure.x))},
                {"y", position("y", figure.y, range_of(figure, &Curve::y, figure.y))}};
  add_looks(encoding, figure);
  chart["layer"][0]["encoding"] = encoding;
  chart["layer"].push_back(hover(figure, encoding["x"]));
  if (!figure.dots.empty()) {
    encoding.erase("strokeDash");
    Json layer =
        Json::parse(R"({"mark": {"type": "point", "filled": true, "size": 45, "clip": true, "tooltip": true}})");
    layer["data"]["values"] = rows_of(figure.dots);
    layer["transform"] = chart["transform"];
    layer["encoding"] = encoding;
    chart["layer"].push_back(layer);
  }
  for (const Reference& level : figure.levels) chart["layer"].push_back(reference(level, false));
  for (const Reference& moment : figure.moments) chart["layer"].push_back(reference(moment, true));
  return chart;
}

}  // namespace plot
