#include <fmt/core.h>

#include <algorithm>

#include "show.h"

namespace lab {
namespace {

// The look of the library's reports (src/tapegrad/inspect/report_page.cpp), without their figures and scripts.
constexpr std::string_view style = R"css(
:root { color-scheme: light dark; --ground: #ffffff; --raised: #f6f7f9; --ink: #1d2330; --quiet: #5d6778;
  --line: #e3e7ed; --bad: #c2410c; --warn: #946200; --good: #00734f; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161f; --raised: #1a202c; --ink: #e6e9ef; --quiet: #9aa4b5;
  --line: #2a3140; --bad: #ff8a4c; --warn: #e9b44c; --good: #38c793; --accent: #6cbcf0; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 1000px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 40px; padding-bottom: 18px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 6px; font-weight: 650; }
header p { margin: 0 0 6px; color: var(--quiet); max-width: 84ch; }
.overview { display: flex; flex-wrap: wrap; gap: 6px; padding: 12px 0 0; margin: 0; list-style: none; }
.overview a { display: block; min-width: 46px; text-align: center; text-decoration: none; background: var(--raised);
  border-radius: 6px; padding: 3px 8px; font-size: 13px; font-variant-numeric: tabular-nums; color: var(--quiet); }
.overview a b { margin-left: 4px; }
.overview a.differs { outline: 2px solid var(--bad); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
section { padding: 26px 0 6px; border-top: 1px solid var(--line); margin-top: 22px; }
h2 { font-size: 19px; line-height: 1.35; letter-spacing: -.01em; margin: 0; font-weight: 650; display: grid;
  grid-template-columns: 2.2ch 1fr auto; gap: 0 12px; align-items: baseline; }
h2 .number { color: var(--quiet); font-weight: 500; text-align: right; }
h2 .verdict { font-size: 14px; }
section > *:not(h2) { margin-left: calc(2.2ch * 19 / 15 + 12px); }
.sentence { margin: 6px 0 12px; max-width: 84ch; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { font-weight: 500; color: var(--quiet); text-align: right; padding: 4px 0 4px 28px;
  border-bottom: 1px solid var(--line); font-size: 12.5px; }
td { text-align: right; padding: 4px 0 4px 28px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; min-width: 22ch; }
td.bad { font-weight: 650; }
.criterion { margin: 10px 0 0; color: var(--quiet); font-size: 13.5px; max-width: 96ch; overflow-wrap: anywhere; }
.criterion b { font-weight: 550; color: var(--ink); }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
footer { padding-top: 44px; padding-bottom: 44px; color: var(--quiet); font-size: 13px; }
@media (max-width: 700px) { header, main, footer { padding-left: 18px; padding-right: 18px; }
  h2 { grid-template-columns: 2.2ch 1fr; } h2 .verdict { grid-column: 2; } section > *:not(h2) { margin-left: 0; }
  th, td { padding-left: 14px; } }
@media print { section { break-inside: avoid; } }
)css";

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      default:
        safe += c;
    }
  return safe;
}

std::string_view css_class(Verdict verdict) {
  return verdict == Verdict::is_true ? "good" : verdict == Verdict::qualified ? "warn" : "bad";
}

std::string verdict_text(const Result& result) {
  std::string text =
      fmt::format(R"(<span class="verdict {}">{}</span>)", css_class(result.verdict), words(result.verdict));
  return text;
}

std::string number_table(const Result& result) {
  std::string rows;
  for (const auto& [name, value] : result.numbers) {
    std::string expected = "<td></td>";
    for (const Expected& e : result.claim->expected)
      if (e.number == name)
        expected =
            fmt::format("<td{}>{}</td>", e.met(result.numbers) ? "" : R"( class="bad")", number_text(e.value));
    rows += fmt::format("<tr><td>{}</td><td>{}</td>{}</tr>\n", escaped(name), number_text(value), expected);
  }
  return "<div class=\"table\"><table><tr><th></th><th>measured</th><th>expected</th></tr>\n" + rows +
         "</table></div>\n";
}

std::string section(const Result& result) {
  const Claim& claim = *result.claim;
  std::string text = fmt::format("<section id=\"claim-{0}\">\n<h2><span class=\"number\">{0}</span>{1} {2}</h2>\n",
                                 claim.id, escaped(claim.text), verdict_text(result));
  text += fmt::format("<p class=\"sentence\">{}</p>\n", escaped(result.sentence));
  text += number_table(result);
  if (!result.verdict_as_expected())
    text += fmt::format("<p class=\"criterion bad\">The table expected: {}.</p>\n", words(claim.expected_verdict));
  text += fmt::format("<p class=\"criterion\"><b>Expected</b> {}</p>\n", escaped(claim.expectation));
  text += fmt::format("<p class=\"criterion\"><b>Judged</b> {}</p>\n</section>\n", escaped(criterion(claim)));
  return text;
}

}  // namespace

std::string to_html(std::span<const Result> results) {
  const auto good = std::count_if(results.begin(), results.end(), [](const auto& r) { return r.as_expected(); });
  std::string overview;
  std::string sections;
  for (const Result& result : results) {
    overview += fmt::format("<li><a href=\"#claim-{0}\"{1} title=\"{2}\">{0}<b class=\"{3}\">{4}</b></a></li>\n",
                            result.claim->id, result.as_expected() ? "" : R"( class="differs")",
                            escaped(result.claim->text), css_class(result.verdict), letter(result.verdict));
    sections += section(result);
  }
  return fmt::format(
      R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What is said of activation functions</title>
<style>{}</style>
</head>
<body>
<header>
<h1>What is said of activation functions, and what a measurement says</h1>
<p>{} claims, {} as expected. Each verdict is computed from the numbers below it: <b class="good">T</b> true,
<b class="warn">Q</b> true with a qualification, <b class="bad">F</b> false. A frame marks what was not as expected.</p>
<ol class="overview">
{}</ol>
</header>
<main>
{}</main>
<footer>Written by tapegrad's example 09_claims.</footer>
</body>
</html>
)",
      style, results.size(), good, overview, sections);
}

}  // namespace lab
