#pragma once

#include <tapegrad/tapegrad.h>

#include <span>
#include <vector>

/// Testing a network that tells classes apart, and showing where it errs.
namespace classification {

struct Result {
  double loss = 0;      ///< mean cross-entropy
  double accuracy = 0;  ///< 0 … 1
  tapegrad::Index wrong = 0;
  std::vector<int> predicted;
};

/** Rows of logits whose largest one is that of the label. */
template <class T> tapegrad::Index correct(const tapegrad::BasicMatrixRef<T>& logits, std::span<const int> labels);

/** Loss and predictions in eval mode. */
template <class T> Result evaluate(tapegrad::BasicModule<T>& net, const tapegrad::BasicDataset<T>& data);

/** Prints the confusion matrix, and the wrong answers the network was surest of as pictures. */
template <class T> void show(tapegrad::BasicModule<T>& net, const tapegrad::BasicDataset<T>& data, bool fashion);

}  // namespace classification
