#pragma once

#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapegrad/core/types.h"

/// The safetensors format (huggingface.co/docs/safetensors): 8 bytes with the length of a header, the header in JSON, the
/// tensors one after the other. Little-endian and row-major, as here. Names and places of the tensors, and texts about them,
/// are in the header.

namespace tapegrad::inline TAPEGRAD_ABI::weights {

enum class Type { f32, f64, i64 };
std::string_view name_of(Type type);
template <class T>
constexpr Type type_of = std::is_same_v<T, float>    ? Type::f32
                         : std::is_same_v<T, double> ? Type::f64
                                                     : Type::i64;

/** A tensor of a file; of one dimension it is a row, of none a 1x1 matrix. */
struct Entry {
  std::string name;
  Type type = Type::f32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;  ///< bytes of the data
};

using Texts = std::vector<std::pair<std::string, std::string>>;
/// The text that a checkpoint has, and no file of weights.
inline constexpr const char* checkpoint_key = "tapegrad_checkpoint";

/** Reads the header, and holds it against every rule of the format: no more bytes are read or allocated than the file has. */
class Reader {
 public:
  /** Throws "[weights] net.safetensors: the header is not JSON: …" */
  explicit Reader(std::string path, std::string_view where = "weights");

  const std::string& path() const { return path_; }
  const std::vector<Entry>& entries() const { return entries_; }  ///< in the order of the file
  /** The text of that name in the metadata; empty when there is none. */
  std::string_view text(std::string_view name) const;
  const Texts& texts() const { return texts_; }
  /** The values of a tensor, as float, double or, one of I64, std::int64_t. */
  template <class T> BasicMatrix<T> read(const Entry& entry);

 private:
  [[noreturn]] void fail(const std::string& what) const;
  std::string read_bytes(std::uint64_t count);
  void check_places(std::uint64_t data_size);

  std::string path_;
  std::string_view where_;
  std::ifstream file_;
  std::uint64_t data_ = 0;  ///< where the first tensor begins
  std::vector<Entry> entries_;
  Texts texts_;
};

/** A tensor to write: of `dimensions` 0, 1 or 2, its values as they are in memory. */
struct Tensor {
  std::string name;
  Type type = Type::f32;
  int dimensions = 2;
  Shape shape;
  const void* values = nullptr;
};
/** Writes a file of tensors. Throws when two have one name, and when a text is not UTF-8. */
void write(const std::string& path, std::span<const Tensor> tensors, const Texts& texts,
           std::string_view where = "weights");

/** What of a file does not fit, and one error for all of it. */
struct Differences {
  void add(const std::string& text);
  /** Throws "[weights] net.safetensors does not fit the network: …" unless everything fits. */
  void check(std::string_view where, const std::string& path, std::string_view what) const;
  int count = 0;
  std::string list;
};

}  // namespace tapegrad::inline TAPEGRAD_ABI::weights
