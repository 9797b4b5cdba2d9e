/// Everything that a user can add, from outside: docs/adding.md quotes this file. Each is gradient-checked or trained.

#include <tapegrad/tapegrad.h>

#include <cmath>
#include <cstdio>

namespace tg = tapegrad::f64;

// An activation: x + sin²(a·x)/a (Ziyin et al. 2020).
struct Snake {
  double a = 1;
  static constexpr std::string_view name = "snake";
  static constexpr std::array settings{tg::Setting{"a", &Snake::a, tg::SettingDomain::positive}};
  template <class X> X value(const X& x) const { return x + square(sin(a * x)) / a; }
  template <class X> X vjp(const X& g, const X& x, const X&) const { return g * (1 + sin(2 * a * x)); }
};

// A binary elementwise op: √(a² + b²).
struct Hypot {
  static constexpr std::string_view name = "hypot";
  template <class X> static X value(const X& a, const X& b) { return sqrt(a * a + b * b); }
  template <class X> static X vjp_a(const X& g, const X& a, const X&, const X& y) { return g * a / y; }
  template <class X> static X vjp_b(const X& g, const X&, const X& b, const X& y) { return g * b / y; }
};
tg::Var hypot(tg::Var a, tg::Var b) { return tg::record<Hypot, double, 2>(Hypot{}, {a, b}); }

// A structured op: column j of the result is column (j + by) modulo cols of x.
tg::Var roll_cols(tg::Var x, tg::Index by);
struct RollCols {
  static tg::Var vjp(const tg::TapedAt<double>& at, std::size_t) {
    return roll_cols(at.g, -at.attributes<tg::Index>());
  }
  static constexpr tg::Op<double> op{.name = "roll_cols", .vjp = &vjp};
};
tg::Var roll_cols(tg::Var x, tg::Index by) {
  const tg::Index cols = x.cols();
  if (cols == 0) tg::fail("roll_cols", "there are no columns");
  double* out = x.tape().allocate(x.shape());
  for (tg::Index row = 0; row < x.rows(); ++row)
    for (tg::Index j = 0; j < cols; ++j) out[row * cols + j] = x.value()(row, ((j + by) % cols + cols) % cols);
  return x.tape().push(RollCols(), x.shape(), out, {x}, x.tape().remember(by));
}

// A loss: mean of ln cosh(prediction − target), as a composition of ops.
tg::Var log_cosh(tg::Var prediction, tg::Var target) {
  const tg::Var d = abs(prediction - target);
  return mean(d + tg::softplus(-2 * d)) - std::log(2);
}

// A layer: y = x / RMS(x) · weight, over the columns (Zhang & Sennrich 2019).
struct RmsNorm : tg::Module {
  explicit RmsNorm(tg::Index features) { weight = add_parameter("weight", tg::Matrix::Ones(1, features)); }
  std::string_view kind() const override { return "rms_norm"; }
  tg::Index out_features(tg::Index in) const override { return in; }
  tg::Var forward(tg::Var x) override {
    return x / sqrt(mean(square(x), tg::Axis::cols) + 1e-8) * x.tape().parameter(weight);
  }
  tg::Parameter weight;
};

// An optimizer: Lion (Chen et al. 2023).
struct Lion {
  double lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
  static constexpr std::string_view name = "lion";
  tg::OptimizerBuffers buffers() const { return {{"exp_avg"}}; }
  tg::Settings settings() const {
    return {{"beta1", beta1, tg::SettingDomain::below_one}, {"beta2", beta2, tg::SettingDomain::below_one}};
  }
  template <class T> void update(const tg::OptimizerUpdate<T>& p) const {
    p.each([*this, rate = p.lr, mean = p.buffer(0)](tg::Pack<T>& w, tg::Pack<T> g, auto at) {
      const tg::Pack<T> m = at.load(mean);
      w = w - rate * sign(lerp(g, m, beta1));
      at.store(mean, lerp(g, m, beta2));
    });
  }
};

namespace {

int failures = 0;

void expect(bool good, const char* what) {
  std::printf("%s: %s\n", what, good ? "yes" : "no");
  failures += !good;
}

template <class F> void gradients(const char* what, F f, const std::vector<tg::Matrix>& inputs) {
  for (const int order : {1, 2}) {
    const tg::GradCheckResult result = tg::grad_check(f, inputs, {.order = order});
    std::printf("%s, order %d: %s\n", what, order, result.message.c_str());
    failures += !result.ok;
  }
}

}  // namespace

int main() {
  using Vars = std::span<const tg::Var>;
  tg::Rng rng(1);
  const tg::Matrix x = tg::Matrix::Random(3, 4), y = tg::Matrix::Random(3, 4);

  tg::register_activation<Snake>();
  gradients("snake", [](Vars v) { return tg::activation("snake(a=2)")(v[0]); }, {x});
  gradients("hypot", [](Vars v) { return hypot(v[0], v[1]); }, {x, y});
  gradients("roll_cols", [](Vars v) { return roll_cols(v[0], 3) * v[1]; }, {x, y});
  gradients("log_cosh", [](Vars v) { return log_cosh(v[0], v[1]); }, {x, y});
  gradients("rms_norm", [layer = std::make_shared<RmsNorm>(4)](Vars v) { return (*layer)(v[0]); }, {x});

  const tg::Dataset moons = tg::two_moons(200, 0.1, rng);
  tg::Sequential net{tg::Linear(2, 16, rng), RmsNorm(16), Snake{.a = 2}, tg::Linear(16, 1, rng)};
  tg::RuleOptimizer<double, Lion> lion(net.parameters(), {.lr = 3e-3});
  tg::Matrix target(moons.size(), 1);
  for (tg::Index i = 0; i < moons.size(); ++i) target(i) = moons.labels[static_cast<std::size_t>(i)];
  tg::Tape tape;
  double first = 0, last = 0;
  for (int step = 0; step < 400; ++step) {
    tape.reset();
    const tg::Var loss = log_cosh(net(tape.input(moons.inputs)), tape.input(target));
    loss.backward();
    lion.step();
    (step == 0 ? first : last) = loss.item();
  }
  std::printf("loss %.4f at first, %.4f after 400 steps\n", first, last);
  expect(last < 0.1 * first, "it learns");
  expect(tg::accuracy(net.predict(moons.inputs).array() - 0.5, moons.labels) > 0.95, "and tells the moons apart");
  return failures == 0 ? 0 : 1;
}
