#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

bool has_gradient(const LayerRecord& layer) {
  return std::any_of(layer.steps.begin(), layer.steps.end(), [](const LayerStep& s) { return s.gradient_rms > 0; });
}

}  // namespace

Cells gradients_cells(const Scope& scope) {
  Cells cells;
  Range range;
  for (const RunRecord& run : scope.runs) {
    Json rows = Json::array(), none = Json::array();
    const std::vector<Period> all = periods(run, 8);
    for (const Period& period : all) {
      Json layers = Json::array(), values = Json::array();
      for (std::size_t i = 0; i < run.layers.size(); ++i) {
        const double rms = std::sqrt(
            period_mean(run.layers[i], period, [](const LayerStep& s) { return s.gradient_rms * s.gradient_rms; }));
        if (rms > 0) range.add(rms);
        layers.push_back(scope.name(run, i));
        values.push_back(number(if_positive(rms)));  // a gap in the line where there is none
        if (rms == 0)
          none.push_back({{"layer", scope.name(run, i)}, {"order", period.number}, {"text", period.name}});
      }
      rows.push_back({{"period", period.name}, {"order", period.number}, {"layer", layers}, {"v", values}});
    }
    ReportCell& cell = cells.emplace_back(scope.cell(run));
    cell.tables = {{"periods", rows}, {"none", none}};
    if (all.empty() || std::none_of(run.layers.begin(), run.layers.end(), has_gradient))
      cell.nothing = "No gradient was recorded, or all of them were zero.";
    else
      cell.values["order"] = Json::array({all.front().number, std::max(all.back().number, all.front().number + 1)});
  }
  for (ReportCell& cell : cells) cell.values.update(log_scale(range));
  return cells;
}

}  // namespace tapegrad::reporting
