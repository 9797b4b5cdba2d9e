#include "tapegrad/inspect/report/figures.h"

#include <fmt/core.h>

#include "tapegrad/inspect/report/charts.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

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

}  // namespace tapegrad::reporting
