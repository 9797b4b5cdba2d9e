#include "papers/classifier.h"

#include <fmt/core.h>

#include <mutex>

#include "common/example.h"
#include "common/parallel.h"
#include "common/plot.h"
#include "common/terminal.h"
#include "common/training.h"

namespace papers {
namespace {

/// The squared distance to the label's unit vector, summed over the classes as in the papers.
tg::Var squared_error(tg::Var outputs, std::span<const int> labels) {
  tg::Matrix targets = tg::Matrix::Zero(outputs.rows(), outputs.cols());
  for (std::size_t i = 0; i < labels.size(); ++i) targets(static_cast<tg::Index>(i), labels[i]) = 1;
  return static_cast<double>(outputs.cols()) * tg::mse(outputs, targets);
}

/// How many answers on the test set are wrong after every epoch. Counted, so that a score at the very end of its range is
/// not outside by rounding.
template <class Done>
std::vector<double> test_errors(const tg::Dataset& data, const tg::Dataset& test, const Recipe& recipe,
                                std::uint64_t seed, Done done) {
  tg::Rng rng(seed);
  tg::Sequential net = tg::mlp(training::sizes(data, recipe.hidden), tg::activation(recipe.activation), rng,
                               {.linear = {.weight_init = tg::initializer(recipe.init), .bias_init = tg::zeros()},
                                .batch_norm = recipe.batch_norm,
                                .dropout = recipe.dropout,
                                .input_dropout = recipe.input_dropout});
  tg::OptimizerOptions settings{.lr = recipe.lr, .weight_decay = recipe.weight_decay};
  if (recipe.momentum > 0) settings.momentum = recipe.momentum;
  const auto optimizer = tg::make_optimizer(recipe.optimizer, net.parameters(), settings);
  tg::Rng order = rng.split();
  tg::Loader loader(data, {.batch = recipe.batch, .shuffle = order});
  const auto schedule = tg::make_schedule(recipe.schedule, recipe.lr, recipe.epochs * loader.count());
  tg::Tape tape;
  std::vector<double> errors;
  for (int epoch = 0; epoch < recipe.epochs && !example::stop_requested(); ++epoch) {
    net.train();
    for (auto& [x, labels] : loader) {
      tape.reset();
      const tg::Var outputs = net(tape.input(x));
      const tg::Var loss =
          recipe.loss == Loss::cross_entropy ? tg::cross_entropy(outputs, labels) : squared_error(outputs, labels);
      loss.backward();
      optimizer->set_lr(schedule.at(optimizer->steps()));
      optimizer->step();
      done(x.rows());
      if (example::stop_requested()) break;
    }
    errors.push_back(std::round(static_cast<double>(test.size()) * (1 - training::evaluate(net, test).accuracy)));
  }
  return errors;
}

}  // namespace

Result measure_networks(const std::string& folder, const std::vector<Published>& networks, Score score,
                        std::uint64_t seed, page::Section figure) {
  const tg::Dataset data = tg::load_mnist(folder, tg::Split::train);
  const tg::Dataset test = tg::load_mnist(folder, tg::Split::test);
  tg::Index total = 0;
  for (const Published& network : networks) total += network.recipe.epochs * data.size();
  std::vector<std::vector<double>> errors(networks.size());
  terminal::Progress progress(fmt::format("{} networks", networks.size()), total);
  std::mutex mutex;
  tg::Index trained = 0;
  example::two_at_a_time(networks.size(), [&](std::size_t i) {
    errors[i] = test_errors(data, test, networks[i].recipe, seed, [&](tg::Index rows) {
      const std::lock_guard lock(mutex);
      trained += rows;
      progress.update(trained, networks[i].recipe.name);
    });
  });
  progress.finish();

  Result result;
  std::vector<plot::Curve> curves, published;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const auto [recipe, expected, low, high] = networks[i];
    const auto scored = [score, size = static_cast<double>(test.size())](double wrong) {
      return score == Score::error ? 100 * wrong / size : (size - wrong) / size;
    };
    result.rows.push_back({recipe.name, expected, low, high, scored(errors[i].back())});
    curves.push_back({recipe.name});
    for (std::size_t epoch = 0; epoch < errors[i].size(); ++epoch)
      curves.back().add(static_cast<double>(epoch + 1), scored(errors[i][epoch]));
    published.push_back({recipe.name, {static_cast<double>(recipe.epochs)}, {(low + high) / 2}});
  }
  const bool error = score == Score::error;
  const plot::Figure chart{.curves = curves,
                           .x = {.title = "epoch", .format = "d"},
                           .y = {.title = error ? "test error, %" : "test accuracy",
                                 .logarithmic = error,
                                 .format = error ? "~g" : ".2~%"},
                           .dots = published};
  figure.charts = {{"", "", plot::vega_lite(chart, 300)}};
  result.figures = {figure};
  return result;
}

}  // namespace papers
