#include "tapegrad/inspect/report/page.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <vector>

#include "tapegrad/core/file.h"
#include "tapegrad/inspect/report/figures.h"
#include "tapegrad/inspect/report/json.h"

#ifndef TAPEGRAD_DEFAULT_VEGA_DIR
#define TAPEGRAD_DEFAULT_VEGA_DIR ""
#endif

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Where the scripts may be, first choice first.
std::vector<std::string> vega_directories(const ReportOptions& options) {
  if (!options.vega_directory.empty()) return {options.vega_directory};
  if (const char* directory = std::getenv("TAPEGRAD_VEGA_DIR")) return {directory};
  std::vector<std::string> directories;
  constexpr std::string_view below = "include/tapegrad/inspect/report/report.h";
  if (const std::string_view header = options.header; header.ends_with(below))
    directories.push_back(std::string(header.substr(0, header.size() - below.size())) + "share/tapegrad/vega");
  constexpr std::string_view built = TAPEGRAD_DEFAULT_VEGA_DIR;
  if (!built.empty() && (directories.empty() || directories[0] != built)) directories.emplace_back(built);
  return directories;
}

/// The three scripts as elements that hold them; nothing when one is missing.
std::optional<std::string> scripts_in(const std::string& directory) {
  std::string html;
  for (const auto& script : report_scripts) {
    std::optional<std::string> text = read_file(directory + "/" + std::string(script.file));
    if (!text || text->empty()) return std::nullopt;
    // Both stand only within strings, where the escape means the same.
    replace_all(*text, "</script", "\\x3c/script");
    replace_all(*text, "<!--", "\\x3c!--");
    html += "<script>" + *text + "</script>\n";
  }
  return html;
}

std::optional<std::string> bundled_scripts(const ReportOptions& options) {
  for (const std::string& directory : vega_directories(options))
    if (std::optional<std::string> scripts = scripts_in(directory)) return scripts;
  return std::nullopt;
}

constexpr std::string_view cdn = "https://cdn.jsdelivr.net";

std::string linked_scripts() {
  std::string html;
  for (const auto& script : report_scripts)
    html +=
        fmt::format("<script src=\"{}/npm/{}@{}/build/{}\" integrity=\"{}\" crossorigin=\"anonymous\"></script>\n",
                    cdn, script.package, script.version, script.file, script.integrity);
  return html;
}

/// What the legends need of a theme, as CSS variables.
std::string colours(const std::vector<std::string>& layers, bool dark) {
  std::string css = ":root[data-theme=" + std::string(dark ? "dark" : "light") + "] {";
  for (std::size_t i = 0; i < layers.size(); ++i) css += fmt::format(" --layer{}: {};", i, layers[i]);
  const auto runs = run_colours(dark);
  for (std::size_t i = 0; i < runs.size(); ++i) css += fmt::format(" --run{}: {};", i, runs[i]);
  const Json theme = report_theme(dark, layers.size());
  const auto stops = [&](const char* name) {
    std::string all;
    for (const Json& colour : theme["range"][name].items()) all += (all.empty() ? "" : ", ") + colour.string();
    return all;
  };
  css += fmt::format(" --heat: {}; --ramp: {}; --death: {}; --slope: {}; --weights: #56b4e9; --zone: {};",
                     stops("heatmap"), stops("ramp"), theme["style"]["death"]["color"].string(),
                     theme["style"]["slope"]["color"].string(), dark ? "#3f4756" : "#dcdfe3");
  return css + " }\n";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : valid_utf8(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string section_heading(char letter, std::string_view title, std::string_view unit, std::string_view reading) {
  return fmt::format(
      "<section id=\"{0}\">\n<h2><span class=\"letter\">{0}</span>{1}<small>{2}</small></h2>\n"
      "<p class=\"reading\">{3}</p>\n",
      letter, escaped(title), escaped(unit), escaped(reading));
}

std::string page_html(const ReportPage& page, const ReportOptions& options) {
  const bool charts = !page.views.empty();
  const std::optional<std::string> scripts = charts ? bundled_scripts(options) : "";
  std::string data = fmt::format("{{\"themes\":{{\"light\":{},\"dark\":{}}},\n\"charts\":{},\n\"views\":{{{}}}}}",
                                 report_theme(false, page.layers).dump(), report_theme(true, page.layers).dump(),
                                 page.charts, page.views);
  replace_all(data, "<", "\\u003c");  // it stands only within strings

  std::string html =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  html += fmt::format(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline' "
      "'unsafe-eval'{}; style-src 'unsafe-inline'; img-src data: blob:\">\n",
      scripts ? "" : " " + std::string(cdn));
  html += "<title>" + escaped(page.title) + "</title>\n<style>" + std::string(report_style) +
          colours(layer_colours(page.layers, false), false) + colours(layer_colours(page.layers, true), true) +
          page.style + "</style>\n</head>\n<body>\n";
  html +=
      fmt::format("<header><h1>{}</h1><p>tapegrad report · {}</p>\n", escaped(page.title), escaped(page.subtitle));
  if (!scripts)
    html += fmt::format(
        "<p class=\"notice\">The scripts that draw the charts (Vega {}, Vega-Lite {}, Vega-Embed {}) were not "
        "found "
        "when this page was written, so it loads them from {}, checked by integrity hashes: it needs a network "
        "connection. scripts/fetch-vega.sh fetches them, then reports hold them.</p>\n",
        report_scripts[0].version, report_scripts[1].version, report_scripts[2].version, cdn.substr(8));
  html +=
      "<p class=\"notice\" id=\"missing\" hidden>The charts cannot be drawn: their scripts could not be loaded. "
      "The "
      "verdict and the tables are whole.</p></header>\n<nav aria-label=\"Figures\"><div><span>" +
      page.navigation + "</span><button id=\"theme\" type=\"button\">Dark</button></div></nav>\n<main>\n" +
      page.body + "</main>\n<footer>";
  if (charts)
    html +=
        "Charts by Vega-Lite. Point at a chart for its numbers; the ⋯ at its corner saves it as a picture. <span "
        "id=\"keys\">With the keyboard: Tab goes to a chart, the arrow keys read its numbers, Enter opens the menu "
        "to save "
        "it.</span>";
  html +=
      "</footer>\n<div class=\"heard\" id=\"heard\" aria-live=\"polite\"></div>\n<script type=\"application/json\" "
      "id=\"figures\">" +
      data + "</script>\n" + (scripts ? *scripts : linked_scripts()) + "<script>" + std::string(report_glue) +
      "</script>\n</body>\n</html>\n";
  return html;
}

void write_page(const std::string& path, const std::string& html, const ReportOptions& options) {
  write_whole_file("report", path, html);
  if (html.find("<script src=") == std::string::npos) return;
  const std::string note =
      fmt::format("[report] {}: the scripts of the charts were not found, so it needs a network; looked in {}\n",
                  path, fmt::join(vega_directories(options), ", "));
  std::fputs(note.c_str(), stderr);  // fmt::print would throw where nobody can be told; the report is written
}

}  // namespace tapegrad::reporting
