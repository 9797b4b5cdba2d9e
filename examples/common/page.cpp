#include "page.h"

#include <fmt/core.h>
#include <tapegrad/inspect/report/page.h>

namespace page {

using tapegrad::reporting::escaped;

void write(const std::string& path, const std::string& title, const std::string& subtitle,
           std::span<const Section> sections) {
  tapegrad::reporting::ReportPage page{
      .title = title, .subtitle = subtitle, .navigation = {}, .body = {}, .views = {}};
  char letter = 'A';
  for (const Section& section : sections) {
    page.navigation += fmt::format("<a href=\"#{0}\"><b>{0}</b>{1}</a>", letter, escaped(section.name));
    page.body += tapegrad::reporting::section_heading(letter, section.title, section.unit, section.reading);
    page.body += fmt::format("{}<div class=\"cells\" style=\"--columns:{}\">\n", section.html, section.columns);
    for (std::size_t i = 0; i < section.charts.size(); ++i) {
      const Chart& chart = section.charts[i];
      page.body += "<div class=\"cell\">";
      if (!chart.caption.empty()) page.body += "<h3>" + escaped(chart.caption) + "</h3>";
      if (!chart.note.empty()) page.body += "<p class=\"note\">" + escaped(chart.note) + "</p>";
      page.body += fmt::format("<div class=\"view\" id=\"{}{}\"></div></div>\n", letter, i);
      page.views +=
          fmt::format("{}\n\"{}{}\":{}", page.views.empty() ? "" : ",", letter, i, chart.specification.dump());
    }
    page.body += "</div>\n</section>\n";
    ++letter;
  }
  tapegrad::reporting::write_page(path, tapegrad::reporting::page_html(page));
}

}  // namespace page
