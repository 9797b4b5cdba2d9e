#include <fmt/core.h>
#include <tapegrad/inspect/report/page.h>

#include <algorithm>

#include "show.h"

namespace lab {
namespace {

using tapegrad::reporting::escaped;

/// Beside the style of every page
constexpr std::string_view style = R"css(
header, main, footer, nav div { max-width: 1000px; }
main > .reading { margin-top: 24px; }
.overview { display: flex; flex-wrap: wrap; gap: 6px; padding: 0; margin: 0; list-style: none; }
.overview a { display: block; min-width: 52px; text-align: center; text-decoration: none; background: var(--raised);
  border-radius: 6px; padding: 3px 8px; font-size: 13px; font-variant-numeric: tabular-nums; color: var(--quiet); }
.overview a b { margin-left: 5px; }
.overview a.differs { outline: 2px solid var(--bad); }
section { padding-top: 24px; }
section + section { margin-top: 22px; }
h2 { display: grid; grid-template-columns: 32px 1fr auto; }
h2 .verdict { font-size: 14px; }
section > *:not(h2) { margin-left: 44px; }
.sentence { margin-top: 6px; margin-bottom: 12px; max-width: 84ch; }
.table table { width: auto; }
td, th { padding: 4px 0 4px 32px; }
td:first-child { white-space: normal; min-width: 20ch; }
.criterion { margin-top: 10px; margin-bottom: 0; color: var(--quiet); font-size: 13.5px; max-width: 96ch; overflow-wrap: anywhere; }
.criterion b { font-weight: 550; color: var(--ink); margin-right: 4px; }
@media (max-width: 700px) { h2 { grid-template-columns: 32px 1fr; } h2 .verdict { grid-column: 2; }
  section > *:not(h2) { margin-left: 0; } td, th { padding-left: 14px; } }
)css";

std::string_view css_class(Verdict verdict) {
  return verdict == Verdict::is_true ? "good" : verdict == Verdict::qualified ? "warn" : "bad";
}

std::string number_table(const Result& result) {
  std::string rows;
  for (const auto& [name, value] : result.numbers) {
    const Expectation expected = expectation_of(result, name);
    rows += fmt::format("<tr><td class=\"text\">{}</td><td>{}</td><td{}>{}</td></tr>\n", escaped(name),
                        number_text(value), expected.met ? "" : R"( class="bad")", escaped(expected.text));
  }
  return "<div class=\"table\"><table><tr><th scope=\"col\" class=\"text\">number</th><th "
         "scope=\"col\">measured</th><th scope=\"col\">expected</th></tr>\n" +
         rows + "</table></div>\n";
}

std::string section(const Result& result) {
  const Claim& claim = *result.claim;
  std::string text = fmt::format(
      "<section id=\"claim-{0}\">\n<h2><span class=\"letter\">{0}</span>{1}<span class=\"verdict {2}\">{3}</span>"
      "</h2>\n",
      claim.id, escaped(claim.text), css_class(result.verdict), words(result.verdict));
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
  const std::string body = fmt::format(
      R"(<p class="reading">Each verdict is computed from the numbers below it: <b class="good">T</b> true,
<b class="warn">Q</b> true with a qualification, <b class="bad">F</b> false. A frame marks what was not as expected.</p>
<ol class="overview">
{}</ol>
{})",
      overview, sections);
  return tapegrad::reporting::page_html(
      {.title = "What is said of activation functions, and what a measurement says",
       .subtitle = fmt::format("{} claims, {} as expected", results.size(), good),
       .navigation = {},
       .body = body,
       .views = {},
       .style = std::string(style)});
}

}  // namespace lab
