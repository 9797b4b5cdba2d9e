#pragma once

#include <span>
#include <string>
#include <vector>

#include "tapegrad/inspect/record.h"

/// The figures of a report as Vega-Lite specifications. Private to write_report.

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

/** One chart of a figure, or a sentence where there is nothing to draw. */
struct ReportCell {
  std::string caption;
  int layer = -1;             ///< position among layer_names(): its colour; −1: of no single layer
  std::string specification;  ///< JSON
  std::string nothing;        ///< instead of a chart
};

struct ReportFigure {
  char letter;
  std::string name;  ///< short
  std::string title;
  std::string unit;
  std::string reading;  ///< one sentence of how to read it
  std::size_t columns = 1;
  std::size_t layers_by_colour = 0;  ///< so many of layer_names() are in its legend
  bool runs_by_colour = false;
  std::vector<ReportCell> cells = {};
};

/** "layer 1", "layer 2", …, "output": the deepest run's. */
std::vector<std::string> layer_names(std::span<const RunRecord> runs);
/** Position of a run's i-th layer among layer_names(). */
int layer_position(std::span<const std::string> names, const RunRecord& run, std::size_t i);

/** Figures B to L. `detail` from 0 to 1 thins the data further. */
std::vector<ReportFigure> report_figures(std::span<const RunRecord> runs, double detail);

/** The colour of every layer, from the viridis scale by depth: "#440154". */
std::vector<std::string> layer_colours(std::size_t layers, bool dark);
/** The colours of runs, after Okabe and Ito; without vermilion, which is that of death. */
std::vector<std::string> run_colours(bool dark);

/** Vega configuration of the light or the dark theme as JSON. */
std::string report_theme(bool dark, std::size_t layers);

}  // namespace tapegrad::reporting
