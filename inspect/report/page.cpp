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

const std::string_view report_style = R"css(
:root { color-scheme: light dark; --ground: #ffffff; --raised: #f6f7f9; --ink: #1d2330; --quiet: #5d6778;
  --line: #e3e7ed; --bad: #c2410c; --warn: #946200; --good: #00734f; --accent: #0072b2; }
:root[data-theme=dark] { color-scheme: dark; --ground: #12161f; --raised: #1a202c; --ink: #e6e9ef; --quiet: #9aa4b5;
  --line: #2a3140; --bad: #ff8a4c; --warn: #e9b44c; --good: #38c793; --accent: #6cbcf0; }
:root[data-theme=light] { color-scheme: light; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 4.2rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 1240px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 40px; padding-bottom: 18px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 6px; font-weight: 650; }
header p { margin: 0; color: var(--quiet); }
nav { position: sticky; top: 0; z-index: 5; background: var(--ground); border-bottom: 1px solid var(--line); }
nav div { max-width: 1240px; margin: 0 auto; padding: 9px 28px; display: flex; gap: 2px; align-items: center;
  overflow-x: auto; scrollbar-width: none; }
nav a { color: var(--quiet); text-decoration: none; font-size: 13px; padding: 4px 8px; border-radius: 6px;
  white-space: nowrap; }
nav a b { color: var(--ink); font-weight: 650; margin-right: 4px; }
nav a:hover { background: var(--raised); color: var(--ink); }
nav button { margin-left: auto; flex: none; font: inherit; font-size: 13px; color: var(--ink); cursor: pointer;
  background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 4px 11px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.notice { background: var(--raised); border-left: 3px solid var(--warn); padding: 10px 14px; margin: 18px 0 0;
  border-radius: 0 6px 6px 0; }
section { padding: 38px 0 8px; }
section + section { border-top: 1px solid var(--line); margin-top: 30px; }
h2 { font-size: 20px; line-height: 1.3; letter-spacing: -.01em; margin: 0; font-weight: 650; display: flex;
  align-items: baseline; flex-wrap: wrap; gap: 0 12px; }
h2 .letter { color: var(--quiet); font-weight: 500; min-width: 1ch; }
h2 small { font-size: 13px; font-weight: 400; color: var(--quiet); letter-spacing: 0; }
.reading { margin: 4px 0 16px; max-width: 84ch; color: var(--quiet); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: -4px 0 14px; font-size: 13px; }
.key { display: inline-block; width: 22px; border-top: 2px solid var(--c, var(--ink)); vertical-align: middle; margin-right: 7px; }
.key.thin { border-top-width: 1px; } .key.thick { border-top-width: 3px; } .key.pale { opacity: .4; }
.key.dashed { border-top-style: dashed; } .key.dotted { border-top-style: dotted; }
.key.box, .key.ramp { height: 11px; border: 0; border-radius: 2px; background: var(--c); } .key.box { width: 14px; }
.key.outline { border: 1px solid var(--ink); } .key.zone { --c: var(--zone); } .key.ramp { width: 60px; }
.key.heat { background: linear-gradient(to right, var(--heat)); } .key.depth { background: linear-gradient(to right, var(--ramp)); }
.glyph { color: var(--c, var(--ink)); margin-right: 6px; font-style: normal; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 3px; background: var(--c); margin-right: 7px;
  flex: none; }
.cells { display: grid; gap: 22px 30px; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); }
.cell { min-width: 0; }
.cell h3 { font-size: 13px; font-weight: 550; margin: 0 0 6px; overflow-wrap: anywhere; }
.cell .note { font-size: 12.5px; color: var(--quiet); margin: -4px 0 6px; overflow-wrap: anywhere; }
.view { width: 100%; min-height: 40px; position: relative; overflow-x: auto; }
.view.vega-embed, .view.vega-embed.has-actions { display: block; padding-right: 0; }
.view.vega-embed > .chart-wrapper { width: 100%; }
.view.vega-embed summary { opacity: 0; transform: scale(.72); transform-origin: top right; top: -30px; }
.view.vega-embed:hover summary, .view.vega-embed summary:focus-visible { opacity: .6; }
.view .mark-rect path { shape-rendering: crispEdges; }
#L .cell { max-width: 440px; }
.view .mark-text.role-mark text { paint-order: stroke; stroke: var(--ground); stroke-width: 3px; }
.nothing { color: var(--quiet); background: var(--raised); border-radius: 6px; padding: 14px 16px; margin: 0;
  font-size: 14px; overflow-wrap: anywhere; }
.problem { color: var(--bad); font-size: 13px; }
details.more { margin-top: 20px; }
details.more > summary { cursor: pointer; color: var(--accent); font-size: 14px; margin-bottom: 14px; width: max-content; }
.run + .run { margin-top: 34px; }
.run h3 { margin: 0; font-size: 16px; font-weight: 650; overflow-wrap: anywhere; }
.run .notes { margin: 2px 0 10px; color: var(--quiet); font-size: 14px; overflow-wrap: anywhere; }
.findings { list-style: none; margin: 0 0 14px; padding: 0; display: grid; gap: 6px; }
.findings li { background: var(--raised); border-radius: 6px; padding: 9px 14px; display: grid;
  grid-template-columns: 84px 1fr; gap: 12px; overflow-wrap: anywhere; }
.findings .effect { margin-left: 2em; }
.findings b { font-weight: 650; font-size: 13px; padding-top: 1px; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { font-weight: 500; color: var(--quiet); text-align: right; vertical-align: bottom; padding: 6px 10px;
  border-bottom: 1px solid var(--line); font-size: 12.5px; line-height: 1.3; }
td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.bad, td.warn { font-weight: 650; }
th.text, td.text { text-align: left; } td.cause { white-space: normal; min-width: 22ch; }
th:first-child, td:first-child { padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
footer { padding-top: 44px; padding-bottom: 44px; color: var(--quiet); font-size: 13px; }
#vg-tooltip-element { font: 12.5px/1.5 Inter, system-ui, "DejaVu Sans", sans-serif; background: var(--ground);
  color: var(--ink); border-color: var(--line); border-radius: 6px; }
#vg-tooltip-element table tr td { border: 0; padding: 1px 6px; } #vg-tooltip-element td.key { color: var(--quiet); }
@media (max-width: 860px) { header, main, footer, nav div { padding-left: 18px; padding-right: 18px; }
  .cells { grid-template-columns: minmax(0, 1fr); } }
@media print { nav { display: none; } section { break-inside: avoid; } }
)css";

const std::string_view report_glue = R"js(
(async () => {
  const page = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  let chosen = { "#dark": "dark", "#light": "light" }[location.hash];
  let round = 0;

  function specification({ chart, values, ...own }) {
    const spec = { ...page.charts[chart], ...own };
    if (values) spec.params = spec.params.map(p => p.name in values ? { ...p, value: values[p.name] } : p);
    return spec;
  }
  async function draw(element) {
    try {
      if (element.view) element.view.finalize();
      const { view } = await vegaEmbed(element, specification(page.views[element.id]), {
        mode: "vega-lite", renderer: "svg", config: page.themes[root.dataset.theme], tooltip: { theme: "custom" },
        actions: { export: true, source: false, compiled: false, editor: false } });
      element.view = view;
    } catch (error) {
      element.classList.add("problem");
      element.textContent = "This figure could not be drawn: " + error;
      console.error(error);
    }
  }
  async function drawAll() {
    const mine = ++round;
    const theme = chosen || (system.matches ? "dark" : "light");
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    const views = document.querySelectorAll(".view");
    if (views.length > 0 && typeof vegaEmbed === "undefined") {
      document.getElementById("missing").hidden = false;
      return;
    }
    delete root.dataset.drawn;
    for (const element of views) {
      if (element.closest("details:not([open])")) continue;
      await draw(element);
      await new Promise(resolve => setTimeout(resolve));
      if (mine !== round) return;
    }
    root.dataset.drawn = theme;
  }

  button.onclick = () => { chosen = root.dataset.theme === "dark" ? "light" : "dark"; drawAll(); };
  system.onchange = drawAll;
  for (const details of document.querySelectorAll("details.more"))
    details.ontoggle = async () => {
      if (details.open) for (const element of details.querySelectorAll(".view")) await draw(element);
    };
  await drawAll();
})();
)js";

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
      "verdict and the tables are whole.</p></header>\n<nav><div>" +
      page.navigation + "<button id=\"theme\" type=\"button\">Dark</button></div></nav>\n<main>\n" + page.body +
      "</main>\n<footer>";
  if (charts)
    html += "Charts by Vega-Lite. Point at a chart for its numbers; the ⋯ at its corner saves it as a picture.";
  html += "</footer>\n<script type=\"application/json\" id=\"figures\">" + data + "</script>\n" +
          (scripts ? *scripts : linked_scripts()) + "<script>" + std::string(report_glue) +
          "</script>\n</body>\n</html>\n";
  return html;
}

void write_page(const std::string& path, const std::string& html, const ReportOptions& options) {
  write_whole_file("report", path, html);
  if (html.find("<script src=") == std::string::npos) return;
  fmt::print(stderr, "[report] {}: the scripts of the charts were not found, so it needs a network; looked in {}\n",
             path, fmt::join(vega_directories(options), ", "));
}

}  // namespace tapegrad::reporting
