#include "papers/charts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace papers::charts {
namespace {

/// Four significant digits are more than a screen shows, and half the size of the page.
Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr);
}

/// At most 300 of the points, the first and the last among them.
std::vector<std::size_t> thinned(std::size_t count) {
  std::vector<std::size_t> chosen;
  const std::size_t points = std::min<std::size_t>(count, 300);
  for (std::size_t i = 0; i < points; ++i) chosen.push_back(points < 2 ? 0 : i * (count - 1) / (points - 1));
  return chosen;
}

Json rows_of(const std::vector<Series>& series) {
  Json rows = Json::array();
  for (const Series& s : series)
    for (const std::size_t i : thinned(s.x.size()))
      rows.push_back({{"series", s.name}, {"x", number(s.x[i])}, {"y", number(s.y[i])}});
  return rows;
}

Json encoded(const char* field, const Axis& axis) {
  Json encoding{{"field", field},
                {"type", "quantitative"},
                {"title", axis.title},
                {"axis", {{"format", axis.format}, {"tickCount", 6}}},
                {"scale", {{"nice", false}, {"zero", false}}}};
  if (axis.log) encoding["scale"]["type"] = "log";
  if (!axis.domain.empty()) encoding["scale"]["domain"] = axis.domain;
  return encoding;
}

void add_rule(Json& chart, const char* channel, const char* other, double at, const std::string& text) {
  const Json data{{"values", Json::array({{{"at", at}, {"text", text}}})}};
  const Json place{{"field", "at"}, {"type", "quantitative"}};
  const bool level = *channel == 'y';
  chart["layer"].push_back(
      {{"data", data}, {"mark", {{"type", "rule"}, {"style", "reference"}}}, {"encoding", {{channel, place}}}});
  chart["layer"].push_back({{"data", data},
                            {"mark",
                             {{"type", "text"},
                              {"style", "reference-text"},
                              {"align", level ? "right" : "left"},
                              {"baseline", level ? "bottom" : "top"},
                              {"dx", level ? 0 : 4},
                              {"dy", level ? -3 : 0}}},
                            {"encoding",
                             {{channel, place},
                              {other, level ? Json{{"value", {{"expr", "width"}}}} : Json{{"value", 0}}},
                              {"text", {{"field", "text"}}}}}});
}

}  // namespace

Json lines(const std::vector<Series>& series, const Axis& x, const Axis& y, Colours colours, int height) {
  Json names = Json::array();
  for (const Series& s : series) names.push_back(s.name);
  Json colour{{"field", "series"},
              {"type", colours == Colours::ordinal ? "ordinal" : "nominal"},
              {"scale", {{"domain", names}}},
              {"legend", nullptr}};
  // From dark to light, without the ends that one of the two grounds would swallow.
  if (colours == Colours::ordinal) colour["scale"]["scheme"] = {{"name", "viridis"}, {"extent", {0.2, 0.9}}};
  if (series.size() > 1) colour["legend"] = {{"orient", "top"}, {"title", nullptr}, {"columns", 4}};
  const Json tooltip = {{{"field", "series"}, {"title", "of"}},
                        {{"field", "x"}, {"type", "quantitative"}, {"title", x.title}},
                        {{"field", "y"}, {"type", "quantitative"}, {"title", y.title}, {"format", y.format}}};
  const Json encoding{{"x", encoded("x", x)}, {"y", encoded("y", y)}, {"color", colour}, {"tooltip", tooltip}};
  return {
      {"width", "container"},
      {"height", height},
      {"data", {{"values", rows_of(series)}}},
      {"layer",
       Json::array({{{"mark", {{"type", "line"}, {"clip", true}, {"tooltip", true}}}, {"encoding", encoding}}})}};
}

void add_points(Json& chart, const std::vector<Series>& series) {
  Json encoding = chart["layer"][0]["encoding"];
  chart["layer"].push_back({{"data", {{"values", rows_of(series)}}},
                            {"mark", {{"type", "point"}, {"filled", true}, {"size", 34}, {"clip", true}}},
                            {"encoding", encoding}});
}

void add_level(Json& chart, double y, const std::string& text) { add_rule(chart, "y", "x", y, text); }
void add_moment(Json& chart, double x, const std::string& text) { add_rule(chart, "x", "y", x, text); }

Json map(const std::string& x_title, const std::vector<double>& x, const std::string& y_title,
         const std::vector<double>& y, const std::vector<double>& values, const std::string& value_title,
         const std::string& format, int height) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t k = 0; k < x.size(); ++k)
      rows.push_back({{"x", number(x[k])}, {"y", number(y[i])}, {"v", number(values[i * x.size() + k])}});
  const auto axis = [](const char* field, const std::string& title, const char* sort) {
    return Json{
        {"field", field}, {"type", "ordinal"}, {"title", title}, {"sort", sort}, {"axis", {{"labelAngle", 0}}}};
  };
  const double high = *std::max_element(values.begin(), values.end());
  const Json value{{"field", "v"}, {"type", "quantitative"}, {"title", value_title}};
  Json colour = value;
  colour["scale"] = {{"domain", {0, high}}};
  colour["legend"] = nullptr;
  Json text = value;
  text["format"] = format;
  return {
      {"width", "container"},
      {"height", height},
      {"data", {{"values", rows}}},
      {"encoding", {{"x", axis("x", x_title, "ascending")}, {"y", axis("y", y_title, "descending")}}},
      {"layer", Json::array({{{"mark", {{"type", "rect"}, {"tooltip", true}}}, {"encoding", {{"color", colour}}}},
                             {{"mark", {{"type", "text"}, {"fontSize", 10}}},
                              {"encoding", {{"text", text}, {"color", nullptr}}}}})}};
}

}  // namespace papers::charts
