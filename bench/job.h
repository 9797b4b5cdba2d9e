#pragma once

#include <string>
#include <string_view>
#include <vector>

/// The jobs that every contestant trains, as plain numbers: the same network, start, data and settings for each, also
/// for one that is compiled with other flags.

namespace bench {

enum class Activation { identity, relu, tanh, sigmoid };
enum class Loss { squared_error, cross_entropy };
enum class Optimizer { sgd, adam };

struct Layer {
  int in;
  int out;
  Activation activation;
};

struct Job {
  std::string name;
  std::string what;
  std::vector<Layer> layers;
  Loss loss;
  Optimizer optimizer;
  float lr;
  int batch;
  int batches;      ///< that are trained on in turn
  bool per_sample;  ///< speed is told in samples per second, otherwise in steps

  int inputs() const { return layers.front().in; }
  int outputs() const { return layers.back().out; }
  /** Multiplications and additions of one step's matrix products: forward, to the weights, and back to the inputs of
   * all layers but the first. */
  double flops_per_step() const;
  /** What one step counts in the job's unit of speed. */
  double per_step() const { return per_sample ? batch : 1; }
};

const std::vector<Job>& jobs();
const Job& job(std::string_view name);

/** Start weights (out×in, row by row) and biases per layer, and the samples, batch after batch. */
struct Data {
  std::vector<std::vector<float>> weights;
  std::vector<std::vector<float>> biases;
  std::vector<float> inputs;
  std::vector<int> labels;     ///< for cross-entropy
  std::vector<float> targets;  ///< for the squared error
};

Data make_data(const Job& job);

struct Adam {
  static constexpr double beta1 = 0.9;
  static constexpr double beta2 = 0.999;
  static constexpr double eps = 1e-8;
};

}  // namespace bench
