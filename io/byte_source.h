#pragma once

#include <zlib.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** The bytes of a file, decompressed when it begins like gzip. Not by gzread, which passes over other bytes that follow.
 * Throws "[csv] data.csv.gz: gzip stream is truncated, after 4096 decompressed bytes", where `where` is "csv". */
class ByteSource {
 public:
  ByteSource(std::string_view where, const std::string& path);

  /** Reads `count` bytes, fewer only at the end of the file. */
  std::size_t read(std::uint8_t* out, std::size_t count);

 private:
  [[noreturn]] void fail_in_file(std::string_view what) const;
  /// False at the end of the file.
  bool inflate_some();
  std::size_t read_file(std::uint8_t* out, std::size_t count);

  std::string where_, path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::array<std::uint8_t, 1 << 16> buffer_;
  z_stream zlib_{};
  std::unique_ptr<z_stream, int (*)(z_stream*)> inflating_{nullptr, &inflateEnd};
  std::uint64_t decompressed_ = 0;
  bool member_is_over_ = false;
};

}  // namespace tapegrad
