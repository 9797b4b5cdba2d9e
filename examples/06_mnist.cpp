// A network on 60,000 images: Fashion-MNIST by default, or anything in the same format with --data DIR.
//   mnist                                                      128 ReLU units, 5 epochs
//   mnist --hidden 512,512 --dropout 0.2 --epochs 20           a larger one
//   mnist --activation sigmoid --init xavier_uniform --lr 0.01 another one

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <optional>

#include "common/classification.h"
#include "common/example.h"
#include "common/terminal.h"
#include "common/training.h"
#include "common/watch.h"
#include "mnist/options.h"
#include "mnist/show.h"

namespace tg = tapegrad;
using mnist::Options;

/// The network, and all that changes while it is trained.
template <class T> struct Training {
  tg::Rng rng;
  tg::BasicSequential<T> net;
  std::unique_ptr<tg::BasicOptimizer<T>> optimizer;
  tg::Batches batches;
  tg::Schedule schedule;
  std::optional<tg::BasicMonitor<T>> monitor = {};
  tg::BasicTape<T> tape = {};
  tg::Index samples = 0;
  double seconds = 0;

  Training(const Options& o, const tg::BasicDataset<T>& data)
      : rng(o.common.seed),
        net(tg::mlp<T>(training::sizes(data, o.hidden), tg::activation(o.activation), rng, o.mlp())),
        optimizer(tg::make_optimizer(o.optimizer, net.parameters(), {.lr = o.lr, .weight_decay = o.weight_decay})),
        batches(data.size(), o.batch, rng.split()),
        schedule(tg::make_schedule(o.schedule, o.lr, o.epochs * batches.count())) {
    if (o.inspect.wanted())
      monitor.emplace(net, tg::MonitorOptions{
                               .name = o.activation, .steps_per_epoch = batches.count(), .classes = data.classes});
  }
};

/// One pass over the data. `view` is drawn when the layers are watched, else a line of progress.
template <class T>
std::pair<double, double> train_epoch(Training<T>& t, const tg::BasicDataset<T>& data, int epoch,
                                      watch::View* view) {
  terminal::Progress progress(fmt::format("{:5}", epoch), data.size());
  std::vector<int> labels;
  double loss_sum = 0;
  tg::Index correct = 0, done = 0;
  t.net.train();
  for (const std::span<const tg::Index> batch : t.batches.epoch()) {
    t.tape.reset();
    const tg::BasicVar<T> logits = t.net(training::input(t.tape, data, batch, labels));
    const tg::BasicVar<T> loss = tg::cross_entropy(logits, labels);
    loss.backward();
    t.optimizer->set_lr(t.schedule.at(t.optimizer->steps()));
    t.optimizer->step();
    const auto rows = static_cast<double>(batch.size());
    const tg::Index right = classification::correct<T>(logits.value(), labels);
    if (t.monitor) t.monitor->step(loss, {t.optimizer->lr(), static_cast<double>(right) / rows});
    loss_sum += loss.item() * rows;
    correct += right;
    done += static_cast<tg::Index>(batch.size());
    if (view != nullptr)
      view->update(t.optimizer->steps(), t.monitor->record());
    else
      progress.update(done, fmt::format("loss {:.4f}  accuracy {:4.1f} %", loss_sum / static_cast<double>(done),
                                        100.0 * static_cast<double>(correct) / static_cast<double>(done)));
    if (example::stop_requested() || !std::isfinite(loss.item())) break;
  }
  t.seconds += progress.seconds();
  t.samples += done;
  progress.finish();
  return {loss_sum / static_cast<double>(done), progress.per_second(done)};
}

template <class T> example::Json train(const Options& o) {
  const auto data = tg::load_mnist<T>(o.data, tg::Split::train, o.limit);
  const auto test = tg::load_mnist<T>(o.data, tg::Split::test, o.limit);
  Training<T> t(o, data);
  terminal::heading(fmt::format("{} training and {} test images of {}x{}", data.size(), test.size(),
                                data.image_rows, data.image_cols));
  fmt::print("{}\n\n{}\nepoch   train loss   test loss   test accuracy   samples/s\n", o.data,
             tg::summary(t.net, data.inputs.cols()));

  example::Json json{{"test_accuracy", nullptr},
                     {"train_loss", example::Json::array()},
                     {"test_loss", example::Json::array()},
                     {"accuracy_by_epoch", example::Json::array()}};
  watch::View view(o.epochs * t.batches.count());
  example::watch_interrupt();
  for (int epoch = 1; epoch <= o.epochs && !example::stop_requested(); ++epoch) {
    const auto [loss, per_second] = train_epoch(t, data, epoch, o.inspect.watch ? &view : nullptr);
    view.pause();
    if (!std::isfinite(loss)) {  // what such a network answers means nothing
      if (t.monitor) o.inspect.write({&t.monitor->record(), 1});
      tg::fail("mnist",
               fmt::format("the loss is not finite in epoch {}: lower the learning rate ({:g}); --report says more",
                           epoch, o.lr));
    }
    const classification::Result result = classification::evaluate(t.net, test);
    fmt::print("{:5}   {:10.4f}   {:9.4f}   {:11.2f} %   {:9.0f}\n", epoch, loss, result.loss,
               100 * result.accuracy, per_second);
    json["train_loss"].push_back(loss);
    json["test_loss"].push_back(result.loss);
    json["accuracy_by_epoch"].push_back(result.accuracy);
    json["test_accuracy"] = result.accuracy;
  }
  if (example::stop_requested()) fmt::print("\nStopped by Ctrl-C; this is the network so far.\n");
  if (o.inspect.watch) view.finish(t.monitor->record());
  mnist::show(t.net, test, o.data.find("fashion") != std::string::npos);

  tg::Index parameters = 0;
  for (const auto& parameter : t.net.parameters()) parameters += parameter.size();
  json["samples_per_second"] = static_cast<double>(t.samples) / t.seconds;
  json["parameters"] = parameters;
  json["interrupted"] = example::stop_requested();
  fmt::print("\n{:.2f} % of the test images are right, after {} at {:.0f} samples/s.\n",
             100 * json["test_accuracy"].get<double>(), terminal::duration(t.seconds),
             json["samples_per_second"].get<double>());
  if (t.monitor) o.inspect.write({&t.monitor->record(), 1});
  return json;
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a multilayer perceptron on images in MNIST's format.");
  options.add_to(app);
  return example::run(app, options.common, argc, argv, [&] {
    tg::set_threads(options.threads);
    return options.precision == "double" ? train<double>(options) : train<float>(options);
  });
}
