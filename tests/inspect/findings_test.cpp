#include "tapegrad/inspect/findings.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <sstream>
#include <string>

#include "tapegrad/core/activations.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/inspect/monitor.h"
#include "tapegrad/inspect/preflight.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/linear.h"
#include "tapegrad/optim/optimizers.h"

using namespace tapegrad;

namespace {

constexpr Index step_count = 1200;

/// A record of `depth` hidden layers of 100 units, in which everything is as it should be.
RunRecord healthy(const std::string& f = "relu", std::size_t depth = 4) {
  RunRecord record;
  record.classes = 10;
  record.input_mean = 0.13;
  record.input_std = 0.31;
  const bool rectifier = f == "relu";
  for (std::size_t k = 0; k <= depth; ++k) {
    LayerRecord layer;
    layer.path = k == depth ? "output" : std::to_string(2 * k + 1);
    layer.activation = k == depth ? "output" : f;
    layer.units = k == depth ? 10 : 100;
    layer.elementwise = k < depth;
    if (k < depth) layer.facts = activation(f).facts();
    for (Index step = 0; step < step_count; ++step)
      layer.steps.push_back({.step = step,
                             .z_std = 1,
                             .mean = 0.4,
                             .std = 0.6,
                             .sample_std = 0.5,
                             .saturated_low = rectifier ? 0.5 : 0.1,
                             .saturated_high = rectifier ? 0 : 0.1,
                             .gradient_rms = 1e-3,
                             .weight_factor = 1.4,
                             .slope_factor = 0.71});
    layer.dead_since.assign(static_cast<std::size_t>(layer.units), -1);
    record.layers.push_back(layer);
    ParameterRecord weight;
    weight.path = std::to_string(2 * k) + ".weight";
    weight.shape = {layer.units, 100};
    ParameterRecord bias;
    bias.path = std::to_string(2 * k) + ".bias";
    bias.shape = {1, layer.units};
    for (Index step = 0; step < step_count; ++step) {
      weight.steps.push_back({step, std::sqrt(2.0 * static_cast<double>(layer.units)), 0.5, 0.014, 1e-3});
      bias.steps.push_back({step, 1e-3, 0.1, 1e-3, 1});  // starts at 0, so its ratio means nothing
    }
    record.parameters.push_back(weight);
    record.parameters.push_back(bias);
  }
  for (Index step = 0; step < step_count; ++step)
    record.loss.push_back({step, 1.4 + 0.9 * std::exp(-0.002 * static_cast<double>(step)), 0.5, 0.1});
  return record;
}

/// The same run in twice as many steps.
void stretch(RunRecord& record) {
  for (LossStep& step : record.loss) step.step *= 2;
}

template <class Step, class Change> void each_step(std::vector<Step>& steps, const Change& change) {
  for (Step& step : steps) change(step);
}

void set_loss(RunRecord& record, double loss) {
  each_step(record.loss, [&](LossStep& step) { step.loss = loss; });
}

/// The one finding of a record.
Finding only(const RunRecord& record) {
  const std::vector<Finding> all = findings(record);
  for (const Finding& each : all) CAPTURE(each.text);
  REQUIRE(all.size() == 1);
  return all[0];
}

void check(const Finding& finding, std::string_view rule, std::string_view where, Severity severity,
           std::string_view text) {
  CHECK(finding.rule == rule);
  CHECK(finding.where == where);
  CHECK(to_string(finding.severity) == to_string(severity));
  CHECK(finding.text == text);
}

void add_deaths(LayerRecord& layer, Index count, const Death& like) {
  for (Index i = 0; i < count; ++i) {
    layer.deaths.push_back(like);
    layer.deaths.back().unit = i;
    layer.deaths.back().step += i;
  }
}

}  // namespace

TEST_CASE("findings: a healthy run gives none") {
  for (const char* f : {"relu", "tanh", "elu", "swish", "leaky_relu"}) CHECK(findings(healthy(f)).empty());
  for (const std::size_t depth : {0U, 1U, 2U, 30U}) CHECK(findings(healthy("relu", depth)).empty());
  CHECK(findings(RunRecord{}).empty());
}

TEST_CASE("findings: every rule has a name of its own") {
  for (const FindingRule& a : finding_rules())
    for (const FindingRule& b : finding_rules()) CHECK((a.name == b.name) == (&a == &b));
}

TEST_CASE("findings: the table in the documentation is the list of rules, and what was measured of them") {
  // By rule: of its faults, it has, of all faulty runs, of the healthy ones; scripts/diagnose.sh writes it.
  std::ifstream measured(TAPEGRAD_TESTS_DIR "/../bench/diagnosis/rules.csv");
  const auto cells = [](const std::string& line) {
    std::vector<std::string> result;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) result.push_back(cell);
    return result;
  };
  std::string line;
  std::getline(measured, line);
  const std::vector<std::string> head = cells(line);
  REQUIRE(head.size() == 5);
  std::map<std::string, std::vector<std::string>> said;
  while (std::getline(measured, line)) said[line.substr(0, line.find(','))] = cells(line);

  std::string table = fmt::format(
      "# Findings\n\n"
      "Every rule behind `findings()`, causes before what they bring about. A warning comes from the first number "
      "on, a critical\n"
      "finding from the second (below them, where the second is smaller). *Its faults* are runs of "
      "[bench/diagnosis](../bench/diagnosis/README.md) with a\n"
      "fault that the rule is there for (several rules may be there for one); the last two columns count the runs "
      "of which the rule was\n"
      "said, as a cause or as an effect. `scripts/diagnose.sh` measures, and "
      "`TAPEGRAD_WRITE_FINDINGS=docs/findings.md\n"
      "build/ci/tests/tapegrad_tests --test-case='findings: the table*'` writes this page.\n\n"
      "| finding | looks at | measures | warning | critical | said of its faults | {} | {} "
      "|\n|--|--|--|--|--|--|--|--|\n",
      head[3], head[4]);
  for (const FindingRule& rule : finding_rules()) {
    std::string measures;
    for (const char c : rule.measures) measures += c == '|' ? std::string("\\|") : std::string(1, c);
    std::vector<std::string>& cell = said[std::string(rule.name)];
    if (cell.empty()) cell = {"", "0", "0", "0", "0"};
    table += fmt::format("| {} | {} | {} | {:g} | {:g} | {} | {} | {} |\n", rule.name, to_string(rule.source),
                         measures, rule.warning, rule.critical, cell[2] == "0" ? "–" : cell[1] + " of " + cell[2],
                         cell[3], cell[4]);
  }
  if (const char* path = std::getenv("TAPEGRAD_WRITE_FINDINGS")) std::ofstream(path) << table;
  std::ifstream file(TAPEGRAD_TESTS_DIR "/../docs/findings.md");
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == table);
}

TEST_CASE("findings: dying relu") {
  RunRecord record = healthy();
  const Death death{.step = 20, .weight_jump = 0.31, .weight_norm = 1, .lr = 0.5};
  add_deaths(record.layers[1], 67, death);
  const Finding found = only(record);
  check(found, "dying relu", "3", Severity::warning,
        "layer 2 (3.relu): 67 % of the units are dead, half of them by step 53; the update ratio was "
        "0.31, usual is 0.001: lower the learning rate (0.5), or use leaky_relu");
  CHECK(found.number == doctest::Approx(0.67).scale(0));
  CHECK(found.threshold == 0.5);

  // A few are usual; they are told, and are no alarm.
  record = healthy();
  add_deaths(record.layers[1], 20, {.step = 20, .weight_jump = 1e-4, .weight_norm = 1});
  check(only(record), "dying relu", "3", Severity::info,
        "layer 2 (3.relu): 20 % of the units are dead, half of them by step 29: no gradient moves their "
        "weights any more; use leaky_relu, or revive them");
  // Those that never lived are told beside them, as the table of the layer counts both.
  add_deaths(record.layers[1], 22, {.at_initialization = true});
  CHECK(findings(record)[0].text ==
        "layer 2 (3.relu): 20 % of the units are dead, half of them by step 29 (22 % more were dead from the first "
        "batch on): "
        "no gradient moves their weights any more; use leaky_relu, or revive them");
  // As many are no alarm in a network that learns well.
  record = healthy();
  add_deaths(record.layers[1], 67, death);
  set_loss(record, 0.2);
  record.loss[0].loss = 2.3;
  CHECK(to_string(only(record).severity) == "info");

  record = healthy();
  add_deaths(record.layers[1], 9, death);
  CHECK(findings(record).empty());
  add_deaths(record.layers[1], 67, death);
  for (Death& each : record.layers[1].deaths) each.revived = 150;
  CHECK(findings(record).empty());
}

TEST_CASE("findings: dead at birth") {
  RunRecord record = healthy();
  add_deaths(record.layers[0], 75, {.at_initialization = true});
  check(only(record), "dead at birth", "1", Severity::warning,
        "layer 1 (1.relu): 75 % of the units have been dead since the first batch, usual is below 75 %: "
        "their biases are too negative, or the layers before are narrow; use bias 0 and he_normal "
        "weights, or leaky_relu");
  record.layers[0].deaths.pop_back();
  CHECK(to_string(only(record).severity) == "info");
}

TEST_CASE("findings: saturation") {
  RunRecord record = healthy("sigmoid");
  each_step(record.layers[3].steps, [](LayerStep& step) { step.saturated_low = 0.9; });
  each_step(record.layers[3].steps, [](LayerStep& step) { step.saturated_high = 0.04; });
  check(only(record), "saturation", "7", Severity::warning,
        "layer 4 (7.sigmoid): 94 % of its outputs are saturated (90 % low, 4 % high), usual is below 80 %: "
        "f′ is less than a tenth of its maximum there and stops the gradient; use smaller weights at "
        "first (xavier_normal), normalization before the layer, or relu");
  // A network that has learned its task may be as sure as it likes.
  for (std::size_t i = 100; i < record.loss.size(); ++i) record.loss[i].loss = 0.01;
  CHECK(to_string(only(record).severity) == "info");
  // On one side only: relu's "saturated" is "off", and of elu what counts is whether a unit ever wakes.
  for (const char* f : {"relu", "leaky_relu", "elu", "swish", "softplus"}) {
    record = healthy(f);
    each_step(record.layers[3].steps, [](LayerStep& step) { step.saturated_low = 0.89; });
    CHECK(findings(record).empty());
  }
  check(only([] {
          RunRecord swish = healthy("swish");
          each_step(swish.layers[3].steps, [](LayerStep& step) { step.saturated_low = 0.99; });
          return swish;
        }()),
        "saturation", "7", Severity::warning,
        "layer 4 (7.swish): z is on the flat side of f on 99 % of the samples, so that hardly any gradient comes "
        "through; "
        "lower the learning rate, use smaller weights at first, or normalization before the layer");
  // Of relu6 the side beyond 6 is flat, and the one below 0 as in relu.
  record = healthy("relu6");
  each_step(record.layers[3].steps, [](LayerStep& step) { step.saturated_low = 0.9; });
  CHECK(findings(record).empty());
  each_step(record.layers[3].steps, [](LayerStep& step) { step.saturated_high = 0.85; });
  check(only(record), "saturation", "7", Severity::warning,
        "layer 4 (7.relu6): 85 % of its outputs are at their upper limit, usual is below 80 %: f′ is 0 there and "
        "stops the "
        "gradient; use smaller weights at first, normalization before the layer, or relu");
  record = healthy("elu");
  each_step(record.layers[3].steps, [](LayerStep& step) { step.asleep = 0.9; });
  check(only(record), "saturation", "7", Severity::warning,
        "layer 4 (7.elu): 90 % of the units are asleep, usual is below 80 %: f′ is less than a "
        "thousandth of its maximum on all samples and stops the gradient; lower the learning rate, or "
        "use leaky_relu");
}

TEST_CASE("findings: of many layers the worst one stands for all") {
  RunRecord record = healthy("relu", 6);
  for (std::size_t k = 0; k < 5; ++k) add_deaths(record.layers[k], k == 2 ? 90 : 80, {.at_initialization = true});
  check(only(record), "dead at birth", "5", Severity::warning,
        "layer 3 (5.relu): 90 % of the units have been dead since the first batch, usual is below 75 %: "
        "their biases are too negative, or the layers before are narrow; use bias 0 and he_normal "
        "weights, or leaky_relu; 4 more layers are like it, none worse");
}

TEST_CASE("findings: bad initialization of sigmoid and selu") {
  RunRecord record = healthy("sigmoid", 5);
  record.layers[0].steps[0].gradient_rms = 1e-6;
  CHECK(only(record).text.ends_with("; sigmoid shrinks the gradient whatever they are; use tanh or relu"));
  record = healthy("selu", 5);
  record.layers[0].steps[0].gradient_rms = 1e-6;
  CHECK(only(record).text.ends_with("; selu needs 1/fan_in (lecun_normal)"));
}

TEST_CASE("findings: vanishing gradient") {
  RunRecord record = healthy("sigmoid");
  for (std::size_t k = 0; k < 4; ++k)
    each_step(record.layers[k].steps, [&](LayerStep& step) {
      if (step.step > 0) step.gradient_rms = 1e-3 * std::pow(6.9, static_cast<double>(k) - 3);
      step.weight_factor = 0.58;
      step.slope_factor = 0.25;
    });
  check(only(record), "vanishing gradient", "1", Severity::warning,
        "from layer 4 (7.sigmoid) back to layer 1 (1.sigmoid) the gradient shrinks from 0.001 to 3e-06, by "
        "0.14 per layer (weights 0.58, f′ 0.25), usual is about 1: f′ is small; use relu or tanh, "
        "residual connections or normalization");
  for (std::size_t k = 0; k < 4; ++k)
    each_step(record.layers[k].steps, [](LayerStep& step) { step.weight_factor = 0.2; });
  CHECK(only(record).text ==
        "from layer 4 (7.sigmoid) back to layer 1 (1.sigmoid) the gradient shrinks from 0.001 to 3e-06, by "
        "0.14 per layer (weights 0.2, f′ 0.25), usual is about 1: the weights are small; use larger "
        "ones at first (he_normal for relu, xavier_normal for tanh), residual connections or "
        "normalization");
  each_step(record.layers[0].steps, [](LayerStep& step) { step.gradient_rms = step.step > 0 ? 2e-5 : 1e-3; });
  CHECK(findings(record).empty());
}

TEST_CASE("findings: exploding gradient") {
  RunRecord record = healthy();
  for (std::size_t k = 0; k < 4; ++k)
    each_step(record.layers[k].steps, [&](LayerStep& step) {
      step.gradient_rms = 1e-3 * std::pow(10.0, 3 - static_cast<double>(k));
      step.weight_factor = 14;
      if (step.step == 0) step.gradient_rms = 1e-3;
    });
  check(only(record), "exploding gradient", "1", Severity::warning,
        "from layer 4 (7.relu) back to layer 1 (1.relu) the gradient grows from 0.001 to 1, by 10 per "
        "layer (weights 14, f′ 0.71), usual is about 1: the weights are large; use smaller ones at "
        "first (he_normal for relu, xavier_normal for tanh), or clip the gradient");

  record = healthy("relu", 1);
  for (ParameterRecord& parameter : record.parameters)
    each_step(parameter.steps, [](ParameterStep& step) { step.gradient_norm = step.step < 600 ? 0.5 : 75; });
  check(only(record), "exploding gradient", "", Severity::warning,
        "the norm of the gradient has grown from 1 to 150 in the run, 150 times: lower the "
        "learning rate, or clip the gradient");
}

TEST_CASE("findings: bad initialization") {
  RunRecord record = healthy("relu", 5);
  for (std::size_t k = 0; k < 5; ++k) {
    record.layers[k].steps[0].z_std = std::pow(0.31, static_cast<double>(k));
    record.layers[k].steps[0].gradient_rms = 1e-3 * std::pow(0.42, 4 - static_cast<double>(k));
  }
  for (ParameterRecord& parameter : record.parameters)
    parameter.steps[0].weight_norm = std::sqrt(static_cast<double>(parameter.shape.rows) / 3);
  check(only(record), "bad initialization", "1", Severity::warning,
        "at first the standard deviation of z changes by 0.31 per layer from layer 1 (1.relu) to layer 5 "
        "(9.relu), and the gradient by 0.42 on its way back, usual is about 1: the weights' variance is "
        "0.33/fan_in; relu needs about 2/fan_in (he_normal)");
  // What grows is as bad; tanh wants something else.
  record = healthy("tanh", 5);
  record.layers[4].steps[0].z_std = 60;
  CHECK(only(record).text ==
        "at first the standard deviation of z changes by 2.8 per layer from layer 1 (1.tanh) to layer 5 "
        "(9.tanh), and the gradient by 1 on its way back, usual is about 1: the weights' variance is "
        "2/fan_in; tanh needs about 1/fan_in (xavier_normal)");
  record.layers[4].steps[0].z_std = 45;
  CHECK(findings(record).empty());
}

TEST_CASE("findings: learning rate too high") {
  RunRecord record = healthy();
  for (std::size_t i = 240; i < 300; ++i) record.parameters[2].steps[i].update_ratio = 0.31;
  CHECK(findings(record).empty());  // large, but the loss falls
  set_loss(record, 2.0);
  record.loss[0].loss = 1.9;
  check(only(record), "learning rate too high", "2.weight", Severity::warning,
        "the update ratio of 2.weight reached 0.31 around step 240, usual is 0.001, and the loss does "
        "not fall (2 at first, 2 now): lower the learning rate (0.1) to about 0.001: divide it by 100");
  record = healthy();
  for (std::size_t i = 240; i < 300; ++i) record.parameters[2].steps[i].update_ratio = 1.2;
  for (LossStep& step : record.loss)
    step.loss = step.step < 600 ? 2.3 - 0.0025 * static_cast<double>(step.step) : 1.7;
  check(only(record), "learning rate too high", "2.weight", Severity::critical,
        "the update ratio of 2.weight reached 1.2 around step 240, usual is 0.001, and the loss rose "
        "again (from 0.95 to 1.7): lower the learning rate (0.1) to about 0.0002: divide it by 400");
}

TEST_CASE("findings: learning rate too low") {
  RunRecord record = healthy();
  for (ParameterRecord& parameter : record.parameters)
    each_step(parameter.steps, [](ParameterStep& step) { step.update_ratio = 2e-5; });
  set_loss(record, 0.9);
  CHECK(findings(record).empty());  // small, but the loss is low
  set_loss(record, 2.0);
  check(only(record), "learning rate too low", "0.weight", Severity::warning,
        "the update ratio is 2e-05 at most (of 0.weight), usual is 0.001, and the loss hardly falls "
        "(2 at first, 2 now): raise the learning rate (0.1) to about 20: multiply it by 200");
  // No update at all is a matter of the rate, too, unless there is no gradient.
  for (ParameterRecord& parameter : record.parameters)
    each_step(parameter.steps, [](ParameterStep& step) { step.update_ratio = step.update_norm = 0; });
  CHECK(only(record).text ==
        "the update ratio is 0 at most (of 0.weight), usual is 0.001, and the loss hardly falls (2 at first, 2 "
        "now): raise "
        "the learning rate (0.1) to about 10: multiply it by 100");
  for (ParameterRecord& parameter : record.parameters)
    each_step(parameter.steps, [](ParameterStep& step) { step.gradient_norm = 0; });
  CHECK(findings(record).empty());
}

TEST_CASE("findings: not finite") {
  RunRecord record = healthy();
  record.nan_step = 35;
  for (std::size_t i = 35; i < step_count; ++i) record.layers.back().steps[i].mean = std::nan("");
  check(only(record), "not finite", "", Severity::critical,
        "the loss is not finite since step 35: lower the learning rate (0.1) or clip the gradient; "
        "NanBlame names the op");
  for (std::size_t i = 20; i < 35; ++i) record.parameters[0].steps[i].update_ratio = 3.1;
  CHECK(findings(record)[0].rule == "learning rate too high");
  CHECK(findings(record)[1].text ==
        "the loss is not finite since step 35; the update ratio of 0.weight reached 0.78, usual is "
        "0.001: lower the learning rate (0.1) or clip the gradient; NanBlame names the op");
  for (std::size_t i = 35; i < record.loss.size(); ++i)
    record.loss[i].loss = std::numeric_limits<double>::quiet_NaN();
  CHECK(findings(record).size() == 2);
}

TEST_CASE("findings: constant output") {
  RunRecord record = healthy();
  each_step(record.layers.back().steps, [](LayerStep& step) { step.sample_std = 0.0003; });
  check(only(record), "constant output", "output", Severity::warning,
        "the output hardly depends on the input: over the samples of a batch it varies by 0.0003, "
        "usual is above 0.01: dead, saturated or vanishing layers pass nothing on, and only the last "
        "biases learn; look at the layers before");
  record.classes = 0;  // a small output is no constant one
  each_step(record.layers.back().steps, [](LayerStep& step) { step.mean = 0.0001; });
  each_step(record.layers.back().steps, [](LayerStep& step) { step.std = 0.0003; });
  CHECK(findings(record).empty());
  each_step(record.layers.back().steps, [](LayerStep& step) { step.sample_std = -1; });  // unknown
  CHECK(findings(record).empty());
}

TEST_CASE("findings: loss at ln C, with its cause") {
  RunRecord record = healthy();
  set_loss(record, 2.301);
  add_deaths(record.layers[1], 67, {.step = 20, .weight_jump = 0.31, .weight_norm = 1, .lr = 0.5});
  std::vector<Finding> all = findings(record);
  REQUIRE(all.size() == 2);
  CHECK(all[0].rule == "dying relu");
  check(all[1], "loss at ln C", "", Severity::critical,
        "the loss is 2.301 after 1200 steps, guessing among 10 classes gives ln 10 = 2.303: the network "
        "has learned nothing yet; its units are dead");

  record = healthy();
  set_loss(record, 2.301);
  each_step(record.layers.back().steps, [](LayerStep& step) { step.sample_std = 0.0003; });
  all = findings(record);
  REQUIRE(all.size() == 2);
  CHECK(all[0].rule == "constant output");
  CHECK(all[1].text ==
        "the loss is 2.301 after 1200 steps, guessing among 10 classes gives ln 10 = 2.303: the network "
        "has learned nothing yet; its output does not depend on the input");
  CHECK(all[1].effect_of == "constant output");

  record.loss.resize(1000);  // too early to say
  CHECK(findings(record).empty());
  record.structure.linear = {{"0", 784, 128}};  // but not for images
  CHECK(findings(record).size() == 2);

  record = healthy();
  set_loss(record, 2.19);           // a little better than guessing
  CHECK(findings(record).empty());  // with nothing else wrong it may only be slow
  stretch(record);
  all = findings(record);
  REQUIRE(all.size() == 2);
  CHECK(all[0].rule == "labels shuffled");
  check(all[1], "loss at ln C", "", Severity::warning,
        "the loss is 2.190 after 2399 steps, guessing among 10 classes gives ln 10 = 2.303: the network "
        "has learned hardly anything yet; see what stands above");
  record.structure.linear = {{"0", 2, 10}};  // nothing is shuffled where nothing but a straight line can be learned
  all = findings(record);
  REQUIRE(all.size() == 1);
  CHECK(all[0].text.ends_with(
      "; without a hidden layer it is a linear map, which tells classes apart by straight lines only; add one"));
  record = healthy();
  set_loss(record, 2.05);
  CHECK(findings(record).empty());
}

TEST_CASE("findings: a gradient that dead units stop is not the fault of f") {
  RunRecord record = healthy();
  add_deaths(record.layers[1], 67, {.step = 20, .weight_jump = 0.31, .weight_norm = 1, .lr = 0.5});
  each_step(record.layers.front().steps, [](LayerStep& step) { step.gradient_rms *= 1e-9; });
  each_step(record.layers.front().steps, [](LayerStep& step) { step.slope_factor = 1e-9; });
  const std::vector<Finding> all = findings(record);
  const auto vanishing =
      std::find_if(all.begin(), all.end(), [](const Finding& f) { return f.rule == "vanishing gradient"; });
  REQUIRE(vanishing != all.end());
  CHECK(vanishing->text.ends_with("usual is about 1: the units on its way are dead"));
}

TEST_CASE("findings: labels shuffled") {
  RunRecord record = healthy();
  set_loss(record, 2.301);
  stretch(record);
  const std::vector<Finding> all = findings(record);
  REQUIRE(all.size() == 2);
  check(all[0], "labels shuffled", "", Severity::warning,
        "the loss stays at 2.301 (ln 10 = 2.303) although gradients and updates are healthy (update "
        "ratio 0.001): the labels seem to say nothing about the inputs; check that both are in the "
        "same order");
  CHECK(all[1].rule == "loss at ln C");
  CHECK(all[1].text ==
        "the loss is 2.301 after 2399 steps, guessing among 10 classes gives ln 10 = 2.303: the network "
        "has learned nothing yet; see what stands above");
}

TEST_CASE("findings: labels constant") {
  RunRecord record = healthy();
  for (LossStep& step : record.loss) step.loss = 2.3 * std::exp(-0.1 * static_cast<double>(step.step));
  CHECK(findings(record).empty());  // an easy task: the output is another one for every sample
  each_step(record.layers.back().steps, [](LayerStep& step) { step.std = 4; });
  check(only(record), "labels constant", "", Severity::warning,
        "the loss fell from 2.3 to 0.11 within 30 steps, and the output is nearly the same for all "
        "samples (it varies by 12 % of its size): the labels seem to be constant; check how they are "
        "read");
}

TEST_CASE("findings: unscaled inputs") {
  RunRecord record = healthy();
  record.input_mean = 33.1;
  record.input_std = 78.6;
  check(only(record), "unscaled inputs", "", Severity::critical,
        "the inputs have mean 33 and standard deviation 79, usual is about 0 and 1: units saturate or "
        "die at once, and no learning rate fits all layers; scale them to [0, 1], or to mean 0 and "
        "standard deviation 1");
  record.input_mean = 0.002;
  record.input_std = 0.003;
  check(only(record), "unscaled inputs", "", Severity::warning,
        "the inputs have mean 0.002 and standard deviation 0.003, usual is about 0 and 1: the network "
        "hardly sees a difference between them; scale them to [0, 1], or to mean 0 and standard "
        "deviation 1");
  record.input_mean = -4.9;
  record.input_std = 4.9;
  CHECK(findings(record).empty());
}

TEST_CASE("findings: the worst come first, else in the order of the rules") {
  RunRecord record = healthy();
  add_deaths(record.layers[0], 30, {.at_initialization = true});
  add_deaths(record.layers[2], 20, {.step = 10});
  record.input_std = 100;
  const std::vector<Finding> all = findings(record);
  REQUIRE(all.size() == 3);
  CHECK(all[0].rule == "unscaled inputs");
  CHECK(all[1].rule == "dead at birth");
  CHECK(all[2].rule == "dying relu");
}

// Networks that are really trained.

namespace {

/// Samples of three classes around three points, and what may be wrong with them.
struct Task {
  explicit Task(Index samples) : x(samples, 2) {
    for (Index i = 0; i < samples; ++i) {
      labels.push_back(static_cast<int>(rng.below(3)));
      const double angle = 2.1 * labels.back();
      x.row(i) << static_cast<float>(std::cos(angle) + rng.normal(0, 0.2)),
          static_cast<float>(std::sin(angle) + rng.normal(0, 0.2));
    }
  }
  Rng rng{3};
  Matrix x;
  std::vector<int> labels;
};

std::vector<Finding> trained(const Task& task, double lr = 0.3, Index batch = 30, Index steps = 200) {
  Rng rng(1);
  Sequential net{Linear(2, 16, rng), Tanh(), Linear(16, 3, rng)};
  Sgd sgd(net.parameters(), {.lr = lr});
  Monitor monitor(net, {.classes = 3});
  Tape tape;
  for (Index step = 0; step < steps; ++step) {
    const Index from = step * batch % (task.x.rows() - batch + 1);
    tape.reset();
    const Var loss = cross_entropy(
        net(tape.input(task.x.middleRows(from, batch))),
        std::span(task.labels).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(batch)));
    loss.backward();
    sgd.step();
    monitor.step(loss, {.lr = lr});
  }
  return findings(monitor.record());
}

std::string rules_of(const std::vector<Finding>& all) {
  std::string names;
  for (const Finding& each : all) names += (names.empty() ? "" : ", ") + each.rule;
  return names;
}

}  // namespace

TEST_CASE("findings: a network that learns gives none, in batches of one either") {
  const Task task(90);
  CHECK(rules_of(trained(task)) == "");
  CHECK(rules_of(trained(task, 0.03, 1)) == "");
}

TEST_CASE("findings: every sample is the same one") {
  Task task(90);
  task.x.rowwise() = task.x.row(0).eval();
  const std::vector<Finding> all = trained(task, 0.3, 30, 1200);
  REQUIRE(rules_of(all) == "constant output, loss at ln C");
  CHECK(all[0].number < 1e-6);
  CHECK(all[1].text.ends_with("; its output does not depend on the input"));
}

TEST_CASE("findings: every label is the same one") {
  Task task(90);
  task.labels.assign(task.labels.size(), 1);
  CHECK(rules_of(trained(task)) == "labels constant");
}

TEST_CASE("findings: there is only one class") {
  Rng rng(1);
  Sequential net{Linear(2, 8, rng), Relu(), Linear(8, 1, rng)};
  const Task task(90);
  const std::vector<int> labels(90, 0);
  const PreflightReport report = preflight(net, task.x, labels);
  CHECK(report.loss == 0);
  REQUIRE(rules_of(report.findings) == "labels constant");
  CHECK(report.findings[0].text ==
        "there is only one class, so the loss is 0 whatever the network says: check which column holds the labels, "
        "and "
        "how they are read");
}

TEST_CASE("findings: classes without a sample are told, and are no fault") {
  Task task(90);
  for (int& label : task.labels) label += 2;
  Rng rng(1);
  Sequential net{Linear(2, 8, rng), Relu(), Linear(8, 12, rng)};
  const PreflightReport report = preflight(net, task.x, task.labels);
  REQUIRE(rules_of(report.findings) == "unused class");
  CHECK(report.findings[0].severity == Severity::info);
  CHECK(report.findings[0].number == 9);
  CHECK(report.findings[0].text ==
        "9 of the 12 classes have no sample: 0, 1, 5, 6, 7, ...; the network learns never to answer so. Where "
        "labels do "
        "not count from 0, state them when they are read (.classes of load_csv)");
  RunRecord record;
  record.data.class_counts = {4, 0, 3};
  REQUIRE(rules_of(findings(record)) == "unused class");
  CHECK(findings(record)[0].text ==
        "1 of the 3 classes has no sample: 1; the network learns never to answer so. Where labels do not count "
        "from 0, "
        "state them when they are read (.classes of load_csv)");
}

TEST_CASE("findings: overfitting, where both losses part") {
  RunRecord record;
  record.steps_per_epoch = 10;
  for (Index step = 0; step < 100; ++step)
    record.loss.push_back({.step = step, .loss = 1.003 - 0.01 * static_cast<double>(step)});
  for (Index epoch = 1; epoch <= 10; ++epoch)
    record.validation.push_back({.step = 10 * epoch - 1, .loss = epoch == 3 ? 0.5 : epoch < 8 ? 0.6 : 0.75});
  const auto told = [&](const RunRecord& of) { return rules_of(findings(of)) == "overfitting"; };
  REQUIRE(told(record));
  CHECK(findings(record)[0].severity == Severity::info);
  CHECK(findings(record)[0].number == 1.5);
  CHECK(findings(record)[0].text ==
        "the loss on other data was lowest after epoch 3, 0.5, and is 0.75 now, while that of the training fell on "
        "from 0.75 to "
        "0.13: since then the network learns what holds for its own samples only; keep the one of epoch 3 "
        "(EarlyStopping), or "
        "use more samples, a smaller network, dropout or weight decay");
  RunRecord other = record;
  for (ValidationStep& step : other.validation) step.loss = std::min(step.loss, 0.59);  // 1.18 of the best
  CHECK_FALSE(told(other));
  other = record;
  for (LossStep& step : other.loss) step.loss = 1;  // the training stands still, too
  CHECK_FALSE(told(other));
  other = record;
  for (ValidationStep& step : other.validation) step.training_mode = true;
  CHECK_FALSE(told(other));
  other = record;
  other.validation.erase(other.validation.begin() + 1, other.validation.begin() + 8);  // three are few
  CHECK_FALSE(told(other));
  other = record;
  other.validation[2].loss = std::numeric_limits<double>::quiet_NaN();
  CHECK(findings(other)[0].number == 1.25);
  other.nan_step = 99;
  CHECK(rules_of(findings(other)).find("overfitting") == std::string::npos);
}

TEST_CASE("findings: of a run that blew up only the reason") {
  Task task(90);
  task.x(89, 0) = std::numeric_limits<float>::quiet_NaN();
  CHECK(rules_of(trained(task)).find("constant output") == std::string::npos);
}
