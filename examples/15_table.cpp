// A classifier on a CSV of your own: read, split, scale, train with early stopping, metrics, weights.
//   table --data iris.data                                     the last column is the label
//   table --data titanic.csv --label Survived --skip Name,Ticket,Cabin --one-hot Sex,Embarked --missing mean
//   table --data trees.csv --label species --save trees.safetensors --report trees.html

#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cmath>

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
  double lr = 3e-3, dropout = 0;
  int epochs = 100, patience = 10;
  tg::Index batch = 64;

  void add_to(CLI::App& app) {
    app.add_option("--data", data, "CSV file, plain or .gz");
    app.add_option("--label", label, "column of the labels: a name, or a number from 1; the last one if not given");
    app.add_option("--skip", skip, "columns to leave out")->delimiter(',');
    app.add_option("--one-hot", one_hot, "columns of text that become zeros and ones")->delimiter(',');
    app.add_option("--missing", missing, "values")->check(CLI::IsMember({"error", "drop", "mean"}));
    app.add_option("--hidden", hidden, "units of each hidden layer")->delimiter(',')->check(CLI::Range(1, 4096));
    app.add_option("--activation", activation)->capture_default_str();
    app.add_option("--lr", lr, "learning rate of AdamW, at most")->capture_default_str();
    app.add_option("--dropout", dropout)->capture_default_str();
    app.add_option("--epochs", epochs, "at most")->check(example::at_least(1))->capture_default_str();
    app.add_option("--patience", patience, "epochs without a better validation loss, then it stops");
    app.add_option("--batch", batch)->check(example::at_least(1))->capture_default_str();
    app.add_option("--save", save, "weights, for load_network() and PyTorch")->type_name("FILE");
    inspect.add_to(app);
    example::explain_exit_codes(app);
  }
};

/// A number stands for itself: a column without a name.
tg::CsvColumn column(const std::string& text) {
  const bool number = !text.empty() && text.size() < 6 && text.find_first_not_of("0123456789") == std::string::npos;
  return number ? tg::CsvColumn(std::stoi(text)) : tg::CsvColumn(text);
}

tg::Dataset read(const Options& o) {
  if (o.data.empty()) tg::fail("table", "a table is needed: --data FILE");
  tg::CsvOptions csv;
  if (!o.label.empty()) csv.label = column(o.label);
  for (const std::string& name : o.skip) csv.skip.push_back(column(name));
  for (const std::string& name : o.one_hot) csv.one_hot.emplace_back(column(name));
  if (o.missing != "error") csv.missing = o.missing == "drop" ? tg::Missing::drop_row : tg::Missing::mean;
  return tg::load_csv(o.data, csv);
}

/// All parts by the numbers of the first.
void scale(std::initializer_list<tg::Dataset*> parts) {
  const tg::Dataset& training = **parts.begin();
  const tg::Scaler scaler(training.inputs);
  for (tg::Dataset* part : parts) scaler.apply(part->inputs);
  for (const tg::Index k : scaler.constant_columns())
    fmt::print("Column {} of the inputs is constant{}.\n", k + 1,
               training.columns.empty() ? "" : ": " + training.columns[static_cast<std::size_t>(k)]);
}

tg::Sequential network(const Options& o, const tg::Dataset& data, tg::Rng& rng) {
  std::vector<tg::Index> sizes{data.inputs.cols()};
  sizes.insert(sizes.end(), o.hidden.begin(), o.hidden.end());
  sizes.push_back(data.classes);
  return tg::mlp(sizes, tg::activation(o.activation), rng, {.dropout = o.dropout});
}

double loss_of(const tg::Matrix& logits, const tg::Dataset& data) {
  tg::Tape tape;
  return tg::cross_entropy(tape.input(logits), data.labels).item();
}

example::Json train(const Options& o) {
  const tg::Dataset data = read(o);
  terminal::heading(
      fmt::format("{} samples, {} columns, {} classes", data.size(), data.inputs.cols(), data.classes));
  tg::Rng rng(o.common.seed);
  auto [training, validation, test] = tg::split(data, {0.7, 0.15, 0.15}, rng, {.stratified = true});
  scale({&training, &validation, &test});
  tg::Sequential net = network(o, data, rng);
  tg::Loader loader(training, {.batch = std::min(o.batch, training.size()), .shuffle = rng, .drop_last = true});
  tg::AdamW adam(net.parameters(), {.lr = o.lr, .weight_decay = 0.01});
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
    view.pause();
    if (!std::isfinite(sum))
      throw example::Failure(example::not_finite, "[table] the loss is not finite: lower the learning rate (--lr)");
    const tg::Matrix logits = net.predict(validation.inputs);
    const double loss = loss_of(logits, validation), accuracy = tg::accuracy(logits, validation.labels);
    monitor.validation(loss, accuracy);
    over = stopping.stop_after(loss);
    fmt::print("{:5}   {:10.4f}   {:15.4f}   {:6.2f} %{}\n", ++epoch, sum / static_cast<double>(loader.count()),
               loss, 100 * accuracy, stopping.best() == loss ? "  *" : "");
  }
  stopping.restore();
  const tg::Matrix logits = net.predict(test.inputs);
  const double loss = loss_of(logits, test);
  fmt::print("\nThe network of epoch {} on {} samples that it never saw: loss {:.4f}\n\n{}",
             stopping.best_epoch() + 1, test.size(), loss,
             tg::ConfusionMatrix(tg::argmax(logits), test.labels, test.classes).text(test.class_names));
  for (const tg::Finding& finding : tg::findings(monitor.record()))
    fmt::print("\n{}", tg::wrapped(finding.text, 80, 0, 2));
  if (!o.save.empty()) tg::save_weights(net, o.save);
  o.inspect.write({&monitor.record(), 1});
  return {{"samples", data.size()}, {"classes", data.class_names},
          {"epochs", epoch},        {"best_epoch", stopping.best_epoch() + 1},
          {"test_loss", loss},      {"test_accuracy", tg::accuracy(logits, test.labels)}};
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Trains a classifier on the columns of a CSV file.");
  options.add_to(app);
  return example::run(app, options.common, argc, argv, [&] { return train(options); });
}
