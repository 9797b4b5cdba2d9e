#pragma once

#include <optional>

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
      : parameter_(std::move(parameter)), steps_(steps), histograms_(histograms), before_(parameter_.value()) {
    const Shape shape = parameter_.shape();
    update_.resize(static_cast<std::size_t>(shape.rows == 1 ? shape.cols : shape.rows));
    last_update_ = update_;
  }

  /// Keeps the value that the next update changes.
  void remember() noexcept { before_ = parameter_.value(); }  // of the same shape: takes no memory
  bool is(const BasicParameter<T>& parameter) const { return parameter_ == parameter; }
  /// Of the last update looked at; zeros when there was none.
  UnitUpdate last_update(std::size_t unit) const {
    return unit < last_update_.size() ? last_update_[unit] : UnitUpdate{};
  }

  /// Looks at the update that has just been made, and throws when the parameter has another shape than `to` says. Only
  /// commit() makes what was seen part of the record.
  void look(const ParameterRecord& to, Index count);
  /// The same with a histogram of its gradient; `scratch` is used for the logarithms.
  void look_at_histogram(Index count, std::vector<T>& scratch);
  void make_room(ParameterRecord& to) const;
  void commit(ParameterRecord& to) noexcept;
  /// Throws unless the parameter has the shape that `to` says.
  void check_shape(const ParameterRecord& to) const;

 private:
  BasicParameter<T> parameter_;
  Thinning steps_, histograms_;
  BasicMatrix<T> before_;
  double unit_spread_ = -1;              ///< see ParameterRecord
  std::vector<UnitUpdate> last_update_;  ///< by row
  // What was seen and is not yet in the record.
  std::vector<UnitUpdate> update_;
  ParameterStep step_;
  std::optional<std::pair<Index, Histogram>> histogram_;
};

}  // namespace tapegrad
