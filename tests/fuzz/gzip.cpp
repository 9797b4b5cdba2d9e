#include <tapegrad/io/idx.h>
#include <zlib.h>

#include "input.h"

/// A file of labels that is gzipped here, so that its checksum is right; then one byte of it may be damaged, or its end be
/// missing, or a second member follow.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::string_view plain = fuzz::text(data + 4, size - 4);
  std::string packed(compressBound(plain.size()) + 64, '\0');
  z_stream stream = {};
  deflateInit2(&stream, data[0] % 10, Z_DEFLATED, 15 + 16, 8, data[0] >> 6);
  stream.next_in = const_cast<Bytef*>(data + 4);
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (data[3] % 8 == 1) packed += packed;
  if (data[3] % 8 == 2) packed.resize(packed.size() * data[1] / 255);
  if (data[2] != 0 && !packed.empty()) packed[data[1] * packed.size() / 256] ^= static_cast<char>(data[2]);
  const fuzz::File file(packed);
  fuzz::parse([&] { tapegrad::read_idx_labels(file.path(), 256); });
  fuzz::parse([&] { tapegrad::read_idx_images(file.path()); });
  return 0;
}
