#pragma once

#include <tapegrad/tapegrad.h>

#include <string>
#include <vector>

/// Twin runs: the same seed, data, batches and start, and one thing different. Plain SGD on an MLP, watched.
namespace twin {

namespace tg = tapegrad;

struct Options {
  std::string name = {};  ///< of the run, in reports
  std::string activation = "relu";
  std::vector<tg::Index> hidden{100, 100};
  std::string init = "he_normal";
  double lr = 0.1;
  tg::Index batch = 32;
  tg::Index steps = 2000;
  tg::Index record_every = 20;  ///< steps between points of the curves
  bool all_steps = false;       ///< the monitor looks at every step, not only at those of the points
  std::uint64_t seed = 42;
  tg::Index revive_every = 0;  ///< steps between reinitializations of the dead units; 0: never
};

/** A point of the curves. */
struct Point {
  tg::Index step;
  double loss;      ///< mean of the batches since the last point
  double accuracy;  ///< on the test set, 0 … 1
};

struct Run {
  Options options;
  std::vector<Point> points;
  std::vector<double> losses;  ///< of every step
  tg::RunRecord record;
  tg::Index escape_step = -1;          ///< first_below(2.2)
  tg::Index revived = 0;               ///< units that were given new weights, counted every time
  std::vector<tg::UnitCensus> census;  ///< of the trained network on all training data

  /** First step by which the mean loss of 100 batches is below `bound`; −1: never. */
  tg::Index first_below(double bound) const;
  /** Mean loss of the 100 batches that end with `step`, which is at least 99. */
  double mean_of_100(tg::Index step) const;
};

/** Trains one of the twins; with `watch` its layers are shown live. Ends early on Ctrl-C. */
Run train(const tg::Dataset& data, const tg::Dataset& test, const Options& options, bool watch = false);

}  // namespace twin
