#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "tapegrad/inspect/report/charts.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

namespace {

/// Where units died, at most `most` marks a run: each stands for the deaths in a stretch of steps.
Json death_marks(const RunRecord& run, const Curve& loss, Index last_step, double floor) {
  std::map<Index, std::pair<Index, Index>> stretches;  // first step in it, deaths
  for (const LayerRecord& layer : run.layers)
    for (const Death& death : layer.deaths) {
      auto [it, fresh] = stretches.try_emplace(death.step * 60 / (last_step + 1), death.step, 0);
      it->second.first = std::min(it->second.first, death.step);
      ++it->second.second;
    }
  Json rows = Json::array();
  for (const auto& [stretch, deaths] : stretches) {
    const auto after = std::lower_bound(loss.step.begin(), loss.step.end(), static_cast<double>(deaths.first));
    const std::size_t at = static_cast<std::size_t>(after - loss.step.begin());
    const double height = loss.value.empty() ? floor : loss.value[std::min(at, loss.value.size() - 1)];
    rows.push_back({{"run", run.name}, {"step", deaths.first}, {"v", number(height)}, {"deaths", deaths.second}});
  }
  return rows;
}

/// The loss of every run, and around it the extremes of what each point stands for.
Json loss_chart(Json rows, const Scope& scope, const Range& range) {
  Json spec = line_chart(std::move(rows), scope, log_axis("loss", range), scope.run_colour());
  spec["height"] = 260;
  spec.at("/transform/0/flatten") = {"step", "v", "low", "high"};
  Json band = {{"mark", {{"type", "area"}, {"opacity", 0.18}, {"line", false}}},
               {"encoding",
                {{"x", scope.step_axis()},
                 {"y", log_axis("loss", range)},
                 {"y2", {{"field", "high"}}},
                 {"color", scope.run_colour()}}}};
  band["encoding"]["y"].update({{"field", "low"}, {"type", "quantitative"}});
  spec["layer"].insert_front(band);
  return spec;
}

void add_deaths(Json& spec, const Json& deaths) {
  if (deaths.empty()) return;
  Json tooltip = Json::parse(R"json([{"field": "run", "type": "nominal"},
                                 {"field": "step", "type": "quantitative", "title": "from step"},
                                 {"field": "deaths", "type": "quantitative", "title": "units died"}])json");
  spec["layer"].push_back({{"data", {{"values", deaths}}},
                           {"mark", {{"type", "point"}, {"style", "death"}, {"shape", "cross"}, {"filled", true}}},
                           {"encoding",
                            {{"x", {{"field", "step"}, {"type", "quantitative"}}},
                             {"y", {{"field", "v"}, {"type", "quantitative"}}},
                             {"size",
                              {{"field", "deaths"},
                               {"type", "quantitative"},
                               {"scale", {{"type", "sqrt"}, {"range", {24, 130}}}},
                               {"legend", nullptr}}},
                             {"tooltip", tooltip}}}});
}

void add_blown(Json& spec, const Json& blown) {
  if (blown.empty()) return;
  const Json x = {{"field", "step"}, {"type", "quantitative"}};
  spec["layer"].push_back({{"data", {{"values", blown}}},
                           {"mark", {{"type", "rule"}, {"style", "nan"}, {"tooltip", true}}},
                           {"encoding", {{"x", x}}}});
  spec["layer"].push_back({{"data", {{"values", blown}}},
                           {"mark", {{"type", "text"}, {"style", "nan-text"}}},
                           {"encoding", {{"x", x}, {"y", {{"value", 2}}}, {"text", {{"field", "text"}}}}}});
}

/// The loss of guessing, where all runs have the same number of classes and it lies on the chart.
void add_guessing(Json& spec, const Scope& scope, const Range& range) {
  Index classes = scope.runs.front().classes;
  for (const RunRecord& run : scope.runs) classes = run.classes == classes ? classes : 0;
  if (classes < 2) return;
  const double guess = std::log(static_cast<double>(classes));
  if (guess > range.low * 0.8 && guess < range.high * 1.25)
    add_guide(spec, guess, fmt::format("guessing: ln {} = {:.3g}", classes, guess));
}

}  // namespace

ReportFigure loss_figure(const Scope& scope) {
  ReportFigure figure{
      'B', "Loss", "Loss and accuracy", "nats on a log scale; share of the batch",
      "The loss should fall and the accuracy rise; a cross marks where units died, larger for more of "
      "them, and a vertical line the first loss that is no number (NaN)."};
  figure.columns = 2;
  figure.runs_by_colour = scope.several();
  Json rows = Json::array(), accuracy = Json::array(), deaths = Json::array(), blown = Json::array();
  Range range;
  std::vector<Curve> curves;
  for (const RunRecord& run : scope.runs) {
    curves.push_back(thinned(run.loss, scope.curve_points, [](const LossStep& s) { return if_positive(s.loss); }));
    for (const double value : curves.back().low) range.add(value);
    for (const double value : curves.back().high) range.add(value);
  }
  for (std::size_t r = 0; r < scope.runs.size(); ++r) {
    const RunRecord& run = scope.runs[r];
    const Curve& curve = curves[r];
    if (!curve.step.empty())
      rows.push_back({{"run", run.name},
                      {"step", column(curve.step)},
                      {"v", column(curve.value)},
                      {"low", column(curve.low)},
                      {"high", column(curve.high)}});
    const Json marks = death_marks(run, curve, scope.last_step, range.low);
    for (const Json& mark : marks.items()) deaths.push_back(mark);
    if (run.nan_step) blown.push_back({{"run", run.name}, {"step", *run.nan_step}, {"text", "NaN"}});
    const Curve right = thinned(run.loss, scope.curve_points,
                                [](const LossStep& s) { return s.accuracy < 0 ? unknown : s.accuracy; });
    if (!right.step.empty())
      accuracy.push_back({{"run", run.name}, {"step", column(right.step)}, {"v", column(right.value)}});
  }
  if (rows.empty() && blown.empty()) {
    figure.cells.push_back(nothing("", "No loss was recorded."));
    return figure;
  }

  Json spec = loss_chart(std::move(rows), scope, range);
  add_deaths(spec, deaths);
  add_blown(spec, blown);
  add_guessing(spec, scope, range);
  figure.cells.push_back(cell("Loss", spec));
  if (accuracy.empty()) {
    figure.cells.push_back(nothing("Accuracy", "No accuracy was given to the monitor."));
  } else {
    Json chart = line_chart(std::move(accuracy), scope, share_axis("accuracy"), scope.run_colour());
    chart["height"] = 260;
    figure.cells.push_back(cell("Accuracy", chart));
  }
  return figure;
}

namespace {

/// The part of w1·x1 + w2·x2 + b = 0 inside the map.
std::optional<Json> inside(const DecisionMap::Line& line, const DecisionMap& map) {
  std::vector<std::pair<double, double>> ends;
  const auto add = [&](double x1, double x2) {
    // Positions from 0 to 1.
    const double p1 = (x1 - map.low[0]) / (map.high[0] - map.low[0]);
    const double p2 = (x2 - map.low[1]) / (map.high[1] - map.low[1]);
    constexpr double slack = 1e-9;
    if (!(std::abs(p1 - 0.5) <= 0.5 + slack && std::abs(p2 - 0.5) <= 0.5 + slack)) return;
    for (const auto& end : ends)
      if (std::abs(end.first - x1) < 4 * slack * (map.high[0] - map.low[0]) &&
          std::abs(end.second - x2) < 4 * slack * (map.high[1] - map.low[1]))
        return;
    ends.emplace_back(x1, x2);
  };
  for (const auto& [x1, x2] : {std::pair(map.low[0], map.low[1]), std::pair(map.high[0], map.high[1])}) {
    add(x1, -(line.w1 * x1 + line.b) / line.w2);
    add(-(line.w2 * x2 + line.b) / line.w1, x2);
  }
  if (ends.size() < 2) return std::nullopt;
  return Json{{"x1", number(ends[0].first)},
              {"x2", number(ends[0].second)},
              {"to1", number(ends[1].first)},
              {"to2", number(ends[1].second)},
              {"dead", line.dead}};
}

/// The colour of every class, for the ground and for the samples.
void add_colours(Json& spec, Index classes) {
  const Json palette = {"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#8a8a8a"};
  Json labels = Json::array(), colours = Json::array();
  for (Index c = 0; c < std::max<Index>(classes, 2); ++c) {
    labels.push_back(c);
    colours.push_back(palette.items()[static_cast<std::size_t>(c) % palette.size()]);
  }
  Json colour = {{"field", "v"}, {"legend", nullptr}};
  if (classes > 2) {
    colour.update({{"type", "nominal"}, {"scale", {{"domain", labels}, {"range", colours}}}});
    spec.at("/layer/0/mark/opacity") = 0.4;
  } else {
    colour.update({{"type", "quantitative"}, {"scale", {{"domain", {0, 1}}, {"domainMid", 0.5}}}});
    spec.at("/layer/0/encoding/stroke") = colour;
  }
  spec.at("/layer/0/encoding/color") = colour;
  spec.at("/layer/3/encoding/fill") = {{"field", "label"},
                                       {"type", "nominal"},
                                       {"legend", nullptr},
                                       {"scale", {{"domain", labels}, {"range", colours}}}};
}

Json map_chart(const DecisionMap& map, Index classes) {
  Json spec = Json::parse(R"json({
    "width": 330, "height": 330, "usermeta": {"embedOptions": {"renderer": "canvas"}},
    "layer": [
      {"transform": [{"calculate": "sequence(length(datum.v))", "as": "i"}, {"flatten": ["i", "v"]},
                     {"calculate": "datum.low + datum.w * datum.i", "as": "x1"},
                     {"calculate": "datum.x1 + datum.w", "as": "to1"}],
       "mark": {"type": "rect", "strokeWidth": 0.7, "clip": true},
       "encoding": {"x2": {"field": "to1"}, "y2": {"field": "to2"}}},
      {"transform": [{"filter": "!datum.dead"}], "mark": {"type": "rule", "style": "boundary"},
       "encoding": {"x2": {"field": "to1"}, "y2": {"field": "to2"}}},
      {"transform": [{"filter": "datum.dead"}], "mark": {"type": "rule", "style": "dead-boundary"},
       "encoding": {"x2": {"field": "to1"}, "y2": {"field": "to2"}}},
      {"mark": {"type": "circle", "style": "sample"}, "encoding": {}}],
    "encoding": {
      "x": {"field": "x1", "type": "quantitative", "title": "x₁", "axis": {"tickCount": 5, "grid": false}},
      "y": {"field": "x2", "type": "quantitative", "title": "x₂", "axis": {"tickCount": 5, "grid": false}}}
  })json");
  for (const std::size_t axis : {0, 1})
    spec.at(axis == 0 ? "/encoding/x/scale" : "/encoding/y/scale") = {
        {"domain", {map.low[axis], map.high[axis]}}, {"nice", false}, {"zero", false}};
  const std::size_t cells = static_cast<std::size_t>(map.cells);
  const double count = static_cast<double>(std::max<Index>(map.cells, 1));
  const double width = (map.high[0] - map.low[0]) / count, height = (map.high[1] - map.low[1]) / count;
  Json rows = Json::array(), lines = Json::array(), points = Json::array();
  for (std::size_t row = 0; row < cells; ++row) {
    Json values = Json::array();
    for (std::size_t i = row * cells; i < std::min((row + 1) * cells, map.output.size()); ++i)
      values.push_back(number(std::round(100 * map.output[i]) / 100));
    const double bottom = map.low[1] + height * static_cast<double>(row);
    rows.push_back(
        {{"low", number(map.low[0])}, {"w", width}, {"x2", bottom}, {"to2", bottom + height}, {"v", values}});
  }
  for (const DecisionMap::Line& line : map.units)
    if (const auto shown = inside(line, map)) lines.push_back(*shown);
  for (const std::size_t i : map.points.empty() ? std::vector<std::size_t>() : evenly(map.points.size(), 600)) {
    const DecisionMap::Point& point = map.points[i];
    points.push_back({{"x1", number(point.x1)}, {"x2", number(point.x2)}, {"label", point.label}});
  }
  add_colours(spec, classes);
  spec.at("/layer/0/data/values") = std::move(rows);
  spec.at("/layer/1/data/values") = lines;
  spec.at("/layer/2/data/values") = std::move(lines);
  spec.at("/layer/3/data/values") = std::move(points);
  return spec;
}

}  // namespace

ReportFigure map_figure(const Scope& scope) {
  ReportFigure figure{
      'L', "Map", "Decision map", "inputs x₁ and x₂; colour is the answer of the network",
      "Dots are samples in the colour of their class, the ground is what the network says there, and "
      "each line is where a unit of the first layer switches; dead units are dashed."};
  figure.columns = scope.columns(1);
  const bool any =
      std::any_of(scope.runs.begin(), scope.runs.end(), [](const RunRecord& r) { return r.map.has_value(); });
  if (!any) {
    figure.cells.push_back(nothing("", "No map was recorded: there is one for networks with two inputs only."));
    return figure;
  }
  for (const RunRecord& run : scope.runs) {
    if (!run.map) {
      figure.cells.push_back(nothing(scope.caption(run, ""), "No map was recorded for this run."));
      continue;
    }
    const auto dead =
        std::count_if(run.map->units.begin(), run.map->units.end(), [](const auto& u) { return u.dead; });
    const std::string what = fmt::format("{} units, {} dead", run.map->units.size(), dead);
    figure.cells.push_back(cell(scope.caption(run, what), map_chart(*run.map, run.classes)));
  }
  return figure;
}

}  // namespace tapegrad::reporting
