#pragma once

#include <map>
#include <set>

#include "diagnosis/config.h"
#include "tapegrad/tapegrad.h"

/// Two published detectors, re-implemented from their definitions; README.md says with what limits.

namespace diagnosis {

struct Epoch {
  double train_loss = 0, train_accuracy = 0, test_loss = 0, test_accuracy = 0;
};

/// One layer on a held-out batch, after an epoch.
struct LayerLook {
  double mean = 0, mean_abs = 0, share_off = 0, share_beyond_5 = 0;
  std::string kind;
  bool last = false;
};

/// Gradients and weights after an epoch.
struct GradientLook {
  std::vector<double> weight_norms, weight_means, weight_mean_abs, value_means;
  double zero_share = 0;
  bool finite = true;
  bool weights_finite = true;
};

/** AutoTrainer (Zhang et al., ICSE 2021): thresholds β1 1e-3, β2 1e-4, β3 70, γ 0.7, ζ 0.03, η 0.2, δ 0.01, Θ 0.6, ω1 10; looks at
 * every third epoch. */
class AutoTrainer {
 public:
  explicit AutoTrainer(double epochs) : total_(epochs) {}
  void look(const std::vector<Epoch>& epochs, const std::vector<LayerLook>& layers, const GradientLook& gradient);
  std::set<std::string> issues;
  Index epoch = -1;

 private:
  void look_at_course(const std::vector<Epoch>& h);
  double total_;
  bool abnormal_ = false, nan_ = false, vanish_ = false, explode_ = false, dead_ = false, nan_loss_ = false;
  bool unstable_ = false, low_ = false, flat_ = false;
};

/** DeepDiagnosis (Wardat et al., ICSE 2022): numerical errors, saturation beyond ±5, dead share 0.7, values that do not change in
 * 5 epochs (accuracy in 20), mean |∂L/∂W| below 1e-7; stops at the first. */
class DeepDiagnosis {
 public:
  explicit DeepDiagnosis(Index epochs) : total_(epochs) {}
  void look(const std::vector<Epoch>& epochs, const std::vector<LayerLook>& layers, const GradientLook& gradient);
  std::string issue;
  Index epoch = -1;

 private:
  std::string forward(const std::vector<LayerLook>& layers, std::size_t n);
  std::string loss(const std::vector<Epoch>& h) const;
  std::string backward(const GradientLook& g, std::size_t n) const;
  Index total_;
  std::vector<std::vector<double>> forward_, gradients_, weights_;
};

/** Looks at the layers of a network while it predicts. */
struct Reader : tg::BasicObserver<float> {
  explicit Reader(tg::Sequential& net);
  void on_forward(const tg::BasicTape<float>& tape, tg::NodeIndex index) override;
  std::map<const void*, std::pair<std::size_t, std::string>> modules;  ///< number, kind
  std::vector<LayerLook> looks;
};

GradientLook gradients_of(const tg::Sequential& net, const std::string& last_linear);

}  // namespace diagnosis
