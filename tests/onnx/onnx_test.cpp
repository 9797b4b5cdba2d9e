#include <doctest/doctest.h>
#include <onnx/onnx_pb.h>
#include <tapegrad/io/onnx.h>
#include <tapegrad/tapegrad.h>

#include <filesystem>
#include <fstream>

namespace tg = tapegrad;

namespace {

struct Gaussian {
  static constexpr std::string_view name = "gaussian";
  template <class X> static X value(const X& x) { return tg::exp(-x * x); }
  template <class X> static X vjp(const X& g, const X& x, const X& y) { return -2 * g * x * y; }
};

struct Function : tg::Module {
  explicit Function(std::function<tg::Var(tg::Var)> f) : f_(std::move(f)) {}
  std::string_view kind() const override { return "function"; }
  tg::Var forward(tg::Var x) override { return f_(x); }
  std::function<tg::Var(tg::Var)> f_;
};

std::string temporary() { return (std::filesystem::temp_directory_path() / "tapegrad_onnx_test.onnx").string(); }

std::string error_of(tg::Module& net, tg::Index features, const std::string& path = temporary()) {
  try {
    tg::save_onnx(net, features, path);
  } catch (const tg::Error& error) {
    CHECK_FALSE(std::filesystem::exists(path));
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("onnx: names, shapes and ops of a model") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(4, 8, rng), tg::BatchNorm1d(8), tg::Relu(), tg::Dropout(0.5, rng),
                     tg::Linear(8, 3, rng)};
  REQUIRE(error_of(net, 4) == "");
  CHECK(net.training());
  onnx::ModelProto model;
  std::ifstream file(temporary(), std::ios::binary);
  REQUIRE(model.ParseFromIstream(&file));
  std::filesystem::remove(temporary());
  CHECK(model.opset_import(0).version() == 17);
  const onnx::GraphProto& graph = model.graph();
  REQUIRE(graph.input_size() == 1);
  const auto& input = graph.input(0).type().tensor_type();
  CHECK(graph.input(0).name() == "input");
  CHECK(input.shape().dim(0).dim_param() == "batch");
  CHECK(input.shape().dim(1).dim_value() == 4);
  CHECK(graph.output(0).name() == "output");
  CHECK(graph.output(0).type().tensor_type().shape().dim(1).dim_value() == 3);
  std::string ops, parameters;
  for (const auto& node : graph.node()) ops += node.op_type() + " ";
  for (const auto& tensor : graph.initializer())
    if (tensor.name().find('/') != 0) parameters += tensor.name() + " ";
  CHECK(ops == "Gemm Sub Mul Mul Add Relu Gemm Identity ");
  CHECK(parameters == "0.weight 0.bias 1.weight 1.bias 4.weight 4.bias ");
  const auto& weight = graph.initializer(0);
  CHECK(weight.raw_data() ==
        std::string(reinterpret_cast<const char*>(net.parameter("0.weight").value().data()), 4 * 8 * 4));
}

TEST_CASE("onnx: a parameter that has the name of an input or output") {
  struct Named : tg::Module {
    Named() { add_parameter("input", tg::Matrix::Ones(1, 1)), add_parameter("output", tg::Matrix::Ones(1, 1)); }
    std::string_view kind() const override { return "named"; }
    tg::Var forward(tg::Var x) override {
      return x * x.tape().parameter(own_parameters()[0]) + x.tape().parameter(own_parameters()[1]);
    }
  } net;
  CHECK(error_of(net, 2) == "");
  std::filesystem::remove(temporary());
}

TEST_CASE("onnx: what has no ONNX form says where it is") {
  tg::Rng rng(2);
  tg::Sequential net{tg::Linear(2, 3, rng), Gaussian()};
  const std::string hint = "; compute it from ops that have one (docs/export.md)";
  CHECK(error_of(net, 2) == "[onnx] 1.gaussian: op 'gaussian' has no ONNX form" + hint);
  CHECK(error_of(net, 5) == "0.linear: [matmul] inner dimensions differ: 11x5 * (3x2)^T");
  const std::vector<tg::Index> numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const auto error = [&](const std::function<tg::Var(tg::Var)>& f) {
    Function layer(f);
    return error_of(layer, 2);
  };
  for (const auto& [name, f] : std::vector<std::pair<std::string, std::function<tg::Var(tg::Var)>>>{
           {"select_rows", [&](tg::Var x) { return tg::select_rows(x, numbers); }},
           {"scatter_rows", [&](tg::Var x) { return tg::scatter_rows(x, numbers, 11); }},
           {"gather", [&](tg::Var x) { return tg::gather(x, numbers, {11, 1}); }},
           {"scatter", [&](tg::Var x) { return tg::scatter(tg::slice_cols(x, 0, 1), numbers, {11, 2}); }},
           {"concat_rows", [&](tg::Var x) {
              return x + tg::mean(tg::concat_rows({x, x}), tg::Axis::rows);
            }}})
    CHECK(error(f) == "[onnx] function: op '" + name + "' has no ONNX form" + hint);
}

TEST_CASE("onnx: a network that depends on the size of the batch") {
  Function fixed([](tg::Var x) { return x + x.tape().input(tg::Matrix(tg::Matrix::Ones(x.rows(), x.cols()))); });
  CHECK(error_of(fixed, 2) ==
        "[onnx] function: a constant has as many rows as the batch that was recorded, 11: the network would work "
        "for that "
        "size only");
  Function turned([](tg::Var x) { return tg::transpose(tg::reshape(x, {3, 11})); });
  CHECK(error_of(turned, 3) ==
        "[onnx] function: op 'reshape' makes 3x11 of 11x3 for a batch of 11: the network would work for "
        "that size only");
  Function widened([](tg::Var x) { return tg::broadcast_to(tg::sum(x, tg::Axis::rows), {11, 3}); });
  CHECK(error_of(widened, 3) ==
        "[onnx] function: op 'broadcast_to' makes 11x3 of 1x3 for a batch of 11: the network would work "
        "for that size only");
  Function summed([](tg::Var x) { return tg::sum(x, tg::Axis::rows); });
  CHECK(error_of(summed, 3) == "[onnx] the output is 1x3 for an input of 11x3");
  Function constant([](tg::Var x) { return x.tape().input(tg::Matrix(tg::Matrix::Ones(x.rows(), 2))); });
  CHECK(error_of(constant, 3) == "[onnx] the output does not depend on the input");
}

TEST_CASE("onnx: a path that cannot be written is found before anything else") {
  Function summed([](tg::Var x) { return tg::sum(x, tg::Axis::rows); });
  CHECK(error_of(summed, 3, "/nowhere/net.onnx") ==
        "[onnx] /nowhere/net.onnx: cannot be written: No such file or directory");
}
