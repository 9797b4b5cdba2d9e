#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "tapegrad/core/registry.h"
#include "tapegrad/inspect/report/charts.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

namespace {

double total(const Histogram& h, bool with_zeros) {
  double sum = h.underflow + h.overflow + (with_zeros ? static_cast<double>(h.zeros) : 0.0);
  for (const auto count : h.counts) sum += count;
  return sum;
}

double bin_width(const Histogram& h) { return (h.high - h.low) / static_cast<double>(h.counts.size()); }

/// Counts with what fell below as bin −1 and what fell above as bin 64, from the first to the last that is not empty.
struct Trimmed {
  double low = 0;  ///< lower edge of the first
  std::vector<double> counts;
};

Trimmed trimmed(const Histogram& h) {
  std::vector<double> all{static_cast<double>(h.underflow)};
  all.insert(all.end(), h.counts.begin(), h.counts.end());
  all.push_back(static_cast<double>(h.overflow));
  const auto filled = [](double count) { return count > 0; };
  const auto first = std::find_if(all.begin(), all.end(), filled);
  const auto last = std::find_if(all.rbegin(), all.rend(), filled).base();
  if (first == all.end()) return {};
  return {h.low + bin_width(h) * (static_cast<double>(first - all.begin()) - 1), {first, last}};
}

using Histograms = std::vector<std::pair<Index, Histogram>>;

/// Where nearly all of the counts lie.
Range extent(const Histograms& histograms) {
  Range range;
  for (const auto& [step, h] : histograms) {
    const Trimmed t = trimmed(h);
    const double enough = 0.001 * total(h, false);
    for (std::size_t i = 0; i < t.counts.size(); ++i) {
      if (t.counts[i] <= enough) continue;
      range.add(t.low + bin_width(h) * static_cast<double>(i));
      range.add(t.low + bin_width(h) * static_cast<double>(i + 1));
    }
  }
  return range;
}

struct HeatRows {
  Json rows = Json::array();
  double peak = 0;  ///< largest share in one bin, in thousandths
};

/// A column of the heat map per chosen histogram. With zeros, their share is a row of its own from `zero_low` up.
HeatRows heat_rows(const Histograms& histograms, std::size_t most, std::optional<Range> zero_row = {}) {
  HeatRows result;
  const std::vector<std::size_t> chosen = evenly(histograms.size(), most);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto& [step, h] = histograms[chosen[i]];
    const Index before = i > 0 ? histograms[chosen[i - 1]].first : step - 1;
    const Index next = i + 1 < chosen.size() ? histograms[chosen[i + 1]].first : step + (step - before);
    const double all = total(h, zero_row.has_value());
    const Trimmed t = trimmed(h);
    Json counts = Json::array();
    for (const double count : t.counts) {
      const double share = std::round(10'000 * count / all) / 10;
      result.peak = std::max(result.peak, share);
      counts.push_back(number(share));
    }
    if (!counts.empty())
      result.rows.push_back(
          {{"step", step}, {"to", next}, {"low", number(t.low)}, {"w", number(bin_width(h))}, {"c", counts}});
    if (zero_row && h.zeros > 0)
      result.rows.push_back({{"step", step},
                             {"to", next},
                             {"low", number(zero_row->low)},
                             {"w", number(zero_row->high - zero_row->low)},
                             {"c", Json::array({number(std::round(10'000 * h.zeros / all) / 10)})}});
  }
  return result;
}

Json heat_map(HeatRows heat, const Scope& scope, const Range& y, const std::string& title) {
  Json spec = Json::parse(R"json({
    "width": "container", "height": 180, "usermeta": {"embedOptions": {"renderer": "canvas"}},
    "transform": [{"calculate": "sequence(length(datum.c))", "as": "b"}, {"flatten": ["b", "c"]},
                  {"filter": "datum.c > 0"},
                  {"calculate": "datum.low + datum.w * datum.b", "as": "y"},
                  {"calculate": "datum.y + datum.w", "as": "y2"}, {"calculate": "datum.c / 1000", "as": "share"}],
    "mark": {"type": "rect", "strokeWidth": 0.7, "clip": true},
    "encoding": {
      "x2": {"field": "to"},
      "y": {"field": "y", "type": "quantitative", "axis": {"tickCount": 5}}, "y2": {"field": "y2"},
      "color": {"field": "share", "type": "quantitative", "legend": null, "scale": {"type": "sqrt", "clamp": true}},
      "tooltip": [{"field": "step", "type": "quantitative"},
                  {"field": "y", "type": "quantitative", "title": "from", "format": ".3g"},
                  {"field": "y2", "type": "quantitative", "title": "to", "format": ".3g"},
                  {"field": "share", "type": "quantitative", "format": ".1%"}]}
  })json");
  Json& encoding = spec["encoding"];
  encoding["x"] = scope.step_axis();
  encoding["y"]["title"] = title;
  encoding["y"]["scale"] = {{"domain", ends(y)}, {"nice", false}, {"zero", false}};
  encoding["color"]["scale"]["domain"] = {0, std::max(heat.peak, 1.0) / 1000};
  encoding["stroke"] = encoding["color"];
  spec["data"]["values"] = std::move(heat.rows);
  return spec;
}

/// f, f′ and where f′ is small, sampled; the data of a lens.
struct Lens {
  Json curves = Json::array(), labels = Json::array(), zones = Json::array();
  Range values;
};

Lens lens_of(const LayerRecord& layer, const Range& z) {
  Lens lens;
  const Activation f = activation(layer.activation);
  const double limit = 0.1 * f.facts().sup_slope;
  std::vector<double> at, value, slope;
  for (int i = 0; i <= 240; ++i) at.push_back(z.low + (z.high - z.low) * i / 240);
  for (const Kink& kink : f.facts().kinks)
    for (const double side : {-1e-6, 1e-6})
      if (kink.at > z.low && kink.at < z.high) at.push_back(kink.at + side * (z.high - z.low));
  std::sort(at.begin(), at.end());
  double open = unknown;  // where the zone began in which x is
  for (const double x : at) {
    value.push_back(f.value(x));
    slope.push_back(f.slope(x));
    lens.values.add(value.back());
    lens.values.add(slope.back());
    const bool saturated = std::abs(slope.back()) < limit;
    if (saturated && std::isnan(open)) open = x;
    if (!std::isnan(open) && (!saturated || x == at.back())) {
      lens.zones.push_back({{"z", number(open)}, {"to", number(x)}});
      open = unknown;
    }
  }
  const double right = z.high - 0.04 * (z.high - z.low);
  lens.labels.push_back({{"curve", "f"}, {"z", number(right)}, {"v", number(f.value(right))}});
  lens.labels.push_back({{"curve", "f′"}, {"z", number(right)}, {"v", number(f.slope(right))}});
  lens.curves.push_back({{"curve", "f"}, {"z", column(at)}, {"v", column(value)}});
  lens.curves.push_back({{"curve", "f′"}, {"z", column(at)}, {"v", column(slope)}});
  return lens;
}

Json density_row(const Histogram& h, double& peak) {
  const Trimmed t = trimmed(h);
  std::vector<double> z, v;
  const double all = total(h, false);
  for (std::size_t i = 0; i < t.counts.size(); ++i) {
    z.push_back(t.low + bin_width(h) * static_cast<double>(i));
    v.push_back(t.counts[i] / all);
    peak = std::max(peak, v.back());
  }
  z.push_back(t.low + bin_width(h) * static_cast<double>(t.counts.size()));
  v.push_back(0);
  return {{"z", column(z)}, {"v", column(v)}};
}

Json lens_chart(const Scope& scope, const LayerRecord& layer, int position, const Range& z) {
  Json spec = Json::parse(R"json({
    "width": "container", "height": 220, "resolve": {"scale": {"y": "independent"}},
    "layer": [
      {"mark": {"type": "rect", "style": "zone", "clip": true},
       "encoding": {"x": {"field": "z", "type": "quantitative"}, "x2": {"field": "to"}}},
      {"transform": [{"flatten": ["z", "v"]}],
       "mark": {"type": "area", "interpolate": "step-after", "opacity": 0.75, "clip": true},
       "encoding": {"x": {"field": "z", "type": "quantitative"}, "y": {"field": "v", "type": "quantitative",
                    "axis": null, "scale": {"nice": false}}}},
      {"transform": [{"flatten": ["z", "v"]}],
       "mark": {"type": "line", "interpolate": "step-after", "style": "before", "clip": true},
       "encoding": {"x": {"field": "z", "type": "quantitative"}, "y": {"field": "v", "type": "quantitative",
                    "axis": null, "scale": {"nice": false}}}},
      {"transform": [{"flatten": ["z", "v"]}],
       "layer": [
         {"transform": [{"filter": "datum.curve == 'f'"}], "mark": {"type": "line", "style": "value", "clip": true}},
         {"transform": [{"filter": "datum.curve != 'f'"}], "mark": {"type": "line", "style": "slope", "clip": true}},
         {"mark": {"type": "text", "style": "reference-text", "fontSize": 13, "fontStyle": "italic", "align": "right",
                   "baseline": "bottom", "dx": -6, "dy": -3}, "encoding": {"text": {"field": "curve"}}}],
       "encoding": {
         "x": {"field": "z", "type": "quantitative", "title": "z", "scale": {"nice": false}, "axis": {"tickCount": 5}},
         "y": {"field": "v", "type": "quantitative", "title": null, "scale": {"nice": false}}}}]
  })json");
  const Lens lens = lens_of(layer, z);
  double peak = 0;
  const Json last = density_row(layer.z_histograms.back().second, peak);
  const Json first = density_row(layer.z_histograms.front().second, peak);

  // The lower third is the density's: f and f′ stand above it, on their own scale.
  const double height = std::max(lens.values.high - lens.values.low, 1e-3);
  Json ticks = Json::array();
  const double step = std::pow(10, std::floor(std::log10(height / 2)));
  const double stride = height / step > 8 ? 5 * step : height / step > 4 ? 2 * step : step;
  const double slack = 0.02 * height;  // the range of z may end a little before the limit of f
  for (double t = std::ceil((lens.values.low - slack) / stride) * stride; t <= lens.values.high + slack;
       t += stride)
    ticks.push_back(number(std::abs(t) < 1e-9 ? 0 : t));
  Json& curves = spec.at("/layer/3/encoding");
  curves["x"]["scale"]["domain"] = ends(z);
  curves["y"]["scale"]["domain"] = {number(lens.values.low - 0.6 * height),
                                    number(lens.values.high + 0.16 * height)};
  curves["y"]["axis"] = {{"values", ticks}, {"labelExpr", "format(datum.value, '~g')"}};
  for (const int i : {1, 2}) {
    Json& density = spec["layer"][static_cast<std::size_t>(i)]["encoding"];
    density["y"]["scale"]["domain"] = {0, number(3.2 * std::max(peak, 1e-9))};
    density["x"]["scale"] = curves["x"]["scale"];
  }
  spec.at("/layer/0/encoding/x/scale") = curves["x"]["scale"];
  spec.at("/layer/0/data/values") = lens.zones;
  spec.at("/layer/1/data/values") = Json::array({last});
  spec.at("/layer/1/encoding/color") = scope.layer_colour(position);
  spec.at("/layer/2/data/values") = Json::array({first});
  spec.at("/layer/3/data/values") = lens.curves;
  spec.at("/layer/3/layer/2/data/values") = lens.labels;
  return spec;
}

}  // namespace

ReportFigure lens_figure(const Scope& scope) {
  ReportFigure figure{'C', "Lens", "What each activation sees", "z is its input; density is the share of samples",
                      "Above f and its slope f′ (orange), beneath as a hill where the last recorded batch lies "
                      "(dotted: the first); "
                      "where the hill stands in the shaded zone, f′ is below a tenth of its largest value and "
                      "hardly any gradient gets "
                      "through."};
  figure.columns = scope.columns(3);
  for (std::size_t i = 0; i < scope.layers.size(); ++i) {
    Range z{-3, 3};
    for (const RunRecord& run : scope.runs)
      if (i < run.layers.size() && !is_output(run.layers[i]) && !run.layers[i].z_histograms.empty()) {
        const auto& all = run.layers[i].z_histograms;
        const Range range = extent({all.front(), all.back()});
        z.add(range.low);
        z.add(range.high);
      }
    for (const RunRecord& run : scope.runs) {
      if (i >= run.layers.size() || is_output(run.layers[i])) continue;
      const LayerRecord& layer = run.layers[i];
      const int position = scope.position(run, i);
      const std::string caption = scope.caption(run, fmt::format("{} · {}", scope.name(run, i), layer.activation));
      if (!layer.elementwise) {
        figure.cells.push_back(nothing(
            caption, layer.activation + " mixes its inputs: it has no f and f′ of one variable.", position));
      } else if (layer.z_histograms.empty()) {
        figure.cells.push_back(nothing(caption, "No histogram of z was recorded.", position));
      } else {
        try {
          figure.cells.push_back(cell(caption, lens_chart(scope, layer, position, z), position));
        } catch (const Error&) {
          figure.cells.push_back(nothing(
              caption, layer.activation + " is not registered, so its f and f′ are unknown here.", position));
        }
      }
    }
  }
  return figure;
}

ReportFigure z_figure(const Scope& scope) {
  ReportFigure figure{'D', "Inputs", "Inputs of the activations over time",
                      "z by step; colour is the share of samples",
                      "Each column is the histogram of z in one step, stronger where more samples lie: a band that "
                      "drifts away from 0 or spreads is a layer that saturates."};
  figure.columns = scope.columns_by_layer();
  for (std::size_t i = 0; i < scope.layers.size(); ++i) {
    const auto at = [&](const RunRecord& run) -> const LayerRecord* {
      for (std::size_t k = 0; k < run.layers.size(); ++k)
        if (scope.position(run, k) == static_cast<int>(i)) return &run.layers[k];
      return nullptr;
    };
    Range y;
    for (const RunRecord& run : scope.runs)
      if (const LayerRecord* layer = at(run)) {
        const Range range = extent(layer->z_histograms);
        y.add(range.low);
        y.add(range.high);
      }
    for (const RunRecord& run : scope.runs) {
      const LayerRecord* layer = at(run);
      if (layer == nullptr) continue;
      const std::string caption = scope.caption(run, scope.layers[i]);
      HeatRows heat = heat_rows(layer->z_histograms, scope.histogram_columns);
      if (heat.rows.empty() && is_output(*layer)) continue;
      if (heat.rows.empty())
        figure.cells.push_back(nothing(caption, "No histogram of z was recorded.", static_cast<int>(i)));
      else
        figure.cells.push_back(cell(caption, heat_map(std::move(heat), scope, y, "z"), static_cast<int>(i)));
    }
  }
  return figure;
}

ReportFigure gradient_histogram_figure(const Scope& scope) {
  ReportFigure figure{
      'K', "Spread", "Spread of the weights' gradients over time",
      "|∂L/∂w| on a log scale by step; colour is the share of weights",
      "Each column is the histogram of one weight matrix's gradients; a band that sinks is a layer "
      "that stops learning, and the row at the bottom is the share of gradients that are exactly 0."};
  figure.columns = scope.columns_by_layer();
  for (std::size_t i = 0; i < scope.layers.size(); ++i) {
    struct Item {
      const RunRecord* run;
      const ParameterRecord* parameter;
    };
    std::vector<Item> items;
    Range y;
    for (const RunRecord& run : scope.runs)
      for (const auto& [parameter, layer] : weights(run)) {
        if (scope.position(run, layer) != static_cast<int>(i)) continue;
        items.push_back({&run, parameter});
        const Range range = extent(parameter->gradient_histograms);
        y.add(range.low);
        y.add(range.high);
      }
    if (y.empty()) y = {-8, 0};
    const double height = std::max(y.high - y.low, 1.0);
    const Range zero_row{y.low - 0.1 * height, y.low - 0.03 * height};
    for (const auto& [run, parameter] : items) {
      const Shape shape = parameter->shape;
      const std::string caption =
          scope.caption(*run, fmt::format("{} · {} × {}", parameter->path, shape.rows, shape.cols));
      HeatRows heat = heat_rows(parameter->gradient_histograms, scope.histogram_columns, zero_row);
      if (heat.rows.empty()) {
        figure.cells.push_back(nothing(caption, "No histogram of gradients was recorded.", static_cast<int>(i)));
        continue;
      }
      Json spec = heat_map(std::move(heat), scope, {y.low - 0.12 * height, y.high}, "|∂L/∂w|");
      Json ticks = Json::array({number((zero_row.low + zero_row.high) / 2)});
      const double stride = std::max(1.0, std::ceil(height / 5));
      for (double t = std::ceil(y.low); t <= y.high; t += stride) ticks.push_back(number(t));
      spec.at("/encoding/y/axis") = {
          {"values", ticks},
          {"labelExpr", fmt::format("datum.value < {} ? 'zero' : '1e' + format(datum.value, 'd')", y.low - 1e-9)}};
      spec.at("/encoding/tooltip/1/title") = "log₁₀ from";
      figure.cells.push_back(cell(caption, spec, static_cast<int>(i)));
    }
  }
  return figure;
}

}  // namespace tapegrad::reporting
