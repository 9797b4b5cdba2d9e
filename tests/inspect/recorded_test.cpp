#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "snapshot.h"
#include "tapegrad/inspect/report/figures.h"

namespace {

namespace tg = tapegrad::f64;
using tg::Index;

std::string shown(const tg::RunRecord& record) {
  std::string text =
      fmt::format("{}: {} classes, {} steps per epoch, looks {}, {} of them in eval, modal {}\n", record.name,
                  record.classes, record.steps_per_epoch, record.looks, record.looks_in_eval, record.modal_path);
  const tg::StructureRecord& s = record.structure;
  for (const auto& linear : s.linear)
    text += fmt::format("linear {} {} to {}\n", linear.path, linear.inputs, linear.outputs);
  text += fmt::format("nonlinear {}, loss {}, output activation {} of {}, {} outputs\n", s.nonlinear, s.loss,
                      s.output_activation, s.output_path, s.outputs);
  for (const auto& [path, p] : s.dropout) text += fmt::format("dropout {} {}\n", path, p);
  text +=
      fmt::format("data: {} rows, mean {:.9g}, std {:.9g}, classes {}, target std {:.9g}, rms {:.9g}\n",
                  record.data.rows, fmt::join(record.data.column_mean, " "), fmt::join(record.data.column_std, " "),
                  fmt::join(record.data.class_counts, " "), record.data.target_std, record.data.target_rms);
  for (const tg::ValidationStep& v : record.validation)
    text += fmt::format("validation at {}: loss {:.9g}, accuracy {:.9g}, training {:.9g}, in training mode {}\n",
                        v.step, v.loss, v.accuracy, v.train_accuracy, v.training_mode);
  for (const tg::LayerRecord& layer : record.layers) {
    text += fmt::format("layer {} {}, {} units, elementwise {}, dead since {}\n", layer.path, layer.activation,
                        layer.units, layer.elementwise, fmt::join(layer.dead_since, " "));
    for (const tg::LayerStep& step : layer.steps)
      text += fmt::format("  {} varies {:.9g}\n", step.step, step.sample_std);
  }
  for (const tg::ParameterRecord& p : record.parameters) {
    text += fmt::format("parameter {} {}, learned {}, spread {:.9g}\n", p.path, tg::to_string(p.shape),
                        p.requires_grad, p.unit_spread);
    for (const tg::ParameterStep& step : p.steps)
      text += fmt::format("  {} descends {:.9g}\n", step.step, step.descent);
  }
  for (const tg::Finding& f : tg::findings(record))
    text +=
        fmt::format("finding {} at {}: {:.6g} against {:.6g}, {}, {}, effect of {}\n  {}\n", f.rule, f.where,
                    f.number, f.threshold, tg::to_string(f.severity), tg::to_string(f.source), f.effect_of, f.text);
  for (const tg::Remedy& r : tg::remedies(tg::findings(record)))
    text += fmt::format("remedy {} ({}, {})\n", tg::to_string(r), r.rule, r.where);
  return text;
}

std::string log_of(const tg::RunRecord& record) {
  const std::string path = (std::filesystem::temp_directory_path() / "tapegrad_snapshot.log").string();
  tg::write_log(path, {&record, 1});
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  return text.str();
}

/// A report without what is the same in all of them: style sheet, specifications of the charts, scripts.
std::string page_of(std::span<const tg::RunRecord> runs) {
  const std::string path = (std::filesystem::temp_directory_path() / "tapegrad_snapshot.html").string();
  const std::filesystem::path scripts = std::filesystem::temp_directory_path() / "tapegrad_snapshot_scripts";
  std::filesystem::create_directory(scripts);
  for (const char* const name : {"vega", "vega-lite", "vega-embed"})
    std::ofstream(scripts / fmt::format("{}.min.js", name)) << "0";
  tg::write_report(path, runs, {.vega_directory = scripts.string()});
  std::ostringstream file;
  file << std::ifstream(path).rdbuf();
  std::filesystem::remove(path);
  std::filesystem::remove_all(scripts);
  std::string text = file.str();
  const auto cut = [&](std::string_view from, std::string_view to) {
    const std::size_t begin = text.find(from), end = text.find(to, begin);
    REQUIRE(end != std::string::npos);
    text.replace(begin, end - begin, "…");
  };
  cut("<style>", ":root[data-theme=light] { --layer0");
  cut("{\"themes\"", "\"views\"");
  cut("<script>", "</body>");
  return text;
}

/// Two moons learned in 24 steps, 8 of them an epoch; looked at in full.
tg::RunRecord trained(tg::Sequential& net, tg::Optimizer& optimizer, double lr, Index revive_at = 0) {
  tg::Rng rng(5);
  const tg::Dataset data = tg::two_moons(64, 0.1, rng), other = tg::two_moons(32, 0.1, rng);
  tg::Monitor monitor(net, {.name = "snapshot",
                            .every = 1,
                            .histogram_every = 16,
                            .firing_every = 12,
                            .confirm_after = 3,
                            .steps_per_epoch = 8,
                            .classes = 2,
                            .optimizer = {.name = std::string(optimizer.name()), .momentum = 0, .weight_decay = 0},
                            .data = tg::describe(data.inputs, data.labels, 2)});
  tg::Loader loader(data, {.batch = 8, .shuffle = rng});
  tg::Tape tape;
  for (int epoch = 0; epoch < 3; ++epoch) {
    net.train();
    for (auto& [x, labels] : loader) {
      tape.reset();
      const tg::Var y = net(tape.input(x)), loss = tg::cross_entropy(y, labels);
      loss.backward();
      optimizer.step();
      monitor.step(loss, {.lr = lr, .accuracy = tg::accuracy(y.value(), labels)});
      if (monitor.steps() == revive_at) tg::revive_dead(net, tg::census(net, data.inputs), rng);
    }
    net.eval();
    tape.reset();
    const tg::Var y = net(tape.input(other.inputs));
    monitor.validation(tg::cross_entropy(y, other.labels), tg::accuracy(y.value(), other.labels));
  }
  return monitor.record();
}

}  // namespace

TEST_CASE("snapshot: the comparison sees every change but rounding") {
  using snapshot::difference;
  CHECK(difference("a 1.5 b\n", "a 1.5 b\n").empty());
  CHECK(difference("loss 0.3000000001, x\n", "loss 0.3, x\n").empty());
  CHECK(difference("loss 0.30001\n", "loss 0.3\n") == "line 1\n  got  loss 0.30001\n  want loss 0.3");
  CHECK(difference("1e-3\n", "0.001\n").empty());
  CHECK(difference("-1\n", "1\n") == "line 1\n  got  -1\n  want 1");
  CHECK(difference("layer1\n", "layer2\n") == "line 1\n  got  layer1\n  want layer2");
  CHECK(difference("a\nb\n", "a\n") == "line 2\n  got  b\n  want (the end)");
  CHECK(difference("a\n", "a b\n") == "line 1\n  got  a\n  want a b");
}

TEST_CASE("snapshot: all that a monitor records of two networks, and what is found in it") {
  tg::Rng rng(3);
  tg::Sequential relu{tg::Linear(2, 6, rng), tg::Relu(), tg::Linear(6, 5, rng), tg::LeakyRelu(),
                      tg::Linear(5, 2, rng)};
  tg::Sgd sgd(relu.parameters(), {.lr = 8});
  const tg::RunRecord dying = trained(relu, sgd, 8, 18);
  snapshot::check("run_relu.txt", shown(dying) + log_of(dying));

  tg::Sequential deep{tg::Linear(2, 6, rng, {.bias = false}),
                      tg::BatchNorm1d(6),
                      tg::Sigmoid(),
                      tg::Dropout(0.25, rng),
                      tg::Linear(6, 4, rng),
                      tg::Tanh(),
                      tg::Linear(4, 2, rng),
                      tg::Softmax()};
  tg::Adam adam(deep.parameters(), {.lr = 0.3});
  const tg::RunRecord twice = trained(deep, adam, 0.3);
  snapshot::check("run_softmax.txt", shown(twice) + log_of(twice));

  std::vector<tg::RunRecord> runs{dying, twice};
  const tg::Dataset data = tg::two_moons(12, 0.1, rng);
  runs[0].map = tg::decision_map(relu, data.inputs, data.labels, 6);
  snapshot::check("page_one.txt", page_of({runs.data(), 1}));
  runs[1].name = "twin";
  snapshot::check("page_two.txt", page_of(runs));
}

TEST_CASE("snapshot: colours of a report") {
  using namespace tapegrad::reporting;
  std::string text;
  for (const bool dark : {false, true})
    text += fmt::format("{}\n{}\n{}\n", report_theme(dark, 4).dump(), fmt::join(layer_colours(5, dark), " "),
                        fmt::join(run_colours(dark), " "));
  snapshot::check("theme.txt", text);
}

TEST_CASE("snapshot: preflight, summary and graph of a network") {
  tg::Rng rng(3);
  const tg::Dataset data = tg::two_moons(64, 0.1, rng);
  tg::Sequential net{tg::Linear(2, 8, rng), tg::Relu(), tg::LayerNorm(8),     tg::Dropout(0.5, rng),
                     tg::Linear(8, 3, rng), tg::Tanh(), tg::Linear(3, 2, rng)};
  std::string text = tg::to_text(tg::preflight(net, data.inputs, data.labels)) + tg::summary(net, 2);
  tg::Tape tape;
  const tg::Var loss = tg::cross_entropy(net(tape.input(data.inputs)), data.labels);
  loss.backward();
  text += tg::graph_table(tape, &net) + tg::graph_dot(tape, &net) + tg::graph_mermaid(tape, &net);
  snapshot::check("network.txt", text);
}

TEST_CASE("structure: the loss of a network, and what it is made of, in whatever way it is written") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(2, 3, rng), tg::Dropout(0.25, rng), tg::Linear(3, 1, rng), tg::Sigmoid()};
  const tg::Matrix x = tg::Matrix::Ones(4, 2), y = tg::Matrix::Constant(4, 1, 0.5);
  const auto seen = [&](auto make) {
    tg::Monitor monitor(net, {});
    tg::Tape tape;
    const tg::Var loss = make(tape, net(tape.input(x)));
    loss.backward();
    monitor.step(loss, {});
    const tg::StructureRecord& s = monitor.record().structure;
    std::string text = fmt::format("{}: {} outputs of {} {}, nonlinear {};", s.loss, s.outputs, s.output_activation,
                                   s.output_path, s.nonlinear);
    for (const auto& linear : s.linear)
      text += fmt::format(" {} {}x{}", linear.path, linear.inputs, linear.outputs);
    for (const auto& [path, p] : s.dropout) text += fmt::format(" {} {}", path, p);
    return text;
  };
  const std::string rest = " 0 2x3 2 3x1 1 0.25";
  CHECK(seen([&](tg::Tape&, tg::Var out) { return tg::mse(out, y); }) ==
        "mse: 1 outputs of sigmoid 3, nonlinear false;" + rest);
  CHECK(seen([&](tg::Tape&, tg::Var out) { return 3 * tg::mse(out, y) + 1.0; }) ==
        "mse: 1 outputs of sigmoid 3, nonlinear false;" + rest);
  CHECK(seen([&](tg::Tape& tape, tg::Var out) {
          return tg::mse(out, y) + 0.1 * sum(square(tape.parameter(net.parameters()[0])));  // a penalty
        }) == "mse: 1 outputs of sigmoid 3, nonlinear false;" + rest);
  CHECK(seen([&](tg::Tape&, tg::Var out) { return tg::mse(tanh(out), y); }) ==
        "mse: 1 outputs of tanh , nonlinear true;" + rest);
  CHECK(seen([&](tg::Tape& tape, tg::Var out) { return mean(square(out - tape.input(y))); }) ==
        ": 0 outputs of  , nonlinear true;" + rest);
  CHECK(seen([&](tg::Tape& tape, tg::Var out) { return sum((out - tape.input(y)) * out); }) ==
        ": 0 outputs of  , nonlinear true;" + rest);
}

TEST_CASE("firing rates: a period in which z was not finite is unknown, the next one is not") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(1, 2, rng), tg::Relu()};
  net.at<tg::Linear>(0).weight.set_value(tg::Matrix{{1}, {-1}});
  net.at<tg::Linear>(0).bias.set_value(tg::Matrix::Zero(1, 2));
  tg::Monitor monitor(net, {.every = 1, .firing_every = 2});
  tg::Tape tape;
  for (const double x : {1.0, 1.0, double(NAN), 1.0, 1.0, -1.0}) {
    tape.reset();
    const tg::Var loss = sum(net(tape.input(tg::Matrix{{x}, {1}})));
    loss.backward();
    monitor.step(loss, {});
  }
  const auto& rates = monitor.record().layers[0].firing_rates;
  REQUIRE(rates.size() == 3);
  CHECK(rates[0].second == std::vector<double>{1, 0});
  CHECK((std::isnan(rates[1].second[0]) && std::isnan(rates[1].second[1])));
  CHECK(rates[2].second == std::vector<double>{0.75, 0.25});
}
