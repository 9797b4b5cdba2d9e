#pragma once

#include <tapegrad/tapegrad.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

/// A small network for two moons with everything a user can get wrong, and how to train it.
namespace clinic {

namespace tg = tapegrad;

struct Patient {
  std::vector<tg::Index> hidden{32, 32};
  std::string activation = "relu";
  std::string init = "he_normal";
  double bias = 0;          ///< of the hidden layers at first
  double weight_scale = 1;  ///< on top of the initializer
  double dropout = 0;
  bool batch_norm = false;
  std::string output_activation = {};
  double lr = 0.1;
  double momentum = 0;
  double weight_decay = 0;
  bool rate_collapses = false;  ///< by a fifth at every step
  bool uphill = false;
  bool first_layer_left_out = false;  ///< of the optimizer
  bool trains_in_eval_mode = false;
  bool standardized = false;
  bool rows_dropped = false;                          ///< those that are not finite
  std::function<void(tg::Dataset&)> spoil = nullptr;  ///< what is wrong with the data
};

/** One thing that is done to a healthy patient. */
struct Fault {
  std::string_view name, text;
  void (*infect)(Patient&);
};
std::span<const Fault> faults();

struct Outcome {
  tg::RunRecord record;
  double accuracy = 0;  ///< on other points of the same moons
};

/** Trains for 2400 steps; `news` hears of every rule when it first gives an alarm. */
Outcome train(const Patient& patient, std::uint64_t seed,
              const std::function<void(tg::Index, const tg::Finding&)>& news);

/** Changes what the remedy says. False where no setting of the training can. */
bool apply(const tg::Remedy& remedy, Patient& patient);

}  // namespace clinic
