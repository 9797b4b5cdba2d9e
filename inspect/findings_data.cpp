#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tapegrad/inspect/finding_rules.h"

/// Rules of the data: over all rows where describe() has seen them, else by what the run shows of it.

namespace tapegrad::inline TAPEGRAD_ABI::judging {
namespace {

/// Share of the most frequent class, and which it is; 0 where nobody has counted.
std::pair<double, std::size_t> largest_class(const RunRecord& record) {
  const std::vector<Index>& counts = record.data.class_counts;
  const auto all = static_cast<double>(std::accumulate(counts.begin(), counts.end(), Index{0}));
  const auto most = std::max_element(counts.begin(), counts.end());
  if (all == 0) return {0, 0};
  return {static_cast<double>(*most) / all, static_cast<std::size_t>(most - counts.begin())};
}

/// Whether the loss holds numbers against each other, without a scale of its own.
bool compares_numbers(const RunRecord& record) {
  const std::string& loss = record.structure.loss;
  return loss == "mse" || loss == "l1" || loss == "huber";
}

}  // namespace

Findings input_not_finite(const RunRecord& record, const Rule& rule, const Findings&) {
  const DataRecord& data = record.data;
  if (data.not_finite == 0) return {};
  return {warning(
      rule, "", static_cast<double>(data.not_finite),
      fmt::format("{} of the inputs {} not finite, the first in row {}, column {}: one is enough to make every "
                  "weight NaN; leave out such rows, or fill them in",
                  data.not_finite == 1 ? "a value" : fmt::format("{} values", data.not_finite),
                  data.not_finite == 1 ? "is" : "are", data.first_not_finite.row, data.first_not_finite.col),
      Severity::critical)};
}

namespace {

/// A loss that falls to almost nothing at once, with the same output for all samples.
Findings constant_by_the_run(const RunRecord& record, const Rule& rule) {
  const LayerRecord* output = output_of(record);
  if (record.classes < 2 || output == nullptr || record.loss.empty()) return {};
  const double first = record.loss.front().loss;
  const auto solved = std::find_if(record.loss.begin(), record.loss.end(),
                                   [&](const LossStep& step) { return step.loss < 0.05 * first; });
  if (solved == record.loss.end() || solved->step > 100) return {};
  const double spread = lately(output->steps, &LayerStep::sample_std);
  const double size = std::hypot(lately(output->steps, &LayerStep::mean), lately(output->steps, &LayerStep::std));
  if (spread < 0 || size == 0 || !judged(rule, spread / size)) return {};
  Finding result = finding(
      rule, "", spread / size,
      fmt::format("the loss fell from {} to {} within {} steps, and the output is nearly the same for all "
                  "samples (it varies by {} of its size): the labels seem to be constant; check how they are "
                  "read",
                  number(first), number(solved->loss), solved->step, percent(spread / size)));
  result.source = Source::run;
  return {std::move(result)};
}

}  // namespace

Findings labels_constant(const RunRecord& record, const Rule& rule, const Findings&) {
  if (record.classes == 1)
    return {
        warning(rule, "", 1,
                "there is only one class, so the loss is 0 whatever the network says: check which column holds the "
                "labels, and how they are read",
                Severity::critical)};
  const auto [share, label] = largest_class(record);
  if (share > 0 && share < 1) return {};  // class_imbalance judges that
  if (Findings seen = constant_by_the_run(record, rule); !seen.empty() || share == 0) return seen;
  return {
      warning(rule, "", 1,
              fmt::format("all {} labels are {}, so there is nothing to tell apart: check which column holds the "
                          "labels, and how they are read; no training can repair that",
                          record.data.rows, label),
              Severity::critical)};
}

Findings class_imbalance(const RunRecord& record, const Rule& rule, const Findings&) {
  const auto [share, label] = largest_class(record);
  if (share == 1 || !judged(rule, share)) return {};
  return {finding(
      rule, "", share,
      fmt::format("{:.3g} % of the samples are of class {}: always saying so is right that often, and the others "
                  "hardly count in the loss; look at the accuracy of each class, and collect or repeat samples of "
                  "the others; no setting of the training makes up for them",
                  100 * share, label))};
}

Findings unused_class(const RunRecord& record, const Rule& rule, const Findings& found) {
  std::vector<Index> counts = record.data.class_counts;
  if (counts.empty() || fired(found, labels_constant)) return {};
  if (record.structure.loss == "cross_entropy")
    counts.resize(std::max(counts.size(), static_cast<std::size_t>(record.structure.outputs)));
  const auto unused = std::count(counts.begin(), counts.end(), 0);
  if (unused == 0) return {};
  std::string list;
  int listed = 0;
  for (std::size_t label = 0; label < counts.size() && listed < 5; ++label)
    if (counts[label] == 0) list += fmt::format("{}{}", listed++ == 0 ? "" : ", ", label);
  return {warning(
      rule, "", static_cast<double>(unused),
      fmt::format("{} of the {} classes {} no sample: {}{}; the network learns never to answer so. Where labels do "
                  "not count from 0, state them when they are read (.classes of load_csv)",
                  unused, counts.size(), unused == 1 ? "has" : "have", list, unused > listed ? ", ..." : ""),
      Severity::info)};
}

Findings unscaled_targets(const RunRecord& record, const Rule& rule, const Findings&) {
  if (!compares_numbers(record)) return {};
  double size = record.data.target_rms;
  if (record.data.rows == 0 && record.structure.loss == "mse" && !record.loss.empty() &&
      output_of(record) != nullptr) {
    // The first loss is about the mean square of the targets, unless the outputs are as large.
    const LayerStep& first = output_of(record)->steps.front();
    const double loss = record.loss.front().loss - first.mean * first.mean - first.std * first.std;
    size = std::sqrt(std::max(loss, 0.));
  }
  if (!std::isfinite(size) || !judged(rule, size)) return {};
  return {finding(
      rule, "", size,
      fmt::format("the targets have an RMS of about {}, usual is about 1: the first gradients are as much larger, "
                  "and a learning rate for numbers about 1 is too high; divide the targets by {}, and what the "
                  "network predicts is in that unit",
                  number(size), number(size)))};
}

namespace {

constexpr double too_narrow = 0.01;
constexpr double much_wider = 100;

/// A column that is much wider than the others, which the network therefore hardly sees.
Findings widest_column(const RunRecord& record, const Rule& rule) {
  std::vector<double> spreads;
  for (const double std : record.data.column_std)
    if (std > 0) spreads.push_back(std);
  if (spreads.size() < 2) return {};
  std::sort(spreads.begin(), spreads.end());
  const double usual = spreads[(spreads.size() - 1) / 2];
  if (spreads.back() < 0.5 * rule.warning || spreads.back() < much_wider * usual) return {};
  const auto& all = record.data.column_std;
  const auto column = std::find(all.begin(), all.end(), spreads.back()) - all.begin();
  Finding result = warning(
      rule, "", spreads.back() / usual,
      fmt::format("column {} of the inputs has a standard deviation of {}, the others about {}: the network hardly "
                  "sees the others; scale every column to mean 0 and standard deviation 1",
                  column, number(spreads.back()), number(usual)),
      Severity::critical);
  result.source = Source::data;
  return {std::move(result)};
}

}  // namespace

namespace {
/// Mean and standard deviation of all inputs together.
std::pair<double, double> scale_of(const DataRecord& data) {
  double mean = 0, square = 0;
  for (std::size_t col = 0; col < data.column_mean.size(); ++col) {
    mean += data.column_mean[col];
    square += std::pow(data.column_mean[col], 2) + std::pow(data.column_std[col], 2);
  }
  const auto cols = static_cast<double>(std::max<std::size_t>(data.column_mean.size(), 1));
  mean /= cols;
  return {mean, std::sqrt(std::max(square / cols - mean * mean, 0.))};
}
}  // namespace

Findings unscaled_inputs(const RunRecord& record, const Rule& rule, const Findings&) {
  if (Findings wide = widest_column(record, rule); !wide.empty()) return wide;
  // Of the first batch, and of all rows where they are known: a small batch says little.
  const auto [mean, std] =
      record.data.rows > 0 ? scale_of(record.data) : std::pair{record.input_mean, record.input_std};
  if (!std::isfinite(mean) || !std::isfinite(std)) return {};  // not_finite says so
  const std::string text = fmt::format(
      "the inputs have mean {} and standard deviation {}, usual is about 0 and 1: ", number(mean), number(std));
  const std::string_view remedy = "; scale them to [0, 1], or to mean 0 and standard deviation 1";
  const double largest = std::max(std::abs(mean), std);
  if (judged(rule, largest))
    return {finding(
        rule, "", largest,
        text + "units saturate or die at once, and no learning rate fits all layers" + std::string(remedy))};
  if (std > 0 && std < too_narrow) {
    Finding narrow =
        warning(rule, "", std, text + "the network hardly sees a difference between them" + std::string(remedy));
    narrow.threshold = too_narrow;
    return {narrow};
  }
  return {};
}

Findings constant_input(const RunRecord& record, const Rule& rule, const Findings&) {
  constexpr std::size_t few = 20;  // of images some pixels never change
  const DataRecord& data = record.data;
  if (data.rows < 2 || data.column_std.size() > few) return {};
  std::vector<std::size_t> constant;
  for (std::size_t col = 0; col < data.column_std.size(); ++col)
    if (data.column_std[col] <= 1e-6 * std::abs(data.column_mean[col])) constant.push_back(col);
  if (constant.empty()) return {};
  return {warning(
      rule, "", static_cast<double>(constant.size()),
      fmt::format("column {} of the inputs is {} in all {} rows: it tells nothing; check how it is read, or leave "
                  "it out",
                  fmt::join(constant, ", "), number(data.column_mean[constant[0]]), data.rows))};
}

}  // namespace tapegrad::judging
