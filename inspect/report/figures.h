#pragma once

#include <span>
#include <string>
#include <vector>

#include "tapegrad/inspect/record.h"
#include "tapegrad/inspect/report/json.h"

/// The figures of a report. What a figure looks like is a Vega-Lite file, figures/NAME.vl.json; what it shows are the tables
/// that figures/NAME.cpp returns. Private to write_report.

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

/** One chart of a figure, or a sentence where there is nothing to draw. */
struct ReportCell {
  std::string caption = {};
  int layer = -1;            ///< position among layer_names(): its colour; −1: of no single layer
  Json tables = {};          ///< rows by the name of the data set in the file
  Json values = {};          ///< of the file's params, by name
  Index height = 0;          ///< in pixels; that of the file when 0
  std::string nothing = {};  ///< instead of a chart
  std::string chart = {};    ///< the file; that of the figure when empty
};

struct ReportFigure {
  char letter;
  std::string chart;  ///< its file
  Json meta;          ///< "usermeta" of the file: name, title, unit, reading, legend
  std::size_t columns = 1;
  std::vector<ReportCell> cells = {};
};

/** "layer 1", "layer 2", …, "output": the deepest run's. */
std::vector<std::string> layer_names(std::span<const RunRecord> runs);
/** Position of a run's i-th layer among layer_names(). */
int layer_position(std::span<const std::string> names, const RunRecord& run, std::size_t i);

/** Figures B to L. `detail` from 0 to 1 thins the data further. */
std::vector<ReportFigure> report_figures(std::span<const RunRecord> runs, double detail);
/** The Vega-Lite specification figures/NAME.vl.json. */
Json chart_file(std::string_view name);

/** The colour of every layer, from the viridis scale by depth: "#440154". */
std::vector<std::string> layer_colours(std::size_t layers, bool dark);
/** The colours of runs, after Okabe and Ito; without vermilion, which is that of death. */
std::vector<std::string> run_colours(bool dark);

/** Vega configuration of the light or the dark theme as JSON. */
Json report_theme(bool dark, std::size_t layers);

}  // namespace tapegrad::reporting
