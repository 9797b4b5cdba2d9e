#pragma once

#include <tapegrad/tapegrad.h>

#include <cmath>
#include <span>
#include <string>

#include "common/example.h"
#include "common/plot.h"
#include "common/table.h"

/// Activations side by side, in the terminal, on a page, in a README and as JSON.
namespace gallery {

namespace tg = tapegrad;

/** Nanoseconds per element. */
struct Cost {
  double forward = INFINITY;
  double backward = INFINITY;
};

struct Entry {
  tg::Activation f;
  plot::Figure curves;  ///< f, f′, f″
  double mean = 0;      ///< of f(x) for x ~ N(0, 1)
  double variance = 0;  ///< the same
  Cost cost = {};
};

/** How many columns an activation sees when it is plotted as a function of the first: 1, or x and zeros. */
tg::Index plotted_columns(const tg::Activation& f);
/** "gelu"; "softmax, first output at (x, 0)" */
std::string plotted_text(const tg::Activation& f);

/** The facts of all registered activations for the README, which a test holds to them. */
std::string markdown();
/** Names, formulas and ranges, and what was measured; the last row is the matrix product. */
Table facts_table(std::span<const Entry> entries);
Table figures_table(std::span<const Entry> entries, const Cost& product);
/** Plots (when asked), facts and figures as tables; `product` is the cost of a matrix product. */
void print(std::span<const Entry> entries, const Cost& product, bool plots);
/** The same as a page. */
void write_page(const std::string& file, std::span<const Entry> entries, const Cost& product);
example::Json summary(const Entry& entry);

}  // namespace gallery
