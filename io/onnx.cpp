#include "tapegrad/io/onnx.h"

#include <fmt/format.h>
#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include <map>
#include <numbers>

#include "tapegrad/core/file.h"
#include "tapegrad/core/matmul.h"
#include "tapegrad/core/softmax.h"
#include "tapegrad/core/standardization.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using Names = std::vector<std::string>;

/// Rows of the batch that is recorded: a number that sizes of layers seldom have.
constexpr Index batch = 11;

/// The graph that is written. Every function returns the name of its result.
class Graph {
 public:
  struct Attribute {
    Attribute(const char* name, double value) : proto(named(name, onnx::AttributeProto::FLOAT)) {
      proto.set_f(static_cast<float>(value));
    }
    Attribute(const char* name, int value) : proto(named(name, onnx::AttributeProto::INT)) { proto.set_i(value); }
    Attribute(const char* name, const std::vector<std::int64_t>& values)
        : proto(named(name, onnx::AttributeProto::INTS)) {
      proto.mutable_ints()->Add(values.begin(), values.end());
    }
    static onnx::AttributeProto named(const char* name, onnx::AttributeProto::AttributeType type) {
      onnx::AttributeProto made;
      made.set_name(name);
      made.set_type(type);
      return made;
    }
    onnx::AttributeProto proto;
  };
  using Attributes = std::vector<Attribute>;

  std::string op(const char* type, const Names& operands, const Attributes& attributes = {},
                 std::string name = {}) {
    if (name.empty()) name = fmt::format("/{}_{}", type, ++count_);
    onnx::NodeProto& node = *graph_.add_node();
    node.set_op_type(type);
    for (const std::string& each : operands) node.add_input(each);
    node.add_output(name);
    for (const Attribute& each : attributes) *node.add_attribute() = each.proto;
    return name;
  }
  /// A number, as a tensor without dimensions.
  std::string number(double value) {
    onnx::TensorProto& tensor = add_tensor({}, onnx::TensorProto::FLOAT);
    tensor.add_float_data(static_cast<float>(value));
    return tensor.name();
  }
  std::string integers(const std::vector<std::int64_t>& values) {
    onnx::TensorProto& tensor = add_tensor({}, onnx::TensorProto::INT64);
    tensor.add_dims(static_cast<std::int64_t>(values.size()));
    tensor.mutable_int64_data()->Add(values.begin(), values.end());
    return tensor.name();
  }
  template <class T> std::string matrix(const std::string& name, const BasicView<T>& m) {
    onnx::TensorProto& tensor = add_tensor(name, onnx::TensorProto::FLOAT);
    tensor.add_dims(m.rows());
    tensor.add_dims(m.cols());
    const BasicMatrix<float> values = m.template cast<float>();
    tensor.set_raw_data(values.data(), static_cast<std::size_t>(values.size()) * sizeof(float));
    return tensor.name();
  }
  static void describe(onnx::ValueInfoProto& value, const char* name, Index cols) {
    value.set_name(name);
    onnx::TypeProto::Tensor& type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param("batch");
    type.mutable_shape()->add_dim()->set_dim_value(cols);
  }
  std::string model(Index inputs, Index outputs) {
    graph_.set_name("tapegrad");
    describe(*graph_.add_input(), "input", inputs);
    describe(*graph_.add_output(), "output", outputs);
    onnx::ModelProto model;
    model.set_ir_version(8);
    model.set_producer_name("tapegrad");
    model.add_opset_import()->set_version(17);
    model.mutable_graph()->Swap(&graph_);
    try {
      onnx::checker::check_model(model);
    } catch (const std::runtime_error& error) {
      fail("onnx", error.what());
    }
    std::string bytes;
    if (!model.SerializeToString(&bytes))
      fail("onnx", "the model is larger than 2 GiB, the most that Protobuf can hold");
    return bytes;
  }

 private:
  onnx::TensorProto& add_tensor(std::string name, onnx::TensorProto::DataType type) {
    if (name.empty()) name = fmt::format("/constant_{}", ++count_);
    onnx::TensorProto& tensor = *graph_.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    return tensor;
  }

  onnx::GraphProto graph_;
  int count_ = 0;
};

/// A recorded node, its operands by their names in the graph, and short names to write it with.
template <class T> struct Recorded {
  Graph& graph;
  const BasicTape<T>& tape;
  const Node<T>& node;
  std::string where;  ///< "1.gaussian: "
  Names in;

  using Attributes = Graph::Attributes;
  std::string x() const { return in[0]; }
  std::string op(const char* type, const Names& operands, const Attributes& attributes = {}) const {
    return graph.op(type, operands, attributes);
  }
  std::string op(const char* type, const std::string& a, double b) const { return op(type, {a, graph.number(b)}); }
  std::string op(const char* type, double a, const std::string& b) const { return op(type, {graph.number(a), b}); }
  Shape shape(std::size_t k) const { return tape.node(node.parents[k]).shape(); }
  /// The op's rule, or what else it remembers.
  template <class Kept> Kept kept() const {
    if constexpr (std::is_empty_v<Kept>)
      return {};
    else
      return *static_cast<const Kept*>(node.attributes);
  }
  double scalar() const { return kept<AddScalar>().scalar; }
  /// Throws unless the rows of the result are known for every batch.
  void check_rows(bool known) const {
    if (!known)
      fail("onnx",
           fmt::format("{}op '{}' makes {} of {} for a batch of {}: the network would work for that size only",
                       where, node.op->name, to_string(node.shape()), to_string(shape(0)), batch));
  }
  /// A reduction over the dimensions in which the result has size 1.
  std::string reduced(const char* type) const {
    std::vector<std::int64_t> axes;
    if (shape(0).rows != node.shape().rows) axes.push_back(0);
    if (shape(0).cols != node.shape().cols) axes.push_back(1);
    if (axes.empty()) return x();
    if (std::string_view(type) == "ReduceSum") return op(type, {x(), graph.integers(axes)});
    return op(type, {x()}, {{"axes", axes}});
  }
  std::string mask(const char* type) const {
    return op("Cast", {op(type, in)}, {{"to", static_cast<int>(onnx::TensorProto::FLOAT)}});
  }
  /// Φ(x)
  std::string normal_cdf() const {
    return op("Mul", op("Add", op("Erf", {op("Mul", x(), std::numbers::sqrt2 / 2)}), 1), 0.5);
  }
};

template <class T> using Write = std::string (*)(const Recorded<T>& r);

/// Ops that ONNX has under another name.
const std::map<std::string_view, const char*> same = {{"identity", "Identity"}, {"detach", "Identity"},
                                                      {"relu", "Relu"},         {"sigmoid", "Sigmoid"},
                                                      {"tanh", "Tanh"},         {"selu", "Selu"},
                                                      {"softplus", "Softplus"}, {"softsign", "Softsign"},
                                                      {"softmax", "Softmax"},   {"prelu", "PRelu"},
                                                      {"exp", "Exp"},           {"hard_swish", "HardSwish"},
                                                      {"log", "Log"},           {"log_softmax", "LogSoftmax"},
                                                      {"sqrt", "Sqrt"},         {"abs", "Abs"},
                                                      {"sign", "Sign"},         {"sin", "Sin"},
                                                      {"cos", "Cos"},           {"neg", "Neg"},
                                                      {"add", "Add"},           {"sub", "Sub"},
                                                      {"mul", "Mul"},           {"div", "Div"},
                                                      {"power", "Pow"},         {"maximum", "Max"},
                                                      {"minimum", "Min"},       {"transpose", "Transpose"}};

/// The others, made of what ONNX has.
template <class T> using Forms = std::map<std::string_view, Write<T>>;

template <class T> const Forms<T>& activation_forms() {
  using R = const Recorded<T>&;
  static const Forms<T> all = {
      {"leaky_relu",
       [](R r) {
         return r.op("LeakyRelu", r.in, {{"alpha", r.template kept<LeakyRelu>().negative_slope}});
       }},
      {"elu",
       [](R r) {
         return r.op("Elu", r.in, {{"alpha", r.template kept<Elu>().alpha}});
       }},
      {"celu",
       [](R r) {
         return r.op("Celu", r.in, {{"alpha", r.template kept<Celu>().alpha}});
       }},
      {"swish",
       [](R r) {
         return r.op("Mul", {r.x(), r.op("Sigmoid", {r.op("Mul", r.x(), r.template kept<Swish>().beta)})});
       }},
      {"gelu",
       [](R r) {
         return r.op("Mul", {r.x(), r.normal_cdf()});
       }},
      {"gelu_tanh",
       [](R r) {
         const std::string inner = r.op("Add", r.op("Mul", r.op("Mul", {r.x(), r.x()}), GeluTanh::cubic), 1);
         const std::string u = r.op("Mul", {r.op("Mul", r.x(), GeluTanh::twice_root), inner});
         return r.op("Mul", {r.x(), r.op("Sigmoid", {u})});
       }},
      {"mish",
       [](R r) {
         return r.op("Mul", {r.x(), r.op("Tanh", {r.op("Softplus", {r.x()})})});
       }},
      {"hard_sigmoid",
       [](R r) {
         return r.op("HardSigmoid", r.in, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
       }},
      {"hard_tanh",
       [](R r) {
         return r.op("Clip", {r.x(), r.graph.number(-1), r.graph.number(1)});
       }},
      {"relu6",
       [](R r) {
         return r.op("Clip", {r.x(), r.graph.number(0), r.graph.number(6)});
       }},
      {"log_sigmoid", [](R r) { return r.op("Neg", {r.op("Softplus", {r.op("Neg", {r.x()})})}); }},
      {"maxout",
       [](R r) {
         const Index cols = r.node.shape().cols, pieces = cols == 0 ? 1 : r.shape(0).cols / cols;
         return r.op("ReduceMax", {r.op("Reshape", {r.x(), r.graph.integers({-1, cols, pieces})})},
                     {{"axes", std::vector<std::int64_t>{2}}, {"keepdims", 0}});
       }},
  };
  return all;
}

template <class T> const Forms<T>& arithmetic_forms() {
  using R = const Recorded<T>&;
  static const Forms<T> all = {
      {"add_scalar", [](R r) { return r.op("Add", r.x(), r.scalar()); }},
      {"sub_from_scalar", [](R r) { return r.op("Sub", r.scalar(), r.x()); }},
      {"mul_scalar", [](R r) { return r.op("Mul", r.x(), r.scalar()); }},
      {"div_scalar", [](R r) { return r.op("Div", r.x(), r.scalar()); }},
      {"divide_scalar", [](R r) { return r.op("Div", r.scalar(), r.x()); }},
      {"expm1", [](R r) { return r.op("Sub", r.op("Exp", {r.x()}), 1); }},
      {"log1p", [](R r) { return r.op("Log", {r.op("Add", r.x(), 1)}); }},
      {"square",
       [](R r) {
         return r.op("Mul", {r.x(), r.x()});
       }},
      {"pow", [](R r) { return r.op("Pow", r.x(), r.template kept<Pow>().exponent); }},
      {"clamp",
       [](R r) {
         const auto [low, high] = r.template kept<Clamp>();
         return r.op("Clip", {r.x(), r.graph.number(low), r.graph.number(high)});
       }},
      {"greater", [](R r) { return r.mask("Greater"); }},
      {"greater_equal", [](R r) { return r.mask("GreaterOrEqual"); }},
      {"where",
       [](R r) {
         const std::string mask = r.op("Cast", {r.x()}, {{"to", static_cast<int>(onnx::TensorProto::BOOL)}});
         return r.op("Where", {mask, r.in[1], r.in[2]});
       }},
      {"normal_cdf", [](R r) { return r.normal_cdf(); }},
  };
  return all;
}

template <class T> const Forms<T>& structured_forms() {
  using R = const Recorded<T>&;
  static const Forms<T> all = {
      {"linear",
       [](R r) {
         return r.op("Gemm", r.in, {{"transB", 1}});
       }},
      {"matmul",
       [](R r) {
         const auto [a, b] = r.template kept<MatmulOptions>();
         return r.op("Gemm", r.in, {{"transA", static_cast<int>(a)}, {"transB", static_cast<int>(b)}});
       }},
      {"sum", [](R r) { return r.reduced("ReduceSum"); }},
      {"mean", [](R r) { return r.reduced("ReduceMean"); }},
      {"max", [](R r) { return r.reduced("ReduceMax"); }},
      {"min", [](R r) { return r.reduced("ReduceMin"); }},
      {"logsumexp", [](R r) { return r.reduced("ReduceLogSumExp"); }},
      {"standardize",
       [](R r) {
         const auto [axis, eps] = r.template kept<Standardization>();
         std::vector<std::int64_t> axes;
         if (axis != Axis::cols) axes.push_back(0);
         if (axis != Axis::rows) axes.push_back(1);
         const auto mean = [&](const std::string& of) { return r.op("ReduceMean", {of}, {{"axes", axes}}); };
         const std::string centred = r.op("Sub", {r.x(), mean(r.x())});
         const std::string variance = mean(r.op("Mul", {centred, centred}));
         return r.op("Div", {centred, r.op("Sqrt", {r.op("Add", variance, eps)})});
       }},
      {"concat_cols",
       [](R r) {
         return r.op("Concat", r.in, {{"axis", 1}});
       }},
      {"reshape",
       [](R r) {
         r.check_rows(r.node.shape().rows % batch == 0);
         return r.op("Reshape", {r.x(), r.graph.integers({-1, r.node.shape().cols})});
       }},
      {"broadcast_to",
       [](R r) {
         r.check_rows(r.node.shape().rows == r.shape(0).rows);
         return r.op("Expand", {r.x(), r.graph.integers({1, r.node.shape().cols})});
       }},
      {"slice_cols",
       [](R r) {
         const Index first = r.template kept<Index>();
         const auto number = [&](Index i) { return r.graph.integers({i}); };
         return r.op("Slice", {r.x(), number(first), number(first + r.node.shape().cols), number(1)});
       }},
      {"pad_cols",
       [](R r) {
         const Index before = r.template kept<Index>(), after = r.node.shape().cols - before - r.shape(0).cols;
         return r.op("Pad", {r.x(), r.graph.integers({0, before, 0, after})});
       }},
  };
  return all;
}

template <class T> Write<T> form_of(std::string_view op) {
  for (const Forms<T>* const forms : {&activation_forms<T>(), &arithmetic_forms<T>(), &structured_forms<T>()})
    if (const auto found = forms->find(op); found != forms->end()) return found->second;
  return nullptr;
}

/// Writes the nodes between the input and the output of a recorded call.
template <class T> class Exporter {
 public:
  Exporter(BasicModule<T>& net, BasicTape<T>& tape, NodeIndex input) : net_(net), tape_(tape), names_(tape.size()) {
    names_[input] = "input";
    depends_.resize(tape.size());
    depends_[input] = 1;
    for (NodeIndex i = input; i < tape.size(); ++i)
      for (std::uint32_t k = 0; k < tape.node(i).parent_count; ++k)
        depends_[i] = depends_[i] || depends_[tape.node(i).parents[k]];
  }
  std::string model(Index inputs, NodeIndex output) {
    if (!depends_[output]) fail("onnx", "the output does not depend on the input");
    std::vector<char> needed(tape_.size());
    needed[output] = 1;
    for (NodeIndex i = output + 1; i-- > 0;)
      for (std::uint32_t k = 0; needed[i] && depends_[i] && k < tape_.node(i).parent_count; ++k)
        needed[tape_.node(i).parents[k]] = 1;
    for (NodeIndex i = 0; i <= output; ++i)
      if (needed[i] && names_[i].empty()) names_[i] = depends_[i] ? written(i) : constant(i);
    graph_.op("Identity", {names_[output]}, {}, "output");
    return graph_.model(inputs, tape_.node(output).shape().cols);
  }

 private:
  std::string constant(NodeIndex i) {
    std::string name;
    for (const auto& [path, parameter] : net_.named_parameters())
      if (parameter.value().data() == tape_.node(i).value && path != "input" && path != "output") name = path;
    return graph_.matrix(name, tape_.var(i).value());
  }
  std::string written(NodeIndex i) {
    const Node<T>& node = tape_.node(i);
    Recorded<T> recorded{graph_, tape_, node, where(node), {}};
    const bool product = node.op->name == "linear" || node.op->name == "matmul";
    for (std::uint32_t k = 0; k < node.parent_count; ++k) {
      const NodeIndex parent = node.parents[k];
      if (!product && !depends_[parent] && tape_.node(parent).rows == batch)
        fail("onnx",
             fmt::format("{}a constant has as many rows as the batch that was recorded, {}: the network would "
                         "work for that size only",
                         recorded.where, batch));
      recorded.in.push_back(names_[parent]);
    }
    if (const auto found = same.find(node.op->name); found != same.end())
      return recorded.op(found->second, recorded.in);
    const Write<T> form = form_of<T>(node.op->name);
    if (form == nullptr)
      fail("onnx", fmt::format("{}op '{}' has no ONNX form; compute it from ops that have one (docs/export.md)",
                               recorded.where, node.op->name));
    return form(recorded);
  }
  /// "1.gaussian: "
  std::string where(const Node<T>& node) {
    for (const auto& [path, module] : net_.named_modules())
      if (module == node.owner) return fmt::format("{}{}{}: ", path, path.empty() ? "" : ".", module->kind());
    return {};
  }

  BasicModule<T>& net_;
  BasicTape<T>& tape_;
  Graph graph_;
  Names names_;                ///< of the nodes of the tape in the graph
  std::vector<char> depends_;  ///< on the input
};

}  // namespace

template <class T> void save_onnx(BasicModule<T>& net, Index features, const std::string& path) {
  check_writable("onnx", path);
  const EvalScope eval;
  BasicTape<T> tape;
  const auto no_grad = tape.no_grad();
  const BasicVar<T> input = tape.input(BasicMatrix<T>::Zero(batch, features));
  const BasicVar<T> output = net(input);
  if (output.rows() != batch)
    fail("onnx",
         fmt::format("the output is {} for an input of {}", to_string(output.shape()), to_string(input.shape())));
  write_whole_file("onnx", path, Exporter<T>(net, tape, input.index()).model(features, output.index()));
}

template void save_onnx(BasicModule<float>&, Index, const std::string&);
template void save_onnx(BasicModule<double>&, Index, const std::string&);

}  // namespace tapegrad
