// The dying ReLU as it is known from practice (and from A. Maas, A. Hannun and A. Ng, "Rectifier Nonlinearities Improve
// Neural Network Acoustic Models", ICML 2013, section 2, where leaky ReLU is proposed for it): a learning rate that
// is too high throws units so far that they are off on all the data, for good.
//
// Measured on 784-100-100-10 with He initialization, biases 0, pixels from 0 to 1, batches of 32, 2000 steps of plain
// SGD on Fashion-MNIST: the share of units that were off on every sample of the last hundred steps or longer, and the
// accuracy on the test images. (On all 60,000 images fewer are off: some of these units still fire on a few images.)
// How many die differs much by seed, and a product that is rounded differently already leads to another run, so every
// number is the median of 41 seeds. Most networks at 0.5 end where they tell one class (right on 0.10), two (0.20) or three
// (0.29); the rest learn with few units dead. Quartiles over the seeds 42 to 82: accuracy 0.20, 0.28 and 0.43; dead in
// layer 1 67, 77 and 82 %, in layer 2 41, 72 and 93 %.

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "common/parallel.h"
#include "common/plot.h"
#include "common/twin.h"
#include "papers/papers.h"

namespace papers {
namespace {

constexpr std::array rates{0.1, 0.3, 0.5};
constexpr std::size_t seeds = 41;
constexpr std::size_t quick_seeds = 7;  ///< of the rates at which they differ little

template <class Of> double median(std::span<const twin::Run> runs, Of of) {
  std::vector<double> values;
  for (const twin::Run& run : runs) values.push_back(of(run));
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double dead(const twin::Run& run, std::size_t layer) { return run.record.layers[layer].steps.back().dead_since; }

/// What the seeds differ by, in words.
std::string spread(std::span<const twin::Run> of_rate) {
  const auto range = [&](auto of) {
    double low = infinity, high = -infinity;
    for (const twin::Run& run : of_rate) {
      low = std::min(low, 100 * of(run));
      high = std::max(high, 100 * of(run));
    }
    return fmt::format("{:.0f} to {:.0f} %", low, high);
  };
  return fmt::format("Over {} seeds: dead in layer 1 {}, in layer 2 {}; accuracy {}.", of_rate.size(),
                     range([](const twin::Run& run) { return dead(run, 0); }),
                     range([](const twin::Run& run) { return dead(run, 1); }),
                     range([](const twin::Run& run) { return run.points.back().accuracy; }));
}

/// The dead units of the first run while it is trained.
page::Chart deaths(std::span<const twin::Run> of_rate) {
  const twin::Run& run = of_rate.front();
  plot::Figure figure{.curves = {},
                      .x = {.title = "step", .format = "~s"},
                      .y = {.title = "dead units", .low = 0, .high = 1, .format = ".0%"}};
  for (std::size_t layer = 0; layer < 2; ++layer) {
    figure.curves.push_back({fmt::format("layer {}", layer + 1)});
    for (const tg::LayerStep& step : run.record.layers[layer].steps)
      figure.curves.back().add(static_cast<double>(step.step), step.dead_since);
  }
  return {run.options.name, spread(of_rate), plot::vega_lite(figure)};
}

}  // namespace

Result dead_by_rate(const Options& options) {
  const tg::Dataset data = tg::load_mnist(options.fashion, tg::Split::train);
  const tg::Dataset test = tg::load_mnist(options.fashion, tg::Split::test);
  std::vector<std::vector<twin::Run>> runs(rates.size());
  for (std::size_t i = 0; i < rates.size(); ++i) {
    runs[i].resize(options.quick && rates[i] < 0.5 ? quick_seeds : seeds);
    example::two_at_a_time(runs[i].size(), [&](std::size_t k) {
      runs[i][k] = twin::train(data, test,
                               {.name = fmt::format("learning rate {:g}", rates[i]),
                                .lr = rates[i],
                                .record_every = 2000,
                                .all_steps = true,
                                .seed = options.seed + k});
    });
  }
  struct Published {
    std::string dead1, dead2, accuracy;
    double low1, high1, low2, high2, low, high;
  };
  const Published published[] = {{"0 %", "1 %", "84.6 %", 0, 0.02, 0, 0.03, 0.826, 0.866},
                                 {"19-35 %", "0 %", "", 0.19, 0.35, 0, 0.02, 0, 1},
                                 {"60-91 %", "70-96 %", "15-35 %", 0.6, 0.91, 0.7, 0.96, 0.15, 0.35}};
  Result result;
  page::Section figure{.name = "High rate",
                       .title = "A high learning rate kills units",
                       .unit = "units off on every sample of a hundred steps or longer, one seed",
                       .reading =
                           "At 0.1 nearly all live; at 0.3 the first layer loses a part at once; at 0.5 most of "
                           "both layers die and the network with them.",
                       .columns = static_cast<int>(rates.size()),
                       .charts = {}};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const std::span<const twin::Run> of_rate(runs[i]);
    const Published& p = published[i];
    const std::string name = fmt::format("lr {:g}: ", rates[i]);
    result.rows.push_back({name + "dead units in layer 1", p.dead1, p.low1, p.high1,
                           median(of_rate, [](const twin::Run& r) { return dead(r, 0); })});
    result.rows.push_back({name + "dead units in layer 2", p.dead2, p.low2, p.high2,
                           median(of_rate, [](const twin::Run& r) { return dead(r, 1); })});
    if (!p.accuracy.empty())
      result.rows.push_back({name + "accuracy", p.accuracy, p.low, p.high,
                             median(of_rate, [](const twin::Run& r) { return r.points.back().accuracy; })});
    figure.charts.push_back(deaths(of_rate));
  }
  result.figures = {figure};
  return result;
}

}  // namespace papers
