#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapegrad/core/check.h"

/// Learning rates as pure functions of the number of steps taken, so nothing needs saving and any step can be
/// asked:
///
///     const CosineSchedule schedule{.base_lr = 0.1, .t_max = 1000};
///     for (…) {
///       optimizer.set_lr(schedule.at(optimizer.steps()));
///       …
///       optimizer.step();
///     }
///
/// Formulas and defaults are those of torch.optim.lr_scheduler in closed form; t is the step, from 0. at() throws
/// for a negative step and for a setting outside the range that stands beside it; base_lr is ≥ 0, all are finite.

namespace tapegrad::inline TAPEGRAD_ABI {

/** lr(t) = base_lr */
struct ConstantSchedule {
  double base_lr = 1e-3;
  static constexpr std::string_view name = "constant";
  auto settings() const { return std::array<CheckedNumber, 1>{{{"base_lr", base_lr}}}; }
  double at(Index step) const;
};

/** lr(t) = base_lr·γ^⌊t/step_size⌋ (StepLR) */
struct StepSchedule {
  double base_lr = 1e-3;
  Index step_size = 1;  ///< > 0
  double gamma = 0.1;   ///< ≥ 0
  static constexpr std::string_view name = "step";
  auto settings() const {
    return std::array<CheckedNumber, 3>{
        {{"base_lr", base_lr}, {"gamma", gamma}, {"step_size", step_size, SettingDomain::positive}}};
  }
  double at(Index step) const;
};

/** lr(t) = base_lr·γᵗ (ExponentialLR) */
struct ExponentialSchedule {
  double base_lr = 1e-3;
  double gamma = 0.99;  ///< ≥ 0
  static constexpr std::string_view name = "exponential";
  auto settings() const { return std::array<CheckedNumber, 2>{{{"base_lr", base_lr}, {"gamma", gamma}}}; }
  double at(Index step) const;
};

/** lr(t) = eta_min + (base_lr − eta_min)·(1 + cos(πt/t_max))/2: down to eta_min at t_max, and up again beyond
 * (CosineAnnealingLR; Loshchilov & Hutter 2017) */
struct CosineSchedule {
  double base_lr = 1e-3;
  Index t_max = 1;     ///< > 0
  double eta_min = 0;  ///< ≥ 0
  static constexpr std::string_view name = "cosine";
  auto settings() const {
    return std::array<CheckedNumber, 3>{
        {{"base_lr", base_lr}, {"eta_min", eta_min}, {"t_max", t_max, SettingDomain::positive}}};
  }
  double at(Index step) const;
};

/** Along half cosines from max_lr/div_factor up to max_lr at t = pct_start·total_steps − 1, and down to
 * max_lr/(div_factor·final_div_factor) at t = total_steps − 1, where it stays (OneCycleLR; Smith & Topin 2018) */
struct OneCycle {
  double max_lr = 1e-3;           ///< ≥ 0
  Index total_steps = 1;          ///< > 0
  double pct_start = 0.3;         ///< in [0, 1]
  double div_factor = 25;         ///< > 0
  double final_div_factor = 1e4;  ///< > 0
  static constexpr std::string_view name = "one_cycle";
  auto settings() const {
    return std::array<CheckedNumber, 5>{{{"max_lr", max_lr},
                                         {"total_steps", total_steps, SettingDomain::positive},
                                         {"pct_start", pct_start, SettingDomain::up_to_one},
                                         {"div_factor", div_factor, SettingDomain::positive},
                                         {"final_div_factor", final_div_factor, SettingDomain::positive}}};
  }
  double at(Index step) const;
};

/** Any schedule: one of the above, or your own type with `double at(Index) const`. Throws when it cannot tell the
 * rate of step 0. */
class Schedule {
 public:
  template <class S>
  requires requires(const S& s) { s.at(Index{}); }
  Schedule(S schedule) {
    if constexpr (requires { schedule.text(); })
      text_ = schedule.text();
    else if constexpr (requires { schedule.settings(); })
      text_ = described(S::name, schedule.settings());
    at_ = [s = std::move(schedule)](Index step) { return s.at(step); };
    at(0);
  }

  double at(Index step) const { return at_(step); }
  /** "cosine(base_lr=0.1, eta_min=0, t_max=1000)": what a checkpoint compares. Of your own type what its text() says, or its
   * `name` and settings(); empty when it has neither. */
  const std::string& text() const { return text_; }

 private:
  std::function<double(Index)> at_;
  std::string text_;
};

/** A way up before any schedule: lr(t) = s(0)·(start_factor + (1 − start_factor)·t/steps) for t < steps (LinearLR), then s(t − steps)
 *
 *      Schedule schedule = Warmup{.then = CosineSchedule{.base_lr = 0.1, .t_max = 900}, .steps = 100}; */
struct Warmup {
  Schedule then;            ///< s
  Index steps = 1;          ///< > 0
  double start_factor = 0;  ///< ≥ 0
  double at(Index step) const;
  std::string text() const;
};

/** The schedule of that name for a run of `total_steps`, for command lines:
 *
 *      constant        base_lr
 *      step            a tenth after each third of the run
 *      exponential     down to a hundredth at the end
 *      cosine          down to 0 at the end
 *      linear_warmup   up from a third in the first tenth, then base_lr
 *      one_cycle       base_lr is the peak
 *
 * Throws for an unknown name: "[schedule] no schedule named 'cosin'; did you mean 'cosine'?" */
Schedule make_schedule(std::string_view name, double base_lr, Index total_steps);

/** The names that make_schedule() knows. */
std::vector<std::string_view> schedules();

}  // namespace tapegrad
