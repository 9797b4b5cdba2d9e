#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <vector>

#include "tapegrad/core/tape.h"

/// Statistics of the values on a tape, and histories of bounded length. Private to Monitor.

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> using Values = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

/// Sum of an array expression, in floats over 32 terms at a time (Eigen adds a fixed number of them as a tree), then in
/// doubles: for any number of terms of one sign as exact as the terms are.
template <class Terms> double sum_of(const Eigen::ArrayBase<Terms>& terms) {
  constexpr Index block = 32;
  double sum = 0;
  Index i = 0;
  for (; i + block <= terms.size(); i += block)
    sum += static_cast<double>(terms.derived().template segment<block>(i).sum());
  for (; i < terms.size(); ++i) sum += static_cast<double>(terms.derived().coeff(i));
  return sum;
}
template <class Terms> double mean_of(const Eigen::ArrayBase<Terms>& terms) {
  return terms.size() == 0 ? 0 : sum_of(terms) / static_cast<double>(terms.size());
}

template <class T> double std_of(Values<T> v, double mean) {
  return std::sqrt(mean_of((v - static_cast<T>(mean)).square()));
}

/// RMS of ∂L/∂node; 0 when none has reached it.
template <class T> double gradient_rms(const Node<T>& node) {
  if (node.pass == 0) return 0;
  return std::sqrt(mean_of(Values<T>(node.grad, node.size()).square()));
}

/// √(mean over the columns of their variance over the rows); −1 when that says nothing.
template <class T> double sample_std_of(const T* values, Shape shape) {
  if (shape.rows < 2 || shape.cols == 0) return -1;
  const auto rows = static_cast<double>(shape.rows);
  const auto cols = static_cast<std::size_t>(shape.cols);
  std::vector<double> mean(cols);
  for (const T* y = values; y != values + shape.size(); y += cols)
    for (std::size_t c = 0; c < cols; ++c) mean[c] += static_cast<double>(y[c]);
  for (double& each : mean) each /= rows;
  double squares = 0;
  for (const T* y = values; y != values + shape.size(); y += cols)
    for (std::size_t c = 0; c < cols; ++c) squares += std::pow(static_cast<double>(y[c]) - mean[c], 2);
  const double result = std::sqrt(squares / rows / static_cast<double>(cols));
  return std::isfinite(result) ? result : -1;
}

inline double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/// A history of bounded length: entries a fixed number of steps apart, and the newest one. When it grows too long
/// the distance doubles, so that a long run keeps the same detail everywhere.
class Thinning {
 public:
  Thinning(Index distance, Index most) : distance_(distance), most_(static_cast<std::size_t>(most)) {}

  /// Gets the memory for one more entry, so that append() cannot fail.
  template <class Entry> static void make_room(std::vector<Entry>& entries) {
    if (entries.size() == entries.capacity()) entries.reserve(2 * entries.size() + 8);
  }
  template <class Entry> void append(std::vector<Entry>& entries, Entry entry) noexcept {
    const auto between = [this](const Entry& e) { return step_of(e) % distance_ != 0; };
    if (!entries.empty() && between(entries.back())) entries.pop_back();
    entries.push_back(std::move(entry));
    if (entries.size() <= most_) return;
    distance_ *= 2;
    std::erase_if(entries, [&](const Entry& e) { return between(e) && &e != &entries.back(); });
  }

 private:
  template <class Entry> static Index step_of(const Entry& entry) {
    if constexpr (requires { entry.step; })
      return entry.step;
    else
      return entry.first;
  }

  Index distance_;
  std::size_t most_;
};

}  // namespace tapegrad
