#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "tapegrad/core/error.h"
#include "tapegrad/core/registry.h"
#include "tapegrad/inspect/report/figures.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

using json = nlohmann::ordered_json;
using nlohmann::literals::operator""_json_pointer;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// ------------------------------------------------------------------------------------------------------- numbers

/// Four significant digits are more than a screen shows, and half the size of the page.
json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr);
}

struct Range {
  double low = infinity;
  double high = -infinity;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
  json text() const { return {low, high}; }
};

/// A curve as two columns, which the specification flattens.
struct Curve {
  std::vector<double> step, value, low, high;
};

/// At most `most` points, each the mean of the finite values in its stretch of steps, with their extremes.
template <class Steps, class Get> Curve thinned(const Steps& steps, std::size_t most, Get get) {
  Curve curve;
  const std::size_t count = steps.size();
  const std::size_t points = std::min(count, std::max<std::size_t>(most, 2));
  for (std::size_t p = 0; p < points; ++p) {
    const std::size_t begin = p * count / points, end = (p + 1) * count / points;
    Range range;
    double sum = 0;
    int finite = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const double value = get(steps[i]);
      if (!std::isfinite(value)) continue;
      range.add(value);
      sum += value;
      ++finite;
    }
    if (finite == 0) continue;
    curve.step.push_back(static_cast<double>(p + 1 == points ? steps[end - 1].step : steps[begin].step));
    curve.value.push_back(sum / finite);
    curve.low.push_back(range.low);
    curve.high.push_back(range.high);
  }
  return curve;
}

json column(const std::vector<double>& values) {
  json array = json::array();
  for (const double value : values) array.push_back(number(value));
  return array;
}

/// `count` positions out of 0 … size − 1, the first and the last among them.
std::vector<std::size_t> evenly(std::size_t size, std::size_t count) {
  std::vector<std::size_t> chosen;
  count = std::min(size, std::max<std::size_t>(count, 2));
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(count < 2 ? 0 : i * (size - 1) / (count - 1));
  return chosen;
}

double if_positive(double value) { return value > 0 ? value : unknown; }

// ------------------------------------------------------------------------------------------------------- context

/// What all figures share, so that twin runs have the same scales and the same colours.
struct Scope {
  std::span<const RunRecord> runs;
  std::vector<std::string> layers;
  json run_names = json::array();
  Index last_step = 1;
  std::size_t curve_points, histogram_columns, raster_cells;

  Scope(std::span<const RunRecord> records, double detail) : runs(records), layers(layer_names(records)) {
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

  /// Layers but for the output.
  std::size_t hidden() const { return layers.size() - (!layers.empty() && layers.back() == "output" ? 1 : 0); }
  bool several() const { return runs.size() > 1; }
  std::size_t columns(std::size_t alone) const {
    if (!several()) return alone;
    for (const std::size_t columns : {4, 3})  // so that the layers of a run stand below each other
      if (runs.size() > columns && runs.size() % columns == 0) return columns;
    return std::min<std::size_t>(runs.size(), 4);
  }
  std::size_t columns_by_layer() const { return columns(layers.size() == 4 ? 4 : 3); }
  std::string caption(const RunRecord& run, const std::string& what) const {
    if (!several()) return what;
    return what.empty() ? run.name : fmt::format("{} · {}", run.name, what);
  }
  int position(const RunRecord& run, std::size_t layer) const { return layer_position(layers, run, layer); }
  const std::string& name(const RunRecord& run, std::size_t layer) const {
    return layers[static_cast<std::size_t>(position(run, layer))];
  }

  json layer_colour() const {
    return {{"field", "layer"}, {"type", "ordinal"}, {"scale", {{"domain", layers}}}, {"legend", nullptr}};
  }
  json layer_colour(int position) const {
    json colour = layer_colour();
    colour.erase("field");
    colour["datum"] = layers[static_cast<std::size_t>(position)];
    return colour;
  }
  json run_colour() const {
    return {{"field", "run"}, {"type", "nominal"}, {"scale", {{"domain", run_names}}}, {"legend", nullptr}};
  }
  json step_axis() const {
    return {{"field", "step"},
            {"type", "quantitative"},
            {"title", "step"},
            {"axis", {{"labelExpr", "format(datum.value, '~s')"}, {"tickCount", 5}}},
            {"scale", {{"domain", {0, last_step}}, {"nice", false}}}};
  }
};

bool is_output(const LayerRecord& layer) { return layer.activation == "output"; }

/// Curves of one figure: each row is one curve, of columns `step` and `v` (and what colours or dashes it).
json line_chart(json rows, const Scope& scope, json y, json colour) {
  json spec = json::parse(R"json({
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
  const std::string who = colour.value("field", "layer");
  for (json& layer : spec["layer"]) {
    layer["encoding"]["x"] = scope.step_axis();
    layer["encoding"]["y"] = y;
    layer["encoding"]["color"] = colour;
  }
  json y_tip = {{"field", "v"}, {"type", "quantitative"}, {"title", y["title"]}};
  y_tip["format"] = y.contains("axis") && y["axis"].contains("format") ? y["axis"]["format"] : json(".3~g");
  spec["/layer/1/encoding/tooltip"_json_pointer] = {
      {{"field", who}, {"type", "nominal"}}, {{"field", "step"}, {"type", "quantitative"}}, y_tip};
  spec["data"]["values"] = std::move(rows);
  return spec;
}

json share_axis(const std::string& title) {
  return {{"title", title}, {"scale", {{"domain", {0, 1}}}}, {"axis", {{"format", ".0%"}, {"tickCount", 5}}}};
}

/// Few round numbers in a range, for an axis that is logarithmic: decades, or 1, 2 and 5 where there are not many.
json log_ticks(double low, double high) {
  json ticks = json::array();
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::log10(high) + 1);
  const int stride = std::max(1, (last - first) / 6);
  for (int decade = first; decade <= last; decade += stride)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, decade);
      if (tick >= low && tick <= high && (factor == 1 || high / low < 200)) ticks.push_back(number(tick));
    }
  return ticks;
}

json log_axis(const std::string& title, const Range& range) {
  json axis = {{"title", title}, {"scale", {{"type", "log"}, {"nice", false}}}};
  if (range.empty()) return axis;
  const double low = range.low * 0.8, high = range.high * 1.25;
  axis["scale"]["domain"] = {number(low), number(high)};
  axis["axis"] = {
      {"values", log_ticks(low, high)},
      {"labelExpr",
       "datum.value < 0.01 || datum.value >= 10000 ? format(datum.value, '~e') : format(datum.value, '~g')"}};
  return axis;
}

/// A dashed horizontal line with its name.
void add_guide(json& spec, double at, const std::string& text) {
  const json data = {{"values", json::array({{{"at", number(at)}, {"text", text}}})}};
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

ReportCell cell(std::string caption, const json& spec, int layer = -1) {
  return {std::move(caption), layer, spec.dump(-1, ' ', false, json::error_handler_t::replace), ""};
}
ReportCell nothing(std::string caption, std::string sentence, int layer = -1) {
  return {std::move(caption), layer, "", std::move(sentence)};
}

/// One cell per run, drawn from that run's curves, one row a layer.
template <class Get>
json layer_rows(const Scope& scope, const RunRecord& run, bool with_output, Get get, Range* range = nullptr) {
  json rows = json::array();
  for (std::size_t i = 0; i < run.layers.size(); ++i) {
    if (is_output(run.layers[i]) && !with_output) continue;
    const Curve curve = thinned(run.layers[i].steps, scope.curve_points, get);
    if (curve.step.empty()) continue;
    if (range != nullptr)
      for (const double value : curve.value) range->add(value);
    rows.push_back({{"layer", scope.name(run, i)}, {"step", column(curve.step)}, {"v", column(curve.value)}});
  }
  return rows;
}

// ------------------------------------------------------------------------------------------------------- B: loss

/// Where units died, at most `most` marks a run: each stands for the deaths in a stretch of steps.
json death_marks(const RunRecord& run, const Curve& loss, Index last_step, double floor) {
  std::map<Index, std::pair<Index, Index>> stretches;  // first step in it, deaths
  for (const LayerRecord& layer : run.layers)
    for (const Death& death : layer.deaths) {
      auto [it, fresh] = stretches.try_emplace(death.step * 60 / (last_step + 1), death.step, 0);
      it->second.first = std::min(it->second.first, death.step);
      ++it->second.second;
    }
  json rows = json::array();
  for (const auto& [stretch, deaths] : stretches) {
    const auto after = std::lower_bound(loss.step.begin(), loss.step.end(), static_cast<double>(deaths.first));
    const std::size_t at = static_cast<std::size_t>(after - loss.step.begin());
    const double height = loss.value.empty() ? floor : loss.value[std::min(at, loss.value.size() - 1)];
    rows.push_back({{"run", run.name}, {"step", deaths.first}, {"v", number(height)}, {"deaths", deaths.second}});
  }
  return rows;
}

ReportFigure loss_figure(const Scope& scope) {
  ReportFigure figure{
      'B', "Loss", "Loss and accuracy", "nats on a log scale; share of the batch",
      "The loss should fall and the accuracy rise; a cross marks where units died, larger for more of "
      "them, and a vertical line the first loss that is no number (NaN)."};
  figure.columns = 2;
  figure.runs_by_colour = scope.several();
  json rows = json::array(), accuracy = json::array(), deaths = json::array(), blown = json::array();
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
    for (json& mark : death_marks(run, curve, scope.last_step, range.low)) deaths.push_back(std::move(mark));
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

  json spec = line_chart(std::move(rows), scope, log_axis("loss", range), scope.run_colour());
  spec["height"] = 260;
  spec["/transform/0/flatten"_json_pointer] = {"step", "v", "low", "high"};
  json band = {{"mark", {{"type", "area"}, {"opacity", 0.18}, {"line", false}}},
               {"encoding",
                {{"x", scope.step_axis()},
                 {"y", log_axis("loss", range)},
                 {"y2", {{"field", "high"}}},
                 {"color", scope.run_colour()}}}};
  band["encoding"]["y"].update({{"field", "low"}, {"type", "quantitative"}});
  spec["layer"].insert(spec["layer"].begin(), band);
  if (!deaths.empty()) {
    json tooltip = json::parse(R"json([{"field": "run", "type": "nominal"},
                                   {"field": "step", "type": "quantitative", "title": "from step"},
                                   {"field": "deaths", "type": "quantitative", "title": "units died"}])json");
    spec["layer"].push_back(
        {{"data", {{"values", deaths}}},
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
  if (!blown.empty()) {
    const json x = {{"field", "step"}, {"type", "quantitative"}};
    spec["layer"].push_back({{"data", {{"values", blown}}},
                             {"mark", {{"type", "rule"}, {"style", "nan"}, {"tooltip", true}}},
                             {"encoding", {{"x", x}}}});
    spec["layer"].push_back({{"data", {{"values", blown}}},
                             {"mark", {{"type", "text"}, {"style", "nan-text"}}},
                             {"encoding", {{"x", x}, {"y", {{"value", 2}}}, {"text", {{"field", "text"}}}}}});
  }
  Index classes = scope.runs.front().classes;
  for (const RunRecord& run : scope.runs) classes = run.classes == classes ? classes : 0;
  if (classes > 1) {
    const double guess = std::log(static_cast<double>(classes));
    if (guess > range.low * 0.8 && guess < range.high * 1.25)
      add_guide(spec, guess, fmt::format("guessing: ln {} = {:.3g}", classes, guess));
  }
  figure.cells.push_back(cell("Loss", spec));
  if (accuracy.empty()) {
    figure.cells.push_back(nothing("Accuracy", "No accuracy was given to the monitor."));
  } else {
    json chart = line_chart(std::move(accuracy), scope, share_axis("accuracy"), scope.run_colour());
    chart["height"] = 260;
    figure.cells.push_back(cell("Accuracy", chart));
  }
  return figure;
}

// ------------------------------------------------------------------------------------------- histograms: C, D, K

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
  json rows = json::array();
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
    json counts = json::array();
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
                             {"c", json::array({number(std::round(10'000 * h.zeros / all) / 10)})}});
  }
  return result;
}

json heat_map(HeatRows heat, const Scope& scope, const Range& y, const std::string& title) {
  json spec = json::parse(R"json({
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
  json& encoding = spec["encoding"];
  encoding["x"] = scope.step_axis();
  encoding["y"]["title"] = title;
  encoding["y"]["scale"] = {{"domain", y.text()}, {"nice", false}, {"zero", false}};
  encoding["color"]["scale"]["domain"] = {0, std::max(heat.peak, 1.0) / 1000};
  encoding["stroke"] = encoding["color"];
  spec["data"]["values"] = std::move(heat.rows);
  return spec;
}

/// f, f′ and where f′ is small, sampled; the data of a lens.
struct Lens {
  json curves = json::array(), labels = json::array(), zones = json::array();
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

json density_row(const Histogram& h, double& peak) {
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

json lens_chart(const Scope& scope, const LayerRecord& layer, int position, const Range& z) {
  json spec = json::parse(R"json({
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
  const json last = density_row(layer.z_histograms.back().second, peak);
  const json first = density_row(layer.z_histograms.front().second, peak);

  // The lower third is the density's: f and f′ stand above it, on their own scale.
  const double height = std::max(lens.values.high - lens.values.low, 1e-3);
  json ticks = json::array();
  const double step = std::pow(10, std::floor(std::log10(height / 2)));
  const double stride = height / step > 8 ? 5 * step : height / step > 4 ? 2 * step : step;
  const double slack = 0.02 * height;  // the range of z may end a little before the limit of f
  for (double t = std::ceil((lens.values.low - slack) / stride) * stride; t <= lens.values.high + slack;
       t += stride)
    ticks.push_back(number(std::abs(t) < 1e-9 ? 0 : t));
  json& curves = spec["/layer/3/encoding"_json_pointer];
  curves["x"]["scale"]["domain"] = z.text();
  curves["y"]["scale"]["domain"] = {number(lens.values.low - 0.6 * height),
                                    number(lens.values.high + 0.16 * height)};
  curves["y"]["axis"] = {{"values", ticks}, {"labelExpr", "format(datum.value, '~g')"}};
  for (const int i : {1, 2}) {
    json& density = spec["layer"][static_cast<std::size_t>(i)]["encoding"];
    density["y"]["scale"]["domain"] = {0, number(3.2 * std::max(peak, 1e-9))};
    density["x"]["scale"] = curves["x"]["scale"];
  }
  spec["/layer/0/encoding/x/scale"_json_pointer] = curves["x"]["scale"];
  spec["/layer/0/data/values"_json_pointer] = lens.zones;
  spec["/layer/1/data/values"_json_pointer] = json::array({last});
  spec["/layer/1/encoding/color"_json_pointer] = scope.layer_colour(position);
  spec["/layer/2/data/values"_json_pointer] = json::array({first});
  spec["/layer/3/data/values"_json_pointer] = lens.curves;
  spec["/layer/3/layer/2/data/values"_json_pointer] = lens.labels;
  return spec;
}

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

// ---------------------------------------------------------------------------------------- E, G: shares of units

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
      json rows = layer_rows(
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

ReportFigure dead_figure(const Scope& scope) {
  ReportFigure figure{'G', "Death", "Share of dead units", "share of the layer's units",
                      "Solid: units that are off on every sample from then on, or until they are revived; thin and "
                      "dashed: off on every sample of that one batch, which may pass; dotted: asleep, f′ below a "
                      "thousandth of its largest value."};
  figure.columns = scope.columns(1);
  figure.layers_by_colour = scope.hidden();
  for (const RunRecord& run : scope.runs) {
    json rows = json::array();
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
    json spec = line_chart(std::move(rows), scope, share_axis("dead"), scope.layer_colour());
    const json horizons = {"dead since", "dead on this batch", "asleep on this batch"};
    spec["/layer/0/encoding/strokeDash"_json_pointer] = {
        {"field", "horizon"},
        {"type", "ordinal"},
        {"sort", horizons},
        {"legend", nullptr},
        {"scale", {{"domain", horizons}, {"range", {{1, 0}, {5, 3}, {1, 3}}}}}};
    spec["/layer/0/encoding/strokeWidth"_json_pointer] = {
        {"field", "horizon"},
        {"type", "ordinal"},
        {"sort", horizons},
        {"legend", nullptr},
        {"scale", {{"domain", horizons}, {"range", {2.4, 1, 1.4}}}}};
    spec["/layer/1/encoding/tooltip"_json_pointer].push_back({{"field", "horizon"}, {"type", "nominal"}});
    figure.cells.push_back(cell(caption, spec));
  }
  return figure;
}

// ---------------------------------------------------------------------------------------------------- F: raster

json raster(const Scope& scope, const RunRecord& run, const LayerRecord& layer, std::size_t& drawn) {
  const std::size_t units = static_cast<std::size_t>(layer.units);
  std::vector<double> died(units, infinity), mean(units, 0), revived(units, -1);
  std::vector<const Death*> longest(units, nullptr);  // of those it came back from
  for (const Death& death : layer.deaths) {
    const std::size_t unit = static_cast<std::size_t>(death.unit);
    if (unit >= units) continue;
    if (death.revived) {
      revived[unit] = static_cast<double>(death.step);
      const auto length = [](const Death& d) { return *d.revived - d.step; };
      if (longest[unit] == nullptr || length(death) > length(*longest[unit])) longest[unit] = &death;
    } else
      died[unit] = std::min(died[unit], static_cast<double>(death.step));
  }
  for (std::size_t unit = 0; unit < std::min(units, layer.dead_since.size()); ++unit)
    if (layer.dead_since[unit] >= 0) died[unit] = static_cast<double>(layer.dead_since[unit]);
  for (const auto& [step, rates] : layer.firing_rates)
    for (std::size_t unit = 0; unit < std::min(units, rates.size()); ++unit)
      if (std::isfinite(rates[unit])) mean[unit] += rates[unit];

  std::vector<std::size_t> order(units);
  for (std::size_t i = 0; i < units; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (died[a] != died[b]) return died[a] < died[b];
    if ((revived[a] >= 0) != (revived[b] >= 0)) return revived[a] >= 0;
    return mean[a] < mean[b];
  });
  const std::vector<std::size_t> columns = evenly(layer.firing_rates.size(), std::size_t{40});
  const std::vector<std::size_t> rows =
      evenly(units, std::max<std::size_t>(scope.raster_cells / columns.size(), 16));
  drawn = rows.size();

  const double per_epoch = run.steps_per_epoch > 0 ? static_cast<double>(run.steps_per_epoch) : 1;
  json data = json::array(), outlines = json::array(), names = json::array();
  for (const std::size_t row : rows) names.push_back(order[row]);
  double from = 0;
  for (const std::size_t c : columns) {
    const auto& [step, rates] = layer.firing_rates[c];
    json values = json::array();
    for (const std::size_t row : rows) {
      const std::size_t unit = order[row];
      values.push_back(unit < rates.size() ? number(std::round(1000 * rates[unit]) / 1000) : json());
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

  json spec = json::parse(R"json({
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
  const json tooltip = json::parse(R"json([{"field": "row", "type": "quantitative", "title": "place"},
                                       {"field": "to", "type": "quantitative", "title": "until"},
                                       {"field": "r", "type": "quantitative", "title": "fires on", "format": ".1%"}])json");
  for (json& layer_spec : spec["/layer/0/layer"_json_pointer]) layer_spec["encoding"]["tooltip"] = tooltip;
  spec["/layer/0/data/values"_json_pointer] = std::move(data);
  spec["/layer/1/data/values"_json_pointer] = std::move(outlines);
  json& x = spec["/encoding/x"_json_pointer];
  x["title"] = run.steps_per_epoch > 0 ? "epoch" : "step";
  x["scale"] = {{"domain", {0, number(static_cast<double>(scope.last_step + 1) / per_epoch)}}, {"nice", false}};
  spec["/encoding/y/scale"_json_pointer] = {{"domain", {0, rows.size()}}, {"reverse", true}, {"nice", false}};
  return spec;
}

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
      const json spec = raster(scope, run, layer, drawn);
      const std::string how_many = static_cast<Index>(drawn) < layer.units
                                       ? fmt::format("{} of {} units", drawn, layer.units)
                                       : fmt::format("{} units", layer.units);
      figure.cells.push_back(cell(fmt::format("{} · {}", caption, how_many), spec, position));
    }
  return figure;
}

// ---------------------------------------------------------------------------------------- H, I, J, K: gradients

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

ReportFigure gradient_figure(const Scope& scope) {
  ReportFigure figure{
      'H', "Gradients", "Gradient by layer", "RMS of ∂L/∂z, log scale",
      "Read from right to left, as the gradient flows: a line that falls towards the first layer is a "
      "vanishing gradient, one that rises an exploding one; faint lines are early, strong ones late."};
  figure.columns = scope.columns(1);
  Range range;
  std::vector<json> all;
  for (const RunRecord& run : scope.runs) {
    json rows = json::array();
    for (const Period& period : periods(run, 8)) {
      json layers = json::array(), values = json::array();
      for (std::size_t i = 0; i < run.layers.size(); ++i) {
        const double rms = std::sqrt(
            period_mean(run.layers[i], period, [](const LayerStep& s) { return s.gradient_rms * s.gradient_rms; }));
        if (!(rms > 0)) continue;
        range.add(rms);
        layers.push_back(scope.name(run, i));
        values.push_back(number(rms));
      }
      if (!layers.empty())
        rows.push_back({{"period", period.name}, {"order", period.number}, {"layer", layers}, {"v", values}});
    }
    all.push_back(std::move(rows));
  }
  for (std::size_t r = 0; r < scope.runs.size(); ++r) {
    const std::string caption = scope.caption(scope.runs[r], "");
    if (all[r].empty()) {
      figure.cells.push_back(nothing(caption, "No gradient was recorded, or all of them were zero."));
      continue;
    }
    json spec = json::parse(R"json({
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
    json& encoding = spec["encoding"];
    encoding["x"]["scale"] = {{"domain", scope.layers}};
    encoding["y"] = log_axis("RMS ∂L/∂z", range);
    encoding["y"].update({{"field", "v"}, {"type", "quantitative"}});
    const Index first = all[r].front()["order"], last = all[r].back()["order"];
    encoding["color"]["title"] =
        all[r].front()["period"].get<std::string>().starts_with("epoch") ? "epoch" : "step";
    encoding["color"]["legend"]["values"] = {first, last};
    encoding["color"]["scale"]["domain"] = {first, std::max(last, first + 1)};
    spec["data"]["values"] = std::move(all[r]);
    figure.cells.push_back(cell(caption, spec));
  }
  return figure;
}

ReportFigure attribution_figure(const Scope& scope) {
  ReportFigure figure{'I', "Attribution", "What changes the gradient on its way back",
                      "factor per layer, log scale",
                      "A bar to the left of 1 shrinks the gradient, one to the right enlarges it: blue is what the "
                      "weights behind the layer do, orange what the slope f′ does; the numbers multiply."};
  figure.columns = scope.columns(2);
  Range range{0.5, 2};
  std::vector<json> all(scope.runs.size(), json::array());
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
    json spec = json::parse(R"json({
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
    json names = json::array();
    for (const std::string& name : scope.layers)
      if (name != "output") names.push_back(name);
    spec["/encoding/x/scale"_json_pointer] = {
        {"type", "log"}, {"domain", {number(1 / reach), number(reach)}}, {"nice", false}, {"clamp", true}};
    spec["/encoding/x/axis/values"_json_pointer] = log_ticks(1 / reach, reach);
    spec["/encoding/y/scale/domain"_json_pointer] = names;
    spec["height"] = 36 * names.size();
    spec["data"]["values"] = std::move(all[r]);
    figure.cells.push_back(cell(scope.caption(scope.runs[r], when[r]), spec));
  }
  return figure;
}

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

/// Weight matrices and the layer each feeds: the first activation behind it.
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

ReportFigure update_figure(const Scope& scope) {
  ReportFigure figure{'J', "Updates", "Size of the updates", "‖Δw‖ / ‖w‖ of the weights, log scale",
                      "How much of itself each weight matrix changes in a step: around 0.001 is healthy, far above "
                      "the learning rate is too high, far below the layer hardly learns."};
  figure.columns = scope.columns(1);
  figure.layers_by_colour = scope.layers.size();
  Range range{3e-4, 3e-3};
  std::vector<json> all;
  for (const RunRecord& run : scope.runs) {
    json rows = json::array();
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
    json spec = line_chart(std::move(all[r]), scope, log_axis("update ratio", range), scope.layer_colour());
    for (json& layer : spec["layer"]) layer["encoding"]["detail"] = {{"field", "path"}, {"type", "nominal"}};
    spec["/layer/1/encoding/tooltip"_json_pointer].push_back({{"field", "path"}, {"type", "nominal"}});
    add_guide(spec, 1e-3, "healthy: 0.001");
    figure.cells.push_back(cell(caption, spec));
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
      json spec = heat_map(std::move(heat), scope, {y.low - 0.12 * height, y.high}, "|∂L/∂w|");
      json ticks = json::array({number((zero_row.low + zero_row.high) / 2)});
      const double stride = std::max(1.0, std::ceil(height / 5));
      for (double t = std::ceil(y.low); t <= y.high; t += stride) ticks.push_back(number(t));
      spec["/encoding/y/axis"_json_pointer] = {
          {"values", ticks},
          {"labelExpr", fmt::format("datum.value < {} ? 'zero' : '1e' + format(datum.value, 'd')", y.low - 1e-9)}};
      spec["/encoding/tooltip/1/title"_json_pointer] = "log₁₀ from";
      figure.cells.push_back(cell(caption, spec, static_cast<int>(i)));
    }
  }
  return figure;
}

// ---------------------------------------------------------------------------------------------- L: decision map

/// The part of w1·x1 + w2·x2 + b = 0 inside the square.
std::optional<json> inside(const DecisionMap::Line& line, double low, double high) {
  std::vector<std::pair<double, double>> ends;
  const auto add = [&](double x1, double x2) {
    const double slack = 1e-9 * (high - low);
    if (!std::isfinite(x1) || !std::isfinite(x2)) return;
    if (x1 < low - slack || x1 > high + slack || x2 < low - slack || x2 > high + slack) return;
    for (const auto& end : ends)
      if (std::abs(end.first - x1) + std::abs(end.second - x2) < 4 * slack) return;
    ends.emplace_back(x1, x2);
  };
  for (const double edge : {low, high}) {
    add(edge, -(line.w1 * edge + line.b) / line.w2);
    add(-(line.w2 * edge + line.b) / line.w1, edge);
  }
  if (ends.size() < 2) return std::nullopt;
  return json{{"x1", number(ends[0].first)},
              {"x2", number(ends[0].second)},
              {"to1", number(ends[1].first)},
              {"to2", number(ends[1].second)},
              {"dead", line.dead}};
}

json map_chart(const DecisionMap& map, Index classes) {
  json spec = json::parse(R"json({
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
  const json domain = {{"domain", {map.low, map.high}}, {"nice", false}, {"zero", false}};
  spec["/encoding/x/scale"_json_pointer] = domain;
  spec["/encoding/y/scale"_json_pointer] = domain;
  const std::size_t cells = static_cast<std::size_t>(map.cells);
  const double width = (map.high - map.low) / static_cast<double>(std::max<Index>(map.cells, 1));
  json rows = json::array(), lines = json::array(), points = json::array();
  for (std::size_t row = 0; row < cells; ++row) {
    json values = json::array();
    for (std::size_t i = row * cells; i < std::min((row + 1) * cells, map.output.size()); ++i)
      values.push_back(number(std::round(100 * map.output[i]) / 100));
    const double bottom = map.low + width * static_cast<double>(row);
    rows.push_back(
        {{"low", number(map.low)}, {"w", width}, {"x2", bottom}, {"to2", bottom + width}, {"v", values}});
  }
  for (const DecisionMap::Line& line : map.units)
    if (const auto shown = inside(line, map.low, map.high)) lines.push_back(*shown);
  for (const std::size_t i : map.points.empty() ? std::vector<std::size_t>() : evenly(map.points.size(), 600)) {
    const DecisionMap::Point& point = map.points[i];
    points.push_back({{"x1", number(point.x1)}, {"x2", number(point.x2)}, {"label", point.label}});
  }
  const json palette = {"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442", "#8a8a8a"};
  json labels = json::array(), colours = json::array();
  for (Index c = 0; c < std::max<Index>(classes, 2); ++c) {
    labels.push_back(c);
    colours.push_back(palette[static_cast<std::size_t>(c) % palette.size()]);
  }
  json colour = {{"field", "v"}, {"legend", nullptr}};
  if (classes > 2) {
    colour.update({{"type", "nominal"}, {"scale", {{"domain", labels}, {"range", colours}}}});
    spec["/layer/0/mark/opacity"_json_pointer] = 0.4;
  } else {
    colour.update({{"type", "quantitative"}, {"scale", {{"domain", {0, 1}}, {"domainMid", 0.5}}}});
    spec["/layer/0/encoding/stroke"_json_pointer] = colour;
  }
  spec["/layer/0/encoding/color"_json_pointer] = colour;
  spec["/layer/3/encoding/fill"_json_pointer] = {{"field", "label"},
                                                 {"type", "nominal"},
                                                 {"legend", nullptr},
                                                 {"scale", {{"domain", labels}, {"range", colours}}}};
  spec["/layer/0/data/values"_json_pointer] = std::move(rows);
  spec["/layer/1/data/values"_json_pointer] = lines;
  spec["/layer/2/data/values"_json_pointer] = std::move(lines);
  spec["/layer/3/data/values"_json_pointer] = std::move(points);
  return spec;
}

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

// ------------------------------------------------------------------------------------------------------- colours

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

std::vector<std::string> layer_names(std::span<const RunRecord> runs) {
  std::size_t hidden = 0;
  bool output = false;
  for (const RunRecord& run : runs) {
    const auto count = static_cast<std::size_t>(std::count_if(run.layers.begin(), run.layers.end(), is_output));
    hidden = std::max(hidden, run.layers.size() - count);
    output |= count > 0;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < hidden; ++i) names.push_back(fmt::format("layer {}", i + 1));
  if (output) names.push_back("output");
  return names;
}

int layer_position(std::span<const std::string> names, const RunRecord& run, std::size_t i) {
  return static_cast<int>(is_output(run.layers[i]) ? names.size() - 1 : i);
}

std::vector<ReportFigure> report_figures(std::span<const RunRecord> runs, double detail) {
  const Scope scope(runs, detail);
  return {loss_figure(scope),     lens_figure(scope),
          z_figure(scope),        saturation_figure(scope),
          raster_figure(scope),   dead_figure(scope),
          gradient_figure(scope), attribution_figure(scope),
          update_figure(scope),   gradient_histogram_figure(scope),
          map_figure(scope)};
}

std::vector<std::string> layer_colours(std::size_t layers, bool dark) {
  return viridis(layers, dark ? 0.3 : 0.0, dark ? 1.0 : 0.85);
}

std::vector<std::string> run_colours(bool dark) {
  if (dark) return {"#56b4e9", "#e69f00", "#2fc79a", "#cc79a7", "#8ab4ff", "#f0e442", "#9aa4b5"};
  return {"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#9c8f00", "#5d6778"};
}

std::string report_theme(bool dark, std::size_t layers) {
  const char* ink = dark ? "#e6e9ef" : "#1d2330";
  const char* quiet = dark ? "#9aa4b5" : "#5d6778";
  const char* faint = dark ? "#2a3140" : "#e8ebf0";
  const char* ground = dark ? "#12161f" : "#ffffff";
  const char* death = dark ? "#ff7a33" : "#d55e00";  // Okabe-Ito's vermilion; lighter on a dark ground
  const char* orange = "#e69f00";
  // Viridis towards the ink; its light end fades into a light ground.
  json heat =
      dark ? json(viridis(12, 0.05, 1)) : json{"#f3f7ee", "#dcebc9", "#b5dba8", "#7fc79a", "#4bb094", "#2b968f",
                                               "#29798e", "#335d8d", "#3f4187", "#46236f", "#440154"};
  json theme = {
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
        {"ramp", dark ? json{"#34425c", "#5b8fd0", "#d5e8ff"} : json{"#bccbdc", "#5b8fc4", "#0b2f5c"}},
        {"diverging", dark ? json{"#0b3a5c", "#171d29", "#5a4200"} : json{"#8fc1e3", "#fafafa", "#f5cf7e"}}}}};
  // Vega-Lite itself looks for `color` only; the rest of a style is Vega's.
  json& style = theme["style"];
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
  return theme.dump();
}

}  // namespace tapegrad::reporting
