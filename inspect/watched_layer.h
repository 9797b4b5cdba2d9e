#pragma once

#include <optional>
#include <vector>

#include "tapegrad/inspect/record.h"
#include "tapegrad/inspect/statistics.h"
#include "tapegrad/inspect/unit_health.h"
#include "tapegrad/inspect/watched_parameter.h"
#include "tapegrad/layers/activation.h"
#include "tapegrad/layers/linear.h"

/// What the samples of a step do to the units of an activation layer. Private to Monitor.

namespace tapegrad::inline TAPEGRAD_ABI {

/// A step that is looked at.
struct Look {
  Index step = 0;
  Index updates = 1;       ///< since the look before
  double lr = 0;           ///< of the last of them
  bool units = true;       ///< are judged, too: what their weights were before is known
  bool histogram = false;  ///< of z
};

/// One activation layer, and what must be remembered of it from step to step. What may fail comes first and changes nothing in
/// the record, nor in what is remembered, so that a step that fails for want of memory can be repeated.
template <class T> struct WatchedLayer {
  WatchedLayer(const BasicActivationLayer<T>* layer, Thinning steps, Thinning histograms, Index confirm_after,
               Index most_records);

  /// Looks at the layer's nodes before `end`; `scratch` is used for its f′.
  void look(const Look& look, const BasicTape<T>& tape, NodeIndex end, const LayerRecord& to,
            const std::vector<WatchedParameter<T>>& parameters, std::vector<T>& scratch);
  /// Between two looks, units that went off and are not yet dead: does any sample turn them on?
  void follow(const BasicTape<T>& tape, NodeIndex end, const LayerRecord& to, std::vector<T>& scratch);
  void end_firing_period(bool looked);
  void make_room(LayerRecord& to) const;

  void commit(LayerRecord& to) noexcept;
  void commit_firing_period(Index step, LayerRecord& to) noexcept;
  void begin_epoch() noexcept {
    for (Unit& unit : units_) unit.off_this_epoch = true;
  }

  const BasicActivationLayer<T>* layer;
  // Of the last look.
  bool seen = false;      ///< the layer was in the step
  double output_rms = 0;  ///< RMS ∂L/∂y
  LayerStep step{};

 private:
  void find_source(const BasicLinear<T>* source, const std::vector<WatchedParameter<T>>& parameters);
  void judge_units(const Look& look, const Node<T>& z, const LayerRecord& to, std::vector<T>& scratch);
  void note_death(Unit& unit, const Death& candidate, const LayerRecord& to);
  Death certificate(const Look& look, std::size_t unit) const;
  void thin_deaths(LayerRecord& to) noexcept;
  static bool waits(const Unit& unit) { return unit.judged && unit.off() && unit.death == Unit::never; }

  Thinning steps_, histograms_, firing_;
  Index confirm_after_;
  std::size_t most_records_;
  UnitSlopes<T> slopes_{};  ///< of the current batch
  std::vector<T> columns_;  ///< z of the units that are followed
  std::vector<Unit> units_{};
  std::vector<Death> candidates_{};  ///< of every unit what was noted when it went off, without the cause
  Index waiting_ = 0;                ///< units that are off and not yet dead
  bool finite_ = true;               ///< all z of this firing period were
  Index samples_ = 0;                ///< in this period
  const WatchedParameter<T>* weight_ = nullptr;  ///< of the linear layer that makes its z
  const WatchedParameter<T>* bias_ = nullptr;
  // What was seen and is not yet in the record.
  Index rows_ = 0;  ///< of z; 0 when its units were not judged
  std::optional<Histogram> histogram_{};
  std::vector<Unit> judged_{};           ///< the units after this step
  std::vector<Death> gone_off_{};        ///< of those that went off in it
  std::vector<std::size_t> followed_{};  ///< between two looks: those that were looked at …
  std::vector<bool> off_{};              ///< … and whether they were still off
  std::vector<Death> deaths_{};          ///< confirmed in this step
  std::vector<std::size_t> revived_{};   ///< places among the deaths of the record
  std::vector<double> rates_{};          ///< of the firing period that ends with this step
};

}  // namespace tapegrad
