#pragma once

#include <string>
#include <vector>

#include "papers/papers.h"

/// What the papers on MNIST and Fashion-MNIST train: multilayer perceptrons, measured on the test set every epoch.
namespace papers {

enum class Loss { cross_entropy, squared_error };

/** How a paper trains its network. */
struct Recipe {
  std::string name = {};
  std::vector<tg::Index> hidden = {};
  std::string activation = "relu";
  std::string init = "he_normal";
  Loss loss = Loss::cross_entropy;
  double input_dropout = 0;
  double dropout = 0;
  bool batch_norm = false;
  std::string optimizer = "adam";
  std::string schedule = "constant";
  double lr = 0.001;
  double momentum = 0;
  double weight_decay = 0;
  int epochs = 20;
  tg::Index batch = 128;
};

/** A network with the score it is known for. */
struct Published {
  Recipe recipe;
  std::string expected;
  double low, high;  ///< accepted
};

enum class Score {
  accuracy,  ///< share of right answers, 0 … 1
  error,     ///< percent of wrong ones
};

/** Trains by each recipe, at most two at a time, on the data set in `folder`. The row of a network is its score on the
 * test images after the last epoch; the figure shows every epoch, and as dots what was published. A network's numbers
 * depend on its recipe and the seed only, not on what is trained beside it. */
Result measure_networks(const std::string& folder, const std::vector<Published>& networks, Score score,
                        std::uint64_t seed, page::Section figure);

}  // namespace papers
