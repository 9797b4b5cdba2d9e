#pragma once

#include "tapegrad/inspect/record.h"
#include "tapegrad/layers/module.h"

/// What a network is made of, read off a recorded step. Private to Monitor.

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> using NamedModules = std::vector<std::pair<std::string, BasicModule<T>*>>;

/// The linear layers, the loss and what stands before it, dropout: everything between the input and this loss.
template <class T> StructureRecord structure_of(BasicVar<T> loss, const NamedModules<T>& modules);

/// Those that act differently in training: dropout, batch normalization.
template <class T> NamedModules<T> with_modes(const NamedModules<T>& modules);

}  // namespace tapegrad
