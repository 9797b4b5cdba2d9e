#include <map>

#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

/// Units dead at each step: those with a certificate from before that were not revived.
Curve dead_for_good(const LayerRecord& layer, std::size_t most) {
  std::map<Index, Index> change;
  for (const Death& death : layer.deaths) {
    ++change[death.step];
    if (death.revived) --change[*death.revived];
  }
  auto next = change.begin();
  Index dead = 0;
  struct At {
    Index step;
    double share;
  };
  std::vector<At> shares;
  for (const LayerStep& s : layer.steps) {
    for (; next != change.end() && next->first <= s.step; ++next) dead += next->second;
    shares.push_back({s.step, static_cast<double>(dead) / static_cast<double>(std::max<Index>(layer.units, 1))});
  }
  return thinned(shares, most, [](const At& at) { return at.share; });
}

}  // namespace

Cells death_cells(const Scope& scope) {
  Cells cells;
  for (const RunRecord& run : scope.runs) {
    Json rows = Json::array();
    for (std::size_t i = 0; i < run.layers.size(); ++i) {
      const LayerRecord& layer = run.layers[i];
      if (is_output(layer)) continue;
      const auto add = [&](const char* horizon, const Curve& curve) {
        if (std::any_of(curve.value.begin(), curve.value.end(), [](double v) { return v > 0; }))
          rows.push_back({{"layer", scope.name(run, i)},
                          {"horizon", horizon},
                          {"step", column(curve.step)},
                          {"v", column(curve.value)}});
      };
      add("dead since", dead_for_good(layer, scope.curve_points));
      add("dead in this batch",
          thinned(layer.steps, scope.curve_points, [](const LayerStep& s) { return s.dead_batch; }));
      if (std::any_of(layer.steps.begin(), layer.steps.end(),
                      [](const LayerStep& s) { return s.asleep > s.dead_batch + 1e-9; }))
        add("asleep in this batch",
            thinned(layer.steps, scope.curve_points, [](const LayerStep& s) { return s.asleep; }));
    }
    ReportCell& cell = cells.emplace_back(scope.cell(run));
    if (rows.empty()) cell.nothing = "No unit was dead or asleep on any recorded batch.";
    cell.tables["curves"] = rows;
  }
  return cells;
}

}  // namespace tapegrad::reporting
