#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapegrad/layers/containers.h"

/// Networks in files, in the format of safetensors (huggingface.co/docs/safetensors), which PyTorch, JAX and others read.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Matrices with their names, in order. */
template <class T> using BasicNamedMatrices = std::vector<std::pair<std::string, BasicMatrix<T>>>;

/** Writes the parameters and buffers of a network under their paths, and what the network is made of. A row (1xn) becomes a
 * tensor of n numbers, but for the weight of a linear layer; each batch normalization gets the `num_batches_tracked` that
 * PyTorch expects. So the same network in PyTorch loads it:
 *
 *      save_weights(net, "net.safetensors");
 *      // Python: net.load_state_dict(safetensors.torch.load_file("net.safetensors"), strict=True)
 *
 * Throws what write_whole_file() throws. */
template <class T> void save_weights(BasicModule<T>& net, const std::string& path);

/** Sets the parameters and buffers of a network to those of a file of save_weights(), of PyTorch, or of another scalar; a
 * tensor of n numbers is a row. Throws before anything is changed when the file breaks a rule of the format, and when names or
 * shapes differ: "[weights] net.safetensors does not fit the network: 0.weight is 128x784 in the network, 64x784 in the file". */
template <class T> void load_weights(BasicModule<T>& net, const std::string& path);

/** The network of a file of save_weights(), a Sequential of any layers and activations of the library and of those that
 * were registered. It is in training mode; dropout begins with a generator of seed 0.
 *
 *      Sequential net = load_network("net.safetensors"); */
template <class T> BasicSequential<T> load_network(const std::string& path);

/** A network of its own with the same layers, parameters, buffers, generators and modes, made as by load_network().
 *
 *      Sequential target = clone(net); */
template <class T> BasicSequential<T> clone(const BasicSequential<T>& net);

/** The same for matrices without a network. Throws when two have one name. */
template <class T> void save_matrices(const BasicNamedMatrices<T>& matrices, const std::string& path);
template <class T> BasicNamedMatrices<T> load_matrices(const std::string& path);

/** What a Module's text() says: "linear(784, 128, bias=0)" has the name "linear", two numbers and a setting. */
struct LayerText {
  std::string name;
  std::vector<double> numbers;
  std::vector<std::pair<std::string, double>> settings;
  std::vector<LayerText> layers;  ///< those inside

  /** Number i as a size. Throws when there is none, and when it is not a whole number from 1 on. */
  Index size(std::size_t i) const;
  /** A setting; `otherwise` where it is not given. */
  double setting(std::string_view of_name, double otherwise) const;
};

/** Lets load_network() make a layer of your own: `make` gets what its text() says. Throws when the name is taken.
 *
 *      register_layer<float>("scale", [](const LayerText&) { return std::make_unique<Scale>(); }); */
template <class T>
void register_layer(std::string name, std::function<std::unique_ptr<BasicModule<T>>(const LayerText& text)> make);

}  // namespace tapegrad

TAPEGRAD_ALIASES(NamedMatrices)
TAPEGRAD_FUNCTION(Sequential, load_network, (const std::string& path), (path))
TAPEGRAD_FUNCTION(void, save_matrices, (const NamedMatrices& matrices, const std::string& path), (matrices, path))
TAPEGRAD_FUNCTION(NamedMatrices, load_matrices, (const std::string& path), (path))
