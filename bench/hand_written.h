#pragma once

#include <Eigen/Core>
#include <cmath>
#include <limits>

#include "contestant.h"

/// The jobs as an expert writes them by hand in Eigen, without autograd: buffers allocated once, products without
/// temporaries, bias and activation in one pass, softmax and the gradient of cross-entropy in one pass, no gradient of
/// the input, Adam in blocks that stay in the first-level cache. Gradients are kept, as a framework keeps them.
/// `Product` multiplies the matrices; all are row-major and dense.

namespace bench {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowVector = Eigen::RowVectorXf;
using View = Eigen::Map<const Matrix>;

/// A Product of Eigen's own.
struct EigenProduct {
  /** c = a·bᵀ */
  template <class A, class B> static void nt(const A& a, const B& b, Matrix& c) { c.noalias() = a * b.transpose(); }
  /** c = aᵀ·b */
  template <class A, class B> static void tn(const A& a, const B& b, Matrix& c) { c.noalias() = a.transpose() * b; }
  /** c = a·b */
  template <class A, class B> static void nn(const A& a, const B& b, Matrix& c) { c.noalias() = a * b; }
};

/// Weights, gradients and what lies between the layers, allocated once.
struct Buffers {
  struct PerLayer {
    Matrix weight, weight_grad, weight_mean, weight_square;
    RowVector bias, bias_grad, bias_mean, bias_square;
    Matrix out, out_grad;
  };
  std::vector<PerLayer> layers;

  explicit Buffers(const Job& job) : layers(job.layers.size()) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Layer& layer = job.layers[i];
      PerLayer& at = layers[i];
      for (Matrix* matrix : {&at.weight, &at.weight_grad, &at.weight_mean, &at.weight_square})
        matrix->setZero(layer.out, layer.in);
      for (RowVector* vector : {&at.bias, &at.bias_grad, &at.bias_mean, &at.bias_square})
        vector->setZero(layer.out);
      at.out.setZero(job.batch, layer.out);
      at.out_grad.setZero(job.batch, layer.out);
    }
  }
};

template <class Product> class HandWritten : public Contestant {
 public:
  HandWritten(const Job& job, const Data& data)
      : job_(job), data_(data), buffers_(job), row_max_(job.batch), last_(job.layers.size() - 1) {
    restart();
  }

  void restart() override {
    buffers_ = Buffers(job_);
    for (std::size_t i = 0; i < job_.layers.size(); ++i) {
      auto& at = buffers_.layers[i];
      at.weight = View(data_.weights[i].data(), at.weight.rows(), at.weight.cols());
      at.bias = Eigen::Map<const RowVector>(data_.biases[i].data(), at.bias.size());
    }
    batch_ = 0;
    steps_ = 0;
  }

  void run(int steps) override {
    for (int i = 0; i < steps; ++i) step();
  }

  double loss() const override { return loss_; }

 private:
  using PerLayer = Buffers::PerLayer;

  void step() {
    const std::size_t first = static_cast<std::size_t>(batch_ * job_.batch);
    batch_ = batch_ + 1 == job_.batches ? 0 : batch_ + 1;
    const View x(data_.inputs.data() + first * static_cast<std::size_t>(job_.inputs()), job_.batch, job_.inputs());

    forward(0, x);
    for (std::size_t i = 1; i <= last_; ++i) forward(i, buffers_.layers[i - 1].out);
    cross_entropy(data_.labels.data() + first);
    for (std::size_t i = last_; i > 0; --i) {
      PerLayer& at = buffers_.layers[i];
      PerLayer& below = buffers_.layers[i - 1];
      Product::tn(at.out_grad, below.out, at.weight_grad);
      Product::nn(at.out_grad, at.weight, below.out_grad);
      through_activation(job_.layers[i - 1].activation, below);
    }
    Product::tn(buffers_.layers[0].out_grad, x, buffers_.layers[0].weight_grad);
    update();
  }

  template <class X> void forward(std::size_t i, const X& x) {
    PerLayer& at = buffers_.layers[i];
    Product::nt(x, at.weight, at.out);
    switch (job_.layers[i].activation) {
      case Activation::relu:
        for (Eigen::Index row = 0; row < at.out.rows(); ++row)
          at.out.row(row) = (at.out.row(row) + at.bias).cwiseMax(0.0F);
        break;
      case Activation::tanh:
        for (Eigen::Index row = 0; row < at.out.rows(); ++row)
          at.out.row(row) = (at.out.row(row) + at.bias).array().tanh();
        break;
      default:
        at.out.rowwise() += at.bias;
    }
  }

  /// dz = dy·f′(z), told by y = f(z), and its sum over the rows is the gradient of the bias.
  static void through_activation(Activation activation, PerLayer& at) {
    at.bias_grad.setZero();
    for (Eigen::Index row = 0; row < at.out.rows(); ++row) {
      auto grad = at.out_grad.row(row).array();
      const auto y = at.out.row(row).array();
      if (activation == Activation::relu)
        grad = (y > 0.0F).select(grad, 0.0F);
      else
        grad *= 1.0F - y.square();
      at.bias_grad += at.out_grad.row(row);
    }
  }

  /// The last layer's gradient, softmax − one-hot, and the loss on the way.
  void cross_entropy(const int* labels) {
    PerLayer& at = buffers_.layers[last_];
    const Eigen::Index rows = at.out.rows();
    row_max_ = at.out.rowwise().maxCoeff();
    double total = 0;
    for (Eigen::Index row = 0; row < rows; ++row) {
      at.out_grad.row(row).array() = at.out.row(row).array() - row_max_(row);
      total -= static_cast<double>(at.out_grad(row, labels[row]));
    }
    at.out_grad.array() = at.out_grad.array().exp();
    const float scale = 1.0F / static_cast<float>(rows);
    for (Eigen::Index row = 0; row < rows; ++row) {
      const float sum = at.out_grad.row(row).sum();
      total += static_cast<double>(std::log(sum));
      at.out_grad.row(row) *= scale / sum;
      at.out_grad(row, labels[row]) -= scale;
    }
    loss_ = total / static_cast<double>(rows);
    at.bias_grad = at.out_grad.colwise().sum();
  }

  void update() {
    ++steps_;
    for (PerLayer& at : buffers_.layers) {
      if (job_.optimizer == Optimizer::sgd) {
        at.weight -= job_.lr * at.weight_grad;
        at.bias -= job_.lr * at.bias_grad;
      } else {
        adam(at.weight.size(), at.weight.data(), at.weight_grad.data(), at.weight_mean.data(),
             at.weight_square.data());
        adam(at.bias.size(), at.bias.data(), at.bias_grad.data(), at.bias_mean.data(), at.bias_square.data());
      }
    }
  }

  void adam(Eigen::Index size, float* weight, const float* grad, float* mean, float* square) const {
    const auto beta1 = static_cast<float>(Adam::beta1);
    const auto beta2 = static_cast<float>(Adam::beta2);
    const auto eps = static_cast<float>(Adam::eps);
    const double step_size = static_cast<double>(job_.lr) / (1 - std::pow(Adam::beta1, steps_));
    const double correction = 1 / std::sqrt(1 - std::pow(Adam::beta2, steps_));
    constexpr Eigen::Index block = 1024;
    for (Eigen::Index first = 0; first < size; first += block) {
      const Eigen::Index count = std::min(block, size - first);
      Eigen::Map<Eigen::ArrayXf> w(weight + first, count);
      const Eigen::Map<const Eigen::ArrayXf> g(grad + first, count);
      Eigen::Map<Eigen::ArrayXf> m(mean + first, count);
      Eigen::Map<Eigen::ArrayXf> v(square + first, count);
      m += (1 - beta1) * (g - m);
      v = beta2 * v + (1 - beta2) * g.square();
      w -= static_cast<float>(step_size) * m / (v.sqrt() * static_cast<float>(correction) + eps);
    }
  }

  Job job_;
  Data data_;
  Buffers buffers_;
  Eigen::VectorXf row_max_;
  std::size_t last_;
  int batch_ = 0;
  int steps_ = 0;
  double loss_ = 0;
};

/// The matrix products of a job and nothing else: what any program with this Product has to wait for.
template <class Product> class MatmulOnly : public Contestant {
 public:
  MatmulOnly(const Job& job, const Data& data) : job_(job), data_(data), buffers_(job) {
    for (std::size_t i = 0; i < buffers_.layers.size(); ++i) {
      auto& at = buffers_.layers[i];
      at.weight = View(data_.weights[i].data(), at.weight.rows(), at.weight.cols());
      at.out_grad.setConstant(0.25F);
    }
  }

  void restart() override { batch_ = 0; }
  double loss() const override { return std::numeric_limits<double>::quiet_NaN(); }

  void run(int steps) override {
    for (int i = 0; i < steps; ++i) step();
  }

 private:
  void step() {
    const std::size_t first = static_cast<std::size_t>(batch_ * job_.batch);
    batch_ = batch_ + 1 == job_.batches ? 0 : batch_ + 1;
    const View x(data_.inputs.data() + first * static_cast<std::size_t>(job_.inputs()), job_.batch, job_.inputs());
    auto& layers = buffers_.layers;
    Product::nt(x, layers[0].weight, layers[0].out);
    for (std::size_t i = 1; i < layers.size(); ++i) Product::nt(layers[i - 1].out, layers[i].weight, layers[i].out);
    for (std::size_t i = layers.size() - 1; i > 0; --i) {
      Product::tn(layers[i].out_grad, layers[i - 1].out, layers[i].weight_grad);
      Product::nn(layers[i].out_grad, layers[i].weight, layers[i - 1].out_grad);
    }
    Product::tn(layers[0].out_grad, x, layers[0].weight_grad);
  }

  Job job_;
  Data data_;
  Buffers buffers_;
  int batch_ = 0;
};

}  // namespace bench
