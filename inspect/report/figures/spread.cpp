#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

ReportCell spread_cell(const Scope& scope, const Scope::Place& place, const ParameterRecord& parameter) {
  ReportCell cell = scope.cell(place, "");
  cell.caption = scope.caption(place.run, fmt::format("{} · {}", parameter.path, to_string(parameter.shape)));
  double peak = 1e-3;
  cell.tables["histograms"] = heat_rows(parameter.gradient_histograms, scope.histogram_columns, peak);
  cell.values["peak"] = number(peak);
  cell.tables["zeros"] = Json::array();
  for (const Json& row : cell.tables["histograms"].items())
    if (row.find("zeros") != nullptr)
      cell.tables["zeros"].push_back({{"step", row["step"]}, {"to", row["to"]}, {"zeros", row["zeros"]}});
  if (cell.tables["histograms"].empty()) cell.nothing = "No histogram of gradients was recorded.";
  return cell;
}

/// The axis that the cells of a layer share. Gradients that are 0 have a row of their own, where there are any.
Json scale(Range y, bool zeros) {
  if (y.empty()) y = {-8, 0};
  const double height = std::max(y.high - y.low, 1.0);
  const Range zero{y.low - (zeros ? 0.13 : 0) * height, y.low - (zeros ? 0.03 : 0) * height};
  Json ticks = Json::array();
  if (zeros) ticks.push_back(number((zero.low + zero.high) / 2));
  const double stride = std::max(1.0, std::ceil(height / 5));
  for (double t = std::ceil(y.low); t <= y.high; t += stride) ticks.push_back(number(t));
  return {{"range", ends(y)}, {"zero", ends(zero)}, {"ticks", ticks}};
}

}  // namespace

Cells spread_cells(const Scope& scope) {
  Cells cells;
  for (std::size_t i = 0; i < scope.layers.size(); ++i) {
    const std::size_t first = cells.size();
    Range y;
    bool zeros = false;
    for (const Scope::Place& place : scope.at(i))
      for (const auto& [parameter, layer] : weights(place.run)) {
        if (&place.run.layers[layer] != &place.layer) continue;
        const Range range = extent(parameter->gradient_histograms);
        y.add(range.low);
        y.add(range.high);
        const ReportCell& cell = cells.emplace_back(spread_cell(scope, place, *parameter));
        zeros |= !cell.tables["zeros"].empty();
      }
    for (std::size_t k = first; k < cells.size(); ++k) cells[k].values.update(scale(y, zeros));
  }
  return cells;
}

}  // namespace tapegrad::reporting
