#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tapegrad/inspect/range.h"
#include "tapegrad/inspect/report/figures.h"
#include "tapegrad/inspect/report/json.h"

/// What the figures of a report are made of. Private to them.

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// Numbers.

/// Four significant digits are more than a screen shows, and half the size of the page.
Json number(double value);
Json column(const std::vector<double>& values);
inline Json ends(const Range& range) { return {range.low, range.high}; }
inline double if_positive(double value) { return value > 0 ? value : unknown; }
/// `count` positions out of 0 … size − 1, the first and the last among them.
std::vector<std::size_t> evenly(std::size_t size, std::size_t count);

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

/// What all figures share, so that twin runs have the same scales and the same colours.
struct Scope {
  std::span<const RunRecord> runs;
  std::vector<std::string> layers;
  Json run_names = Json::array();
  Index last_step = 1;
  std::size_t curve_points, histogram_columns, raster_cells;

  /// `detail` from 0 to 1 thins the data further.
  Scope(std::span<const RunRecord> records, double detail);

  /// Layers but for the output.
  std::size_t hidden() const { return layers.size() - (!layers.empty() && layers.back() == "output" ? 1 : 0); }
  bool several() const { return runs.size() > 1; }
  std::size_t columns(std::size_t alone) const;
  std::size_t columns_by_layer() const { return columns(layers.size() == 4 ? 4 : 3); }
  std::string caption(const RunRecord& run, const std::string& what) const {
    if (!several()) return what;
    return what.empty() ? run.name : fmt::format("{} · {}", run.name, what);
  }
  int position(const RunRecord& run, std::size_t layer) const { return layer_position(layers, run, layer); }
  const std::string& name(const RunRecord& run, std::size_t layer) const {
    return layers[static_cast<std::size_t>(position(run, layer))];
  }

  Json layer_colour() const;
  Json layer_colour(int position) const;
  Json run_colour() const;
  Json step_axis() const;
};

inline bool is_output(const LayerRecord& layer) { return layer.activation == "output"; }
/// Weight matrices and the layer each feeds: the first activation behind it.
std::vector<std::pair<const ParameterRecord*, std::size_t>> weights(const RunRecord& run);

// Charts.

/// Curves of one figure: each row is one curve, of columns `step` and `v` (and what colours or dashes it).
Json line_chart(Json rows, const Scope& scope, Json y, Json colour);
Json share_axis(const std::string& title);
/// Few round numbers in a range, for an axis that is logarithmic: decades, or 1, 2 and 5 where there are not many.
Json log_ticks(double low, double high);
Json log_axis(const std::string& title, const Range& range);
/// A dashed horizontal line with its name.
void add_guide(Json& spec, double at, const std::string& text);
ReportCell cell(std::string caption, const Json& spec, int layer = -1);
ReportCell nothing(std::string caption, std::string sentence, int layer = -1);

/// One cell per run, drawn from that run's curves, one row a layer.
template <class Get>
Json layer_rows(const Scope& scope, const RunRecord& run, bool with_output, Get get, Range* range = nullptr) {
  Json rows = Json::array();
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

// Figures, in the order of their letters from B on.

using FigureMaker = ReportFigure(const Scope& scope);
FigureMaker loss_figure, lens_figure, z_figure, saturation_figure, raster_figure, dead_figure, gradient_figure,
    attribution_figure, update_figure, gradient_histogram_figure, map_figure;

}  // namespace tapegrad::reporting
