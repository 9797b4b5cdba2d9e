#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
Cells attribution_cells(const Scope& scope) {
  Cells cells;
  Range range{0.5, 2};
  for (const RunRecord& run : scope.runs) {
    Json rows = Json::array();
    const std::vector<Period> all = periods(run, 8);
    for (std::size_t i = 0; i < run.layers.size() && !all.empty(); ++i) {
      const auto add = [&](const char* factor, double LayerStep::*member) {
        const double value = std::exp(
            period_mean(run.layers[i], all.back(), [&](const LayerStep& s) { return std::log(s.*member); }));
        if (is_output(run.layers[i]) || !std::isfinite(value)) return;
        const double at = std::clamp(value, 1e-6, 1e6);  // where the bar ends
        range.add(at);
        rows.push_back(
            {{"layer", scope.name(run, i)}, {"factor", factor}, {"v", number(value)}, {"at", number(at)}});
      };
      add("weights", &LayerStep::weight_factor);
      add("f′", &LayerStep::slope_factor);
    }
    ReportCell& cell = cells.emplace_back(scope.cell(run, all.empty() ? "" : all.back().name));
    if (rows.empty()) cell.nothing = "No gradient got through any layer.";
    cell.height = 40 * static_cast<Index>(scope.hidden().size());
    cell.tables["factors"] = rows;
  }
  // As far to the left of 1 as to the right, so that one sees at once which way it goes; and room for the numbers.
  const double reach = std::pow(std::max(range.high, 1 / range.low), 1.5);
  for (ReportCell& cell : cells) cell.values = {{"reach", number(reach)}, {"ticks", log_ticks(1 / reach, reach)}};
  return cells;
}

}  // namespace tapegrad::reporting
