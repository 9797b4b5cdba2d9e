#pragma once

#include <optional>

#include "tapegrad/core/parameter.h"
#include "tapegrad/inspect/record.h"
#include "tapegrad/inspect/statistics.h"

/// What updates do to a parameter. Private to Monitor.

namespace tapegrad::inline TAPEGRAD_ABI {

/// How far one unit's weights moved from one look to the next.
struct UnitUpdate {
  double weight_jump = 0;    ///< ‖Δw‖ of its row
  double weight_norm = 0;    ///< ‖w‖ before
  double bias_jump = 0;      ///< Δb, where the parameter is one row of biases
  double gradient_norm = 0;  ///< ‖∂L/∂w‖ at the look before
};

/// What an update did to the parameter as a whole, and what happened to each unit since the look before.
template <class T> class WatchedParameter {
 public:
  WatchedParameter(BasicParameter<T> parameter, Thinning steps, Thinning histograms)
      : parameter_(std::move(parameter)),
        steps_(steps),
        histograms_(histograms),
        before_(parameter_.value()),
        seen_(before_),
        unit_gradients_(static_cast<std::size_t>(is_row() ? before_.cols() : before_.rows())),
        seen_gradients_(unit_gradients_) {}

  /// Keeps the value that the next update changes.
  void remember() noexcept { before_ = parameter_.value(); }  // of the same shape: takes no memory
  bool is(const BasicParameter<T>& parameter) const { return parameter_ == parameter; }
  /// From the look before to the step that is being looked at; remember() must have been called before its update.
  UnitUpdate update_of(std::size_t unit) const;

  /// Looks at the update that has just been made, and throws when the parameter has another shape than `to` says. Only
  /// commit() makes what was seen part of the record.
  void look(const ParameterRecord& to, Index count);
  /// The same with a histogram of its gradient, of about 8192 elements where it is larger; `scratch` is used for the
  /// logarithms.
  void look_at_histogram(Index count, std::vector<T>& scratch);
  void make_room(ParameterRecord& to) const;
  void commit(ParameterRecord& to) noexcept;
  /// Throws unless the parameter has the shape that `to` says.
  void check_shape(const ParameterRecord& to) const;

 private:
  /// A row is a unit of the layer above; of a bias (one row) every column is one.
  bool is_row() const { return before_.rows() == 1; }
  Index unit_size() const { return is_row() ? 1 : before_.cols(); }

  BasicParameter<T> parameter_;
  Thinning steps_, histograms_;
  BasicMatrix<T> before_;                                ///< before the last update
  BasicMatrix<T> seen_;                                  ///< the same at the look before
  double unit_spread_ = -1;                              ///< see ParameterRecord
  std::vector<double> unit_gradients_, seen_gradients_;  ///< ‖∂L/∂w‖ of each unit now, and at the look before
  // What was seen and is not yet in the record.
  ParameterStep step_;
  std::optional<std::pair<Index, Histogram>> histogram_;
};

}  // namespace tapegrad
