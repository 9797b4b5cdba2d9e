#include "tapegrad/io/idx.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>
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
  std::vector<Index> dims;          ///< as the header says: count, or count, rows, cols
  std::vector<std::uint8_t> bytes;  ///< of the first `limit` items
};

void check_magic(const std::string& path, const std::uint8_t* magic, std::size_t dims, std::string_view content) {
  const std::array<std::uint8_t, 4> expected{0, 0, 8, static_cast<std::uint8_t>(dims)};
  if (std::equal(expected.begin(), expected.end(), magic)) return;
  std::string reason =
      fmt::format("{} have {} dimension{}, this has {}", content, dims, dims == 1 ? "" : "s", magic[3]);
  if (magic[2] != 8) reason = "only unsigned bytes (type 0x08) are read";
  if (magic[0] != 0 || magic[1] != 0) reason = "this is not an IDX file";
  fail_in(path, fmt::format("magic number is 0x{:02x}{:02x}{:02x}{:02x} instead of 0x0000080{}: {}", magic[0],
                            magic[1], magic[2], magic[3], dims, reason));
}

/// "60000x28x28"
std::string join(const std::vector<Index>& dims) {
  std::string text;
  for (const Index dim : dims) text += fmt::format("{}{}", text.empty() ? "" : "x", dim);
  return text;
}

/// The product of the dimensions; it cannot overflow because it never passes idx_max_bytes.
Index checked_size(const std::string& path, const std::vector<Index>& dims) {
  if (std::find(dims.begin(), dims.end(), 0) != dims.end())
    fail_in(path, fmt::format("header says {}, which is empty", join(dims)));
  Index size = 1;
  for (const Index dim : dims) {
    if (dim > idx_max_bytes / size)
      fail_in(path, fmt::format("header says {} bytes, the limit is {}", join(dims), idx_max_bytes));
    size *= dim;
  }
  return size;
}

Idx read_idx(const std::string& path, std::size_t dims, std::string_view content, Index limit = 0) {
  ByteSource source("idx", path);
  std::array<std::uint8_t, 16> header;
  const std::size_t header_size = 4 + 4 * dims;
  std::size_t got = source.read(header.data(), 4);
  if (got == 0) fail_in(path, "file is empty");
  if (got == 4) {
    check_magic(path, header.data(), dims, content);
    got += source.read(header.data() + 4, header_size - 4);
  }
  if (got < header_size) fail_in(path, fmt::format("header has {} bytes, file holds {}", header_size, got));

  Idx idx;
  for (std::size_t at = 4; at < header_size; at += 4)
    idx.dims.push_back(Index{header[at]} << 24 | header[at + 1] << 16 | header[at + 2] << 8 | header[at + 3]);
  const Index size = checked_size(path, idx.dims);
  const auto fail_with_size = [&](const std::string& held) {
    const std::string product = dims == 1 ? "" : join(idx.dims) + " = ";
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

std::string find_file(const std::string& dir, const std::string& name) {
  namespace fs = std::filesystem;
  for (const std::string& candidate : {name, name + ".gz"}) {
    const fs::path path = fs::path(dir) / candidate;
    std::error_code ignored;
    if (fs::exists(path, ignored) && !fs::is_directory(path, ignored)) return path.string();
  }
  fail_in(dir, fmt::format("found neither {} nor {}.gz", name, name));
}

}  // namespace

IdxImages read_idx_images(const std::string& path) {
  Idx idx = read_idx(path, 3, "images");
  return {idx.dims[0], idx.dims[1], idx.dims[2], std::move(idx.bytes)};
}

std::vector<int> read_idx_labels(const std::string& path, int classes) {
  if (classes < 1) fail("idx", fmt::format("number of classes is {}, expected at least 1", classes));
  const Idx idx = read_idx(path, 1, "labels");
  const auto wrong = std::find_if(idx.bytes.begin(), idx.bytes.end(), [&](int label) { return label >= classes; });
  if (wrong != idx.bytes.end())
    fail_in(path, fmt::format("label {} at index {} is not one of 0 to {}", *wrong, wrong - idx.bytes.begin(),
                              classes - 1));
  return {idx.bytes.begin(), idx.bytes.end()};
}

template <class T> BasicDataset<T> load_mnist(const std::string& dir, Split split, Index limit) {
  if (limit < 0) fail("idx", fmt::format("limit of samples is {}, expected 0 (all) or more", limit));
  const std::string prefix = split == Split::train ? "train" : "t10k";
  const std::string images_path = find_file(dir, prefix + "-images-idx3-ubyte");
  const std::string labels_path = find_file(dir, prefix + "-labels-idx1-ubyte");

  BasicDataset<T> data;
  data.classes = 10;
  data.labels = read_idx_labels(labels_path, data.classes);
  const Idx images = read_idx(images_path, 3, "images", limit);
  const auto labelled = static_cast<Index>(data.labels.size());
  if (images.dims[0] != labelled)
    fail("idx", fmt::format("counts disagree: {} images in {}, {} labels in {}", images.dims[0], images_path,
                            labelled, labels_path));

  const Index kept = limit > 0 ? std::min(limit, labelled) : labelled;
  data.labels.resize(static_cast<std::size_t>(kept));
  data.image_rows = images.dims[1];
  data.image_cols = images.dims[2];
  const BasicView<std::uint8_t> pixels(images.bytes.data(), kept, data.image_rows * data.image_cols);
  data.inputs = pixels.template cast<T>() / T(255);
  return data;
}

template BasicDataset<float> load_mnist(const std::string&, Split, Index);
template BasicDataset<double> load_mnist(const std::string&, Split, Index);

}  // namespace tapegrad
