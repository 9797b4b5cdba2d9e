#include "tapegrad/io/weights.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "tapegrad/core/activations.h"
#include "tapegrad/core/arithmetic.h"
#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/linear.h"
#include "tapegrad/layers/normalization.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

/// A file that vanishes with the test.
class TemporaryFile {
 public:
  TemporaryFile() {
    static int number = 0;
    path_ = (fs::temp_directory_path() /
             ("tapegrad-weights-" + std::to_string(getpid()) + "-" + std::to_string(number++) + ".safetensors"))
                .string();
  }
  explicit TemporaryFile(const std::string& bytes) : TemporaryFile() {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TemporaryFile() { fs::remove(path_); }
  const std::string& path() const { return path_; }
  std::string bytes() const {
    std::ostringstream all;
    all << std::ifstream(path_, std::ios::binary).rdbuf();
    return all.str();
  }

 private:
  std::string path_;
};

std::string length_of(const std::string& header) {
  std::string bytes(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes;
}
/// A file with this header and `count` bytes of data.
std::string file_of(const std::string& header, std::size_t count) {
  return length_of(header) + header + std::string(count, '\0');
}

template <class T, class... Numbers> std::string values(Numbers... numbers) {
  std::string bytes;
  for (const T number : {static_cast<T>(numbers)...})
    bytes.append(reinterpret_cast<const char*>(&number), sizeof(T));
  return bytes;
}

/// What is said of a file, without its path.
template <class Act> std::string refusal(const std::string& path, const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    std::string text = error.what();
    const std::string before = "[weights] " + path;
    CHECK(text.starts_with(before));
    return text.substr(std::min(before.size(), text.size()));
  }
  return "";
}
std::string refusal(const std::string& bytes) {
  const TemporaryFile file(bytes);
  return refusal(file.path(), [&] { load_matrices(file.path()); });
}

/// Every layer of the library, with other settings than the usual ones.
template <class T> BasicSequential<T> everything(Rng& rng) {
  using Linear = BasicLinear<T>;
  BasicSequential<T> net{Linear(6, 8, rng),
                         BasicBatchNorm1d<T>(8, {.eps = 1e-3, .momentum = 0.25}),
                         Prelu(),
                         BasicDropout<T>(0.2, rng),
                         BasicResidual<T>(Linear(8, 8, rng), Swish{.beta = 2}, Linear(8, 8, rng, {.bias = false})),
                         BasicLayerNorm<T>(8, {.eps = 1e-4}),
                         LeakyRelu{.negative_slope = 0.1},
                         BasicSequential<T>(Linear(8, 12, rng), Maxout{.pieces = 3}),
                         Tanh(),
                         Linear(4, 6, rng),
                         Glu(),
                         Linear(3, 1, rng)};
  for (auto& [path, parameter] : net.named_parameters())
    for (T& value : parameter.mutable_value().reshaped()) value = static_cast<T>(rng.normal());
  for (auto& [path, buffer] : net.named_buffers())
    for (T& value : buffer->reshaped()) value = static_cast<T>(rng.uniform(0.5, 2));
  return net;
}

constexpr const char* text_of_everything =
    "sequential(linear(6, 8), batch_norm(8, eps=0.001, momentum=0.25), prelu(features=8), dropout(0.2), "
    "residual(linear(8, 8), swish(beta=2), linear(8, 8, bias=0)), layer_norm(8, eps=0.0001), "
    "leaky_relu(negative_slope=0.1), sequential(linear(8, 12), maxout(pieces=3)), tanh, linear(4, 6), glu, "
    "linear(3, 1))";

template <class T> BasicMatrix<T> inputs() {
  Rng rng(5);
  BasicMatrix<T> x(7, 6);
  for (T& value : x.reshaped()) value = static_cast<T>(rng.normal());
  return x;
}

struct Scale : Module {
  explicit Scale(double factor) : by(factor) {}
  std::string_view kind() const override { return "scale"; }
  std::string text() const override { return "scale(" + to_string(by) + ")"; }
  Var forward(Var x) override { return x * by; }
  double by;
};

}  // namespace

TEST_CASE_TEMPLATE("weights: a network of every layer comes back as it was", T, float, double) {
  Rng rng(1);
  BasicSequential<T> net = everything<T>(rng);
  CHECK(net.text() == text_of_everything);
  const TemporaryFile file;
  save_weights(net, file.path());
  BasicSequential<T> loaded = load_network<T>(file.path());
  CHECK(loaded.text() == text_of_everything);
  CHECK(loaded.predict(inputs<T>()) == net.predict(inputs<T>()));
  CHECK(loaded.training());
  const TemporaryFile again;
  save_weights(loaded, again.path());
  CHECK(again.bytes() == file.bytes());
  Rng other(2);
  BasicSequential<T> same = everything<T>(other);
  CHECK(same.predict(inputs<T>()) != net.predict(inputs<T>()));
  load_weights(same, file.path());
  CHECK(same.predict(inputs<T>()) == net.predict(inputs<T>()));
}

TEST_CASE("weights: from one scalar to the other") {
  Rng rng(1);
  Sequential net = everything<float>(rng);
  const TemporaryFile file;
  save_weights(net, file.path());
  f64::Sequential doubles = f64::load_network(file.path());
  CHECK((doubles.predict(inputs<double>()).cast<float>() - net.predict(inputs<float>())).cwiseAbs().maxCoeff() <
        1e-4);
  const auto exact = net.named_parameters();
  const auto loaded = doubles.named_parameters();
  REQUIRE(exact.size() == loaded.size());
  for (std::size_t i = 0; i < exact.size(); ++i)
    CHECK(exact[i].second.value().cast<double>() == loaded[i].second.value());
}

TEST_CASE("weights: the bytes of a file") {
  Rng rng(1);
  Sequential net{Linear(2, 1, rng), BatchNorm1d(1)};
  auto parameters = net.named_parameters();
  parameters[0].second.set_value((Matrix(1, 2) << 1, 2).finished());
  parameters[1].second.set_value(Matrix::Constant(1, 1, 3));
  const TemporaryFile file;
  save_weights(net, file.path());
  std::string header =
      R"x({"__metadata__":{"format":"pt","network":"sequential(linear(2, 1), batch_norm(1, eps=1e-05, momentum=0.1))"},)x"
      R"("1.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("0.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},)"
      R"("0.bias":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},)"
      R"("1.weight":{"dtype":"F32","shape":[1],"data_offsets":[20,24]},)"
      R"("1.bias":{"dtype":"F32","shape":[1],"data_offsets":[24,28]},)"
      R"("1.running_mean":{"dtype":"F32","shape":[1],"data_offsets":[28,32]},)"
      R"("1.running_var":{"dtype":"F32","shape":[1],"data_offsets":[32,36]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  CHECK(file.bytes() == length_of(header) + header + values<std::int64_t>(0) + values<float>(1, 2, 3, 1, 0, 0, 1));
}

TEST_CASE("weights: tensors of others, in any order and shape that is meant") {
  const std::string header =
      R"({"0.bias":{"data_offsets":[32,40],"dtype":"F64","shape":[1]},"0.weight":{"dtype":"F64","shape":[1,2],"data_offsets":[16,32]},)"
      R"("1.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},"1.bias":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},)"
      R"("1.running_mean":{"dtype":"F32","shape":[1],"data_offsets":[40,44]},"1.running_var":{"dtype":"F32","shape":[],"data_offsets":[44,48]},)"
      R"("1.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}  )";
  const TemporaryFile file(length_of(header) + header + values<std::int64_t>(12) + values<float>(5, 6) +
                           values<double>(1, 2, 3) + values<float>(7, 8));
  Rng rng(1);
  Sequential net{Linear(2, 1, rng), BatchNorm1d(1)};
  load_weights(net, file.path());
  std::vector<float> all;
  for (const auto& [path, parameter] : net.named_parameters())
    for (const float value : parameter.value().reshaped()) all.push_back(value);
  for (const auto& [path, buffer] : net.named_buffers()) all.push_back((*buffer)(0, 0));
  CHECK(all == std::vector<float>{1, 2, 3, 5, 6, 7, 8});
  CHECK(refusal(file.path(), [&] { load_network(file.path()); }) ==
        ": it does not say what the network is made of; make it, and use load_weights()");
}

TEST_CASE("weights: what does not fit is listed, and nothing is changed") {
  Rng rng(1);
  Sequential from{Linear(3, 4, rng), Relu(), Linear(4, 2, rng)};
  Sequential to{Linear(2, 4, rng), Relu(), Linear(4, 2, rng, {.bias = false}), BatchNorm1d(2)};
  const TemporaryFile file;
  save_weights(from, file.path());
  const Matrix before = to.predict(Matrix::Ones(2, 2));
  CHECK(
      refusal(file.path(), [&] { load_weights(to, file.path()); }) ==
      " does not fit the network: 0.weight is 4x2 in the network, 4x3 in the file, 3.weight is missing in the "
      "file, "
      "3.bias is missing in the file, 3.running_mean is missing in the file, 3.running_var is missing in the file, "
      "2.bias is only in the file");
  CHECK(to.predict(Matrix::Ones(2, 2)) == before);
  Sequential many;
  for (int i = 0; i < 7; ++i) many.add(Linear(1, 1, rng));
  CHECK(refusal(file.path(), [&] {
          load_weights(many, file.path());
        }).ends_with(", 4.bias is missing in the file, and 4 more"));
}

TEST_CASE("weights: matrices with names") {
  const TemporaryFile file;
  save_matrices({{"mean", Matrix::Ones(1, 3)}, {"σ", Matrix::Constant(2, 2, 0.5f)}, {"none", Matrix(0, 4)}},
                file.path());
  const NamedMatrices loaded = load_matrices(file.path());
  REQUIRE(loaded.size() == 3);
  CHECK(loaded[0].first == "mean");
  CHECK(loaded[0].second == Matrix::Ones(1, 3));
  CHECK(loaded[1].first == "σ");
  CHECK(loaded[1].second == Matrix::Constant(2, 2, 0.5f));
  CHECK(loaded[2].second.rows() == 0);
  CHECK(loaded[2].second.cols() == 4);
  CHECK(refusal(file.path(), [&] {
          save_matrices<float>({{"a", Matrix(1, 1)}, {"a", Matrix(1, 1)}}, file.path());
        }) == ": two tensors are named 'a'");
  CHECK(refusal(file.path(), [&] {
          save_matrices<float>({{"\xff", Matrix(1, 1)}}, file.path());
        }) == ": a name or text is not UTF-8");
  CHECK(load_matrices(file.path()).size() == 3);
  CHECK_THROWS_WITH_AS(load_matrices("nowhere.safetensors"),
                       "[weights] nowhere.safetensors: cannot be opened: No such file or directory", Error);
}

TEST_CASE("weights: a file that breaks a rule of the format is refused") {
  const auto tensor = [](const std::string& body) { return R"({"a":{)" + body + "}}"; };
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  CHECK(refusal(file_of(tensor(good), 8)).empty());
  CHECK(refusal("1234567") == ": holds 7 bytes, a safetensors file at least 8");
  CHECK(refusal(std::string(8, '\0')) == ": the header does not begin with '{'");
  CHECK(refusal(values<std::uint64_t>(9) + "{}") == ": the header should be 9 bytes long, 2 are there");
  CHECK(refusal(values<std::uint64_t>(std::numeric_limits<std::uint64_t>::max()) + "{}") ==
        ": the header should be 18446744073709551615 bytes long, 2 are there");
  CHECK(refusal(file_of(" {}", 0)) == ": the header does not begin with '{'");
  CHECK(refusal(file_of("{\"a\"", 0)) == ": the header: is not JSON at byte 5");
  CHECK(refusal(file_of("{} x", 0)) == ": the header: is not JSON at byte 4");
  CHECK(refusal(file_of(tensor("\"dtype\":\"\xff\""), 0)) == ": the header: is not JSON at byte 16");
  CHECK(refusal(file_of(R"({"a":1})", 0)) == ": the header: 'a' is a number, not an object");
  CHECK(refusal(file_of(R"({"a":[]})", 0)) == ": the header: 'a' is a list, not an object");
  CHECK(refusal(file_of("{\"a\":{" + good + "},\"a\":{" + good + "}}", 8)) == ": the header: 'a' stands twice");
  CHECK(refusal(file_of(tensor(good + R"(,"dtype":"F32")"), 8)) == ": the header: 'dtype' of 'a' stands twice");
  CHECK(refusal(file_of(tensor(good + R"(,"more":1)"), 8)) ==
        ": the header: 'a' has a 'more', which the format does not know");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[2])"), 8)) == ": the header: 'a' has no 'data_offsets'");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","data_offsets":[0,8])"), 8)) == ": the header: 'a' has no 'shape'");
  CHECK(refusal(file_of(tensor(R"("shape":[2],"data_offsets":[0,8])"), 8)) == ": the header: 'a' has no 'dtype'");
  const auto after_a = [&](const std::string& b) { return R"({"a":{)" + good + R"(},"b":{)" + b + "}}"; };
  CHECK(refusal(file_of(after_a(R"("shape":[1],"data_offsets":[8,12])"), 12)) ==
        ": the header: 'b' has no 'dtype'");
  CHECK(refusal(file_of(after_a(R"("dtype":"F32","data_offsets":[8,12])"), 12)) ==
        ": the header: 'b' has no 'shape'");
  CHECK(refusal(file_of(after_a(R"("dtype":"F32","shape":[1])"), 12)) == ": the header: 'b' has no 'data_offsets'");
  CHECK(refusal(file_of(tensor(R"("dtype":"BF16","shape":[4],"data_offsets":[0,8])"), 8)) ==
        ": the header: 'a' is of type BF16, only F32, F64 and I64 are read");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[1,1,2],"data_offsets":[0,8])"), 8)) ==
        ": the header: 'a' has 3 dimensions, at most 2 are read");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), 8)) ==
        ": the header: 'shape' of 'a' is a negative number");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), 8)) ==
        ": the header: 'shape' of 'a' is a number that is not whole");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), 8)) ==
        ": the header: 'shape' of 'a' is a number");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[[2]],"data_offsets":[0,8])"), 8)) ==
        ": the header: 'shape' of 'a' is a list");
  CHECK(refusal(file_of(tensor(R"("dtype":7,"shape":[2],"data_offsets":[0,8])"), 8)) ==
        ": the header: 'dtype' of 'a' is a number");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,9])"), 8)) ==
        ": the header: 'a' has 3 data_offsets, not 2");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), 8)) ==
        ": the header: 'a' is 1x3 of F32, which is not what its data_offsets [0, 8] hold");
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), 8)) ==
        ": the header: 'a' is 1x2 of F32, which is not what its data_offsets [8, 0] hold");
  // 2³¹·2³³ numbers of 4 bytes are 0 bytes in 64 bits
  CHECK(refusal(file_of(tensor(R"("dtype":"F32","shape":[2147483648,2147483648],"data_offsets":[0,0])"), 0)) ==
        ": the header: 'a' is 2147483648x2147483648 of F32, which is not what its data_offsets [0, 0] hold");
  CHECK(refusal(file_of(tensor(good), 9)) == ": the tensors are 8 bytes, 9 follow the header");
  CHECK(refusal(file_of(tensor(good), 7)) == ": the tensors are 8 bytes, 7 follow the header");
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + first +
           R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + second + "}}";
  };
  CHECK(refusal(file_of(two("[0,8]", "[4,12]"), 12)) ==
        ": 'b' begins at byte 4 of the data, the one before ends at 8");
  CHECK(refusal(file_of(two("[0,8]", "[12,20]"), 20)) ==
        ": 'b' begins at byte 12 of the data, the one before ends at 8");
  CHECK(refusal(file_of(two("[8,16]", "[0,8]"), 16)).empty());
  CHECK(refusal(file_of(R"({"__metadata__":{"a":1}})", 0)) == ": the header: 'a' of '__metadata__' is a number");
  CHECK(refusal(file_of(R"({"__metadata__":{"a":"1","a":"2"}})", 0)) ==
        ": the header: 'a' of '__metadata__' stands twice");
}

TEST_CASE("weights: a network that cannot be made") {
  const auto said = [](const std::string& network) {
    const std::string header = R"({"__metadata__":{"network":")" + network +
                               R"("},"0.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
    const TemporaryFile file(file_of(header, 8));
    return refusal(file.path(), [&] { load_network(file.path()); });
  };
  CHECK(said("sequential(linear(2, 1, bias=0))").empty());
  CHECK(said(" sequential ( linear( 2 ,1,bias = 0 ) ) ").empty());
  CHECK(said("linear(2, 1, bias=0)") == ": the network is a linear, not a sequential");
  CHECK(said("sequential(linear(2, 1))") == ": the layers have more parameters than the file has numbers");
  CHECK(said("sequential(linear(4000000000, 4000000000))") ==
        ": the layers have more parameters than the file has numbers");
  CHECK(said("sequential(prelu(features=3))") == ": the layers have more parameters than the file has numbers");
  CHECK(said("sequential(linear(2, 1, bais=0))") == ": linear has no setting 'bais'; did you mean 'bias'?");
  CHECK(said("sequential(linear(2))") == ": linear needs 2 numbers, got 1");
  CHECK(said("sequential(linear(2, 1.5))") == ": 1.5 of linear: a size is a whole number from 1 on");
  CHECK(said("sequential(swich)") == ": no layer named 'swich'; did you mean 'swish'?");
  CHECK(said("sequential(my_own(3))") ==
        ": no layer named 'my_own'; register yours first, with register_layer or register_activation");
  CHECK(said("sequential(swish(beta=-1))") == ": [swish] beta must be positive, got -1");
  CHECK(said("sequential(linear(2, 1)") == ": 'sequential(linear(2, 1)': a ')' is missing");
  CHECK(said("sequential(linear(2, 1x))") == ": 'sequential(linear(2, 1x))': '1x' is not a number");
  CHECK(said("sequential(relu) relu") == ": 'sequential(relu) relu': 'relu' is left over");
  CHECK(said("sequential(,)") == ": 'sequential(,)': a name is missing");
  CHECK(said("sequential(layer_norm(2, epsilon=1))") == ": layer_norm has no setting 'epsilon'");
  CHECK(said("sequential(dropout(0.5, p=1))") == ": dropout has no setting 'p'");
  CHECK(said("sequential(linear(2, 1, bias=0), relu(), dropout(0.5,), sequential())").empty());
  CHECK(said("sequential(prelu)") == ": 0 of prelu: a size is a whole number from 1 on");
  CHECK(said("sequential(prelu(features=2), linear(2, 1, bias=0))") ==
        ": the layers have more parameters than the file has numbers");
  std::string deep;
  for (int i = 0; i < 600; ++i) deep += "sequential(";
  CHECK(said(deep).ends_with(": more than 500 layers are inside each other"));
}

TEST_CASE("weights: a layer of one's own") {
  Rng rng(1);
  Sequential net{Linear(2, 2, rng), Scale(3)};
  const TemporaryFile file;
  save_weights(net, file.path());
  CHECK(refusal(file.path(), [&] { load_network(file.path()); }) ==
        ": no layer named 'scale'; register yours first, with register_layer or register_activation");
  register_layer<float>("scale", [](const LayerText& text) { return std::make_unique<Scale>(text.numbers.at(0)); });
  Sequential loaded = load_network(file.path());
  CHECK(loaded.predict(Matrix::Ones(1, 2)) == net.predict(Matrix::Ones(1, 2)));
  for (const char* taken : {"scale", "linear", "relu"})
    CHECK_THROWS_WITH_AS(register_layer<float>(taken, nullptr),
                         ("[weights] '" + std::string(taken) + "' is registered already").c_str(), Error);
}

TEST_CASE_TEMPLATE("clone: a network of its own", T, float, double) {
  Rng rng(1);
  BasicSequential<T> net = everything<T>(rng);
  net[4].eval();
  net.parameter("0.weight").set_requires_grad(false);
  BasicSequential<T> copy = clone(net);
  CHECK(copy.text() == text_of_everything);
  CHECK(copy.predict(inputs<T>()) == net.predict(inputs<T>()));
  CHECK(!copy[4].training());
  CHECK(copy[3].training());
  CHECK(!copy.parameter("0.weight").requires_grad());
  CHECK(copy.parameter("0.bias").requires_grad());
  BasicTape<T> tape;  // in training mode, too: the generators are the same
  const auto first = net(tape.input(inputs<T>())), second = copy(tape.input(inputs<T>()));
  CHECK(first.value() == second.value());
  copy.parameter("11.weight").mutable_value()(0) += 1;
  CHECK(copy.predict(inputs<T>()) != net.predict(inputs<T>()));
}
