#include "twin.h"

#include <fmt/core.h>

#include <numeric>

#include "example.h"
#include "training.h"
#include "watch.h"

namespace twin {

double Run::mean_of_100(tg::Index step) const {
  const auto end = losses.begin() + step + 1;
  return std::accumulate(end - 100, end, 0.0) / 100;
}

tg::Index Run::first_below(double bound) const {
  for (tg::Index step = 99; step < static_cast<tg::Index>(losses.size()); ++step)
    if (mean_of_100(step) < bound) return step;
  return -1;
}

Run train(const tg::Dataset& data, const tg::Dataset& test, const Options& options, bool watch) {
  tg::Rng rng(options.seed);
  tg::Sequential net =
      tg::mlp(training::sizes(data, options.hidden), tg::activation(options.activation), rng,
              {.linear = {.weight_init = tg::initializer(options.init), .bias_init = tg::zeros()}});
  tg::Sgd sgd(net.parameters(), {.lr = options.lr});
  tg::Rng order(options.seed + 1);
  tg::Loader loader(data, {.batch = options.batch, .shuffle = order});
  tg::Monitor monitor(net, {.name = options.name,
                            .every = options.all_steps ? 1 : options.record_every,
                            .histogram_every = std::max<tg::Index>(options.steps / 40, 1),
                            .firing_every = std::max<tg::Index>(options.steps / 40, 1),
                            .steps_per_epoch = loader.count(),
                            .classes = data.classes});
  Run run;
  run.options = options;
  watch::View view(options.steps);
  tg::Tape tape;
  std::ptrdiff_t since_point = 0;  // losses
  tg::Index step = 0;
  do {  // one step at least, or there is nothing to show
    for (auto& [x, labels] : loader) {
      tape.reset();
      const tg::Var loss = tg::cross_entropy(net(tape.input(x)), labels);
      loss.backward();
      sgd.step();
      monitor.step(loss, {.lr = options.lr});
      run.losses.push_back(loss.item());
      ++since_point;
      if (step % options.record_every == 0 || step + 1 == options.steps) {
        const double sum = std::accumulate(run.losses.end() - since_point, run.losses.end(), 0.0);
        run.points.push_back(
            {step, sum / static_cast<double>(since_point), training::evaluate(net, test).accuracy});
        monitor.record().loss.back().accuracy = run.points.back().accuracy;
        since_point = 0;
      }
      if (options.revive_every > 0 && (step + 1) % options.revive_every == 0)
        run.revived += tg::revive_dead(net, tg::census(net, data.inputs), rng);
      if (watch) view.update(step, monitor.record());
      if (++step == options.steps || example::stop_requested()) break;
    }
  } while (step < options.steps && !example::stop_requested());
  if (watch) view.finish(monitor.record());
  run.escape_step = run.first_below(2.2);
  run.record = monitor.record();
  run.record.notes.push_back(fmt::format("{} hidden layers, batch {}, plain SGD with lr {:g}, {}, seed {}",
                                         options.hidden.size(), options.batch, options.lr, options.init,
                                         options.seed));
  run.census = tg::census(net, data.inputs);
  return run;
}

}  // namespace twin
