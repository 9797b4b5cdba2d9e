#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "refuse_allocations.h"
#include "tapegrad/tapegrad.h"

/// Running out of memory in everything that reads and writes files: an exception, nothing is changed, and again it works.

namespace tg = tapegrad;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() : path(fs::temp_directory_path() / ("tapegrad-faults-" + std::to_string(getpid()))) {
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
    return *this / name;
  }
  std::string packed(const std::string& name, const std::string& bytes) const {
    const gzFile file = gzopen((*this / name).c_str(), "wb");
    REQUIRE(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size()));
    REQUIRE(gzclose(file) == Z_OK);
    return *this / name;
  }
  fs::path path;
};

/// Refuses each allocation of work(), which returns a text; then it must return what it returns with enough memory, and
/// state() must have stayed as it was.
void check(
    const std::string& what, const std::function<std::string()>& work,
    const std::function<std::string()>& state = [] { return std::string(); }) {
  CAPTURE(what);
  const std::string before = state(), right = work(), after = state();
  CHECK_FALSE(right.empty());
  if (!refusing::possible()) return;
  std::string said;
  const std::size_t points = refusing::at_each_allocation(
      [&] {
        try {
          said = work() == right ? "done without this memory" : "wrong";
        } catch (const std::bad_alloc&) {
          said = "memory";
        } catch (const std::exception& error) {
          said = error.what();
        }
      },
      [&] {
        CAPTURE(said);
        CHECK(said.find("memory") != std::string::npos);
        const std::string now = state();
        CHECK((now == before || now == after));
        CHECK(work() == right);
      });
  CHECK(points > 0);
}

std::string text_of(const tg::Matrix& m) {
  return std::string(reinterpret_cast<const char*>(m.data()), static_cast<std::size_t>(m.size()) * sizeof(float)) +
         tg::to_string(tg::Shape{m.rows(), m.cols()});
}
std::string text_of(const tg::Dataset& data) {
  std::string text = text_of(data.inputs);
  for (const int label : data.labels) text += std::to_string(label);
  for (const std::string& name : data.class_names) text += name;
  return text;
}
std::string text_of(tg::Module& net) {
  std::string text;
  for (const auto& [path, parameter] : net.named_parameters()) text += path + text_of(parameter.value());
  for (const auto& [path, buffer] : net.named_buffers()) text += path + text_of(*buffer);
  for (const auto& [path, rng] : net.named_generators())
    for (const auto word : rng->state().words) text += std::to_string(word);
  return text;
}

tg::Sequential network(tg::Rng& rng) {
  return tg::Sequential{tg::Linear(6, 5, rng),
                        tg::BatchNorm1d(5),
                        tg::Relu(),
                        tg::Dropout(0.5, rng),
                        tg::Residual{tg::Linear(5, 5, rng), tg::Tanh()},
                        tg::Linear(5, 3, rng)};
}

}  // namespace

TEST_CASE("no memory: tables and images") {
  const Folder folder;
  const std::string table =
      "a,kind,b,label\n1,\"x y\",2,red\n3,z,4,green\n5,,6,red\n" + std::string(3000, ' ') + "7,z,8,blue\n";
  const tg::CsvOptions options{.one_hot = {"kind"}, .missing = tg::Missing::mean};
  for (const std::string& path : {folder.put("t.csv", table), folder.packed("t.csv.gz", table)})
    check("csv", [&] { return text_of(tg::load_csv(path, options)); });
  const std::string numbers = folder.put("n.csv", "1;2;3\n4;5;6\n");
  check("csv of numbers", [&] { return text_of(tg::read_csv(numbers, {.header = false}).values); });

  const auto big_endian = [](unsigned n) { return std::string{'\0', '\0', '\0', static_cast<char>(n)}; };
  std::string images = std::string{0, 0, 8, 3} + big_endian(5) + big_endian(4) + big_endian(3),
              labels = {0, 0, 8, 1};
  labels += big_endian(5);
  for (char i = 0; i < 60; ++i) images += i;
  for (char i = 0; i < 5; ++i) labels += i;
  folder.put("train-images-idx3-ubyte", images);
  folder.packed("train-labels-idx1-ubyte.gz", labels);
  check("idx", [&] { return text_of(tg::load_mnist(folder.path.string(), tg::Split::train)); });
}

TEST_CASE("no memory: weights, checkpoints and arrays") {
  const Folder folder;
  tg::Rng rng(1);
  tg::Sequential net = network(rng), other = network(rng);
  const std::string path = folder / "net.safetensors";
  tg::save_weights(other, path);
  const std::string file = text_of(other);
  const std::string start = text_of(net);
  REQUIRE(start != file);
  tg::Sequential target = network(rng);
  check(
      "load_weights",
      [&] {
        tg::load_weights(target, path);
        return std::string("loaded");
      },
      [&] { return text_of(target); });
  check("load_network", [&] {
    tg::Sequential loaded = tg::load_network(path);
    return text_of(loaded);
  });
  check("clone", [&] {
    tg::Sequential copy = tg::clone(net);
    return text_of(copy);
  });
  check("load_matrices", [&] { return text_of(tg::load_matrices(path)[0].second); });
  const auto bytes = [](const std::string& of) {
    std::ifstream stream(of, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  check(
      "save_weights",
      [&] {
        tg::save_weights(net, folder / "saved");
        return bytes(folder / "saved");
      },
      [&] { return bytes(folder / "saved"); });
  check(
      "save_npz",
      [&] {
        tg::save_npz({{"x", tg::Matrix(tg::Matrix::Ones(3, 3))}}, folder / "saved.npz");
        return bytes(folder / "saved.npz");
      },
      [&] { return bytes(folder / "saved.npz"); });

  tg::Adam adam(net.parameters(), {.lr = 0.1});
  tg::Tape tape;
  tg::Index epoch = 3;
  tg::mean(net(tape.input(tg::Matrix(tg::Matrix::Ones(4, 6))))).backward();
  adam.step();
  tg::Checkpoint run;
  run.add("net", net);
  run.add("adam", adam);
  run.add("epoch", epoch);
  const std::string saved = folder / "run";
  check(
      "checkpoint, saved",
      [&] {
        run.save(saved);
        return bytes(saved);
      },
      [&] { return bytes(saved); });
  const std::string then = text_of(net);
  net.parameter("0.bias").mutable_value().setConstant(7);
  epoch = 8;
  check(
      "checkpoint, loaded",
      [&] {
        run.load(saved);
        return text_of(net) + std::to_string(epoch);
      },
      [&] { return text_of(net) + std::to_string(epoch); });
  CHECK(text_of(net) == then);
  CHECK(epoch == 3);
}

TEST_CASE("no memory: names and other texts that are parsed") {
  check("activation", [] { return tg::activation("leaky_relu(negative_slope=0.25)").text(); });
  check("unknown activation", [] {
    try {
      tg::activation("leaky_rleu");
    } catch (const tg::Error& error) {
      return std::string(error.what());
    }
    return std::string();
  });
  check("schedule", [] { return tg::make_schedule("linear_warmup", 0.1, 1000).text(); });
  check("initializer", [] { return tg::initializer("sparse_negative").name; });
}

TEST_CASE("no memory: what looks at a network leaves it as it was") {
  tg::Rng rng(1);
  tg::Sequential net = network(rng);
  const tg::Matrix x = tg::Matrix::Random(9, 6);
  const std::vector<int> labels{0, 1, 2, 0, 1, 2, 0, 1, 2};
  const auto state = [&] { return text_of(net) + (net.training() ? "t" : "e"); };
  check(
      "predict", [&] { return text_of(net.predict(x, 4)); }, state);
  check(
      "preflight",
      [&] { return tg::to_text(tg::preflight(net, x, labels, {.lr_low = 0.01, .lr_high = 1, .lr_steps = 3})); },
      state);
  check(
      "census", [&] { return std::to_string(tg::census(net, x).size()); }, state);
  check(
      "summary", [&] { return tg::summary(net, 6); }, state);
}

TEST_CASE("no memory: a loader gives the same epoch again, in batches of different sizes") {
  tg::Dataset data;
  data.inputs.resize(13, 2);
  for (tg::Index row = 0; row < 13; ++row) data.inputs.row(row).setConstant(static_cast<float>(row));
  data.labels.assign(13, 1);
  const auto rows_of_epochs = [&](std::size_t granted, int& caught) {
    tg::Rng rng(7);
    tg::Loader loader(data, {.batch = 4, .shuffle = rng});
    std::vector<float> rows;
    rows.reserve(26);
    refusing::begin(granted, false);
    while (rows.size() < 26) try {
        for (auto& [x, labels] : loader)
          for (tg::Index row = 0; row < x.rows(); ++row) rows.push_back(x(row, 0));
      } catch (const std::bad_alloc&) {
        ++caught;
      }
    return std::pair(rows, refusing::end());
  };
  int caught = 0, points = 0;
  const auto right = rows_of_epochs(1000, caught).first;
  CHECK(caught == 0);
  for (; refusing::possible(); ++points) {
    const auto [rows, refused] = rows_of_epochs(static_cast<std::size_t>(points), caught);
    CHECK(rows == right);
    if (!refused) break;
  }
  CHECK(caught == points);
  CHECK((points > 5 || !refusing::possible()));
}

TEST_CASE("no memory: a gradient that gets the size of its parameter") {
  tg::Parameter w("w", tg::Matrix::Ones(2, 2));
  for (const tg::Index size : {30, 7, 50}) {
    w.mutable_value() = tg::Matrix::Ones(size, size);
    w.zero_grad();
    CHECK(refusing::at_each_allocation([&] { w.grad(); }, [&] { CHECK(w.value().size() == size * size); }) <= 2);
    CHECK(w.grad() == tg::Matrix::Zero(size, size));
    w.mutable_value() = tg::Matrix::Ones(size, 1);
    tg::Tape tape;
    refusing::at_each_allocation([&] { tape.parameter(w); }, [] {});
    tape.reset();
    tg::sum(tape.parameter(w)).backward();
    CHECK(w.grad() == tg::Matrix::Ones(size, 1));
  }
}
