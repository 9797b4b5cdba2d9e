#include "tapegrad/inspect/report/figures.h"

#include <fmt/core.h>

#include "tapegrad/core/error.h"
#include "tapegrad/inspect/report/tables.h"

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

Json chart_file(std::string_view name) {
  const auto files = chart_files();
  const auto file = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.name == name; });
  if (file == files.end()) fail("report", fmt::format("there is no figures/{}.vl.json", name));
  return Json::parse(file->text);
}

namespace {

/// Twin runs stand side by side, so that the layers of a run stand below each other.
std::size_t columns(std::size_t alone, std::size_t runs, std::size_t cells) {
  if (runs == 1) return alone == 3 && cells == 4 ? 4 : alone;
  for (const std::size_t count : {4, 3})
    if (runs > count && runs % count == 0) return count;
  return std::min<std::size_t>(runs, 4);
}

}  // namespace

std::vector<ReportFigure> report_figures(std::span<const RunRecord> runs, double detail) {
  const Scope scope(runs, detail);
  Json run_names = Json::array();
  for (const RunRecord& run : runs) run_names.push_back(run.name);
  const Json common = {{"last", scope.last_step},
                       {"runs", run_names},
                       {"layers", Json(scope.layers)},
                       {"hidden", Json(scope.hidden())}};
  struct Maker {
    const char* chart;
    Cells (*cells)(const Scope& scope);
  };
  std::vector<ReportFigure> figures;
  for (const Maker& maker :
       {Maker{"loss", loss_cells}, Maker{"lens", lens_cells}, Maker{"inputs", inputs_cells},
        Maker{"saturation", saturation_cells}, Maker{"units", units_cells}, Maker{"death", death_cells},
        Maker{"gradients", gradients_cells}, Maker{"attribution", attribution_cells},
        Maker{"updates", updates_cells}, Maker{"spread", spread_cells}, Maker{"map", map_cells}}) {
    const Json file = chart_file(maker.chart);
    ReportFigure& figure = figures.emplace_back(ReportFigure{
        .letter = static_cast<char>('B' + figures.size()), .chart = maker.chart, .meta = file["usermeta"]});
    figure.cells = maker.cells(scope);
    for (ReportCell& cell : figure.cells) cell.values.update(common);
    const std::size_t alone = std::stoul(figure.meta["columns"].dump());
    figure.columns = figure.chart == "loss" ? alone : columns(alone, runs.size(), figure.cells.size());
  }
  return figures;
}

}  // namespace tapegrad::reporting
