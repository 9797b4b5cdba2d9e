#include "plot.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "terminal.h"

namespace plot {
namespace {

using terminal::Color;

constexpr std::array colours{Color::cyan, Color::yellow, Color::green, Color::magenta};
constexpr int label_columns = 8;

/// A place of the canvas: x and y from 0 (left, bottom) to 1.
struct Point {
  double x, y;
};

/// Cells of 2×4 dots, each in the colour of what was drawn there last.
class Canvas {
 public:
  Canvas(int columns, int rows)
      : columns_(columns), rows_(rows), cells_(static_cast<std::size_t>(columns * rows)) {}

  void line(Point from, Point to, std::size_t curve) {
    if (std::max(from.y, to.y) < 0 || std::min(from.y, to.y) > 1) return;
    // What lies above or below is cut off: it may be far away.
    const auto cut = [](Point& end, const Point& other) {
      const double edge = std::clamp(end.y, 0.0, 1.0);
      if (edge != end.y) end = {other.x + (end.x - other.x) * (edge - other.y) / (end.y - other.y), edge};
    };
    cut(from, to);
    cut(to, from);
    const int steps = 1 + static_cast<int>(2 * std::hypot((to.x - from.x) * (2 * columns_ - 1),
                                                          (to.y - from.y) * (4 * rows_ - 1)));
    for (int i = 0; i <= steps; ++i) {
      const double t = static_cast<double>(i) / steps;
      const auto col = static_cast<int>(std::lround((from.x + t * (to.x - from.x)) * (2 * columns_ - 1)));
      const auto row = static_cast<int>(std::lround((1 - from.y - t * (to.y - from.y)) * (4 * rows_ - 1)));
      if (col == last_col_ && row == last_row_) continue;
      last_col_ = col;
      last_row_ = row;
      const int dot = dots_++;
      if (curve % 3 == 0 || (curve % 3 == 1 ? dot % 9 < 6 : dot % 4 == 0)) set(col, row, curve);
    }
  }
  /// The next line begins a curve.
  void start() { last_col_ = last_row_ = -1, dots_ = 0; }
  void mark(Point at) {
    if (at.x < 0 || at.x > 1 || at.y < 0 || at.y > 1) return;
    cell(static_cast<int>(at.x * (columns_ - 1) + 0.5), static_cast<int>((1 - at.y) * (rows_ - 1) + 0.5)).mark =
        true;
  }
  std::string row(int row) {
    std::string text;
    for (int col = 0; col < columns_; ++col) {
      const Cell& c = cell(col, row);
      if (c.mark)
        text += terminal::paint("●", Color::red);
      else if (c.dots == 0)
        text += " ";
      else  // U+2800 and the eight bits above it, as three bytes of UTF-8
        text += terminal::paint(
            std::string{'\xe2', static_cast<char>(0xa0 | (c.dots >> 6)), static_cast<char>(0x80 | (c.dots & 63))},
            colours[c.curve % colours.size()]);
    }
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
  int last_col_ = -1, last_row_ = -1, dots_ = 0;
};

std::string legend(const Figure& figure) {
  constexpr std::array<std::string_view, 3> strokes{"⠤⠤⠤⠤⠤", "⠤⠤ ⠤⠤", "⠄⠄⠄⠄⠄"};
  std::string text(label_columns + 1, ' ');
  for (std::size_t k = 0; k < figure.curves.size(); ++k)
    text += fmt::format(" {} {}  ", terminal::paint(strokes[k % 3], colours[k % colours.size()]),
                        figure.curves[k].name);
  return text + "\n";
}

}  // namespace

double scaled(const Axis& axis, double value) { return axis.logarithmic ? std::log10(value) : value; }

Range range_of(const Figure& figure, std::vector<double> Curve::*of, const Axis& axis) {
  Range range;
  for (const auto* curves : {&figure.curves, &figure.dots})
    for (const Curve& curve : *curves)
      for (const double value : curve.*of) {
        if (!std::isfinite(scaled(axis, value))) continue;
        range.low = std::min(range.low, scaled(axis, value));
        range.high = std::max(range.high, scaled(axis, value));
      }
  if (std::isfinite(axis.low)) range.low = scaled(axis, axis.low);
  if (std::isfinite(axis.high)) range.high = scaled(axis, axis.high);
  if (!(range.low <= range.high)) return {-1, 1};
  return range.low < range.high ? range : Range{range.low - 1, range.high + 1};
}

std::string braille(const Figure& figure, int columns, int rows) {
  const Range x = range_of(figure, &Curve::x, figure.x);
  const Range y = range_of(figure, &Curve::y, figure.y);
  const int inner = columns - label_columns - 2;
  Canvas canvas(inner, rows);
  const auto place = [&](const Curve& curve, std::size_t i) {
    return Point{x.share(curve.x[i]), y.share(scaled(figure.y, curve.y[i]))};
  };
  for (std::size_t k = figure.curves.size(); k-- > 0;) {  // the first curve on top
    const Curve& curve = figure.curves[k];
    canvas.start();
    for (std::size_t i = 1; i < curve.x.size(); ++i) {
      const Point from = place(curve, i - 1), to = place(curve, i);
      if (std::isfinite(from.y) && std::isfinite(to.y)) canvas.line(from, to, k);
    }
  }
  for (const Curve& dots : figure.dots)
    for (std::size_t i = 0; i < dots.x.size(); ++i) canvas.mark(place(dots, i));

  std::string text = figure.legend ? legend(figure) : "";
  const bool crosses_zero = !figure.y.logarithmic && y.low < 0 && y.high > 0;
  const int zero = crosses_zero ? static_cast<int>((1 - y.share(0)) * (rows - 1) + 0.5) : -1;
  for (int row = 0; row < rows; ++row) {
    const bool tick = row == 0 || row == rows - 1 || row == zero;
    const double value = row == 0 ? y.high : row == rows - 1 ? y.low : 0;
    const std::string label =
        figure.y.logarithmic ? fmt::format("{:.1e}", std::pow(10, value)) : fmt::format("{:.3g}", value);
    text += fmt::format("{:>{}} {}{}\n", tick ? label : "", label_columns,
                        terminal::paint(tick ? "┤" : "│", Color::dim), canvas.row(row));
  }
  const std::string left = fmt::format("{:.4g}", x.low), right = fmt::format("{:.4g}", x.high);
  return text + fmt::format("{:{}} {}{:^{}}{}\n", "", label_columns + 1, left, figure.x.title,
                            std::max(0, inner - static_cast<int>(left.size() + right.size()) - 1), right);
}

}  // namespace plot
