#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "tapegrad/inspect/report/charts.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

ReportFigure saturation_figure(const Scope& scope) {
  ReportFigure figure{
      'E', "Saturation", "Share saturated", "share of all samples and units",
      "A curve near 100 % is a layer that lets almost no gradient through; low is the side of small z "
      "(for ReLU: switched off, where about half is normal), high the side of large z."};
  figure.columns = scope.columns(2);
  figure.layers_by_colour = scope.hidden();
  for (const bool high : {false, true}) {
    for (const RunRecord& run : scope.runs) {
      const std::string caption = scope.caption(run, high ? "high side" : "low side");
      Range range;
      Json rows = layer_rows(
          scope, run, false, [&](const LayerStep& s) { return high ? s.saturated_high : s.saturated_low; }, &range);
      if (range.empty())
        figure.cells.push_back(nothing(caption, "No activation layer was recorded."));
      else if (range.high <= 0)
        figure.cells.push_back(
            nothing(caption, fmt::format("Nothing was ever saturated on the {} side.", high ? "high" : "low")));
      else
        figure.cells.push_back(
            cell(caption, line_chart(std::move(rows), scope, share_axis("saturated"), scope.layer_colour())));
    }
  }
  return figure;
}

namespace {

/// Units dead at each step: those with a certificate from before that were not revived.
Curve dead_for_good(const LayerRecord& layer, std::size_t most) {
  std::map<Index, Index> change;
  for (const Death& death : layer.deaths) {
    ++change[death.step];
    if (death.revived) --change[*death.revived];
  }
  auto next = change.begin();
  Index dead = 0;
  struct At {
    Index step;
    double share;
  };
  std::vector<At> shares;
  for (const LayerStep& s : layer.steps) {
    for (; next != change.end() && next->first <= s.step; ++next) dead += next->second;
    shares.push_back({s.step, static_cast<double>(dead) / static_cast<double>(std::max<Index>(layer.units, 1))});
  }
  return thinned(shares, most, [](const At& at) { return at.share; });
}

}  // namespace

ReportFigure dead_figure(const Scope& scope) {
  ReportFigure figure{'G', "Death", "Share of dead units", "share of the layer's units",
                      "Solid: units that are off on every sample from then on, or until they are revived; thin and "
                      "dashed: off on every sample of that one batch, which may pass; dotted: asleep, f′ below a "
                      "thousandth of its largest value."};
  figure.columns = scope.columns(1);
  figure.layers_by_colour = scope.hidden();
  for (const RunRecord& run : scope.runs) {
    Json rows = Json::array();
    for (std::size_t i = 0; i < run.layers.size(); ++i) {
      const LayerRecord& layer = run.layers[i];
      if (is_output(layer)) continue;
      const auto add = [&](const char* horizon, const Curve& curve) {
        if (std::none_of(curve.value.begin(), curve.value.end(), [](double v) { return v > 0; })) return;
        rows.push_back({{"layer", scope.name(run, i)},
                        {"horizon", horizon},
                        {"step", column(curve.step)},
                        {"v", column(curve.value)}});
      };
      add("dead since", dead_for_good(layer, scope.curve_points));
      add("dead on this batch",
          thinned(layer.steps, scope.curve_points, [](const LayerStep& s) { return s.dead_batch; }));
      if (std::any_of(layer.steps.begin(), layer.steps.end(),
                      [](const LayerStep& s) { return s.asleep > s.dead_batch + 1e-9; }))
        add("asleep on this batch",
            thinned(layer.steps, scope.curve_points, [](const LayerStep& s) { return s.asleep; }));
    }
    const std::string caption = scope.caption(run, "");
    if (rows.empty()) {
      figure.cells.push_back(nothing(caption, "No unit was dead or asleep on any recorded batch."));
      continue;
    }
    Json spec = line_chart(std::move(rows), scope, share_axis("dead"), scope.layer_colour());
    const Json horizons = {"dead since", "dead on this batch", "asleep on this batch"};
    spec.at("/layer/0/encoding/strokeDash") = {
        {"field", "horizon"},
        {"type", "ordinal"},
        {"sort", horizons},
        {"legend", nullptr},
        {"scale", {{"domain", horizons}, {"range", {{1, 0}, {5, 3}, {1, 3}}}}}};
    spec.at("/layer/0/encoding/strokeWidth") = {{"field", "horizon"},
                                                {"type", "ordinal"},
                                                {"sort", horizons},
                                                {"legend", nullptr},
                                                {"scale", {{"domain", horizons}, {"range", {2.4, 1, 1.4}}}}};
    spec.at("/layer/1/encoding/tooltip").push_back({{"field", "horizon"}, {"type", "nominal"}});
    figure.cells.push_back(cell(caption, spec));
  }
  return figure;
}

namespace {

/// What became of the units of a layer.
struct Fates {
  std::vector<std::size_t> order;     ///< the first to die comes first, the one that fires most last
  std::vector<const Death*> longest;  ///< of each unit: the longest death it came back from
};

Fates fates_of(const LayerRecord& layer) {
  const std::size_t units = static_cast<std::size_t>(layer.units);
  std::vector<double> died(units, std::numeric_limits<double>::infinity()), mean(units, 0), revived(units, -1);
  Fates fates{std::vector<std::size_t>(units), std::vector<const Death*>(units, nullptr)};
  for (const Death& death : layer.deaths) {
    const std::size_t unit = static_cast<std::size_t>(death.unit);
    if (unit >= units) continue;
    if (death.revived) {
      revived[unit] = static_cast<double>(death.step);
      const auto length = [](const Death& d) { return *d.revived - d.step; };
      if (fates.longest[unit] == nullptr || length(death) > length(*fates.longest[unit]))
        fates.longest[unit] = &death;
    } else
      died[unit] = std::min(died[unit], static_cast<double>(death.step));
  }
  for (std::size_t unit = 0; unit < std::min(units, layer.dead_since.size()); ++unit)
    if (layer.dead_since[unit] >= 0) died[unit] = static_cast<double>(layer.dead_since[unit]);
  for (const auto& [step, rates] : layer.firing_rates)
    for (std::size_t unit = 0; unit < std::min(units, rates.size()); ++unit)
      if (std::isfinite(rates[unit])) mean[unit] += rates[unit];

  for (std::size_t i = 0; i < units; ++i) fates.order[i] = i;
  std::stable_sort(fates.order.begin(), fates.order.end(), [&](std::size_t a, std::size_t b) {
    if (died[a] != died[b]) return died[a] < died[b];
    if ((revived[a] >= 0) != (revived[b] >= 0)) return revived[a] >= 0;
    return mean[a] < mean[b];
  });
  return fates;
}

Json raster(const Scope& scope, const RunRecord& run, const LayerRecord& layer, std::size_t& drawn) {
  const auto [order, longest] = fates_of(layer);
  const std::vector<std::size_t> columns = evenly(layer.firing_rates.size(), std::size_t{40});
  const std::vector<std::size_t> rows =
      evenly(order.size(), std::max<std::size_t>(scope.raster_cells / columns.size(), 16));
  drawn = rows.size();

  const double per_epoch = run.steps_per_epoch > 0 ? static_cast<double>(run.steps_per_epoch) : 1;
  Json data = Json::array(), outlines = Json::array();
  double from = 0;
  for (const std::size_t c : columns) {
    const auto& [step, rates] = layer.firing_rates[c];
    Json values = Json::array();
    for (const std::size_t row : rows) {
      const std::size_t unit = order[row];
      values.push_back(unit < rates.size() ? number(std::round(1000 * rates[unit]) / 1000) : Json());
    }
    const double to = static_cast<double>(step + 1) / per_epoch;
    data.push_back({{"x", number(from)}, {"to", number(to)}, {"r", values}});
    from = to;
  }
  for (std::size_t row = 0; row < rows.size(); ++row)
    if (const Death* death = longest[order[row]])
      outlines.push_back({{"x", number(static_cast<double>(death->step) / per_epoch)},
                          {"to", number(static_cast<double>(*death->revived) / per_epoch)},
                          {"row", row},
                          {"below", row + 1}});

  Json spec = Json::parse(R"json({
    "width": "container", "height": 200, "usermeta": {"embedOptions": {"renderer": "canvas"}},
    "layer": [
      {"transform": [{"calculate": "sequence(length(datum.r))", "as": "row"}, {"flatten": ["row", "r"]},
                     {"filter": "datum.r != null"}, {"calculate": "datum.row + 1", "as": "below"}],
       "layer": [
         {"transform": [{"filter": "datum.r > 0"}], "mark": {"type": "rect", "strokeWidth": 0.7, "clip": true},
          "encoding": {
            "color": {"field": "r", "type": "quantitative", "legend": null, "scale": {"domain": [0, 1]}},
            "stroke": {"field": "r", "type": "quantitative", "legend": null, "scale": {"domain": [0, 1]}}}},
         {"transform": [{"filter": "datum.r == 0"}], "mark": {"type": "rect", "style": "dead", "clip": true}}]},
      {"mark": {"type": "rect", "style": "revived", "filled": false, "clip": true}}],
    "encoding": {
      "x": {"field": "x", "type": "quantitative", "axis": {"tickCount": 5, "labelExpr": "format(datum.value, datum.value < 1 ? '~g' : '~s')"}},
      "x2": {"field": "to"},
      "y": {"field": "row", "type": "quantitative", "title": "units, the first to die on top",
            "axis": {"labels": false, "grid": false}},
      "y2": {"field": "below"}}
  })json");
  const Json tooltip = Json::parse(R"json([{"field": "row", "type": "quantitative", "title": "place"},
                                       {"field": "to", "type": "quantitative", "title": "until"},
                                       {"field": "r", "type": "quantitative", "title": "fires on", "format": ".1%"}])json");
  for (Json& layer_spec : spec.at("/layer/0/layer").items()) layer_spec["encoding"]["tooltip"] = tooltip;
  spec.at("/layer/0/data/values") = std::move(data);
  spec.at("/layer/1/data/values") = std::move(outlines);
  Json& x = spec.at("/encoding/x");
  x["title"] = run.steps_per_epoch > 0 ? "epoch" : "step";
  x["scale"] = {{"domain", {0, number(static_cast<double>(scope.last_step + 1) / per_epoch)}}, {"nice", false}};
  spec.at("/encoding/y/scale") = {{"domain", {0, rows.size()}}, {"reverse", true}, {"nice", false}};
  return spec;
}

}  // namespace

ReportFigure raster_figure(const Scope& scope) {
  ReportFigure figure{
      'F', "Units", "Every unit, epoch by epoch", "firing rate: share of samples on which f′ is not small",
      "Each line is a unit, those that died first on top: the stronger the colour the more often it "
      "fires, vermilion where it never does, outlined from its death to its return if it came back."};
  figure.columns = scope.columns(3);
  for (std::size_t i = 0; i < scope.layers.size(); ++i)
    for (const RunRecord& run : scope.runs) {
      if (i >= run.layers.size() || is_output(run.layers[i])) continue;
      const LayerRecord& layer = run.layers[i];
      const int position = scope.position(run, i);
      const std::string caption = scope.caption(run, scope.name(run, i));
      if (layer.firing_rates.empty() || layer.units == 0) {
        figure.cells.push_back(nothing(caption, "No firing rates were recorded.", position));
        continue;
      }
      const auto is_finite = [](double rate) { return std::isfinite(rate); };
      if (std::none_of(layer.firing_rates.begin(), layer.firing_rates.end(), [&](const auto& period) {
            return std::any_of(period.second.begin(), period.second.end(), is_finite);
          })) {
        figure.cells.push_back(nothing(caption, "No period was without NaN or infinity.", position));
        continue;
      }
      std::size_t drawn = 0;
      const Json spec = raster(scope, run, layer, drawn);
      const std::string how_many = static_cast<Index>(drawn) < layer.units
                                       ? fmt::format("{} of {} units", drawn, layer.units)
                                       : fmt::format("{} units", layer.units);
      figure.cells.push_back(cell(fmt::format("{} · {}", caption, how_many), spec, position));
    }
  return figure;
}

}  // namespace tapegrad::reporting
