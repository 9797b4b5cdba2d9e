#include "tapegrad/io/idx.h"

#include <dirent.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "tapegrad/core/error.h"
#include "tapegrad/io/byte_source.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

constexpr std::size_t chunk = 1 << 16;

[[noreturn]] void fail_in(const std::string& path, const std::string& what) {
  fail("idx", fmt::format("{}: {}", path, what));
}

struct Idx {
  int type = 0;
  std::vector<Index> dims;          ///< as the header says: count, or count, rows, cols
  std::vector<std::uint8_t> bytes;  ///< of the first `limit` items

  /// Element i; elements are big-endian.
  double operator[](std::size_t i) const {
    if (type == 0x08) return bytes[i];
    std::uint32_t bits = 0;
    for (std::size_t k = 4 * i; k < 4 * i + 4; ++k) bits = bits << 8 | bytes[k];
    return type == 0x0d ? static_cast<double>(std::bit_cast<float>(bits)) : std::bit_cast<std::int32_t>(bits);
  }
};

/// What a file should hold: bytes of the usual rank, or also what sets of the same form hold.
struct Content {
  std::string_view name;
  std::uint8_t usual_rank;
  std::uint8_t least_rank, most_rank;
  bool bytes_only;
};
constexpr Content byte_images{"images", 3, 3, 3, true}, byte_labels{"labels", 1, 1, 1, true};
constexpr Content any_images{"images", 3, 2, 4, false}, any_labels{"labels", 1, 1, 2, false};

void check_magic(const std::string& path, const std::uint8_t* magic, const Content& content) {
  const std::uint8_t type = magic[2], rank = magic[3];
  const bool known = type == 0x08 || (!content.bytes_only && (type == 0x0c || type == 0x0d));
  if (magic[0] == 0 && magic[1] == 0 && known && rank >= content.least_rank && rank <= content.most_rank) return;
  const std::string dims = content.least_rank == content.most_rank
                               ? std::to_string(content.usual_rank)
                               : fmt::format("{} to {}", content.least_rank, content.most_rank);
  std::string reason =
      fmt::format("{} have {} dimension{}, this has {}", content.name, dims, dims == "1" ? "" : "s", rank);
  if (!known)
    reason = content.bytes_only ? "only unsigned bytes (type 0x08) are read"
                                : "only unsigned bytes (type 0x08), int32 (0x0c) and float (0x0d) are read";
  if (magic[0] != 0 || magic[1] != 0) reason = "this is not an IDX file";
  fail_in(path, fmt::format("magic number is 0x{:02x}{:02x}{:02x}{:02x} instead of 0x0000080{}: {}", magic[0],
                            magic[1], type, rank, content.usual_rank, reason));
}

/// "60000x28x28"
std::string join(const std::vector<Index>& dims) {
  std::string text;
  for (const Index dim : dims) text += fmt::format("{}{}", text.empty() ? "" : "x", dim);
  return text;
}

/// The number of bytes; it cannot overflow because it never passes idx_max_bytes.
Index checked_size(const std::string& path, const std::vector<Index>& dims, Index element_size) {
  if (std::find(dims.begin(), dims.end(), 0) != dims.end())
    fail_in(path, fmt::format("header says {}, which is empty", join(dims)));
  Index size = element_size;
  for (const Index dim : dims) {
    if (dim > idx_max_bytes / size)
      fail_in(path, fmt::format("header says {} bytes, the limit is {}", join(dims), idx_max_bytes));
    size *= dim;
  }
  return size;
}

Idx read_idx(const std::string& path, const Content& content, Index limit = 0) {
  ByteSource source("idx", path);
  std::array<std::uint8_t, 20> header;
  std::size_t header_size = 4 + std::size_t{4} * content.usual_rank;
  std::size_t got = source.read(header.data(), 4);
  if (got == 0) fail_in(path, "file is empty");
  if (got == 4) {
    check_magic(path, header.data(), content);
    header_size = 4 + std::size_t{4} * header[3];
    got += source.read(header.data() + 4, header_size - 4);
  }
  if (got < header_size) fail_in(path, fmt::format("header has {} bytes, file holds {}", header_size, got));

  Idx idx{.type = header[2], .dims = {}, .bytes = {}};
  for (std::size_t at = 4; at < header_size; at += 4)
    idx.dims.push_back(Index{header[at]} << 24 | header[at + 1] << 16 | header[at + 2] << 8 | header[at + 3]);
  const Index size = checked_size(path, idx.dims, idx.type == 0x08 ? 1 : 4);
  const auto fail_with_size = [&](const std::string& held) {
    const std::string product = idx.dims.size() == 1 ? "" : join(idx.dims) + " = ";
    fail_in(path, fmt::format("header says {}{} bytes, file holds {}", product, size, held));
  };

  // The announced size is a claim: memory doubles only after the file has filled what is there.
  const Index count = idx.dims[0];
  const auto total = static_cast<std::size_t>(size);
  const auto kept = static_cast<std::size_t>(limit > 0 && limit < count ? limit * (size / count) : size);
  std::size_t have = 0;
  while (have < kept) {
    const std::size_t wanted = std::min(kept, std::max(chunk, 2 * have));
    idx.bytes.reserve(wanted);
    idx.bytes.resize(wanted);
    have += source.read(idx.bytes.data() + have, wanted - have);
    if (have < wanted) fail_with_size(std::to_string(have));
  }
  // What is beyond the limit is not kept, but still checked.
  std::vector<std::uint8_t> skipped(std::min(chunk, total - kept));
  while (have < total) {
    const std::size_t wanted = std::min(skipped.size(), total - have);
    const std::size_t more = source.read(skipped.data(), wanted);
    have += more;
    if (more < wanted) fail_with_size(std::to_string(have));
  }
  std::uint8_t beyond = 0;
  if (source.read(&beyond, 1) != 0) fail_with_size("more");
  return idx;
}

namespace fs = std::filesystem;

/// The prefix of "emnist-letters-train-images.idx3-ubyte.gz", if it is called `middle` ("train-images"); all ranks are taken.
std::optional<std::string> prefix_of(std::string name, const std::string& middle) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  constexpr std::string_view end = "-idx#-ubyte", end_of_ints = "-idx2-int";  // QMNIST's labels
  if (name.ends_with(end_of_ints)) name.replace(name.size() - 3, 3, "ubyte");
  if (name.size() < middle.size() + end.size()) return {};
  const std::size_t at = name.size() - end.size();
  if (name[at] == '.') name[at] = '-';
  if (name[at + 4] >= '1' && name[at + 4] <= '4') name[at + 4] = '#';
  if (name.substr(at) != end || !std::string_view(name).substr(0, at).ends_with(middle)) return {};
  return name.substr(0, at - middle.size());
}

/// What is in a folder; nothing where there is none. std::filesystem's iterator would end the program where memory runs out.
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(folder.c_str()), &closedir);
  if (open == nullptr && errno != ENOENT && errno != ENOTDIR)
    fail_in(folder.string(), fmt::format("cannot be read: {}", std::strerror(errno)));
  for (const dirent* entry; open != nullptr && (entry = readdir(open.get())) != nullptr;)
    names.emplace_back(entry->d_name);
  return names;
}

/// Finds the file of `what` ("images"): by its own name, or another that is in use, with the prefix that `place` ends in.
std::optional<std::string> look_for(const std::string& place, Split split, const std::string& what) {
  fs::path dir = place;
  std::string wanted;
  std::error_code ignored;
  if (!fs::is_directory(dir, ignored)) {
    wanted = dir.filename().string() + "-";
    dir = dir.has_parent_path() ? dir.parent_path() : ".";
  }
  // Without a prefix first, then plain before compressed.
  std::set<std::tuple<std::string, std::string, fs::path>> found;
  for (const std::string& name : names_in(dir)) {
    for (const char* part :
         {split == Split::train ? "train-" : "t10k-", split == Split::train ? "train-" : "test-"}) {
      const auto prefix = prefix_of(name, part + what);
      if (!prefix || !(wanted.empty() ? prefix->empty() || prefix->ends_with('-') : *prefix == wanted)) continue;
      if (fs::is_regular_file(dir / name, ignored)) found.emplace(*prefix, name, dir / name);
      if (!fs::is_directory(dir / name, ignored)) continue;
      for (const std::string& inside : names_in(dir / name))  // an archive unpacks into a folder of its name
        if (prefix_of(inside, part + what) == prefix && fs::is_regular_file(dir / name / inside, ignored))
          found.emplace(*prefix, name, dir / name / inside);
    }
  }
  if (found.empty()) return {};
  const auto& [first, name, path] = *found.begin();
  const std::string& last = std::get<0>(*found.rbegin());
  if (!first.empty() && first != last)
    fail_in(place, fmt::format("there are several sets; choose one, as with {}",
                               (dir / first.substr(0, first.find_last_not_of("-") + 1)).string()));
  return path.string();
}

std::string find_file(const std::string& place, Split split, const std::string& what) {
  if (const auto path = look_for(place, split, what)) return *path;
  const std::string name =
      fmt::format("{}-{}-idx{}-ubyte", split == Split::train ? "train" : "t10k", what, what == "images" ? 3 : 1);
  fail_in(place, fmt::format("found neither {0} nor {0}.gz; Fashion-MNIST is in the Debian package "
                             "dataset-fashion-mnist, and scripts/fetch-mnist.sh DIR fetches MNIST",
                             name));
}

/// The labels as they are in the file; of several numbers for each sample the first, which is the class in QMNIST.
std::vector<int> read_labels(const std::string& path) {
  const Idx idx = read_idx(path, any_labels);
  const auto count = static_cast<std::size_t>(idx.dims[0]);
  const std::size_t step = idx.dims.size() == 1 ? 1 : static_cast<std::size_t>(idx.dims[1]);
  std::vector<int> labels(count);
  for (std::size_t i = 0; i < count; ++i) {
    const double label = idx[i * step];
    if (!(label >= 0 && label < 65536 && label == std::floor(label)))
      fail_in(path, fmt::format("label {} at index {} is not a class", label, i));
    labels[i] = static_cast<int>(label);
  }
  return labels;
}

/// Classes are those of both parts: at least the ten of MNIST. Letters are counted from 1, and become classes from 0 with the
/// number as their name.
template <class T> void set_classes(BasicDataset<T>& data, const std::string& place, Split split) {
  std::vector<int> all = data.labels;
  if (const auto other = look_for(place, split == Split::train ? Split::test : Split::train, "labels")) {
    const std::vector<int> more = read_labels(*other);
    all.insert(all.end(), more.begin(), more.end());
  }
  const auto [low, high] = std::minmax_element(all.begin(), all.end());
  const int first = *high > 9 && *low == 1 ? 1 : 0;
  data.classes = std::max(10, *high + 1 - first);
  for (int& label : data.labels) label -= first;
  for (int k = 0; k < data.classes; ++k) data.class_names.push_back(std::to_string(k + first));
}

}  // namespace

IdxImages read_idx_images(const std::string& path) {
  Idx idx = read_idx(path, byte_images);
  return {idx.dims[0], idx.dims[1], idx.dims[2], std::move(idx.bytes)};
}

std::vector<int> read_idx_labels(const std::string& path, int classes) {
  if (classes < 1) fail("idx", fmt::format("number of classes is {}, expected at least 1", classes));
  const Idx idx = read_idx(path, byte_labels);
  const auto wrong = std::find_if(idx.bytes.begin(), idx.bytes.end(), [&](int label) { return label >= classes; });
  if (wrong != idx.bytes.end())
    fail_in(path, fmt::format("label {} at index {} is not one of 0 to {}", *wrong, wrong - idx.bytes.begin(),
                              classes - 1));
  return {idx.bytes.begin(), idx.bytes.end()};
}

template <class T> BasicDataset<T> load_mnist(const std::string& dir, Split split, Index limit) {
  if (limit < 0) fail("idx", fmt::format("limit of samples is {}, expected 0 (all) or more", limit));
  const std::string images_path = find_file(dir, split, "images");
  const std::string labels_path = find_file(dir, split, "labels");

  BasicDataset<T> data;
  data.labels = read_labels(labels_path);
  set_classes(data, dir, split);
  const Idx images = read_idx(images_path, any_images, limit);
  const auto labelled = static_cast<Index>(data.labels.size());
  if (images.dims[0] != labelled)
    fail("idx", fmt::format("counts disagree: {} images in {}, {} labels in {}", images.dims[0], images_path,
                            labelled, labels_path));

  const Index kept = limit > 0 ? std::min(limit, labelled) : labelled;
  data.labels.resize(static_cast<std::size_t>(kept));
  Index features = 1;
  for (std::size_t d = 1; d < images.dims.size(); ++d) features *= images.dims[d];
  if (const std::size_t rank = images.dims.size(); rank == 3 || (rank == 4 && images.dims[1] == 1)) {
    data.image_rows = images.dims[rank - 2];
    data.image_cols = images.dims[rank - 1];
  }
  if (images.type == 0x08) {
    data.inputs = BasicView<std::uint8_t>(images.bytes.data(), kept, features).template cast<T>() / T(255);
  } else {
    data.inputs.resize(kept, features);
    for (Index i = 0; i < data.inputs.size(); ++i)
      data.inputs.data()[i] = static_cast<T>(images[static_cast<std::size_t>(i)]);
  }
  return data;
}

template BasicDataset<float> load_mnist(const std::string&, Split, Index);
template BasicDataset<double> load_mnist(const std::string&, Split, Index);

}  // namespace tapegrad
