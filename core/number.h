#pragma once

#include <string_view>
#include <system_error>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Reads all of `text` as a float or a double, by the grammar of std::from_chars whatever the locale: "-1.5e3", "inf",
 * "nan", but no "+1", " 1" or "0x1". Returns {} or, as from_chars does:
 *
 *      invalid_argument       it is no number; `value` is unchanged
 *      result_out_of_range    it is rounded to ±∞ (too large) or ±0 (too small) */
template <class T> std::errc read_number(std::string_view text, T& value);

}  // namespace tapegrad
