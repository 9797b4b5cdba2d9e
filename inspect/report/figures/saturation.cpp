#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
Cells saturation_cells(const Scope& scope) {
  Cells cells;
  for (const std::string side : {"low", "high"})
    for (const RunRecord& run : scope.runs) {
      ReportCell& cell = cells.emplace_back(scope.cell(run, side + " side"));
      Range range;
      cell.tables["curves"] = layer_rows(scope, run, [&](const LayerStep& s) {
        const double share = side == "high" ? s.saturated_high : s.saturated_low;
        range.add(share);
        return share;
      });
      if (range.empty())
        cell.nothing = "No activation layer was recorded.";
      else if (range.high <= 0)
        cell.nothing = fmt::format("Nothing was ever saturated on the {} side.", side);
    }
  return cells;
}

}  // namespace tapegrad::reporting
