#pragma once

#include <string>
#include <string_view>

#include "tapegrad/core/types.h"

/// Plain text in columns, as a terminal shows it.

namespace tapegrad::inline TAPEGRAD_ABI {

/** Columns that a UTF-8 text takes, when none of its characters is wide or combines with another: columns("∂f") = 2. */
std::size_t columns(std::string_view text);

/** Breaks a text between its words into lines of at most `width` columns. The first line begins with `first` spaces,
 * every other one with `rest`; each ends in a line break. */
std::string wrapped(std::string_view text, std::size_t width, std::size_t first, std::size_t rest);

}  // namespace tapegrad
