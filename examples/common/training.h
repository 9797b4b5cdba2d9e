#pragma once

#include <tapegrad/tapegrad.h>

#include <span>
#include <vector>

/// What the examples share that train on images.
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

/** The images of a batch on the tape, and their labels in `labels`. A statement of its own: in the arguments of one
 * call the labels might be read before they are there. */
template <class T>
tg::BasicVar<T> input(tg::BasicTape<T>& tape, const tg::BasicDataset<T>& data, std::span<const tg::Index> batch,
                      std::vector<int>& labels) {
  tg::gather_labels(data.labels, batch, labels);
  return tape.input({static_cast<tg::Index>(batch.size()), data.inputs.cols()},
                    [&](T* out) { tg::gather_rows(data.inputs, batch, out); });
}

}  // namespace training
