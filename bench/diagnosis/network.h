#pragma once

#include <memory>

#include "diagnosis/data.h"
#include "tapegrad/tapegrad.h"

namespace diagnosis {

struct Net {
  tg::Sequential net;
  std::vector<std::string> linear_paths;      ///< in order
  std::vector<std::string> activation_paths;  ///< of the hidden layers
  Index outputs = 0;
};

/** The layers of a configuration for so many inputs and classes. */
Net build(const Config& config, Index features, int classes);
/** Labels, or the numbers of a regression, as the matrix that bce_with_logits and mse take. */
tg::Matrix targets_of(const Config& config, const Samples& samples, Index outputs);
tg::Var loss_of(const Config& config, tg::Var output, const Samples& samples);
/** Share of right answers; of a regression R² = 1 − MSE/variance. */
double accuracy_of(const Config& config, const tg::Matrix& output, const Samples& samples);
/** Of all samples, as the user of this configuration computes it: predict(), or a forgotten eval(). */
tg::Matrix outputs_of(const Config& config, tg::Sequential& net, const tg::Matrix& inputs);
std::unique_ptr<tg::Optimizer> optimizer_of(const Config& config, const std::vector<tg::Parameter>& parameters);
double lr_at(const Config& config, Index step, Index total);

/** An activation that AutoTrainer's corpus uses and the library does not have: eˣ. */
void register_exponential();

}  // namespace diagnosis
