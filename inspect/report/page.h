#pragma once

#include <array>
#include <string>
#include <string_view>

/// The parts of a page that are the same in every report. Private to write_report and the examples.

#include "tapegrad/inspect/report/report.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

/** One of the scripts that draw the charts, exactly as report/package-lock.json pins it. */
struct ReportScript {
  std::string_view package, version, file;
  std::string_view integrity;  ///< SHA-384 of the file, for the copy from the CDN
};

/** In the order in which they must be loaded. */
inline constexpr std::array report_scripts{
    ReportScript{"vega", "6.2.0", "vega.min.js",
                 "sha384-0Wc8+KeboSkAq/fK81pd4uFbWKu4ouB+y4KWCYxlC69hRWol7vnc6zZSruXOtc0F"},
    ReportScript{"vega-lite", "6.4.1", "vega-lite.min.js",
                 "sha384-QtG7pnWvq1Tk0Rcvl53B1TEVw7U1PUqfciCz3XMUqSmi1fNpJwiv5ml+m5NeOOzH"},
    ReportScript{"vega-embed", "7.1.0", "vega-embed.min.js",
                 "sha384-giTAWqsEDsWuWzWKi6NCvjgwi160SClnTYYXWPLuy/DnaQTqmk4soinrpxcCS4dx"}};

extern const std::string_view report_style;  ///< CSS
extern const std::string_view report_glue;   ///< the JavaScript that hands each specification to vegaEmbed

/** What a page has of its own. */
struct ReportPage {
  std::string title;
  std::string subtitle;
  std::string navigation;     ///< HTML: links to the sections
  std::string body;           ///< HTML: the sections, with a `<div class="view" id="…">` for each chart
  std::string charts = "{}";  ///< a JSON object: Vega-Lite specifications by name
  /// Members of a JSON object by the id of a view: a Vega-Lite specification, or what it adds to one of `charts`:
  /// {"chart": name, "datasets": {…}, "values": {values of its params}}.
  std::string views;
  std::size_t layers = 0;  ///< number of colours by depth
  std::string style = {};  ///< CSS, after that of every page
};

/** The beginning of a section, up to what it shows; the caller ends it with `</section>`. */
std::string section_heading(char letter, std::string_view title, std::string_view unit, std::string_view reading);

/** The whole page with everything it needs to open offline; the options say where the scripts of the charts are. A page
 * without views holds none. */
std::string page_html(const ReportPage& page, const ReportOptions& options = {});

/** Writes a page into a file. If it loads its scripts from a network, a line on standard error says so. */
void write_page(const std::string& path, const std::string& html, const ReportOptions& options = {});

/** Text as HTML. */
std::string escaped(std::string_view text);

}  // namespace tapegrad::reporting
