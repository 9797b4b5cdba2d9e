#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <vector>

#include "tapegrad/core/tape.h"

/// Statistics of the values on a tape, and histories of bounded length. Private to Monitor.

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> using Values = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

template <class T> double mean_of(Values<T> v) { return v.size() == 0 ? 0 : static_cast<double>(v.mean()); }

template <class T> double std_of(Values<T> v, double mean) {
  return v.size() == 0 ? 0 : std::sqrt(static_cast<double>((v - static_cast<T>(mean)).square().mean()));
}

/// RMS of ∂L/∂node; 0 when none has reached it.
template <class T> double gradient_rms(const Node<T>& node) {
  if (node.pass == 0 || node.size() == 0) return 0;
  return std::sqrt(static_cast<double>(Values<T>(node.grad, node.size()).square().mean()));
}

/// √(mean over the columns of their variance over the rows); −1 when that says nothing.
template <class T> double sample_std_of(const T* values, Shape shape) {
  if (shape.rows < 2 || shape.cols == 0) return -1;
  const Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> y(values, shape.rows,
                                                                                             shape.cols);
  const auto result = std::sqrt(static_cast<double>((y.rowwise() - y.colwise().mean()).square().mean()));
  return std::isfinite(result) ? result : -1;
}

inline double ratio(double a, double b) { return b > 0 ? a / b : 0; }

/// A history of bounded length: entries a fixed number of steps apart, and the newest one. When it grows too long
/// the distance doubles, so that a long run keeps the same detail everywhere.
class Thinning {
 public:
  Thinning(Index distance, Index most) : distance_(distance), most_(static_cast<std::size_t>(most)) {}

  template <class Entry> void append(std::vector<Entry>& entries, Entry entry) {
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
