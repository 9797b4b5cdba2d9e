#pragma once

#include <tapegrad/tapegrad.h>

#include <string>
#include <vector>

#include "common/example.h"

namespace mnist {

struct Options {
  example::CommonOptions common;
  example::InspectOptions inspect;
  example::CheckpointOptions keep;
  std::string data = example::default_data;
  std::vector<tapegrad::Index> hidden{128};
  std::string activation = "relu";
  std::string init = "he_normal";
  std::string optimizer = "adam";
  std::string schedule = "cosine";
  std::string precision = "float";
  int threads = 1;
  double lr = 0.002;
  double dropout = 0;
  double weight_decay = 0;
  bool batch_norm = false;
  int epochs = 5;
  tapegrad::Index batch = 64;
  tapegrad::Index limit = 0;

  tapegrad::MlpOptions mlp() const;
  void add_to(CLI::App& app);
};

}  // namespace mnist
