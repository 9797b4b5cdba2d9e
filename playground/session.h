#pragma once

#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// What the page trains: a network on points in the plane, watched by a Monitor. It knows nothing of browsers, so that the tests
/// run it, too.
namespace playground {

namespace tg = tapegrad;
using tg::Index;

/** Everything that decides a run. */
struct Config {
  std::string data = "moons";  ///< xor, circles, moons, spirals, blobs, own
  Index points = 500;
  double noise = 0.1;
  double validation = 0.2;  ///< share of the points that are not trained on
  std::uint64_t seed = 42;
  std::vector<Index> hidden{8, 8};
  std::string activation = "tanh";
  std::string initializer = "xavier_normal";
  std::string optimizer = "adam";
  double lr = 0.01;
  double momentum = -1;      ///< −1: the optimizer's own
  double weight_decay = -1;  ///< the same
  Index batch = 10;
  bool batch_norm = false;
  double dropout = 0;
  bool softmax_twice = false;    ///< two outputs, softmax, and a loss that applies softmax again
  bool shuffled_labels = false;  ///< labels in another order than the points
  double input_scale = 1;        ///< factor of all inputs
  bool standardized = false;     ///< then every column to mean 0 and standard deviation 1
  std::vector<double> own = {};  ///< x1, x2, label of every own point

  bool operator==(const Config&) const = default;
};

/** All points of a configuration, drawn from `rng`. */
tg::Dataset points_of(const Config& config, tg::Rng& rng);

/** The C++ program of at most 30 lines that trains the network of a configuration and prints its losses. */
std::string program_of(const Config& config);

struct Evaluation {
  double loss = 0, accuracy = 0;
};

/** How one unit does on all training points, as the library's census and monitor say. */
struct UnitState {
  std::string state = "alive";   ///< alive, saturated, asleep, dead
  double firing_rate = 1;        ///< share of the points on which it is not saturated
  Index dead_since = -1;         ///< step; −1: not confirmed by the monitor
  Index revived = -1;            ///< step of the last revival
  std::string certificate = {};  ///< of the last death
};

/** A run. It stays where it is: the monitor points at the network. */
class Session {
 public:
  /** With `start`, the network begins with its parameters; they must have the same shapes. */
  explicit Session(const Config& config, const Session* start = nullptr);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /** Trains. */
  void run(Index steps);
  /** The same without the monitor, for measuring the engine alone. */
  void run_alone(Index steps);
  /** Changes what can be changed while the run goes on: learning rate, optimizer, batch size, weight decay. */
  void retune(const Config& config);
  /** Breaks something: "biases" (−10 in hidden layers), "weights" (ten times as large), "zero" (all weights 0). */
  void damage(const std::string& what);
  /** New weights for the dead units; how many there were. */
  Index revive();

  const Config& config() const { return config_; }
  Index steps() const { return monitor_->steps(); }
  const tg::RunRecord& record() const { return monitor_->record(); }
  tg::Sequential& net() { return net_; }
  const tg::Dataset& train() const { return train_; }
  const tg::Dataset& validation() const { return validation_; }
  /** Losses of the first 100 batches. */
  const std::vector<float>& first_losses() const { return first_losses_; }
  /** Loss and accuracy in eval mode. That on the points that are not trained on is told to the monitor. */
  Evaluation evaluate_train() { return evaluate(train_); }
  Evaluation evaluate_validation();

  /** States by layer and unit, in the order of record().layers without the output. */
  std::vector<std::vector<UnitState>> units();
  /** Extent of the plane that is shown, and the lines z = 0 of the first layer. */
  tg::DecisionMap map();

  /** Outputs over the plane in cells×cells: of every hidden unit in −1 … 1 (0 is 0, or the middle of a bounded range), layer
   * by layer, then the probability of class 1. Valid until the next call. */
  const std::vector<float>& pictures(Index cells);

 private:
  /** Records the loss of the next batch, goes back, and updates. */
  tg::Var step();
  Evaluation evaluate(const tg::Dataset& data);
  tg::Var loss_of(tg::Var outputs, std::span<const int> labels);
  void make_loader();
  void make_optimizer();
  void make_monitor();
  void make_grid(Index cells);

  Config config_;
  tg::Rng rng_;
  tg::Dataset train_, validation_;
  tg::Sequential net_;
  std::unique_ptr<tg::Optimizer> optimizer_;
  std::unique_ptr<tg::Monitor> monitor_;
  std::optional<tg::Loader> loader_;
  std::optional<tg::Loader::Iterator> at_;  ///< the batch of the last step
  tg::Tape tape_, view_;
  std::vector<float> first_losses_;
  std::array<double, 2> low_{}, high_{};
  tg::Matrix grid_;
  std::vector<float> pictures_;
};

}  // namespace playground
