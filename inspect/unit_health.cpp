#include "tapegrad/inspect/unit_health.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

constexpr double saturated_below = 0.1;  ///< of sup|f′|
constexpr double asleep_below = 0.001;   ///< of sup|f′|

}  // namespace

template <class T> void UnitSlopes<T>::begin(Index units, double sup_slope) {
  steepest_.assign(static_cast<std::size_t>(units), T(-1));
  unsaturated_.assign(static_cast<std::size_t>(units), 0);
  sup_slope_ = sup_slope;
  low_ = high_ = 0;
}

template <class T> void UnitSlopes<T>::add(const Activation& f, const T* z, Shape shape, std::vector<T>& scratch) {
  scratch.resize(static_cast<std::size_t>(shape.size()));
  f.slopes<T>({z, scratch.size()}, scratch.data());
  const T threshold = static_cast<T>(saturated_below * sup_slope_);
  for (Index row = 0; row < shape.rows; ++row) {
    const T* slope = scratch.data() + row * shape.cols;
    const T* in = z + row * shape.cols;
    Index low_in_row = 0;
    Index high_in_row = 0;
    for (Index unit = 0; unit < shape.cols; ++unit) {
      // x − x is 0 where x is finite, and NaN elsewhere.
      const bool finite = (in[unit] - in[unit]) + (slope[unit] - slope[unit]) == 0;
      const T size = finite ? std::abs(slope[unit]) : std::numeric_limits<T>::infinity();
      const bool saturated = size < threshold;
      const auto u = static_cast<std::size_t>(unit);
      steepest_[u] = std::max(steepest_[u], size);
      unsaturated_[u] += finite & !saturated;
      low_in_row += saturated & (in[unit] <= 0);
      high_in_row += saturated & (in[unit] > 0);
    }
    low_ += low_in_row;
    high_ += high_in_row;
  }
}

template <class T> bool UnitSlopes<T>::asleep(std::size_t unit) const {
  return judged(unit) && static_cast<double>(steepest_[unit]) < asleep_below * sup_slope_;
}

template class UnitSlopes<float>;
template class UnitSlopes<double>;

}  // namespace tapegrad
