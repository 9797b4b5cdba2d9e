#include <doctest/doctest.h>
#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <limits>
#include <string>

/// The gradient check must reject what is wrong, also when it is only slightly wrong, and accept what is right.

namespace tg = tapegrad::f64;

namespace {

template <class T> tg::Pack<T> cut(const tg::Pack<T>& x) { return x; }
template <class T> tg::BasicVar<T> cut(const tg::BasicVar<T>& x) { return tg::detach(x); }

template <class X> constexpr bool is_var = false;
template <class T> constexpr bool is_var<tg::BasicVar<T>> = true;

/// x³ with the right rule
struct Cube {
  static constexpr std::string_view name = "cube";
  template <class X> static X value(const X& x) { return x * x * x; }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 3 * g * x * x; }
};
/// … wrong by 0.1 %
struct SlightlyWrongCube : Cube {
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 3.003 * g * x * x; }
};
/// … by its sign
struct NegatedCube : Cube {
  template <class X> static X vjp(const X& g, const X& x, const X&) { return -3 * g * x * x; }
};
/// … by a missing factor x
struct FactorlessCube : Cube {
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 3 * g * x; }
};
/// … without the incoming gradient
struct GradientlessCube : Cube {
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 3 * x * x + 0 * g; }
};
/// … zero everywhere
struct ZeroCube : Cube {
  template <class X> static X vjp(const X& g, const X&, const X&) { return 0 * g; }
};
/// … NaN
struct NanCube : Cube {
  template <class X> static X vjp(const X& g, const X&, const X&) {
    return g * std::numeric_limits<double>::quiet_NaN();
  }
};
/// … right when it is fused, wrong by 0.1 % when it is taped
struct TwoFacedCube : Cube {
  template <class X> static X vjp(const X& g, const X& x, const X&) {
    return (is_var<X> ? 3.003 : 3.0) * g * x * x;
  }
};
/// 500·x² + off·x, whose taped slope lacks `off`
struct OffParabola {
  double off;
  static constexpr std::string_view name = "off_parabola";
  template <class X> X value(const X& x) const { return 500 * x * x + off * x; }
  template <class X> X vjp(const X& g, const X& x, const X&) const { return 1000 * g * x + (is_var<X> ? 0 : off); }
};
/// … right in its value, but a part of it is cut from the graph: only the second derivative is wrong
struct CutCube : Cube {
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 3 * g * x * cut(x); }
};
/// … the whole of it is cut: the second derivative is zero
struct FullyCutCube : Cube {
  template <class X> static X vjp(const X& g, const X& x, const X&) { return g * cut(3 * x * x); }
};
/// x·|y| with two operands, the second slope wrong by 0.1 % when asked
template <bool wrong> struct Blend {
  static constexpr std::string_view name = "blend";
  template <class X> static X value(const X& a, const X& b) { return a * a * b; }
  template <class X> static X vjp_a(const X& g, const X& a, const X& b, const X&) { return 2 * g * a * b; }
  template <class X> static X vjp_b(const X& g, const X& a, const X&, const X&) {
    return (wrong ? 0.999 : 1.0) * g * a * a;
  }
};

template <class Rule> tg::GradCheckResult check(const tg::Matrix& x, tg::GradCheckOptions options = {}) {
  return tg::grad_check([](auto v) { return tg::record<Rule, double, 1>(Rule{}, {v[0]}); }, {x}, options);
}

tg::Matrix sample() {
  tg::Matrix x(2, 3);
  x << 0.5, -1.25, 2, 1.5, -0.75, 0.25;
  return x;
}

/// The message names the worst element with all of its values.
std::string gradient_message(const tg::GradCheckElement& e) {
  return fmt::format(
      "gradient of output {} by input {} at ({}, {}) = {}: analytic {}, numeric {}, relative error {:.3g}",
      e.output, e.input, e.row, e.col, e.at, e.analytic, e.numeric, e.error);
}

/// y = A·B for square matrices, with the gradient of A transposed when asked.
template <bool wrong_fused, bool wrong_taped> struct SquareMatmul {
  static void pull_back(tg::At<double> at) {
    const auto n = at.node().shape().rows;
    using Map = Eigen::Map<tg::Matrix>;
    using View = tg::BasicView<double>;
    const View g(at.g(), n, n);
    const View a(at.x(0).value, n, n);
    const View b(at.x(1).value, n, n);
    const auto put = [&](std::size_t to, const tg::Matrix& part) {
      const auto sink = at.sink(to);
      if (sink.add)
        Map(sink.data, n, n) += part;
      else
        Map(sink.data, n, n) = part;
    };
    const tg::Matrix da = g * b.transpose();
    put(0, wrong_fused ? tg::Matrix(da.transpose()) : da);
    put(1, a.transpose() * g);
  }
  static tg::Var vjp(const tg::TapedAt<double>& at, std::size_t parent) {
    if (parent == 1) return tg::matmul(at.x(0), at.g, {.transpose_a = true});
    const tg::Var da = tg::matmul(at.g, at.x(1), {.transpose_b = true});
    return wrong_taped ? tg::transpose(da) : da;
  }
  static constexpr tg::Op<double> op{.name = "square_matmul", .vjp = &vjp, .pull_back = &pull_back};
  static tg::Var record(tg::Var a, tg::Var b) {
    tg::Tape& tape = a.tape();
    double* out = tape.allocate(a.shape());
    Eigen::Map<tg::Matrix>(out, a.rows(), b.cols()) = a.value() * b.value();
    return tape.push(SquareMatmul(), {a.rows(), b.cols()}, out, {a, b});
  }
  static tg::GradCheckResult check(int order = 1) {
    tg::Matrix a(2, 2), b(2, 2);
    a << 1, 2, -0.5, 0.75;
    b << 0.3, -1.5, 2, 0.8;
    return tg::grad_check([](auto v) { return record(v[0], v[1]); }, {a, b}, {.order = order});
  }
};

}  // namespace

TEST_CASE("grad_check accepts right rules") {
  for (const int order : {1, 2}) {
    for (const bool full : {false, true}) {
      CAPTURE(order);
      CAPTURE(full);
      const auto result = check<Cube>(sample(), {.order = order, .full_jacobian = full});
      CHECK_MESSAGE(result.ok, result.message);
      CHECK(static_cast<bool>(result));
      CHECK(result.checked == (full ? 36 : 6));
      CHECK(result.avoided.empty());
      CHECK(result.message == fmt::format("{} derivatives agree, worst relative error {:.3g}, 0 avoided at kinks",
                                          full ? 36 : 6, result.worst.error));
      CHECK(result.worst.error < 1e-8);
    }
    const auto two = tg::grad_check(
        [](auto v) {
          return tg::record<Blend<false>, double, 2>({}, {v[0], v[1]});
        },
        {sample(), sample().topRows(1)}, {.order = order});
    CHECK_MESSAGE(two.ok, two.message);
    CHECK(two.checked == 9);
    const auto product = SquareMatmul<false, false>::check(order);
    CHECK_MESSAGE(product.ok, product.message);
    CHECK(product.checked == 8);
  }
}

TEST_CASE("grad_check rejects a gradient that is wrong by 0.1 %") {
  const auto result = check<SlightlyWrongCube>(sample());
  CHECK_FALSE(result.ok);
  CHECK(result.message == gradient_message(result.worst));
  CHECK(result.worst.error == doctest::Approx(0.003 / 3.003).scale(0).epsilon(1e-5));
  CHECK(result.worst.analytic / result.worst.numeric == doctest::Approx(1.001).scale(0).epsilon(1e-6));
  CHECK(result.checked == 6);
  const auto full = check<SlightlyWrongCube>(sample(), {.full_jacobian = true});
  CHECK_FALSE(full.ok);
  CHECK(full.message == gradient_message(full.worst));
  CHECK(full.worst.analytic == doctest::Approx(3.003 * full.worst.at * full.worst.at).scale(0).epsilon(1e-12));
  CHECK(full.worst.numeric == doctest::Approx(3 * full.worst.at * full.worst.at).scale(0).epsilon(1e-8));
}

TEST_CASE("grad_check rejects a gradient of the second operand that is wrong by 0.1 %") {
  const auto result = tg::grad_check(
      [](auto v) {
        return tg::record<Blend<true>, double, 2>({}, {v[0], v[1]});
      },
      {sample(), sample().topRows(1)});
  CHECK_FALSE(result.ok);
  CHECK(result.worst.input == 1);
  CHECK(result.message == gradient_message(result.worst));
  CHECK(result.worst.analytic / result.worst.numeric == doctest::Approx(0.999).scale(0).epsilon(1e-6));
}

TEST_CASE("grad_check rejects a wrong sign") {
  const auto result = check<NegatedCube>(sample());
  CHECK_FALSE(result.ok);
  CHECK(result.message == gradient_message(result.worst));
  CHECK(result.worst.error == doctest::Approx(2).scale(0).epsilon(1e-5));
  CHECK(result.worst.analytic / result.worst.numeric == doctest::Approx(-1).scale(0).epsilon(1e-6));
}

TEST_CASE("grad_check rejects a missing factor") {
  const auto result = check<FactorlessCube>(sample());
  CHECK_FALSE(result.ok);
  CHECK(result.message == gradient_message(result.worst));
  CHECK(result.worst.analytic * result.worst.at == doctest::Approx(result.worst.numeric).scale(0).epsilon(1e-6));
  CHECK_FALSE(check<GradientlessCube>(sample()).ok);
}

TEST_CASE("grad_check rejects NaN") {
  const auto result = check<NanCube>(sample());
  CHECK_FALSE(result.ok);
  CHECK(result.message == gradient_message(result.worst));
  CHECK(result.message.find("analytic nan") != std::string::npos);
}

TEST_CASE("grad_check rejects a transposed gradient") {
  const auto both = SquareMatmul<true, true>::check();
  CHECK_FALSE(both.ok);
  CHECK(both.worst.input == 0);
  CHECK(both.message == gradient_message(both.worst));
  const auto fused = SquareMatmul<true, false>::check();
  CHECK_FALSE(fused.ok);
  CHECK(fused.message.starts_with("the fused and the taped rule differ for input 0 at (0, 1): "));
  CHECK(fused.checked == 0);
  CHECK_FALSE(SquareMatmul<false, true>::check(1).ok);
}

TEST_CASE("grad_check rejects a zero gradient although the function moves") {
  const auto result = check<ZeroCube>(sample());
  CHECK_FALSE(result.ok);
  CHECK(result.message == gradient_message(result.worst));
  CHECK(result.worst.error == doctest::Approx(1).scale(0).epsilon(1e-5));
  // At a point where both the rule and the difference are zero, only the movement tells.
  const auto blind = check<ZeroCube>(tg::Matrix::Zero(1, 1));
  CHECK_FALSE(blind.ok);
  CHECK(blind.message.starts_with("every gradient is zero, but the function moves by "));
  CHECK(blind.checked == 1);
}

TEST_CASE("grad_check rejects a value cut from the graph") {
  const auto all = tg::grad_check([](auto v) { return tg::detach(v[0] * 2.0); }, {sample()});
  CHECK_FALSE(all.ok);
  CHECK(all.message == gradient_message(all.worst));
  CHECK(all.worst.analytic == 0);
  const auto part = tg::grad_check([](auto v) { return v[0] * tg::detach(v[0]); }, {sample()});
  CHECK_FALSE(part.ok);
  CHECK(part.message == gradient_message(part.worst));
  CHECK(part.worst.numeric / part.worst.analytic == doctest::Approx(2).scale(0).epsilon(1e-6));
}

TEST_CASE("grad_check accepts a function that is constant") {
  const auto result = tg::grad_check([](auto v) { return tg::sign(v[0]); }, {sample()});
  CHECK_MESSAGE(result.ok, result.message);
  CHECK(result.message == "6 derivatives agree, worst relative error 0, 0 avoided at kinks");
}

TEST_CASE("grad_check rejects fused and taped rules that differ") {
  tg::Matrix x(1, 2);
  x << 1, 2;
  const auto result = check<TwoFacedCube>(x, {.full_jacobian = true});
  CHECK_FALSE(result.ok);
  CHECK(result.message ==
        fmt::format("the fused and the taped rule differ for input 0 at (0, 0): {} and {}", 3.0, 3.003));
}

TEST_CASE("grad_check: fused and taped rules may differ by the rounding of the largest gradient") {
  const auto differing_by = [](double off) {
    return tg::grad_check(
        [=](auto v) { return tg::sum(tg::record<OffParabola, double, 1>(OffParabola{off}, {v[0]})); },
        {tg::Matrix{{1, 0}}}, {.full_jacobian = true});
  };
  CHECK(differing_by(1e-11).ok);
  CHECK(differing_by(1e-9).message ==
        fmt::format("the fused and the taped rule differ for input 0 at (0, 1): {} and {}", 1e-9, 0.0));
}

TEST_CASE("grad_check rejects what is wrong in the second derivative only") {
  CHECK(check<CutCube>(sample()).ok);
  const auto part = check<CutCube>(sample(), {.order = 2, .full_jacobian = true});
  CHECK_FALSE(part.ok);
  // In the fused rule of the second pass and in its taped rule alike, half of the derivative is missing.
  CHECK(part.message == gradient_message(part.worst));
  CHECK(part.worst.numeric / part.worst.analytic == doctest::Approx(2).scale(0).epsilon(1e-6));
  CHECK_FALSE(check<CutCube>(sample(), {.order = 2}).ok);

  CHECK(check<FullyCutCube>(sample()).ok);
  const auto all = check<FullyCutCube>(sample(), {.order = 2});
  CHECK_FALSE(all.ok);
  CHECK(all.message == gradient_message(all.worst));
  CHECK(all.worst.analytic == 0);
}

TEST_CASE("grad_check lists the kinks it avoids") {
  tg::Matrix x(2, 2);
  x << 1, 0, -0.0, -2;
  const auto result = tg::grad_check([](auto v) { return tg::abs(v[0]); }, {x});
  CHECK(result.ok);
  CHECK(result.checked == 2);
  REQUIRE(result.avoided.size() == 2);
  CHECK(result.avoided[0].row == 0);
  CHECK(result.avoided[0].col == 1);
  CHECK(result.avoided[1].row == 1);
  CHECK(result.avoided[1].col == 0);
  CHECK(result.avoided[0].at == 0);
  CHECK(result.message ==
        fmt::format("2 derivatives agree, worst relative error {:.3g}, 2 avoided at kinks", result.worst.error));
  // A wrong slope beside a kink is still found.
  const auto wrong = tg::grad_check(
      [](auto v) {
        const tg::Var y = tg::abs(v[0]);
        return y + 0.001 * (y - tg::detach(y));
      },
      {x});
  CHECK_FALSE(wrong.ok);
  CHECK(wrong.message == gradient_message(wrong.worst));
}

TEST_CASE("grad_check avoids the kink of prelu, and nothing else") {
  const auto result = tg::grad_check([](auto v) { return tg::prelu(v[0], v[1]); },
                                     {tg::Matrix{{1, 0, -2}}, tg::Matrix{{.25, .5, 3}}});
  CHECK(result.ok);
  REQUIRE(result.avoided.size() == 1);
  CHECK(result.avoided[0].col == 1);
}

TEST_CASE("grad_check: a first element that is wrong is the worst one, whatever comes behind it") {
  const tg::Matrix first{{1, 0, 0}};
  const auto result =
      tg::grad_check([&](auto v) { return v[0] + 0.01 * v[0].tape().input(first) * (v[0] - tg::detach(v[0])); },
                     {tg::Matrix{{1, 2, 3}}});
  CHECK_FALSE(result.ok);
  CHECK(result.worst.col == 0);
  CHECK(result.worst.error == doctest::Approx(0.01 / 1.01).scale(0).epsilon(1e-5));
}

TEST_CASE("grad_check: what rounding may do is no movement of a function without a gradient") {
  constexpr double eps = std::numeric_limits<double>::epsilon();
  const auto moving_by = [&](double change) {
    return tg::grad_check([=](auto v) { return v[0] * 0.0 + (v[0].item() == 1 ? 1 : 1 + change); },
                          {tg::Matrix{{1}}}, {.full_jacobian = true});
  };
  CHECK(moving_by(64 * eps).ok);
  CHECK(moving_by(65 * eps).message ==
        fmt::format("every gradient is zero, but the function moves by {:.3g}", 65 * eps));
}

TEST_CASE("grad_check that could compare nothing is not ok") {
  for (const int order : {1, 2}) {
    const auto result =
        tg::grad_check([](auto v) { return tg::relu(v[0]); }, {tg::Matrix::Zero(2, 2)}, {.order = order});
    CHECK_FALSE(result.ok);
    CHECK(result.checked == 0);
    CHECK(result.avoided.size() == 4);
    CHECK(result.message == "nothing was compared: 4 elements are too close to a kink");
  }
  CHECK_THROWS_WITH_AS(tg::grad_check(nullptr, {sample()}), "[grad_check] no function", tg::Error);
}

TEST_CASE("grad_check sees a kink inside the function, not only at its inputs") {
  tg::Matrix x(1, 2);
  x << 1, 3;
  const auto result = tg::grad_check([](auto v) { return tg::relu(v[0] * 2.0 - 2.0); }, {x});
  CHECK(result.ok);
  REQUIRE(result.avoided.size() == 1);
  CHECK(result.avoided[0].col == 0);
  CHECK(result.avoided[0].at == 1);
}

TEST_CASE("grad_check refuses what it cannot check") {
  const auto infinite = tg::grad_check([](auto v) { return tg::log(v[0]); }, {tg::Matrix::Zero(1, 1)});
  CHECK_FALSE(infinite.ok);
  CHECK(infinite.message == "the function is not finite at the given inputs");
  const auto identity = [](auto v) { return v[0]; };
  CHECK_THROWS_WITH_AS(tg::grad_check(identity, {sample()}, {.order = 3}),
                       "[grad_check] order must be 1 or 2, got 3", tg::Error);
  CHECK_THROWS_WITH_AS(tg::grad_check(identity, {}), "[grad_check] no inputs", tg::Error);
}

TEST_CASE("grad_check of an empty batch has nothing to compare") {
  const auto result = tg::grad_check([](auto v) { return tg::tanh(v[0]); }, {tg::Matrix(0, 3)});
  CHECK(result.ok);
  CHECK(result.checked == 0);
  CHECK(result.message == "0 derivatives agree, worst relative error 0, 0 avoided at kinks");
}

TEST_CASE("grad_check of order 2 by single elements is the Hessian") {
  tg::Matrix x(1, 2);
  x << 2, 3;
  const auto result =
      tg::grad_check([](auto v) { return tg::sum(v[0] * v[0] * v[0]); }, {x}, {.order = 2, .full_jacobian = true});
  CHECK_MESSAGE(result.ok, result.message);
  CHECK(result.checked == 4);  // a 2x2 Hessian
}

namespace {

/// 2x, with a rule that forgets the shape of x.
struct Twice {
  static tg::Var vjp(const tg::TapedAt<double>& at, std::size_t) { return tg::sum(at.g) * 2.0; }
  static constexpr tg::Op<double> op{.name = "twice", .vjp = &vjp};
};

}  // namespace

TEST_CASE("a rule that gives a gradient of another shape is an error") {
  tg::Tape tape;
  const tg::Var x = tape.input(tg::Matrix::Ones(2, 2), {.requires_grad = true});
  double* out = tape.allocate(x.shape());
  Eigen::Map<tg::Matrix>(out, 2, 2) = 2 * x.value();
  const tg::Var y = tg::sum(tape.push(Twice(), x.shape(), out, {x}));
  const char* const text = "[twice] the rule gives a 1x1 gradient for operand 0, which is 2x2";
  CHECK_THROWS_WITH_AS(y.backward(), text, tg::Error);
  CHECK_THROWS_WITH_AS(tg::grad(y, {x}), text, tg::Error);
}
