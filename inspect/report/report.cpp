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
/// The head of a table; of each column the title and whether it holds text.
std::string table_head(std::initializer_list<std::pair<const char*, bool>> columns) {
  std::string head = "<div class=\"table\"><table><thead><tr>";
  for (const auto& [title, text] : columns)
    head += fmt::format("<th scope=\"col\"{}>{}</th>", text ? " class=\"text\"" : "", title);
  return head + "</tr></thead><tbody>\n";
}
std::string row_head(const std::string& text) { return "<tr><th scope=\"row\" class=\"text\">" + text + "</th>"; }
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
    rows +=
        row_head(dot(place) + names[static_cast<std::size_t>(place)]) + table_cell(escaped(layer.path), "text") +
        table_cell(output ? "" : escaped(layer.activation), "text") + table_cell(fmt::format("{}", layer.units)) +
        table_cell(short_number(s.mean)) + table_cell(short_number(s.std)) + unless_output(s.saturated_low, false) +
        unless_output(s.saturated_high, false) + unless_output(s.dead_since, true) +
        unless_output(s.dead_epoch, true) + unless_output(s.dead_batch, false) + unless_output(s.asleep, true) +
        table_cell(short_number(s.gradient_rms)) +
        table_cell(output ? "" : short_number(s.weight_factor) + " × " + short_number(s.slope_factor)) + "</tr>\n";
  }
  if (rows.empty()) return "<p class=\"nothing\">No layer was recorded.</p>\n";
  return table_head({{"layer", true},
                     {"path", true},
                     {"activation", true},
                     {"units", false},
                     {"mean", false},
                     {"std", false},
                     {"saturated<br>low", false},
                     {"saturated<br>high", false},
                     {"dead<br>since", false},
                     {"dead, this<br>epoch", false},
                     {"dead, this<br>batch", false},
                     {"asleep", false},
                     {"RMS ∂L/∂z", false},
                     {"weights × f′", false}}) +
         rows + "</tbody></table></div>\n";
}

/// What the columns of that table mean.
constexpr std::string_view terms = R"html(<dl class="terms">
<dt>mean, std</dt><dd>of the outputs of the layer, in the last recorded step.</dd>
<dt>saturated</dt><dd>share of outputs where f′ is below a tenth of its largest value: z far below 0 (low) or far above (high).</dd>
<dt>dead since</dt><dd>share of units with f′ = 0 on every sample of several looks in a row, up to the last one. They cannot learn.</dd>
<dt>dead, this epoch</dt><dd>f′ = 0 on every sample looked at since the epoch began.</dd>
<dt>dead, this batch</dt><dd>f′ = 0 on every sample of the last batch. Other samples may turn these units on.</dd>
<dt>asleep</dt><dd>f′ below a thousandth of its largest value on every sample of the last batch: they learn, but hardly.</dd>
<dt>weights × f′</dt><dd>what the gradient is multiplied by on its way back through the layer.</dd>
</dl>
)html";

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
  if (found.empty()) return "";
  std::string list = "<ul class=\"findings\">\n";
  for (const Finding& finding : found) {
    const auto [kind, word] = badge(finding.severity);
    list += fmt::format("<li{}><b class=\"{}\">{}</b><span>{}</span></li>\n",
                        finding.effect_of.empty() ? "" : " class=\"effect\"", kind, word, escaped(finding.text));
  }
  return list + "</ul>\n";
}

/// The verdict on a run in one line: how bad it is, the finding that leads, and what follows from it or stands beside it.
std::string headline(const RunRecord& run, bool named) {
  const std::vector<Finding> found = findings(run);
  Severity worst = Severity::info;
  std::string others;
  for (const Finding& finding : found) {
    worst = std::max(worst, finding.severity);
    if (finding.rule != found.front().rule && others.find(finding.rule) == std::string::npos)
      others += (others.empty() ? "; with it: " : ", ") + finding.rule;
  }
  const auto [kind, word] = found.empty() ? std::pair("good", "✓ Good") : badge(worst);
  return fmt::format("<li><b class=\"{}\">{}</b><span>{}{}{}</span></li>\n", kind, word,
                     named ? "<strong>" + escaped(run.name) + "</strong>: " : "",
                     found.empty() ? "nothing wrong was found" : escaped(found.front().rule), escaped(others));
}

std::string notes_of(const RunRecord& run) {
  std::string notes;
  for (const std::string& note : run.notes) notes += escaped(note) + " · ";
  if (run.loss.empty()) return notes + "no step was recorded";
  const LossStep& last = run.loss.back();
  return notes +
         fmt::format("step {}: loss {}", last.step,
                     std::isfinite(last.loss) ? fmt::format("{:.4g}", last.loss) : "not finite") +
         (last.accuracy >= 0 ? ", accuracy " + percent(last.accuracy) : "");
}

std::string verdict(std::span<const RunRecord> runs, std::span<const std::string> names) {
  std::string html = "<ul class=\"findings headlines\">\n";
  for (const RunRecord& run : runs) html += headline(run, runs.size() > 1);
  html += "</ul>\n";
  for (const RunRecord& run : runs)
    html +=
        fmt::format("<div class=\"run\"><h3>{}</h3><p class=\"notes\">{}</p>\n", escaped(run.name), notes_of(run)) +
        finding_list(run) + layer_table(run, names) + "</div>\n";
  return html + std::string(terms);
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
      const auto unless_birth = [&](double value) {
        return table_cell(d.at_initialization ? "–" : short_number(value));
      };
      rows += row_head(d.at_initialization ? "at birth" : fmt::format("{}", d.step)) +
              table_cell(dot(lines[i].layer) + names[static_cast<std::size_t>(lines[i].layer)], "text") +
              table_cell(fmt::format("{}", d.unit)) + unless_birth(d.weight_jump) + unless_birth(d.weight_norm) +
              unless_birth(d.bias_jump) + unless_birth(d.lr) + unless_birth(d.gradient_norm) +
              table_cell(d.revived ? fmt::format("step {}", *d.revived) : "") +
              table_cell(escaped(d.cause), "text cause") + "</tr>\n";
    }
    const std::string count = lines.size() > most ? fmt::format("the first {} of {}", most, lines.size())
                                                  : fmt::format("{}", lines.size());
    html += fmt::format("<details class=\"more\"><summary>Death certificates of {}: {}</summary>\n",
                        escaped(run.name), count) +
            table_head({{"step", true},
                        {"layer", true},
                        {"unit", false},
                        {"‖Δw‖", false},
                        {"‖w‖", false},
                        {"Δb", false},
                        {"learning rate", false},
                        {"‖gradient‖", false},
                        {"revived", false},
                        {"cause", true}}) +
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
  std::string body = reporting::section_heading('A', "Verdict", "what the rules found",
                                                "The likely cause comes first, what follows from it below.") +
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
