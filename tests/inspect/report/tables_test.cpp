#include "tapegrad/inspect/report/tables.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

/// What the tables of the figures are made of.

using namespace tapegrad;
using namespace tapegrad::reporting;

namespace {
using Positions = std::vector<std::size_t>;

std::string ticks(double low, double high) { return log_ticks(low, high).dump(); }

std::vector<std::string> fed_by(std::vector<std::string> parameters, std::vector<std::string> layers) {
  RunRecord run;
  for (const std::string& path : layers) run.layers.push_back({.path = path, .activation = "relu"});
  if (!run.layers.empty()) run.layers.back().activation = "output";
  for (const std::string& path : parameters) run.parameters.push_back({.path = path, .shape = {3, 2}});
  std::vector<std::string> result;
  for (const auto& [parameter, layer] : weights(run)) result.push_back(parameter->path + " to " + layers[layer]);
  return result;
}

std::string text_of(const std::vector<Period>& periods) {
  std::string text;
  for (const Period& p : periods) text += fmt::format("{}, {}: {} to {}; ", p.name, p.number, p.begin, p.end);
  return text;
}
}  // namespace

TEST_CASE("tables: numbers have four digits, whole ones all") {
  CHECK(number(0.123456).dump() == "0.1235");
  CHECK(number(123456).dump() == "123456");
  CHECK(number(-3).dump() == "-3");
  CHECK(number(2e15).dump() == "2e+15");
  CHECK(number(999999999999999.0).dump() == "999999999999999");
  CHECK(number(NAN).dump() == "null");
  CHECK(number(-INFINITY).dump() == "null");
  CHECK(column({1, 0.5, NAN}).dump() == "[1,0.5,null]");
}

TEST_CASE("tables: positions that are chosen evenly") {
  CHECK(evenly(10, 4) == Positions{0, 3, 6, 9});
  CHECK(evenly(5, 5) == Positions{0, 1, 2, 3, 4});
  CHECK(evenly(5, 9) == Positions{0, 1, 2, 3, 4});
  CHECK(evenly(5, 0) == Positions{0, 4});
  CHECK(evenly(1, 7) == Positions{0});
  CHECK(evenly(0, 7).empty());
}

TEST_CASE("tables: ticks of a logarithmic axis") {
  CHECK(ticks(0.5, 30) == "[0.5,1,2,5,10,20]");
  CHECK(ticks(0.1, 19.9) == "[0.1,0.2,0.5,1,2,5,10]");
  CHECK(ticks(0.1, 20) == "[0.1,1,10]");
  CHECK(ticks(1e-3, 1e3) == "[0.001,0.01,0.1,1,10,100,1000]");
  CHECK(ticks(1e-12, 1) == "[1e-12,1e-10,1e-08,1e-06,0.0001,0.01,1]");
  CHECK(log_scale({.low = 1, .high = 8}).dump() == "{\"low\":0.8,\"high\":10,\"ticks\":[1,2,5,10]}");
  CHECK(log_scale({}).dump() == "{\"low\":0.1,\"high\":10,\"ticks\":[0.1,0.2,0.5,1,2,5,10]}");
}

TEST_CASE("tables: a curve is smoothed by the mean over a 25th of it, less at its ends") {
  std::vector<double> values(100, 1);
  values[0] = 4, values[50] = 6;
  const std::vector<double> smooth = smoothed(values, false);
  CHECK(smooth[0] == 4);
  CHECK(smooth[1] == 2);
  CHECK(smooth[2] == doctest::Approx(1.6).scale(0));
  CHECK(smooth[3] == 1);
  CHECK(smooth[47] == 1);
  for (std::size_t i = 48; i <= 52; ++i) CHECK(smooth[i] == doctest::Approx(2).scale(0));
  CHECK(smooth[53] == 1);
  CHECK(smoothed(values, true)[50] == doctest::Approx(std::pow(6, 0.2)).scale(0));
  CHECK(smoothed({3, 5}, true)[1] == doctest::Approx(5).scale(0));
}

TEST_CASE("tables: a long curve is thinned to the mean and the extremes of its stretches") {
  std::vector<LossStep> steps;
  for (Index i = 0; i < 10; ++i) steps.push_back({.step = 3 * i, .loss = static_cast<double>(i)});
  steps[4].loss = NAN;
  const auto loss = [](const LossStep& step) { return step.loss; };
  const Curve curve = thinned(steps, 3, loss);
  CHECK(curve.step == std::vector<double>{0, 9, 27});
  CHECK(curve.value == std::vector<double>{1, 4, 7.5});
  CHECK(curve.low == std::vector<double>{0, 3, 6});
  CHECK(curve.high == std::vector<double>{2, 5, 9});
  CHECK(thinned(steps, 0, loss).step == std::vector<double>{0, 27});
  CHECK(thinned(steps, 99, loss).step.size() == 9);  // NaN is no point
}

TEST_CASE("tables: a weight feeds the first activation behind it, in the order of a person") {
  using Found = std::vector<std::string>;
  CHECK(fed_by({"0.weight", "2.weight", "4.weight"}, {"1", "3", "output"}) ==
        Found{"0.weight to 1", "2.weight to 3", "4.weight to output"});
  CHECK(fed_by({"8.weight", "10.weight"}, {"9", "11", "output"}) == Found{"8.weight to 9", "10.weight to 11"});
  CHECK(fed_by({"2.inner.8.weight", "2.inner.10.weight"}, {"2.inner.9", "2.inner.11", "output"}) ==
        Found{"2.inner.8.weight to 2.inner.9", "2.inner.10.weight to 2.inner.11"});
  CHECK(fed_by({"a.weight", "b.weight"}, {"a.act", "b.act", "output"}) ==
        Found{"a.weight to b.act", "b.weight to output"});
  CHECK(fed_by({"2a.weight"}, {"10", "output"}) == Found{"2a.weight to 10"});
  CHECK(fed_by({"0.weight"}, {}).empty());
}

TEST_CASE("tables: periods are epochs, or sixths of the run") {
  const auto of = [](Index last, Index per_epoch, std::size_t most = 99) {
    RunRecord run{.steps_per_epoch = per_epoch};
    run.layers.push_back({.steps = {{.step = 0}, {.step = last}}});
    return text_of(periods(run, most));
  };
  CHECK(of(24, 10) == "epoch 1, 1: 0 to 10; epoch 2, 2: 10 to 20; epoch 3, 3: 20 to 30; ");
  CHECK(of(99, 10, 2) == "epoch 1, 1: 0 to 10; epoch 10, 10: 90 to 100; ");
  CHECK(of(10, 10) == "epoch 1, 1: 0 to 10; epoch 2, 2: 10 to 20; ");
  CHECK(of(9, 10) ==
        "steps 0 to 0, 0: 0 to 1; steps 1 to 2, 1: 1 to 3; steps 3 to 4, 3: 3 to 5; steps 5 to 5, 5: 5 to 6; "
        "steps 6 to 7, 6: 6 to 8; steps 8 to 9, 8: 8 to 10; ");
  CHECK(of(1, 0) == "steps 0 to 0, 0: 0 to 1; steps 1 to 1, 1: 1 to 2; ");
  CHECK(periods(RunRecord{}, 9).empty());
}

TEST_CASE("tables: histograms without their empty ends, and as shares of the values") {
  Histogram h{.low = -1, .high = 1};
  CHECK(total(h) == 0);
  CHECK(trimmed(h).counts.empty());
  CHECK(bin_width(h) == 1. / 32);
  h.counts[2] = 3, h.counts[4] = 1, h.underflow = 2;
  CHECK(total(h) == 6);
  CHECK(trimmed(h).low == -1 - 1. / 32);
  CHECK(trimmed(h).counts == std::vector<double>{2, 0, 0, 3, 0, 1});
  h.underflow = 0, h.overflow = 4;
  CHECK(total(h) == 8);
  CHECK(trimmed(h).low == -1 + 2. / 32);
  CHECK(trimmed(h).counts.size() == 63);

  h.overflow = 0;
  Histogram zeros{.zeros = 5};
  const Histograms all{{0, h}, {10, zeros}, {30, Histogram{}}, {40, h}};
  double peak = 0;
  const Json rows = heat_rows(all, 9, peak);
  CHECK(rows.dump() ==
        "[{\"step\":0,\"to\":10,\"low\":-0.9375,\"w\":0.03125,\"c\":[750,0,250]},"
        "{\"step\":10,\"to\":30,\"low\":0,\"w\":0.01562,\"c\":[],\"zeros\":1000},"
        "{\"step\":40,\"to\":50,\"low\":-0.9375,\"w\":0.03125,\"c\":[750,0,250]}]");
  CHECK(peak == 0.75);
  const Range range = extent(all);
  CHECK(range.low == -1 + 2. / 32);
  CHECK(range.high == -1 + 5. / 32);
  Histogram rare = h;
  rare.counts[60] = 1, rare.counts[30] = 995;  // one of a thousand is not worth the room
  CHECK(extent({{0, rare}}).high == -1 + 31. / 32);
}
