#pragma once

#include <string>
#include <string_view>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Writes a file of which nobody ever sees half: without a name or under a temporary one in the same folder, flushed to the disk,
 * then renamed, and the folder flushed. Symbolic links are followed; a file that is replaced hands on its mode and owner, and one without any write
 * permission is refused, whoever asks. Written in place, and not in one go, is what a rename would turn into something
 * else: devices and FIFOs, standard output under any name ("/dev/stdout"), files with several names (hard links), files
 * of which owner and mode cannot be handed on, and files that are mount points.
 *
 *      write_whole_file("report", "out.html", html);
 *
 * Throws "[report] out.html: cannot be written: No space left on device". An old file is then whole, unless it had to be
 * written in place, and nothing temporary is left. */
void write_whole_file(std::string_view where, const std::string& path, std::string_view content);

/** Throws what write_whole_file() would throw now; to be asked before long work, not after it. Nothing is changed. */
void check_writable(std::string_view where, const std::string& path);

}  // namespace tapegrad
