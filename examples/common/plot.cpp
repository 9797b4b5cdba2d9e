#include "plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "terminal.h"

namespace plot {
namespace {

using Json = nlohmann::ordered_json;
using terminal::Color;

constexpr std::array colours{Color::cyan, Color::yellow, Color::green, Color::magenta};
constexpr int label_columns = 8;

struct Range {
  double low = INFINITY;
  double high = -INFINITY;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  double share(double value) const { return (value - low) / (high - low); }
};

double scaled(const Figure& figure, double y) { return figure.logarithmic ? std::log10(y) : y; }

struct Ranges {
  Range x;
  Range y;  ///< on the figure's scale

  explicit Ranges(const Figure& figure) {
    for (const Curve& curve : figure.curves) {
      for (const double v : curve.x) x.add(v);
      for (const double v : curve.y) y.add(scaled(figure, v));
    }
    if (std::isfinite(figure.low)) y.low = scaled(figure, figure.low);
    if (std::isfinite(figure.high)) y.high = scaled(figure, figure.high);
    if (!(x.high > x.low)) x = {-1, 1};
    if (!(y.low <= y.high)) y = {-1, 1};
    if (y.high == y.low) y = {y.low - 1, y.high + 1};
  }
};

/// Cells of 2×4 dots, each in the colour of what was drawn there last.
class Canvas {
 public:
  Canvas(int columns, int rows)
      : columns_(columns), rows_(rows), cells_(static_cast<std::size_t>(columns * rows)) {}

  /// x and y from 0 (left, bottom) to 1.
  void line(Point from, Point to, std::size_t curve) {
    // What lies above or below is cut off first: it may be far away.
    const auto cut = [&](Point& end, double edge) {
      end = {from.x + (to.x - from.x) * ((edge - from.y) / (to.y - from.y)), edge};
    };
    if (std::max(from.y, to.y) < 0 || std::min(from.y, to.y) > 1) return;
    for (const double edge : {0.0, 1.0}) {
      const auto beyond = [&](const Point& end) { return edge == 0 ? end.y < 0 : end.y > 1; };
      if (beyond(to)) cut(to, edge);
      if (beyond(from)) cut(from, edge);
    }
    const double dx = (to.x - from.x) * (2 * columns_ - 1);
    const double dy = (to.y - from.y) * (4 * rows_ - 1);
    const int steps = 1 + static_cast<int>(2 * std::hypot(dx, dy));
    for (int i = 0; i <= steps; ++i) {
      const double t = static_cast<double>(i) / steps;
      const auto col = std::lround((from.x + t * (to.x - from.x)) * (2 * columns_ - 1));
      const auto row = std::lround((1 - from.y - t * (to.y - from.y)) * (4 * rows_ - 1));
      if (col == last_col_ && row == last_row_) continue;
      last_col_ = col;
      last_row_ = row;
      const long dot = dots_++;
      const bool on = curve % 3 == 0 || (curve % 3 == 1 ? dot % 9 < 6 : dot % 4 == 0);
      if (on && row >= 0 && row < 4 * rows_) set(static_cast<int>(col), static_cast<int>(row), curve);
    }
  }
  void start() {
    last_col_ = last_row_ = -1;
    dots_ = 0;
  }
  void mark(Point at) {
    if (at.x < 0 || at.x > 1 || at.y < 0 || at.y > 1) return;
    cell(static_cast<int>(at.x * (columns_ - 1) + 0.5), static_cast<int>((1 - at.y) * (rows_ - 1) + 0.5)).mark =
        true;
  }
  std::string row(int row) {
    std::string text, run;  // a run of one curve's cells takes one colour code
    std::size_t curve = 0;
    const auto flush = [&] {
      if (!run.empty()) text += terminal::paint(run, colours[curve % colours.size()]);
      run.clear();
    };
    for (int col = 0; col < columns_; ++col) {
      const Cell& c = cell(col, row);
      if (c.mark || c.dots == 0 || c.curve != curve) flush();
      curve = c.curve;
      if (c.mark)
        text += terminal::paint("●", Color::red);
      else if (c.dots == 0)
        text += " ";
      else  // U+2800 and the eight bits above it, as three bytes of UTF-8
        run += {'\xe2', static_cast<char>(0xa0 | (c.dots >> 6)), static_cast<char>(0x80 | (c.dots & 63))};
    }
    flush();
    return text;
  }

 private:
  struct Cell {
    std::uint8_t dots = 0;
    std::size_t curve = 0;
    bool mark = false;
  };
  Cell& cell(int col, int row) { return cells_[static_cast<std::size_t>(row * columns_ + col)]; }
  void set(int col, int row, std::size_t curve) {
    if (col < 0 || col >= 2 * columns_) return;
    // Braille numbers its dots column by column, but for the two at the bottom.
    static constexpr std::uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    Cell& c = cell(col / 2, row / 4);
    c.dots = static_cast<std::uint8_t>(c.dots | bits[row % 4][col % 2]);
    c.curve = curve;
  }

  int columns_, rows_;
  std::vector<Cell> cells_;
  long last_col_ = -1, last_row_ = -1, dots_ = 0;
};

std::string label(const Figure& figure, double scaled_value) {
  return figure.logarithmic ? fmt::format("{:.1e}", std::pow(10, scaled_value))
                            : fmt::format("{:.3g}", scaled_value);
}

/// Four significant digits are more than a screen shows.
Json number(double value) {
  return std::isfinite(value) ? Json(std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr)) : Json();
}

Json column(const std::vector<double>& values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(number(value));
  return array;
}

}  // namespace

std::string braille(const Figure& figure, int columns, int rows) {
  const Ranges range(figure);
  const int inner = columns - label_columns - 2;
  Canvas canvas(inner, rows);
  const auto place = [&](double x, double y) { return Point{range.x.share(x), range.y.share(scaled(figure, y))}; };
  for (std::size_t k = figure.curves.size(); k-- > 0;) {  // the first curve on top
    const Curve& curve = figure.curves[k];
    canvas.start();
    for (std::size_t i = 1; i < curve.x.size(); ++i) {
      const Point from = place(curve.x[i - 1], curve.y[i - 1]);
      const Point to = place(curve.x[i], curve.y[i]);
      if (std::isfinite(from.y) && std::isfinite(to.y)) canvas.line(from, to, k);
    }
  }
  for (const Point& point : figure.points) canvas.mark(place(point.x, point.y));

  std::string text;
  if (figure.legend) {
    constexpr std::array<std::string_view, 3> strokes{"⠤⠤⠤⠤⠤", "⠤⠤ ⠤⠤", "⠄⠄⠄⠄⠄"};
    text += std::string(label_columns + 1, ' ');
    for (std::size_t k = 0; k < figure.curves.size(); ++k)
      text += fmt::format(" {} {}  ", terminal::paint(strokes[k % 3], colours[k % colours.size()]),
                          figure.curves[k].name);
    text += "\n";
  }
  const bool crosses_zero = !figure.logarithmic && range.y.low < 0 && range.y.high > 0;
  const int zero = crosses_zero ? static_cast<int>((1 - range.y.share(0)) * (rows - 1) + 0.5) : -1;
  for (int row = 0; row < rows; ++row) {
    const bool tick = row == 0 || row == rows - 1 || row == zero;
    const double value = row == 0 ? range.y.high : row == rows - 1 ? range.y.low : 0;
    text += fmt::format("{:>{}} {}{}\n", tick ? label(figure, value) : "", label_columns,
                        terminal::paint(tick ? "┤" : "│", Color::dim), canvas.row(row));
  }
  const std::string left = fmt::format("{:.4g}", range.x.low);
  const std::string right = fmt::format("{:.4g}", range.x.high);
  text += fmt::format("{:{}} {}{:^{}}{}\n", "", label_columns + 1, left, figure.x_title,
                      std::max(0, inner - static_cast<int>(left.size() + right.size()) - 1), right);
  return text;
}

Json vega_lite(const Figure& figure, int height) {
  const Ranges range(figure);
  Json rows = Json::array();
  Json names = Json::array();
  Json tooltip = Json::array({{{"field", "x"}, {"type", "quantitative"}, {"title", figure.x_title}}});
  for (std::size_t k = 0; k < figure.curves.size(); ++k) {
    const Curve& curve = figure.curves[k];
    const std::string key = fmt::format("y{}", k);
    rows.push_back({{"curve", curve.name}, {"key", key}, {"x", column(curve.x)}, {"y", column(curve.y)}});
    names.push_back(curve.name);
    tooltip.push_back({{"field", key}, {"type", "quantitative"}, {"title", curve.name}, {"format", ".4~g"}});
  }
  const auto unscaled = [&](double v) { return figure.logarithmic ? std::pow(10, v) : v; };
  const Json x = {{"field", "x"},
                  {"type", "quantitative"},
                  {"title", figure.x_title.empty() ? Json() : Json(figure.x_title)},
                  {"scale", {{"domain", {range.x.low, range.x.high}}, {"nice", false}}},
                  {"axis", {{"tickCount", 6}}}};
  Json y_axis{{"tickCount", 5}};
  if (figure.logarithmic) {
    y_axis = {{"format", ".0e"}};
    Json decades = Json::array();
    for (double k = std::ceil(range.y.low); k <= range.y.high; ++k) decades.push_back(std::pow(10, k));
    if (decades.size() > 1) y_axis["values"] = decades;
  }
  const Json y = {{"field", "y"},
                  {"type", "quantitative"},
                  {"title", figure.y_title.empty() ? Json() : Json(figure.y_title)},
                  {"scale",
                   {{"type", figure.logarithmic ? "log" : "linear"},
                    {"domain", {unscaled(range.y.low), unscaled(range.y.high)}},
                    {"nice", false}}},
                  {"axis", y_axis}};
  const Json legend =
      figure.legend ? Json{{"orient", "top"}, {"title", nullptr}, {"symbolType", "stroke"}} : Json();
  const Json colour = {{"field", "curve"}, {"type", "nominal"}, {"scale", {{"domain", names}}}, {"legend", legend}};
  Json dashes = Json::array({{1, 0}, {6, 3}, {1.5, 3}});
  while (dashes.size() < names.size()) dashes.push_back({1, 0});
  const Json dash = {{"field", "curve"},
                     {"type", "nominal"},
                     {"scale", {{"domain", names}, {"range", dashes}}},
                     {"legend", legend}};
  Json layers = Json::array();
  layers.push_back({{"mark", {{"type", "line"}, {"clip", true}}},
                    {"encoding", {{"x", x}, {"y", y}, {"color", colour}, {"strokeDash", dash}}}});
  // A rule where the pointer is, with the values of all curves there
  layers.push_back(
      {{"transform", {{{"pivot", "key"}, {"value", "y"}, {"groupby", {"x"}}}}},
       {"params",
        {{{"name", "hover"},
          {"select",
           {{"type", "point"},
            {"fields", {"x"}},
            {"nearest", true},
            {"on", "pointerover"},
            {"clear", "pointerout"}}}}}},
       {"mark", {{"type", "rule"}, {"style", "reference"}}},
       {"encoding",
        {{"x", x},
         {"tooltip", tooltip},
         {"opacity", {{"condition", {{"param", "hover"}, {"empty", false}, {"value", 1}}}, {"value", 0}}}}}});
  if (!figure.points.empty()) {
    Json points = Json::array();
    for (const Point& point : figure.points) points.push_back({{"x", number(point.x)}, {"y", number(point.y)}});
    layers.push_back(
        {{"data", {{"values", points}}},
         {"mark", {{"type", "point"}, {"filled", true}, {"size", 36}, {"clip", true}, {"style", "death"}}},
         {"encoding", {{"x", x}, {"y", y}}}});
  }
  return {{"width", "container"},
          {"height", height},
          {"autosize", {{"type", "fit"}, {"contains", "padding"}}},
          {"data", {{"values", rows}}},
          {"transform", {{{"flatten", {"x", "y"}}}}},
          {"layer", layers}};
}

std::string html_legend(const Figure& figure) {
  std::string html = "<div class=\"legend\">";
  for (std::size_t k = 0; k < figure.curves.size(); ++k)
    html += fmt::format(
        "<span><svg width=\"34\" height=\"10\" aria-hidden=\"true\"><line x1=\"2\" x2=\"30\" y1=\"6\" y2=\"6\" "
        "style=\"stroke: var(--run{}); stroke-width: 2; stroke-dasharray: {}\"/></svg>{}</span>",
        k,
        k % 3 == 0   ? "none"
        : k % 3 == 1 ? "6 3"
                     : "1.5 3",
        figure.curves[k].name);
  return html + "</div>\n";
}

}  // namespace plot
