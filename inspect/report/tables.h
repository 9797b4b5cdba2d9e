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

/// What the tables of the figures are made of. Private to them.

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

using Cells = std::vector<ReportCell>;
struct Scope;

/** The tables of a figure: one cell for each of its charts. */
Cells loss_cells(const Scope&scope), lens_cells(const Scope&scope), inputs_cells(const Scope&scope),
    saturation_cells(const Scope&scope), units_cells(const Scope&scope), death_cells(const Scope&scope),
    gradients_cells(const Scope&scope), attribution_cells(const Scope&scope), updates_cells(const Scope&scope),
    spread_cells(const Scope&scope), map_cells(const Scope&scope);

/** A file figures/NAME.vl.json; the build puts them into the library (cmake/TapegradFigures.cmake). */
struct ChartFile {
  std::string_view name, text;
};
std::span<const ChartFile> chart_files();

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// Four significant digits are more than a screen shows, and half the size of the page.
Json number(double value);
Json column(const std::vector<double>& values);
inline Json ends(const Range& range) { return Json::array({number(range.low), number(range.high)}); }
inline double if_positive(double value) { return value > 0 ? value : unknown; }
/// `count` positions out of 0 … size − 1, the first and the last among them.
std::vector<std::size_t> evenly(std::size_t size, std::size_t count);
/// Few round numbers in a range, for an axis that is logarithmic: decades, or 1, 2 and 5 where there are not many.
Json log_ticks(double low, double high);
/// The params low, high and ticks of such an axis, a little wider than the range.
Json log_scale(const Range& range);

/// A curve as columns, which the specification flattens.
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

/// The mean over a 25th of the curve around each point; of the logarithms where `geometric`.
std::vector<double> smoothed(const std::vector<double>& values, bool geometric);

inline bool is_output(const LayerRecord& layer) { return layer.activation == "output"; }

/// What all figures share, so that twin runs have the same scales and the same colours.
struct Scope {
  std::span<const RunRecord> runs;
  std::vector<std::string> layers;
  Index last_step = 1;
  std::size_t curve_points, histogram_columns, raster_cells;

  /// `detail` from 0 to 1 thins the data further.
  Scope(std::span<const RunRecord> records, double detail);

  /// Layers but for the output.
  std::vector<std::string> hidden() const {
    std::vector<std::string> names = layers;
    std::erase(names, "output");
    return names;
  }
  std::string caption(const RunRecord& run, const std::string& what) const {
    if (runs.size() < 2) return what;
    return what.empty() ? run.name : fmt::format("{} · {}", run.name, what);
  }
  const std::string& name(const RunRecord& run, std::size_t layer) const {
    return layers[static_cast<std::size_t>(layer_position(layers, run, layer))];
  }
  /// The layers of all runs that stand at a position among `layers`.
  struct Place {
    const RunRecord& run;
    const LayerRecord& layer;
  };
  std::vector<Place> at(std::size_t position) const;
  /// A cell about one layer of one run.
  ReportCell cell(const Place& place, const std::string& what) const;
  /// A cell about a run as a whole.
  ReportCell cell(const RunRecord& run, const std::string& what = "") const {
    return {.caption = caption(run, what)};
  }
};

/// Weight matrices and the layer each feeds: the first activation behind it.
std::vector<std::pair<const ParameterRecord*, std::size_t>> weights(const RunRecord& run);

/// One row a layer: the curve of what `get` gives for its steps.
template <class Get> Json layer_rows(const Scope& scope, const RunRecord& run, Get get) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < run.layers.size(); ++i) {
    if (is_output(run.layers[i])) continue;
    const Curve curve = thinned(run.layers[i].steps, scope.curve_points, get);
    if (!curve.step.empty())
      rows.push_back({{"layer", scope.name(run, i)}, {"step", column(curve.step)}, {"v", column(curve.value)}});
  }
  return rows;
}

/// Steps [begin, end) of one epoch, or of a sixth of the run where epochs are unknown.
struct Period {
  std::string name;
  Index number, begin, end;
};
std::vector<Period> periods(const RunRecord& run, std::size_t most);

/// Mean over a period of what `get` gives for a step; NaN where there is none.
template <class Get> double period_mean(const LayerRecord& layer, const Period& period, Get get) {
  double sum = 0;
  int count = 0;
  for (const LayerStep& s : layer.steps) {
    const double value = s.step < period.begin || s.step >= period.end ? unknown : get(s);
    if (!std::isfinite(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / count : unknown;
}

// Histograms.

using Histograms = std::vector<std::pair<Index, Histogram>>;
/// Counts with what fell below as bin −1 and what fell above as bin 64, from the first to the last that is not empty.
struct Trimmed {
  double low = 0;  ///< lower edge of the first
  std::vector<double> counts;
};
Trimmed trimmed(const Histogram& h);
double bin_width(const Histogram& h);
/// All counts, without the zeros.
double total(const Histogram& h);
/// Where nearly all of the counts lie.
Range extent(const Histograms& histograms);
/// A row for each of `most` histograms: step, to, low, w, shares of the bins in thousandths as c, of the zeros as zeros. `peak`
/// becomes the largest share of a bin.
Json heat_rows(const Histograms& histograms, std::size_t most, double& peak);

}  // namespace tapegrad::reporting
