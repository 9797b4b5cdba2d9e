#pragma once

#include <tapegrad/tapegrad.h>

#include <vector>

/// What the examples share that train a network that tells classes apart.
namespace training {

namespace tg = tapegrad;

/** From the pixels through the hidden layers to the classes. */
template <class T>
std::vector<tg::Index> sizes(const tg::BasicDataset<T>& data, const std::vector<tg::Index>& hidden) {
  std::vector<tg::Index> sizes{data.inputs.cols()};
  sizes.insert(sizes.end(), hidden.begin(), hidden.end());
  sizes.push_back(data.classes);
  return sizes;
}

struct Result {
  double loss = 0;      ///< mean cross-entropy
  double accuracy = 0;  ///< 0 … 1
};

/** Loss and right answers in eval mode. */
template <class T> Result evaluate(tg::BasicModule<T>& net, const tg::BasicDataset<T>& data) {
  const tg::BasicMatrix<T> logits = net.predict(data.inputs);
  tg::BasicTape<T> tape;
  const auto no_grad = tape.no_grad();
  return {static_cast<double>(tg::cross_entropy(tape.input(logits), data.labels).item()),
          tg::accuracy(logits, data.labels)};
}

}  // namespace training
