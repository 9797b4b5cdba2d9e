#include "tapegrad/inspect/report/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tapegrad/core/error.h"
#include "tapegrad/core/file.h"
#include "tapegrad/inspect/findings.h"
#include "tapegrad/inspect/report/figures.h"
#include "tapegrad/inspect/report/page.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using reporting::escaped;
using reporting::Json;
using reporting::ReportCell;
using reporting::ReportFigure;

constexpr std::size_t most_bytes = 4'900'000;
constexpr std::size_t most_cells = 24;  // of a figure, before the others hide behind a click

// ----------------------------------------------------------------------------------------------------- A: verdict

std::string percent(double share) {
  if (!std::isfinite(share)) return "–";
  return share > 0 && share < 0.01 ? "&lt; 1 %" : fmt::format("{:.0f} %", 100 * share);
}
std::string short_number(double value) { return std::isfinite(value) ? fmt::format("{:.3g}", value) : "–"; }

std::string table_cell(const std::string& text, const char* kind = "") {
  return fmt::format("<td class=\"{}\">{}</td>", kind, text);
}
const char* judged(double share) { return share >= 0.4 ? "bad" : share >= 0.1 ? "warn" : ""; }

std::string dot(int colour) { return fmt::format("<i class=\"dot\" style=\"--c:var(--layer{})\"></i>", colour); }

std::string layer_table(const RunRecord& run, std::span<const std::string> names) {
  std::string rows;
  for (std::size_t i = 0; i < run.layers.size(); ++i) {
    const LayerRecord& layer = run.layers[i];
    if (layer.steps.empty()) continue;
    const LayerStep& s = layer.steps.back();
    const int place = reporting::layer_position(names, run, i);
    const bool output = layer.activation == "output";
    const auto unless_output = [&](double share, bool judge) {
      return output ? table_cell("") : table_cell(percent(share), judge ? judged(share) : "");
    };
    rows += "<tr>" + table_cell(dot(place) + names[static_cast<std::size_t>(place)], "text") +
            table_cell(escaped(layer.path), "text") + table_cell(output ? "" : escaped(layer.activation), "text") +
            table_cell(fmt::format("{}", layer.units)) + table_cell(short_number(s.mean)) +
            table_cell(short_number(s.std)) + unless_output(s.saturated_low, false) +
            unless_output(s.saturated_high, false) + unless_output(s.dead_since, true) +
            unless_output(s.dead_epoch, true) + unless_output(s.dead_batch, false) + unless_output(s.asleep, true) +
            table_cell(short_number(s.gradient_rms)) +
            table_cell(output ? "" : short_number(s.weight_factor) + " × " + short_number(s.slope_factor)) +
            "</tr>\n";
  }
  if (rows.empty()) return "<p class=\"nothing\">No layer was recorded.</p>\n";
  return "<div class=\"table\"><table><thead><tr><th class=\"text\">layer</th><th class=\"text\">path</th>"
         "<th class=\"text\">activation</th><th>units</th><th>mean</th><th>std</th><th>saturated<br>low</th>"
         "<th>saturated<br>high</th><th>dead<br>since</th><th>dead, this<br>epoch</th><th>dead, this<br>batch</th>"
         "<th>asleep</th><th>RMS ∂L/∂z</th><th>weights × f′</th></tr></thead><tbody>\n" +
         rows + "</tbody></table></div>\n";
}

std::pair<const char*, const char*> badge(Severity severity) {
  switch (severity) {
    case Severity::critical:
      return {"bad", "✕ Critical"};
    case Severity::warning:
      return {"warn", "▲ Warning"};
    default:
      return {"", "● Note"};
  }
}

std::string finding_list(const RunRecord& run) {
  const std::vector<Finding> found = findings(run);
  if (found.empty())
    return "<ul class=\"findings\"><li><b class=\"good\">✓ Good</b><span>No rule found anything "
           "wrong.</span></li></ul>\n";
  std::string list = "<ul class=\"findings\">\n";
  for (const Finding& finding : found) {
    const auto [kind, word] = badge(finding.severity);
    list += fmt::format("<li{}><b class=\"{}\">{}</b><span>{}</span></li>\n",
                        finding.effect_of.empty() ? "" : " class=\"effect\"", kind, word, escaped(finding.text));
  }
  return list + "</ul>\n";
}

std::string verdict(std::span<const RunRecord> runs, std::span<const std::string> names) {
  std::string html;
  for (const RunRecord& run : runs) {
    std::string notes;
    for (const std::string& note : run.notes) notes += escaped(note) + " · ";
    if (run.loss.empty()) {
      notes += "no step was recorded";
    } else {
      const LossStep& last = run.loss.back();
      notes += fmt::format("step {}: loss {}", last.step,
                           std::isfinite(last.loss) ? fmt::format("{:.4g}", last.loss) : "not finite");
      if (last.accuracy >= 0) notes += fmt::format(", accuracy {}", percent(last.accuracy));
    }
    html += fmt::format("<div class=\"run\"><h3>{}</h3><p class=\"notes\">{}</p>\n", escaped(run.name), notes) +
            finding_list(run) + layer_table(run, names) + "</div>\n";
  }
  return html;
}

/// The first deaths of every run, one a line.
std::string certificates(std::span<const RunRecord> runs, std::span<const std::string> names) {
  constexpr std::size_t most = 60;
  std::string html;
  for (const RunRecord& run : runs) {
    struct Line {
      const Death* death;
      int layer;
    };
    std::vector<Line> lines;
    for (std::size_t i = 0; i < run.layers.size(); ++i)
      for (const Death& death : run.layers[i].deaths)
        lines.push_back({&death, reporting::layer_position(names, run, i)});
    if (lines.empty()) continue;
    std::stable_sort(lines.begin(), lines.end(),
                     [](const Line& a, const Line& b) { return a.death->step < b.death->step; });
    std::string rows;
    for (std::size_t i = 0; i < std::min(lines.size(), most); ++i) {
      const Death& d = *lines[i].death;
      rows += "<tr>" + table_cell(d.at_initialization ? "at birth" : fmt::format("{}", d.step), "text") +
              table_cell(dot(lines[i].layer) + names[static_cast<std::size_t>(lines[i].layer)], "text") +
              table_cell(fmt::format("{}", d.unit)) + table_cell(short_number(d.weight_jump)) +
              table_cell(short_number(d.weight_norm)) + table_cell(short_number(d.bias_jump)) +
              table_cell(short_number(d.lr)) + table_cell(short_number(d.gradient_norm)) +
              table_cell(d.revived ? fmt::format("step {}", *d.revived) : "") +
              table_cell(escaped(d.cause), "text cause") + "</tr>\n";
    }
    const std::string count = lines.size() > most ? fmt::format("the first {} of {}", most, lines.size())
                                                  : fmt::format("{}", lines.size());
    html +=
        fmt::format("<details class=\"more\"><summary>Death certificates of {}: {}</summary>\n", escaped(run.name),
                    count) +
        "<div class=\"table\"><table><thead><tr><th class=\"text\">step</th><th class=\"text\">layer</th>"
        "<th>unit</th><th>‖Δw‖</th><th>‖w‖</th><th>Δb</th><th>learning rate</th><th>‖gradient‖</th><th>revived</th>"
        "<th class=\"text\">cause</th></tr></thead><tbody>\n" +
        rows + "</tbody></table></div></details>\n";
  }
  return html;
}

// ----------------------------------------------------------------------------------------------------------- page

std::string colour_dot(const char* kind, std::size_t i, const std::string& name) {
  return fmt::format("<span><i class=\"dot\" style=\"--c:var(--{}{})\"></i>{}</span>", kind, i, escaped(name));
}

/// What colours, lines and signs mean. An entry about a data set is there only where one of the charts has rows in it.
std::string legend(const ReportFigure& figure, std::span<const RunRecord> runs,
                   std::span<const std::string> names) {
  std::string html;
  const Json* colours = figure.meta.find("colours");
  const std::string by = colours == nullptr ? "" : colours->string();
  for (std::size_t i = 0; by == "runs" && runs.size() > 1 && i < runs.size(); ++i)
    html += colour_dot("run", i % 7, runs[i].name);
  for (std::size_t i = 0; by.ends_with("layers") && i < names.size(); ++i)
    if (by == "layers" || names[i] != "output") html += colour_dot("layer", i, names[i]);
  const Json* entries = figure.meta.find("legend");
  for (const Json& entry : entries == nullptr ? std::vector<Json>() : entries->items()) {
    const Json* data = entry.find("data");
    if (data != nullptr && std::none_of(figure.cells.begin(), figure.cells.end(), [&](const ReportCell& cell) {
          const Json* rows = cell.tables.find(data->string());
          return rows != nullptr && !rows->empty();
        }))
      continue;
    const Json *glyph = entry.find("glyph"), *colour = entry.find("colour");
    html += fmt::format("<span><i class=\"{}\"{}>{}</i>{}</span>",
                        glyph != nullptr ? "glyph" : "key " + entry["key"].string(),
                        colour == nullptr ? "" : fmt::format(" style=\"--c:var(--{})\"", colour->string()),
                        glyph != nullptr ? glyph->string() : "", escaped(entry["text"].string()));
  }
  return html.empty() ? "" : "<div class=\"legend\">" + html + "</div>\n";
}

/// The figure as HTML; what its charts show goes to `views` as members of a JSON object.
std::string figure_html(const ReportFigure& figure, std::span<const RunRecord> runs,
                        std::span<const std::string> names, std::string& views) {
  const auto text = [&](const char* key) { return figure.meta[key].string(); };
  std::string html = reporting::section_heading(figure.letter, text("title"), text("unit"), text("reading")) +
                     legend(figure, runs, names) +
                     fmt::format("<div class=\"cells\" style=\"--columns:{}\">\n", figure.columns);
  for (std::size_t i = 0; i < figure.cells.size(); ++i) {
    const ReportCell& cell = figure.cells[i];
    if (i == most_cells)
      html += fmt::format(
          "</div>\n<details class=\"more\"><summary>{} more</summary>\n<div class=\"cells\" "
          "style=\"--columns:{}\">\n",
          figure.cells.size() - i, figure.columns);
    html += "<div class=\"cell\">";
    if (!cell.caption.empty())
      html += "<h3>" + (cell.layer >= 0 ? dot(cell.layer) : "") + escaped(cell.caption) + "</h3>";
    if (!cell.nothing.empty()) {
      html += "<p class=\"nothing\">" + escaped(cell.nothing) + "</p>";
    } else {
      const std::string id = fmt::format("{}{}", figure.letter, i);
      html += fmt::format("<div class=\"view\" id=\"{}\"></div>", id);
      Json view = {{"chart", cell.chart.empty() ? figure.chart : cell.chart},
                   {"description", text("title") + (cell.caption.empty() ? "" : ": " + cell.caption)},
                   {"datasets", cell.tables},
                   {"values", cell.values}};
      if (cell.height > 0) view["height"] = cell.height;
      views += fmt::format("{}\n\"{}\":{}", views.empty() ? "" : ",", id, view.dump());
    }
    html += "</div>\n";
  }
  html += figure.cells.size() > most_cells ? "</div></details>\n" : "</div>\n";
  return html;
}

std::string page(std::span<const RunRecord> runs, const ReportOptions& options, double detail_share) {
  const std::vector<std::string> names = reporting::layer_names(runs);
  std::string title = options.title;
  Index last = -1;
  for (const RunRecord& run : runs) {
    if (options.title.empty()) title += (title.empty() ? "" : " · ") + run.name;
    if (!run.loss.empty()) last = std::max(last, run.loss.back().step);
  }

  std::string nav = "<a href=\"#A\"><b>A</b>Verdict</a>", views;
  std::string body = reporting::section_heading('A', "Verdict", "shares of the last recorded step",
                                                "What the rules found, the likely cause first and its effects "
                                                "below it, and the last recorded step of every layer; weights × f′ "
                                                "is how the gradient changes on its way back through the layer.") +
                     verdict(runs, names) + "</section>\n";
  Json charts;
  for (const ReportFigure& figure : reporting::report_figures(runs, detail_share)) {
    for (const ReportCell& cell : figure.cells)
      if (const std::string& chart = cell.chart.empty() ? figure.chart : cell.chart; charts.find(chart) == nullptr)
        charts[chart] = reporting::chart_file(chart);
    nav += fmt::format("<a href=\"#{0}\"><b>{0}</b>{1}</a>", figure.letter, figure.meta["name"].string());
    body += figure_html(figure, runs, names, views);
    if (figure.letter == 'G') body += certificates(runs, names);
    body += "</section>\n";
  }
  const std::string subtitle = fmt::format("{} {} · {} recorded", runs.size(), runs.size() == 1 ? "run" : "runs",
                                           last < 0 ? "nothing" : fmt::format("steps 0 to {}", last));
  return reporting::page_html({.title = title,
                               .subtitle = subtitle,
                               .navigation = nav,
                               .body = body,
                               .charts = charts.dump(),
                               .views = views,
                               .layers = names.size()},
                              options);
}

}  // namespace

void write_report(const std::string& path, std::span<const RunRecord> runs, const ReportOptions& options) {
  if (runs.empty()) fail("report", path + ": there is no run to report");
  std::string html = page(runs, options, 1);
  for (double detail = 0.5; html.size() > most_bytes && detail > 0.01; detail /= 2)
    html = page(runs, options, detail);
  reporting::write_page(path, html, options);
}

}  // namespace tapegrad
