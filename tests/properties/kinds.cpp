#include "properties/graph.h"

namespace properties {
namespace {

bool broadcasts(std::span<const Shape> x, Shape& result) {
  result = x[0];
  for (const Shape& shape : x.subspan(1)) {
    if (shape.rows != result.rows && shape.rows != 1 && result.rows != 1) return false;
    if (shape.cols != result.cols && shape.cols != 1 && result.cols != 1) return false;
    result.rows = result.rows == 1 ? shape.rows : result.rows;
    result.cols = result.cols == 1 ? shape.cols : result.cols;
  }
  return true;
}

template <class Exact, class Record>
Kind kind(std::string name, std::size_t arity, auto draw, Exact exact, Record record) {
  return {std::move(name), arity, draw, exact, exact, record};
}

/// One operand; the setting p is drawn from low to high.
template <class Exact, class Record>
Kind unary(const char* name, Exact exact, Record record, double low = 0, double high = 0) {
  Kind made = kind(
      name, 1,
      [=](Random& random, std::span<const Shape> x, Node& node) {
        node.shape = x[0];
        node.numbers = {random.number(low, high)};
        return true;
      },
      [=](const Node& node, auto x) {
        auto y = x[0];
        for (auto& each : y.data) each = exact(each, decltype(each + each)(node.p()));
        return y;
      },
      [=](const Node& node, std::span<const Var> x) { return record(x[0], node.p()); });
  made.elementwise = true;
  return made;
}

/// Two operands that broadcast.
template <class Exact, class Record> Kind binary(const char* name, Exact exact, Record record) {
  Kind made = kind(
      name, 2, [](Random&, std::span<const Shape> x, Node& node) { return broadcasts(x, node.shape); },
      [=](const Node& node, auto x) {
        const int rows = static_cast<int>(node.shape.rows), cols = static_cast<int>(node.shape.cols);
        auto y = broadcast(x[0], rows, cols);
        const auto b = broadcast(x[1], rows, cols);
        for (std::size_t i = 0; i < y.data.size(); ++i) y.data[i] = exact(y.data[i], b.data[i]);
        return y;
      },
      [=](const Node&, std::span<const Var> x) { return record(x[0], x[1]); });
  made.elementwise = true;
  return made;
}

/// All of a matrix, its columns or its rows become one row, column or number.
template <class Exact, class Record> Kind reduction(const char* name, Exact exact, Record record) {
  return kind(
      name, 1,
      [](Random& random, std::span<const Shape> x, Node& node) {
        const int axis = random.integer(0, 5);  // the sum of everything ends most of a graph
        node.numbers = {axis == 0 ? 0. : axis < 3 ? 1. : 2.};
        node.shape = {node.p() == 2 ? x[0].rows : 1, node.p() == 1 ? x[0].cols : 1};
        return true;
      },
      [=](const Node& node, auto x) {
        return reduced(x[0], static_cast<int>(node.p()), [&](const auto& part) { return exact(part); });
      },
      [=](const Node& node, std::span<const Var> x) {
        constexpr tg::Axis axes[] = {tg::Axis::all, tg::Axis::rows, tg::Axis::cols};
        return record(x[0], axes[static_cast<int>(node.p())]);
      });
}

/// Every element of the result is an element of x, or 0: `draw` fills shape and indices, of the result's elements in x.
template <class Record> Kind choice(const char* name, auto draw, auto from, Record record) {
  return kind(
      name, 1, draw,
      [=](const Node& node, auto x) {
        auto y = x[0];
        y = {static_cast<int>(node.shape.rows), static_cast<int>(node.shape.cols)};
        for (int i = 0; i < y.rows; ++i)
          for (int j = 0; j < y.cols; ++j) {
            const int at = from(node, i, j, x[0].cols);
            if (at >= 0) y(i, j) = x[0].data[static_cast<std::size_t>(at)];
          }
        return y;
      },
      record);
}

int integer(double x) { return static_cast<int>(x); }
/// a for x > 0, else b
template <class S> S positive(S x, S a, S b) { return x > S(0) ? a : b; }
/// x held between two numbers; with slope 0 on the bounds, or 1
template <class S> S inside(S x, double low, double high) {
  return x > S(low) ? x < S(high) ? x : S(high) : S(low);
}
template <class S> S held(S x, double low, double high) { return x < S(low) ? S(low) : x > S(high) ? S(high) : x; }

void add_arithmetic(std::vector<Kind>& all) {
  using V = Var;
  all.push_back(unary(
      "neg", [](auto x, auto) { return x * -1; }, [](V x, double) { return -x; }));
  all.push_back(unary(
      "add_scalar", [](auto x, auto p) { return x + p; }, [](V x, double p) { return x + p; }, -2, 2));
  all.push_back(unary(
      "sub_from_scalar", [](auto x, auto p) { return p - x; }, [](V x, double p) { return p - x; }, -2, 2));
  all.push_back(unary(
      "mul_scalar", [](auto x, auto p) { return p * x; }, [](V x, double p) { return p * x; }, -1.5, 1.5));
  all.push_back(unary(
      "div_scalar", [](auto x, auto p) { return x / p; }, [](V x, double p) { return x / p; }, 0.7, 2));
  all.push_back(unary(
      "divide_scalar", [](auto x, auto p) { return p / (x * x + 1); },
      [](V x, double p) { return p / (square(x) + 1); }, -2, 2));
  all.push_back(unary(
      "exp", [](auto x, auto) { return exp(x * 0.3); }, [](V x, double) { return exp(0.3 * x); }));
  all.push_back(unary(
      "expm1", [](auto x, auto) { return exp(x * 0.3) - 1; }, [](V x, double) { return expm1(0.3 * x); }));
  all.push_back(unary(
      "log", [](auto x, auto) { return log(x * x + 0.5); }, [](V x, double) { return log(square(x) + 0.5); }));
  all.push_back(unary(
      "log1p", [](auto x, auto) { return log(x * x + 1); }, [](V x, double) { return log1p(square(x)); }));
  all.push_back(unary(
      "sqrt", [](auto x, auto) { return sqrt(x * x + 0.3); }, [](V x, double) { return sqrt(square(x) + 0.3); }));
  all.push_back(unary(
      "square", [](auto x, auto) { return x * x * 0.2; }, [](V x, double) { return 0.2 * square(x); }));
  all.push_back(unary(
      "pow", [](auto x, auto) { return x * x * x * 0.05; }, [](V x, double) { return 0.05 * pow(x, 3); }));
  all.push_back(unary(
      "pow", [](auto x, auto p) { return exp(p * log(x * x + 0.7)); },
      [](V x, double p) { return pow(square(x) + 0.7, p); }, -1.5, 1.5));
  all.push_back(unary(
      "sin", [](auto x, auto) { return sin(x); }, [](V x, double) { return sin(x); }));
  all.push_back(unary(
      "cos", [](auto x, auto) { return cos(x); }, [](V x, double) { return cos(x); }));
  all.push_back(unary(
      "sign", [](auto x, auto) { return positive(x, x * 0 + 1, positive(x * -1, x * 0 - 1, x * 0)); },
      [](V x, double) { return sign(x); }));
  all.push_back(unary(
      "abs", [](auto x, auto) { return abs(x); }, [](V x, double) { return abs(x); }));
  all.push_back(unary(
      "clamp", [](auto x, auto p) { return held(x, double(p.a) - 1, double(p.a) + 1); },
      [](V x, double p) { return clamp(x, p - 1, p + 1); }, -1, 1));
  all.push_back(unary(
      "sigmoid_slope", [](auto x, auto) { return sigmoid(x) * sigmoid(x * -1); },
      [](V x, double) { return sigmoid_slope(x); }));
  all.push_back(unary(
      "normal_pdf", [](auto x, auto) { return exp(x * x * -0.5) * 0.39894228040143267793994605993438L; },
      [](V x, double) { return normal_pdf(x); }));
  all.push_back(unary(
      "normal_cdf", [](auto x, auto) { return normal_cdf(x); }, [](V x, double) { return normal_cdf(x); }));
  all.push_back(unary(
      "detach", [](auto x, auto) { return decltype(x)(x.a); }, [](V x, double) { return tg::detach(x); }));
  all.push_back(binary(
      "add", [](auto a, auto b) { return a + b; }, [](V a, V b) { return a + b; }));
  all.push_back(binary(
      "sub", [](auto a, auto b) { return a - b; }, [](V a, V b) { return a - b; }));
  all.push_back(binary(
      "mul", [](auto a, auto b) { return a * b; }, [](V a, V b) { return a * b; }));
  all.push_back(binary(
      "div", [](auto a, auto b) { return a / (b * b + 1); }, [](V a, V b) { return a / (square(b) + 1); }));
  all.push_back(binary(
      "power", [](auto a, auto b) { return exp(b * log(a * a + 0.7)); },
      [](V a, V b) { return pow(square(a) + 0.7, b); }));
  all.push_back(binary(
      "maximum", [](auto a, auto b) { return a > b   ? a
                                             : b > a ? b
                                                     : (a + b) * 0.5; },
      [](V a, V b) { return maximum(a, b); }));
  all.push_back(binary(
      "minimum", [](auto a, auto b) { return a < b   ? a
                                             : b < a ? b
                                                     : (a + b) * 0.5; },
      [](V a, V b) { return minimum(a, b); }));
  all.push_back(binary(
      "where", [](auto a, auto b) { return a > b ? a * b : a; }, [](V a, V b) { return where(a > b, a * b, a); }));
  all.push_back(binary(
      "where", [](auto a, auto b) { return a < b ? b : a * b; }, [](V a, V b) { return where(a >= b, a * b, b); }));
  all.push_back(binary(
      "prelu", [](auto x, auto a) { return positive(x, x, a * x); }, [](V x, V a) { return prelu(x, a); }));
  all.push_back(binary(
      "squared_error", [](auto a, auto b) { return (a - b) * (a - b); },
      [](V a, V b) { return apply(tapegrad::SquaredError{}, a, b); }));
  all.push_back(binary(
      "absolute_error", [](auto a, auto b) { return abs(a - b); },
      [](V a, V b) { return apply(tapegrad::AbsoluteError{}, a, b); }));
  all.push_back(binary(
      "huber_error",
      [](auto a, auto b) {
        const auto d = a - b;
        return d > 1 ? d - 0.5 : d < -1 ? d * -1 - 0.5 : d * d * 0.5;
      },
      [](V a, V b) { return apply(tapegrad::HuberError{}, a, b); }));
  all.push_back(binary(
      "bce_with_logits", [](auto z, auto t) { return softplus(z) - z * t; },
      [](V z, V t) { return apply(tapegrad::BceWithLogits{}, z, t); }));
}

void add_activations(std::vector<Kind>& all) {
  constexpr long double scale = 1.0507009873554804934193349852946L, alpha = 1.6732632423543772848170429916717L;
  const auto f = [](const char* name) { return [name](Var x, double) { return tg::activation(name)(x); }; };
  all.push_back(unary(
      "identity", [](auto x, auto) { return x; }, f("identity")));
  all.push_back(unary(
      "sigmoid", [](auto x, auto) { return sigmoid(x); }, f("sigmoid")));
  all.push_back(unary(
      "tanh", [](auto x, auto) { return tanh(x); }, f("tanh")));
  all.push_back(unary(
      "relu", [](auto x, auto) { return positive(x, x, x * 0); }, f("relu")));
  all.push_back(unary(
      "leaky_relu", [](auto x, auto p) { return positive(x, x, x * p); },
      [](Var x, double p) { return leaky_relu(x, {.negative_slope = p}); }, 0.01, 0.5));
  all.push_back(unary(
      "elu", [](auto x, auto p) { return positive(x, x, p * (exp(x) - 1)); },
      [](Var x, double p) { return elu(x, {.alpha = p}); }, 0.3, 2));
  all.push_back(unary(
      "selu", [](auto x, auto) { return positive(x, x * scale, (exp(x) - 1) * (scale * alpha)); }, f("selu")));
  all.push_back(unary(
      "celu", [](auto x, auto p) { return positive(x, x, p * (exp(x / p) - 1)); },
      [](Var x, double p) { return celu(x, {.alpha = p}); }, 0.3, 2));
  all.push_back(unary(
      "softplus", [](auto x, auto) { return softplus(x); }, f("softplus")));
  all.push_back(unary(
      "log_sigmoid", [](auto x, auto) { return softplus(x * -1) * -1; }, f("log_sigmoid")));
  all.push_back(unary(
      "softsign", [](auto x, auto) { return x / (abs(x) + 1); }, f("softsign")));
  all.push_back(unary(
      "swish", [](auto x, auto p) { return x * sigmoid(p * x); },
      [](Var x, double p) { return swish(x, {.beta = p}); }, 0.3, 2));
  all.push_back(unary(
      "gelu", [](auto x, auto) { return x * normal_cdf(x); }, f("gelu")));
  all.push_back(unary(
      "gelu_tanh",
      [](auto x, auto) {
        return x * sigmoid((x + x * x * x * 0.044715L) * 1.59576912160573071175978423973752747L);
      },
      f("gelu_tanh")));
  all.push_back(unary(
      "mish", [](auto x, auto) { return x * tanh(softplus(x)); }, f("mish")));
  all.push_back(unary(
      "hard_sigmoid", [](auto x, auto) { return inside((x + 3) / 6, 0, 1); }, f("hard_sigmoid")));
  all.push_back(unary(
      "hard_swish", [](auto x, auto) { return x * inside((x + 3) / 6, 0, 1); }, f("hard_swish")));
  all.push_back(unary(
      "hard_tanh", [](auto x, auto) { return inside(x, -1, 1); }, f("hard_tanh")));
  all.push_back(unary(
      "relu6", [](auto x, auto) { return inside(x, 0, 6); }, f("relu6")));
}

void add_reductions(std::vector<Kind>& all) {
  all.push_back(reduction(
      "sum", [](const auto& x) { return sum_of(x); }, [](Var x, tg::Axis axis) { return tg::sum(x, axis); }));
  all.push_back(reduction(
      "mean", [](const auto& x) { return mean_of(x); }, [](Var x, tg::Axis axis) { return tg::mean(x, axis); }));
  all.push_back(reduction(
      "max", [](const auto& x) { return max_of(x); }, [](Var x, tg::Axis axis) { return tg::max(x, axis); }));
  all.push_back(reduction(
      "min",
      [](auto x) {
        for (auto& each : x) each = each * -1;
        return max_of(x) * -1;
      },
      [](Var x, tg::Axis axis) { return tg::min(x, axis); }));
  all.push_back(reduction(
      "logsumexp", [](const auto& x) { return logsumexp_of(x); },
      [](Var x, tg::Axis axis) { return tg::logsumexp(x, axis); }));
  const auto like = [](Random&, std::span<const Shape> x, Node& node) {
    node.shape = x[0];
    return true;
  };
  all.push_back(kind(
      "softmax", 1, like,
      [](const Node&, auto x) {
        auto y = x[0];
        const auto total = reduced(x[0], 2, [](const auto& part) { return logsumexp_of(part); });
        for (int i = 0; i < y.rows; ++i)
          for (int j = 0; j < y.cols; ++j) y(i, j) = exp(y(i, j) - total(i, 0));
        return y;
      },
      [](const Node&, std::span<const Var> x) { return tg::softmax(x[0]); }));
  all.push_back(kind(
      "log_softmax", 1, like,
      [](const Node&, auto x) {
        auto y = x[0];
        const auto total = reduced(x[0], 2, [](const auto& part) { return logsumexp_of(part); });
        for (int i = 0; i < y.rows; ++i)
          for (int j = 0; j < y.cols; ++j) y(i, j) = y(i, j) - total(i, 0);
        return y;
      },
      [](const Node&, std::span<const Var> x) { return tg::log_softmax(x[0]); }));
  all.push_back(kind(
      "standardize", 1,
      [](Random& random, std::span<const Shape> x, Node& node) {
        node.shape = x[0];
        node.numbers = {random.coin() ? 1. : 2., random.number(0.05, 1)};
        return (node.p() == 1 ? x[0].rows : x[0].cols) > 1;
      },
      [](const Node& node, auto x) {
        const int axis = integer(node.p());
        auto d = x[0];
        const auto mean =
            broadcast(reduced(d, axis, [](const auto& part) { return mean_of(part); }), d.rows, d.cols);
        for (std::size_t i = 0; i < d.data.size(); ++i) d.data[i] = d.data[i] - mean.data[i];
        auto square = d;
        for (auto& each : square.data) each = each * each;
        const auto variance =
            broadcast(reduced(square, axis, [](const auto& part) { return mean_of(part); }), d.rows, d.cols);
        for (std::size_t i = 0; i < d.data.size(); ++i)
          d.data[i] = d.data[i] / sqrt(variance.data[i] + node.numbers[1]);
        return d;
      },
      [](const Node& node, std::span<const Var> x) {
        return tg::standardize(x[0], node.p() == 1 ? tg::Axis::rows : tg::Axis::cols, node.numbers[1]);
      }));
}

void add_products(std::vector<Kind>& all) {
  const auto product = [](const auto& a, const auto& b) {
    auto y = a;
    y = {a.rows, b.cols};
    for (int i = 0; i < y.rows; ++i)
      for (int j = 0; j < y.cols; ++j)
        for (int k = 0; k < a.cols; ++k) y(i, j) = y(i, j) + a(i, k) * b(k, j);
    return y;
  };
  all.push_back(kind(
      "matmul", 2,
      [](Random& random, std::span<const Shape> x, Node& node) {
        node.numbers = {random.coin() ? 1. : 0., random.coin() ? 1. : 0.};
        const Shape a = node.numbers[0] == 0 ? x[0] : Shape{x[0].cols, x[0].rows},
                    b = node.numbers[1] == 0 ? x[1] : Shape{x[1].cols, x[1].rows};
        node.shape = {a.rows, b.cols};
        return a.cols == b.rows;
      },
      [=](const Node& node, auto x) {
        return product(node.numbers[0] == 0 ? x[0] : transposed(x[0]),
                       node.numbers[1] == 0 ? x[1] : transposed(x[1]));
      },
      [](const Node& node, std::span<const Var> x) {
        return tg::matmul(x[0], x[1], {node.numbers[0] != 0, node.numbers[1] != 0});
      }));
  all.push_back(kind(
      "linear", 2,
      [](Random&, std::span<const Shape> x, Node& node) {
        node.shape = {x[0].rows, x[1].rows};
        return x[0].cols == x[1].cols;
      },
      [=](const Node&, auto x) {
        auto y = product(x[0], transposed(x[1]));
        const auto bias = reduced(x[1], 2, [](const auto& part) { return sum_of(part); });
        for (int i = 0; i < y.rows; ++i)
          for (int j = 0; j < y.cols; ++j) y(i, j) = y(i, j) + bias(j, 0);
        return y;
      },
      [](const Node&, std::span<const Var> x) {
        return tg::linear(x[0], x[1], tg::transpose(tg::sum(x[1], tg::Axis::cols)));
      }));
}

void add_choices(std::vector<Kind>& all) {
  all.push_back(choice(
      "transpose",
      [](Random&, std::span<const Shape> x, Node& node) {
        node.shape = {x[0].cols, x[0].rows};
        return true;
      },
      [](const Node&, int i, int j, int cols) { return j * cols + i; },
      [](const Node&, std::span<const Var> x) { return tg::transpose(x[0]); }));
  all.push_back(choice(
      "broadcast_to",
      [](Random& random, std::span<const Shape> x, Node& node) {
        node.shape = {x[0].rows == 1 ? random.integer(1, 5) : x[0].rows,
                      x[0].cols == 1 ? random.integer(1, 6) : x[0].cols};
        node.numbers = {x[0].rows == 1 ? 0. : 1., x[0].cols == 1 ? 0. : 1.};
        return true;
      },
      [](const Node& node, int i, int j, int cols) {
        return i * integer(node.numbers[0]) * cols + j * integer(node.numbers[1]);
      },
      [](const Node& node, std::span<const Var> x) { return tg::broadcast_to(x[0], node.shape); }));
  all.push_back(choice(
      "slice_cols",
      [](Random& random, std::span<const Shape> x, Node& node) {
        const int cols = static_cast<int>(x[0].cols), first = random.integer(0, cols - 1);
        node.numbers = {double(first)};
        node.shape = {x[0].rows, random.integer(1, cols - first)};
        return true;
      },
      [](const Node& node, int i, int j, int cols) { return i * cols + integer(node.p()) + j; },
      [](const Node& node, std::span<const Var> x) {
        return tg::slice_cols(x[0], integer(node.p()), node.shape.cols);
      }));
  all.push_back(choice(
      "pad_cols",
      [](Random& random, std::span<const Shape> x, Node& node) {
        node.numbers = {double(random.integer(0, 2)), double(random.integer(0, 2))};
        node.shape = {x[0].rows, x[0].cols + integer(node.numbers[0]) + integer(node.numbers[1])};
        return true;
      },
      [](const Node& node, int i, int j, int cols) {
        const int at = j - integer(node.p());
        return at < 0 || at >= cols ? -1 : i * cols + at;
      },
      [](const Node& node, std::span<const Var> x) {
        return tg::pad_cols(x[0], integer(node.numbers[0]), integer(node.numbers[1]));
      }));
  all.push_back(kind(
      "concat_cols", 2,
      [](Random&, std::span<const Shape> x, Node& node) {
        node.shape = {x[0].rows, x[0].cols + x[1].cols};
        return x[0].rows == x[1].rows;
      },
      [](const Node&, auto x) {
        auto y = x[0];
        y = {x[0].rows, x[0].cols + x[1].cols};
        for (int i = 0; i < y.rows; ++i)
          for (int j = 0; j < y.cols; ++j) y(i, j) = j < x[0].cols ? x[0](i, j) : x[1](i, j - x[0].cols);
        return y;
      },
      [](const Node&, std::span<const Var> x) { return tg::concat_cols(x); }));
  const auto draw_indices = [](Random& random, Node& node, Index count, Index below) {
    for (Index i = 0; i < count; ++i) node.indices.push_back(random.integer(0, static_cast<int>(below) - 1));
    return true;
  };
  all.push_back(choice(
      "select_rows",
      [=](Random& random, std::span<const Shape> x, Node& node) {
        node.shape = {random.integer(1, 5), x[0].cols};
        return draw_indices(random, node, node.shape.rows, x[0].rows);
      },
      [](const Node& node, int i, int j, int cols) {
        return static_cast<int>(node.indices[static_cast<std::size_t>(i)]) * cols + j;
      },
      [](const Node& node, std::span<const Var> x) {
        return tg::select_rows(x[0], std::span<const Index>(node.indices));
      }));
  all.push_back(choice(
      "gather",
      [=](Random& random, std::span<const Shape> x, Node& node) {
        node.shape = {random.integer(1, 4), random.integer(1, 6)};
        return draw_indices(random, node, node.shape.size(), x[0].size());
      },
      [](const Node& node, int i, int j, int) {
        return static_cast<int>(node.indices[static_cast<std::size_t>(i * node.shape.cols + j)]);
      },
      [](const Node& node, std::span<const Var> x) {
        return tg::gather(x[0], std::span<const Index>(node.indices), node.shape);
      }));
}

/// Pairs of columns become one.
template <class Exact, class Record> Kind of_halves(const char* name, Exact exact, Record record) {
  return kind(
      name, 1,
      [](Random&, std::span<const Shape> x, Node& node) {
        node.shape = {x[0].rows, x[0].cols / 2};
        return x[0].cols % 2 == 0;
      },
      [=](const Node&, auto x) {
        auto y = x[0];
        y = {x[0].rows, x[0].cols / 2};
        for (int i = 0; i < y.rows; ++i)
          for (int j = 0; j < y.cols; ++j) y(i, j) = exact(x[0], i, j);
        return y;
      },
      [=](const Node&, std::span<const Var> x) { return record(x[0]); });
}

/// The mean over the rows of −Σ target·ln softmax, where the target is a label, a row of numbers, or mostly a label.
Kind cross_entropy(const char* name, std::size_t arity, double smoothing, bool logarithms, auto record) {
  return kind(
      name, arity,
      [](Random& random, std::span<const Shape> x, Node& node) {
        for (Index i = 0; i < x[0].rows; ++i)
          node.indices.push_back(random.integer(0, static_cast<int>(x[0].cols) - 1));
        node.shape = {1, 1};
        return x.size() == 1 || x[0] == x[1];
      },
      [=](const Node& node, auto x) {
        auto loss = reduced(x[0], 0, [](const auto& part) { return part[0] * 0; });
        const auto total = reduced(x[0], 2, [](const auto& part) { return logsumexp_of(part); });
        for (int i = 0; i < x[0].rows; ++i)
          for (int j = 0; j < x[0].cols; ++j) {
            auto target = loss(0, 0) * 0 + (node.indices[static_cast<std::size_t>(i)] == j ? 1 : 0);
            if (x.size() == 2) target = x[1](i, j);
            target = target * (1 - smoothing) + smoothing / x[0].cols;
            loss(0, 0) = loss(0, 0) - target * (logarithms ? x[0](i, j) : x[0](i, j) - total(i, 0)) / x[0].rows;
          }
        return loss;
      },
      record);
}

void add_rows(std::vector<Kind>& all) {
  const auto labels = [](const Node& node) { return std::vector<int>(node.indices.begin(), node.indices.end()); };
  all.push_back(of_halves(
      "glu", [](const auto& x, int i, int j) { return x(i, j) * sigmoid(x(i, j + x.cols / 2)); },
      [](Var x) { return tg::glu(x); }));
  all.push_back(of_halves(
      "maxout",
      [](const auto& x, int i, int j) { return x(i, 2 * j + 1) > x(i, 2 * j) ? x(i, 2 * j + 1) : x(i, 2 * j); },
      [](Var x) { return tg::maxout(x, 2); }));
  all.push_back(cross_entropy("cross_entropy", 1, 0, false, [=](const Node& node, std::span<const Var> x) {
    return tg::cross_entropy(x[0], labels(node));
  }));
  all.push_back(cross_entropy("cross_entropy", 1, 0.125, false, [=](const Node& node, std::span<const Var> x) {
    return tg::cross_entropy(x[0], labels(node), {.label_smoothing = 0.125});
  }));
  all.push_back(cross_entropy("cross_entropy", 2, 0, false,
                              [](const Node&, std::span<const Var> x) { return tg::cross_entropy(x[0], x[1]); }));
  all.push_back(cross_entropy(
      "nll", 1, 0, true, [=](const Node& node, std::span<const Var> x) { return tg::nll(x[0], labels(node)); }));
}

}  // namespace

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = [] {
    std::vector<Kind> list;
    add_arithmetic(list);
    add_activations(list);
    add_reductions(list);
    add_products(list);
    add_choices(list);
    add_rows(list);
    return list;
  }();
  return all;
}

}  // namespace properties
