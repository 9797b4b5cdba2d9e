#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// Curves, described once and drawn twice: with braille dots in the terminal, and by Vega-Lite on a page.
namespace plot {

/** A value that is not finite breaks the line. */
struct Curve {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
};

struct Point {
  double x = 0;
  double y = 0;
};

/** Curves are told apart by colour and by stroke: the first is solid, the second dashed, the third dotted. */
struct Figure {
  std::vector<Curve> curves;
  std::vector<Point> points = {};  ///< marked with a dot
  std::string x_title = {};
  std::string y_title = {};
  double low = std::numeric_limits<double>::quiet_NaN();   ///< of y; from the curves when not given
  double high = std::numeric_limits<double>::quiet_NaN();  ///< the same
  bool logarithmic = false;                                ///< y on a logarithmic scale
  bool legend = true;
};

/** The figure as `rows` lines of `columns` characters, below them the axis, above them the legend. */
std::string braille(const Figure& figure, int columns = 78, int rows = 16);

/** The figure as a Vega-Lite specification as wide as its place; pointing at it shows the values. */
nlohmann::ordered_json vega_lite(const Figure& figure, int height = 220);
/** A legend as HTML, for several figures with the same curves. */
std::string html_legend(const Figure& figure);

}  // namespace plot
