#pragma once

#include <span>
#include <string>

#include "tapegrad/inspect/record.h"

namespace tapegrad::inline TAPEGRAD_ABI {

struct ReportOptions {
  std::string title = {};  ///< head of the page; the names of the runs when empty
  /// Folder with vega.min.js, vega-lite.min.js and vega-embed.min.js, as scripts/fetch-vega.sh makes it. When empty:
  /// the environment variable TAPEGRAD_VEGA_DIR, then share/tapegrad/vega beside the include folder of the library that
  /// the program was compiled with, then the tree the library was built in.
  std::string vega_directory = {};
  const char* header = __FILE__;  ///< leave it: by it an installed library, moved or not, finds its scripts
};

/** Writes what was seen of one or more runs as one HTML page with twelve figures, which opens offline by double click;
 * twin runs stand side by side on the same scales. Figures are Vega-Lite specifications. Where the scripts that draw
 * them are not found, the page loads the same versions from a CDN; it says so, and so does a line on standard error.
 *
 *      write_report("out.html", std::array{sigmoid.record(), relu.record()});
 *
 * Long runs are thinned: the page stays below 5 MB. Throws "[report] out.html: cannot be written". */
void write_report(const std::string& path, std::span<const RunRecord> runs, const ReportOptions& options = {});

}  // namespace tapegrad
