#pragma once

#include <cstdint>
#include <string_view>

#include "tapegrad/io/weights.h"

namespace tapegrad::inline TAPEGRAD_ABI::weights {

/** "sequential(linear(2, 8), relu)" in its parts. Throws "[weights] 'sequential(linear(2': a ')' is missing". */
LayerText parsed(std::string_view text);

/** The layer that a text describes. Throws when there is no layer or setting of that name, and when the layers have more
 * than `most_numbers` parameters: those that a file has no values for. */
template <class T> std::unique_ptr<BasicModule<T>> made(const LayerText& text, std::uint64_t most_numbers);

}  // namespace tapegrad::inline TAPEGRAD_ABI::weights
