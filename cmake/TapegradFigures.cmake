# Writes the figures of a report, and the style and the script of its page, into a source file, so that the library needs no
# file of its own when it runs:
#   cmake -DOUTPUT=files.cpp "-DFIGURES=loss.vl.json;…" -DPAGE=inspect/report/page -P cmake/TapegradFigures.cmake
set(files)
foreach(figure IN LISTS FIGURES)
  cmake_path(GET figure STEM name) # loss
  file(READ ${figure} text)
  string(REGEX REPLACE "\n *" " " text "${text}")
  string(APPEND files "    {\"${name}\", R\"json(${text})json\"},\n")
endforeach()
file(READ ${PAGE}.css style)
file(READ ${PAGE}.js glue)
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
// Made of inspect/report/figures/*.vl.json, page.css and page.js by cmake/TapegradFigures.cmake.
#include "tapegrad/inspect/report/page.h"
#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

static constexpr ChartFile files[] = {
@files@};

std::span<const ChartFile> chart_files() { return files; }

const std::string_view report_style = R"css(@style@)css";
const std::string_view report_glue = R"js(@glue@)js";

}  // namespace tapegrad::reporting
]])
