// A classifier on a CSV of your own: read, split, scale, train with early stopping, metrics, weights.
//   table --data iris.data                                     the last column is the label
//   table --data titanic.csv --label Survived --skip Name,Ticket,Cabin --one-hot Sex,Embarked --missing mean
//   table --data trees.csv --label species --save trees.safetensors --report trees.html

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>

#include "common/example.h"
#include "common/terminal.h"
#include "common/watch.h"

namespace tg = tapegrad;

struct Options {
  example::CommonOptions common;
  example::InspectOptions inspect;
  std::string data, label, missing = "error", save;
  std::vector<std::string> skip, one_hot;
  std::vector<tg::Index> hidden{32, 32};
  std::string activation = "relu";
  double lr = 3e-3, weight_decay = 0.01, dropout = 0;
  int epochs = 100, patience = 10;
  tg::Index batch = 64;

  void add_to(CLI::App& app) {
    app.add_option("--data", data, "CSV file, plain or .gz");
    app.add_option("--label", label, "column of the labels: a name, or a number from 1; the last one if not given");
    app.add_option("--skip", skip, "columns to leave out")->delimiter(',');
    app.add_option("--one-hot", one_hot, "columns of text that become zeros and ones")->delimiter(',');
    app.add_option("--missing", missing, "missing values: error, drop or mean")
        ->check(CLI::IsMember({"error", "drop", "mean"}))
        ->capture_default_str();
    app.add_option("--hidden", hidden, "units of each hidden layer")
        ->delimiter(',')
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--activation", activation)->capture_default_str();
    app.add_option("--lr", lr, "learning rate of AdamW, at most")->capture_default_str();
    app.add_option("--weight-decay", weight_decay)->capture_default_str();
    app.add_option("--dropout", dropout)->capture_default_str();
    app.add_option("--epochs", epochs, "at most")->check(example::at_least(1))->capture_default_str();
    app.add_option("--patience", patience, "epochs without a better validation loss, then it stops")
        ->check(example::at_least(1))
        ->capture_default_str();
    app.add_option("--batch", batch)->check(example::at_least(1))->capture_default_str();
    app.add_option("--save", save, "weights, for load_network() and PyTorch")->type_name("FILE");
    inspect.add_to(app);
  }
};

/// A number stands for itself: a column without a name.
tg::CsvColumn column(const std::string& text) {
  const bool number = !text.empty() && text.size() < 6 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? tg::CsvColumn(std::stoi(text)) : tg::CsvColumn(text);
}

tg::Dataset read(const Options& o) {
  if (o.data.empty()) throw tg::Error("table", "a table is needed: --data FILE");
  tg::CsvOptions csv;
  if (!o.label.empty()) csv.label = column(o.label);
  for (const std::string& name : o.skip) csv.skip.push_back(column(name));
  for (const std::string& name : o.one_hot) csv.one_hot.emplace_back(column(name));
  if (o.missing != "error") csv.missing = o.missing == "drop" ? tg::Missing::drop_row : tg::Missing::mean;
  return tg::load_csv(o.data, csv);
}

struct Score {
  double loss, accuracy;
};
Score score(const tg::Matrix& logits, const tg::Dataset& data) {
  tg::Tape tape;
  return {tg::cross_entropy(tape.input(logits), data.labels).item(), tg::accuracy(logits, data.labels)};
}

example::Json train(const Options& o) {
  const tg::Dataset data = read(o);
  terminal::heading(
      fmt::format("{} samples, {} columns, {} classes", data.size(), data.inputs.cols(), data.classes));
  tg::Rng rng(o.common.seed);
  auto [training, validation, test] = tg::split(data, {0.7, 0.15, 0.15}, rng, {.stratified = true});
  const tg::Scaler scaler(training.inputs);
  for (tg::Dataset* part : {&training, &validation, &test}) scaler.apply(part->inputs);
  for (const tg::Index constant : scaler.constant_columns())
    fmt::print("Column {} is constant.\n", data.columns.empty() ? fmt::format("{} of the inputs", constant + 1)
                                                                : data.columns[static_cast<std::size_t>(constant)]);

  std::vector<tg::Index> sizes{data.inputs.cols()};
  sizes.insert(sizes.end(), o.hidden.begin(), o.hidden.end());
  sizes.push_back(data.classes);
  tg::Sequential net = tg::mlp(sizes, tg::activation(o.activation), rng, {.dropout = o.dropout});
  tg::Loader loader(training, {.batch = std::min(o.batch, training.size()), .shuffle = rng, .drop_last = true});
  tg::AdamW adam(net.parameters(), {.lr = o.lr, .weight_decay = o.weight_decay});
  const tg::Schedule schedule = tg::CosineSchedule{.base_lr = o.lr, .t_max = o.epochs * loader.count()};
  tg::EarlyStopping stopping(net, {.patience = o.patience});
  tg::Monitor monitor(net, {.name = o.activation,
                            .steps_per_epoch = loader.count(),
                            .classes = data.classes,
                            .data = tg::describe(training.inputs, training.labels)});
  watch::View view(o.epochs * loader.count());
  tg::Tape tape;
  fmt::print("\nepoch   train loss   validation loss   accuracy\n");
  example::watch_interrupt();
  int epoch = 0;
  for (bool over = false; epoch < o.epochs && !over && !example::stop_requested();) {
    double sum = 0;
    for (auto& [x, labels] : loader) {
      tape.reset();
      const tg::Var loss = tg::cross_entropy(net(tape.input(x)), labels);
      loss.backward();
      adam.set_lr(schedule.at(adam.steps()));
      adam.step();
      monitor.step(loss, {.lr = adam.lr()});
      if (o.inspect.watch) view.update(adam.steps(), monitor.record());
      sum += loss.item();
    }
    const Score now = score(net.predict(validation.inputs), validation);
    monitor.validation(now.loss, now.accuracy);
    over = stopping.stop_after(now.loss);
    view.pause();
    fmt::print("{:5}   {:10.4f}   {:15.4f}   {:6.2f} %{}\n", ++epoch, sum / static_cast<double>(loader.count()),
               now.loss, 100 * now.accuracy, stopping.best() == now.loss ? "  *" : "");
  }
  stopping.restore();
  const tg::Matrix logits = net.predict(test.inputs);
  const Score result = score(logits, test);
  fmt::print("\nThe network of epoch {} on {} samples that it never saw: loss {:.4f}\n\n{}",
             stopping.best_epoch() + 1, test.size(), result.loss,
             tg::ConfusionMatrix(tg::argmax(logits), test.labels, test.classes).text(test.class_names));
  for (const tg::Finding& finding : tg::findings(monitor.record())) fmt::print("\n{}\n", finding.text);
  if (!o.save.empty()) tg::save_weights(net, o.save);
  o.inspect.write({&monitor.record(), 1});
  return {{"samples", data.size()},
          {"classes", data.class_names},
          {"epochs", epoch},
          {"best_epoch", stopping.best_epoch() + 1},
          {"test_loss", result.loss},
          {"test_accuracy", result.accuracy},
          {"interrupted", example::stop_requested()}};
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a classifier on the columns of a CSV file.");
  options.add_to(app);
  return example::run(app, options.common, argc, argv, [&] { return train(options); });
}
