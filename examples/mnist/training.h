#pragma once

#include <tapegrad/tapegrad.h>

#include <memory>
#include <optional>
#include <vector>

#include "common/training.h"
#include "mnist/options.h"

namespace mnist {

namespace tg = tapegrad;

/** The network, and all that changes while it is trained. */
template <class T> struct Training {
  tg::Rng rng;
  tg::BasicSequential<T> net;
  std::unique_ptr<tg::BasicOptimizer<T>> optimizer;
  tg::Rng shuffle;
  tg::BasicLoader<T> loader;
  tg::Schedule schedule;
  // Where the run is: epoch from 1, samples done of it, their losses and right answers, and what was found after each epoch.
  int epoch = 1;
  tg::Index done = 0, correct = 0;
  double loss_sum = 0;
  std::vector<double> train_loss = {}, test_loss = {}, accuracy = {};
  tg::Checkpoint run = {};

  std::optional<tg::BasicMonitor<T>> monitor = {};
  tg::BasicTape<T> tape = {};
  tg::Index samples = 0;  ///< since this program began, in so many seconds
  double seconds = 0;

  Training(const Options& o, const tg::BasicDataset<T>& data)
      : rng(o.common.seed),
        net(tg::mlp<T>(training::sizes(data, o.hidden), tg::activation(o.activation), rng, o.mlp())),
        optimizer(tg::make_optimizer(o.optimizer, net.parameters(), {.lr = o.lr, .weight_decay = o.weight_decay})),
        shuffle(rng.split()),
        loader(data, {.batch = o.batch, .shuffle = shuffle}),
        schedule(tg::make_schedule(o.schedule, o.lr, o.epochs * loader.count())) {
    if (o.inspect.wanted())
      monitor.emplace(net, tg::MonitorOptions{
                               .name = o.activation, .steps_per_epoch = loader.count(), .classes = data.classes});
    const tg::Index images = data.size();
    run.add("net", net);
    run.add("optimizer", *optimizer);
    run.add("schedule", schedule);
    run.add("images", images);
    run.add("batch_size", o.batch);
    run.add("shuffle", shuffle);
    run.add("loader", loader);
    run.add("epoch", epoch);
    run.add("done", done);
    run.add("correct", correct);
    run.add("loss_sum", loss_sum);
    run.add("train_loss", train_loss);
    run.add("test_loss", test_loss);
    run.add("accuracy", accuracy);
  }
};

}  // namespace mnist
