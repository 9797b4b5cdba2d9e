#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

/// A page of an example's own figures, with the looks of the library's report; it opens offline.
namespace page {

struct Chart {
  std::string caption;
  std::string note;                      ///< in small letters below the caption
  nlohmann::ordered_json specification;  ///< Vega-Lite
};

struct Section {
  std::string name;  ///< short
  std::string title;
  std::string unit;     ///< beside the title
  std::string reading;  ///< how to read it
  int columns = 1;      ///< charts in a row
  std::string html = {};
  std::vector<Chart> charts = {};
};

/** Throws "[report] FILE: cannot be written". */
void write(const std::string& path, const std::string& title, const std::string& subtitle,
           std::span<const Section> sections);

}  // namespace page
