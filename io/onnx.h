#pragma once

#include <string>

#include "tapegrad/layers/module.h"

/// Part of tapegrad::onnx, a target of its own: -DTAPEGRAD_ONNX=ON, with ONNX and Protobuf (Debian: libonnx-dev, libprotobuf-dev).

namespace tapegrad::inline TAPEGRAD_ABI {

/** Writes what net.predict() computes as an ONNX model (opset 17, float), which ONNX Runtime and others run: `input` is
 * batch x features for any batch, `output` batch x outputs. Dropout is gone, batch normalization has its running statistics, and
 * parameters have their paths as names.
 *
 *      save_onnx(net, 784, "net.onnx");
 *
 * The network is recorded once and each op is written: layers of your own are, too, where their ops have an ONNX form. Throws
 * "[onnx] 1.gaussian: op 'gaussian' has no ONNX form; …" where one has not, and when the network depends on the size of a batch. */
template <class T> void save_onnx(BasicModule<T>& net, Index features, const std::string& path);

}  // namespace tapegrad
