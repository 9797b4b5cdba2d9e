#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "groups.h"
#include "measure.h"

namespace lab {
namespace {

/// ∂p/∂z at z, row i the gradient of output i, from the tape.
Eigen::MatrixXd jacobian(const tg::Activation& f, const Eigen::RowVectorXd& z) {
  const tg::Index n = z.size();
  Eigen::MatrixXd j(n, n);
  for (tg::Index i = 0; i < n; ++i) {
    tg::f64::Tape tape;
    const tg::f64::Var in = tape.input(tg::f64::Matrix(z), {.requires_grad = true});
    const tg::f64::Matrix unit = tg::f64::Matrix::Identity(n, n).row(i);
    f(in).backward(unit);
    j.row(i) = in.grad();
  }
  return j;
}

Claim softmax_at_zero() {
  return {
      .id = 34,
      .text = "Softmax is not differentiable at 0",
      .expected_verdict = Verdict::is_false,
      .expectation = "Smooth everywhere, J = diag(p) − ppᵀ; gradient check below 1e-8.",
      .measure =
          [](Lab& lab) {
            const Eigen::RowVectorXd zero = Eigen::RowVectorXd::Zero(3);
            constexpr double h = 1e-6;
            double jump = 0;
            for (int i = 0; i < 3; ++i) {
              const Eigen::RowVectorXd step = h * Eigen::RowVectorXd::Unit(3, i);
              const Eigen::RowVectorXd right = (apply(lab.softmax, step) - apply(lab.softmax, zero)) / h;
              const Eigen::RowVectorXd left = (apply(lab.softmax, zero) - apply(lab.softmax, -step)) / h;
              jump = std::max(jump, (right - left).cwiseAbs().maxCoeff());
            }
            const Eigen::RowVectorXd p = apply(lab.softmax, zero);
            const Eigen::MatrixXd formula = Eigen::MatrixXd(p.asDiagonal()) - p.transpose() * p;
            const auto square = [&](std::span<const tg::f64::Var> in) { return lab.softmax(in[0]) * in[0]; };
            const tg::GradCheckResult at_zero =
                tg::grad_check(square, {zero}, {.full_jacobian = true, .tolerance = 1e-8});
            return Numbers{{"left and right slopes at 0 differ by", jump},
                           {"largest |J − (diag(p) − ppᵀ)| at 0",
                            (jacobian(lab.softmax, zero) - formula).cwiseAbs().maxCoeff()},
                           {"gradient check at 0, relative error", at_zero.worst.error}};
          },
      .claimed = {at_least("left and right slopes at 0 differ by", 1e-3)},
      .expected = {{"largest |J − (diag(p) − ppᵀ)| at 0", 0, 1e-12},
                   {"gradient check at 0, relative error", 0, 1e-8}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "At z = (0, 0, 0) the slopes from the left and from the right differ by {:.1g}, the gradient "
                "passes the "
                "check to {:.1g}, and it is diag(p) − ppᵀ to {:.1g}. It may be ReLU's kink at 0 that was meant.",
                n["left and right slopes at 0 differ by"], n["gradient check at 0, relative error"],
                n["largest |J − (diag(p) − ppᵀ)| at 0"]);
          }};
}

Claim softmax_negative_inputs() {
  return {
      .id = 35,
      .text = "Softmax has zero gradient for negative inputs, so dead units",
      .expected_verdict = Verdict::is_false,
      .expectation = "Shift invariant; z = (−3, −2, −1): p(1 − p) = .082, .185, .223.",
      .measure =
          [](Lab& lab) {
            const Eigen::RowVectorXd z = Eigen::RowVector3d(-3, -2, -1);
            const Eigen::RowVectorXd shifted = z.array() + 100;
            const Eigen::MatrixXd j = jacobian(lab.softmax, z);
            return Numbers{{"∂p₁/∂z₁ at (−3, −2, −1)", j(0, 0)},
                           {"∂p₂/∂z₂", j(1, 1)},
                           {"∂p₃/∂z₃", j(2, 2)},
                           {"largest of the three", j.diagonal().cwiseAbs().maxCoeff()},
                           {"change of p when 100 is added to z",
                            (apply(lab.softmax, shifted) - apply(lab.softmax, z)).cwiseAbs().maxCoeff()}};
          },
      .claimed = {exactly("largest of the three", 0)},
      .expected = {{"∂p₁/∂z₁ at (−3, −2, −1)", 0.082, 5e-4},
                   {"∂p₂/∂z₂", 0.185, 5e-4},
                   {"∂p₃/∂z₃", 0.223, 5e-4},
                   {"change of p when 100 is added to z", 0, 1e-12}},
      .sentence =
          [](const Numbers& n) {
            return fmt::format(
                "At three negative inputs the slopes are {:.3f}, {:.3f} and {:.3f}. Only differences between the "
                "inputs "
                "count: adding 100 to all of them changes the outputs by {:.1g}, so being negative means nothing.",
                n["∂p₁/∂z₁ at (−3, −2, −1)"], n["∂p₂/∂z₂"], n["∂p₃/∂z₃"], n["change of p when 100 is added to z"]);
          }};
}

}  // namespace

std::vector<Claim> softmax_claims() { return {softmax_at_zero(), softmax_negative_inputs()}; }

}  // namespace lab
