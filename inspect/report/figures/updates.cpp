#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
Cells updates_cells(const Scope& scope) {
  Cells cells;
  Range range{3e-4, 3e-3};
  for (const RunRecord& run : scope.runs) {
    Json curves = Json::array(), stopped = Json::array(), guides = Json::array();
    for (const auto& [parameter, layer] : weights(run)) {
      const auto& steps = parameter->steps;
      const Curve curve =
          thinned(steps, scope.curve_points, [](const ParameterStep& s) { return if_positive(s.update_ratio); });
      if (curve.step.empty()) continue;
      for (const double value : curve.value) range.add(std::max(value, 1e-12));
      const std::string& name = scope.name(run, layer);
      curves.push_back(
          {{"layer", name}, {"path", parameter->path}, {"step", column(curve.step)}, {"v", column(curve.value)}});
      const auto last =
          std::find_if(steps.rbegin(), steps.rend(), [](const ParameterStep& s) { return !(s.update_ratio == 0); });
      if (last != steps.rbegin())
        stopped.push_back(
            {{"layer", name}, {"path", parameter->path}, {"step", last->step}, {"v", number(curve.value.back())}});
    }
    ReportCell& cell = cells.emplace_back(scope.cell(run));
    if (curves.empty()) cell.nothing = "No weight changed in any recorded step.";
    guides.push_back({{"v", 1e-3}, {"text", "healthy: 0.001"}});
    cell.tables = {{"curves", curves}, {"stopped", stopped}, {"guides", guides}};
  }
  for (ReportCell& cell : cells) cell.values = log_scale(range);
  return cells;
}

}  // namespace tapegrad::reporting
