#pragma once

#include "tapegrad/core/reduction.h"
#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

struct BatchNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;  ///< weight of the newest batch in the running statistics
};

struct LayerNormOptions {
  double eps = 1e-5;
};

/** What both have: y = normalized(x)·weight + bias, weight and bias 1×n. */
template <class T> class BasicNormalization : public BasicModule<T> {
 public:
  Index out_features(Index) const override { return this->own_parameters()[0].size(); }
  /** "layer_norm(64, eps=1e-05)" */
  std::string text() const override;

  BasicParameter<T> weight;
  BasicParameter<T> bias;

 protected:
  BasicNormalization(std::string_view kind, Index features, double eps);
  BasicVar<T> forward(BasicVar<T> x) override;
  virtual BasicVar<T> normalized(BasicVar<T> x) = 0;

  double eps_;
};

/** y = (x − μ)/√(σ² + eps)·weight + bias per feature: batch×n → batch×n, weight and bias 1×n (Ioffe & Szegedy
 * 2015). In training μ and σ² are those of the batch and are mixed into running statistics (with the unbiased
 * variance); in eval mode the running ones are used. Throws in training for a batch of one row. */
template <class T> class BasicBatchNorm1d : public BasicNormalization<T> {
 public:
  explicit BasicBatchNorm1d(Index features, BatchNormOptions options = {});
  std::string_view kind() const override { return "batch_norm"; }
  /** "batch_norm(64, eps=1e-05, momentum=0.1)" */
  std::string text() const override;
  BasicMatrix<T>& running_mean() { return this->buffer(0); }
  BasicMatrix<T>& running_var() { return this->buffer(1); }

 protected:
  BasicVar<T> normalized(BasicVar<T> x) override;

 private:
  double momentum_;
};

/** y = (x − μ)/√(σ² + eps)·weight + bias per row: batch×n → batch×n, weight and bias 1×n (Ba et al. 2016). */
template <class T> class BasicLayerNorm : public BasicNormalization<T> {
 public:
  explicit BasicLayerNorm(Index features, LayerNormOptions options = {})
      : BasicNormalization<T>("layer_norm", features, options.eps) {}
  std::string_view kind() const override { return "layer_norm"; }

 protected:
  BasicVar<T> normalized(BasicVar<T> x) override { return standardize(x, Axis::cols, this->eps_); }
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Normalization)
TAPEGRAD_SCALARS(BatchNorm1d)
TAPEGRAD_SCALARS(LayerNorm)
