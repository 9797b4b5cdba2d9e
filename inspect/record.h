#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tapegrad/core/registry.h"
#include "tapegrad/core/types.h"

/// What was seen of a training run, as plain data: a Monitor fills it, findings judge it, reports and logs show it.
/// All shares are fractions from 0 to 1; steps count from 0, and step s is the state before update s.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Counts in 64 equal bins between low and high, and what fell outside. Of gradients the bins are those of
 * log10|g|, and exact zeros are counted apart. */
struct Histogram {
  double low = 0;
  double high = 1;
  std::array<std::uint32_t, 64> counts{};
  std::uint32_t underflow = 0;
  std::uint32_t overflow = 0;
  std::uint32_t zeros = 0;

  /** Adds one value (not a zero of a gradient histogram; NaN counts as overflow). */
  void add(double value) {
    const double position = (value - low) / (high - low) * 64;
    if (position < 0)
      ++underflow;
    else if (position < 64)
      ++counts[static_cast<std::size_t>(position)];
    else
      ++overflow;
  }
};

/** One activation layer in one step. z is its input, y its output, both batch×units; L is the loss. */
struct LayerStep {
  Index step = 0;
  double z_mean = 0;
  double z_std = 0;
  double mean = 0;  ///< of y
  double std = 0;
  double sample_std = -1;     ///< of y over the samples: √(mean over the units of their variance); −1: unknown
  double saturated_low = 0;   ///< share of all (sample, unit) with |f′(z)| < 0.1·sup|f′| and z ≤ 0
  double saturated_high = 0;  ///< the same with z > 0
  double dead_batch = 0;      ///< share of units with f′(z) = 0 on every sample of this batch
  double dead_epoch = 0;      ///< the same in every look since the epoch began
  double dead_since = 0;      ///< share of units that were off in the last `confirm_after` looks and the one before
  double asleep = 0;          ///< share of units with |f′(z)| < 0.001·sup|f′| on every sample of this batch
  double gradient_rms = 0;    ///< RMS of ∂L/∂z
  double weight_factor = 1;   ///< RMS ∂L/∂y over RMS ∂L/∂z of the next layer: what the weights between do
  double slope_factor = 1;    ///< RMS ∂L/∂z over RMS ∂L/∂y: what f′ does
};

/** A unit that was off (f′ = 0) on every sample from `step` on, and still was after `confirm_after` further looks. */
struct Death {
  Index step = 0;  ///< first step in which it was off on the whole batch, and stayed so
  Index unit = 0;
  bool at_initialization = false;
  Index updates = 1;                  ///< since the look before, in which it was on: one of them turned it off
  double weight_jump = 0;             ///< ‖Δw‖ of its incoming weights in these updates together
  double weight_norm = 0;             ///< ‖w‖ before them
  double bias_jump = 0;               ///< Δb in them, with its sign
  double lr = 0;                      ///< learning rate of the last of them
  double gradient_norm = 0;           ///< ‖∂L/∂(w, b)‖ of the unit in the first of them
  std::optional<Index> revived = {};  ///< step in which it fired again, if it did
  std::string cause = {};             ///< in plain words
};

struct LayerRecord {
  std::string path = {};        ///< of the activation layer: "1"
  std::string activation = {};  ///< "leaky_relu(negative_slope=0.2)"; "output" for the logits
  Index units = 0;
  bool elementwise = true;  ///< otherwise f′ is no plain function, and saturated, dead and asleep stay 0
  Facts facts = {};
  std::vector<LayerStep> steps = {};
  std::vector<std::pair<Index, Histogram>> z_histograms = {};  ///< step, counts of z
  /// Last step of a period, and for each unit the share of the period's samples on which it was not saturated;
  /// NaN where z was not finite.
  std::vector<std::pair<Index, std::vector<double>>> firing_rates = {};
  std::vector<Index> dead_since = {};  ///< per unit: step since which it is dead (see Death); −1: it is not
  std::vector<Death> deaths = {};
};

/** One parameter in one step. */
struct ParameterStep {
  Index step = 0;
  double weight_norm = 0;    ///< ‖w‖ before the update
  double gradient_norm = 0;  ///< ‖∂L/∂w‖
  double update_norm = 0;    ///< ‖Δw‖
  double update_ratio = 0;   ///< ‖Δw‖ / ‖w‖; around 1e-3 is healthy
  double descent = 0;        ///< −⟨Δw, ∂L/∂w⟩: above 0 the update goes downhill
};

struct ParameterRecord {
  std::string path = {};  ///< "0.weight"
  Shape shape = {};
  bool requires_grad = true;
  double unit_spread =
      -1;  ///< before the first update: how far the rows differ, over their size; −1: it has one row
  std::vector<ParameterStep> steps = {};
  std::vector<std::pair<Index, Histogram>> gradient_histograms = {};  ///< step, counts of log10|∂L/∂w|
};

struct LossStep {
  Index step = 0;
  double loss = 0;
  double accuracy = 0;  ///< on the batch; −1 where the caller gives none
  double lr = 0;
};

/** One evaluation on data that the network is not trained on. */
struct ValidationStep {
  Index step = 0;
  double loss = 0;
  double accuracy = -1;        ///< −1 where the caller gives none
  double train_accuracy = -1;  ///< mean over the batches since the last evaluation; −1 where unknown
  bool training_mode = false;  ///< whether dropout or batch normalization was in training mode
};

/** What the network is made of, as the first step shows it. */
struct StructureRecord {
  struct Linear {
    std::string path = {};
    Index inputs = 0;
    Index outputs = 0;
  };
  std::vector<Linear> linear = {};     ///< layers y = x·Wᵀ + b in the order of their calls
  bool nonlinear = false;              ///< whether any op between the input and the loss is none of a linear map
  std::string loss = {};               ///< its op: "cross_entropy"; empty where it is made of several
  std::string output_activation = {};  ///< the activation whose output the loss takes: "softmax"; empty: none
  std::string output_path = {};        ///< the module of that activation
  Index outputs = 0;                   ///< columns of what the loss takes
  std::vector<std::pair<std::string, double>> dropout = {};  ///< path and probability
};

/** All samples a network is trained on, as describe() sees them. */
struct DataRecord {
  struct Place {
    Index row = 0;
    Index col = 0;
  };
  Index rows = 0;                        ///< 0: nobody has looked
  std::vector<double> column_mean = {};  ///< of the inputs, over the values that are finite
  std::vector<double> column_std = {};
  Index not_finite = 0;  ///< values of the inputs that are NaN or infinite
  Place first_not_finite = {};
  std::vector<Index> class_counts = {};  ///< samples by label; empty where there are no labels
  double target_std = 0;  ///< of targets that are numbers: √(mean over the columns of their variance)
  double target_rms = 0;  ///< of targets that are numbers
};

/** The optimizer's settings, as far as the caller tells them. */
struct OptimizerRecord {
  std::string name = {};  ///< "sgd"
  double momentum = -1;   ///< −1: unknown
  double weight_decay = -1;
};

/** A decision map of a network with 2-D inputs: its output on a grid, and the line z = 0 of every first-layer unit.
 */
struct DecisionMap {
  std::array<double, 2> low{-1, -1};  ///< of x1, of x2
  std::array<double, 2> high{1, 1};
  Index cells = 0;                  ///< per side
  std::vector<double> output = {};  ///< row by row from the lowest x2 on; probability of class 1, or the class
  /// Of every class, cell by cell in the same order; empty for a single output.
  std::vector<double> probabilities = {};
  struct Line {
    double w1, w2, b;  ///< w1·x1 + w2·x2 + b = 0
    bool dead;
  };
  std::vector<Line> units = {};
  struct Point {
    double x1, x2;
    int label;
  };
  std::vector<Point> points = {};
};

/** Everything seen of one run. */
struct RunRecord {
  std::string name = {};                ///< "relu, lr 0.1"
  Index classes = 0;                    ///< 0 when it is no classification
  Index steps_per_epoch = 0;            ///< 0 when unknown
  std::vector<std::string> notes = {};  ///< settings worth showing: "784-100-100-10, batch 32, sgd"
  OptimizerRecord optimizer = {};
  StructureRecord structure = {};
  DataRecord data = {};
  std::vector<LossStep> loss = {};
  std::vector<ValidationStep> validation = {};
  std::vector<LayerRecord> layers = {};  ///< activation layers from input to output, then the logits as "output"
  std::vector<ParameterRecord> parameters = {};
  double input_mean = 0;  ///< of the network's input in the first recorded step
  double input_std = 0;
  Index looks = 0;                     ///< steps that were looked at
  Index looks_in_eval = 0;             ///< those in which no dropout or batch normalization was in training mode
  std::string modal_path = {};         ///< the first of these layers; empty: there is none
  std::optional<Index> nan_step = {};  ///< first step with a loss that is not finite
  bool nan_input = false;              ///< whether the network's input was not finite in that step
  std::optional<DecisionMap> map = {};
};

}  // namespace tapegrad
