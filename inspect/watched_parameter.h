#pragma once

#include "tapegrad/core/parameter.h"
#include "tapegrad/inspect/record.h"
#include "tapegrad/inspect/statistics.h"

/// What updates do to a parameter. Private to Monitor.

namespace tapegrad::inline TAPEGRAD_ABI {

/// One unit's part in the last update of the linear layer that feeds it.
struct UnitUpdate {
  double weight_jump = 0;
  double weight_norm = 0;
  double bias_jump = 0;
  double gradient_norm = 0;
};

/// What an update did to the parameter as a whole and to each unit of it.
template <class T> class WatchedParameter {
 public:
  WatchedParameter(BasicParameter<T> parameter, Thinning steps, Thinning histograms)
      : parameter_(std::move(parameter)), steps_(steps), histograms_(histograms), before_(parameter_.value()) {}

  /// Keeps the value that the next update changes.
  void remember() { before_ = parameter_.value(); }
  bool is(const BasicParameter<T>& parameter) const { return parameter_ == parameter; }
  /// Of the last update looked at; zeros when there was none.
  UnitUpdate last_update(std::size_t unit) const {
    return unit < last_update_.size() ? last_update_[unit] : UnitUpdate{};
  }

  /// Appends the update that has just been made.
  void look(ParameterRecord& to, Index count);
  /// Appends a histogram of its gradient; `scratch` is used for the logarithms.
  void add_histogram(ParameterRecord& to, Index count, std::vector<T>& scratch);

 private:
  BasicParameter<T> parameter_;
  Thinning steps_, histograms_;
  BasicMatrix<T> before_;
  std::vector<UnitUpdate> last_update_;  ///< by row
};

}  // namespace tapegrad
