#include "twin.h"

#include <fmt/core.h>

#include <numeric>

#include "classification.h"
#include "example.h"
#include "training.h"
#include "watch.h"

namespace twin {
namespace {

double mean_of_last(const std::vector<double>& losses, std::ptrdiff_t count) {
  return std::accumulate(losses.end() - count, losses.end(), 0.0) / static_cast<double>(count);
}

}  // namespace

Run train(const tg::Dataset& data, const tg::Dataset& test, const Options& options, bool watch) {
  tg::Rng rng(options.seed);
  tg::Sequential net =
      tg::mlp(training::sizes(data, options.hidden), tg::activation(options.activation), rng,
              {.linear = {.weight_init = tg::initializer(options.init), .bias_init = tg::zeros()}});
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
  std::vector<double> losses;
  std::ptrdiff_t since_point = 0;  // losses
  tg::Index step = 0;
  while (step < options.steps && !example::stop_requested()) {
    for (const std::span<const tg::Index> batch : batches.epoch()) {
      tape.reset();
      const tg::Var x = training::input(tape, data, batch, labels);
      const tg::Var loss = tg::cross_entropy(net(x), labels);
      loss.backward();
      sgd.step();
      monitor.step(loss, {.lr = options.lr});
      losses.push_back(loss.item());
      ++since_point;
      if (run.escape_step < 0 && losses.size() >= 100 && mean_of_last(losses, 100) < 2.2) run.escape_step = step;
      if (step % options.record_every == 0 || step + 1 == options.steps) {
        run.points.push_back(
            {step, mean_of_last(losses, since_point), classification::evaluate(net, test).accuracy});
        monitor.record().loss.back().accuracy = run.points.back().accuracy;
        since_point = 0;
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
