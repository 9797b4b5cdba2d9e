#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "golden.h"
#include "tapegrad/core/activations.h"
#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/error.h"
#include "tapegrad/core/kernels/denormals.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/core/matmul.h"
#include "tapegrad/core/rng.h"
#include "tapegrad/core/threads.h"
#include "tapegrad/optim/optimizers.h"
#include "tapegrad/optim/schedule.h"

using namespace tapegrad;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class T> BasicMatrix<T> wave(Index rows, Index cols, double phase) {
  BasicMatrix<T> m(rows, cols);
  for (Index i = 0; i < m.size(); ++i) m.data()[i] = static_cast<T>(std::sin(phase + 1.7 * static_cast<double>(i)));
  return m;
}

/// Two parameters with vector tails, always the same ones.
template <class T> std::vector<BasicParameter<T>> two_parameters() {
  return {BasicParameter<T>("weight", wave<T>(3, 7, 0.3)), BasicParameter<T>("bias", wave<T>(1, 5, 1.1))};
}

/// Gradients that depend on the values and on the step, as in training.
template <class T> void set_grads(const std::vector<BasicParameter<T>>& parameters, Index step) {
  for (BasicParameter<T> p : parameters)
    p.mutable_grad() = p.value() + wave<T>(p.value().rows(), p.value().cols(), 0.9 * static_cast<double>(step));
}

/// What a checkpoint holds of an optimizer, by name.
template <class T> struct State {
  std::vector<std::pair<std::string, double>> numbers;
  std::vector<std::pair<std::string, BasicMatrix<T>>> buffers;
};
template <class T> State<T> state_of(BasicOptimizer<T>& optimizer) {
  State<T> state;
  optimizer.each_state([&](std::string_view name, auto& value, auto...) {
    if constexpr (std::is_arithmetic_v<std::remove_reference_t<decltype(value)>>)
      state.numbers.emplace_back(name, static_cast<double>(value));
    else
      state.buffers.emplace_back(name, value);
  });
  return state;
}
template <class T> void restore(BasicOptimizer<T>& optimizer, const State<T>& state) {
  auto number = state.numbers.begin();
  auto buffer = state.buffers.begin();
  optimizer.each_state([&](std::string_view, auto& value, auto...) {
    using Value = std::remove_reference_t<decltype(value)>;
    if constexpr (std::is_arithmetic_v<Value>)
      value = static_cast<Value>((number++)->second);
    else
      value = (buffer++)->second;
  });
}

/// An optimizer with a name to tell it by.
template <class T> struct Variant {
  std::string name;
  std::function<std::unique_ptr<BasicOptimizer<T>>(BasicParameterGroups<T>)> make;
};

/// Every optimizer, with every option that adds a buffer or a term.
template <class T> std::vector<Variant<T>> variants() {
  const auto variant = []<class Optimizer>(std::type_identity<Optimizer>, std::string name,
                                           typename Optimizer::Options options) {
    return Variant<T>{std::move(name), [options](BasicParameterGroups<T> parameters) {
                        return std::make_unique<Optimizer>(std::move(parameters), options);
                      }};
  };
  const std::type_identity<BasicSgd<T>> sgd;
  const std::type_identity<BasicAdam<T>> adam;
  const std::type_identity<BasicAdamW<T>> adamw;
  const std::type_identity<BasicRmsProp<T>> rmsprop;
  const std::type_identity<BasicAdagrad<T>> adagrad;
  return {variant(sgd, "sgd", {.lr = 0.1}),
          variant(sgd, "sgd momentum", {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01}),
          variant(sgd, "sgd dampening", {.lr = 0.1, .momentum = 0.9, .dampening = 0.3}),
          variant(sgd, "sgd nesterov", {.lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01}),
          variant(adam, "adam", {.lr = 0.05}),
          variant(adam, "adam amsgrad", {.lr = 0.05, .beta1 = 0.3, .weight_decay = 0.1, .amsgrad = true}),
          variant(adamw, "adamw", {.lr = 0.05}),
          variant(adamw, "adamw amsgrad", {.lr = 0.05, .beta2 = 0.9, .weight_decay = 0.3, .amsgrad = true}),
          variant(rmsprop, "rmsprop", {.lr = 0.02, .weight_decay = 0.1}),
          variant(rmsprop, "rmsprop centered", {.lr = 0.02, .alpha = 0.9, .momentum = 0.5, .centered = true}),
          variant(rmsprop, "rmsprop centered only", {.lr = 0.02, .alpha = 0.4, .centered = true}),
          variant(adagrad, "adagrad", {.lr = 0.1}),
          variant(adagrad, "adagrad decay",
                  {.lr = 0.1, .lr_decay = 0.1, .weight_decay = 0.1, .initial_accumulator_value = 0.5})};
}

/// One number's path under an optimizer, straight from PyTorch's documentation.
struct Reference {
  double w, m = 0, v = 0, u = 0, a = 0;

  void sgd(int t, double g, const SgdOptions& o) {
    g += o.weight_decay * w;
    if (o.momentum != 0) {
      m = t == 1 ? g : o.momentum * m + (1 - o.dampening) * g;
      g = o.nesterov ? g + o.momentum * m : m;
    }
    w -= o.lr * g;
  }
  void adam(int t, double g, const AdamOptions& o, bool decoupled) {
    if (decoupled)
      w -= o.lr * o.weight_decay * w;
    else
      g += o.weight_decay * w;
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    u = o.amsgrad ? std::max(u, v) : v;
    const double m_hat = m / (1 - std::pow(o.beta1, t));
    const double u_hat = u / (1 - std::pow(o.beta2, t));
    w -= o.lr * m_hat / (std::sqrt(u_hat) + o.eps);
  }
  void rmsprop(double g, const RmsPropOptions& o) {
    g += o.weight_decay * w;
    v = o.alpha * v + (1 - o.alpha) * g * g;
    a = o.alpha * a + (1 - o.alpha) * g;
    g /= std::sqrt(o.centered ? v - a * a : v) + o.eps;
    m = o.momentum * m + g;
    w -= o.lr * m;
  }
  void adagrad(int t, double g, const AdagradOptions& o) {
    if (t == 1) v = o.initial_accumulator_value;
    g += o.weight_decay * w;
    v += g * g;
    w -= o.lr / (1 + (t - 1) * o.lr_decay) * g / (std::sqrt(v) + o.eps);
  }
};

/// Twenty steps of an optimizer against the reference, element by element.
template <class Optimizer, class Step>
void compare(const std::string& name, const typename Optimizer::Options& options, const Step& step) {
  const std::vector parameters = two_parameters<double>();
  Optimizer optimizer(parameters, options);
  std::vector<Reference> reference;
  for (const auto& p : parameters)
    for (const double w : p.value().reshaped<Eigen::RowMajor>()) reference.push_back({w});
  for (int t = 1; t <= 20; ++t) {
    set_grads(parameters, t);
    auto at = reference.begin();
    for (const auto& p : parameters)
      for (const double g : p.grad().reshaped<Eigen::RowMajor>()) step(*at++, t, g, options);
    optimizer.step();
    at = reference.begin();
    for (const auto& p : parameters)
      for (const double w : p.value().reshaped<Eigen::RowMajor>())
        check_close(w, (at++)->w, fmt::format("{} step {}", name, t), 1e-12, 1e-13);
  }
}

/// Sets the options that the golden file names as PyTorch does.
template <class Options> Options golden_options(const nlohmann::json& params) {
  Options o;
  for (const auto& item : params.items()) {
    const std::string& key = item.key();
    const nlohmann::json& value = item.value();
    bool known = false;
    const auto set = [&](const char* name, auto& option) {
      if (key != name) return;
      option = value.get<std::remove_reference_t<decltype(option)>>();
      known = true;
    };
    set("lr", o.lr);
    set("weight_decay", o.weight_decay);
    if constexpr (requires { o.momentum; }) set("momentum", o.momentum);
    if constexpr (requires { o.dampening; }) set("dampening", o.dampening);
    if constexpr (requires { o.nesterov; }) set("nesterov", o.nesterov);
    if constexpr (requires { o.eps; }) set("eps", o.eps);
    if constexpr (requires { o.amsgrad; }) set("amsgrad", o.amsgrad);
    if constexpr (requires { o.alpha; }) set("alpha", o.alpha);
    if constexpr (requires { o.centered; }) set("centered", o.centered);
    if constexpr (requires { o.lr_decay; }) set("lr_decay", o.lr_decay);
    if constexpr (requires { o.initial_accumulator_value; })
      set("initial_accumulator_value", o.initial_accumulator_value);
    if constexpr (requires { o.beta1; }) {
      set("beta1", o.beta1);
      set("beta2", o.beta2);
      if (key == "betas") {
        o.beta1 = value.at(0).get<double>();
        o.beta2 = value.at(1).get<double>();
        known = true;
      }
    }
    const bool neutral = value.is_null() || value == false;  // "maximize": false and the like
    REQUIRE_MESSAGE((known || neutral), "an option that this test does not know: " << key);
  }
  return o;
}

std::unique_ptr<f64::Optimizer> golden_optimizer(const std::string& run,
                                                 const std::vector<f64::Parameter>& parameters,
                                                 const nlohmann::json& params) {
  if (run.starts_with("sgd")) return std::make_unique<f64::Sgd>(parameters, golden_options<SgdOptions>(params));
  if (run.starts_with("adamw"))
    return std::make_unique<f64::AdamW>(parameters, golden_options<AdamWOptions>(params));
  if (run.starts_with("adam")) return std::make_unique<f64::Adam>(parameters, golden_options<AdamOptions>(params));
  if (run.starts_with("rmsprop"))
    return std::make_unique<f64::RmsProp>(parameters, golden_options<RmsPropOptions>(params));
  REQUIRE_MESSAGE(run.starts_with("adagrad"), "no optimizer for the golden run " << run);
  return std::make_unique<f64::Adagrad>(parameters, golden_options<AdagradOptions>(params));
}

template <class T> std::vector<BasicMatrix<T>> values_of(const std::vector<BasicParameter<T>>& parameters) {
  std::vector<BasicMatrix<T>> values;
  for (const auto& p : parameters) values.push_back(p.value());
  return values;
}

}  // namespace

TEST_CASE("golden: optimizers agree with PyTorch after every step") {
  const nlohmann::json golden = load_golden("optimizers");
  const f64::Matrix x = golden_matrix(golden.at("X"));
  const f64::Matrix y = golden_matrix(golden.at("Y"));
  const auto steps = golden.at("steps").get<std::size_t>();
  REQUIRE(golden.at("runs").size() > 0);
  for (const auto& [name, run] : golden.at("runs").items()) {
    std::vector<f64::Parameter> parameters;
    for (const std::string key : {"W1", "b1", "W2", "b2"})
      parameters.emplace_back(key, golden_matrix(golden.at(key)));
    const auto optimizer = golden_optimizer(name, parameters, run.at("params"));
    const f64::Matrix losses = golden_matrix(run.at("losses"));
    REQUIRE(losses.size() == static_cast<Index>(steps));
    f64::Tape tape;
    for (Index step = 0; step < losses.size(); ++step) {
      tape.reset();
      const auto [w1, b1, w2, b2] = std::array{tape.parameter(parameters[0]), tape.parameter(parameters[1]),
                                               tape.parameter(parameters[2]), tape.parameter(parameters[3])};
      const auto loss = mse(matmul(tapegrad::tanh(matmul(tape.input(x), w1) + b1), w2) + b2, y);
      check_close(loss.item(), losses(step), fmt::format("{} loss of step {}", name, step));
      loss.backward();
      optimizer->step();
    }
    CHECK(optimizer->steps() == static_cast<Index>(steps));
    for (const auto& p : parameters)
      check_close(p.value(), golden_matrix(run.at("final").at(p.name())), name + " final " + p.name());
  }
}

TEST_CASE("optimizer: every option follows PyTorch's formula") {
  const auto sgd = [](Reference& r, int t, double g, const SgdOptions& o) { r.sgd(t, g, o); };
  compare<f64::Sgd>("plain", {.lr = 0.1, .weight_decay = 0.2}, sgd);
  compare<f64::Sgd>("dampening", {.lr = 0.1, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.2}, sgd);
  compare<f64::Sgd>("nesterov", {.lr = 0.1, .momentum = 0.8, .nesterov = true}, sgd);

  const auto adam = [](Reference& r, int t, double g, const AdamOptions& o) { r.adam(t, g, o, false); };
  compare<f64::Adam>("adam", {.lr = 0.05, .beta1 = 0.3, .beta2 = 0.7, .eps = 1e-3, .weight_decay = 0.1}, adam);
  compare<f64::Adam>("amsgrad", {.lr = 0.05, .beta2 = 0.5, .amsgrad = true}, adam);
  compare<f64::Adam>("betas 0", {.lr = 0.05, .beta1 = 0, .beta2 = 0}, adam);

  compare<f64::AdamW>("adamw", {.lr = 0.05, .weight_decay = 0.3, .amsgrad = true},
                      [](Reference& r, int t, double g, const AdamWOptions& o) {
                        r.adam(t, g, {o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.amsgrad}, true);
                      });

  const auto rmsprop = [](Reference& r, int, double g, const RmsPropOptions& o) { r.rmsprop(g, o); };
  compare<f64::RmsProp>("rmsprop", {.lr = 0.01, .alpha = 0.9, .eps = 1e-3, .weight_decay = 0.1}, rmsprop);
  compare<f64::RmsProp>("momentum", {.lr = 0.01, .momentum = 0.7}, rmsprop);
  compare<f64::RmsProp>("centered", {.lr = 0.01, .alpha = 0.9, .momentum = 0.7, .centered = true}, rmsprop);

  compare<f64::Adagrad>("adagrad",
                        {.lr = 0.1, .lr_decay = 0.2, .weight_decay = 0.1, .initial_accumulator_value = 0.3},
                        [](Reference& r, int t, double g, const AdagradOptions& o) { r.adagrad(t, g, o); });
}

TEST_CASE("optimizer: the defaults are PyTorch's") {
  CHECK(SgdOptions().lr == 1e-3);
  CHECK((AdamOptions().lr == 1e-3 && AdamOptions().beta1 == 0.9 && AdamOptions().beta2 == 0.999));
  CHECK((AdamOptions().eps == 1e-8 && AdamOptions().weight_decay == 0 && AdamWOptions().weight_decay == 0.01));
  CHECK((RmsPropOptions().lr == 0.01 && RmsPropOptions().alpha == 0.99 && RmsPropOptions().eps == 1e-8));
  CHECK((AdagradOptions().lr == 0.01 && AdagradOptions().eps == 1e-10));
}

TEST_CASE_TEMPLATE("optimizer: a number's path depends neither on its tensor nor on its place in it", T, float,
                   double) {
  // Parts of registers, whole ones, and an array that is long enough to be divided among threads.
  for (const auto& sizes : {std::pair<Index, Index>{8, 5}, {37, 63}, {1007, 39000}})
    for (const Variant<T>& variant : variants<T>()) {
      const Index left = sizes.first;
      const Index right = sizes.second;
      CAPTURE(variant.name);
      CAPTURE(left);
      BasicMatrix<T> all(1, left + right);
      const std::vector<BasicParameter<T>> parts{BasicParameter<T>("a", wave<T>(1, left, 0.4)),
                                                 BasicParameter<T>("b", wave<T>(1, right, 0.7))};
      all << parts[0].value(), parts[1].value();
      const std::vector<BasicParameter<T>> whole{BasicParameter<T>("ab", all)};
      const auto one = variant.make(parts);
      const auto other = variant.make(whole);
      for (Index step = 1; step <= 30; ++step) {
        BasicParameter<T>(whole[0]).mutable_grad() = wave<T>(1, left + right, static_cast<double>(step));
        BasicParameter<T>(parts[0]).mutable_grad() = whole[0].grad().leftCols(left);
        BasicParameter<T>(parts[1]).mutable_grad() = whole[0].grad().rightCols(right);
        one->step();
        other->step();
        CHECK(one->steps() == step);
        CHECK((whole[0].value().leftCols(left) == parts[0].value()));
        CHECK((whole[0].value().rightCols(right) == parts[1].value()));
      }
      CHECK((whole[0].value() != all));
      CHECK(whole[0].value().allFinite());
    }
}

TEST_CASE("optimizer: a value that no longer varies does not make centered RMSprop fail") {
  const Parameter p("p", Matrix::Zero(1, 3));
  RmsProp optimizer({p}, {.lr = 1e-4, .alpha = 0.5, .centered = true});
  for (int step = 0; step < 100; ++step) {
    p.mutable_grad() << 0.1f, 0.3f, 7;  // v − a² is 0 but for rounding, of either sign
    optimizer.step();
    REQUIRE(p.value().allFinite());
  }
}

TEST_CASE("optimizer: what it remembers of a dead unit never becomes a denormal number, which is slow") {
  if (!DenormalsAreZero::works) return;
  set_threads(2);
  for (const Index size : {3, 40'000}) {
    const Parameter p("p", Matrix::Zero(1, size));
    Sgd sgd({p}, {.lr = 0, .momentum = 0.9});
    Adam adam({p}, {.lr = 0, .beta2 = 0.9});
    p.mutable_grad().setConstant(1e-3F);
    for (int step = 0; step < 1500; ++step) {
      sgd.step();
      adam.step();
      p.mutable_grad().setZero();  // 10⁻³·0.9ⁿ is denormal from n = 764 on, and rounding never lets it reach 0
    }
    for (const State<float>& state : {state_of<float>(sgd), state_of<float>(adam)})
      for (const auto& buffer : state.buffers)
        CHECK_MESSAGE(
            (buffer.second.array() == 0 || buffer.second.array() >= std::numeric_limits<float>::min()).all(),
            buffer.first);
  }
  set_threads(1);
  // Everywhere else they are numbers.
  const volatile float denormal = 1e-40F;
  CHECK(denormal * 2 > 0);
}

TEST_CASE_TEMPLATE("optimizer: a restored state goes on bitwise as if it had never stopped", T, float, double) {
  const CosineSchedule schedule{.base_lr = 0.1, .t_max = 5};  // 0 when the state is taken
  const auto groups = [](const std::vector<BasicParameter<T>>& p) {
    return BasicParameterGroups<T>{{.parameters = {p[0]}},
                                   {.parameters = {p[1]}, .lr = 0.03, .weight_decay = 0.02}};
  };
  for (const Variant<T>& variant : variants<T>()) {
    CAPTURE(variant.name);
    const auto train = [&](BasicOptimizer<T>& optimizer, int steps) {
      for (int i = 0; i < steps; ++i) {
        set_grads(optimizer.parameters(), optimizer.steps());
        optimizer.set_lr(schedule.at(optimizer.steps()));
        optimizer.step();
      }
    };
    const std::vector original = two_parameters<T>();
    const auto first = variant.make(groups(original));
    train(*first, 5);
    first->set_lr(0);
    const State<T> state = state_of(*first);
    const std::vector saved = values_of(original);
    train(*first, 7);

    const std::vector copy{BasicParameter<T>("weight", saved[0]), BasicParameter<T>("bias", saved[1])};
    const auto second = variant.make(groups(copy));
    restore(*second, state);
    CHECK(second->steps() == 5);
    CHECK(second->lr() == 0);
    train(*second, 7);
    CHECK(values_of(copy) == values_of(original));
    CHECK(state_of(*second).numbers == state_of(*first).numbers);
    CHECK(values_of(copy) != saved);
  }
}

TEST_CASE("optimizer: what a state holds, and what it was made with") {
  using Numbers = std::vector<std::pair<std::string, double>>;
  Adam adam(two_parameters<float>(), {.lr = 0.5, .amsgrad = true});
  set_grads(adam.parameters(), 1);
  adam.step();
  const State<float> state = state_of<float>(adam);
  CHECK(state.numbers == Numbers{{"steps", 1}, {"lr", 0.5}, {"lr_scale.0", 1}});
  REQUIRE(state.buffers.size() == 6);
  CHECK(state.buffers[0].first == "0.exp_avg");
  CHECK(state.buffers[1].first == "0.exp_avg_sq");
  CHECK(state.buffers[5].first == "1.max_exp_avg_sq");
  CHECK(state.buffers[3].second.isApprox(0.1f * adam.parameters()[1].grad()));
  CHECK(adam.text() == "adam(beta1=0.9, beta2=0.999, eps=1e-08, amsgrad=1, weight_decay=0)");

  Sgd plain(two_parameters<float>()), momentum(two_parameters<float>(), {.momentum = 0.1, .nesterov = true});
  CHECK(state_of<float>(plain).buffers.empty());
  CHECK(state_of<float>(momentum).buffers[1].first == "1.momentum_buffer");
  CHECK(momentum.text() == "sgd(momentum=0.1, dampening=0, nesterov=1, weight_decay=0)");
  const std::vector p = two_parameters<float>();
  RmsProp rms({{.parameters = {p[0]}}, {.parameters = {p[1]}, .lr = 0.03, .weight_decay = 0.5}},
              {.momentum = 0.1, .centered = true});
  CHECK(state_of<float>(rms).numbers == Numbers{{"steps", 0}, {"lr", 0.01}, {"lr_scale.0", 1}, {"lr_scale.1", 3}});
  CHECK(state_of<float>(rms).buffers[2].first == "0.grad_avg");
  CHECK(rms.text() == "rmsprop(alpha=0.99, eps=1e-08, momentum=0.1, centered=1, weight_decay=0, weight_decay=0.5)");
  CHECK(Adagrad(two_parameters<float>()).text() ==
        "adagrad(initial_accumulator_value=0, lr_decay=0, eps=1e-10, weight_decay=0)");
}

TEST_CASE("optimizer: groups have their own learning rate and weight decay") {
  const std::vector p = two_parameters<double>();
  const std::vector q = two_parameters<double>();
  f64::Sgd grouped({{.parameters = {p[0]}}, {.parameters = {p[1]}, .lr = 0.5, .weight_decay = 0.25}},
                   {.lr = 0.125});
  f64::Sgd body({q[0]}, {.lr = 0.125});
  f64::Sgd head({q[1]}, {.lr = 0.5, .weight_decay = 0.25});
  const auto step_all = [&] {
    set_grads(p, 1);
    set_grads(q, 1);
    grouped.step();
    body.step();
    head.step();
    CHECK(values_of(p) == values_of(q));
  };
  CHECK(grouped.groups() == 2);
  CHECK(grouped.lr() == 0.125);
  CHECK(grouped.lr(0) == 0.125);
  CHECK(grouped.lr(1) == 0.5);
  step_all();

  grouped.set_lr(0.25);  // the ratio stays
  CHECK(grouped.lr(1) == 1);
  body.set_lr(0.25);
  head.set_lr(1);
  step_all();

  grouped.set_lr(0);
  CHECK(grouped.lr(1) == 0);
  grouped.set_lr(0.25);
  CHECK(grouped.lr(1) == 1);

  grouped.set_lr(1, 0.125);  // a new ratio
  CHECK(grouped.lr(0) == 0.25);
  grouped.set_lr(0.5);
  CHECK(grouped.lr(1) == 0.25);
  body.set_lr(0.5);
  head.set_lr(0.25);
  step_all();
}

TEST_CASE("optimizer: frozen parameters and those without a gradient stay untouched") {
  for (const Variant<float>& variant : variants<float>()) {
    CAPTURE(variant.name);
    std::vector p = two_parameters<float>();
    const auto optimizer = variant.make(p);
    set_grads(p, 1);
    optimizer->step();
    const std::vector before = values_of(p);
    const State<float> state = state_of(*optimizer);

    set_grads(p, 2);
    p[0].set_requires_grad(false);
    p[1].zero_grad();
    optimizer->step();
    CHECK(values_of(p) == before);
    CHECK(state_of(*optimizer).buffers == state.buffers);
    CHECK(optimizer->steps() == 2);
    CHECK(!p[1].has_grad());

    p[0].set_requires_grad(true);
    optimizer->step();
    CHECK(p[0].value() != before[0]);
    CHECK(p[1].value() == before[1]);
  }
}

TEST_CASE("optimizer: a step to which no parameter brings a gradient is an error, unless all are frozen") {
  std::vector p = two_parameters<float>();
  Adam adam(p, {.lr = 0.5});
  const std::vector before = values_of(p);
  const char* const text = "[adam] no parameter has a gradient: call backward() before step()";
  CHECK_THROWS_WITH_AS(adam.step(), text, Error);
  set_grads(p, 1);
  p[0].zero_grad();
  adam.step();  // one is enough
  CHECK(p[0].value() == before[0]);
  CHECK(p[1].value() != before[1]);
  p[1].zero_grad();
  CHECK_THROWS_WITH_AS(adam.step(), text, Error);
  p[0].set_requires_grad(false);
  CHECK_THROWS_WITH_AS(adam.step(), text, Error);
  CHECK(adam.steps() == 1);
  p[1].set_requires_grad(false);
  adam.step();
  CHECK(adam.steps() == 2);
}

TEST_CASE_TEMPLATE("optimizer: without eps a gradient of zero moves nothing", T, float, double) {
  // The square of 1e-30 is 0 in float: what is divided by it is no step either.
  for (const double gradient : {0.0, std::is_same_v<T, float> ? 1e-30 : 0.0}) {
    const auto check = [&](auto&& optimizer) {
      CAPTURE(optimizer.name());
      const BasicParameter<T>& p = optimizer.parameters()[0];
      for (int step = 0; step < 3; ++step) {
        p.mutable_grad().setConstant(static_cast<T>(gradient));
        p.mutable_grad()(0, 1) = 2;
        optimizer.step();
      }
      CHECK(p.value().allFinite());
      CHECK(p.value()(0, 0) == 1);
      CHECK(p.value()(0, 18) == 1);
      CHECK(p.value()(0, 1) < 1);
    };
    const auto p = [] { return BasicParameter<T>("p", BasicMatrix<T>::Ones(1, 19)); };
    check(BasicAdam<T>({p()}, {.eps = 0}));
    check(BasicAdam<T>({p()}, {.eps = 0, .amsgrad = true}));
    check(BasicAdamW<T>({p()}, {.eps = 0, .weight_decay = 0}));
    check(BasicRmsProp<T>({p()}, {.eps = 0}));
    check(BasicRmsProp<T>({p()}, {.eps = 0, .momentum = 0.5}));
    check(BasicAdagrad<T>({p()}, {.eps = 0}));
  }
  const BasicParameter<T> p("p", BasicMatrix<T>::Ones(1, 1));
  p.mutable_grad().setConstant(static_cast<T>(not_a_number));
  BasicAdam<T>({p}, {.eps = 0}).step();
  CHECK(std::isnan(p.value()(0, 0)));
}

TEST_CASE("optimizer: parameters live as long as the optimizer, and a 0-element one does no harm") {
  std::unique_ptr<Adam> adam;
  {
    const Parameter p("p", Matrix::Ones(2, 2));
    const Parameter none("none", Matrix(0, 3));
    adam = std::make_unique<Adam>(ParameterGroups{p, none}, AdamOptions{.lr = 0.05f});
  }
  set_grads(adam->parameters(), 1);
  adam->step();
  CHECK(adam->parameters()[0].value() != Matrix::Ones(2, 2));
}

TEST_CASE("optimizer: a user's own") {
  struct SignDescent : Optimizer {
    SignDescent(ParameterGroups parameters, double rate) : Optimizer("sign", std::move(parameters), rate, 0, {}) {}

   private:
    void update(const Update& p) override {
      for (Index i = 0; i < p.size; ++i) p.value[i] -= static_cast<float>(p.lr) * (p.grad[i] > 0 ? 1.0f : -1.0f);
    }
  };
  const Parameter p("p", Matrix::Ones(1, 2));
  p.mutable_grad() << 3, -0.1f;
  SignDescent optimizer({p}, 0.5);
  optimizer.step();
  CHECK(p.value() == (Matrix(1, 2) << 0.5f, 1.5f).finished());
  CHECK_THROWS_WITH_AS(optimizer.set_lr(-1), "[sign] lr must not be negative, got -1", Error);
}

namespace {

/// Lion (Chen et al. 2023)
struct LionOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;

  static constexpr std::string_view name = "lion";
  std::vector<OptimizerBuffer> buffers() const { return {{"exp_avg"}, {"unused", false}}; }
  void check() const { check_settings(name, SettingDomain::below_one, {{"beta1", beta1}, {"beta2", beta2}}); }
  template <class T> void update(const OptimizerUpdate<T>& p) const {
    CHECK(p.buffer(1) == nullptr);
    p.each([lr = p.lr, b1 = beta1, b2 = beta2, mean = p.buffer(0)](Pack<T>& w, Pack<T> g, auto at) {
      const Pack<T> m = at.load(mean);
      w = w - lr * sign(lerp(g, m, b1));
      at.store(mean, lerp(g, m, b2));
    });
  }
};

}  // namespace

TEST_CASE_TEMPLATE("optimizer: a user's own rule", T, float, double) {
  using Lion = RuleOptimizer<T, LionOptions>;
  const BasicParameter<T> p("p", BasicMatrix<T>::Ones(3, 7));
  Lion lion({p}, {.lr = 0.5, .beta2 = 0.75});
  p.mutable_grad().setConstant(3);
  lion.step();
  CHECK(p.value() == BasicMatrix<T>::Constant(3, 7, T(0.5)));
  const State<T> state = state_of<T>(lion);
  REQUIRE(state.buffers.size() == 1);
  CHECK(state.buffers[0].second == BasicMatrix<T>::Constant(3, 7, T(0.75)));
  p.mutable_grad().setConstant(-1);  // weaker than what is remembered
  lion.step();
  CHECK(p.value() == BasicMatrix<T>::Zero(3, 7));
  restore<T>(lion, state);
  CHECK(lion.steps() == 1);
  CHECK_THROWS_WITH_AS(Lion({p}, {.beta1 = 1}), "[lion] beta1 must be in [0, 1), got 1", Error);
}

TEST_CASE("optimizer: by name") {
  CHECK(optimizers() == std::vector<std::string_view>{"sgd", "adam", "adamw", "rmsprop", "adagrad"});
  for (const std::string_view name : optimizers()) {
    CHECK(make_optimizer(name, two_parameters<float>())->name() == name);
    CHECK(make_optimizer(name, two_parameters<double>(), {.lr = 0.25f})->lr() == 0.25);
  }
  CHECK(make_optimizer("adam", two_parameters<float>())->lr() == 1e-3);
  CHECK(make_optimizer("rmsprop", two_parameters<float>())->lr() == 1e-2);

  const std::vector p = two_parameters<double>();
  const std::vector q = two_parameters<double>();
  const auto named = make_optimizer("sgd", p, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.2});
  f64::Sgd sgd(q, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.2});
  for (int step = 0; step < 3; ++step) {
    set_grads(p, step);
    set_grads(q, step);
    named->step();
    sgd.step();
  }
  CHECK(values_of(p) == values_of(q));

  CHECK_THROWS_WITH_AS(make_optimizer("adm", p), "[optimizer] no optimizer named 'adm'; did you mean 'adam'?",
                       Error);
  CHECK_THROWS_WITH_AS(make_optimizer("newton", p),
                       "[optimizer] no optimizer named 'newton'; there are sgd, adam, adamw, rmsprop, adagrad",
                       Error);
  CHECK_THROWS_WITH_AS(make_optimizer("adam", p, {.momentum = 0.9}), "[optimizer] adam has no momentum to set",
                       Error);
  CHECK_THROWS_WITH_AS(make_optimizer("adam", p, {.lr = -1}), "[adam] lr must not be negative, got -1", Error);
}

TEST_CASE("optimizer: errors of options") {
  const std::vector p = two_parameters<float>();
  const auto check = [](const auto& make, const char* text) { CHECK_THROWS_WITH_AS(make(), text, Error); };
  check([&] { Adam(p, {.lr = -0.1}); }, "[adam] lr must not be negative, got -0.1");
  check([&] { Adam(p, {.lr = not_a_number}); }, "[adam] lr must be finite, got nan");
  check([&] { Adam(p, {.beta1 = 1}); }, "[adam] beta1 must be in [0, 1), got 1");
  check([&] { Adam(p, {.beta2 = -0.5}); }, "[adam] beta2 must be in [0, 1), got -0.5");
  check([&] { Adam(p, {.beta2 = not_a_number}); }, "[adam] beta2 must be in [0, 1), got nan");
  check([&] { Adam(p, {.eps = -1}); }, "[adam] eps must not be negative, got -1");
  check([&] { AdamW(p, {.weight_decay = -1}); }, "[adamw] weight_decay must not be negative, got -1");
  check([&] { Sgd(p, {.momentum = -1}); }, "[sgd] momentum must not be negative, got -1");
  check([&] { Sgd(p, {.momentum = 0.9, .dampening = not_a_number}); }, "[sgd] dampening must be finite, got nan");
  check([&] { Sgd(p, {.nesterov = true}); },
        "[sgd] nesterov needs momentum and no dampening, got momentum 0 and dampening 0");
  check([&] { Sgd(p, {.momentum = 0.9, .dampening = 0.5, .nesterov = true}); },
        "[sgd] nesterov needs momentum and no dampening, got momentum 0.9 and dampening 0.5");
  check([&] { RmsProp(p, {.alpha = 1}); }, "[rmsprop] alpha must be in [0, 1), got 1");
  check([&] { AdamW(p, {.eps = -1}); }, "[adamw] eps must not be negative, got -1");
  check([&] { AdamW(p, {.beta1 = 1}); }, "[adamw] beta1 must be in [0, 1), got 1");
  check([&] { RmsProp(p, {.eps = not_a_number}); }, "[rmsprop] eps must be finite, got nan");
  check([&] { RmsProp(p, {.momentum = -2}); }, "[rmsprop] momentum must not be negative, got -2");
  check([&] { Adagrad(p, {.lr_decay = -2}); }, "[adagrad] lr_decay must not be negative, got -2");
  check([&] { Adagrad(p, {.initial_accumulator_value = -2}); },
        "[adagrad] initial_accumulator_value must not be negative, got -2");
}

TEST_CASE("optimizer: errors of parameters and groups") {
  const std::vector p = two_parameters<float>();
  const auto check = [](const auto& make, const char* text) { CHECK_THROWS_WITH_AS(make(), text, Error); };
  check([&] { Sgd(std::vector<Parameter>()); }, "[sgd] there are no parameters");
  check([&] { Sgd({p[0], Parameter()}); }, "[sgd] parameter 1 is empty");
  check([&] { Sgd({p[0], p[1], p[0]}); }, "[sgd] parameters 0 and 2 are the same (weight)");
  check([&] { Sgd({{.parameters = p, .lr = -1}}); }, "[sgd] lr must not be negative, got -1");
  check([&] { Sgd({{.parameters = p, .weight_decay = not_a_number}}); },
        "[sgd] weight_decay must be finite, got nan");
  check([&] { Sgd({{.parameters = p, .lr = 0.5}}, {.lr = 0}); },
        "[sgd] the lr of a group, 0.5, has no ratio to that of the optimizer, which is 0");

  Sgd sgd(p, {.lr = 0.5});
  CHECK_THROWS_WITH_AS(sgd.set_lr(not_a_number), "[sgd] lr must be finite, got nan", Error);
  CHECK_THROWS_WITH_AS(sgd.set_lr(1, 0.1), "[sgd] no group 1: there are 1", Error);
  CHECK_THROWS_WITH_AS(sgd.lr(-1), "[sgd] no group -1: there are 1", Error);
  CHECK_THROWS_WITH_AS(sgd.set_lr(0, -1), "[sgd] lr must not be negative, got -1", Error);
  CHECK(sgd.lr() == 0.5);

  const std::vector before = values_of(p);
  set_grads(p, 1);
  Parameter(p[1]).mutable_value().setZero(2, 5);
  CHECK_THROWS_WITH_AS(sgd.step(), "[sgd] parameter 1 (bias) was 1x5, now it is 2x5 and its gradient 1x5", Error);
  CHECK(p[0].value() == before[0]);
  CHECK(sgd.steps() == 0);
  Parameter(p[0]).mutable_value().setZero(7, 3);
  CHECK_THROWS_WITH_AS(sgd.step(), "[sgd] parameter 0 (weight) was 3x7, now it is 7x3 and its gradient 3x7", Error);
}
