# Writes the figures of a report into a source file, so that the library needs no file of its own when it runs:
#   cmake -DOUTPUT=figures.cpp "-DFIGURES=loss.vl.json;…" -P cmake/TapegradFigures.cmake
set(files)
foreach(figure IN LISTS FIGURES)
  cmake_path(GET figure STEM name) # loss
  file(READ ${figure} text)
  string(REGEX REPLACE "\n *" " " text "${text}")
  string(APPEND files "    {\"${name}\", R\"json(${text})json\"},\n")
endforeach()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
// Made of inspect/report/figures/*.vl.json by cmake/TapegradFigures.cmake.
#include "tapegrad/inspect/report/tables.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

static constexpr ChartFile files[] = {
@files@};

std::span<const ChartFile> chart_files() { return files; }

}  // namespace tapegrad::reporting
]])
