#include <map>

#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

/// Where units died, at most 60 marks a run: each stands for the deaths in a stretch of steps.
void add_deaths(Json& rows, const RunRecord& run, const Curve& loss, Index last_step) {
  std::map<Index, std::pair<Index, Index>> stretches;  // first step in it, deaths
  for (const LayerRecord& layer : run.layers)
    for (const Death& death : layer.deaths) {
      auto [it, fresh] = stretches.try_emplace(death.step * 60 / (last_step + 1), death.step, 0);
      it->second.first = std::min(it->second.first, death.step);
      ++it->second.second;
    }
  for (const auto& [stretch, deaths] : stretches) {
    const auto after = std::lower_bound(loss.step.begin(), loss.step.end(), static_cast<double>(deaths.first));
    const std::size_t at = static_cast<std::size_t>(after - loss.step.begin());
    const double height = loss.value.empty() ? unknown : loss.value[std::min(at, loss.value.size() - 1)];
    rows.push_back({{"run", run.name}, {"step", deaths.first}, {"v", number(height)}, {"deaths", deaths.second}});
  }
}

/// The validation curve of a run and the best on it.
void add_validation(ReportCell& cell, const RunRecord& run, std::size_t most,
                    double (*value)(const ValidationStep&), bool high_is_best) {
  const Curve curve = thinned(run.validation, most, value);
  if (curve.step.empty()) return;
  cell.tables["validation"].push_back(
      {{"run", run.name}, {"step", column(curve.step)}, {"v", column(curve.value)}});
  const ValidationStep* best = nullptr;
  for (const ValidationStep& s : run.validation)
    if (std::isfinite(value(s)) && (!best || (high_is_best ? value(s) > value(*best) : value(s) < value(*best))))
      best = &s;
  const std::string when = run.steps_per_epoch > 0
                               ? fmt::format("epoch {}", std::max<Index>(1, (best->step + 1) / run.steps_per_epoch))
                               : fmt::format("step {}", best->step);
  cell.tables["best"].push_back(
      {{"run", run.name}, {"step", best->step}, {"v", number(value(*best))}, {"text", "best: " + when}});
}

/// Twice what 95 % of a run's losses stay below, and at most a hundred times the first loss: the top of an axis that a
/// blow-up, or a first loss far above the others, does not squeeze.
double robust_top(const std::vector<LossStep>& loss) {
  std::vector<double> sorted;
  for (const LossStep& s : loss)
    if (std::isfinite(s.loss)) sorted.push_back(s.loss);
  if (sorted.empty()) return 0;
  const double first = sorted.front();
  std::sort(sorted.begin(), sorted.end());
  return std::min({sorted.back(), 2 * sorted[(sorted.size() - 1) * 95 / 100], 100 * first});
}

/// The range of the axis: that of all losses, unless what lies above the robust top would take a third of it.
Range axis_range(const Scope& scope) {
  Range all;
  double top = 0;
  for (const RunRecord& run : scope.runs) {
    top = std::max(top, robust_top(run.loss));
    for (const LossStep& s : run.loss) all.add(if_positive(s.loss));
    for (const ValidationStep& s : run.validation) all.add(if_positive(s.loss));
  }
  if (top > all.low && std::log(all.high / top) > 0.5 * std::log(top / all.low)) all.high = top;
  return all;
}

/// What lies above the axis: the largest loss of each run.
void add_beyond(Json& rows, const RunRecord& run, double top) {
  const auto largest = std::max_element(run.loss.begin(), run.loss.end(), [](const LossStep& a, const LossStep& b) {
    return !(a.loss >= b.loss) && std::isfinite(b.loss);
  });
  if (largest == run.loss.end() || !std::isfinite(largest->loss) || largest->loss <= top) return;
  rows.push_back({{"run", run.name},
                  {"step", largest->step},
                  {"v", number(largest->loss)},
                  {"row", rows.size()},
                  {"text", fmt::format("▲ {:.3g}", largest->loss)}});
}

/// The loss of guessing, where all runs have the same number of classes.
Json guessing(const Scope& scope, double low, double high) {
  Json rows = Json::array();
  Index classes = scope.runs.front().classes;
  for (const RunRecord& run : scope.runs) classes = run.classes == classes ? classes : 0;
  const double guess = std::log(static_cast<double>(std::max<Index>(classes, 1)));
  if (guess > low && guess < high)
    rows.push_back({{"v", number(guess)}, {"text", fmt::format("guessing: ln {} = {:.3g}", classes, guess)}});
  return rows;
}

ReportCell loss_cell(const Scope& scope) {
  ReportCell cell{.caption = "Loss"};
  for (const char* table : {"curves", "validation", "best", "deaths", "beyond", "blown"})
    cell.tables[table] = Json::array();
  const Range range = axis_range(scope);
  for (const RunRecord& run : scope.runs) {
    const Curve curve =
        thinned(run.loss, scope.curve_points, [](const LossStep& s) { return if_positive(s.loss); });
    if (!curve.step.empty())
      cell.tables["curves"].push_back({{"run", run.name},
                                       {"step", column(curve.step)},
                                       {"v", column(curve.value)},
                                       {"low", column(curve.low)},
                                       {"high", column(curve.high)},
                                       {"smooth", column(smoothed(curve.value, true))}});
    add_deaths(cell.tables["deaths"], run, curve, scope.last_step);
    add_beyond(cell.tables["beyond"], run, range.high);
    add_validation(
        cell, run, scope.curve_points, [](const ValidationStep& s) { return if_positive(s.loss); }, false);
    if (run.nan_step) cell.tables["blown"].push_back({{"run", run.name}, {"step", *run.nan_step}, {"text", "NaN"}});
  }
  cell.values = log_scale(range);
  cell.tables["guides"] = range.empty() ? Json::array() : guessing(scope, 0.8 * range.low, 1.25 * range.high);
  if (cell.tables["curves"].empty() && cell.tables["blown"].empty()) return {.nothing = "No loss was recorded."};
  return cell;
}

}  // namespace

Cells loss_cells(const Scope& scope) {
  const ReportCell loss = loss_cell(scope);
  if (!loss.nothing.empty()) return {loss};
  const Json none = Json::array();
  ReportCell cell{.caption = "Accuracy",
                  .tables = {{"curves", none}, {"validation", none}, {"best", none}},
                  .chart = "accuracy"};
  for (const RunRecord& run : scope.runs) {
    const Curve curve = thinned(run.loss, scope.curve_points,
                                [](const LossStep& s) { return s.accuracy < 0 ? unknown : s.accuracy; });
    if (!curve.step.empty())
      cell.tables["curves"].push_back({{"run", run.name},
                                       {"step", column(curve.step)},
                                       {"v", column(curve.value)},
                                       {"smooth", column(smoothed(curve.value, false))}});
    add_validation(
        cell, run, scope.curve_points,
        [](const ValidationStep& s) { return s.accuracy < 0 ? unknown : s.accuracy; }, true);
  }
  if (cell.tables["curves"].empty() && cell.tables["validation"].empty())
    cell.nothing = "No accuracy was given to the monitor.";
  return {loss, cell};
}

}  // namespace tapegrad::reporting
