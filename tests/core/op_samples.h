#pragma once

#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Samples for the gradient check of an op: `OP_SAMPLES(slice_cols) { … }` in any test file fills `samples` and is a test
/// case that checks them, first and second order, and that they reject a gradient that is wrong by 0.1 % or by sign. A
/// structured op without samples fails the test "every op has samples" in ops_table_test.cpp.

namespace op_samples {

namespace tg = tapegrad::f64;
using tg::Axis;
using tg::Index;
using tg::Matrix;
using tg::Shape;
using tg::Var;
using Vars = std::span<const Var>;

struct Sample {
  tg::GradCheckFunction f;
  std::vector<Matrix> inputs;
  bool full_jacobian = false;
  /// Elements of input 0 that lie on a kink and must therefore be listed as avoided.
  std::vector<Index> on_kink = {};
};
using Samples = std::vector<Sample>;
using Fill = void (*)(Samples& samples);

constexpr double infinity = std::numeric_limits<double>::infinity();

Matrix normal(Shape shape, tg::Rng& rng, double scale = 1);
Matrix row(std::initializer_list<double> values);
/// ±0 and denormal numbers among ordinary ones.
Matrix speckled(Shape shape, tg::Rng& rng);

extern const std::vector<Shape> shapes;
bool not_empty(Shape shape);
inline bool any_shape(Shape) { return true; }
/// f over the shapes that `fits` accepts, with ordinary, large, speckled and offset values.
void over_shapes(Samples& samples, const tg::GradCheckFunction& f,
                 const std::function<bool(Shape)>& fits = any_shape, double large = 30);
/// An op of one operand, over shapes and special values, by the name that knows its kinks.
Samples unary_samples(std::string_view name, double domain_from, const tg::GradCheckFunction& f);
const std::vector<int>& labels_for(Index rows, Index cols);

/// The structured ops (and compositions) that have samples.
std::map<std::string, Fill, std::less<>>& rows();
inline bool add_row(const char* name, Fill fill) { return rows().emplace(name, fill).second; }
/// What is wrong with the op of this name; nothing when it passes.
std::vector<std::string> problems_of(std::string_view name, int order);
/// Fails the test case unless everything under this name passes.
void check(std::string_view name);

}  // namespace op_samples

#define OP_SAMPLES_NAMED(id, name)                                      \
  static void fill_##id(op_samples::Samples& samples);                  \
  static const bool added_##id = op_samples::add_row(name, &fill_##id); \
  TEST_CASE("gradient check: " name) {                                  \
    REQUIRE(added_##id);                                                \
    op_samples::check(name);                                            \
  }                                                                     \
  static void fill_##id([[maybe_unused]] op_samples::Samples& samples)
#define OP_SAMPLES(op) OP_SAMPLES_NAMED(op, #op)
/// For what is no op of its own: a function made of ops, or ops with other settings.
#define COMPOSED_SAMPLES(what) OP_SAMPLES_NAMED(what##_composed, #what " (composed)")
