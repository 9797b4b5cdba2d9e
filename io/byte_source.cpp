#include "tapegrad/io/byte_source.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {

ByteSource::ByteSource(std::string_view where, const std::string& path)
    : where_(where), path_(path), file_(std::fopen(path.c_str(), "rb"), &std::fclose) {
  if (file_ == nullptr) fail_in_file(fmt::format("cannot open: {}", std::strerror(errno)));
  const int first = std::getc(file_.get());
  std::ungetc(first, file_.get());
  if (first != 0x1f) return;
  if (inflateInit2(&zlib_, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  inflating_.reset(&zlib_);
}

std::size_t ByteSource::read(std::uint8_t* out, std::size_t count) {
  if (inflating_ == nullptr) return read_file(out, count);
  zlib_.next_out = out;
  zlib_.avail_out = static_cast<uInt>(count);
  while (zlib_.avail_out > 0 && inflate_some()) continue;
  return count - zlib_.avail_out;
}

bool ByteSource::inflate_some() {
  if (zlib_.avail_in == 0) {
    zlib_.next_in = buffer_.data();
    zlib_.avail_in = static_cast<uInt>(read_file(buffer_.data(), buffer_.size()));
    if (zlib_.avail_in == 0 && member_is_over_) return false;
  }
  if (member_is_over_) {  // gzip files may be concatenated
    if (*zlib_.next_in != 0x1f) fail_in_file("other bytes follow the gzip stream");
    inflateReset(&zlib_);
  }
  const uInt room = zlib_.avail_out;
  const int status = inflate(&zlib_, Z_NO_FLUSH);
  decompressed_ += room - zlib_.avail_out;
  if (status == Z_MEM_ERROR) throw std::bad_alloc();
  if (status == Z_BUF_ERROR)
    fail_in_file(fmt::format("gzip stream is truncated, after {} decompressed bytes", decompressed_));
  if (status != Z_OK && status != Z_STREAM_END)
    fail_in_file(fmt::format("gzip stream is corrupt: {}", zlib_.msg != nullptr ? zlib_.msg : zError(status)));
  member_is_over_ = status == Z_STREAM_END;
  return true;
}

std::size_t ByteSource::read_file(std::uint8_t* out, std::size_t count) {
  const std::size_t got = std::fread(out, 1, count, file_.get());
  if (std::ferror(file_.get())) fail_in_file(fmt::format("cannot read: {}", std::strerror(errno)));
  return got;
}

void ByteSource::fail_in_file(std::string_view what) const { fail(where_, fmt::format("{}: {}", path_, what)); }

}  // namespace tapegrad
