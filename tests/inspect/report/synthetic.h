#pragma once

#include <cmath>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "tapegrad/core/registry.h"
#include "tapegrad/inspect/record.h"

/// Records of training runs that never took place: everything a report can show, in any length.

namespace synthetic {

using tapegrad::Index;

struct Story {
  std::string name = "relu, lr 0.5";
  std::string activation = "relu";
  int layers = 4;  ///< with the output
  Index units = 40;
  Index steps = 2000;  ///< of training
  Index every = 5;     ///< steps between records
  Index per_epoch = 200;
  double fate = 0.6;  ///< share of units that die, or how far the network saturates
  bool nan = false;
  bool map = false;
};

inline tapegrad::Histogram bell(std::mt19937& rng, double low, double high, double mean, double std, double spike) {
  tapegrad::Histogram histogram{.low = low, .high = high};
  std::normal_distribution<double> normal(mean, std);
  for (int i = 0; i < 3000; ++i) histogram.add(normal(rng));
  histogram.zeros = static_cast<std::uint32_t>(3000 * spike);
  return histogram;
}

inline tapegrad::RunRecord run(const Story& story) {
  using namespace tapegrad;
  std::mt19937 rng(7);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::normal_distribution<double> normal(0, 1);
  RunRecord run;
  run.name = story.name;
  run.classes = story.map ? 2 : 10;
  run.steps_per_epoch = story.per_epoch;
  run.notes = {"784-40-40-40-10, batch 32", "sgd, lr 0.5"};
  run.input_mean = 0.29;
  run.input_std = 0.35;

  const auto progress = [&](Index step) { return static_cast<double>(step) / static_cast<double>(story.steps); };
  const bool smooth = story.activation != "relu";
  for (Index step = 0; step < story.steps; step += story.every) {
    const double t = progress(step);
    LossStep loss{.step = step, .lr = 0.5};
    const double stall = smooth ? 1.8 * story.fate : 0.7 * story.fate;
    loss.loss = (2.3 - stall) * std::exp(-6 * t) + stall + 0.12 * std::abs(normal(rng)) + 0.05;
    loss.accuracy = std::clamp(0.1 + (0.85 - 0.35 * stall) * (1 - std::exp(-7 * t)) + 0.04 * normal(rng), 0.0, 1.0);
    if (story.nan && t > 0.8) {
      if (!run.nan_step) run.nan_step = step;
      loss.loss = std::nan("");
    }
    run.loss.push_back(loss);
  }

  for (int i = 0; i < story.layers; ++i) {
    const bool output = i + 1 == story.layers;
    LayerRecord layer{.path = output ? "output" : std::to_string(2 * i + 1),
                      .activation = output ? "output" : story.activation,
                      .units = output ? run.classes : story.units};
    if (!output) layer.facts = activation(story.activation).facts();
    layer.dead_since.assign(static_cast<std::size_t>(layer.units), -1);
    const double depth = (i + 1.0) / story.layers;

    if (!output && !smooth)
      for (Index unit = 0; unit < layer.units; ++unit) {
        if (uniform(rng) > story.fate * (1.2 - depth)) continue;
        Death death{
            .step = static_cast<Index>(0.7 * uniform(rng) * uniform(rng) * static_cast<double>(story.steps)),
            .unit = unit,
            .weight_jump = 0.9 + 0.2 * normal(rng),
            .weight_norm = 1.7,
            .bias_jump = -0.3,
            .lr = 0.5,
            .gradient_norm = 1.9,
            .cause = "the update moved its weights by 53 % of their norm"};
        death.at_initialization = unit == 0;
        if (death.at_initialization) death.step = 0;
        if (unit % 7 == 3)
          death.revived = death.step + story.steps / 5;
        else
          layer.dead_since[static_cast<std::size_t>(unit)] = death.step;
        layer.deaths.push_back(death);
      }

    const auto dead_at = [&](Index unit, Index step) {
      for (const Death& death : layer.deaths)
        if (death.unit == unit && death.step <= step && (!death.revived || *death.revived > step)) return true;
      return false;
    };
    const double drift = smooth ? story.fate * 9 * depth : -0.4 * depth;
    for (Index step = 0; step < story.steps; step += story.every) {
      const double t = progress(step);
      LayerStep s{.step = step};
      s.z_mean = drift * (1 - std::exp(-5 * t));
      s.z_std = 1 + 2 * depth * t;
      s.mean = smooth ? 0.5 + 0.4 * t : 0.4;
      s.std = 0.4;
      if (!output) {
        s.saturated_low = smooth ? 0.05 + 0.15 * t * depth : 0.5 + 0.4 * story.fate * (1 - std::exp(-4 * t));
        s.saturated_high = smooth ? std::min(0.95, story.fate * depth * 1.1 * (1 - std::exp(-5 * t))) : 0;
        Index dead = 0;
        if (!smooth)
          for (Index unit = 0; unit < layer.units; unit += 1 + layer.units / 64) dead += dead_at(unit, step);
        const double share = static_cast<double>(dead * (1 + layer.units / 64)) / static_cast<double>(layer.units);
        s.dead_batch = std::min(1.0, share + (smooth ? 0 : 0.04 * uniform(rng)));
        s.dead_epoch = std::min(share, 1.0);
        s.asleep = smooth ? 0.3 * s.saturated_high * t : s.dead_batch;
      }
      s.slope_factor = smooth ? 0.25 * (1 - 0.7 * s.saturated_high) : 0.72 * (1 - s.dead_batch) + 0.05;
      s.weight_factor = output ? 1 : smooth ? 1.6 : 1.2 + 0.3 * t;
      s.gradient_rms = 0.02 * std::pow(smooth ? 0.3 - 0.2 * t : 0.9 - 0.4 * t, story.layers - i) *
                       (1 + 0.1 * std::abs(normal(rng)));
      layer.steps.push_back(s);
    }
    const Index stride = std::max<Index>(story.steps / 80, 1);
    for (Index step = 0; step < story.steps; step += stride) {
      const double t = progress(step);
      layer.z_histograms.emplace_back(step,
                                      bell(rng, -16, 16, drift * (1 - std::exp(-5 * t)), 1 + 2 * depth * t, 0));
    }
    if (!output)
      for (Index end = story.per_epoch; end <= story.steps; end += story.per_epoch) {
        std::vector<double> rates;
        for (Index unit = 0; unit < layer.units; ++unit)
          rates.push_back(
              dead_at(unit, end - story.per_epoch)
                  ? 0
                  : std::clamp(0.5 + 0.35 * std::sin(static_cast<double>(unit * unit)) + 0.05 * normal(rng), 0.01,
                               1.0));
        layer.firing_rates.emplace_back(end - 1, rates);
      }
    run.layers.push_back(std::move(layer));

    for (const bool bias : {false, true}) {
      ParameterRecord parameter{.path = std::to_string(2 * i) + (bias ? ".bias" : ".weight")};
      parameter.shape = {bias ? 1 : i == 0 ? 784 : story.units, output ? run.classes : story.units};
      for (Index step = 0; step < story.steps; step += story.every) {
        const double ratio = (smooth ? 4e-4 : 0.03 * story.fate) * std::exp(-2 * progress(step)) *
                             (1 + 0.4 * std::abs(normal(rng))) * (1.3 - depth);
        parameter.steps.push_back({step, 3.0, 0.5, 3 * ratio, ratio});
      }
      for (Index step = 0; step < story.steps; step += stride)
        parameter.gradient_histograms.emplace_back(
            step, bell(rng, -12, 4, -2.5 - (smooth ? 3 * progress(step) : 0.6 * progress(step)) - (1 - depth), 0.6,
                       smooth ? 0 : story.fate * progress(step)));
      run.parameters.push_back(std::move(parameter));
    }
  }

  if (story.map) {
    DecisionMap map{.low = {-2, -2}, .high = {2, 2}, .cells = 60};
    for (Index row = 0; row < map.cells; ++row)
      for (Index col = 0; col < map.cells; ++col) {
        const double x1 = -2 + 4.0 * (static_cast<double>(col) + 0.5) / 60;
        const double x2 = -2 + 4.0 * (static_cast<double>(row) + 0.5) / 60;
        map.output.push_back(1 / (1 + std::exp(-6 * (1.1 - std::hypot(x1, x2)))));
      }
    for (int unit = 0; unit < 10; ++unit) {
      const double angle = 2 * std::numbers::pi * unit / 10;
      map.units.push_back({std::cos(angle), std::sin(angle), unit % 4 == 1 ? 1.7 : 1.1, unit % 4 == 1});
    }
    for (int i = 0; i < 200; ++i) {
      const double radius = i % 2 == 1 ? 0.8 * std::sqrt(uniform(rng)) : 1.25 + 0.6 * uniform(rng);
      const double angle = 2 * std::numbers::pi * uniform(rng);
      map.points.push_back({radius * std::cos(angle), radius * std::sin(angle), i % 2});
    }
    run.map = std::move(map);
  }
  return run;
}

}  // namespace synthetic
