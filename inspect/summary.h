#pragma once

#include <string>

#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** A table of the modules: path, type, output shape, parameters; for inputs of `features` columns. */
template <class T> std::string summary(BasicModule<T>& module, Index features);

}  // namespace tapegrad
