#pragma once

#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/example.h"
#include "common/page.h"

/// Published results, measured again. Each paper is one file in this folder; 13_papers.cpp runs them.
namespace papers {

namespace tg = tapegrad;
using example::Json;

inline constexpr double infinity = std::numeric_limits<double>::infinity();

struct Options {
  std::uint64_t seed = 42;
  bool quick = false;
  std::string fashion = example::default_data;  ///< folder of Fashion-MNIST
  std::string mnist;                            ///< folder of MNIST; empty: what needs it is skipped
};

/** One published number, and ours. */
struct Row {
  std::string name;
  std::string expected;  ///< as it was published
  double low = -infinity;
  double high = infinity;  ///< accepted from low to high
  double measured = 0;
  bool pass() const { return low <= measured && measured <= high; }
};

/** A published number that was not measured this time. */
struct Skipped {
  std::string name;
  std::string why;
};

struct Result {
  std::vector<Row> rows = {};
  std::vector<Skipped> skipped = {};
  std::vector<page::Section> figures = {};  ///< the paper's, drawn from our run
};

struct Paper {
  std::string_view name;  ///< for --only
  std::string_view title;
  std::string_view citation;
  std::string_view quick;  ///< what --quick leaves out; empty: nothing
  Result (*measure)(const Options&);
};

/** All of them, in the order of the years. */
std::span<const Paper> all();

Result saturation(const Options& options);           // glorot_saturation.cpp
Result scale(const Options& options);                // glorot_scale.cpp
Result clipping(const Options& options);             // pascanu.cpp
Result linear_network(const Options& options);       // saxe.cpp
Result rectifier_init(const Options& options);       // he.cpp
Result shattered_gradients(const Options& options);  // balduzzi.cpp
Result self_normalizing(const Options& options);     // klambauer.cpp
Result dead_at_birth(const Options& options);        // lu.cpp
Result dead_by_rate(const Options& options);         // high_rate.cpp
Result mnist(const Options& options);                // mnist.cpp
Result fashion(const Options& options);              // fashion.cpp

/** Inputs for networks that are measured before any training. */
tg::Matrix standard_normal(tg::Index rows, tg::Index cols, tg::Rng& rng);

}  // namespace papers
