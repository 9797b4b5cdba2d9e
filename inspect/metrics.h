#pragma once

#include <span>
#include <string>
#include <vector>

#include "tapegrad/core/types.h"

/// How good the answers of a network are. Scores are rows x classes, logits or probabilities; rows x 1 is the logit of class 1
/// of two. All of them throw when there are not as many labels as rows, or none, and for a label that is no class.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Column of the largest score of each row, the first of equal ones. Throws for a row that holds a nan. */
std::vector<int> argmax(const BasicMatrixRef<float>& scores);
std::vector<int> argmax(const BasicMatrixRef<double>& scores);

/** e^xᵢ / Σ e^xⱼ of each row. */
BasicMatrix<float> softmax(const BasicMatrix<float>& logits);
BasicMatrix<double> softmax(const BasicMatrix<double>& logits);

/** Share of the rows of which the largest score is that of the label. A row that holds a nan is wrong. */
double accuracy(const BasicMatrixRef<float>& scores, std::span<const int> labels);
double accuracy(const BasicMatrixRef<double>& scores, std::span<const int> labels);

/** Share of the rows of which the label is among the k largest scores. */
double top_k(const BasicMatrixRef<float>& scores, std::span<const int> labels, int k);
double top_k(const BasicMatrixRef<double>& scores, std::span<const int> labels, int k);

/** How often each class was taken for each, and what follows from it.
 *
 *      const ConfusionMatrix confusion(argmax(net.predict(test.inputs)), test.labels, test.classes);
 *      std::cout << confusion.text(); */
class ConfusionMatrix {
 public:
  /** Throws for a class outside 0 … classes − 1. */
  ConfusionMatrix(std::span<const int> predicted, std::span<const int> labels, int classes);

  int classes() const { return static_cast<int>(counts_.rows()); }
  /** Samples of class `label` that were taken for `predicted`. */
  Index count(int label, int predicted) const { return counts_(label, predicted); }
  Index samples() const { return counts_.sum(); }
  double accuracy() const;
  /** Of those that were taken for the class, the share that is of it; nan when none was. */
  double precision(int label) const;
  /** Of those that are of the class, the share that was taken for it; nan when there are none. */
  double recall(int label) const;
  /** 2 TP / (2 TP + FP + FN); nan when the class occurs nowhere. */
  double f1(int label) const;
  /** Mean of f1() over the classes that occur. */
  double macro_f1() const;
  /** Precision, recall, F1 and samples of each class, and the counts where they fit into 80 columns. Without names the classes are
   * numbered. */
  std::string text(std::span<const std::string> names = {}) const;

 private:
  Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> counts_;  ///< row: label, column: predicted
};

}  // namespace tapegrad
