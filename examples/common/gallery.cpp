#include "gallery.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "page.h"
#include "table.h"
#include "terminal.h"

namespace gallery {
namespace {

std::string minus(double value) { return value < 0 ? "−" : ""; }

std::string number(double value) {
  if (std::isinf(value)) return minus(value) + "∞";
  return minus(value) + fmt::format("{:.4g}", std::abs(value));
}

std::string decimals(double value) {
  const double rounded = std::round(1000 * value) / 1000;
  return minus(rounded) + fmt::format("{:.3f}", std::abs(rounded));
}

std::string kinks_text(const tg::Facts& facts) {
  std::string text;
  for (const tg::Kink& kink : facts.kinks)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", number(kink.at), number(kink.slope));
  return text.empty() ? "–" : text;
}

std::string side_text(const tg::Facts& facts) {
  if (facts.saturates_left && facts.saturates_right) return "both";
  return facts.saturates_left ? "left" : facts.saturates_right ? "right" : "–";
}

std::string range_text(const tg::Facts& facts) { return number(facts.lower) + " … " + number(facts.upper); }

Table facts_table(std::span<const Entry> entries) {
  Table table{{"name", "formula", "range"}, 3};
  for (const Entry& e : entries)
    table.rows.push_back({e.f.text(), std::string(e.f.facts().formula), range_text(e.f.facts())});
  return table;
}

Table figures_table(std::span<const Entry> entries, const Cost& product) {
  Table table{{"name", "kinks (f′)", "saturates", "sup|f′|", "mean", "variance", "fwd", "bwd"}, 3};
  const auto ns = [](double value) { return fmt::format("{:.2f}", value); };
  for (const Entry& e : entries) {
    const tg::Facts facts = e.f.facts();
    table.rows.push_back({e.f.text(), kinks_text(facts), side_text(facts), number(facts.sup_slope),
                          decimals(e.mean), decimals(e.variance), ns(e.cost.forward), ns(e.cost.backward)});
  }
  table.rows.push_back({"matrix product", "", "", "", "", "", ns(product.forward), ns(product.backward)});
  return table;
}

/// With y from the curves themselves, where they do not leave the axes of the page.
plot::Figure cropped(plot::Figure figure) {
  double low = INFINITY, high = -INFINITY;
  for (const plot::Curve& curve : figure.curves)
    for (const double y : curve.y)
      if (std::isfinite(y)) low = std::min(low, y), high = std::max(high, y);
  figure.low = std::max(figure.low, low);
  figure.high = std::min(figure.high, high);
  return figure;
}

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

}  // namespace

tg::Index plotted_columns(const tg::Activation& f) {
  return f.elementwise() || !f.learned().empty() ? 1 : std::max<tg::Index>(2, f.inputs_per_output());
}

std::string plotted_text(const tg::Activation& f) {
  std::string inputs = "x";
  for (tg::Index i = 1; i < plotted_columns(f); ++i) inputs += ", 0";
  return plotted_columns(f) == 1 ? f.text() : fmt::format("{}, first output at ({})", f.text(), inputs);
}

std::string markdown() {
  Table table{{"name", "formula", "range", "sup |f′|", "kinks (f′ used there)", "saturates"}, 6};
  for (const std::string_view name : tg::activations()) {
    const tg::Activation f = tg::activation(name);
    const tg::Facts facts = f.facts();
    std::string title = fmt::format("`{}`", name);
    for (const auto& [setting, value] : f.settings()) title += fmt::format(" ({} = {})", setting, number(value));
    table.rows.push_back({title, std::string(facts.formula), range_text(facts), number(facts.sup_slope),
                          kinks_text(facts), side_text(facts)});
  }
  return table.markdown();
}

void print(std::span<const Entry> entries, const Cost& product, bool plots) {
  for (const Entry& e : entries) {
    if (!plots) break;
    terminal::heading(plotted_text(e.f));
    fmt::print("{}", plot::braille(cropped(e.curves)));
  }
  terminal::heading(fmt::format("{} activation{}", entries.size(), entries.size() == 1 ? "" : "s"));
  fmt::print("{}", facts_table(entries).text());
  terminal::heading("In numbers");
  fmt::print("{}", figures_table(entries, product).text());
  fmt::print(
      "\nkinks: where f′ jumps, and the slope in use there. mean, variance: of f(x) for x\n"
      "from N(0, 1); softmax and its like see rows of 12. fwd, bwd: ns per element, in\n"
      "float; of a matrix product per element of a square matrix.\n");
}

void write_page(const std::string& file, std::span<const Entry> entries, const Cost& product) {
  using example::Json;
  page::Section gallery{"Curves", "f, f′ and f″", "x from −5 to 5",
                        "f is solid, f′ dashed, f″ dotted. Where f′ jumps, the dot is the slope in use. All charts "
                        "have the same axes; what is beyond them is cut off.",
                        3};
  gallery.html = plot::html_legend(entries.front().curves);
  Json outputs, costs;
  for (const Entry& e : entries) {
    plot::Figure figure = e.curves;
    figure.legend = false;
    figure.x_title.clear();
    gallery.charts.push_back({plotted_text(e.f), std::string(e.f.facts().formula), plot::vega_lite(figure, 190)});
    const double deviation = std::sqrt(e.variance);
    outputs.push_back({{"name", e.f.text()},
                       {"mean", e.mean},
                       {"variance", e.variance},
                       {"low", e.mean - deviation},
                       {"high", e.mean + deviation}});
    costs.push_back({{"name", e.f.text()}, {"forward", e.cost.forward}, {"backward", e.cost.backward}});
  }
  costs.push_back({{"name", "matrix product"}, {"forward", product.forward}, {"backward", product.backward}});

  const auto x = [](const char* field, const char* title, const char* scale) {
    return Json{{"field", field},
                {"type", "quantitative"},
                {"title", title},
                {"scale", {{"type", scale}}},
                {"axis", {{"tickCount", 6}}}};
  };
  const Json point{
      {"type", "point"}, {"filled", true}, {"size", 60}, {"opacity", 1}, {"tooltip", {{"content", "data"}}}};
  const auto cost = [&](const char* which, const char* shape) {
    Json mark = point;
    mark["shape"] = shape;
    return Json{{"mark", mark},
                {"encoding",
                 {{"x", x(which, "ns per element", "log")},
                  {"color", {{"datum", which}, {"legend", {{"orient", "top"}, {"title", nullptr}}}}}}}};
  };
  const Json one_colour{{"datum", "f(x)"}, {"legend", nullptr}};
  Json deviations{
      {"mark", {{"type", "rule"}, {"strokeWidth", 3}, {"opacity", 0.4}}},
      {"encoding", {{"x", x("low", "f(x)", "linear")}, {"x2", {{"field", "high"}}}, {"color", one_colour}}}};
  Json means{{"mark", point}, {"encoding", {{"x", x("mean", "f(x)", "linear")}, {"color", one_colour}}}};

  page::Section facts{
      "Facts", "Facts", "",
      "What stands beside every rule, and tests scan for; then what was measured here: fwd, bwd in ns.", 1};
  Table all = facts_table(entries);  // both tables side by side: a page is wider than a terminal
  const Table figures_of = figures_table(entries, product);
  all.head.insert(all.head.end(), figures_of.head.begin() + 1, figures_of.head.end());
  all.text_columns += figures_of.text_columns - 1;
  all.rows.push_back({figures_of.rows.back()[0], "", ""});
  for (std::size_t i = 0; i < all.rows.size(); ++i)
    all.rows[i].insert(all.rows[i].end(), figures_of.rows[i].begin() + 1, figures_of.rows[i].end());
  facts.html = all.html();
  page::Section figures{"Figures", "Output and cost", "",
                        "Left: mean of f(x) for x from N(0, 1), with a standard deviation to each side. Right: the "
                        "time one element takes forward (●) and backward (◆), on a logarithmic scale.",
                        2};
  figures.charts = {by_name("Output on N(0, 1)", outputs, {deviations, means}),
                    by_name("Cost", costs, {cost("forward", "circle"), cost("backward", "diamond")})};
  page::write(file, "Activations", fmt::format("{} activations", entries.size()),
              std::array{std::move(gallery), std::move(figures), std::move(facts)});
}

example::Json summary(const Entry& e) {
  const tg::Facts facts = e.f.facts();
  example::Json kinks = example::Json::array();
  for (const tg::Kink& kink : facts.kinks) kinks.push_back({{"at", kink.at}, {"slope", kink.slope}});
  return {{"name", e.f.text()},
          {"formula", facts.formula},
          {"elementwise", e.f.elementwise()},
          {"lower", facts.lower},  // JSON has no infinity: null
          {"upper", facts.upper},
          {"sup_slope", facts.sup_slope},
          {"kinks", kinks},
          {"saturates_left", facts.saturates_left},
          {"saturates_right", facts.saturates_right},
          {"mean", e.mean},
          {"variance", e.variance},
          {"curves",
           {{"x", e.curves.curves[0].x},
            {"f", e.curves.curves[0].y},
            {"slope", e.curves.curves[1].y},
            {"curvature", e.curves.curves[2].y}}},
          {"ns_forward", e.cost.forward},
          {"ns_backward", e.cost.backward}};
}

}  // namespace gallery
