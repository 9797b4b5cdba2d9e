#include <algorithm>

#include "op_samples.h"

using namespace op_samples;

/// The gradient check of every registered elementwise op and activation, sampled by its entry in elementwise_ops(). The
/// structured ones have their samples in OP_SAMPLES beside the other tests of their files.

namespace {

std::vector<std::string_view> elementwise_names() {
  std::vector<std::string_view> names;
  for (const auto& entry : tg::elementwise_ops()) names.push_back(entry.name);
  for (const auto name : tg::activations())
    if (std::find(names.begin(), names.end(), name) == names.end() && tg::activation(name).elementwise())
      names.push_back(name);
  return names;
}

}  // namespace

TEST_CASE("ops: the elementwise ones, then the others from a to z, each once") {
  const auto names = tg::ops();
  const auto others = names.begin() + static_cast<std::ptrdiff_t>(tg::elementwise_ops().size());
  CHECK(others != names.end());
  CHECK(std::is_sorted(others, names.end()));
  CHECK(std::adjacent_find(others, names.end()) == names.end());
}

TEST_CASE("gradient check of every registered elementwise op and activation") {
  for (const auto name : elementwise_names()) check(name);
}

COMPOSED_SAMPLES(settings) {
  const auto add = [&](std::string_view name, const tg::GradCheckFunction& f, double from = -infinity) {
    for (Sample& s : unary_samples(name, from, f)) samples.push_back(std::move(s));
  };
  for (const char* text : {"leaky_relu(negative_slope=0.3)", "leaky_relu(negative_slope=-0.5)", "elu(alpha=2)",
                           "celu(alpha=0.5)", "swish(beta=2.5)", "swish(beta=0.3)"})
    add(tg::activation(text).name(), [=](Vars v) { return tg::activation(text)(v[0]); });
  add(
      "pow", [](Vars v) { return tg::pow(v[0], 2.5); }, 1);
  add(
      "pow", [](Vars v) { return tg::pow(v[0], -1); }, 1);
  add("square", [](Vars v) { return tg::pow(v[0], 2); });  // integer powers of negative numbers
  add("add", [](Vars v) { return v[0] * 3.0 - 2.0; });
  add("add", [](Vars v) { return 3.0 - v[0] / 4.0; });
  add("divide_scalar", [](Vars v) { return 5.0 / v[0]; });
  add("sin", [](Vars v) { return tg::clamp(tg::sin(v[0]), -2, 2); });
}

TEST_CASE("every op has samples") {
  const auto elementwise = elementwise_names();
  std::vector<std::string_view> names = tg::ops();
  for (const auto name : tg::activations()) names.push_back(name);
  for (const auto name : names) {
    if (name == "square_matmul" || name == "twice") continue;  // wrong on purpose, in grad_check_test.cpp
    const bool known = std::find(elementwise.begin(), elementwise.end(), name) != elementwise.end();
    CHECK_MESSAGE((known || rows().contains(name)), "op '", name, "' has no samples: give it some with OP_SAMPLES");
  }
}

TEST_CASE("an op without samples is a failure") {
  const auto problems = problems_of("frobnicate", 1);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0] == "op 'frobnicate' has no samples: give it some with OP_SAMPLES");
}

TEST_CASE("all samples belong to a registered op or activation") {
  auto names = tg::ops();
  for (const auto name : tg::activations()) names.push_back(name);
  for (const auto& row : rows()) {
    const auto& name = row.first;
    CHECK_MESSAGE((name.ends_with("(composed)") || std::find(names.begin(), names.end(), name) != names.end()),
                  name);
  }
}
