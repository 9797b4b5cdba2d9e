// X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
// section 3.1 and figure 2: in a deep sigmoid network the mean of the last hidden layer falls towards 0 right at the
// start, while the layers below stay where they are; the network stalls until that layer comes back, and the deeper
// it is, the longer that takes.
//
// Measured as there: hidden layers of 100 units, weights from U(±1/√n), biases 0, batches of 10, plain SGD. Learning
// rate 0.1, on Fashion-MNIST. A run has escaped once the mean loss of 100 batches is below 2.2 (ln 10 = 2.303 is
// what a network says that knows nothing). The ReLU twin differs in the activation only.

#include <fmt/core.h>

#include "common/parallel.h"
#include "common/plot.h"
#include "common/twin.h"
#include "papers/papers.h"

namespace papers {
namespace {

twin::Options options_of(const std::string& activation, std::size_t depth, tg::Index steps, std::uint64_t seed) {
  return {.name = fmt::format("{}, {} hidden layers", activation, depth),
          .activation = activation,
          .hidden = std::vector<tg::Index>(depth, 100),
          .init = "uniform_fan_in",
          .lr = 0.1,
          .batch = 10,
          .steps = steps,
          .record_every = 100,
          .seed = seed};
}

/// Steps until the network learns; all of them when it does not.
double escape(const twin::Run& run) {
  return static_cast<double>(run.escape_step >= 0 ? run.escape_step : run.options.steps);
}

/// The moment at which the last hidden layer's mean is lowest: that mean, and the one of the layer before.
struct Lowest {
  double last = infinity;
  double previous = 0;
};

Lowest lowest(const twin::Run& run) {
  const std::size_t last = run.options.hidden.size() - 1;
  Lowest found;
  for (std::size_t i = 0; i < run.record.layers[last].steps.size(); ++i)
    if (run.record.layers[last].steps[i].mean < found.last)
      found = {run.record.layers[last].steps[i].mean, run.record.layers[last - 1].steps[i].mean};
  return found;
}

double accuracy_at(const twin::Run& run, tg::Index step) {
  double accuracy = 0;
  for (const twin::Point& point : run.points)
    if (point.step <= step) accuracy = point.accuracy;
  return accuracy;
}

page::Chart means(const twin::Run& run) {
  plot::Figure figure{.curves = {},
                      .x = {.title = "step", .format = "~s"},
                      .y = {.title = "mean output", .low = 0, .high = 1},
                      .colours = plot::Colours::ordinal};
  for (std::size_t i = 0; i < run.options.hidden.size(); ++i) {
    figure.curves.push_back({fmt::format("layer {}", i + 1)});
    for (const tg::LayerStep& step : run.record.layers[i].steps)
      figure.curves.back().add(static_cast<double>(step.step), step.mean);
  }
  if (run.escape_step >= 0) figure.moments = {{escape(run), "escapes"}};
  return {run.options.name, "", plot::vega_lite(figure)};
}

page::Section accuracies(const twin::Run& relu, const twin::Run& sigmoid) {
  plot::Figure figure{.curves = {},
                      .x = {.title = "step", .format = "~s"},
                      .y = {.title = "test accuracy", .low = 0, .high = 1, .format = ".0%"},
                      .levels = {{0.1, "chance"}}};
  for (const twin::Run* run : {&relu, &sigmoid}) {
    figure.curves.push_back({run->options.activation});
    for (const twin::Point& point : run->points) {
      if (point.step > relu.options.steps) break;
      figure.curves.back().add(static_cast<double>(point.step), point.accuracy);
    }
  }
  return {.name = "ReLU",
          .title = "The same task with ReLU",
          .unit = "test accuracy, 4 hidden layers",
          .reading = "Everything but the activation is the same: ReLU learns at once, sigmoid has not begun.",
          .columns = 2,
          .charts = {{"", "", plot::vega_lite(figure)}}};
}

}  // namespace

Result saturation(const Options& options) {
  const tg::Dataset data = tg::load_mnist(options.fashion, tg::Split::train);
  const tg::Dataset test = tg::load_mnist(options.fashion, tg::Split::test);
  const std::vector<twin::Options> twins{options_of("sigmoid", 5, options.quick ? 24000 : 36000, options.seed),
                                         options_of("sigmoid", 4, options.quick ? 20000 : 24000, options.seed),
                                         options_of("sigmoid", 3, 8000, options.seed),
                                         options_of("relu", 4, 2001, options.seed)};
  std::vector<twin::Run> runs(twins.size());
  example::two_at_a_time(twins.size(), [&](std::size_t i) { runs[i] = twin::train(data, test, twins[i]); });
  const twin::Run &five = runs[0], &four = runs[1], &three = runs[2], &relu = runs[3];

  Result result;
  const auto steps = [&](const twin::Run& run) { return static_cast<double>(run.options.steps); };
  result.rows = {{"3 sigmoid layers: steps to escape", "≈ 2000", 1, escape(four), escape(three)},
                 {"4 sigmoid layers: steps to escape", "14-16k", escape(three), escape(five), escape(four)},
                 {"5 sigmoid layers: no escape in", "36k", steps(five), steps(five), escape(five)}};
  for (const twin::Run* run : {&four, &five}) {
    const Lowest moment = lowest(*run);
    const std::string name = fmt::format("{} layers: ", run->options.hidden.size());
    result.rows.push_back({name + "last layer's lowest mean", "→ 0", 0, 0.1, moment.last});
    result.rows.push_back({name + "layer before it, then", "> 0.6", 0.6, 1, moment.previous});
  }
  result.rows.push_back({"4 ReLU layers: accuracy at step 2000", "0.79", 0.74, 0.84, accuracy_at(relu, 2000)});
  result.rows.push_back({"4 sigmoid layers: the same", "0.10", 0.08, 0.12, accuracy_at(four, 2000)});
  result.figures = {
      {.name = "Saturation",
       .title = "The last sigmoid layer is pushed to 0",
       .unit = "mean output of every hidden layer while training",
       .reading = "In the first thousand steps the last layer falls towards 0 while the one before rises; until "
                  "it comes back, no gradient passes it and the network does not learn.",
       .columns = 3,
       .charts = {means(three), means(four), means(five)}},
      accuracies(relu, four)};
  return result;
}

}  // namespace papers
