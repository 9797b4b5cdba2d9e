#pragma once

#include <array>
#include <string_view>

/// The parts of a report's page that are the same in every report. Private to write_report.

namespace tapegrad::reporting {

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

}  // namespace tapegrad::reporting
