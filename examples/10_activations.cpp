// The gallery of activations: each with f, f′ and f″ as the tape computes them, its facts, what it makes of N(0, 1),
// and its cost beside a matrix product. An activation of your own is registered here and treated like all others.
//   activations                                         all of them as tables
//   activations --only gelu,"leaky_relu(negative_slope=0.2)"   a few, with plots
//   activations --report gallery.html                   all curves on a page

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <cmath>

#include "activations/gallery.h"
#include "activations/measure.h"
#include "common/example.h"

namespace tg = tapegrad;

/** e^(−x²), the user's own */
struct Gaussian {
  static constexpr std::string_view name = "gaussian";
  template <class X> static X value(const X& x) { return tg::exp(-x * x); }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return -2 * g * x * y; }
  static tg::Facts facts() {
    return {.formula = "e^(−x²)", .lower = 0, .upper = 1, .sup_slope = std::sqrt(2 / std::exp(1))};  // at x = ±1/√2
  }
};

struct Options {
  example::CommonOptions common;
  std::vector<std::string> only;
  std::string report;
  tg::Index size = 256;
  bool markdown = false;
};

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Shows every activation: curves, facts, output on N(0, 1), cost beside a matrix product.");
  app.add_option("--only", options.only, "These only, with plots: relu,\"leaky_relu(negative_slope=0.2)\"")
      ->delimiter(',')
      ->type_name("NAME,…");
  app.add_option("--report", options.report, "Write a page with all curves to FILE.html")->type_name("FILE");
  app.add_option("--size", options.size, "Rows and columns of the matrices that are timed")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--markdown", options.markdown, "Print the facts as a Markdown table, and nothing else");
  return example::run(app, options.common, argc, argv, [&] {
    if (options.markdown) {
      fmt::print("{}", gallery::markdown());
      return example::Json::object();
    }
    tg::register_activation<Gaussian>();
    std::vector<std::string> names = options.only;
    if (names.empty())
      for (const std::string_view name : tg::activations()) names.emplace_back(name);
    std::vector<gallery::Entry> entries;
    for (const std::string& name : names) {
      const tg::Activation f = tg::activation(name);
      entries.push_back({f, gallery::curves(f)});
    }

    const gallery::Cost product = gallery::measure_costs(entries, options.size, options.common.seed);
    for (gallery::Entry& entry : entries) gallery::measure_outputs(entry, options.common.seed);

    gallery::print(entries, product, !options.only.empty());
    if (!options.report.empty()) {
      gallery::write_page(options.report, entries, product);
      fmt::print("\nThe gallery is in {}: open it in a browser.\n", options.report);
    }
    example::Json json{{"activations", example::Json::array()},
                       {"matrix_product", {{"ns_forward", product.forward}, {"ns_backward", product.backward}}}};
    for (const gallery::Entry& entry : entries) json["activations"].push_back(gallery::summary(entry));
    return json;
  });
}
