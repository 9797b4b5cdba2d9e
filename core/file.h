#pragma once

#include <string>
#include <string_view>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Writes a file under a temporary name beside `path` and renames it, so that nobody ever sees half of it.
 * Throws "[where] path: cannot be written". */
void write_whole_file(std::string_view where, const std::string& path, std::string_view content);

}  // namespace tapegrad
