#pragma once

#include <string>

#include "tapegrad/io/weights.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Writes matrices for NumPy: `numpy.load("run.npz")["0.weight"]` has the shape (rows, cols) and the scalar of the matrix.
 *
 *      save_npz({{"x", x}, {"prediction", net.predict(x)}}, "run.npz");
 *
 * Compressed. Throws what write_whole_file() throws, when two matrices have one name, and from 4 GiB on. */
template <class T> void save_npz(const BasicNamedMatrices<T>& matrices, const std::string& path);

}  // namespace tapegrad

TAPEGRAD_FUNCTION(void, save_npz, (const NamedMatrices& matrices, const std::string& path), (matrices, path))
