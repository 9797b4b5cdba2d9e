#pragma once

#include "diagnosis/config.h"
#include "tapegrad/io/dataset.h"

namespace diagnosis {

/** Samples, and of a regression the numbers to predict (rows×1); else `targets` is empty. */
struct Samples {
  tg::Dataset set;
  tg::Matrix targets = {};

  Index size() const { return set.size(); }
  bool regression() const { return targets.size() > 0; }
  Samples rows(const std::vector<Index>& chosen) const;
  /** So many rows, evenly over all. */
  Samples evenly(Index count) const;
};

/** 700 points to train on and 2000 others from the same source; of images 5000 and 2000. */
struct Data {
  Samples train, test;
};

/** The data a configuration asks for, with the faults it asks for. */
Data data_of(const Config& config);

}  // namespace diagnosis
