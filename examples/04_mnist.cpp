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
#include "common/watch.h"

namespace tg = tapegrad;

struct Options {
  example::CommonOptions common;
  example::InspectOptions inspect;
  std::string data = example::default_data;
  std::vector<tg::Index> hidden{128};
  std::string activation = "relu";
  std::string init = "he_normal";
  std::string optimizer = "adam";
  std::string schedule = "cosine";
  std::string precision = "float";
  int threads = 1;
  double lr = 0.002;
  double dropout = 0;
  double weight_decay = 0;
  bool batch_norm = false;
  int epochs = 5;
  tg::Index batch = 64;
  tg::Index limit = 0;
};

/// Linear, batch norm, activation, dropout for every hidden layer; then a linear layer to the classes.
template <class T>
tg::BasicSequential<T> build(const Options& options, tg::Index features, int classes, tg::Rng& rng) {
  const tg::Activation f = tg::activation(options.activation);
  const tg::LinearOptions init{.weight_init = tg::initializer(options.init), .bias_init = tg::zeros()};
  tg::BasicSequential<T> net;
  for (const tg::Index units : options.hidden) {
    const tg::Index width = units * f.inputs_per_output();
    net.add(tg::BasicLinear<T>(features, width, rng, init));
    if (options.batch_norm) net.add(tg::BasicBatchNorm1d<T>(width));
    net.add(f, width);
    if (options.dropout > 0) net.add(tg::BasicDropout<T>(options.dropout, rng));
    features = units;
  }
  net.add(tg::BasicLinear<T>(features, classes, rng, init));
  return net;
}

template <class T> example::Json train(const Options& options) {
  using Var = tg::BasicVar<T>;
  const auto data = tg::load_mnist<T>(options.data, tg::Split::train, options.limit);
  const auto test = tg::load_mnist<T>(options.data, tg::Split::test, options.limit);
  tg::Rng rng(options.common.seed);
  auto net = build<T>(options, data.inputs.cols(), data.classes, rng);
  const auto optimizer = tg::make_optimizer(options.optimizer, net.parameters(),
                                            {.lr = options.lr, .weight_decay = options.weight_decay});
  tg::Batches batches(data.size(), options.batch, rng.split());
  const auto schedule = tg::make_schedule(options.schedule, options.lr, options.epochs * batches.count());

  terminal::heading(fmt::format("{} training and {} test images of {}x{} from {}", data.size(), test.size(),
                                data.image_rows, data.image_cols, options.data));
  fmt::print("{}\nepoch   train loss   test loss   test accuracy   samples/s\n",
             tg::summary(net, data.inputs.cols()));

  example::Json json{{"test_accuracy", nullptr},
                     {"train_loss", example::Json::array()},
                     {"test_loss", example::Json::array()},
                     {"accuracy_by_epoch", example::Json::array()}};
  std::optional<tg::BasicMonitor<T>> monitor;
  if (options.inspect.wanted())
    monitor.emplace(net,
                    tg::MonitorOptions{
                        .name = options.activation, .steps_per_epoch = batches.count(), .classes = data.classes});
  watch::View view(options.epochs * batches.count());
  tg::BasicTape<T> tape;
  std::vector<int> labels;
  double training_seconds = 0;
  tg::Index trained = 0;
  example::watch_interrupt();
  for (int epoch = 1; epoch <= options.epochs && !example::stop_requested(); ++epoch) {
    terminal::Progress progress(fmt::format("{:5}", epoch), data.size());
    double loss_sum = 0;
    tg::Index correct = 0;
    tg::Index done = 0;
    net.train();
    for (const std::span<const tg::Index> batch : batches.epoch()) {
      const auto rows = static_cast<tg::Index>(batch.size());
      tape.reset();
      const Var x =
          tape.input({rows, data.inputs.cols()}, [&](T* out) { tg::gather_rows(data.inputs, batch, out); });
      tg::gather_labels(data.labels, batch, labels);
      const Var logits = net(x);
      const Var loss = tg::cross_entropy(logits, std::span<const int>(labels));
      loss.backward();
      optimizer->set_lr(schedule.at(optimizer->steps()));
      optimizer->step();
      loss_sum += loss.item() * static_cast<double>(rows);
      const tg::Index right = classification::correct<T>(logits.value(), labels);
      if (monitor) monitor->step(loss, {optimizer->lr(), static_cast<double>(right) / static_cast<double>(rows)});
      correct += right;
      done += rows;
      if (options.inspect.watch) view.update(optimizer->steps(), monitor->record());
      if (!options.inspect.watch)
        progress.update(done, fmt::format("loss {:.4f}  accuracy {:4.1f} %", loss_sum / static_cast<double>(done),
                                          100.0 * static_cast<double>(correct) / static_cast<double>(done)));
      if (example::stop_requested()) break;
    }
    training_seconds += progress.seconds();
    trained += done;
    progress.finish();
    view.pause();
    const auto result = classification::evaluate(net, test);
    const double train_loss = loss_sum / static_cast<double>(done);
    fmt::print("{:5}   {:10.4f}   {:9.4f}   {:11.2f} %   {:9.0f}\n", epoch, train_loss, result.loss,
               100 * result.accuracy, progress.per_second(done));
    json["train_loss"].push_back(train_loss);
    json["test_loss"].push_back(result.loss);
    json["accuracy_by_epoch"].push_back(result.accuracy);
    json["test_accuracy"] = result.accuracy;
  }
  if (example::stop_requested()) fmt::print("\nStopped by Ctrl-C; this is the network so far.\n");
  if (options.inspect.watch) view.finish(monitor->record());
  classification::show(net, test, options.data.find("fashion") != std::string::npos);

  tg::Index parameters = 0;
  for (const auto& parameter : net.parameters()) parameters += parameter.size();
  json["samples_per_second"] = static_cast<double>(trained) / training_seconds;
  json["parameters"] = parameters;
  json["interrupted"] = example::stop_requested();
  fmt::print("\n{:.2f} % of the test images are right, after {} of training at {:.0f} samples/s.\n",
             100 * json["test_accuracy"].get<double>(), terminal::duration(training_seconds),
             json["samples_per_second"].get<double>());
  if (monitor) options.inspect.write({&monitor->record(), 1});
  return json;
}

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Trains a multilayer perceptron on images in MNIST's format.");
  app.add_option("--data", o.data, "Folder with the four IDX files, plain or .gz")->capture_default_str();
  app.add_option("--hidden", o.hidden, "Units of the hidden layers: 128 or 512,512")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--activation", o.activation, "By name, with settings if any: swish, 'elu(alpha=0.5)'")
      ->capture_default_str();
  app.add_option("--init", o.init, "Initializer of the weights")->capture_default_str();
  app.add_option("--optimizer", o.optimizer, "sgd, adam, adamw, rmsprop, adagrad")->capture_default_str();
  app.add_option("--lr", o.lr, "Learning rate")->capture_default_str();
  app.add_option("--schedule", o.schedule, "Learning rate over time: constant, cosine, one_cycle, …")
      ->capture_default_str();
  app.add_option("--epochs", o.epochs, "Passes over the data")->check(example::at_least(1))->capture_default_str();
  app.add_option("--batch", o.batch, "Samples per step")->check(example::at_least(1))->capture_default_str();
  app.add_option("--dropout", o.dropout, "Probability of dropping a hidden unit")->capture_default_str();
  app.add_flag("--batch-norm", o.batch_norm, "Batch normalization before every activation");
  app.add_option("--weight-decay", o.weight_decay, "Weight decay of the optimizer")->capture_default_str();
  app.add_option("--precision", o.precision, "float or double")
      ->check(CLI::IsMember({"float", "double"}))
      ->capture_default_str();
  app.add_option("--threads", o.threads, "Threads to compute with")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--limit", o.limit, "Use only the first N images; 0 for all")
      ->check(example::at_least(0))
      ->capture_default_str();
  o.inspect.add_to(app);
  return example::run(app, o.common, argc, argv, [&] {
    tg::set_threads(o.threads);
    return o.precision == "double" ? train<double>(o) : train<float>(o);
  });
}
