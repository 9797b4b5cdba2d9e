#pragma once

#include <tapegrad/tapegrad.h>

#include <cmath>
#include <utility>
#include <vector>

namespace curvature {

namespace tg = tapegrad::f64;
using tapegrad::Index;
using tapegrad::Rng;
using Vector = Eigen::VectorXd;

/// Fits the Chebyshev polynomial T₄ at 20 points: so few that every step sees all of them. A point or direction in
/// the space of all parameters is one long vector.
struct Task {
  tg::Sequential net;
  tg::Matrix x{20, 1};
  tg::Matrix y{20, 1};
  tg::Tape tape;

  explicit Task(Rng& rng)
      : net(tg::mlp({1, 50, 50, 50, 1}, tapegrad::Tanh(), rng,
                    {.linear = {.weight_init = tapegrad::xavier_normal(), .bias_init = tapegrad::zeros()}})) {
    for (Index i = 0; i < 20; ++i) {
      x(i, 0) = -1 + 2 * static_cast<double>(i) / 19;
      y(i, 0) = std::cos(4 * std::acos(x(i, 0)));
    }
  }

  tg::Var loss() {
    tape.reset();
    return tapegrad::mse(net(tape.input(x)), y);
  }
  /// Moves the parameters by v.
  void move(const Vector& v) {
    Index at = 0;
    for (tg::Parameter& p : net.parameters()) {
      p.mutable_value().reshaped<Eigen::RowMajor>() += v.segment(at, p.size());
      at += p.size();
    }
  }
  Vector gradient() {
    loss().backward();
    Vector g(0);
    for (const tg::Parameter& p : net.parameters()) append(g, p.grad());
    return g;
  }
  /// H·v = ∇(∇L·v), without H: the gradient of a number that is itself made of a gradient (Pearlmutter 1994).
  Vector hessian_times(const Vector& v) {
    const std::vector<tg::Parameter> parameters = net.parameters();
    std::vector<tg::Matrix> directions;
    Index at = 0;
    for (const tg::Parameter& p : parameters) {
      directions.emplace_back(v.segment(at, p.size()).reshaped<Eigen::RowMajor>(p.shape().rows, p.shape().cols));
      at += p.size();
    }
    Vector product(0);
    for (const tg::Var& h : tapegrad::hvp(loss(), parameters, directions)) append(product, h.value());
    return product;
  }
  /// The eigenvalue of the Hessian that is largest in size, by power iteration. v is where it begins, and becomes the
  /// eigenvector: from step to step it hardly turns.
  double sharpness(Vector& v) {
    double eigenvalue = 0;
    for (int i = 0; i < 100; ++i) {
      const Vector h = hessian_times(v);
      const double before = std::exchange(eigenvalue, v.dot(h));
      v = h.normalized();
      if (i > 2 && std::abs(eigenvalue - before) < 1e-4 * std::abs(eigenvalue)) break;
    }
    return eigenvalue;
  }

  static void append(Vector& v, const tg::Matrix& values) {
    v.conservativeResize(v.size() + values.size());
    v.tail(values.size()) = values.reshaped<Eigen::RowMajor>();
  }
};

inline Vector random_direction(Index size, Rng& rng) {
  return Vector::NullaryExpr(size, [&](Index) { return rng.normal(); }).normalized();
}

}  // namespace curvature
