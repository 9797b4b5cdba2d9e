#include <doctest/doctest.h>
#include <fmt/format.h>
#include <tapegrad/io/npz.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tg = tapegrad::f64;
using tg::Matrix;

namespace {

std::string temporary(const char* name) { return (std::filesystem::temp_directory_path() / name).string(); }
bool runs(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

}  // namespace

TEST_CASE("npz: NumPy reads what was written") {
  std::string python = "python3";  // which may be another than that of the system's packages
  if (!runs(python + " -c 'import numpy'")) python = "/usr/bin/python3";
  if (!runs(python + " -c 'import numpy'")) {
    MESSAGE("not tested: python3 has no numpy here (Debian: python3-numpy)");
    return;
  }
  const std::string path = temporary("tapegrad_npz_test.npz");
  Matrix big(300, 200);
  for (tg::Index i = 0; i < big.size(); ++i) big.data()[i] = static_cast<double>(i * i % 1009) / 7;
  tg::save_npz({{"0.weight", Matrix{{1.5, -2, 1e-300}, {0, 5e-324, 7}}}, {"empty", Matrix(0, 3)}, {"größe", big}},
               path);
  const std::string check = fmt::format(
      "import numpy as np; f = np.load('{}'); w = f['0.weight']; "
      "assert sorted(f.files) == ['0.weight', 'empty', 'größe'], f.files; "
      "assert w.dtype == np.float64 and w.tolist() == [[1.5, -2, 1e-300], [0, 5e-324, 7]], w; "
      "assert f['empty'].shape == (0, 3); "
      "i = np.arange(60000); assert (f['größe'] == (i * i % 1009 / 7).reshape(300, 200)).all()",
      path);
  CHECK(runs(python + " -c \"" + check + "\""));
  CHECK_FALSE(runs(python + " -c \"" + check + "; assert w[0, 0] == 1\""));  // that a failure is seen
  tapegrad::save_npz({{"x", tapegrad::Matrix{{0.1F}}}}, path);
  CHECK(
      runs(fmt::format("{} -c \"import numpy as np; x = np.load('{}')['x']; assert x.dtype == np.float32 and "
                       "x == np.float32(0.1)\"",
                       python, path)));
  CHECK(runs(python + " -m zipfile -t " + path));
  std::filesystem::remove(path);
}

TEST_CASE("npz: the bytes of a file") {
  const std::string path = temporary("tapegrad_npz_bytes.npz");
  const Matrix m{{1, 2, 3}};
  tg::save_npz({{"a", m}}, path);
  std::ostringstream file;
  file << std::ifstream(path, std::ios::binary).rdbuf();
  std::filesystem::remove(path);
  const std::string text = file.str();
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::size_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) value = 256 * value + static_cast<unsigned char>(text[at + i]);
    return value;
  };
  // The head of the first file: APPNOTE.TXT of PKWARE, 4.3.7.
  CHECK(text.substr(0, 4) == "PK\3\4");
  CHECK(number(4, 2) == 20);
  CHECK(number(8, 2) == 8);              // deflated
  CHECK(number(10, 2) == 0);             // midnight
  CHECK(number(12, 2) == (1 << 5 | 1));  // 1 January 1980
  const std::size_t packed = number(18, 4), size = number(22, 4), name = number(26, 2);
  CHECK(number(28, 2) == 0);
  CHECK(text.substr(30, name) == "a.npy");

  std::string npy(size, ' ');
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, -15) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data() + 30 + name));
  stream.avail_in = static_cast<uInt>(packed);
  stream.next_out = reinterpret_cast<Bytef*>(npy.data());
  stream.avail_out = static_cast<uInt>(size);
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  inflateEnd(&stream);
  std::string expected = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }";
  expected.resize(128 - 10 - 1, ' ');
  expected = std::string("\x93NUMPY\1\0", 8) + std::string{118, 0} + expected + '\n' +
             std::string(reinterpret_cast<const char*>(m.data()), 24);
  CHECK(npy == expected);
  CHECK(number(14, 4) == crc32(0, reinterpret_cast<const Bytef*>(npy.data()), static_cast<uInt>(size)));
  // The directory behind it, and where that begins.
  const std::size_t directory = 30 + name + packed;
  CHECK(text.substr(directory, 6) == std::string("PK\1\2\x14\0", 6));
  CHECK(text.substr(directory + 46, name) == "a.npy");
  const std::size_t end = directory + 46 + name;
  CHECK(text.substr(end, 4) == "PK\5\6");
  CHECK(number(end + 10, 2) == 1);
  CHECK(number(end + 12, 4) == end - directory);
  CHECK(number(end + 16, 4) == directory);
  CHECK(text.size() == end + 22);
}

TEST_CASE("npz: what cannot be written") {
  const std::string path = temporary("tapegrad_npz_test.npz");
  const auto check = [](const std::string& text, const auto& make) {
    CHECK_THROWS_WITH_AS(make(), text.c_str(), tapegrad::Error);
  };
  check("[npz] " + path + ": two matrices are named 'a'", [&] {
    tg::save_npz({{"a", Matrix(1, 1)}, {"a", Matrix(1, 1)}}, path);
  });
  CHECK_FALSE(std::filesystem::exists(path));
  check("[npz] /nowhere/a.npz: cannot be written: No such file or directory",
        [] { tg::save_npz({}, "/nowhere/a.npz"); });
  check("[npz] more than 65535 matrices, or too long a name", [&] {
    tg::save_npz({{std::string(70000, 'a'), Matrix(1, 1)}}, path);
  });
}
