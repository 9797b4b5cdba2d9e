// A network on 60,000 images: Fashion-MNIST by default, or anything in the same format with --data DIR.
//   mnist                                                      128 ReLU units, 5 epochs
//   mnist --hidden 512,512 --dropout 0.2 --epochs 20           a larger one
//   mnist --activation sigmoid --init xavier_uniform --lr 0.01 another one
//   mnist --checkpoint run.safetensors --resume                goes on where it was stopped, bitwise the same

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include "common/example.h"
#include "common/terminal.h"
#include "common/training.h"
#include "common/watch.h"
#include "mnist/options.h"
#include "mnist/show.h"
#include "mnist/training.h"

namespace tg = tapegrad;
using mnist::Options, mnist::Training;

/// An epoch, or what is left of it. `view` is drawn when the layers are watched, else a line of progress. The samples per second.
template <class T> double train_epoch(Training<T>& t, tg::Index samples, const Options& o, watch::View* view) {
  terminal::Progress progress(fmt::format("{:5}", t.epoch), samples, t.done);
  t.net.train();
  for (auto& [x, labels] : t.loader) {
    t.tape.reset();
    const tg::BasicVar<T> logits = t.net(t.tape.borrow(x));
    const tg::BasicVar<T> loss = tg::cross_entropy(logits, labels);
    loss.backward();
    t.optimizer->set_lr(t.schedule.at(t.optimizer->steps()));
    t.optimizer->step();
    const auto rows = static_cast<double>(x.rows());
    const double accuracy = tg::accuracy(logits.value(), labels);
    if (t.monitor) t.monitor->step(loss, {t.optimizer->lr(), accuracy});
    t.loss_sum += loss.item() * rows;
    if (!std::isfinite(t.loss_sum)) break;
    t.correct += std::lround(accuracy * rows);
    t.done += x.rows();
    t.samples += x.rows();
    o.keep.after_step(t.optimizer->steps(), t.run);
    const auto done = static_cast<double>(t.done);
    if (view != nullptr)
      view->update(t.optimizer->steps(), t.monitor->record());
    else
      progress.update(t.done, fmt::format("loss {:.4f}  accuracy {:4.1f} %", t.loss_sum / done,
                                          100.0 * static_cast<double>(t.correct) / done));
    if (example::stop_requested()) break;
  }
  t.seconds += progress.seconds();
  progress.finish();
  return progress.per_second(t.done);
}

/// The rest of the run, with a line for each epoch. What was found after the last one; of one that was stopped it is not kept.
template <class T>
void train(Training<T>& t, const Options& o, tg::Index samples, const tg::BasicDataset<T>& test) {
  watch::View view(o.epochs * t.loader.count());
  while (t.epoch <= o.epochs) {
    const double per_second = train_epoch(t, samples, o, o.inspect.watch ? &view : nullptr);
    view.pause();
    const double loss = t.loss_sum / static_cast<double>(t.done);
    if (!std::isfinite(loss)) {  // what such a network answers means nothing
      if (t.monitor) o.inspect.write({&t.monitor->record(), 1});
      throw example::Failure(
          example::not_finite,
          fmt::format(
              "[mnist] the loss is not finite in epoch {}: lower the learning rate ({:g}); --report says more",
              t.epoch, o.lr));
    }
    const bool stopped = example::stop_requested();
    if (stopped) o.keep.save(t.run);
    const training::Result result = training::evaluate(t.net, test);
    fmt::print("{:5}   {:10.4f}   {:9.4f}   {:11.2f} %   {:9.0f}\n", t.epoch, loss, result.loss,
               100 * result.accuracy, per_second);
    t.train_loss.push_back(loss);
    t.test_loss.push_back(result.loss);
    t.accuracy.push_back(result.accuracy);
    if (stopped) break;
    ++t.epoch;
    t.done = t.correct = 0;
    t.loss_sum = 0;
    o.keep.save(t.run);
  }
  if (o.inspect.watch) view.finish(t.monitor->record());
}

template <class T> example::Json train(const Options& o) {
  const auto data = tg::load_mnist<T>(o.data, tg::Split::train, o.limit);
  const auto test = tg::load_mnist<T>(o.data, tg::Split::test, o.limit);
  Training<T> t(o, data);
  terminal::heading(fmt::format("{} training and {} test images of {}x{}", data.size(), test.size(),
                                data.image_rows, data.image_cols));
  fmt::print("{}\n\n{}\n", o.data, tg::summary(t.net, data.inputs.cols()));
  o.keep.load(t.run);
  fmt::print("epoch   train loss   test loss   test accuracy   samples/s\n");
  example::watch_interrupt();
  train(t, o, data.size(), test);
  if (example::stop_requested())
    fmt::print("\nStopped by Ctrl-C; this is the network so far.{}\n",
               o.keep.file.empty() ? "" : fmt::format(" --resume goes on from {}.", o.keep.file));
  mnist::show(t.net, test, o.data.find("fashion") != std::string::npos);

  tg::Index parameters = 0;
  for (const auto& parameter : t.net.parameters()) parameters += parameter.size();
  const double per_second = static_cast<double>(t.samples) / std::max(t.seconds, 1e-9);
  fmt::print("\n{:.2f} % of the test images are right, after {} at {:.0f} samples/s.\n", 100 * t.accuracy.back(),
             terminal::duration(t.seconds), per_second);
  if (t.monitor) o.inspect.write({&t.monitor->record(), 1});
  return {{"test_accuracy", t.accuracy.back()},      {"train_loss", t.train_loss},       {"test_loss", t.test_loss},
          {"accuracy_by_epoch", t.accuracy},         {"samples_per_second", per_second}, {"parameters", parameters},
          {"interrupted", example::stop_requested()}};
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
