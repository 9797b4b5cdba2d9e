#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// Curves, described once and drawn twice: with braille dots in the terminal, and by Vega-Lite on a page, where colours
/// and fonts come from the page, in light and dark.
namespace plot {

using Json = nlohmann::ordered_json;

/** A value that is not finite breaks the line. */
struct Curve {
  std::string name;
  std::vector<double> x = {};
  std::vector<double> y = {};

  void add(double at, double value) {
    x.push_back(at);
    y.push_back(value);
  }
};

struct Axis {
  std::string title = {};
  bool logarithmic = false;
  double low = std::numeric_limits<double>::quiet_NaN();   ///< from the curves when not given
  double high = std::numeric_limits<double>::quiet_NaN();  ///< the same
  std::string format = {};                                 ///< of D3: ".0%"
};

/** A dashed line across the chart, with its name. */
struct Reference {
  double at;
  std::string text;
};

/** How curves are told apart. */
enum class Colours {
  nominal,  ///< unrelated things; up to three also by stroke: solid, dashed, dotted
  ordinal,  ///< by depth or width, from blue to yellow
};

struct Figure {
  std::vector<Curve> curves;
  Axis x = {};
  Axis y = {};
  std::vector<Curve> dots = {};         ///< in the colour of the curve of the same name
  std::vector<Reference> levels = {};   ///< at y; on pages only
  std::vector<Reference> moments = {};  ///< at x; on pages only
  Colours colours = Colours::nominal;
  bool legend = true;
};

/** The figure as `rows` lines of `columns` characters, below them the axis, above them the legend. */
std::string braille(const Figure& figure, int columns = 78, int rows = 16);

/** The figure as a Vega-Lite specification as wide as its place; pointing at it shows the values. */
Json vega_lite(const Figure& figure, int height = 220);

/** What the curves of a figure span, on the scales of its axes. */
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double share(double value) const { return (value - low) / (high - low); }
};
Range range_of(const Figure& figure, std::vector<double> Curve::*of, const Axis& axis);
double scaled(const Axis& axis, double value);

}  // namespace plot
