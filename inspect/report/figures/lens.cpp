#include "tapegrad/core/registry.h"
#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

/// f, f′ and where f′ is small, sampled.
void add_curves(ReportCell& cell, const Activation& f, const Range& z, Range& values) {
  const double limit = 0.1 * f.facts().sup_slope, width = z.high - z.low;
  std::vector<double> at, value, slope;
  for (int i = 0; i <= 240; ++i) at.push_back(z.low + width * i / 240);
  for (const Kink& kink : f.facts().kinks)
    for (const double side : {-1e-6, 1e-6})
      if (kink.at > z.low && kink.at < z.high) at.push_back(kink.at + side * width);
  std::sort(at.begin(), at.end());
  double open = unknown;  // where the zone began in which x is
  Json zones = Json::array(), curves = Json::array(), labels = Json::array();
  for (const double x : at) {
    value.push_back(f.value(x));
    slope.push_back(f.slope(x));
    values.add(value.back());
    values.add(slope.back());
    const bool saturated = std::abs(slope.back()) < limit;
    if (saturated && std::isnan(open)) open = x;
    if (!std::isnan(open) && (!saturated || x == at.back())) {
      zones.push_back({{"z", number(open)}, {"to", number(x)}});
      open = unknown;
    }
  }
  const double right = z.high - 0.04 * width;
  labels.push_back({{"curve", "f"}, {"z", number(right)}, {"v", number(f.value(right))}});
  labels.push_back({{"curve", "f′"}, {"z", number(right)}, {"v", number(f.slope(right))}});
  curves.push_back({{"curve", "f"}, {"z", column(at)}, {"v", column(value)}});
  curves.push_back({{"curve", "f′"}, {"z", column(at)}, {"v", column(slope)}});
  cell.tables.update({{"zones", zones}, {"curves", curves}, {"labels", labels}});
}

Json density_row(const char* when, const std::string& layer, const Histogram& h, double& peak) {
  const Trimmed t = trimmed(h);
  std::vector<double> z, v;
  for (std::size_t i = 0; i < t.counts.size(); ++i) {
    z.push_back(t.low + bin_width(h) * static_cast<double>(i));
    v.push_back(t.counts[i] / total(h));
    peak = std::max(peak, v.back());
  }
  z.push_back(t.low + bin_width(h) * static_cast<double>(t.counts.size()));
  v.push_back(0);
  return {{"when", when}, {"layer", layer}, {"z", column(z)}, {"v", column(v)}};
}

/// Round numbers for the axis of f and f′, about four.
Json ticks_of(const Range& values, double height) {
  Json ticks = Json::array();
  const double step = std::pow(10, std::floor(std::log10(height / 2)));
  const double stride = height / step > 8 ? 5 * step : height / step > 4 ? 2 * step : step;
  const double slack = 0.02 * height;  // the range of z may end a little before the limit of f
  for (double t = std::ceil((values.low - slack) / stride) * stride; t <= values.high + slack; t += stride)
    ticks.push_back(number(std::abs(t) < 1e-9 ? 0 : t));
  return ticks;
}

ReportCell lens_cell(const Scope& scope, const Scope::Place& place, const Range& z) {
  const LayerRecord& layer = place.layer;
  ReportCell cell = scope.cell(place, layer.activation);
  if (!layer.elementwise)
    cell.nothing = layer.activation + " mixes its inputs: it has no f and f′ of one variable.";
  else if (layer.z_histograms.empty())
    cell.nothing = "No histogram of z was recorded.";
  if (!cell.nothing.empty()) return cell;
  Range values;
  try {
    add_curves(cell, activation(layer.activation), z, values);
  } catch (const Error&) {
    cell.nothing = layer.activation + " is not registered, so its f and f′ are unknown here.";
    return cell;
  }
  double peak = 1e-9;
  const std::string& name = scope.layers[static_cast<std::size_t>(cell.layer)];
  Json density = Json::array();
  density.push_back(density_row("last", name, layer.z_histograms.back().second, peak));
  density.push_back(density_row("first", name, layer.z_histograms.front().second, peak));
  cell.tables["density"] = density;
  // The lower third is the density's: f and f′ stand above it, on their own scale.
  const double height = std::max(values.high - values.low, 1e-3);
  cell.values = {{"z", ends(z)},
                 {"peak", number(peak)},
                 {"ticks", ticks_of(values, height)},
                 {"v", ends({values.low - 0.6 * height, values.high + 0.16 * height})}};
  return cell;
}

}  // namespace

Cells lens_cells(const Scope& scope) {
  Cells cells;
  for (std::size_t i = 0; i < scope.layers.size(); ++i) {
    Range z{-3, 3};
    for (const auto& [run, layer] : scope.at(i)) {
      if (is_output(layer) || layer.z_histograms.empty()) continue;
      const Range range = extent({layer.z_histograms.front(), layer.z_histograms.back()});
      z.add(range.low);
      z.add(range.high);
    }
    for (const Scope::Place& place : scope.at(i))
      if (!is_output(place.layer)) cells.push_back(lens_cell(scope, place, z));
  }
  return cells;
}

}  // namespace tapegrad::reporting
