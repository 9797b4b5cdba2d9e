#include "golden.h"

#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace tg = tapegrad::f64;

namespace {

using nlohmann::json;

struct Curves {
  tg::Matrix f, fused, taped, second;
};

/// f, f′ by the fused rule, f′ by the taped rule, f″ at every element of x.
Curves curves_of(const tg::Activation& act, const tg::Matrix& x) {
  Curves c;
  tg::Tape tape;
  const tg::Matrix ones = tg::Matrix::Ones(x.rows(), x.cols());
  tg::Var in = tape.input(x, {.requires_grad = true});
  tg::Var y = act(in);
  c.f = y.value();
  y.backward(ones);
  c.fused = in.grad();
  tape.reset();
  in = tape.input(x, {.requires_grad = true});
  const tg::Var slope = tg::grad(act(in), {in}, tape.input(ones))[0];
  c.taped = slope.value();
  c.second = tg::grad(slope, {in}, tape.input(ones))[0].value();
  return c;
}

tg::Activation activation_of(const std::string& name, const json& entry) {
  tg::Activation act = tg::activation(name);
  if (entry.contains("params"))
    for (const auto& [setting, value] : entry["params"].items()) act = act.with(setting, value.get<double>());
  return act;
}

/// f, f′ and f″ of every activation named in the file; `pick` says which of them is looked at.
void compare_activations(const char* key,
                         const std::function<void(const std::string& name, const Curves& ours, const tg::Matrix& x,
                                                  tg::Matrix expected)>& look) {
  const json file = load_golden("activations");
  const tg::Matrix x = golden_matrix(file["x"]);
  REQUIRE(x.size() > 0);
  REQUIRE(file["activations"].size() > 0);
  for (const auto& [name, entry] : file["activations"].items())
    look(name, curves_of(activation_of(name, entry), x), x, golden_matrix(entry[key]));
}

/// PyTorch's softplus is the straight line from 20 on. It is bounded there: 0 ≤ ln(1 + eˣ) − x ≤ e⁻ˣ, and the same
/// e⁻ˣ bounds what the line misses of f′ = σ(x) and of f″. Ours is compared with the exact value.
void check_softplus_tail(const tg::Matrix& ours, const tg::Matrix& x, tg::Matrix& expected,
                         const std::function<double(double)>& exact, const std::string& what) {
  for (Eigen::Index i = 0; i < x.size(); ++i) {
    if (x(i) < 20) continue;
    if (!std::isnan(expected(i))) {
      const double bound = std::exp(-x(i)) + 1e-15 * std::abs(expected(i));
      CHECK_MESSAGE(std::abs(ours(i) - expected(i)) <= bound, fmt::format("{} at {}: {}", what, x(i), ours(i)));
    }
    expected(i) = exact(x(i));
  }
}

/// PyTorch multiplies by the float constant (1.0f / 6.0f) in the backward pass of hard_sigmoid even in double: off
/// by 3e-8. Exactly this number stands for 1/6; any other one is taken as it is.
void repair_hard_sigmoid(tg::Matrix& expected) {
  for (double& v : expected.reshaped())
    if (v == static_cast<double>(1.0F / 6.0F)) v = 1.0 / 6.0;
}

/// y, and the gradient of ⟨y, upstream⟩ by both rules, for one input or more.
struct Pulled {
  tg::Matrix y;
  std::vector<tg::Matrix> fused, taped;
};
Pulled pull(const std::function<tg::Var(const std::vector<tg::Var>&)>& f, const std::vector<tg::Matrix>& inputs,
            const tg::Matrix& upstream) {
  Pulled result;
  tg::Tape tape;
  const auto record = [&] {
    std::vector<tg::Var> vars;
    for (const auto& m : inputs) vars.push_back(tape.input(m, {.requires_grad = true}));
    return vars;
  };
  auto vars = record();
  tg::Var y = f(vars);
  result.y = y.value();
  y.backward(upstream);
  for (const auto& v : vars) result.fused.push_back(v.grad());
  tape.reset();
  vars = record();
  y = f(vars);
  for (const auto& g : tg::grad(y, std::span<const tg::Var>(vars), tape.input(upstream)))
    result.taped.push_back(g.value());
  return result;
}

}  // namespace

TEST_CASE("golden: activations f") {
  compare_activations(
      "f", [](const std::string& name, const Curves& ours, const tg::Matrix& x, tg::Matrix expected) {
        if (name == "softplus")
          check_softplus_tail(
              ours.f, x, expected, [](double t) { return t + std::log1p(std::exp(-t)); }, "softplus f");
        check_close(ours.f, expected, name + " f");
      });
}

TEST_CASE("golden: activations f′") {
  compare_activations(
      "df", [](const std::string& name, const Curves& ours, const tg::Matrix& x, tg::Matrix expected) {
        if (name == "softplus")
          check_softplus_tail(
              ours.fused, x, expected, [](double t) { return 1 / (1 + std::exp(-t)); }, "softplus f′");
        if (name == "hard_sigmoid") repair_hard_sigmoid(expected);
        check_close(ours.fused, expected, name + " f′ (fused)");
        check_close(ours.taped, expected, name + " f′ (taped)");
      });
}

TEST_CASE("golden: activations f″") {
  compare_activations(
      "d2f", [](const std::string& name, const Curves& ours, const tg::Matrix& x, tg::Matrix expected) {
        if (name == "softplus")
          check_softplus_tail(
              ours.second, x, expected,
              [](double t) { return std::exp(-t) / ((1 + std::exp(-t)) * (1 + std::exp(-t))); }, "softplus f″");
        check_close(ours.second, expected, name + " f″");
      });
}

TEST_CASE("golden: activations one number at a time") {
  const json file = load_golden("activations");
  const tg::Matrix x = golden_matrix(file["x"]);
  for (const auto& [name, entry] : file["activations"].items()) {
    const tg::Activation act = activation_of(name, entry);
    const Curves ours = curves_of(act, x);
    for (Eigen::Index i = 0; i < x.size(); ++i) {
      // The same text, but with an incoming gradient of constant 1: the compiler may fuse other products and sums.
      check_close(act.value(x(i)), ours.f(i), name + ".value", 1e-15, 1e-16);
      check_close(act.slope(x(i)), ours.fused(i), name + ".slope", 1e-15, 1e-16);
    }
  }
}

TEST_CASE("golden: prelu") {
  const json e = load_golden("activations").at("prelu");
  const Pulled p = pull([](const auto& v) { return tg::prelu(v[0], v[1]); },
                        {golden_matrix(e["x"]), golden_matrix(e["slope"])}, golden_matrix(e["upstream"]));
  check_close(p.y, golden_matrix(e["y"]), "prelu y");
  for (const auto* way : {&p.fused, &p.taped}) {
    check_close((*way)[0], golden_matrix(e["dx"]), "prelu dx");
    check_close((*way)[1], golden_matrix(e["dslope"]), "prelu dslope");
  }
}

TEST_CASE("golden: maxout") {
  const json e = load_golden("activations").at("maxout");
  const int pieces = e["pieces"].get<int>();
  const Pulled p = pull([&](const auto& v) { return tg::maxout(v[0], pieces); }, {golden_matrix(e["x"])},
                        golden_matrix(e["upstream"]));
  check_close(p.y, golden_matrix(e["y"]), "maxout y");
  for (const auto* way : {&p.fused, &p.taped}) check_close((*way)[0], golden_matrix(e["dx"]), "maxout dx");
}

TEST_CASE("golden: softmax and log_softmax") {
  for (const std::string name : {"softmax", "log_softmax"}) {
    const json e = load_golden("activations").at(name);
    const tg::Activation act = tg::activation(name);
    const Pulled p =
        pull([&](const auto& v) { return act(v[0]); }, {golden_matrix(e["x"])}, golden_matrix(e["upstream"]));
    check_close(p.y, golden_matrix(e["y"]), name + " y");
    for (const auto* way : {&p.fused, &p.taped}) check_close((*way)[0], golden_matrix(e["dx"]), name + " dx");
  }
}

TEST_CASE("golden: losses") {
  const json file = load_golden("losses");
  const tg::Matrix input = golden_matrix(file["input"]);
  const tg::Matrix one = tg::Matrix::Ones(1, 1);
  int seen = 0;
  for (const auto& item : file.items()) {
    const std::string& name = item.key();
    const json& e = item.value();
    if (!e.is_object()) continue;
    ++seen;
    std::vector<int> labels;
    tg::Matrix target;
    if (e["target"][0].is_number_integer())
      labels = e["target"].get<std::vector<int>>();
    else
      target = golden_matrix(e["target"]);
    const double delta = e.value("delta", 1.0);
    std::function<tg::Var(tg::Var)> loss;
    if (name == "mse") loss = [&](tg::Var x) { return tg::mse(x, target); };
    if (name == "l1") loss = [&](tg::Var x) { return tg::l1(x, target); };
    if (name == "huber") loss = [&](tg::Var x) { return tg::huber(x, target, {.delta = delta}); };
    if (name == "bce_with_logits") loss = [&](tg::Var x) { return tg::bce_with_logits(x, target); };
    if (name == "nll") loss = [&](tg::Var x) { return tg::nll(x, labels); };
    const std::string smoothed = "cross_entropy_smoothed_";
    if (name == "cross_entropy" || name.starts_with(smoothed)) {
      const double smoothing = name == "cross_entropy" ? 0 : std::stod(name.substr(smoothed.size()));
      loss = [&, smoothing](tg::Var x) {
        const tg::CrossEntropyOptions options{.label_smoothing = smoothing};
        if (!labels.empty()) return tg::cross_entropy(x, labels, options);
        return tg::cross_entropy(x, x.tape().input(target), options);
      };
    }
    REQUIRE_MESSAGE(loss, "a loss that this test does not know: " << name);
    const Pulled p = pull([&](const auto& v) { return loss(v[0]); }, {input}, one);
    check_close(p.y(0, 0), e["loss"].get<double>(), name);
    check_close(p.fused[0], golden_matrix(e["dinput"]), name + " dinput (fused)");
    check_close(p.taped[0], golden_matrix(e["dinput"]), name + " dinput (taped)");
  }
  CHECK(seen >= 1);
}

TEST_CASE("golden: cross_entropy against probabilities is the same as against labels") {
  const json file = load_golden("losses");
  const tg::Matrix input = golden_matrix(file["input"]);
  for (const std::string name : {"cross_entropy", "cross_entropy_smoothed_0.1"}) {
    if (!file.contains(name)) continue;
    const json& e = file[name];
    const auto labels = e["target"].get<std::vector<int>>();
    tg::Matrix one_hot = tg::Matrix::Zero(input.rows(), input.cols());
    for (std::size_t row = 0; row < labels.size(); ++row) one_hot(static_cast<Eigen::Index>(row), labels[row]) = 1;
    const double smoothing = name == "cross_entropy" ? 0 : 0.1;
    const Pulled p = pull(
        [&](const auto& v) {
          return tg::cross_entropy(v[0], v[0].tape().input(one_hot), {.label_smoothing = smoothing});
        },
        {input}, tg::Matrix::Ones(1, 1));
    check_close(p.y(0, 0), e["loss"].get<double>(), name);
    check_close(p.fused[0], golden_matrix(e["dinput"]), name + " dinput");
  }
}

TEST_CASE("golden: xor") {
  const json file = load_golden("xor");
  const tg::Matrix x = golden_matrix(file["X"]);
  const tg::Matrix y = golden_matrix(file["Y"]);
  REQUIRE(file["runs"].size() > 0);
  for (const auto& [name, run] : file["runs"].items()) {
    const tg::Activation act = activation_of(name, run);
    tg::Parameter w1("W1", golden_matrix(run["W1"]));
    tg::Parameter b1("b1", golden_matrix(run["b1"]));
    tg::Parameter w2("W2", golden_matrix(run["W2"]));
    tg::Parameter b2("b2", golden_matrix(run["b2"]));
    REQUIRE(run["optimizer"].get<std::string>() == "SGD lr 0.5, full batch");
    REQUIRE(run["loss"].get<std::string>() == "bce_with_logits");
    const auto losses = run["losses"].get<std::vector<double>>();
    REQUIRE(losses.size() >= 1);
    tg::Tape tape;
    for (std::size_t step = 0; step < losses.size(); ++step) {
      tape.reset();
      const tg::Var hidden = act(tg::matmul(tape.input(x), tape.parameter(w1)) + tape.parameter(b1));
      const tg::Var out = tg::matmul(hidden, tape.parameter(w2)) + tape.parameter(b2);
      const tg::Var loss = tg::bce_with_logits(out, y);
      check_close(loss.item(), losses[step], fmt::format("{} loss of step {}", name, step), 1e-9);
      loss.backward();
      for (tg::Parameter* p : {&w1, &b1, &w2, &b2}) p->mutable_value() -= 0.5 * p->grad();
    }
    for (const tg::Parameter* p : {&w1, &b1, &w2, &b2})
      check_close(p->value(), golden_matrix(run["final"][p->name()]), name + " final " + p->name(), 1e-9);
  }
}
