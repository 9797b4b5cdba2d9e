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

/// What the network says in each cell.
struct Ground {
  std::size_t classes;
  std::vector<std::vector<double>> margin = {};  ///< by class: its probability less the largest of the others
  std::vector<double> answer = {}, sure = {};    ///< the most probable class, and its probability
};

Ground ground_of(const DecisionMap& map, Index classes) {
  const std::size_t cells = map.output.size();
  Ground ground{.classes = map.probabilities.empty() ? static_cast<std::size_t>(std::max<Index>(classes, 2))
                                                     : map.probabilities.size() / std::max<std::size_t>(cells, 1)};
  ground.margin.assign(ground.classes, std::vector<double>(cells));
  const auto probability = [&](std::size_t cell, std::size_t c) {
    if (!map.probabilities.empty()) return map.probabilities[cell * ground.classes + c];
    if (ground.classes == 2) return c == 1 ? map.output[cell] : 1 - map.output[cell];
    return map.output[cell] == static_cast<double>(c) ? 1.0 : 0.0;
  };
  for (std::size_t cell = 0; cell < cells; ++cell) {
    std::size_t best = 0;
    for (std::size_t c = 1; c < ground.classes; ++c)
      if (probability(cell, c) > probability(cell, best)) best = c;
    double second = 0;
    for (std::size_t c = 0; c < ground.classes; ++c)
      if (c != best) second = std::max(second, probability(cell, c));
    for (std::size_t c = 0; c < ground.classes; ++c)
      ground.margin[c][cell] = probability(cell, c) - (c == best ? second : probability(cell, best));
    ground.sure.push_back(probability(cell, best));
    ground.answer.push_back(std::isfinite(map.output[cell]) ? static_cast<double>(best) : unknown);
  }
  return ground;
}

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
  const Ground ground = ground_of(map, run.classes);
  Json boundary = Json::array(), points = Json::array(), names = Json::array();
  for (std::size_t c = 0; c < ground.classes; ++c) {
    if (ground.classes > 2 || c == 1) add_contour(boundary, map, ground.margin[c]);
    names.push_back(c);
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
    return {{.nothing = "No map was recorded: decision_map() makes one of a network with two inputs."}};
  for (const RunRecord& run : scope.runs)
    cells.push_back(
        run.map ? map_cell(scope, run)
                : ReportCell{.caption = scope.caption(run, ""), .nothing = "No map was recorded for this run."});
  return cells;
}

}  // namespace tapegrad::reporting
