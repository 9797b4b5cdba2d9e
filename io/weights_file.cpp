#include "tapegrad/io/weights_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "tapegrad/core/error.h"
#include "tapegrad/core/file.h"

namespace tapegrad::inline TAPEGRAD_ABI::weights {
namespace {

static_assert(std::endian::native == std::endian::little, "the bytes of a file are those of the memory");

using Json = nlohmann::ordered_json;
constexpr std::uint64_t longest_header = 100'000'000;  // as the format says
constexpr std::uint64_t largest_side = std::uint64_t{1} << 32;

constexpr std::uint64_t size_of(Type type) { return type == Type::f32 ? 4 : 8; }

/// What the header says, event by event: so a key that stands twice is seen.
class Header {
 public:
  using number_integer_t = std::int64_t;
  using number_unsigned_t = std::uint64_t;
  using number_float_t = double;
  using string_t = std::string;
  using binary_t = std::vector<std::uint8_t>;

  Header(std::vector<Entry>& entries, Texts& texts) : entries_(entries), texts_(texts) {}

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("true or false"); }
  bool number_integer(std::int64_t) { return unexpected("a negative number"); }
  bool number_float(double, const std::string&) { return unexpected("a number that is not whole"); }
  bool binary(binary_t&) { return unexpected("bytes"); }
  bool number_unsigned(std::uint64_t value) {
    if (list_ == nullptr) return unexpected("a number");
    list_->push_back(value);
    return true;
  }
  bool string(std::string& value) {
    if (depth_ != 2 || list_ != nullptr || (!in_texts_ && key_ != "dtype")) return unexpected("a string");
    if (in_texts_)
      texts_.emplace_back(key_, value);
    else
      type_ = value;
    return true;
  }
  bool start_object(std::size_t) {
    if (depth_ >= 2 || list_ != nullptr) return unexpected("an object");
    if (++depth_ == 2) {
      type_.reset();
      shape_.reset();
      place_.reset();
      keys_.clear();
    }
    return true;
  }
  bool key(std::string& name) {
    if (depth_ == 1) {
      entries_.emplace_back().name = name;
      in_texts_ = name == "__metadata__";
      if (!names_.insert(name).second) return refused(fmt::format("'{}' stands twice", name));
      return true;
    }
    key_ = name;
    if (!keys_.insert(name).second) return refused(fmt::format("'{}' of '{}' stands twice", name, current()));
    if (!in_texts_ && name != "dtype" && name != "shape" && name != "data_offsets")
      return refused(fmt::format("'{}' has a '{}', which the format does not know", current(), name));
    return true;
  }
  bool end_object() {
    if (depth_-- == 1) return true;
    if (!in_texts_) return finish_tensor();
    entries_.pop_back();
    return true;
  }
  bool start_array(std::size_t) {
    if (depth_ != 2 || list_ != nullptr || in_texts_ || key_ == "dtype") return unexpected("a list");
    list_ = &(key_ == "shape" ? shape_ : place_).emplace();
    return true;
  }
  bool end_array() {
    list_ = nullptr;
    return true;
  }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) {
    return refused(fmt::format("is not JSON at byte {}", at));
  }

  std::string problem;  ///< why it is refused

 private:
  const std::string& current() const { return entries_.back().name; }
  bool refused(std::string why) {
    if (problem.empty()) problem = std::move(why);
    return false;
  }
  bool unexpected(std::string_view what) {
    return refused(depth_ == 0   ? fmt::format("is {}, not an object", what)
                   : depth_ == 1 ? fmt::format("'{}' is {}, not an object", current(), what)
                                 : fmt::format("'{}' of '{}' is {}", key_, current(), what));
  }
  bool finish_tensor() {
    Entry& entry = entries_.back();
    if (!type_ || !shape_ || !place_)
      return refused(fmt::format("'{}' has no '{}'", entry.name,
                                 !type_    ? "dtype"
                                 : !shape_ ? "shape"
                                           : "data_offsets"));
    constexpr std::array known{Type::f32, Type::f64, Type::i64};
    const auto* const type = std::find_if(known.begin(), known.end(), [&](Type t) { return name_of(t) == *type_; });
    if (type == known.end())
      return refused(fmt::format("'{}' is of type {}, only F32, F64 and I64 are read", entry.name, *type_));
    if (shape_->size() > 2)
      return refused(fmt::format("'{}' has {} dimensions, at most 2 are read", entry.name, shape_->size()));
    if (place_->size() != 2)
      return refused(fmt::format("'{}' has {} data_offsets, not 2", entry.name, place_->size()));
    entry.type = *type;
    while (shape_->size() < 2) shape_->insert(shape_->begin(), 1);
    const std::uint64_t rows = (*shape_)[0], cols = (*shape_)[1];
    entry.begin = (*place_)[0];
    entry.end = (*place_)[1];
    // Sides below 2³² make a product below 2⁶⁴; of bytes only this many fit.
    if (rows >= largest_side || cols >= largest_side || entry.begin > entry.end ||
        rows * cols > (entry.end - entry.begin) / size_of(entry.type) ||
        rows * cols * size_of(entry.type) != entry.end - entry.begin)
      return refused(fmt::format("'{}' is {}x{} of {}, which is not what its data_offsets [{}, {}] hold",
                                 entry.name, rows, cols, *type_, entry.begin, entry.end));
    entry.shape = {static_cast<Index>(rows), static_cast<Index>(cols)};
    return true;
  }

  std::vector<Entry>& entries_;
  Texts& texts_;
  std::set<std::string> names_, keys_;
  std::string key_;
  int depth_ = 0;
  bool in_texts_ = false;
  std::optional<std::string> type_;
  std::optional<std::vector<std::uint64_t>> shape_, place_;
  std::vector<std::uint64_t>* list_ = nullptr;  ///< that is being read
};

template <class Stored, class T> BasicMatrix<T> converted(const std::string& bytes, Shape shape) {
  BasicMatrix<T> values(shape.rows, shape.cols);
  for (Index i = 0; i < shape.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + static_cast<std::size_t>(i) * sizeof(Stored), sizeof(Stored));
    values.data()[i] = static_cast<T>(stored);
  }
  return values;
}

}  // namespace

std::string_view name_of(Type type) { return type == Type::f32 ? "F32" : type == Type::f64 ? "F64" : "I64"; }

Reader::Reader(std::string path, std::string_view where)
    : path_(std::move(path)), where_(where), file_(path_, std::ios::binary | std::ios::ate) {
  if (!file_) fail(fmt::format("cannot be opened: {}", std::strerror(errno)));
  const std::streamoff end = file_.tellg();
  if (end < 0) fail("has no size");
  const auto size = static_cast<std::uint64_t>(end);
  if (size < 8) fail(fmt::format("holds {} bytes, a safetensors file at least 8", size));
  file_.seekg(0);
  std::uint64_t length = 0;
  std::memcpy(&length, read_bytes(8).data(), 8);
  if (length > size - 8 || length > longest_header)
    fail(fmt::format("the header should be {} bytes long, {} are there", length,
                     std::min(size - 8, longest_header)));
  const std::string text = read_bytes(length);
  data_ = 8 + length;
  Header header(entries_, texts_);
  if (!text.starts_with('{')) fail("the header does not begin with '{'");
  if (!Json::sax_parse(text, &header)) fail("the header: " + header.problem);
  check_places(size - data_);
}

void Reader::fail(const std::string& what) const { tapegrad::fail(where_, path_ + ": " + what); }

std::string Reader::read_bytes(std::uint64_t count) {
  std::string bytes(static_cast<std::size_t>(count), '\0');
  if (!file_.read(bytes.data(), static_cast<std::streamsize>(count))) fail("cannot be read");
  return bytes;
}

/// The tensors lie one after the other, without gaps, up to the end of the file.
void Reader::check_places(std::uint64_t data_size) {
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t at = 0;
  for (const Entry& entry : entries_) {
    if (entry.begin != at)
      fail(fmt::format("'{}' begins at byte {} of the data, the one before ends at {}", entry.name, entry.begin,
                       at));
    at = entry.end;
  }
  if (at != data_size) fail(fmt::format("the tensors are {} bytes, {} follow the header", at, data_size));
}

std::string_view Reader::text(std::string_view name) const {
  const auto found =
      std::find_if(texts_.begin(), texts_.end(), [&](const auto& each) { return each.first == name; });
  return found == texts_.end() ? std::string_view() : found->second;
}

template <class T> BasicMatrix<T> Reader::read(const Entry& entry) {
  file_.seekg(static_cast<std::streamoff>(data_ + entry.begin));
  const std::string bytes = read_bytes(entry.end - entry.begin);
  switch (entry.type) {
    case Type::f32:
      return converted<float, T>(bytes, entry.shape);
    case Type::f64:
      return converted<double, T>(bytes, entry.shape);
    default:
      return converted<std::int64_t, T>(bytes, entry.shape);
  }
}

template BasicMatrix<float> Reader::read(const Entry&);
template BasicMatrix<double> Reader::read(const Entry&);
template BasicMatrix<std::int64_t> Reader::read(const Entry&);

namespace {

/// The header. Written by hand: a document of nlohmann's allocates in its destructor, so where memory runs out it ends the program.
std::string header_of(std::span<const Tensor> tensors, const Texts& texts) {
  const auto quoted = [](const std::string& text) { return Json(text).dump(); };
  std::string members;
  for (const auto& [name, text] : texts)
    members += (members.empty() ? "" : ",") + quoted(name) + ":" + quoted(text);
  if (!members.empty()) members = "\"__metadata__\":{" + members + "}";
  std::uint64_t end = 0;
  for (const Tensor& tensor : tensors) {
    const std::uint64_t begin = end;
    end += static_cast<std::uint64_t>(tensor.shape.size()) * size_of(tensor.type);
    std::string shape = tensor.dimensions == 2 ? std::to_string(tensor.shape.rows) + "," : "";
    if (tensor.dimensions >= 1) shape += std::to_string(tensor.shape.cols);
    members +=
        fmt::format(R"({}{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", members.empty() ? "" : ",",
                    quoted(tensor.name), name_of(tensor.type), shape, begin, end);
  }
  return "{" + members + "}";
}

}  // namespace

void write(const std::string& path, std::span<const Tensor> tensors, const Texts& texts, std::string_view where) {
  std::set<std::string_view> names{"__metadata__"};
  std::uint64_t size = 0;
  for (const Tensor& tensor : tensors) {
    if (!names.insert(tensor.name).second)
      tapegrad::fail(where, fmt::format("{}: two tensors are named '{}'", path, tensor.name));
    size += static_cast<std::uint64_t>(tensor.shape.size()) * size_of(tensor.type);
  }
  std::string bytes(8, '\0');
  try {
    bytes += header_of(tensors, texts);
  } catch (const Json::exception&) {
    tapegrad::fail(where, path + ": a name or text is not UTF-8");
  }
  bytes.append((8 - bytes.size() % 8) % 8, ' ');  // the data begins at a multiple of 8
  const std::uint64_t length = bytes.size() - 8;
  std::memcpy(bytes.data(), &length, 8);
  bytes.reserve(bytes.size() + size);
  for (const Tensor& tensor : tensors)
    bytes.append(static_cast<const char*>(tensor.values),
                 static_cast<std::size_t>(tensor.shape.size()) * size_of(tensor.type));
  write_whole_file(where, path, bytes);
}

void Differences::add(const std::string& text) {
  if (++count <= 10) list += (list.empty() ? "" : ", ") + text;
}

void Differences::check(std::string_view where, const std::string& path, std::string_view what) const {
  if (count > 0)
    tapegrad::fail(where, fmt::format("{} does not fit the {}: {}{}", path, what, list,
                                      count > 10 ? fmt::format(", and {} more", count - 10) : ""));
}

}  // namespace tapegrad::inline TAPEGRAD_ABI::weights
