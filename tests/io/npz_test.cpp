#include <doctest/doctest.h>
#include <fmt/format.h>
#include <tapegrad/io/npz.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

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
