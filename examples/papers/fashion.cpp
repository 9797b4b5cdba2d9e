// H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
// Algorithms", arXiv 1708.07747, 2017, table 3 (100 ReLU units: 0.871) and the benchmark of its repository (256-128 with
// batch normalization and dropout, 1024-512 with dropout).
//
// Measured: the accuracy on the 10,000 test images after the last epoch, not the best one.

#include <fmt/core.h>

#include "papers/classifier.h"
#include "papers/papers.h"

namespace papers {

Result fashion(const Options& options) {
  const std::vector<Published> networks{
      {{.name = "100 ReLU", .hidden = {100}, .epochs = 10}, "0.871", 0.861, 0.881},
      {{.name = "256-128, batch norm, dropout",
        .hidden = {256, 128},
        .dropout = 0.2,
        .batch_norm = true,
        .schedule = "cosine",
        .lr = 0.003,
        .epochs = 8,
        .batch = 64},
       "0.893",
       0.883,
       0.903},
      {{.name = "1024-512, dropout", .hidden = {1024, 512}, .dropout = 0.5, .schedule = "cosine", .epochs = 10},
       "0.888",
       0.878,
       0.898}};
  return measure_networks(options.fashion, networks, Score::accuracy, options.seed,
                          {.name = "Fashion-MNIST",
                           .title = "Fashion-MNIST",
                           .unit = "accuracy on the test images by epoch",
                           .reading = "A dot is what was published for the network of its colour.",
                           .columns = 1});
}

}  // namespace papers
