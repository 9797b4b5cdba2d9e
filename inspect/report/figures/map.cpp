#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

/// The ends of w1·x1 + w2·x2 + b = 0 inside the map; fewer than two where it does not pass through.
std::vector<std::array<double, 2>> inside(const DecisionMap::Line& line, const DecisionMap& map) {
  std::vector<std::array<double, 2>> ends;
  const auto add = [&](double x1, double x2) {
    // Positions from 0 to 1.
    const double p1 = (x1 - map.low[0]) / (map.high[0] - map.low[0]);
    const double p2 = (x2 - map.low[1]) / (map.high[1] - map.low[1]);
    constexpr double slack = 1e-9;
    if (!(std::abs(p1 - 0.5) <= 0.5 + slack && std::abs(p2 - 0.5) <= 0.5 + slack)) return;
    for (const auto& end : ends)
      if (std::abs(end[0] - x1) < 4 * slack * (map.high[0] - map.low[0]) &&
          std::abs(end[1] - x2) < 4 * slack * (map.high[1] - map.low[1]))
        return;
    ends.push_back({x1, x2});
  };
  for (const auto& [x1, x2] : {std::pair(map.low[0], map.low[1]), std::pair(map.high[0], map.high[1])}) {
    add(x1, -(line.w1 * x1 + line.b) / line.w2);
    add(-(line.w2 * x2 + line.b) / line.w1, x2);
  }
  return ends;
}

Json unit_rows(const DecisionMap& map) {
  Json rows = Json::array();
  for (std::size_t unit = 0; unit < map.units.size(); ++unit) {
    const auto ends = inside(map.units[unit], map);
    if (ends.size() < 2) continue;
    const auto near_end = [&](std::size_t axis) {
      return number(ends[0][axis] + 0.08 * (ends[1][axis] - ends[0][axis]));
    };
    rows.push_back({{"unit", unit},
                    {"state", map.units[unit].dead ? "dead" : "alive"},
                    {"x1", number(ends[0][0])},
                    {"x2", number(ends[0][1])},
                    {"to1", number(ends[1][0])},
                    {"to2", number(ends[1][1])},
                    {"at1", near_end(0)},
                    {"at2", near_end(1)}});
  }
  return rows;
}

/// What the network answers in each cell, and how sure it is.
struct Ground {
  std::vector<double> answer, sure;
};

Json ground_rows(const DecisionMap& map, const Ground& ground) {
  const std::size_t cells = static_cast<std::size_t>(map.cells);
  const double width = (map.high[0] - map.low[0]) / static_cast<double>(cells),
               height = (map.high[1] - map.low[1]) / static_cast<double>(cells);
  Json rows = Json::array();
  for (std::size_t row = 0; row < cells; ++row) {
    const auto line = [&](const std::vector<double>& all) {
      Json values = Json::array();
      for (std::size_t i = row * cells; i < (row + 1) * cells; ++i)
        values.push_back(number(std::round(100 * all[i]) / 100));
      return values;
    };
    const double bottom = map.low[1] + height * static_cast<double>(row);
    rows.push_back({{"low", number(map.low[0])},
                    {"w", width},
                    {"x2", bottom},
                    {"to2", bottom + height},
                    {"v", line(ground.answer)},
                    {"p", line(ground.sure)}});
  }
  return rows;
}

/// Where a function on the grid is 0, as pieces of straight lines (marching squares).
void add_contour(Json& rows, const DecisionMap& map, const std::vector<double>& f) {
  const std::size_t n = static_cast<std::size_t>(map.cells);
  const auto place = [&](std::size_t axis, double cell) {
    return number(map.low[axis] + (map.high[axis] - map.low[axis]) * (cell + 0.5) / static_cast<double>(n));
  };
  constexpr std::size_t corners[][2] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}};
  for (std::size_t row = 0; row + 1 < n; ++row)
    for (std::size_t col = 0; col + 1 < n; ++col) {
      std::vector<std::array<double, 2>> crossings;
      for (std::size_t k = 0; k < 4; ++k) {
        const auto [x, y] = corners[k];
        const auto [to_x, to_y] = corners[k + 1];
        const double a = f[(row + y) * n + col + x], b = f[(row + to_y) * n + col + to_x];
        if ((a > 0) == (b > 0) || !std::isfinite(a - b)) continue;
        const double t = a / (a - b);
        const auto mix = [&](std::size_t from, std::size_t to) {
          return static_cast<double>(from) + t * (static_cast<double>(to) - static_cast<double>(from));
        };
        crossings.push_back({static_cast<double>(col) + mix(x, to_x), static_cast<double>(row) + mix(y, to_y)});
      }
      for (std::size_t k = 0; k + 1 < crossings.size(); k += 2)
        rows.push_back({{"x1", place(0, crossings[k][0])},
                        {"x2", place(1, crossings[k][1])},
                        {"to1", place(0, crossings[k + 1][0])},
                        {"to2", place(1, crossings[k + 1][1])}});
    }
}

ReportCell map_cell(const Scope& scope, const RunRecord& run) {
  const DecisionMap& map = *run.map;
  const auto dead = std::count_if(map.units.begin(), map.units.end(), [](const auto& u) { return u.dead; });
  ReportCell cell = scope.cell(run, fmt::format("{} units, {} dead", map.units.size(), dead));
  const Index classes = std::max<Index>(run.classes, 2);
  Ground ground{map.output, std::vector<double>(map.output.size(), 1)};
  Json boundary = Json::array(), points = Json::array(), names = Json::array();
  for (Index c = 0; c < classes; ++c) {
    std::vector<double> margin;  // of class c over the others
    for (std::size_t i = 0; i < map.output.size(); ++i)
      margin.push_back(classes == 2 ? map.output[i] - 0.5 : map.output[i] == static_cast<double>(c) ? 1 : -1);
    if (classes > 2 || c == 1) add_contour(boundary, map, margin);
    names.push_back(c);
  }
  for (std::size_t i = 0; classes == 2 && i < map.output.size(); ++i) {
    ground.answer[i] = std::isfinite(map.output[i]) ? std::round(map.output[i]) : unknown;
    ground.sure[i] = std::max(map.output[i], 1 - map.output[i]);
  }
  for (const std::size_t i : map.points.empty() ? std::vector<std::size_t>() : evenly(map.points.size(), 600)) {
    const DecisionMap::Point& point = map.points[i];
    points.push_back({{"x1", number(point.x1)}, {"x2", number(point.x2)}, {"v", point.label}});
  }
  cell.tables = {
      {"ground", ground_rows(map, ground)}, {"units", unit_rows(map)}, {"boundary", boundary}, {"points", points}};
  cell.values = {
      {"x1", ends({map.low[0], map.high[0]})}, {"x2", ends({map.low[1], map.high[1]})}, {"classes", names}};
  return cell;
}

}  // namespace

Cells map_cells(const Scope& scope) {
  Cells cells;
  if (std::none_of(scope.runs.begin(), scope.runs.end(), [](const RunRecord& r) { return r.map.has_value(); }))
    return {{.nothing = "No map was recorded: there is one for networks with two inputs only."}};
  for (const RunRecord& run : scope.runs)
    cells.push_back(
        run.map ? map_cell(scope, run)
                : ReportCell{.caption = scope.caption(run, ""), .nothing = "No map was recorded for this run."});
  return cells;
}

}  // namespace tapegrad::reporting
