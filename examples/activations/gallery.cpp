#include "activations/gallery.h"

#include <fmt/core.h>

#include <algorithm>

#include "common/terminal.h"

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

std::string as_markdown(const Table& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string result = "|";
    for (std::string cell : cells) {
      for (std::size_t at = cell.find('|'); at != std::string::npos; at = cell.find('|', at + 2))
        cell.insert(at, "\\");
      result += " " + cell + " |";
    }
    return result + "\n";
  };
  std::string result = line(table.head) + "|";
  for (std::size_t k = 0; k < table.head.size(); ++k) result += k < table.text_columns ? "--|" : "--:|";
  result += "\n";
  for (const auto& row : table.rows) result += line(row);
  return result;
}

/// With y from the curves themselves, where they do not leave the axes of the page.
plot::Figure cropped(plot::Figure figure) {
  double low = INFINITY, high = -INFINITY;
  for (const plot::Curve& curve : figure.curves)
    for (const double y : curve.y)
      if (std::isfinite(y)) low = std::min(low, y), high = std::max(high, y);
  figure.y.low = std::max(figure.y.low, low);
  figure.y.high = std::min(figure.y.high, high);
  return figure;
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

Table facts_table(std::span<const Entry> entries) {
  Table table{{"name", "formula", "range"}, 3};
  for (const Entry& e : entries)
    table.rows.push_back({e.f.text(), std::string(e.f.facts().formula), range_text(e.f.facts())});
  return table;
}

Table figures_table(std::span<const Entry> entries, const Cost& product) {
  Table table{{"name", "kinks (f′)", "saturates", "sup|f′|", "mean", "var", "fwd", "bwd"}, 3};
  const auto ns = [](double value) { return fmt::format("{:.2f}", value); };
  for (const Entry& e : entries) {
    const tg::Facts facts = e.f.facts();
    table.rows.push_back({e.f.text(), kinks_text(facts), side_text(facts), number(facts.sup_slope),
                          decimals(e.mean), decimals(e.variance), ns(e.cost.forward), ns(e.cost.backward)});
  }
  table.rows.push_back({"matrix product", "", "", "", "", "", ns(product.forward), ns(product.backward)});
  return table;
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
  return as_markdown(table);
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
      "\nkinks: where f′ jumps, and the slope in use there. mean, var: of f(x) for x\n"
      "from N(0, 1); softmax and its like see rows of 12. fwd, bwd: ns per element, in\n"
      "float; of a matrix product per element of a square matrix.\n");
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
