#pragma once

#include <string>
#include <vector>

#include "common/example.h"

/// Vega-Lite specifications of the figures. Colours and fonts come from the page, in light and dark.
namespace papers::charts {

using example::Json;

struct Series {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
};

struct Axis {
  std::string title;
  bool log = false;
  std::vector<double> domain = {};  ///< low and high; empty: that of the data
  std::string format = ".3~g";
};

/** How the series are told apart. */
enum class Colours {
  nominal,  ///< unrelated things
  ordinal,  ///< by depth or width, from blue to yellow
};

/** A line for each series, with a legend on top when there are several. */
Json lines(const std::vector<Series>& series, const Axis& x, const Axis& y, Colours colours = Colours::nominal,
           int height = 240);

/** The same as dots, on top of a chart: measurements on a curve that is theory, or the reverse. */
void add_points(Json& chart, const std::vector<Series>& series);

/** A dashed line across the chart with its name: where theory says the curve should be. */
void add_level(Json& chart, double y, const std::string& text);
/** A dashed line from top to bottom. */
void add_moment(Json& chart, double x, const std::string& text);

/** Cells coloured by their value, with the value written in them. `values` row by row. */
Json map(const std::string& x_title, const std::vector<double>& x, const std::string& y_title,
         const std::vector<double>& y, const std::vector<double>& values, const std::string& value_title,
         const std::string& format, int height = 280);

}  // namespace papers::charts
