#include "tapegrad/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using enum SettingDomain;

/** From exactly `start` at 0 to exactly `end` at 1 along half a cosine. */
double half_cosine(double start, double end, double fraction) {
  const double c = std::cos(std::numbers::pi * fraction);
  return start * (1 + c) / 2 + end * (1 - c) / 2;
}

template <class S> void check(const S& schedule, Index step) {
  check_settings(S::name, {{"the step", step}});
  check_settings(S::name, schedule.settings());
}

double quotient(Index a, Index b) { return static_cast<double>(a) / static_cast<double>(b); }

}  // namespace

double ConstantSchedule::at(Index step) const {
  check(*this, step);
  return base_lr;
}

double StepSchedule::at(Index step) const {
  check(*this, step);
  return base_lr * std::pow(gamma, static_cast<double>(step / step_size));
}

double ExponentialSchedule::at(Index step) const {
  check(*this, step);
  return base_lr * std::pow(gamma, static_cast<double>(step));
}

double CosineSchedule::at(Index step) const {
  check(*this, step);
  return half_cosine(base_lr, eta_min, quotient(step, t_max));
}

double Warmup::at(Index step) const {
  check_settings("warmup", {{"the step", step}, {"start_factor", start_factor}, {"steps", steps, positive}});
  if (step >= steps) return then.at(step - steps);
  return then.at(0) * (start_factor + (1 - start_factor) * quotient(step, steps));
}

std::string Warmup::text() const {
  return described("warmup", Settings{{"steps", steps}, {"start_factor", start_factor}}) + " " + then.text();
}

double OneCycle::at(Index step) const {
  check(*this, step);
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

template <class S, class... Settings> Schedule made(Settings... settings) { return S{settings...}; }

/// n/d, rounded up
Index part(Index n, Index d) { return n / d + (n % d != 0); }

constexpr Named table[] = {
    {"constant", [](double lr, Index) { return made<ConstantSchedule>(lr); }},
    {"step", [](double lr, Index n) { return made<StepSchedule>(lr, part(n, 3), 0.1); }},
    {"exponential",
     [](double lr, Index n) { return made<ExponentialSchedule>(lr, std::pow(0.01, quotient(1, n))); }},
    {"cosine", [](double lr, Index n) { return made<CosineSchedule>(lr, n); }},
    {"linear_warmup", [](double lr, Index n) { return made<Warmup>(ConstantSchedule{lr}, part(n, 10), 1.0 / 3); }},
    {"one_cycle", [](double lr, Index n) { return made<OneCycle>(lr, n); }},
};

}  // namespace

Schedule make_schedule(std::string_view name, double base_lr, Index total_steps) {
  check_settings("schedule", {{"total_steps", total_steps, positive}});
  return find_named("schedule", table, name).make(base_lr, total_steps);
}

std::vector<std::string_view> schedules() { return names_of(table); }

}  // namespace tapegrad
