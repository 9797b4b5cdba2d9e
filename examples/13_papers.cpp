// Published results about activations, initialization and training, measured again on this machine: every number with
// what was published, the range that is accepted, and the verdict. Each paper is one file in examples/papers.
//   papers                              all of them on Fashion-MNIST
//   papers --mnist data/mnist           those on MNIST, too
//   papers --only glorot,he --quick     some of them, in less time
//   papers --report papers.html         with the papers' figures, drawn from our runs

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "common/example.h"
#include "common/page.h"
#include "common/table.h"
#include "common/terminal.h"
#include "papers/papers.h"

using example::Json;
using terminal::Color;

struct Run {
  const papers::Paper* paper;
  papers::Result result;
  double seconds;
};

std::string names_of_all() {
  std::string names;
  for (const papers::Paper& paper : papers::all()) names += (names.empty() ? "" : ", ") + std::string(paper.name);
  return names;
}

/// The papers whose names begin with one of those asked for, or all.
std::vector<const papers::Paper*> chosen(const std::vector<std::string>& names) {
  std::vector<const papers::Paper*> result;
  for (const papers::Paper& paper : papers::all())
    if (names.empty() || std::any_of(names.begin(), names.end(),
                                     [&](const std::string& name) { return paper.name.starts_with(name); }))
      result.push_back(&paper);
  for (const std::string& name : names)
    if (std::none_of(result.begin(), result.end(),
                     [&](const auto* paper) { return paper->name.starts_with(name); }))
      tapegrad::fail("papers", fmt::format("no paper named '{}'; there are {}", name, names_of_all()));
  return result;
}

/// Large numbers whole, others with four digits, or as many as it takes to see a range as narrow as `width`.
std::string short_number(double value, double width = 1) {
  if (std::isinf(value)) return value > 0 ? "∞" : "-∞";
  if (std::abs(value) >= 1000) return fmt::format("{:.0f}", value);
  return width > 0 && width < 1e-3 ? fmt::format("{:.6g}", value) : fmt::format("{:.4g}", value);
}

std::string range(const papers::Row& row) {
  if (std::isinf(row.high)) return "from " + short_number(row.low);
  if (row.low == row.high) return short_number(row.low);
  const double width = row.high - row.low;
  return short_number(row.low, width) + " to " + short_number(row.high, width);
}

std::string measured(const papers::Row& row) { return short_number(row.measured, row.high - row.low); }

void show(const Run& run, bool quick) {
  terminal::heading(fmt::format("{} ({})", run.paper->title, run.paper->citation));
  fmt::print("{}", terminal::paint(fmt::format("{:<37}{:>10} {:>18} {:>8}\n", "", "published", "accepted", "here"),
                                   Color::dim));
  for (const papers::Row& row : run.result.rows)
    fmt::print("{:<37}{:>10} {:>18} {:>8} {}\n", row.name, row.expected, range(row), measured(row),
               row.pass() ? terminal::paint("pass", Color::green) : terminal::paint("FAIL", Color::red));
  for (const papers::Skipped& row : run.result.skipped)
    fmt::print("{:<37}{}\n", row.name, terminal::paint("skipped: " + row.why, Color::yellow));
  const std::string less = quick && !run.paper->quick.empty() ? fmt::format("; quick: {}", run.paper->quick) : "";
  fmt::print("{}", terminal::paint(fmt::format("{:.1f} s{}\n", run.seconds, less), Color::dim));
  std::fflush(stdout);
}

Json summary(const std::vector<Run>& runs) {
  Json json{{"results", Json::array()}, {"skipped", Json::array()}};
  for (const Run& run : runs) {
    for (const papers::Row& row : run.result.rows) {
      // JSON has no infinity: such an end of the range is null.
      const auto end = [](double value) { return std::isinf(value) ? Json(nullptr) : Json(value); };
      json["results"].push_back({{"paper", run.paper->name},
                                 {"name", row.name},
                                 {"expected", row.expected},
                                 {"measured", row.measured},
                                 {"low", end(row.low)},
                                 {"high", end(row.high)},
                                 {"pass", row.pass()}});
    }
    for (const papers::Skipped& row : run.result.skipped)
      json["skipped"].push_back({{"paper", run.paper->name}, {"name", row.name}, {"why", row.why}});
  }
  return json;
}

page::Section verdict(const std::vector<Run>& runs) {
  Table table{.head = {"paper", "result", "published", "accepted", "here", ""}, .text_columns = 2};
  for (const Run& run : runs) {
    for (const papers::Row& row : run.result.rows)
      table.rows.push_back({std::string(run.paper->citation), row.name, row.expected, range(row), measured(row),
                            row.pass() ? "✓ pass" : "✕ fail"});
    for (const papers::Skipped& row : run.result.skipped)
      table.rows.push_back({std::string(run.paper->citation), row.name, "", "", "", "skipped: " + row.why});
  }
  return {.name = "Verdict",
          .title = "Published and measured",
          .unit = "",
          .reading = "Every published number, the range that is accepted, and what was measured here.",
          .html = table.html()};
}

int main(int argc, char** argv) {
  example::CommonOptions common;
  papers::Options options;
  std::vector<std::string> only;
  std::string report;
  CLI::App app("Measures published results again and says which hold.");
  app.add_option("--only", only, "Papers by name or its beginning: " + names_of_all())->delimiter(',');
  app.add_flag("--quick", options.quick, "Shorter training where a paper takes longer than a minute");
  app.add_option("--data", options.fashion, "Folder with Fashion-MNIST")->capture_default_str();
  app.add_option("--mnist", options.mnist, "Folder with MNIST; without it its rows are skipped")->type_name("DIR");
  app.add_option("--report", report, "Write a page with the papers' figures to FILE.html")->type_name("FILE");

  return example::run(app, common, argc, argv, [&] {
    options.seed = common.seed;
    std::vector<Run> runs;
    std::size_t passed = 0, rows = 0, skipped = 0;
    for (const papers::Paper* paper : chosen(only)) {
      const auto start = std::chrono::steady_clock::now();
      papers::Result result = paper->measure(options);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      runs.push_back({paper, std::move(result), seconds.count()});
      show(runs.back(), options.quick);
      rows += runs.back().result.rows.size();
      skipped += runs.back().result.skipped.size();
      for (const papers::Row& row : runs.back().result.rows) passed += row.pass() ? 1 : 0;
    }
    fmt::print("\n{} of {} published numbers are inside their accepted range", passed, rows);
    fmt::print("{}.\n", skipped > 0 ? fmt::format("; {} were skipped", skipped) : "");
    if (!report.empty()) {
      std::vector<page::Section> sections{verdict(runs)};
      for (const Run& run : runs)
        sections.insert(sections.end(), run.result.figures.begin(), run.result.figures.end());
      page::write(report, "Published results, measured again",
                  fmt::format("{} of {} inside their accepted range · seed {}", passed, rows, options.seed),
                  sections);
      fmt::print("The report is in {}: open it in a browser.\n", report);
    }
    return summary(runs);
  });
}
