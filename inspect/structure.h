#pragma once

#include "tapegrad/inspect/record.h"
#include "tapegrad/layers/linear.h"

/// What a network is made of, read off a recorded step. Private to Monitor.

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> using NamedModules = std::vector<std::pair<std::string, BasicModule<T>*>>;

/// The linear layers, the loss and what stands before it, dropout: everything between the input and this loss.
template <class T> StructureRecord structure_of(BasicVar<T> loss, const NamedModules<T>& modules);

/// Nodes of one layer in the recorded step: the first node a module recorded gives its input, the last one its output.
struct LayerNodes {
  NodeIndex z = 0;
  NodeIndex y = 0;
  bool found = false;
};
template <class T> LayerNodes find_nodes(const BasicTape<T>& tape, NodeIndex end, const BasicModule<T>& module);

/// The linear layer that made the units of node z, perhaps with a normalization in between; nullptr when none did.
template <class T> const BasicLinear<T>* source_of(const BasicTape<T>& tape, NodeIndex z);

/// Those that act differently in training: dropout, batch normalization.
template <class T> NamedModules<T> with_modes(const NamedModules<T>& modules);

}  // namespace tapegrad
