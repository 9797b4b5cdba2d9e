#pragma once

#include <tapegrad/tapegrad.h>

/// Where a network that tells classes apart errs.
namespace mnist {

/** Prints the confusion matrix, and the wrong answers the network was surest of as pictures. */
template <class T> void show(tapegrad::BasicModule<T>& net, const tapegrad::BasicDataset<T>& data, bool fashion);

}  // namespace mnist
