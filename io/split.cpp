#include "tapegrad/io/split.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tapegrad/core/error.h"
#include "tapegrad/io/batches.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> BasicDataset<T> take(const BasicDataset<T>& data, std::span<const Index> rows) {
  BasicDataset<T> result{.inputs = BasicMatrix<T>(static_cast<Index>(rows.size()), data.inputs.cols()),
                         .labels = {},
                         .classes = data.classes,
                         .image_rows = data.image_rows,
                         .image_cols = data.image_cols,
                         .columns = data.columns,
                         .class_names = data.class_names};
  gather_rows(data.inputs, rows, result.inputs.data());
  if (!data.labels.empty()) gather_labels(data.labels, rows, result.labels);
  return result;
}

template <class T> BasicDataset<T> concat(const BasicDataset<T>& a, const BasicDataset<T>& b) {
  if (a.inputs.cols() != b.inputs.cols())
    fail("concat", fmt::format("the data sets have {} and {} columns", a.inputs.cols(), b.inputs.cols()));
  if (a.labels.empty() != b.labels.empty() && a.size() > 0 && b.size() > 0)
    fail("concat", "only one of the data sets has labels");
  if (!a.class_names.empty() && !b.class_names.empty() && a.class_names != b.class_names)
    fail("concat", "the data sets have other classes; read the second with {.classes = first.class_names}");
  BasicDataset<T> result = a;
  result.inputs.conservativeResize(a.size() + b.size(), a.inputs.cols());
  result.inputs.bottomRows(b.size()) = b.inputs;
  result.labels.insert(result.labels.end(), b.labels.begin(), b.labels.end());
  result.classes = std::max(a.classes, b.classes);
  if (a.image_rows != b.image_rows || a.image_cols != b.image_cols) result.image_rows = result.image_cols = 0;
  return result;
}

template <class T> BasicMatrix<T> one_hot(std::span<const int> labels, int classes) {
  if (classes < 1) fail("one_hot", fmt::format("classes is {}, expected at least 1", classes));
  for (std::size_t row = 0; row < labels.size(); ++row)
    if (labels[row] < 0 || labels[row] >= classes)
      fail("one_hot", fmt::format("label {} at index {} is not one of 0 to {}", labels[row], row, classes - 1));
  BasicMatrix<T> result = BasicMatrix<T>::Zero(static_cast<Index>(labels.size()), classes);
  for (std::size_t row = 0; row < labels.size(); ++row) result(static_cast<Index>(row), labels[row]) = 1;
  return result;
}

namespace detail {
namespace {

void check_fractions(std::span<const double> fractions, Index samples) {
  double sum = 0;
  for (const double fraction : fractions) {
    if (!(fraction > 0 && fraction <= 1))
      fail("split", fmt::format("a part is {}, expected above 0 and at most 1", fraction));
    sum += fraction;
  }
  if (std::abs(sum - 1) > 1e-6) fail("split", fmt::format("the parts add up to {}, expected 1", sum));
  if (samples < static_cast<Index>(fractions.size()))
    fail("split", fmt::format("{} samples do not make {} parts", samples, fractions.size()));
}

void check_classes(std::span<const int> labels, const std::vector<std::vector<Index>>& parts,
                   SplitOptions options) {
  const auto counts = [](const auto& rows_or_labels, const auto& label_of) {
    std::map<int, Index> count;
    for (const auto& each : rows_or_labels)
      if (label_of(each) >= 0) ++count[label_of(each)];
    return count;
  };
  const auto all = counts(labels, [](int label) { return label; });
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const auto part = counts(parts[k], [&](Index row) { return labels[static_cast<std::size_t>(row)]; });
    for (const auto& [label, count] : all)
      if (!part.contains(label))
        fail("split",
             fmt::format("part {} has no sample of class {}, of which there {} {}: {}", k + 1, label,
                         count == 1 ? "is" : "are", count,
                         options.stratified ? "get more, or leave the class out" : "use {.stratified = true}"));
  }
}

}  // namespace

std::vector<std::vector<Index>> split_rows(std::span<const int> labels, Index samples,
                                           std::span<const double> fractions, Rng& rng, SplitOptions options) {
  check_fractions(fractions, samples);
  if (!labels.empty() && static_cast<Index>(labels.size()) != samples)
    fail("split", fmt::format("{} labels for {} rows", labels.size(), samples));
  if (options.stratified && labels.empty()) fail("split", "stratified needs labels");
  const std::vector<Index> order = rng.permutation(samples);
  // Groups of rows, of which each part gets its share: the classes, or all rows.
  std::vector<std::vector<Index>> groups(1);
  for (const Index row : order) {
    const auto group =
        options.stratified ? static_cast<std::size_t>(std::max(0, labels[static_cast<std::size_t>(row)])) : 0;
    if (group >= groups.size()) groups.resize(group + 1);
    groups[group].push_back(row);
  }
  std::vector<std::vector<Index>> parts(fractions.size());
  for (const auto& group : groups) {
    double share = 0;
    std::size_t first = 0;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      share += fractions[k];
      const auto last =
          k + 1 == parts.size()
              ? group.size()
              : std::min(group.size(),
                         static_cast<std::size_t>(std::lround(share * static_cast<double>(group.size()))));
      parts[k].insert(parts[k].end(), group.begin() + static_cast<std::ptrdiff_t>(first),
                      group.begin() + static_cast<std::ptrdiff_t>(last));
      first = last;
    }
  }
  for (std::size_t k = 0; k < parts.size(); ++k)
    if (parts[k].empty()) fail("split", fmt::format("part {} of {} samples would be empty", k + 1, samples));
  if (!options.allow_missing && !labels.empty()) check_classes(labels, parts, options);
  return parts;
}

}  // namespace detail

#define TAPEGRAD_FUNCTIONS(T)                                                      \
  template BasicDataset<T> take(const BasicDataset<T>&, std::span<const Index>);   \
  template BasicDataset<T> concat(const BasicDataset<T>&, const BasicDataset<T>&); \
  template BasicMatrix<T> one_hot(std::span<const int>, int);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
