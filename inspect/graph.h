#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tapegrad/core/tape.h"
#include "tapegrad/layers/module.h"

/// What is on a tape, as text: a table for the terminal, Graphviz dot and Mermaid for pictures. With the network at
/// hand, nodes carry the paths of the modules that recorded them.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Names nodes after the network that recorded them. Without a network every name is empty. */
template <class T> class BasicNodeNames {
 public:
  explicit BasicNodeNames(BasicModule<T>* net);
  /** "0.weight" for a node that is a parameter of the network, else "". */
  std::string parameter(const Node<T>& node) const;
  /** "0.linear" for a node that module 0 recorded; "" outside of the network and for the network itself. */
  std::string module(const Node<T>& node) const;

 private:
  std::vector<std::pair<const void*, std::string>> modules_;
  std::vector<std::pair<const T*, std::string>> parameters_;
};

/** The nodes of a tape, one line each: number, op, shape, range of the values, range of the gradient where a
 * backward pass has left one (without this column where none has), numbers of the operands, and the module or parameter it is.
 *
 *      std::fputs(graph_table(tape, &net).c_str(), stdout);
 *
 *      #  op         shape  value        gradient      from   module
 *      0  input      2x1    [1, 2]       -
 *      1  parameter  1x1    [3, 3]       [-5, -5]             0.weight
 *      2  matmul     2x1    [3, 6]       [-1, -2]      0 1    0.linear */
template <class T> std::string graph_table(const BasicTape<T>& tape, BasicModule<T>* net = nullptr);

/** The same as a Graphviz digraph, each module a cluster: `dot -Tsvg tape.dot > tape.svg`. Nodes with values or
 * gradients that are not finite are red. */
template <class T> std::string graph_dot(const BasicTape<T>& tape, BasicModule<T>* net = nullptr);

/** The same as a Mermaid flowchart, as Markdown pages show it. */
template <class T> std::string graph_mermaid(const BasicTape<T>& tape, BasicModule<T>* net = nullptr);

}  // namespace tapegrad

TAPEGRAD_SCALARS(NodeNames)
