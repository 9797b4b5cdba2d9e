#pragma once

#include <functional>
#include <vector>

#include "lab.h"

/// The instruments: what several claims measure in the same way.
namespace lab {

using Function = std::function<double(double)>;
/** f and f′ of an elementwise activation as plain functions. */
Function value_of(const tg::Activation& f);
Function slope_of(const tg::Activation& f);

/** E[f(z)] for z ~ N(0, 1), by the trapezoid rule. */
double normal_mean(const Function& f);
double normal_variance(const Function& f);

/** Where a function is largest or smallest. */
struct Extremum {
  double at = 0;
  double value = 0;
};
/** On an even grid, refined by golden-section search around the best point. */
Extremum largest(const Function& f, double low, double high);
Extremum smallest(const Function& f, double low, double high);
/** Points in the same ratio to each other, from `low` to `high` (both positive), times `sign`. */
std::vector<double> decades(double low, double high, int count, double sign = 1);
/** x between low and high with f(x) = 0 by bisection; f must change its sign between them. */
double root(const Function& f, double low, double high);

/** f(x) as the float kernel computes it. */
float value_in_float(const tg::Activation& f, float x);
/** f″(x), the gradient of the taped gradient. */
double second_derivative(const tg::Activation& f, double x);
/** f of one row of numbers in double, for activations of a whole row. */
Eigen::RowVectorXd apply(const tg::Activation& f, const Eigen::RowVectorXd& x);
/** The gradient check's worst relative error over many points. */
double gradient_error(const tg::Activation& f, const tg::BasicMatrix<double>& x);

/** Nanoseconds per element of f forward on a 256×256 matrix of N(0, 1), the fastest of many repetitions. */
double nanoseconds(const tg::Activation& f, std::uint64_t seed);
/** The same per element of a product of two such matrices. */
double product_nanoseconds(std::uint64_t seed);

/** RMS of the outputs and of ∂L/∂z by layer in a deep network at initialization, zero biases, inputs N(0, 1). */
struct Propagation {
  std::vector<double> output;
  std::vector<double> gradient;
  /** Mean factor by which ∂L/∂z changes from a layer to the one below. */
  double gradient_factor() const;
  /** The same of the outputs from a layer to the one above. */
  double output_factor() const;
};
Propagation propagate(const tg::Activation& f, const tg::Initializer& weights, tg::Index depth, tg::Index width,
                      std::uint64_t seed);
/** The geometric mean over seeds of the gradient's factor per layer. */
double mean_gradient_factor(const tg::Activation& f, const tg::Initializer& weights, tg::Index depth,
                            tg::Index width, std::uint64_t seed, int seeds);

/** Student's t of paired differences a − b: their mean over its standard error. */
double paired_t(const std::vector<double>& a, const std::vector<double>& b);
double mean_of(const std::vector<double>& values);
/** How far the ranges of a and b overlap; negative: how far apart they are. */
double overlap(const std::vector<double>& a, const std::vector<double>& b);

/** One number of every run. */
template <class Of> std::vector<double> each(const std::vector<Training>& runs, Of of) {
  std::vector<double> values;
  for (const Training& run : runs) values.push_back(of(run));
  return values;
}

/** A matrix of independent N(0, 1). */
template <class T> tg::BasicMatrix<T> normal_matrix(tg::Index rows, tg::Index cols, tg::Rng& rng) {
  tg::BasicMatrix<T> x(rows, cols);
  for (T& value : x.reshaped()) value = static_cast<T>(rng.normal());
  return x;
}

}  // namespace lab
