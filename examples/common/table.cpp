#include "table.h"

#include <fmt/core.h>
#include <tapegrad/inspect/report/page.h>
#include <tapegrad/inspect/text.h>

#include <algorithm>

#include "terminal.h"

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t k = 0; k < head.size(); ++k) {
    widths.push_back(tapegrad::columns(head[k]));
    for (const auto& row : rows) widths[k] = std::max(widths[k], tapegrad::columns(row[k]));
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string result;
    for (std::size_t k = 0; k < cells.size(); ++k) {
      const std::string padding(widths[k] - tapegrad::columns(cells[k]), ' ');
      const bool last = k + 1 == cells.size();
      result += (k == 0 ? "" : "  ") + (k < text_columns ? cells[k] + (last ? "" : padding) : padding + cells[k]);
    }
    return result;
  };
  std::string result = terminal::paint(line(head), terminal::Color::dim) + "\n";
  for (const auto& row : rows) result += line(row) + "\n";
  return result;
}

std::string Table::html() const {
  const auto line = [&](std::string_view tag, const std::vector<std::string>& cells) {
    std::string result = "<tr>";
    const char* scope = tag == "th" ? " scope=\"col\"" : "";
    for (std::size_t k = 0; k < cells.size(); ++k)
      result += fmt::format("<{0}{1}{2}>{3}</{0}>", tag, scope, k < text_columns ? " class=\"text\"" : "",
                            tapegrad::reporting::escaped(cells[k]));
    return result + "</tr>\n";
  };
  std::string result = "<div class=\"table\"><table><thead>" + line("th", head) + "</thead><tbody>\n";
  for (const auto& row : rows) result += line("td", row);
  return result + "</tbody></table></div>\n";
}
