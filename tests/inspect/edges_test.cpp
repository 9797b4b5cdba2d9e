#include <doctest/doctest.h>
#include <fmt/format.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "snapshot.h"
#include "tapegrad/inspect/report/figures.h"

/// Where every rule begins and ends: numbers of a record are changed, one kind at a time, until the findings change. The values at
/// which they do are kept in tests/golden/edges_*.txt. That rules find what they should is tested on real runs in
/// diagnosis_test.cpp and measured by scripts/diagnose.sh; here is what moves without anybody wanting it.

namespace {

using namespace tapegrad;

struct Story {
  std::string name;
  std::string activation = "relu";
  double lowest = 0.1;  ///< loss that is reached, over that of guessing
  Index classes = 3;    ///< 0: a regression
  int hidden = 3;
  Index inputs = 2;
  Index entries = 60, every = 50;
};

constexpr double pi = 3.14159265358979;

/// A run in which nothing is wrong but the loss that is reached.
RunRecord run(const Story& story) {
  RunRecord record{.name = story.name, .classes = story.classes, .steps_per_epoch = 100};
  const bool regression = story.classes == 0;
  const double guess = regression ? 2.25 : std::log(static_cast<double>(story.classes));
  record.optimizer = {.name = "sgd", .momentum = 0.5, .weight_decay = 0.01};
  record.structure = {.nonlinear = true, .loss = regression ? "mse" : "cross_entropy"};
  record.structure.outputs = regression ? 1 : story.classes;
  record.structure.dropout = {{"d", 0.2}};
  record.modal_path = "d";
  record.data = {.rows = 500, .column_mean = {0.5, -0.25}, .column_std = {1.5, 0.75}};
  if (regression)
    record.data.target_std = 1.5, record.data.target_rms = 2;
  else
    for (Index k = 0; k < story.classes; ++k) record.data.class_counts.push_back(120 + 30 * k);
  record.input_mean = 0.125, record.input_std = 1.2;
  record.looks = story.entries;
  const auto each = [&](auto make) {
    for (Index i = 0; i < story.entries; ++i)
      make(i * story.every, static_cast<double>(i) / static_cast<double>(story.entries - 1),
           std::sin(0.7 * pi * static_cast<double>(i)));
  };
  each([&](Index step, double t, double wave) {
    const double loss = guess * (story.lowest + (1.05 - story.lowest) * std::exp(-5 * t)) * (1 + 0.02 * wave);
    record.loss.push_back({step, loss, regression ? -1 : 1 - 0.6 * loss / guess, 0.05});
    if (step % 500 == 0)
      record.validation.push_back({step, 1.05 * loss, regression ? -1 : 0.97 - 0.6 * loss / guess,
                                   regression ? -1 : 1 - 0.6 * loss / guess});
  });
  for (int i = 0; i <= story.hidden; ++i) {
    const bool output = i == story.hidden;
    LayerRecord layer{.path = output ? "output" : std::to_string(2 * i + 1),
                      .activation = output ? "output" : story.activation,
                      .units = output ? record.structure.outputs : 8};
    if (!output) layer.facts = activation(story.activation).facts();
    layer.dead_since.assign(static_cast<std::size_t>(layer.units), -1);
    each([&](Index step, double t, double wave) {
      LayerStep s{
          .step = step, .z_mean = 0.1 * wave, .z_std = 1 + 0.2 * i, .mean = 0.4, .std = 0.5, .sample_std = 0.45};
      if (!output)
        s.saturated_low = 0.3 + 0.02 * wave, s.saturated_high = 0.1, s.dead_batch = 0.05, s.asleep = 0.05;
      s.gradient_rms = 0.02 * (1 - 0.5 * t) * (1 + 0.1 * i);
      s.weight_factor = 1.2, s.slope_factor = 0.7;
      layer.steps.push_back(s);
    });
    record.layers.push_back(std::move(layer));
    const Index in = i == 0 ? story.inputs : 8, out = output ? record.structure.outputs : 8;
    record.structure.linear.push_back({std::to_string(2 * i), in, out});
    for (const bool bias : {false, true}) {
      ParameterRecord parameter{.path = std::to_string(2 * i) + (bias ? ".bias" : ".weight"),
                                .shape = {bias ? 1 : out, bias ? out : in},
                                .unit_spread = bias ? -1. : 0.6};
      each([&](Index step, double t, double wave) {
        const double w = std::sqrt(1.5 * static_cast<double>(out)) * (1 + 0.3 * t),
                     ratio = 2e-3 * (1 - 0.5 * t) * (1 + 0.1 * wave);
        const double g = 0.2 * (1 - 0.5 * t) * (1 + 0.05 * i);
        parameter.steps.push_back({step, w, g, ratio * w, ratio, 0.8 * ratio * w * g});
      });
      record.parameters.push_back(std::move(parameter));
    }
  }
  return record;
}

/// Changes a record by one number.
struct Knob {
  std::string name;
  std::function<void(RunRecord&, double)> turn;
  double low = 1e-4, high = 1e4;  ///< tried in equal ratios; in equal steps where low is 0
};

template <class Entry> void from(std::vector<Entry>& all, double part, const std::function<void(Entry&)>& change) {
  for (std::size_t i = 0; i < all.size(); ++i)
    if (static_cast<double>(i) >= part * static_cast<double>(all.size())) change(all[i]);
}

std::function<void(RunRecord&, double)> losses(double part, double LossStep::*field = &LossStep::loss) {
  return [=](RunRecord& r, double s) { from<LossStep>(r.loss, part, [&](LossStep& x) { x.*field *= s; }); };
}
std::function<void(RunRecord&, double)> layers(int which, double LayerStep::*field, double part = 0,
                                               bool set = false) {
  return [=](RunRecord& r, double s) {
    for (std::size_t i = 0; i < r.layers.size(); ++i)
      if (which < 0    ? r.layers[i].path != "output"
          : which == 9 ? r.layers[i].path == "output"
                       : static_cast<int>(i) == which)
        from<LayerStep>(r.layers[i].steps, part, [&](LayerStep& x) { x.*field = set ? s : x.*field * s; });
  };
}
std::function<void(RunRecord&, double)> parameters(int which, double ParameterStep::*field, double part = 0) {
  return [=](RunRecord& r, double s) {
    for (std::size_t i = 0; i < r.parameters.size(); ++i)
      if (which < 0 || static_cast<int>(i) == which)
        from<ParameterStep>(r.parameters[i].steps, part, [&](ParameterStep& x) { x.*field *= s; });
  };
}
/// Of the first layers' units that die at step 400 or are dead from the beginning.
std::function<void(RunRecord&, double)> deaths(std::size_t how_many_layers, bool birth) {
  return [=](RunRecord& r, double s) {
    for (std::size_t i = 0; i < how_many_layers && i + 1 < r.layers.size(); ++i)
      for (Index unit = 0; unit < static_cast<Index>(s); ++unit) {
        const Index step = birth ? 0 : 400 + unit;
        r.layers[i].deaths.push_back({.step = step,
                                      .unit = unit,
                                      .at_initialization = birth,
                                      .weight_jump = 0.3,
                                      .weight_norm = 2,
                                      .lr = 0.05});
        r.layers[i].dead_since[static_cast<std::size_t>(unit)] = step;
      }
  };
}

std::vector<Knob> knobs() {
  using L = LayerStep;
  using P = ParameterStep;
  const auto whole = [](double s) { return static_cast<Index>(s); };
  return {
      {"loss, all", losses(0)},
      {"loss from the middle", losses(0.5)},
      {"loss of the last quarter", losses(0.76)},
      {"loss of the last tenth", losses(0.9)},
      {"first loss", [](RunRecord& r, double s) { r.loss.front().loss *= s; }},
      {"loss between a third and a half",
       [](RunRecord& r, double s) { losses(0.33)(r, s), losses(0.5)(r, 1 / s); }},
      {"loss of the last quarter, large updates",
       [](RunRecord& r, double s) { losses(0.76)(r, s), parameters(2, &P::update_ratio)(r, 300); }},
      {"loss of the last quarter, small updates",
       [](RunRecord& r, double s) { losses(0.76)(r, s), parameters(-1, &P::update_ratio)(r, 0.1); }},
      {"loss of the last quarter, momentum .995",
       [](RunRecord& r, double s) { losses(0.76)(r, s), r.optimizer.momentum = 0.995; }},
      {"rate from the middle", losses(0.5, &LossStep::lr)},
      {"rate of the last tenth", losses(0.9, &LossStep::lr)},
      {"rate of the last quarter", losses(0.76, &LossStep::lr)},
      {"accuracy", losses(0, &LossStep::accuracy), 0, 2},
      {"steps",
       [=](RunRecord& r, double s) {
         for (LossStep& x : r.loss) x.step = whole(s * static_cast<double>(x.step));
         for (LayerRecord& l : r.layers)
           for (L& x : l.steps) x.step = whole(s * static_cast<double>(x.step));
         for (ParameterRecord& p : r.parameters)
           for (P& x : p.steps) x.step = whole(s * static_cast<double>(x.step));
       },
       0.02, 4},
      {"entries",
       [=](RunRecord& r, double s) {
         const auto n = static_cast<std::size_t>(s);
         r.loss.resize(n);
         for (LayerRecord& l : r.layers) l.steps.resize(n);
         for (ParameterRecord& p : r.parameters) p.steps.resize(n);
       },
       1, 60},
      {"not finite from",
       [=](RunRecord& r, double s) {
         const std::size_t n = static_cast<std::size_t>(s);
         r.nan_step = r.loss[n].step;
         for (std::size_t i = n; i < r.loss.size(); ++i) r.loss[i].loss = NAN;
       },
       0, 59},
      {"not finite from, large updates",
       [=](RunRecord& r, double s) {
         r.nan_step = r.loss[50].step;
         for (std::size_t i = 50; i < r.loss.size(); ++i) r.loss[i].loss = NAN;
         parameters(2, &P::update_ratio, 0.5)(r, s);
       }},
      {"saturated low, first layer", layers(0, &L::saturated_low, 0.5, true), 0, 1},
      {"saturated low, all", layers(-1, &L::saturated_low, 0, true), 0, 1},
      {"saturated high, second layer", layers(1, &L::saturated_high, 0, true), 0, 1},
      {"asleep", layers(-1, &L::asleep, 0.7, true), 0, 1},
      {"dead in a batch at first", layers(0, &L::dead_batch, 0, true), 0, 1},
      {"units that die, first layer", deaths(1, false), 0, 8.9},
      {"units that die, all layers", deaths(9, false), 0, 8.9},
      {"units dead at birth", deaths(1, true), 0, 8.9},
      {"units dead at birth, all layers", deaths(9, true), 0, 8.9},
      {"gradient of the first layer", layers(0, &L::gradient_rms)},
      {"gradient of the first layer, units dead",
       [](RunRecord& r, double s) { layers(0, &L::gradient_rms)(r, s), deaths(2, false)(r, 5); }},
      {"gradient of the last layer, small weights",
       [](RunRecord& r, double s) { layers(2, &L::gradient_rms)(r, s), layers(-1, &L::weight_factor)(r, 0.1); }},
      {"std of z, last layer", layers(2, &L::z_std)},
      {"std of z and its gradient at first",
       [](RunRecord& r, double s) { r.layers[0].steps[0].z_std *= s, r.layers[0].steps[0].gradient_rms *= 3 * s; }},
      {"spread of the output", layers(9, &L::sample_std)},
      {"spread of the output, little loss",
       [](RunRecord& r, double s) { layers(9, &L::sample_std)(r, s), losses(0.02)(r, 0.01); }},
      {"output", [](RunRecord& r, double s) { layers(9, &L::mean, 0.5)(r, s), r.nan_step = 2500; }, 1, 1e8},
      {"update ratios", parameters(-1, &P::update_ratio)},
      {"update ratios of 2.weight", parameters(2, &P::update_ratio)},
      {"update ratios late", parameters(-1, &P::update_ratio, 0.5)},
      {"updates of 2.weight", parameters(2, &P::update_norm, 0), 0, 0.2},
      {"gradient of 2.weight, which does not move",
       [](RunRecord& r, double s) {
         parameters(2, &P::update_norm)(r, 0), parameters(2, &P::gradient_norm)(r, s);
       }},
      {"descent", parameters(-1, &P::descent), 0, 2},
      {"uphill", [](RunRecord& r, double s) { parameters(-1, &P::descent)(r, -s); }, 0, 2},
      {"gradients", parameters(-1, &P::gradient_norm)},
      {"gradients late", parameters(-1, &P::gradient_norm, 0.5)},
      {"gradients at first 0, last layer apart",
       [](RunRecord& r, double s) {
         for (int i = 0; i < 6; ++i) parameters(i, &P::gradient_norm, s)(r, 0);
       },
       0, 1},
      {"weights", parameters(-1, &P::weight_norm)},
      {"weights of 2.weight", parameters(2, &P::weight_norm)},
      {"weights of 2.weight, more rows",
       [](RunRecord& r, double s) { parameters(2, &P::weight_norm)(r, s), r.parameters[2].shape.rows = 200; }},
      {"weights late", parameters(-1, &P::weight_norm, 0.5)},
      {"rows of 2.weight",
       [=](RunRecord& r, double s) {
         r.parameters[2].shape.rows = whole(s), parameters(2, &P::weight_norm)(r, 100);
       },
       1, 40},
      {"spread of units", [](RunRecord& r, double s) { r.parameters[2].unit_spread *= s; }},
      {"spread of units, weights 0",
       [](RunRecord& r, double s) { r.parameters[2].unit_spread *= s, parameters(2, &P::weight_norm)(r, 0); }},
      {"momentum", [](RunRecord& r, double s) { r.optimizer.momentum = 1 - s; }, 1e-5, 1},
      {"weight decay, weights shrink",
       [](RunRecord& r, double s) {
         r.optimizer.weight_decay = s - 1e-4, parameters(-1, &P::weight_norm, 0.3)(r, 0.02);
       },
       1e-4, 1},
      {"input mean", [](RunRecord& r, double s) { r.input_mean *= s, r.data.rows = 0; }},
      {"input std", [](RunRecord& r, double s) { r.input_std *= s, r.data.rows = 0; }},
      {"mean of a column", [](RunRecord& r, double s) { r.data.column_mean[0] *= s; }},
      {"std of a column", [](RunRecord& r, double s) { r.data.column_std[1] *= s; }, 1e-8, 1e8},
      {"std of all columns",
       [](RunRecord& r, double s) {
         for (double& x : r.data.column_std) x *= s;
       }},
      {"columns",
       [=](RunRecord& r, double s) {
         r.data.column_mean.resize(static_cast<std::size_t>(s), 1),
             r.data.column_std.resize(static_cast<std::size_t>(s));
       },
       1, 30},
      {"values not finite",
       [=](RunRecord& r, double s) {
         r.data.not_finite = whole(s), r.data.first_not_finite = {3, 1};
       },
       0, 3},
      {"samples", [=](RunRecord& r, double s) { r.data.rows = whole(s); }, 0, 6},
      {"the largest class",
       [=](RunRecord& r, double s) {
         if (r.classes > 0) r.data.class_counts[1] = whole(1000 * s);
       },
       0.01, 100},
      {"all but a class",
       [=](RunRecord& r, double s) {
         for (std::size_t k = 1; k < r.data.class_counts.size(); ++k) r.data.class_counts[k] = whole(s);
       },
       0, 4},
      {"target rms", [](RunRecord& r, double s) { r.data.target_rms *= s; }},
      {"target std", [](RunRecord& r, double s) { r.data.target_std *= s; }},
      {"units of a layer", [=](RunRecord& r, double s) { r.structure.linear[1].outputs = whole(s); }, 0, 4},
      {"linear layers without activation",
       [=](RunRecord& r, double s) {
         r.structure.nonlinear = false, r.structure.linear.resize(static_cast<std::size_t>(s));
       },
       0, 4.9},
      {"dropout", [](RunRecord& r, double s) { r.structure.dropout[0].second = s; }, 0, 1},
      {"outputs behind a softmax",
       [=](RunRecord& r, double s) {
         r.structure.output_activation = "softmax", r.structure.output_path = "9", r.structure.outputs = whole(s);
       },
       1, 4},
      {"looks in eval mode", [=](RunRecord& r, double s) { r.looks_in_eval = whole(s); }, 0, 60},
      {"validation accuracy",
       [](RunRecord& r, double s) {
         for (ValidationStep& v : r.validation) v.accuracy *= s;
       },
       0, 2},
      {"validation loss late",
       [](RunRecord& r, double s) {
         from<ValidationStep>(r.validation, 0.5, [&](ValidationStep& v) { v.loss *= s; });
       }},
      {"training accuracy",
       [](RunRecord& r, double s) {
         for (ValidationStep& v : r.validation) v.train_accuracy *= s;
       },
       0, 2},
      {"evaluations in training mode",
       [](RunRecord& r, double s) {
         for (std::size_t i = 0; i < r.validation.size(); ++i)
           r.validation[i].training_mode = static_cast<double>(i) < s;
       },
       0, 6},
      {"classes", [=](RunRecord& r, double s) { r.classes = whole(s); }, 0, 40},
      {"loss falls in the end, updates small",
       [](RunRecord& r, double s) {
         losses(0.75)(r, 0.8);
         parameters(-1, &P::update_ratio)(r, s);
       },
       0.01, 10},
      {"loss falls in the end by, updates small",
       [](RunRecord& r, double s) {
         losses(0.75)(r, s);
         parameters(-1, &P::update_ratio)(r, 0.15);
       },
       0.1, 10},
      {"the same with no gradient in the end",
       [](RunRecord& r, double s) {
         losses(0.75)(r, 0.8);
         parameters(-1, &P::update_ratio)(r, 0.15);
         for (ParameterRecord& p : r.parameters) from<P>(p.steps, s, [](P& x) { x.gradient_norm = 0; });
       },
       0, 1},
      {"weights late, where 0.weight begins at 0",
       [](RunRecord& r, double s) {
         parameters(-1, &P::weight_norm, 0.5)(r, s);
         r.parameters[0].steps[0].weight_norm = 0;
       }},
      {"weights late, with large updates, and the loss rises",
       [](RunRecord& r, double s) {
         parameters(-1, &P::weight_norm, 0.5)(r, s);
         parameters(-1, &P::update_ratio, 0.5)(r, 500);
         losses(0.6)(r, 4);
       },
       1e-5, 1},
      {"saturated at first, of a layer that is saturated in the end",
       [](RunRecord& r, double s) {
         layers(0, &L::saturated_high, 0.2, true)(r, 0.9);
         r.layers[0].steps[0].saturated_low = 0, r.layers[0].steps[0].saturated_high = s;
       },
       0, 1},
      {"deaths in another order",
       [=](RunRecord& r, double s) {
         deaths(1, false)(r, s);
         std::reverse(r.layers[0].deaths.begin(), r.layers[0].deaths.end());
         for (Death& death : r.layers[0].deaths) death.weight_jump = 0.001 * static_cast<double>(death.step);
       },
       0, 8.9},
      {"deaths with small jumps",
       [](RunRecord& r, double s) {
         deaths(1, false)(r, 6);
         for (Death& death : r.layers[0].deaths) death.weight_jump = s;
       }},
      {"deaths that were revived",
       [](RunRecord& r, double s) {
         deaths(1, false)(r, 8);
         for (std::size_t i = 0; i < static_cast<std::size_t>(s); ++i) r.layers[0].deaths[i].revived = 1000;
       },
       0, 8.9},
      {"output of no size, solved at once",
       [](RunRecord& r, double s) {
         losses(0.02)(r, 0.01);
         layers(9, &L::sample_std, 0, true)(r, 0);
         layers(9, &L::mean, 0, true)(r, s);
         layers(9, &L::std, 0, true)(r, 0);
       },
       0, 1},
      {"unknown spread of the output, solved at once",
       [](RunRecord& r, double s) {
         losses(0.02)(r, 0.01);
         layers(9, &L::sample_std, 0, true)(r, s - 1);
       },
       0, 2},
      {"log_softmax before the loss",
       [](RunRecord& r, double s) {
         r.structure.output_activation = s < 1 ? "log_softmax" : s < 2 ? "sigmoid" : "tanh";
         r.structure.output_path = "9";
       },
       0, 3},
      {"slope of the second layer", layers(1, &L::slope_factor)},
      {"update ratio of 4.weight, the least", parameters(4, &P::update_ratio)},
      {"inputs of the first layer", [=](RunRecord& r, double s) { r.structure.linear[0].inputs = whole(s); }, 15,
       25},
      {"last step",
       [=](RunRecord& r, double s) {
         for (std::size_t i = 0; i < r.loss.size(); ++i)
           r.loss[i].step = static_cast<Index>(i) + (i + 1 == r.loss.size() ? whole(s) - 59 : 0);
         parameters(-1, &P::update_ratio)(r, 0.01);
       },
       95, 105},
      {"no output layer",
       [](RunRecord& r, double s) {
         if (s >= 1) r.layers.pop_back();
         r.nan_step = 2000;
       },
       0, 2},
      {"two wide columns",
       [](RunRecord& r, double s) {
         r.data.column_std = {1, s, s}, r.data.column_mean = {0.5, -0.25, 0};
       },
       1, 1e4},
      {"a wide column and an empty one",
       [](RunRecord& r, double s) {
         r.data.column_std = {0, 1, s};
         r.data.column_mean = {1, 1, 1};
       },
       1, 1e4},
      {"one column",
       [](RunRecord& r, double s) {
         r.data.column_std = {s};
         r.data.column_mean = {0};
       },
       1e-4, 1e4},
      {"evaluations in training mode or of unknown accuracy",
       [](RunRecord& r, double s) {
         for (ValidationStep& v : r.validation) v.accuracy *= 0.3;
         for (std::size_t i = 0; i < r.validation.size(); ++i)
           (i % 2 == 0 ? r.validation[i].accuracy : r.validation[i].train_accuracy) =
               static_cast<double>(i) < s ? -1 : 0.5;
       },
       0, 6},
      {"training accuracy, chance on the rest",
       [](RunRecord& r, double s) {
         for (ValidationStep& v : r.validation) v.accuracy = 0.4, v.train_accuracy = s;
       },
       0, 1},
      {"accuracy on the rest, all right in training",
       [](RunRecord& r, double s) {
         for (ValidationStep& v : r.validation) v.accuracy = s, v.train_accuracy = 1;
       },
       0, 1},
  };
}

std::multiset<std::string> found(const RunRecord& base, const Knob& knob, double s,
                                 std::vector<Finding>* all = nullptr) {
  RunRecord record = base;
  knob.turn(record, s);
  std::multiset<std::string> names;
  std::vector<Finding> result = findings(record);
  for (const Finding& f : result)
    names.insert(fmt::format("{} of {} ({}{})", f.rule, f.where, to_string(f.severity),
                             f.effect_of.empty() ? "" : ", effect of " + f.effect_of));
  if (all != nullptr) *all = std::move(result);
  return names;
}

std::string edges(const RunRecord& base) {
  std::string text = base.name + "\n";
  for (const Finding& f : findings(base)) text += "  " + f.rule + ": " + f.text + "\n";
  for (const Knob& knob : knobs()) {
    const int points = 40;
    const auto at = [&](int i) {
      const double part = static_cast<double>(i) / points;
      return knob.low == 0 ? part * knob.high : knob.low * std::pow(knob.high / knob.low, part);
    };
    auto before = found(base, knob, at(0));
    std::set<std::string> spoken;
    for (int i = 1; i <= points; ++i) {
      std::vector<Finding> all;
      const auto next = found(base, knob, at(i), &all);
      double low = at(i - 1);
      while (next != before) {
        double high = at(i);
        auto beyond = next;
        while (high - low > 1e-7 * high + 1e-12) {
          const double middle = (low + high) / 2;
          auto there = found(base, knob, middle);
          (there == before ? low : high) = middle;
          if (there != before) beyond = std::move(there);
        }
        text += fmt::format("{} {:.6g}", knob.name, high);
        for (const std::string& name : before)
          if (before.count(name) > beyond.count(name)) text += ", no more " + name;
        for (const std::string& name : beyond)
          if (beyond.count(name) > before.count(name)) text += ", " + name;
        text += "\n";
        before = beyond;
        low = high;
      }
      for (const Finding& f : all)
        if (spoken.insert(f.rule).second) text += fmt::format("  {} {:.4g}: {}\n", knob.name, at(i), f.text);
      before = next;
    }
  }
  return text;
}

}  // namespace

TEST_CASE("edges: relu, three classes, learns") { snapshot::check("edges_relu.txt", edges(run({.name = "relu"}))); }
TEST_CASE("edges: relu, three classes, stands") {
  snapshot::check("edges_stands.txt", edges(run({.name = "relu, stands", .lowest = 0.92, .inputs = 30})));
}
TEST_CASE("edges: tanh, ten classes, learns little") {
  snapshot::check("edges_tanh.txt",
                  edges(run({.name = "tanh", .activation = "tanh", .lowest = 0.6, .classes = 10, .hidden = 5})));
}
TEST_CASE("edges: swish, a regression") {
  snapshot::check("edges_swish.txt",
                  edges(run({.name = "swish", .activation = "swish", .lowest = 0.4, .classes = 0})));
}

TEST_CASE("how far a long run of a deep network is thinned in a report") {
  std::vector<RunRecord> runs{run({.name = "long", .hidden = 5, .entries = 3000}), run({.name = "short"})};
  for (LayerRecord& layer : runs[0].layers)
    for (Index i = 0; i < 200; ++i) {
      Histogram z{.low = -4, .high = 4};
      for (int k = 0; k < 40; ++k) z.add(0.01 * static_cast<double>((k - 20) * (i % 7)));
      layer.z_histograms.emplace_back(100 * i, z);
      if (layer.path != "output") layer.firing_rates.emplace_back(100 * i + 99, std::vector<double>(300, 0.5));
    }
  std::string text;
  for (const double detail : {1.0, 0.125})
    for (const reporting::ReportFigure& figure : reporting::report_figures(runs, detail)) {
      text += fmt::format("figure {} with {} of the detail\n", figure.letter, detail);
      for (const reporting::ReportCell& cell : figure.cells) {
        const std::string tables = cell.tables.dump();
        text += fmt::format("{} {} of layer {}, {} high: {} values, {}\n", cell.chart, cell.caption, cell.layer,
                            cell.height, std::count(tables.begin(), tables.end(), ','), cell.values.dump());
      }
    }
  snapshot::check("thinned.txt", text);
}
