#include "common/page.h"

#include <fmt/core.h>

#include <array>
#include <cmath>

#include "activations/gallery.h"

namespace gallery {
namespace {

using example::Json;

/// A chart with one line for every activation. In `layers` each mark takes its x from the fields of `values`.
page::Chart by_name(const std::string& caption, const example::Json& values, const example::Json& layers) {
  return {caption,
          "",
          {{"width", "container"},
           {"height", 60 + 20 * values.size()},
           {"autosize", {{"type", "fit"}, {"contains", "padding"}}},
           {"data", {{"values", values}}},
           {"encoding",
            {{"y",
              {{"field", "name"},
               {"type", "nominal"},
               {"sort", nullptr},
               {"title", nullptr},
               {"axis", {{"grid", true}, {"labelLimit", 220}}}}}}},
           {"layer", layers}}};
}

/// One legend for all charts of curves.
std::string html_legend(const plot::Figure& figure) {
  constexpr std::array strokes{"none", "6 3", "1.5 3"};
  std::string html = "<div class=\"legend\">";
  for (std::size_t k = 0; k < figure.curves.size(); ++k)
    html += fmt::format(
        "<span><svg width=\"34\" height=\"10\" aria-hidden=\"true\"><line x1=\"2\" x2=\"30\" y1=\"6\" y2=\"6\" "
        "style=\"stroke: var(--run{}); stroke-width: 2; stroke-dasharray: {}\"/></svg>{}</span>",
        k, strokes[k % strokes.size()], figure.curves[k].name);
  return html + "</div>\n";
}

page::Section curves_section(std::span<const Entry> entries) {
  page::Section section{"Curves", "f, f′ and f″", "x from −5 to 5",
                        "f is solid, f′ dashed, f″ dotted. Where f′ jumps, the dot is the slope in use. All charts "
                        "have the same axes; what is beyond them is cut off.",
                        3};
  section.html = html_legend(entries.front().curves);
  for (const Entry& e : entries) {
    plot::Figure figure = e.curves;
    figure.legend = false;
    figure.x.title.clear();
    section.charts.push_back({plotted_text(e.f), std::string(e.f.facts().formula), plot::vega_lite(figure, 190)});
  }
  return section;
}

Json x_axis(const char* field, const char* title, const char* scale) {
  return {{"field", field},
          {"type", "quantitative"},
          {"title", title},
          {"scale", {{"type", scale}}},
          {"axis", {{"tickCount", 6}}}};
}

Json point(const char* shape) {
  return {{"type", "point"}, {"filled", true}, {"size", 60},
          {"opacity", 1},    {"shape", shape}, {"tooltip", {{"content", "data"}}}};
}

page::Chart outputs_chart(std::span<const Entry> entries) {
  Json values;
  for (const Entry& e : entries) {
    const double deviation = std::sqrt(e.variance);
    values.push_back({{"name", e.f.text()},
                      {"mean", e.mean},
                      {"variance", e.variance},
                      {"low", e.mean - deviation},
                      {"high", e.mean + deviation}});
  }
  const Json one_colour{{"datum", "f(x)"}, {"legend", nullptr}};
  const Json deviations{
      {"mark", {{"type", "rule"}, {"strokeWidth", 3}, {"opacity", 0.4}}},
      {"encoding", {{"x", x_axis("low", "f(x)", "linear")}, {"x2", {{"field", "high"}}}, {"color", one_colour}}}};
  const Json means{{"mark", point("circle")},
                   {"encoding", {{"x", x_axis("mean", "f(x)", "linear")}, {"color", one_colour}}}};
  return by_name("Output on N(0, 1)", values, {deviations, means});
}

page::Chart costs_chart(std::span<const Entry> entries, const Cost& product) {
  Json values;
  for (const Entry& e : entries)
    values.push_back({{"name", e.f.text()}, {"forward", e.cost.forward}, {"backward", e.cost.backward}});
  values.push_back({{"name", "matrix product"}, {"forward", product.forward}, {"backward", product.backward}});
  const auto cost = [](const char* which, const char* shape) {
    return Json{{"mark", point(shape)},
                {"encoding",
                 {{"x", x_axis(which, "ns per element", "log")},
                  {"color", {{"datum", which}, {"legend", {{"orient", "top"}, {"title", nullptr}}}}}}}};
  };
  return by_name("Cost", values, {cost("forward", "circle"), cost("backward", "diamond")});
}

/// Both tables side by side: a page is wider than a terminal.
std::string tables(std::span<const Entry> entries, const Cost& product) {
  Table all = facts_table(entries);
  const Table figures = figures_table(entries, product);
  all.head.insert(all.head.end(), figures.head.begin() + 1, figures.head.end());
  all.text_columns += figures.text_columns - 1;
  all.rows.push_back({figures.rows.back()[0], "", ""});
  for (std::size_t i = 0; i < all.rows.size(); ++i)
    all.rows[i].insert(all.rows[i].end(), figures.rows[i].begin() + 1, figures.rows[i].end());
  return all.html();
}

}  // namespace

void write_page(const std::string& file, std::span<const Entry> entries, const Cost& product) {
  page::Section figures{"Figures", "Output and cost", "",
                        "Left: mean of f(x) for x from N(0, 1), with a standard deviation to each side. Right: the "
                        "time one element takes forward (●) and backward (◆), on a logarithmic scale.",
                        2};
  figures.charts = {outputs_chart(entries), costs_chart(entries, product)};
  page::Section facts{
      "Facts", "Facts", "",
      "What stands beside every rule, and tests scan for; then what was measured here: fwd, bwd in ns.", 1};
  facts.html = tables(entries, product);
  page::write(file, "Activations", fmt::format("{} activations", entries.size()),
              std::array{curves_section(entries), std::move(figures), std::move(facts)});
}

}  // namespace gallery
