#include "tapegrad/inspect/metrics.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tapegrad/core/error.h"
#include "tapegrad/inspect/text.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void check_labels(std::string_view where, std::span<const int> labels, Index rows, Index classes) {
  if (rows < 1) fail(where, "there are no rows");
  if (static_cast<Index>(labels.size()) != rows)
    fail(where, fmt::format("{} labels for {} rows", labels.size(), rows));
  for (std::size_t row = 0; row < labels.size(); ++row)
    if (labels[row] < 0 || labels[row] >= classes)
      fail(where, fmt::format("label {} at index {} is not one of 0 to {}", labels[row], row, classes - 1));
}

/// The class that a row of scores stands for; −1 if it holds a nan.
template <class T> int answer(const BasicMatrixRef<T>& scores, Index row) {
  const auto values = scores.row(row);
  if (values.hasNaN()) return -1;
  if (values.size() == 1) return values(0) > 0 ? 1 : 0;
  Index at = 0;
  values.maxCoeff(&at);
  return static_cast<int>(at);
}

template <class T> Index classes_of(const BasicMatrixRef<T>& scores) {
  return scores.cols() == 1 ? 2 : scores.cols();
}

template <class T> std::vector<int> argmax_of(const BasicMatrixRef<T>& scores) {
  if (scores.cols() < 1) fail("argmax", "the rows have no columns");
  std::vector<int> classes(static_cast<std::size_t>(scores.rows()));
  for (Index row = 0; row < scores.rows(); ++row) {
    classes[static_cast<std::size_t>(row)] = answer<T>(scores, row);
    if (classes[static_cast<std::size_t>(row)] < 0) fail("argmax", fmt::format("row {} holds a nan", row));
  }
  return classes;
}

template <class T> BasicMatrix<T> softmax_of(const BasicMatrix<T>& logits) {
  if (logits.size() == 0) return logits;
  BasicMatrix<T> y = (logits.colwise() - logits.rowwise().maxCoeff()).array().exp();
  const Eigen::Matrix<T, Eigen::Dynamic, 1> sums = y.rowwise().sum();
  y.array().colwise() /= sums.array();
  return y;
}

template <class T>
double share_of_rows(std::string_view where, const BasicMatrixRef<T>& scores, std::span<const int> labels,
                     auto right) {
  check_labels(where, labels, scores.rows(), classes_of<T>(scores));
  Index count = 0;
  for (Index row = 0; row < scores.rows(); ++row)
    count += right(row, labels[static_cast<std::size_t>(row)]) ? 1 : 0;
  return static_cast<double>(count) / static_cast<double>(scores.rows());
}

template <class T> double accuracy_of(const BasicMatrixRef<T>& scores, std::span<const int> labels) {
  return share_of_rows<T>("accuracy", scores, labels,
                          [&](Index row, int label) { return answer<T>(scores, row) == label; });
}

template <class T> double top_k_of(const BasicMatrixRef<T>& scores, std::span<const int> labels, int k) {
  if (k < 1 || k > scores.cols())
    fail("top_k", fmt::format("k is {}, expected 1 to {}, the number of columns", k, scores.cols()));
  return share_of_rows<T>("top_k", scores, labels, [&](Index row, int label) {
    const auto values = scores.row(row);
    if (scores.cols() == 1 || values.hasNaN()) return answer<T>(scores, row) == label;
    const auto score = values(label);  // of equal scores the first comes first
    return (values.array() > score).count() + (values.leftCols(label).array() == score).count() < k;
  });
}

std::string shown(double share) { return std::isnan(share) ? "–" : fmt::format("{:.3f}", share); }

/// The text in at least `width` columns, at their right end.
std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, columns(text)), ' ') + text;
}

double ratio(Index part, Index all) {
  return all == 0 ? nan : static_cast<double>(part) / static_cast<double>(all);
}

}  // namespace

std::vector<int> argmax(const BasicMatrixRef<float>& scores) { return argmax_of<float>(scores); }
std::vector<int> argmax(const BasicMatrixRef<double>& scores) { return argmax_of<double>(scores); }
BasicMatrix<float> softmax(const BasicMatrix<float>& logits) { return softmax_of<float>(logits); }
BasicMatrix<double> softmax(const BasicMatrix<double>& logits) { return softmax_of<double>(logits); }
double accuracy(const BasicMatrixRef<float>& scores, std::span<const int> labels) {
  return accuracy_of<float>(scores, labels);
}
double accuracy(const BasicMatrixRef<double>& scores, std::span<const int> labels) {
  return accuracy_of<double>(scores, labels);
}
double top_k(const BasicMatrixRef<float>& scores, std::span<const int> labels, int k) {
  return top_k_of<float>(scores, labels, k);
}
double top_k(const BasicMatrixRef<double>& scores, std::span<const int> labels, int k) {
  return top_k_of<double>(scores, labels, k);
}

ConfusionMatrix::ConfusionMatrix(std::span<const int> predicted, std::span<const int> labels, int classes) {
  if (classes < 1) fail("confusion_matrix", fmt::format("classes is {}, expected at least 1", classes));
  check_labels("confusion_matrix", labels, static_cast<Index>(predicted.size()), classes);
  counts_.setZero(classes, classes);
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (predicted[row] < 0 || predicted[row] >= classes)
      fail("confusion_matrix",
           fmt::format("prediction {} at index {} is not one of 0 to {}", predicted[row], row, classes - 1));
    ++counts_(labels[row], predicted[row]);
  }
}

double ConfusionMatrix::accuracy() const { return ratio(counts_.trace(), samples()); }
double ConfusionMatrix::precision(int label) const {
  return ratio(counts_(label, label), counts_.col(label).sum());
}
double ConfusionMatrix::recall(int label) const { return ratio(counts_(label, label), counts_.row(label).sum()); }
double ConfusionMatrix::f1(int label) const {
  return ratio(2 * counts_(label, label), counts_.col(label).sum() + counts_.row(label).sum());
}

double ConfusionMatrix::macro_f1() const {
  double sum = 0;
  int occur = 0;
  for (int label = 0; label < classes(); ++label) {
    if (std::isnan(f1(label))) continue;
    sum += f1(label);
    ++occur;
  }
  return sum / occur;
}

std::string ConfusionMatrix::text(std::span<const std::string> names) const {
  if (!names.empty() && static_cast<int>(names.size()) != classes())
    fail("confusion_matrix", fmt::format("{} names for {} classes", names.size(), classes()));
  std::vector<std::string> shown_names(names.begin(), names.end());
  for (int label = static_cast<int>(shown_names.size()); label < classes(); ++label)
    shown_names.push_back(fmt::format("{}", label));
  std::size_t width = 9, cell = fmt::format("{}", counts_.maxCoeff()).size();  // "taken for"
  for (const std::string& name : shown_names) {
    width = std::max(width, columns(name));
    cell = std::max(cell, columns(name));
  }
  const auto line = [&](const std::string& name) { return name + std::string(width - columns(name), ' '); };
  std::string text = line("class") + "  precision   recall       F1  samples\n";
  for (int label = 0; label < classes(); ++label)
    text += line(shown_names[static_cast<std::size_t>(label)]) + right(shown(precision(label)), 11) +
            right(shown(recall(label)), 9) + right(shown(f1(label)), 9) +
            right(fmt::format("{}", counts_.row(label).sum()), 9) + "\n";
  text += fmt::format("accuracy {:.3f}, macro F1 {:.3f}, {} samples\n", accuracy(), macro_f1(), samples());
  if (width + (cell + 2) * static_cast<std::size_t>(classes()) > 80) return text;

  text += "\n" + line("taken for");
  for (const std::string& name : shown_names) text += right(name, cell + 2);
  for (int label = 0; label < classes(); ++label) {
    text += "\n" + line(shown_names[static_cast<std::size_t>(label)]);
    for (int other = 0; other < classes(); ++other) text += right(fmt::format("{}", count(label, other)), cell + 2);
  }
  return text + "\n";
}

}  // namespace tapegrad
