#pragma once

#include <tapegrad/tapegrad.h>

#include <span>

/// Testing a network that tells classes apart.
namespace classification {

struct Result {
  double loss = 0;      ///< mean cross-entropy
  double accuracy = 0;  ///< 0 … 1
  tapegrad::Index wrong = 0;
};

/** Column of the largest of a row of logits: the answer. */
template <class Row> int answer(const Row& row) {
  tapegrad::Index at = 0;
  row.maxCoeff(&at);
  return static_cast<int>(at);
}

/** Rows of logits of which the answer is the label. */
template <class T> tapegrad::Index correct(const tapegrad::BasicMatrixRef<T>& logits, std::span<const int> labels) {
  tapegrad::Index count = 0;
  for (tapegrad::Index row = 0; row < logits.rows(); ++row)
    count += answer(logits.row(row)) == labels[static_cast<std::size_t>(row)];
  return count;
}

/** Loss and right answers in eval mode. */
template <class T> Result evaluate(tapegrad::BasicModule<T>& net, const tapegrad::BasicDataset<T>& data) {
  const tapegrad::BasicMatrix<T> logits = net.predict(data.inputs);
  tapegrad::BasicTape<T> tape;
  const auto no_grad = tape.no_grad();
  const double loss = static_cast<double>(tapegrad::cross_entropy(tape.input(logits), data.labels).item());
  const tapegrad::Index right = correct<T>(logits, data.labels);
  return {loss, static_cast<double>(right) / static_cast<double>(data.size()), data.size() - right};
}

}  // namespace classification
