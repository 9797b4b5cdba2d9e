// Every activation and elementwise op, forward, and forward with backward, beside the plain Eigen expression.

#include <tapegrad/tapegrad.h>

#include <cmath>

#include "micro.h"

namespace tg = tapegrad;

namespace bench {
namespace {

using Array = Eigen::ArrayXf;

tg::Matrix random_row(long size, double low, double high) {
  tg::Rng rng(7);
  tg::Matrix x(1, size);
  for (float& value : x.reshaped()) value = static_cast<float>(rng.uniform(low, high));
  return x;
}

/// `f` records the op; `value` and `slope` assign Eigen's expressions for f(x) and for g·f′(x).
/// The input and the incoming gradient are there already, on both sides.
template <class F, class Value, class Slope>
void unary(const std::string& name, F f, Value value, Slope slope, double low = -3, double high = 3) {
  for (const long size : elementwise_sizes) {
    const std::string at = "/" + std::to_string(size) + "/";
    add("forward/" + name + at + "tapegrad", size, [=](benchmark::State& state) {
      const tg::Matrix x = random_row(size, low, high);
      tg::Tape tape;
      for (auto _ : state) {
        tape.reset();
        benchmark::DoNotOptimize(f(tape.borrow(x)).value().data());
      }
    });
    add("forward/" + name + at + "eigen", size, [=](benchmark::State& state) {
      const Array x = random_row(size, low, high).reshaped();
      Array y(size);
      for (auto _ : state) {
        value(x, y);
        benchmark::DoNotOptimize(y.data());
        benchmark::ClobberMemory();
      }
    });
    add("forward+backward/" + name + at + "tapegrad", size, [=](benchmark::State& state) {
      const tg::Matrix values = random_row(size, low, high);
      const tg::Matrix seed = random_row(size, 0, 1);
      tg::Tape tape;
      for (auto _ : state) {
        tape.reset();
        const tg::Var x = tape.borrow(values, {.requires_grad = true});
        f(x).backward(tape.borrow(seed));
        benchmark::DoNotOptimize(x.grad().data());
      }
    });
    add("forward+backward/" + name + at + "eigen", size, [=](benchmark::State& state) {
      const Array x = random_row(size, low, high).reshaped();
      const Array g = random_row(size, 0, 1).reshaped();
      Array y(size), dx(size);
      for (auto _ : state) {
        value(x, y);
        slope(g, x, y, dx);
        benchmark::DoNotOptimize(dx.data());
        benchmark::ClobberMemory();
      }
    });
  }
}

#define TAPEGRAD_UNARY(f) [](tg::Var v) { return tg::f(v); }
#define EIGEN_VALUE(...) [](const Array& x, Array& result) { result = __VA_ARGS__; }
#define EIGEN_SLOPE(...)                                                                                \
  []([[maybe_unused]] const Array& g, [[maybe_unused]] const Array& x, [[maybe_unused]] const Array& y, \
     Array& result) { result = __VA_ARGS__; }

void activations() {
  unary("identity", TAPEGRAD_UNARY(identity), EIGEN_VALUE(x), EIGEN_SLOPE(g));
  unary("relu", TAPEGRAD_UNARY(relu), EIGEN_VALUE(x.max(0.0F)), EIGEN_SLOPE((x > 0.0F).select(g, 0.0F)));
  unary("leaky_relu", TAPEGRAD_UNARY(leaky_relu), EIGEN_VALUE((x > 0.0F).select(x, 0.01F * x)),
        EIGEN_SLOPE((x > 0.0F).select(g, 0.01F * g)));
  unary("sigmoid", TAPEGRAD_UNARY(sigmoid), EIGEN_VALUE(x.logistic()), EIGEN_SLOPE(g * y * (1.0F - y)));
  unary("tanh", TAPEGRAD_UNARY(tanh), EIGEN_VALUE(x.tanh()), EIGEN_SLOPE(g * (1.0F - y.square())));
  unary("elu", TAPEGRAD_UNARY(elu), EIGEN_VALUE((x > 0.0F).select(x, x.expm1())),
        EIGEN_SLOPE((x > 0.0F).select(g, g * (y + 1.0F))));
  unary("selu", TAPEGRAD_UNARY(selu), EIGEN_VALUE((x > 0.0F).select(1.0507F * x, 1.7581F * x.expm1())),
        EIGEN_SLOPE((x > 0.0F).select(1.0507F * g, g * (y + 1.7581F))));
  unary("celu", TAPEGRAD_UNARY(celu), EIGEN_VALUE((x > 0.0F).select(x, x.expm1())),
        EIGEN_SLOPE((x > 0.0F).select(g, g * (y + 1.0F))));
  unary("softplus", TAPEGRAD_UNARY(softplus), EIGEN_VALUE(x.max(0.0F) + (-x.abs()).exp().log1p()),
        EIGEN_SLOPE(g * x.logistic()));
  unary("log_sigmoid", TAPEGRAD_UNARY(log_sigmoid), EIGEN_VALUE(x.min(0.0F) - (-x.abs()).exp().log1p()),
        EIGEN_SLOPE(g * (-x).logistic()));
  unary("softsign", TAPEGRAD_UNARY(softsign), EIGEN_VALUE(x / (1.0F + x.abs())),
        EIGEN_SLOPE(g / (1.0F + x.abs()).square()));
  unary("swish", TAPEGRAD_UNARY(swish), EIGEN_VALUE(x * x.logistic()),
        EIGEN_SLOPE(g * x.logistic() * (1.0F + x * (1.0F - x.logistic()))));
  unary("gelu", TAPEGRAD_UNARY(gelu),
        EIGEN_VALUE(0.5F * x * x.unaryExpr([](float v) { return std::erfc(-0.70710678F * v); })),
        EIGEN_SLOPE(g * (0.5F * x.unaryExpr([](float v) { return std::erfc(-0.70710678F * v); }) +
                         x * (-0.5F * x.square()).exp() * 0.39894228F)));
  unary("gelu_tanh", TAPEGRAD_UNARY(gelu_tanh),
        EIGEN_VALUE(0.5F * x * (1.0F + (0.79788456F * (x + 0.044715F * x.cube())).tanh())),
        EIGEN_SLOPE(g * (0.5F * (1.0F + (0.79788456F * (x + 0.044715F * x.cube())).tanh()) +
                         0.5F * x * (1.0F - (0.79788456F * (x + 0.044715F * x.cube())).tanh().square()) *
                             (0.79788456F + 0.10703222F * x.square()))));
  unary("mish", TAPEGRAD_UNARY(mish), EIGEN_VALUE(x * x.exp().log1p().tanh()),
        EIGEN_SLOPE(g * (x.exp().log1p().tanh() + x * (1.0F - x.exp().log1p().tanh().square()) * x.logistic())));
  unary("hard_sigmoid", TAPEGRAD_UNARY(hard_sigmoid), EIGEN_VALUE((x + 3.0F).max(0.0F).min(6.0F) * (1.0F / 6)),
        EIGEN_SLOPE((x > -3.0F && x < 3.0F).select(g * (1.0F / 6), 0.0F)), -5, 5);
  unary("hard_swish", TAPEGRAD_UNARY(hard_swish), EIGEN_VALUE(x * (x + 3.0F).max(0.0F).min(6.0F) * (1.0F / 6)),
        EIGEN_SLOPE((x > -3.0F).select((x < 3.0F).select(g * (x * (1.0F / 3) + 0.5F), g), 0.0F)), -5, 5);
  unary("hard_tanh", TAPEGRAD_UNARY(hard_tanh), EIGEN_VALUE(x.max(-1.0F).min(1.0F)),
        EIGEN_SLOPE((x > -1.0F && x < 1.0F).select(g, 0.0F)));
  unary("relu6", TAPEGRAD_UNARY(relu6), EIGEN_VALUE(x.max(0.0F).min(6.0F)),
        EIGEN_SLOPE((x > 0.0F && x < 6.0F).select(g, 0.0F)), -5, 10);
}

void unary_ops() {
  unary("exp", TAPEGRAD_UNARY(exp), EIGEN_VALUE(x.exp()), EIGEN_SLOPE(g * y));
  unary("expm1", TAPEGRAD_UNARY(expm1), EIGEN_VALUE(x.expm1()), EIGEN_SLOPE(g * (y + 1.0F)));
  unary("log", TAPEGRAD_UNARY(log), EIGEN_VALUE(x.log()), EIGEN_SLOPE(g / x), 0.1, 10);
  unary("log1p", TAPEGRAD_UNARY(log1p), EIGEN_VALUE(x.log1p()), EIGEN_SLOPE(g / (1.0F + x)), 0, 10);
  unary("sqrt", TAPEGRAD_UNARY(sqrt), EIGEN_VALUE(x.sqrt()), EIGEN_SLOPE(g * 0.5F / y), 0.1, 10);
  unary("square", TAPEGRAD_UNARY(square), EIGEN_VALUE(x.square()), EIGEN_SLOPE(2.0F * g * x));
  unary("sin", TAPEGRAD_UNARY(sin), EIGEN_VALUE(x.sin()), EIGEN_SLOPE(g * x.cos()));
  unary("cos", TAPEGRAD_UNARY(cos), EIGEN_VALUE(x.cos()), EIGEN_SLOPE(-g * x.sin()));
  unary("abs", TAPEGRAD_UNARY(abs), EIGEN_VALUE(x.abs()), EIGEN_SLOPE(g * x.sign()));
  unary(
      "pow3", [](tg::Var v) { return tg::pow(v, 3); }, EIGEN_VALUE(x.pow(3.0F)),
      EIGEN_SLOPE(3.0F * g * x.pow(2.0F)), 0.1, 3);
  unary(
      "clamp", [](tg::Var v) { return tg::clamp(v, -1, 1); }, EIGEN_VALUE(x.max(-1.0F).min(1.0F)),
      EIGEN_SLOPE((x >= -1.0F && x <= 1.0F).select(g, 0.0F)));
  unary(
      "mul_scalar", [](tg::Var v) { return v * 3; }, EIGEN_VALUE(3.0F * x), EIGEN_SLOPE(3.0F * g));
  unary(
      "add_itself", [](tg::Var v) { return v + v; }, EIGEN_VALUE(x + x), EIGEN_SLOPE(g + g));
  unary(
      "mul_itself", [](tg::Var v) { return v * v; }, EIGEN_VALUE(x * x), EIGEN_SLOPE(g * x + g * x));
}

}  // namespace

void add_elementwise() {
  activations();
  unary_ops();
}

}  // namespace bench
