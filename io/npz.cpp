#include "tapegrad/io/npz.h"

#include <fmt/format.h>
#include <zlib.h>

#include <bit>
#include <memory>
#include <set>

#include "tapegrad/core/file.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

static_assert(std::endian::native == std::endian::little);

/// A ZIP archive of deflated files, without the extensions for files of 4 GiB and more.
class Archive {
 public:
  void add(const std::string& name, const std::string& content) {
    const std::string packed = deflated(content);
    const std::string common = bytes(20, 2) + bytes(utf8_name, 2) + bytes(8, 2) + bytes(0, 2) +
                               bytes(1 << 5 | 1, 2) +  // 1 January 1980
                               bytes(crc32_z(0, data(content), content.size()), 4) + bytes(packed.size(), 4) +
                               bytes(content.size(), 4) + bytes(name.size(), 2) + bytes(0, 2);
    directory_ += "PK\1\2" + bytes(20, 2) + common + std::string(10, '\0') + bytes(files_.size(), 4) + name;
    files_ += "PK\3\4" + common + name + packed;
    ++count_;
    check(std::max(content.size(), files_.size() + directory_.size()), 4);
  }
  std::string whole() const {
    return files_ + directory_ + "PK\5\6" + bytes(0, 4) + bytes(count_, 2) + bytes(count_, 2) +
           bytes(directory_.size(), 4) + bytes(files_.size(), 4) + bytes(0, 2);
  }

 private:
  static constexpr std::uint64_t utf8_name = 1 << 11;

  static const Bytef* data(const std::string& text) { return reinterpret_cast<const Bytef*>(text.data()); }
  static void check(std::uint64_t number, int size) {
    if (number >> (8 * size) != 0)
      fail("npz", size == 2 ? "more than 65535 matrices, or too long a name" : "more than 4 GiB");
  }
  static std::string bytes(std::uint64_t number, int size) {
    check(number, size);
    return std::string(reinterpret_cast<const char*>(&number), static_cast<std::size_t>(size));
  }
  /// Raw deflate, as ZIP has it.
  static std::string deflated(const std::string& content) {
    check(content.size(), 4);
    z_stream stream{};
    if (deflateInit2(&stream, 1, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
    const std::unique_ptr<z_stream, int (*)(z_stream*)> open(&stream, &deflateEnd);
    std::string packed(deflateBound(&stream, content.size()), '\0');
    stream.next_in = const_cast<Bytef*>(data(content));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    return packed;
  }

  std::string files_, directory_;
  std::uint64_t count_ = 0;
};

/// The format of NumPy's .npy files, version 1.0: its header ends at a multiple of 64 bytes.
template <class T> std::string npy(const BasicMatrix<T>& m) {
  std::string header = fmt::format("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({}, {}), }}", sizeof(T),
                                   m.rows(), m.cols());
  header.resize((10 + header.size()) / 64 * 64 + 64 - 10 - 1, ' ');
  header += '\n';
  std::string file = std::string("\x93NUMPY\1\0", 8) + static_cast<char>(header.size()) + '\0' + header;
  return file.append(reinterpret_cast<const char*>(m.data()), static_cast<std::size_t>(m.size()) * sizeof(T));
}

}  // namespace

template <class T> void save_npz(const BasicNamedMatrices<T>& matrices, const std::string& path) {
  check_writable("npz", path);
  Archive archive;
  std::set<std::string> names;
  for (const auto& [name, matrix] : matrices) {
    if (!names.insert(name).second) fail("npz", fmt::format("{}: two matrices are named '{}'", path, name));
    archive.add(name + ".npy", npy(matrix));
  }
  write_whole_file("npz", path, archive.whole());
}

template void save_npz(const BasicNamedMatrices<float>&, const std::string&);
template void save_npz(const BasicNamedMatrices<double>&, const std::string&);

}  // namespace tapegrad
