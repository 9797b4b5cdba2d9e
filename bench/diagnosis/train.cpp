#include "diagnosis/train.h"

#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "diagnosis/detectors.h"

namespace diagnosis {
namespace {

/// Steps after which it is asked what would be found by then.
constexpr std::array<Index, 16> checks{1,   3,   10,   30,   100,  200,  300,  400,
                                       500, 700, 1000, 1500, 2000, 3000, 5000, 10000};
constexpr Index evaluations = 20;

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

Json number(double x) {
  if (!std::isfinite(x)) return std::isnan(x) ? Json("nan") : Json("inf");
  return Json(std::stod(fmt::format("{:.5g}", x)));
}

Json json_of(const std::vector<tg::Finding>& all) {
  Json result = Json::array();
  for (const tg::Finding& x : all)
    result.push_back({{"severity", std::string(tg::to_string(x.severity))},
                      {"rule", x.rule},
                      {"where", x.where},
                      {"source", std::string(tg::to_string(x.source))},
                      {"effect_of", x.effect_of},
                      {"number", number(x.number)},
                      {"text", x.text}});
  return result;
}

/// What a user tells the monitor of the data.
tg::DataRecord description(const Config& c, const Samples& samples, Index outputs) {
  if (c.loss() == "mse") return tg::describe(samples.set.inputs, targets_of(c, samples, outputs));
  return tg::describe(samples.set.inputs, std::span<const int>(samples.set.labels), samples.set.classes);
}

/// Preflight on what a user would give it: all of the data, or of much of it 256 rows.
void preflight(const Config& c, Net& n, const Samples& train, Json& json) {
  const Samples some = train.size() <= 1000 ? train : train.evenly(256);
  const tg::Matrix& x = some.set.inputs;
  try {
    const tg::PreflightReport report =
        c.loss() == "ce" ? tg::preflight(n.net, x, std::span<const int>(some.set.labels))
                         : tg::preflight(n.net, x, [&](tg::Var out) { return loss_of(c, out, some); });
    json["preflight"] = json_of(report.findings);
    json["lr_fastest"] = number(report.lr_fastest);
    json["lr_limit"] = number(report.lr_limit);
  } catch (const std::exception& e) {
    json["preflight"] = Json::array();
    json["preflight_error"] = e.what();
  }
}

/// One training of one configuration.
class Run {
 public:
  Run(const Config& config, bool details)
      : c_(config),
        details_(details),
        data_(data_of(config)),
        net_(build(config, data_.train.set.inputs.cols(), data_.train.set.classes)),
        batches_(data_.train.size(), std::min<Index>(config.whole("batch", 32), data_.train.size()),
                 tg::Rng(config.seed() + 1)),
        epochs_(config.whole("epochs", 200)),
        total_(epochs_ * batches_.count()),
        other_(data_.test.evenly(300)),
        held_out_(first_rows(data_.test, 300)),
        autotrainer_(static_cast<double>(epochs_)),
        deepdiagnosis_(epochs_),
        reader_(net_.net) {}

  Result result() {
    const double began = cpu_seconds();
    Result result;
    if (details_) preflight(c_, net_, data_.train, result.json);
    const Index classes = c_.loss() == "ce" ? data_.train.set.classes : c_.loss() == "bce" ? 2 : 0;
    tg::MonitorOptions options{.steps_per_epoch = batches_.count(),
                               .classes = classes,
                               .optimizer = {.name = c_.text("optimizer", "adam"),
                                             .momentum = c_.num("momentum"),
                                             .weight_decay = c_.num("weight_decay")},
                               .data = description(c_, data_.train, net_.outputs)};
    if (c_.json.contains("every")) options.every = c_.whole("every");
    tg::Monitor monitor(net_.net, options);
    Json detections = Json::array();
    for (Index epoch = 0; epoch < epochs_; ++epoch) {
      train_epoch(monitor, detections);
      if (details_) evaluate(monitor, epoch);
    }
    measure(result);
    if (details_ && c_.text("mode") == "eval_in_train") evaluate_in_training_mode(monitor);
    finish(monitor.record(), detections, result);
    result.json["seconds"] = number(cpu_seconds() - began);
    return result;
  }

 private:
  static Samples first_rows(const Samples& all, Index count) {
    std::vector<Index> rows;
    for (Index i = 0; i < std::min(count, all.size()); ++i) rows.push_back(i);
    return all.rows(rows);
  }

  std::vector<tg::Parameter> learned() {
    std::vector<tg::Parameter> result;
    const Index frozen = c_.whole("frozen", -1);
    for (const auto& [path, parameter] : net_.net.named_parameters())
      if (frozen < 0 || !path.starts_with(net_.linear_paths[static_cast<std::size_t>(frozen)] + "."))
        result.push_back(parameter);
    return result;
  }

  void train_epoch(tg::Monitor& monitor, Json& detections) {
    net_.net.train(c_.text("mode") != "train_in_eval");
    epoch_ = {};
    double seen = 0;
    for (const std::span<const Index> rows : batches_.epoch()) {
      if (rows.size() < 2 && c_.flag("batch_norm")) continue;
      const Samples batch = data_.train.rows({rows.begin(), rows.end()});
      tape_.reset();
      const tg::Var output = net_.net(tape_.input(batch.set.inputs));
      const tg::Var loss = loss_of(c_, output, batch);
      loss.backward();
      const double accuracy = batch.regression() ? -1 : accuracy_of(c_, output.value(), batch);
      const double lr = lr_at(c_, step_, total_);
      update(lr);
      monitor.step(loss, {.lr = lr, .accuracy = accuracy});
      epoch_.train_loss += static_cast<double>(loss.item()) * static_cast<double>(rows.size());
      epoch_.train_accuracy += accuracy * static_cast<double>(rows.size());
      seen += static_cast<double>(rows.size());
      ++step_;
      if (!details_ || step_ >= total_ || std::find(checks.begin(), checks.end(), step_) == checks.end()) continue;
      Json now = Json::array();
      for (const tg::Finding& f : tg::findings(monitor.record()))
        if (f.severity != tg::Severity::info)
          now.push_back({{"rule", f.rule}, {"where", f.where}, {"source", std::string(tg::to_string(f.source))}});
      detections.push_back({step_, now});
    }
    epoch_.train_loss /= seen;
    epoch_.train_accuracy /= seen;
  }

  void update(double lr) {
    if (c_.flag("ascend")) {
      for (tg::Parameter& p : learned_)
        if (p.has_grad()) p.mutable_value() += static_cast<float>(lr) * p.grad();
    } else {
      optimizer_->set_lr(lr);
      optimizer_->step();
    }
  }

  void evaluate(tg::Monitor& monitor, Index epoch) {
    const auto loss = [&](const tg::Matrix& y, const Samples& samples) {
      tg::Tape tape;
      return static_cast<double>(loss_of(c_, tape.input(y), samples).item());
    };
    if (c_.text("mode") != "eval_in_train" && (epoch + 1) % std::max<Index>(epochs_ / evaluations, 1) == 0) {
      const tg::Matrix y = net_.net.predict(other_.set.inputs);
      monitor.validation(loss(y, other_), other_.regression() ? -1 : accuracy_of(c_, y, other_));
    }
    reader_.looks.assign(reader_.modules.size(), {});
    const tg::Matrix y = net_.net.predict(held_out_.set.inputs, 512, &reader_);
    reader_.looks.back().last = true;
    if (!c_.text("output_activation").empty() && reader_.looks.size() > 1)
      reader_.looks[reader_.looks.size() - 2].last = true;
    epoch_.test_loss = loss(y, held_out_);
    epoch_.test_accuracy = accuracy_of(c_, y, held_out_);
    history_.push_back(epoch_);
    const GradientLook gradient = gradients_of(net_.net, net_.linear_paths.back());
    autotrainer_.look(history_, reader_.looks, gradient);
    deepdiagnosis_.look(history_, reader_.looks, gradient);
  }

  void evaluate_in_training_mode(tg::Monitor& monitor) {
    net_.net.train();
    tg::Tape tape;
    const tg::Var y = net_.net(tape.input(other_.set.inputs));
    monitor.validation(loss_of(c_, y, other_), other_.regression() ? -1 : accuracy_of(c_, y.value(), other_));
  }

  /// Accuracy, as this user computes it.
  void measure(Result& result) {
    const auto accuracy = [&](const Samples& samples) {
      return accuracy_of(c_, outputs_of(c_, net_.net, samples.set.inputs), samples);
    };
    net_.net.train(false);
    result.accuracy = accuracy(data_.test);
    result.json["test_accuracy"] = number(result.accuracy);
    result.json["train_accuracy"] = number(accuracy(data_.train));
  }

  void finish(const tg::RunRecord& record, const Json& detections, Result& result) {
    result.diverged = record.nan_step.has_value();
    result.findings = tg::findings(record);
    Json& j = result.json;
    j["steps"] = step_;
    j["diverged"] = result.diverged;
    j["findings"] = json_of(result.findings);
    Json advice = Json::array();
    for (const tg::Remedy& each : tg::remedies(result.findings)) advice.push_back(tg::to_string(each));
    j["remedies"] = advice;
    if (!details_) return;
    j["detections"] = detections;
    j["autotrainer"] = {{"issues", autotrainer_.issues}, {"epoch", autotrainer_.epoch}};
    j["deepdiagnosis"] = {{"issue", deepdiagnosis_.issue}, {"epoch", deepdiagnosis_.epoch}};
    j["features"] = {{"layer_paths", {{"linear", net_.linear_paths}, {"activation", net_.activation_paths}}}};
  }

  Config c_;
  bool details_;
  Data data_;
  Net net_;
  tg::Batches batches_;
  Index epochs_, total_;
  Samples other_;     ///< to evaluate on, evenly over the test set
  Samples held_out_;  ///< what the published detectors look at
  std::vector<tg::Parameter> learned_ = learned();
  std::unique_ptr<tg::Optimizer> optimizer_ = optimizer_of(c_, learned_);
  tg::Tape tape_;
  Index step_ = 0;
  Epoch epoch_;
  std::vector<Epoch> history_;
  AutoTrainer autotrainer_;
  DeepDiagnosis deepdiagnosis_;
  Reader reader_;
};

}  // namespace

Result train(const Config& config, bool details) { return Run(config, details).result(); }

Json time_of(const Config& c, Index steps) {
  const Data d = data_of(c);
  constexpr Index none = -1;
  const std::array<std::pair<const char*, Index>, 4> kinds{
      {{"none", none}, {"every_1", 1}, {"every_10", 10}, {"default", tg::MonitorOptions{}.every}}};
  std::array<double, 4> best{1e9, 1e9, 1e9, 1e9};
  for (int round = 0; round < 5; ++round)  // so that a busy machine disturbs all alike
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      Net n = build(c, d.train.set.inputs.cols(), d.train.set.classes);
      const auto optimizer = optimizer_of(c, n.net.parameters());
      tg::Batches batches(d.train.size(), std::min<Index>(c.whole("batch", 32), d.train.size()), tg::Rng(1));
      std::optional<tg::Monitor> monitor;
      if (kinds[k].second != none)
        monitor.emplace(
            n.net, tg::MonitorOptions{.every = kinds[k].second, .steps_per_epoch = batches.count(), .classes = 2});
      tg::Tape tape;
      Index step = 0;
      double seconds = 0;
      while (step < steps)
        for (const std::span<const Index> rows : batches.epoch()) {
          if (rows.size() < 2 && c.flag("batch_norm")) continue;
          const Samples batch = d.train.rows({rows.begin(), rows.end()});
          const double began = cpu_seconds();
          tape.reset();
          const tg::Var loss = loss_of(c, n.net(tape.input(batch.set.inputs)), batch);
          loss.backward();
          optimizer->step();
          if (monitor) monitor->step(loss, {.lr = 0.1});
          seconds += cpu_seconds() - began;
          if (++step == steps) break;
        }
      best[k] = std::min(best[k], seconds / static_cast<double>(steps));
    }
  Json result;
  for (std::size_t k = 0; k < kinds.size(); ++k) result[kinds[k].first] = number(1e6 * best[k]);
  return result;
}

}  // namespace diagnosis
