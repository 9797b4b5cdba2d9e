#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
Cells inputs_cells(const Scope& scope) {
  Cells cells;
  for (std::size_t i = 0; i < scope.layers.size(); ++i) {
    Range z;
    for (const auto& [run, layer] : scope.at(i)) {
      const Range range = extent(layer.z_histograms);
      z.add(range.low);
      z.add(range.high);
    }
    for (const Scope::Place& place : scope.at(i)) {
      double peak = 1e-3;
      const Json rows = heat_rows(place.layer.z_histograms, scope.histogram_columns, peak);
      if (rows.empty() && is_output(place.layer)) continue;
      ReportCell& cell = cells.emplace_back(scope.cell(place, ""));
      if (rows.empty()) cell.nothing = "No histogram of z was recorded.";
      cell.tables["histograms"] = rows;
      cell.values = {{"peak", number(peak)}, {"range", ends(z)}};
    }
  }
  return cells;
}

}  // namespace tapegrad::reporting
