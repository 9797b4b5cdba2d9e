#pragma once

#include <cmath>
#include <vector>

#include "tapegrad/core/registry.h"
#include "tapegrad/inspect/record.h"

/// Which units are saturated, asleep and dead. Private to Monitor and census().

namespace tapegrad::inline TAPEGRAD_ABI {

/** The |f′| of a layer's units over some samples: the definitions of saturated, asleep and dead. */
template <class T> class UnitSlopes {
 public:
  /** Forgets what was added. */
  void begin(Index units, double sup_slope);
  /** Adds a batch of z; `scratch` is used for its f′. */
  void add(const Activation& f, const T* z, Shape shape, std::vector<T>& scratch);

  std::size_t units() const { return steepest_.size(); }
  /** Whether there were samples and all of their z and f′ were finite; otherwise the unit is neither dead nor asleep. */
  bool judged(std::size_t unit) const { return steepest_[unit] >= 0 && std::isfinite(steepest_[unit]); }
  bool dead(std::size_t unit) const { return steepest_[unit] == 0; }
  bool asleep(std::size_t unit) const;
  /** Samples on which the unit was not saturated, and z finite. */
  Index unsaturated(std::size_t unit) const { return unsaturated_[unit]; }
  /** Saturated (sample, unit) with z ≤ 0, and with z > 0. */
  Index low() const { return low_; }
  Index high() const { return high_; }

 private:
  std::vector<T> steepest_;  ///< largest |f′| of each unit; −1 before any sample, ∞ where z was not finite
  std::vector<Index> unsaturated_;  ///< see unsaturated()
  double sup_slope_ = 1;
  Index low_ = 0;
  Index high_ = 0;
};

/** One unit of an activation layer, from look to look. */
struct Unit {
  static constexpr Index never = -1;
  Index off_since = never;  ///< first step of the latest looks in which it was off; never: it fired in the last one
  Index off_looks = 0;      ///< looks since then
  Index unsaturated = 0;    ///< samples of this period on which it was not saturated
  Index death = never;      ///< its place among the deaths of the layer while it is dead
  bool off_this_epoch = true;  ///< in every look
  bool judged = true;          ///< in the last look, z was finite; else whether it is off cannot be said

  /** Takes down a look in which f′ was 0 on every sample, or was not. Returns whether the unit has just gone off. */
  bool see(bool off, Index step) {
    off_this_epoch = off_this_epoch && off;
    const bool was_off = off_since != never;
    off_looks = off && was_off ? off_looks + 1 : 0;
    off_since = !off ? never : was_off ? off_since : step;
    return off && !was_off;
  }
  bool off() const { return off_since != never; }
  /** Still off after so many further looks. */
  bool dead(Index confirm_after) const { return off() && off_looks >= confirm_after; }
};

}  // namespace tapegrad
