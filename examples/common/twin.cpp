#include "twin.h"

#include <fmt/core.h>

#include "classification.h"
#include "example.h"
#include "watch.h"

namespace twin {
namespace {

tg::Sequential build(const Options& options, tg::Index features, int classes, tg::Rng& rng) {
  const tg::Activation f = tg::activation(options.activation);
  const tg::LinearOptions init{.weight_init = tg::initializer(options.init), .bias_init = tg::zeros()};
  tg::Sequential net;
  for (const tg::Index units : options.hidden) {
    const tg::Index width = units * f.inputs_per_output();
    net.add(tg::Linear(features, width, rng, init));
    net.add(f, width);
    features = units;
  }
  net.add(tg::Linear(features, classes, rng, init));
  return net;
}

/// Mean of the last `length` losses.
class RunningMean {
 public:
  explicit RunningMean(std::size_t length) : values_(length) {}
  void add(double value) {
    double& slot = values_[static_cast<std::size_t>(count_) % values_.size()];
    sum_ += value - slot;
    slot = value;
    ++count_;
  }
  bool full() const { return count_ >= static_cast<tg::Index>(values_.size()); }
  double mean() const { return sum_ / static_cast<double>(values_.size()); }

 private:
  std::vector<double> values_;
  double sum_ = 0;
  tg::Index count_ = 0;
};

}  // namespace

Run train(const tg::Dataset& data, const tg::Dataset& test, const Options& options, bool watch) {
  tg::Rng rng(options.seed);
  tg::Sequential net = build(options, data.inputs.cols(), data.classes, rng);
  tg::Sgd sgd(net.parameters(), {.lr = options.lr});
  tg::Batches batches(data.size(), options.batch, tg::Rng(options.seed + 1));
  tg::Monitor monitor(net, {.name = options.name,
                            .every = options.all_steps ? 1 : options.record_every,
                            .histogram_every = std::max<tg::Index>(options.steps / 40, 1),
                            .firing_every = std::max<tg::Index>(options.steps / 40, 1),
                            .steps_per_epoch = batches.count(),
                            .classes = data.classes});
  Run run;
  run.options = options;
  watch::View view(options.steps);
  tg::Tape tape;
  std::vector<int> labels;
  RunningMean recent(100);
  double loss_sum = 0;
  tg::Index losses = 0;
  tg::Index step = 0;
  while (step < options.steps && !example::stop_requested()) {
    for (const std::span<const tg::Index> batch : batches.epoch()) {
      const auto rows = static_cast<tg::Index>(batch.size());
      tape.reset();
      const tg::Var x =
          tape.input({rows, data.inputs.cols()}, [&](float* out) { tg::gather_rows(data.inputs, batch, out); });
      tg::gather_labels(data.labels, batch, labels);
      const tg::Var loss = tg::cross_entropy(net(x), std::span<const int>(labels));
      loss.backward();
      sgd.step();
      monitor.step(loss, {.lr = options.lr});
      loss_sum += loss.item();
      ++losses;
      recent.add(loss.item());
      if (run.escape_step < 0 && recent.full() && recent.mean() < 2.2) run.escape_step = step;
      if (step % options.record_every == 0 || step + 1 == options.steps) {
        run.points.push_back(
            {step, loss_sum / static_cast<double>(losses), classification::evaluate(net, test).accuracy});
        monitor.record().loss.back().accuracy = run.points.back().accuracy;
        loss_sum = 0;
        losses = 0;
      }
      if (options.revive_every > 0 && (step + 1) % options.revive_every == 0)
        run.revived += tg::revive_dead(net, tg::census(net, data.inputs), rng);
      if (watch) view.update(step, monitor.record());
      if (++step == options.steps || example::stop_requested()) break;
    }
  }
  if (watch) view.finish(monitor.record());
  run.record = monitor.record();
  run.record.notes.push_back(fmt::format("{} hidden layers, batch {}, plain SGD with lr {:g}, {}, seed {}",
                                         options.hidden.size(), options.batch, options.lr, options.init,
                                         options.seed));
  run.census = tg::census(net, data.inputs);
  return run;
}

}  // namespace twin
