#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

/// What became of the units of a layer.
struct Fates {
  std::vector<std::size_t> order;     ///< the first to die comes first, the one that fires most last
  std::vector<const Death*> longest;  ///< of each unit: the longest death it came back from
};

Fates fates_of(const LayerRecord& layer) {
  const std::size_t units = static_cast<std::size_t>(layer.units);
  std::vector<double> died(units, std::numeric_limits<double>::infinity()), mean(units, 0), revived(units, -1);
  Fates fates{std::vector<std::size_t>(units), std::vector<const Death*>(units, nullptr)};
  for (const Death& death : layer.deaths) {
    const std::size_t unit = static_cast<std::size_t>(death.unit);
    if (unit >= units) continue;
    if (death.revived) {
      revived[unit] = static_cast<double>(death.step);
      const auto length = [](const Death& d) { return *d.revived - d.step; };
      if (fates.longest[unit] == nullptr || length(death) > length(*fates.longest[unit]))
        fates.longest[unit] = &death;
    } else
      died[unit] = std::min(died[unit], static_cast<double>(death.step));
  }
  for (std::size_t unit = 0; unit < std::min(units, layer.dead_since.size()); ++unit)
    if (layer.dead_since[unit] >= 0) died[unit] = static_cast<double>(layer.dead_since[unit]);
  for (const auto& [step, rates] : layer.firing_rates)
    for (std::size_t unit = 0; unit < std::min(units, rates.size()); ++unit)
      if (std::isfinite(rates[unit])) mean[unit] += rates[unit];

  for (std::size_t i = 0; i < units; ++i) fates.order[i] = i;
  std::stable_sort(fates.order.begin(), fates.order.end(), [&](std::size_t a, std::size_t b) {
    if (died[a] != died[b]) return died[a] < died[b];
    if ((revived[a] >= 0) != (revived[b] >= 0)) return revived[a] >= 0;
    return mean[a] < mean[b];
  });
  return fates;
}

void add_tables(ReportCell& cell, const Scope& scope, const LayerRecord& layer) {
  const auto [order, longest] = fates_of(layer);
  const std::vector<std::size_t> columns = evenly(layer.firing_rates.size(), 40);
  const std::vector<std::size_t> rows =
      evenly(order.size(), std::max<std::size_t>(scope.raster_cells / columns.size(), 16));
  Json rates = Json::array(), revived = Json::array(), units = Json::array();
  Index from = 0;
  for (const std::size_t c : columns) {
    const auto& [step, all] = layer.firing_rates[c];
    Json values = Json::array();
    for (const std::size_t row : rows)
      values.push_back(order[row] < all.size() ? number(std::round(1000 * all[order[row]]) / 1000) : Json());
    rates.push_back({{"x", from}, {"to", step + 1}, {"r", values}});
    from = step + 1;
  }
  for (std::size_t row = 0; row < rows.size(); ++row) {
    units.push_back(order[rows[row]]);
    if (const Death* death = longest[order[rows[row]]])
      revived.push_back({{"x", death->step}, {"to", *death->revived}, {"row", row}, {"below", row + 1}});
  }
  cell.caption += fmt::format(" · {}{} units", rows.size() < order.size() ? fmt::format("{} of ", rows.size()) : "",
                              order.size());
  cell.tables = {{"rates", rates}, {"revived", revived}};
  cell.values = {{"units", units}, {"stride", (rows.size() + 11) / 12}};
}

}  // namespace

Cells units_cells(const Scope& scope) {
  Cells cells;
  for (std::size_t i = 0; i < scope.layers.size(); ++i)
    for (const Scope::Place& place : scope.at(i)) {
      if (is_output(place.layer)) continue;
      ReportCell& cell = cells.emplace_back(scope.cell(place, ""));
      const auto& rates = place.layer.firing_rates;
      const auto is_finite = [](double rate) { return std::isfinite(rate); };
      if (rates.empty() || place.layer.units == 0)
        cell.nothing = "No firing rates were recorded.";
      else if (std::none_of(rates.begin(), rates.end(), [&](const auto& period) {
                 return std::any_of(period.second.begin(), period.second.end(), is_finite);
               }))
        cell.nothing = "No period was without NaN or infinity.";
      else
        add_tables(cell, scope, place.layer);
    }
  return cells;
}

}  // namespace tapegrad::reporting
