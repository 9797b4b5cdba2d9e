#pragma once

#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// Where claims are measured: the activations under test, the data, and the trainings that several claims share.
namespace lab {

namespace tg = tapegrad;

/** How to train an MLP by plain SGD. */
struct TrainingOptions {
  std::vector<tg::Index> hidden{100, 100};
  tg::Initializer weights = tg::he_normal();
  double lr = 0.1;
  tg::Index batch = 32;
  tg::Index steps = 2000;
  /// Standard deviation of the noise on every gradient in step t: √(noise / (1 + t)^0.55) (Neelakantan et al. 2015).
  double noise = 0;
  /// Each layer's rate is that of the layer above times this.
  double rate_factor = 1;
  std::uint64_t seed = 42;
};

/** What became of it. */
struct Training {
  std::vector<double> loss;  ///< mean training loss of every tenth of the steps
  double train_accuracy = 0;
  double test_accuracy = 0;
  /// Mean output of every hidden unit over the first 1000 training samples, layer by layer: before and after.
  std::vector<Eigen::RowVectorXd> unit_means_before;
  std::vector<Eigen::RowVectorXd> unit_means_after;
  double mean_loss() const;
};

/** Trains a classifier on the images, deterministic in the seed. */
Training train(const tg::Dataset& data, const tg::Dataset& test, const tg::Activation& f,
               const TrainingOptions& options);

struct Lab {
  tg::Activation identity = tg::activation("identity");
  tg::Activation sigmoid = tg::activation("sigmoid");
  tg::Activation tanh = tg::activation("tanh");
  tg::Activation relu = tg::activation("relu");
  tg::Activation leaky_relu = tg::activation("leaky_relu");
  tg::Activation elu = tg::activation("elu");
  tg::Activation softmax = tg::activation("softmax");
  tg::Activation swish = tg::activation("swish");

  std::uint64_t seed = 42;
  std::string data_dir = {};
  double effort = 1;  ///< less of it: fewer repetitions and shorter trainings

  /** `full` times the effort, at least 1. */
  int repeats(int full) const;
  /** The images, read when they are first asked for. */
  const tg::Dataset& train_images();
  const tg::Dataset& test_images();
  /** Takes other images than those of data_dir. */
  void use_images(tg::Dataset train, tg::Dataset test);
  /** The same small network trained with f from five seeds; once for all claims that ask. */
  const std::vector<Training>& five_seeds(const tg::Activation& f);

 private:
  std::map<std::string, std::vector<Training>> trained_ = {};
  std::unique_ptr<tg::Dataset> train_images_ = {};
  std::unique_ptr<tg::Dataset> test_images_ = {};
};

}  // namespace lab
