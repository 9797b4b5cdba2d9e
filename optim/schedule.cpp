#include "tapegrad/optim/schedule.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/** Throws "[cosine] t_max must be positive, got 0" and the like; named after the schedule. */
struct Check {
  std::string_view schedule;

  Check(std::string_view name, Index step) : schedule(name) {
    if (step < 0) fail(schedule, fmt::format("the step must not be negative, got {}", step));
  }
  void not_negative(std::string_view setting, double value) const {
    if (!std::isfinite(value)) fail(schedule, fmt::format("{} must be finite, got {}", setting, value));
    if (value < 0) fail(schedule, fmt::format("{} must not be negative, got {}", setting, value));
  }
  void positive(std::string_view setting, double value) const {
    if (!std::isfinite(value)) fail(schedule, fmt::format("{} must be finite, got {}", setting, value));
    if (value <= 0) fail(schedule, fmt::format("{} must be positive, got {}", setting, value));
  }
  void positive(std::string_view setting, Index value) const { positive(setting, static_cast<double>(value)); }
};

/** From exactly `start` at 0 to exactly `end` at 1 along half a cosine. */
double half_cosine(double start, double end, double fraction) {
  const double c = std::cos(std::numbers::pi * fraction);
  return start * (1 + c) / 2 + end * (1 - c) / 2;
}

double quotient(Index a, Index b) { return static_cast<double>(a) / static_cast<double>(b); }

}  // namespace

double ConstantSchedule::at(Index step) const {
  Check("constant", step).not_negative("base_lr", base_lr);
  return base_lr;
}

double StepSchedule::at(Index step) const {
  const Check check("step", step);
  check.not_negative("base_lr", base_lr);
  check.positive("step_size", step_size);
  check.not_negative("gamma", gamma);
  return base_lr * std::pow(gamma, static_cast<double>(step / step_size));
}

double ExponentialSchedule::at(Index step) const {
  const Check check("exponential", step);
  check.not_negative("base_lr", base_lr);
  check.not_negative("gamma", gamma);
  return base_lr * std::pow(gamma, static_cast<double>(step));
}

double CosineSchedule::at(Index step) const {
  const Check check("cosine", step);
  check.not_negative("base_lr", base_lr);
  check.positive("t_max", t_max);
  check.not_negative("eta_min", eta_min);
  return half_cosine(base_lr, eta_min, quotient(step, t_max));
}

double LinearWarmup::at(Index step) const {
  const Check check("linear_warmup", step);
  check.not_negative("base_lr", base_lr);
  check.not_negative("start_factor", start_factor);
  check.positive("total_iters", total_iters);
  return base_lr * (start_factor + (1 - start_factor) * quotient(std::min(step, total_iters), total_iters));
}

double OneCycle::at(Index step) const {
  const Check check("one_cycle", step);
  check.not_negative("max_lr", max_lr);
  check.positive("total_steps", total_steps);
  if (!(pct_start >= 0 && pct_start <= 1))
    fail("one_cycle", fmt::format("pct_start must be in [0, 1], got {}", pct_start));
  check.positive("div_factor", div_factor);
  check.positive("final_div_factor", final_div_factor);
  const double first = max_lr / div_factor;
  const auto end = static_cast<double>(total_steps);
  const double peak = pct_start * end;
  const double t = std::min(static_cast<double>(step) + 1, end);  // counted from 1, as peak and end are
  if (t < peak) return half_cosine(first, max_lr, (t - 1) / (peak - 1));
  if (peak >= end) return max_lr;
  return half_cosine(max_lr, first / final_div_factor, (t - peak) / (end - peak));
}

namespace {

struct Named {
  std::string_view name;
  Schedule (*make)(double lr, Index steps);
};

constexpr Named table[] = {
    {"constant", [](double lr, Index) -> Schedule { return ConstantSchedule{lr}; }},
    {"step",
     [](double lr, Index n) -> Schedule {
       return StepSchedule{lr, (n + 2) / 3, 0.1};
     }},
    {"exponential",
     [](double lr, Index n) -> Schedule {
       return ExponentialSchedule{lr, std::pow(0.01, quotient(1, n))};
     }},
    {"cosine",
     [](double lr, Index n) -> Schedule {
       return CosineSchedule{lr, n};
     }},
    {"linear_warmup",
     [](double lr, Index n) -> Schedule {
       return LinearWarmup{lr, 1.0 / 3, (n + 9) / 10};
     }},
    {"one_cycle",
     [](double lr, Index n) -> Schedule {
       return OneCycle{lr, n};
     }},
};

}  // namespace

Schedule make_schedule(std::string_view name, double base_lr, Index total_steps) {
  if (total_steps <= 0) fail("schedule", fmt::format("total_steps must be positive, got {}", total_steps));
  for (const Named& entry : table)
    if (entry.name == name) return entry.make(base_lr, total_steps);
  fail("schedule", fmt::format("no schedule named '{}'{}", name, did_you_mean(name, schedules())));
}

std::vector<std::string_view> schedules() {
  std::vector<std::string_view> names;
  for (const Named& entry : table) names.push_back(entry.name);
  return names;
}

}  // namespace tapegrad
