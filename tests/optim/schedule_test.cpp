#include "tapegrad/optim/schedule.h"

#include <doctest/doctest.h>

#include <limits>

#include "golden.h"
#include "tapegrad/core/error.h"

using namespace tapegrad;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

double number(const nlohmann::json& settings, const char* key, double otherwise) {
  return settings.contains(key) ? settings[key].get<double>() : otherwise;
}
Index count(const nlohmann::json& settings, const char* key, Index otherwise) {
  return settings.contains(key) ? settings[key].get<Index>() : otherwise;
}

/// The schedule that the golden file describes.
Schedule golden_schedule(const std::string& name, double lr, const nlohmann::json& settings) {
  if (name == "step") {
    const StepSchedule d;
    return StepSchedule{lr, count(settings, "step_size", d.step_size), number(settings, "gamma", d.gamma)};
  }
  if (name == "exponential") return ExponentialSchedule{lr, number(settings, "gamma", ExponentialSchedule().gamma)};
  if (name == "cosine") {
    const CosineSchedule d;
    return CosineSchedule{lr, count(settings, "t_max", d.t_max), number(settings, "eta_min", d.eta_min)};
  }
  if (name == "linear_warmup") {
    return Warmup{.then = ConstantSchedule{lr},
                  .steps = count(settings, "total_iters", 5),
                  .start_factor = number(settings, "start_factor", 1.0 / 3)};
  }
  if (name == "one_cycle") {
    const OneCycle d;
    return OneCycle{.max_lr = number(settings, "max_lr", lr),
                    .total_steps = count(settings, "total_steps", d.total_steps),
                    .pct_start = number(settings, "pct_start", d.pct_start),
                    .div_factor = number(settings, "div_factor", d.div_factor),
                    .final_div_factor = number(settings, "final_div_factor", d.final_div_factor)};
  }
  REQUIRE_MESSAGE(name == "constant", "no schedule for the golden values of " << name);
  return ConstantSchedule{lr};
}

}  // namespace

TEST_CASE("golden: schedules agree with PyTorch at every step") {
  const nlohmann::json golden = load_golden("schedules");
  const nlohmann::json& settings = golden.at("settings");
  int seen = 0;
  for (const auto& [name, rates] : golden.items()) {
    if (name == "settings") continue;
    const Schedule schedule = golden_schedule(name, settings.at("base_lr").get<double>(), settings.at(name));
    const f64::Matrix expected = golden_matrix(rates);
    f64::Matrix actual(expected.rows(), expected.cols());
    for (Index step = 0; step < actual.size(); ++step) actual(step) = schedule.at(step);
    check_close(actual, expected, name);
    ++seen;
  }
  CHECK(seen > 0);
}

TEST_CASE("schedule: values at the corners") {
  CHECK(ConstantSchedule{0.3}.at(7) == 0.3);

  const StepSchedule step{.base_lr = 1, .step_size = 3, .gamma = 0.5};
  CHECK(step.at(2) == 1);
  CHECK(step.at(3) == 0.5);
  CHECK(step.at(9) == 0.125);

  CHECK(ExponentialSchedule{.base_lr = 8, .gamma = 0.5}.at(3) == 1);

  const CosineSchedule cosine{.base_lr = 1, .t_max = 10, .eta_min = 0.25};
  CHECK(cosine.at(0) == 1);
  CHECK(cosine.at(10) == 0.25);
  CHECK(cosine.at(20) == 1);
  CHECK(cosine.at(13) == doctest::Approx(cosine.at(7)).scale(0).epsilon(1e-14));

  const Warmup warmup{.then = ConstantSchedule{2}, .steps = 4, .start_factor = 0.5};
  CHECK(warmup.at(0) == 1);
  CHECK(warmup.at(2) == 1.5);
  CHECK(warmup.at(4) == 2);
  CHECK(warmup.at(1000000) == 2);

  const OneCycle cycle{.max_lr = 1, .total_steps = 100};
  CHECK(cycle.at(0) == 1.0 / 25);
  CHECK(cycle.at(29) == 1);
  CHECK(cycle.at(99) == doctest::Approx(1.0 / 25 / 1e4).scale(0).epsilon(1e-14));
  CHECK(cycle.at(100) == cycle.at(99));
  for (Index t = 1; t < 100; ++t) CHECK((cycle.at(t) > cycle.at(t - 1)) == (t <= 29));
}

TEST_CASE("schedule: one_cycle without a way up, without a way down, and of one step") {
  CHECK(OneCycle{.max_lr = 1, .total_steps = 10, .pct_start = 0.1}.at(0) == 1);
  CHECK(OneCycle{.max_lr = 1, .total_steps = 10, .pct_start = 1}.at(9) == 1);
  CHECK(OneCycle{.max_lr = 1, .total_steps = 10, .pct_start = 1}.at(50) == 1);
  CHECK(OneCycle{.max_lr = 1, .total_steps = 1}.at(0) == 1.0 / 25 / 1e4);
  CHECK(OneCycle{.max_lr = 1, .total_steps = 1, .pct_start = 1}.at(0) == 1);
  CHECK(std::isfinite(OneCycle{.max_lr = 1, .total_steps = 10, .pct_start = 0}.at(0)));
}

TEST_CASE("schedule: any type with at() is one") {
  struct Sawtooth {
    double at(Index step) const { return 0.1 * static_cast<double>(step % 3); }
  };
  Schedule schedule = Sawtooth{};
  CHECK(schedule.at(5) == 0.2);
  const Schedule copy = schedule;
  CHECK(copy.at(5) == 0.2);
  schedule = CosineSchedule{.base_lr = 1, .t_max = 2};
  CHECK(schedule.at(2) == 0);
}

TEST_CASE("schedule: a way up before any other") {
  const Warmup warmup{.then = CosineSchedule{.base_lr = 1, .t_max = 10}, .steps = 4, .start_factor = 0.5};
  CHECK(warmup.at(0) == 0.5);
  CHECK(warmup.at(2) == 0.75);
  CHECK(warmup.at(4) == 1);
  CHECK(warmup.at(9) == CosineSchedule{.base_lr = 1, .t_max = 10}.at(5));
  CHECK(Schedule(Warmup{.then = warmup, .steps = 2}).at(3) == warmup.at(1));
  CHECK(Warmup{.then = ConstantSchedule{2}, .steps = 4}.at(1) == 0.5);
  CHECK_THROWS_WITH_AS((Warmup{.then = ConstantSchedule{2}, .steps = 0}.at(0)),
                       "[warmup] steps must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS((Warmup{.then = ConstantSchedule{2}, .start_factor = -1}.at(0)),
                       "[warmup] start_factor must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS(warmup.at(-1), "[warmup] the step must not be negative, got -1", Error);
}

TEST_CASE("schedule: what a checkpoint compares") {
  struct Sawtooth {
    double at(Index step) const { return static_cast<double>(step % 3); }
  };
  struct Named {
    double at(Index) const { return 1; }
    std::string text() const { return "mine"; }
  };
  CHECK(Schedule(Sawtooth{}).text().empty());
  CHECK(Schedule(Named{}).text() == "mine");
  CHECK(make_schedule("one_cycle", 0.1, 50).text() ==
        "one_cycle(max_lr=0.1, total_steps=50, pct_start=0.3, div_factor=25, final_div_factor=10000)");
  CHECK(Schedule(Warmup{.then = StepSchedule{0.5, 3, 0.1}, .steps = 4}).text() ==
        "warmup(steps=4, start_factor=0) step(base_lr=0.5, gamma=0.1, step_size=3)");
}

TEST_CASE("schedule: by name") {
  CHECK(schedules() ==
        std::vector<std::string_view>{"constant", "step", "exponential", "cosine", "linear_warmup", "one_cycle"});
  for (const std::string_view name : schedules()) {
    CAPTURE(name);
    for (const Index steps : {1, 2, 7, 1000}) {
      const Schedule schedule = make_schedule(name, 0.5, steps);
      double largest = 0;
      for (Index t = 0; t < steps + 3; ++t) {
        CHECK(schedule.at(t) >= 0);
        largest = std::max(largest, schedule.at(t));
      }
      CHECK(largest <= 0.5 * (1 + 1e-15));
      if (steps == 1000) CHECK(largest == doctest::Approx(0.5).scale(0).epsilon(1e-12));
    }
  }
  CHECK(make_schedule("step", 1, 30).at(29) == doctest::Approx(0.01).scale(0));
  CHECK(make_schedule("exponential", 1, 30).at(30) == doctest::Approx(0.01).scale(0));
  CHECK(make_schedule("cosine", 1, 30).at(30) == 0);
  CHECK(make_schedule("linear_warmup", 3, 30).at(0) == doctest::Approx(1).scale(0));
  CHECK(make_schedule("linear_warmup", 3, 30).at(3) == 3);
  CHECK_THROWS_WITH_AS(make_schedule("cosin", 1, 30),
                       "[schedule] no schedule named 'cosin'; did you mean 'cosine'?", Error);
  CHECK_THROWS_WITH_AS(make_schedule("polynomial", 1, 30),
                       "[schedule] no schedule named 'polynomial'; there are constant, step, exponential, cosine, "
                       "linear_warmup, one_cycle",
                       Error);
  CHECK_THROWS_WITH_AS(make_schedule("cosine", 1, 0), "[schedule] total_steps must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS(make_schedule("cosine", -1, 5), "[cosine] base_lr must not be negative, got -1", Error);
}

TEST_CASE("schedule: the longest of all runs") {
  constexpr Index longest = std::numeric_limits<Index>::max();
  for (const std::string_view name : schedules()) {
    CAPTURE(name);
    const Schedule schedule = make_schedule(name, 0.5, longest);
    for (const Index t : {Index{0}, longest / 2, longest}) {
      CHECK(schedule.at(t) >= 0);
      CHECK(schedule.at(t) <= 0.5);
    }
  }
  CHECK(make_schedule("step", 1, longest).at(longest / 3 + 1) == doctest::Approx(0.1).scale(0));
  CHECK(make_schedule("linear_warmup", 1, longest).at(longest / 10 + 1) == 1);
  CHECK(make_schedule("step", 1, 4).at(1) == 1);  // a third is rounded up
  CHECK(make_schedule("step", 1, 4).at(2) == doctest::Approx(0.1).scale(0));
}

TEST_CASE("schedule: errors") {
  CHECK_THROWS_WITH_AS(ConstantSchedule{not_a_number}.at(0), "[constant] base_lr must be finite, got nan", Error);
  CHECK_THROWS_WITH_AS(ConstantSchedule{}.at(-1), "[constant] the step must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS((StepSchedule{.step_size = 0}.at(0)), "[step] step_size must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS((StepSchedule{.gamma = -1}.at(0)), "[step] gamma must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS((ExponentialSchedule{.gamma = not_a_number}.at(0)),
                       "[exponential] gamma must be finite, got nan", Error);
  CHECK_THROWS_WITH_AS((CosineSchedule{.t_max = -3}.at(0)), "[cosine] t_max must be positive, got -3", Error);
  CHECK_THROWS_WITH_AS((CosineSchedule{.eta_min = -3}.at(0)), "[cosine] eta_min must not be negative, got -3",
                       Error);
  CHECK_THROWS_WITH_AS((OneCycle{.max_lr = -1}.at(0)), "[one_cycle] max_lr must not be negative, got -1", Error);
  CHECK_THROWS_WITH_AS((OneCycle{.total_steps = 0}.at(0)), "[one_cycle] total_steps must be positive, got 0",
                       Error);
  CHECK_THROWS_WITH_AS((OneCycle{.pct_start = 1.5}.at(0)), "[one_cycle] pct_start must be in [0, 1], got 1.5",
                       Error);
  CHECK_THROWS_WITH_AS((OneCycle{.div_factor = 0}.at(0)), "[one_cycle] div_factor must be positive, got 0", Error);
  CHECK_THROWS_WITH_AS((OneCycle{.final_div_factor = not_a_number}.at(0)),
                       "[one_cycle] final_div_factor must be finite, got nan", Error);
  CHECK_THROWS_WITH_AS(Schedule(StepSchedule{.step_size = 0}), "[step] step_size must be positive, got 0", Error);
}
