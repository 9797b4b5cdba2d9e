#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tapegrad/inspect/report/figures.h"

/// The colours of a report.

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

/// `count` colours from the viridis scale between two positions from 0 to 1.
std::vector<std::string> viridis(std::size_t count, double from, double to) {
  static constexpr int anchors[][3] = {{68, 1, 84},    {72, 36, 117},  {65, 68, 135},  {53, 95, 141},
                                       {42, 120, 142}, {33, 145, 140}, {34, 168, 132}, {68, 191, 112},
                                       {122, 209, 81}, {189, 223, 38}, {253, 231, 37}};
  std::vector<std::string> colours;
  for (std::size_t i = 0; i < count; ++i) {
    const double t = count < 2 ? 0.5 : static_cast<double>(i) / static_cast<double>(count - 1);
    const double place = 10 * (from + t * (to - from));
    const auto below = static_cast<std::size_t>(std::clamp(std::floor(place), 0.0, 9.0));
    const double part = place - static_cast<double>(below);
    const auto mix = [&](int channel) {
      return static_cast<int>(
          std::lround((1 - part) * anchors[below][channel] + part * anchors[below + 1][channel]));
    };
    colours.push_back(fmt::format("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2)));
  }
  return colours;
}

}  // namespace

std::vector<std::string> layer_colours(std::size_t layers, bool dark) {
  return viridis(layers, dark ? 0.3 : 0.0, dark ? 1.0 : 0.85);
}

std::vector<std::string> run_colours(bool dark) {
  if (dark) return {"#56b4e9", "#e69f00", "#2fc79a", "#cc79a7", "#8ab4ff", "#f0e442", "#9aa4b5"};
  return {"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#9c8f00", "#5d6778"};
}

Json report_theme(bool dark, std::size_t layers) {
  const char* ink = dark ? "#e6e9ef" : "#1d2330";
  const char* quiet = dark ? "#9aa4b5" : "#5d6778";
  const char* faint = dark ? "#2a3140" : "#e8ebf0";
  const char* ground = dark ? "#12161f" : "#ffffff";
  const char* death = dark ? "#ff7a33" : "#d55e00";  // Okabe-Ito's vermilion; lighter on a dark ground
  const char* orange = "#e69f00";
  // Viridis towards the ink; its light end fades into a light ground.
  Json heat =
      dark ? Json(viridis(12, 0.05, 1)) : Json{"#f3f7ee", "#dcebc9", "#b5dba8", "#7fc79a", "#4bb094", "#2b968f",
                                               "#29798e", "#335d8d", "#3f4187", "#46236f", "#440154"};
  Json theme = {
      {"background", "transparent"},
      {"font", "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"},
      {"view", {{"stroke", nullptr}}},
      {"axis",
       {{"gridColor", faint},
        {"domainColor", quiet},
        {"tickColor", faint},
        {"labelColor", quiet},
        {"titleColor", quiet},
        {"titleFontWeight", "normal"},
        {"titleFontSize", 11},
        {"labelFontSize", 11},
        {"labelPadding", 5},
        {"titlePadding", 8}}},
      {"axisX", {{"grid", false}, {"domain", true}, {"ticks", true}}},
      {"axisY", {{"domain", false}, {"ticks", false}}},
      {"legend",
       {{"labelColor", quiet}, {"titleColor", quiet}, {"titleFontWeight", "normal"}, {"titleFontSize", 11}}},
      {"line", {{"strokeWidth", 1.8}, {"strokeJoin", "round"}, {"strokeCap", "round"}}},
      {"range",
       {{"category", run_colours(dark)},
        {"ordinal", layer_colours(layers, dark)},
        {"heatmap", heat},
        {"ramp", dark ? Json{"#34425c", "#5b8fd0", "#d5e8ff"} : Json{"#bccbdc", "#5b8fc4", "#0b2f5c"}},
        {"diverging", dark ? Json{"#0b3a5c", "#171d29", "#5a4200"} : Json{"#8fc1e3", "#fafafa", "#f5cf7e"}}}}};
  // Vega-Lite itself looks for `color` only; the rest of a style is Vega's.
  Json& style = theme["style"];
  style["reference"] = {{"color", quiet}, {"strokeDash", {4, 4}}, {"strokeWidth", 1}};
  style["reference-text"] = {{"color", quiet}, {"fontSize", 11}};
  style["note"] = {{"color", quiet}, {"fontSize", 10}};
  style["death"] = {{"color", death}, {"stroke", ground}, {"strokeWidth", 1}, {"opacity", 1}};
  style["nan"] = {{"color", death}, {"strokeWidth", 1.5}, {"strokeDash", {2, 2}}};
  style["nan-text"] = {{"color", death},  {"fontSize", 12}, {"fontWeight", "bold"},
                       {"align", "left"}, {"dx", 5},        {"baseline", "top"}};
  style["zone"] = {{"color", quiet}, {"opacity", dark ? 0.24 : 0.16}};
  style["before"] = {{"color", ink}, {"strokeWidth", 1}, {"strokeDash", {1, 3}}};
  style["value"] = {{"color", ink}, {"strokeWidth", 2.2}};
  style["slope"] = {{"color", orange}, {"strokeWidth", 2.2}};
  style["dead"] = {{"color", death}, {"stroke", death}, {"strokeWidth", 0.7}};
  style["revived"] = {{"color", ink}, {"strokeWidth", 0.8}};
  style["boundary"] = {{"color", ink}, {"strokeWidth", 1}, {"opacity", 0.6}};
  style["dead-boundary"] = {{"color", death}, {"strokeWidth", 2}, {"strokeDash", {6, 4}}};
  style["sample"] = {{"stroke", dark ? ink : ground}, {"strokeWidth", 0.8}, {"size", 34}, {"opacity", 1}};
  return theme;
}

}  // namespace tapegrad::reporting
