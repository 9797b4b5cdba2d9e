#include "tapegrad/io/idx.h"

#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tapegrad/core/error.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

/// A folder that vanishes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int number = 0;
    path_ =
        fs::temp_directory_path() / ("tapegrad-idx-" + std::to_string(getpid()) + "-" + std::to_string(number++));
    fs::create_directory(path_);
  }
  ~TemporaryFolder() { fs::remove_all(path_); }

  std::string path(const std::string& name = "") const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }
  /// Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path(name);
  }

 private:
  fs::path path_;
};

std::string big_endian(std::uint32_t n) {
  return {static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8), static_cast<char>(n)};
}

/// The header of images or labels.
std::string header(std::initializer_list<std::uint32_t> dims) {
  std::string bytes = big_endian(0x800 + static_cast<std::uint32_t>(dims.size()));
  for (const std::uint32_t dim : dims) bytes += big_endian(dim);
  return bytes;
}

/// `count` bytes 0, 1, 2, …
std::string ramp(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

std::string gzip(std::string bytes) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// What the call throws, or "no error".
template <class Call> std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string images_error(const std::string& path) {
  return error_of([&] { read_idx_images(path); });
}
std::string labels_error(const std::string& path, int classes = 10) {
  return error_of([&] { read_idx_labels(path, classes); });
}

/// Peak of the resident memory in MB since the last reset; 0 where Linux does not tell.
int peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::atoi(line.c_str() + 6) / 1024;
  return 0;
}
void reset_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

}  // namespace

TEST_CASE("idx: images, plain and gzipped, whatever the name says") {
  const TemporaryFolder folder;
  const std::string bytes = header({2, 3, 4}) + ramp(24);
  for (const std::string& path :
       {folder.write("plain", bytes), folder.write("plain.gz", bytes), folder.write("zipped.gz", gzip(bytes)),
        folder.write("zipped", gzip(bytes)),
        folder.write("two-members.gz", gzip(bytes.substr(0, 19)) + gzip(bytes.substr(19)))}) {
    CAPTURE(path);
    const IdxImages images = read_idx_images(path);
    CHECK(images.count == 2);
    CHECK(images.rows == 3);
    CHECK(images.cols == 4);
    CHECK(std::string(images.pixels.begin(), images.pixels.end()) == ramp(24));
  }
}

TEST_CASE("idx: labels") {
  const TemporaryFolder folder;
  const std::string bytes = header({6}) + ramp(6);
  CHECK(read_idx_labels(folder.write("plain", bytes)) == std::vector<int>{0, 1, 2, 3, 4, 5});
  CHECK(read_idx_labels(folder.write("zipped", gzip(bytes)), 6) == std::vector<int>{0, 1, 2, 3, 4, 5});
  const std::string path = folder.write("ten", header({5}) + std::string("\x01\x02\x03\x0a\x0b", 5));
  CHECK(labels_error(path) == "[idx] " + path + ": label 10 at index 3 is not one of 0 to 9");
  CHECK(error_of([&] { read_idx_labels(path); }) == labels_error(path, 10));
  CHECK(read_idx_labels(folder.write("nine", header({1}) + "\x09")) == std::vector<int>{9});
  CHECK(labels_error(path, 3) == "[idx] " + path + ": label 3 at index 2 is not one of 0 to 2");
  CHECK(labels_error(path, 12) == "no error");
  CHECK(labels_error(path, 0) == "[idx] number of classes is 0, expected at least 1");
}

TEST_CASE("idx: a large file is read in several pieces") {
  const TemporaryFolder folder;
  const std::string pixels(300 * 28 * 28 + 5, 'x');
  const std::string bytes = header({1, 1, static_cast<std::uint32_t>(pixels.size())}) + pixels;
  for (const std::string& content : {bytes, gzip(bytes)}) {
    const IdxImages images = read_idx_images(folder.write("large", content));
    CHECK(std::string(images.pixels.begin(), images.pixels.end()) == pixels);
    CHECK(images.pixels.capacity() == pixels.size());
  }
}

TEST_CASE("idx: files that cannot be read") {
  const TemporaryFolder folder;
  const std::string missing = folder.path("missing");
  CHECK(images_error(missing) == "[idx] " + missing + ": cannot open: No such file or directory");
  CHECK(images_error(folder.path()) == "[idx] " + folder.path() + ": cannot read: Is a directory");
  const std::string empty = folder.write("empty", "");
  CHECK(images_error(empty) == "[idx] " + empty + ": file is empty");
  CHECK(labels_error(empty) == "[idx] " + empty + ": file is empty");
  const std::string zipped = folder.write("empty.gz", gzip(""));
  CHECK(images_error(zipped) == "[idx] " + zipped + ": file is empty");
}

TEST_CASE("idx: wrong magic numbers") {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& bytes) { return images_error(folder.write("bad", bytes + ramp(40))); };
  const std::string begin = "[idx] " + folder.path("bad") + ": magic number is ";
  CHECK(error("\x89PNG") == begin + "0x89504e47 instead of 0x00000803: this is not an IDX file");
  CHECK(error(std::string("\0\1\x08\3", 4)) == begin + "0x00010803 instead of 0x00000803: this is not an IDX file");
  CHECK(error(big_endian(0xd03)) ==
        begin + "0x00000d03 instead of 0x00000803: only unsigned bytes (type 0x08) are read");
  CHECK(error(big_endian(0x801)) ==
        begin + "0x00000801 instead of 0x00000803: images have 3 dimensions, this has 1");
  CHECK(error(big_endian(0x8ff)) ==
        begin + "0x000008ff instead of 0x00000803: images have 3 dimensions, this has 255");
  CHECK(error(gzip("hello")) == begin + "0x68656c6c instead of 0x00000803: this is not an IDX file");
  CHECK(labels_error(folder.write("bad", header({1, 1, 1}) + "x")) ==
        begin + "0x00000803 instead of 0x00000801: labels have 1 dimension, this has 3");
}

TEST_CASE("idx: a file cut at any byte is refused, and so is a byte too many") {
  const TemporaryFolder folder;
  const std::string path = folder.path("cut");
  const std::string begin = "[idx] " + path + ": ";
  const std::string images = header({2, 3, 4}) + ramp(24);
  const std::string labels = header({9}) + ramp(9);
  for (std::size_t size = 1; size < images.size(); ++size) {
    folder.write("cut", images.substr(0, size));
    const std::string expected = size < 16
                                     ? "header has 16 bytes, file holds " + std::to_string(size)
                                     : "header says 2x3x4 = 24 bytes, file holds " + std::to_string(size - 16);
    CHECK(images_error(path) == begin + expected);
  }
  for (std::size_t size = 1; size < labels.size(); ++size) {
    folder.write("cut", labels.substr(0, size));
    const std::string expected = size < 8 ? "header has 8 bytes, file holds " + std::to_string(size)
                                          : "header says 9 bytes, file holds " + std::to_string(size - 8);
    CHECK(labels_error(path) == begin + expected);
  }
  folder.write("cut", images + '\0');
  CHECK(images_error(path) == begin + "header says 2x3x4 = 24 bytes, file holds more");
  folder.write("cut", labels + '\0');
  CHECK(labels_error(path) == begin + "header says 9 bytes, file holds more");
}

TEST_CASE("idx: a gzipped file cut at any byte is refused, and so is a byte too many") {
  const TemporaryFolder folder;
  const std::string path = folder.path("cut.gz");
  const std::string begin = "[idx] " + path + ": ";
  const std::string images = header({2, 3, 4}) + ramp(24);
  const std::string zipped = gzip(images);
  for (std::size_t size = 1; size < zipped.size(); ++size) {
    CAPTURE(size);
    folder.write("cut.gz", zipped.substr(0, size));
    const std::string error = images_error(path);
    CHECK(error.starts_with(begin + "gzip stream is truncated, after "));
    CHECK(error.ends_with(" decompressed bytes"));
    if (size >= zipped.size() - 8) CHECK(error == begin + "gzip stream is truncated, after 40 decompressed bytes");
  }
  folder.write("cut.gz", gzip(images.substr(0, 30)));
  CHECK(images_error(path) == begin + "header says 2x3x4 = 24 bytes, file holds 14");
  folder.write("cut.gz", gzip(images + '\0'));
  CHECK(images_error(path) == begin + "header says 2x3x4 = 24 bytes, file holds more");
  folder.write("cut.gz", zipped + gzip("x"));
  CHECK(images_error(path) == begin + "header says 2x3x4 = 24 bytes, file holds more");
  folder.write("cut.gz", zipped + '\0');
  CHECK(images_error(path) == begin + "other bytes follow the gzip stream");
  folder.write("cut.gz", zipped + "\x1f");
  CHECK(images_error(path) == begin + "gzip stream is truncated, after 40 decompressed bytes");
}

TEST_CASE("idx: corrupt gzip") {
  const TemporaryFolder folder;
  const std::string path = folder.path("bad.gz");
  const std::string begin = "[idx] " + path + ": ";
  const std::string images = header({2, 3, 4}) + ramp(24);
  const std::string zipped = gzip(images);
  const auto flipped = [&](std::size_t at) {
    std::string bytes = zipped;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    return folder.write("bad.gz", bytes);
  };
  CHECK(images_error(flipped(zipped.size() - 8)) == begin + "gzip stream is corrupt: incorrect data check");
  CHECK(images_error(flipped(zipped.size() - 1)) == begin + "gzip stream is corrupt: incorrect length check");
  CHECK(images_error(flipped(2)) == begin + "gzip stream is corrupt: unknown compression method");
  CHECK(images_error(folder.write("bad.gz", zipped + "\x1f\x8c")) ==
        begin + "gzip stream is corrupt: incorrect header check");
  // Whichever bit of the compressed data and its check sums is wrong, the file is refused or reads the same.
  for (std::size_t at = 10; at < zipped.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = zipped;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      folder.write("bad.gz", bytes);
      try {
        const IdxImages read = read_idx_images(path);
        CHECK(std::string(read.pixels.begin(), read.pixels.end()) == ramp(24));
      } catch (const Error& error) {
        CHECK(std::string(error.what()).starts_with(begin));
      }
    }
  }
}

TEST_CASE("idx: headers that lie are refused before memory is taken for them") {
  const TemporaryFolder folder;
  const std::string path = folder.path("lie");
  const std::string begin = "[idx] " + path + ": header says ";
  const std::string limit = " bytes, the limit is 1073741824";
  const std::uint32_t most = 0xffffffff;
  const auto error = [&](std::initializer_list<std::uint32_t> dims) {
    return images_error(folder.write("lie", header(dims) + ramp(10)));
  };
  reset_peak();
  const int before = peak_megabytes();
  CHECK(error({most, 28, 28}) == begin + "4294967295x28x28" + limit);
  CHECK(error({most, most, most}) == begin + "4294967295x4294967295x4294967295" + limit);
  CHECK(error({1u << 22, 1u << 21, 1u << 21}) == begin + "4194304x2097152x2097152" + limit);  // 2^64
  CHECK(error({1u << 20, 1u << 10, 2}) == begin + "1048576x1024x2" + limit);
  CHECK(error({(1u << 30) + 1, 1, 1}) == begin + "1073741825x1x1" + limit);
  CHECK(error({1u << 30, 1, 1}) == begin + "1073741824x1x1 = 1073741824 bytes, file holds 10");
  CHECK(error({1, 1u << 15, 1u << 15}) == begin + "1x32768x32768 = 1073741824 bytes, file holds 10");
  CHECK(error({0, 28, 28}) == begin + "0x28x28, which is empty");
  CHECK(error({most, most, 0}) == begin + "4294967295x4294967295x0, which is empty");
  CHECK(labels_error(folder.write("lie", header({most}) + ramp(10))) == begin + "4294967295" + limit);
  CHECK(labels_error(folder.write("lie", header({0}))) == begin + "0, which is empty");
  folder.write("lie", gzip(header({1000000, 28, 28}) + std::string(1 << 20, '\0')));
  CHECK(images_error(path) == begin + "1000000x28x28 = 784000000 bytes, file holds 1048576");
  // A small file that unpacks to 1 MB of which the header mentions only 24 bytes.
  folder.write("lie", gzip(header({2, 3, 4}) + std::string(1 << 20, '\0')));
  CHECK(images_error(path) == begin + "2x3x4 = 24 bytes, file holds more");
  CHECK(peak_megabytes() - before < 64);
}

TEST_CASE("idx: load_mnist") {
  const TemporaryFolder folder;
  const std::string images = header({5, 2, 3}) + ramp(29) + '\xff';
  const std::string labels = header({5}) + std::string("\x09\x00\x03\x03\x01", 5);
  folder.write("train-images-idx3-ubyte", images);
  folder.write("train-labels-idx1-ubyte.gz", gzip(labels));
  folder.write("t10k-images-idx3-ubyte.gz", gzip(images));
  folder.write("t10k-labels-idx1-ubyte", labels);
  for (const Split split : {Split::train, Split::test}) {
    const Dataset data = load_mnist(folder.path(), split);
    CHECK(data.size() == 5);
    CHECK(data.inputs.cols() == 6);
    CHECK(data.image_rows == 2);
    CHECK(data.image_cols == 3);
    CHECK(data.classes == 10);
    CHECK(data.labels == std::vector<int>{9, 0, 3, 3, 1});
    CHECK(data.inputs(0, 0) == 0);
    CHECK(data.inputs(1, 2) == 8 / 255.0f);
    CHECK(data.inputs(4, 5) == 1);
    CHECK(data.targets() == (Matrix(5, 1) << 9, 0, 3, 3, 1).finished());
  }
  const f64::Dataset wide = f64::load_mnist(folder.path(), Split::train, 2);
  CHECK(wide.size() == 2);
  CHECK(wide.labels == std::vector<int>{9, 0});
  CHECK(wide.inputs(1, 5) == 11 / 255.0);
  CHECK(load_mnist<double>(folder.path(), Split::train, 99).size() == 5);
}

TEST_CASE("idx: of a large file no more is kept than the samples that are wanted") {
  const TemporaryFolder folder;
  folder.write("train-images-idx3-ubyte.gz", gzip(header({24000, 1, 1000}) + std::string(24000000, '\7')));
  folder.write("train-labels-idx1-ubyte", header({24000}) + std::string(24000, '\3'));
  for (const Index limit : {1, 2}) {
    reset_peak();
    const int before = peak_megabytes();
    CHECK(load_mnist(folder.path(), Split::train, limit).size() == limit);
    CHECK(peak_megabytes() - before < 8);
  }
}

TEST_CASE("idx: what is wrong with a folder") {
  const TemporaryFolder folder;
  const std::string images = folder.path("t10k-images-idx3-ubyte");
  const std::string labels = folder.path("t10k-labels-idx1-ubyte");
  const auto error = [&](Index limit = 0) {
    return error_of([&] { load_mnist(folder.path(), Split::test, limit); });
  };
  const std::string begin = "[idx] " + folder.path() + ": found neither ";
  const std::string get =
      "; Fashion-MNIST is in the Debian package dataset-fashion-mnist, and scripts/fetch-mnist.sh DIR fetches "
      "MNIST";
  CHECK(error() == begin + "t10k-images-idx3-ubyte nor t10k-images-idx3-ubyte.gz" + get);
  fs::create_directory(images);  // as some archives unpack
  CHECK(error() == begin + "t10k-images-idx3-ubyte nor t10k-images-idx3-ubyte.gz" + get);
  fs::remove(images);
  folder.write("t10k-images-idx3-ubyte", header({3, 1, 2}) + ramp(6));
  CHECK(error() == begin + "t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz" + get);
  folder.write("t10k-labels-idx1-ubyte", header({4}) + ramp(4));
  CHECK(error() == "[idx] counts disagree: 3 images in " + images + ", 4 labels in " + labels);
  CHECK(error(2) == "[idx] counts disagree: 3 images in " + images + ", 4 labels in " + labels);
  CHECK(error(-1) == "[idx] limit of samples is -1, expected 0 (all) or more");
  // The limit does not hide what is wrong behind it.
  folder.write("t10k-labels-idx1-ubyte", std::string("\x00\x00\x0c\x01", 4) + big_endian(3) + big_endian(0) +
                                             big_endian(1) + big_endian(0xffffffff));
  CHECK(error(1) == "[idx] " + labels + ": label -1 at index 2 is not a class");
  folder.write("t10k-labels-idx1-ubyte", header({3}) + ramp(3));
  folder.write("t10k-images-idx3-ubyte", header({3, 1, 2}) + ramp(5));
  CHECK(error(1) == "[idx] " + images + ": header says 3x1x2 = 6 bytes, file holds 5");
  folder.write("t10k-images-idx3-ubyte", header({3, 1, 2}) + ramp(7));
  CHECK(error(1) == "[idx] " + images + ": header says 3x1x2 = 6 bytes, file holds more");
  folder.write("t10k-images-idx3-ubyte", header({3, 1, 2}) + ramp(6));
  CHECK(error(1) == "no error");
}

TEST_CASE("idx: the names that sets come with") {
  const std::string images = header({2, 1, 2}) + ramp(4), labels = header({2}) + ramp(2);
  for (const std::string form : {"train-images-idx3-ubyte", "train-images.idx3-ubyte",
                                 "emnist-letters-train-images-idx3-ubyte.gz", "x-train-images.idx3-ubyte"}) {
    CAPTURE(form);
    const TemporaryFolder folder;
    folder.write(form, images);
    std::string other = form;
    other.replace(other.find("images"), 6, "labels").replace(other.find("idx3"), 4, "idx1");
    folder.write(other, labels);
    CHECK(load_mnist(folder.path(), Split::train).labels == std::vector<int>{0, 1});
  }
  const TemporaryFolder folder;
  for (const std::string set : {"emnist-balanced", "emnist-letters"}) {
    folder.write(set + "-test-images-idx3-ubyte", images);
    folder.write(set + "-test-labels-idx1-ubyte",
                 header({2}) + (set.ends_with("letters") ? "\x03\x01" : "\x03\x02"));
  }
  CHECK(error_of([&] { load_mnist(folder.path(), Split::test); }) ==
        "[idx] " + folder.path() + ": there are several sets; choose one, as with " +
            folder.path("emnist-balanced"));
  CHECK(load_mnist(folder.path("emnist-letters"), Split::test).labels == std::vector<int>{3, 1});
  folder.write("t10k-images-idx3-ubyte", images);  // the set of the plain name
  folder.write("t10k-labels-idx1-ubyte", labels);
  CHECK(load_mnist(folder.path(), Split::test).labels == std::vector<int>{0, 1});
  const TemporaryFolder unpacked;
  for (const std::string name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
    fs::create_directory(unpacked.path(name));
    unpacked.write(name + "/" + name, name.find("images") != std::string::npos ? images : labels);
  }
  CHECK(load_mnist(unpacked.path(), Split::train).labels == std::vector<int>{0, 1});
  fs::rename(unpacked.path("train-labels-idx1-ubyte/train-labels-idx1-ubyte"),
             unpacked.path("train-labels-idx1-ubyte/train-labels.idx1-ubyte.gz"));
  CHECK(load_mnist(unpacked.path(), Split::train).labels == std::vector<int>{0, 1});
  unpacked.write("qmnist-test-images-idx3-ubyte", images);
  unpacked.write("qmnist-test-labels-idx2-int",
                 big_endian(0xc02) + big_endian(2) + big_endian(1) + big_endian(3) + big_endian(9));
  CHECK(load_mnist(unpacked.path(), Split::test).labels == std::vector<int>{3, 9});
}

TEST_CASE("idx: classes are those of both parts") {
  const TemporaryFolder folder;
  for (const std::string part : {"train", "test"})
    folder.write(part + "-images-idx3-ubyte", header({2, 1, 2}) + ramp(4));
  folder.write("train-labels-idx1-ubyte", header({2}) + "\x01\x1a");
  folder.write("test-labels-idx1-ubyte", header({2}) + "\x02\x03");
  const Dataset letters = load_mnist(folder.path(), Split::test);
  CHECK(letters.classes == 26);
  CHECK(letters.labels == std::vector<int>{1, 2});
  CHECK(letters.class_names.front() == "1");
  CHECK(letters.class_names.back() == "26");
  folder.write("train-labels-idx1-ubyte", header({2}) + std::string("\x00\x2e", 2));
  CHECK(load_mnist(folder.path(), Split::test).classes == 47);
  CHECK(load_mnist(folder.path(), Split::test).labels == std::vector<int>{2, 3});
}

TEST_CASE("idx: other types and ranks") {
  const TemporaryFolder folder;
  const auto typed = [](char type, std::initializer_list<std::uint32_t> dims) {
    std::string bytes = header(dims);
    bytes[2] = type;
    return bytes;
  };
  // QMNIST: eight numbers for each label, the class first.
  std::string labels = typed(0x0c, {2, 2});
  for (const std::uint32_t n : {7u, 100u, 4u, 200u}) labels += big_endian(n);
  folder.write("train-labels-idx2-int", labels);
  std::string images = typed(0x0d, {2, 1, 1, 2});
  for (const float value : {0.5f, -2.0f, 1e10f, 3.0f}) images += big_endian(std::bit_cast<std::uint32_t>(value));
  folder.write("train-images-idx4-ubyte", images);
  const Dataset data = load_mnist(folder.path(), Split::train);
  CHECK(data.labels == std::vector<int>{7, 4});
  CHECK(data.inputs == (Matrix(2, 2) << 0.5f, -2, 1e10f, 3).finished());
  CHECK(data.image_rows == 1);
  CHECK(data.image_cols == 2);
  folder.write("train-images-idx4-ubyte", header({2, 3}) + ramp(6));
  CHECK(load_mnist(folder.path(), Split::train).inputs(1, 2) == 5 / 255.0f);
  CHECK(load_mnist(folder.path(), Split::train).image_rows == 0);
  const std::string path = folder.write("train-images-idx4-ubyte", typed(0x0e, {2, 3}));
  CHECK(error_of([&] { load_mnist(folder.path(), Split::train); }) ==
        "[idx] " + path +
            ": magic number is 0x00000e02 instead of 0x00000803: only unsigned bytes (type 0x08), int32 "
            "(0x0c) and float (0x0d) are read");
  folder.write("train-images-idx4-ubyte", header({2}) + ramp(2));
  CHECK(error_of([&] { load_mnist(folder.path(), Split::train); }) ==
        "[idx] " + path +
            ": magic number is 0x00000801 instead of 0x00000803: images have 2 to 4 dimensions, this has 1");
}

TEST_CASE("idx: Fashion-MNIST") {
  const std::string dir = "/usr/share/datasets/fashion-mnist";
  if (!fs::exists(dir)) {
    MESSAGE("skipped: " << dir << " is not there (Debian package dataset-fashion-mnist)");
    return;
  }
  for (const auto& [split, count] : {std::pair{Split::train, 60000}, std::pair{Split::test, 10000}}) {
    const Dataset data = load_mnist(dir, split);
    CHECK(data.size() == count);
    CHECK(data.inputs.cols() == 784);
    CHECK(data.image_rows == 28);
    CHECK(data.inputs.minCoeff() == 0);
    CHECK(data.inputs.maxCoeff() == 1);
    std::vector<int> per_class(10);
    for (const int label : data.labels) ++per_class[static_cast<std::size_t>(label)];
    CHECK(per_class == std::vector<int>(10, count / 10));
    const Dataset first = load_mnist(dir, split, 100);
    CHECK(first.inputs == data.inputs.topRows(100));
  }
}
