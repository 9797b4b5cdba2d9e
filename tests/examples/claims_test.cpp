#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <set>
#include <span>
#include <string>

#include "lab/lab.h"
#include "lab/show.h"
#include "tapegrad/core/error.h"

// The lab must be able to say otherwise: here it is given activations that are not what they are called, and every
// verdict has to change.

using namespace tapegrad;
using lab::Claim;
using lab::Numbers;
using lab::Verdict;

namespace {

/// f(x) = low·x for x ≤ 0, high·x + jump for x > 0: what a wrong registration may look like.
struct TwoLines {
  double low = 0;
  double high = 1;
  double jump = 0;
  static constexpr std::string_view name = "two_lines";
  template <class X> X value(const X& x) const { return where(x > 0, high * x + jump, low * x); }
  template <class X> X vjp(const X& g, const X& x, const X&) const { return where(x > 0, high * g, low * g); }
};

/// A sigmoid whose slope is too large by a factor.
struct SteepSigmoid {
  double factor = 2;
  static constexpr std::string_view name = "steep_sigmoid";
  template <class X> X value(const X& x) const { return sigmoid(x); }
  template <class X> X vjp(const X& g, const X& x, const X&) const { return factor * g * sigmoid_slope(x); }
};

/// scale·σ(x) + shift
struct MovedSigmoid {
  double scale = 1;
  double shift = 0;
  static constexpr std::string_view name = "moved_sigmoid";
  template <class X> X value(const X& x) const { return scale * sigmoid(x) + shift; }
  template <class X> X vjp(const X& g, const X& x, const X&) const { return scale * g * sigmoid_slope(x); }
};

/// tanh with a slope that does not fall below a tenth.
struct NeverFlatTanh {
  static constexpr std::string_view name = "never_flat_tanh";
  template <class X> static X value(const X& x) { return 0.9 * tapegrad::tanh(x) + 0.1 * x; }
  template <class X> static X vjp(const X& g, const X& x, const X&) {
    return g * (3.6 * sigmoid_slope(2 * x) + 0.1);
  }
};

/// Some work that gives x: slower than any activation.
struct SlowIdentity {
  static constexpr std::string_view name = "slow_identity";
  template <class X> static X value(const X& x) {
    X y = x;
    for (int i = 0; i < 60; ++i) y = 0.5 * (y + tapegrad::tanh(0.1 * (y - x)) + x);
    return y;
  }
  template <class X> static X vjp(const X& g, const X&, const X&) { return g; }
};

/// |x| of every element of a row: a softmax that has a kink at 0.
struct AbsoluteRow {
  static constexpr std::string_view name = "absolute_row";
  template <class T> static BasicVar<T> apply(BasicVar<T> x, std::span<const BasicVar<T>>) {
    return tapegrad::abs(x);
  }
};

/// max(x, 0) of every element of a row: no gradient for negative inputs.
struct ReluRow {
  static constexpr std::string_view name = "relu_row";
  template <class T> static BasicVar<T> apply(BasicVar<T> x, std::span<const BasicVar<T>>) { return relu(x); }
};

/// Two classes of 200 points in place of the images: everything runs, in no time.
lab::Lab small_lab() {
  lab::Lab small;
  small.effort = 0.05;
  Rng rng(7);
  small.use_images(two_moons(200, 0.1, rng), two_moons(200, 0.1, rng));
  return small;
}

const Claim& claim(int id) { return *lab::select(std::array{std::to_string(id)})[0]; }

Verdict verdict_of(int id, lab::Lab& subject) { return lab::check(claim(id), subject).verdict; }

/// A wrong activation, and the verdict that must follow.
struct Sabotage {
  int id;
  Verdict verdict;
  void (*apply)(lab::Lab&);
};

const Activation nothing = make_activation(TwoLines{0, 0, 0});
const Activation straight = make_activation(Identity{});

constexpr Verdict is_true = Verdict::is_true;
constexpr Verdict qualified = Verdict::qualified;
constexpr Verdict is_false = Verdict::is_false;

const Sabotage sabotages[] = {
    {1, is_false, [](auto& l) { l.identity = activation("tanh"); }},  // what should be straight is not
    {1, is_false, [](auto& l) { l.tanh = straight; }},
    {2, is_false, [](auto& l) { l.relu = straight; }},  // no f′ that shrinks anything
    {2, is_false,
     [](auto& l) {
       l.relu = make_activation(TwoLines{0, 0.5});
     }},  // slope ½ for the positive half
    {3, is_false,
     [](auto& l) {
       l.relu = make_activation(TwoLines{0, 3});
     }},                                                // large enough for any weights
    {4, is_false, [](auto& l) { l.relu = straight; }},  // one slope everywhere: nothing to shatter
    {5, is_false, [](auto& l) { l.relu = nothing; }},   // nothing can be rescued
    {6, is_false, [](auto& l) { l.sigmoid = make_activation(SteepSigmoid{1.001}); }},
    {6, is_false,
     [](auto& l) {
       l.tanh = make_activation(MovedSigmoid{2, -1});
     }},  // the 2 in σ(2x) forgotten
    {6, is_false, [](auto& l) { l.relu = activation("leaky_relu"); }},
    {6, is_false, [](auto& l) { l.leaky_relu = activation("leaky_relu(negative_slope=0.1)"); }},
    {6, is_false, [](auto& l) { l.elu = activation("selu"); }},
    {6, is_false, [](auto& l) { l.swish = activation("gelu"); }},
    {7, is_false, [](auto& l) { l.sigmoid = make_activation(SteepSigmoid{4}); }},
    {8, is_false, [](auto& l) { l.sigmoid = activation("tanh"); }},
    {10, is_false, [](auto& l) { l.sigmoid = activation("tanh"); }},
    {10, is_false, [](auto& l) { l.sigmoid = activation("hard_sigmoid"); }},  // reaches 0 and 1
    {11, is_true, [](auto& l) { l.sigmoid = straight; }},                     // N(0, 1) stays N(0, 1)
    {12, is_false, [](auto& l) { l.sigmoid = activation("tanh"); }},
    {13, is_false, [](auto& l) { l.sigmoid = activation("hard_sigmoid"); }},
    {14, is_true, [](auto& l) { l.sigmoid = straight; }},  // all slopes of a straight line are one
    {15, is_true, [](auto& l) { l.sigmoid = straight; }},  // clear answers and no saturation
    {15, is_false,
     [](auto& l) {
       l.sigmoid = make_activation(MovedSigmoid{0.5, 0.25});
     }},
    {16, is_false, [](auto& l) { l.tanh = activation("sigmoid"); }},
    {16, is_true, [](auto& l) { l.tanh = nothing; }},
    {17, is_true, [](auto& l) { l.tanh = make_activation(NeverFlatTanh{}); }},
    {17, is_false, [](auto& l) { l.sigmoid = make_activation(SteepSigmoid{4}); }},
    {18, is_false, [](auto& l) { l.tanh = activation("sigmoid"); }},
    {18, is_true, [](auto& l) { l.relu = activation("sigmoid"); }},
    {19, is_false, [](auto& l) { l.relu = activation("relu6"); }},  // flat from 6 on
    {21, is_false, [](auto& l) { l.relu = activation("leaky_relu"); }},
    {22, is_false, [](auto& l) { l.relu = activation("leaky_relu"); }},
    {22, is_false, [](auto& l) { l.relu = activation("softplus"); }},
    {23, is_true, [](auto& l) { l.sigmoid = activation("hard_sigmoid"), l.tanh = activation("hard_tanh"); }},
    {24, is_false, [](auto& l) { l.relu = activation("tanh"); }},
    {25, is_false, [](auto& l) { l.leaky_relu = activation("relu"); }},
    {26, is_false, [](auto& l) { l.leaky_relu = activation("relu"); }},
    {26, is_false, [](auto& l) { l.leaky_relu = activation("leaky_relu(negative_slope=0.3)"); }},
    {27, is_true, [](auto& l) { l.elu = activation("relu"); }},
    {28, is_false, [](auto& l) { l.elu = activation("relu"); }},
    {28, is_true, [](auto& l) { l.elu = activation("leaky_relu"); }},
    {29, is_false, [](auto& l) { l.elu = activation("relu"); }},
    {29, is_true, [](auto& l) { l.elu = activation("tanh"); }},
    {30, is_false, [](auto& l) { l.elu = nothing; }},
    {31, is_false, [](auto& l) { l.elu = activation("leaky_relu"); }},
    {33, is_false, [](auto& l) { l.relu = nothing; }},  // then ELU is better in every seed
    {34, is_true, [](auto& l) { l.softmax = make_activation(AbsoluteRow{}); }},
    {35, is_true, [](auto& l) { l.softmax = make_activation(ReluRow{}); }},
    {36, is_false, [](auto& l) { l.swish = activation("sigmoid"); }},
    {36, is_true,
     [](auto& l) {
       l.swish = make_activation(TwoLines{0.5, 1});
     }},
    {37, is_false, [](auto& l) { l.swish = activation("leaky_relu"); }},
    {38, is_true, [](auto& l) { l.swish = activation("softplus"); }},
    {39, is_false, [](auto& l) { l.swish = nothing; }},
};

/// Claims about time: their measurement is tested below, with something that is slow whatever the machine.
const std::set<int> about_time{9, 20, 32};

}  // namespace

TEST_CASE("claims: there are 39, numbered in order, and each can be judged") {
  REQUIRE(lab::claims().size() == 39);
  int id = 0;
  for (const Claim& c : lab::claims()) {
    CAPTURE(c.id);
    CHECK(c.id == ++id);
    CHECK(!c.text.empty());
    CHECK(!c.expectation.empty());
    CHECK(!c.claimed.empty());
    CHECK((c.expected_verdict != qualified || !c.limits.empty()));
    CHECK(lab::criterion(c).starts_with("true if "));
  }
}

TEST_CASE("claims: those that need no images come out as the table expects") {
  lab::Lab subject;
  subject.effort = 0.1;
  for (const Claim& c : lab::claims()) {
    if (c.needs_images || about_time.count(c.id) == 1) continue;
    const lab::Result result = lab::check(c, subject);
    CAPTURE(c.id);
    CAPTURE(result.sentence);
    CHECK(lab::letter(result.verdict) == lab::letter(c.expected_verdict));
    if (c.id != 4) CHECK(result.missed().empty());  // so few random networks scatter
    CHECK(!result.sentence.empty());
  }
}

TEST_CASE("claims: a wrong activation changes the verdict") {
  std::set<int> sabotaged;
  for (const Sabotage& sabotage : sabotages) {
    lab::Lab subject = small_lab();
    sabotage.apply(subject);
    CAPTURE(sabotage.id);
    CHECK(lab::letter(verdict_of(sabotage.id, subject)) == lab::letter(sabotage.verdict));
    CHECK(lab::letter(sabotage.verdict) != lab::letter(claim(sabotage.id).expected_verdict));
    sabotaged.insert(sabotage.id);
  }
  for (const Claim& c : lab::claims()) {
    CAPTURE(c.id);
    CHECK(sabotaged.count(c.id) + about_time.count(c.id) == 1);
  }
}

TEST_CASE("claims: what is said of time is measured") {
  lab::Lab subject;
  subject.relu = make_activation(SlowIdentity{});  // slower than sigmoid and ELU, and straight
  for (const int id : about_time) {
    CAPTURE(id);
    CHECK(verdict_of(id, subject) == is_false);
  }
  lab::Lab slow_sigmoid;
  slow_sigmoid.sigmoid = make_activation(SlowIdentity{});  // slower than the matrix product: no qualification
  CHECK(verdict_of(9, slow_sigmoid) == is_true);
  CHECK(verdict_of(20, slow_sigmoid) == qualified);
}

TEST_CASE("claims: every condition counts, whatever the numbers are") {
  for (const Claim& c : lab::claims()) {
    CAPTURE(c.id);
    // Numbers that meet everything claimed and show no limit, made from the conditions alone.
    Numbers good;
    const auto inside = [](const lab::Interval& v) {
      if (std::isinf(v.low)) return std::isinf(v.high) ? 0 : v.high - 1;
      return std::isinf(v.high) ? v.low + 1 : (v.low + v.high) / 2;
    };
    const auto outside = [](const lab::Interval& v) { return std::isinf(v.low) ? v.high + 1 : v.low - 1; };
    for (const lab::Condition& limit : c.limits) good.set(limit.number, outside(limit.values));
    for (const lab::Condition& claimed : c.claimed) good.set(claimed.number, inside(claimed.values));
    CHECK(lab::judge(c, good) == is_true);
    for (const lab::Condition& limit : c.limits) {
      Numbers numbers = good;
      numbers.set(limit.number, inside(limit.values));
      CHECK(lab::judge(c, numbers) == qualified);
      numbers.set(c.claimed.front().number, outside(c.claimed.front().values));
      CHECK(lab::judge(c, numbers) == is_false);
    }
    for (const lab::Condition& claimed : c.claimed) {
      Numbers numbers = good;
      numbers.set(claimed.number, outside(claimed.values));
      CHECK(lab::judge(c, numbers) == is_false);
      numbers.set(claimed.number, std::nan(""));
      CHECK(lab::judge(c, numbers) == is_false);
    }
  }
}

TEST_CASE("claims: the bounds of a condition") {
  const Numbers at_one{{"x", 1}};
  CHECK(lab::at_most("x", 1).holds(at_one));
  CHECK(lab::at_least("x", 1).holds(at_one));
  CHECK_FALSE(lab::below("x", 1).holds(at_one));
  CHECK_FALSE(lab::above("x", 1).holds(at_one));
  CHECK(lab::exactly("x", 1).holds(at_one));
  CHECK_FALSE(lab::exactly("x", 1 + 1e-15).holds(at_one));
  CHECK_FALSE(lab::at_most("x", 1).holds({{"x", -INFINITY}}));
  CHECK(lab::at_most("x", -0.5).text() == "x ≤ −0.5");
  CHECK(lab::above("x", 0).text() == "x > 0");
  CHECK(lab::Condition{"x", {0, 2}}.text() == "x in [0, 2]");
  CHECK_THROWS_WITH_AS(lab::below("y", 1).holds(at_one), "[lab] nothing was measured under the name 'y'", Error);
}

TEST_CASE("claims: a number that is not the expected one is reported") {
  lab::Result result{.claim = &claim(11), .numbers = {{"mean on N(0, 1)", 0.5}, {"variance on N(0, 1)", 0.05}}};
  result.verdict = lab::judge(*result.claim, result.numbers);
  CHECK(result.verdict_as_expected());
  CHECK_FALSE(result.as_expected());
  REQUIRE(result.missed().size() == 1);
  const std::string text = lab::summary_text(std::span(&result, 1));
  CHECK(text.find("1 claims: 0 as expected, 0 with another verdict, 1 with other numbers") == 0);
  CHECK(text.find("variance on N(0, 1): expected 0.043 ± 5.0e-04, measured 0.05") != std::string::npos);

  result.numbers = {{"mean on N(0, 1)", 0}, {"variance on N(0, 1)", 1}};
  result.verdict = lab::judge(*result.claim, result.numbers);
  CHECK_FALSE(result.verdict_as_expected());
  CHECK(lab::summary_text(std::span(&result, 1)).find("verdict T, the table says F") != std::string::npos);
  const auto json = lab::to_json(std::span(&result, 1))[0];
  CHECK(json["id"] == 11);
  CHECK(json["verdict"] == "T");
  CHECK(json["expected_verdict"] == "F");
  CHECK(json["expected"]["variance on N(0, 1)"] == 0.043);
  CHECK(json["measured"]["variance on N(0, 1)"] == 1.0);
  CHECK(json["criterion"] == "true if mean on N(0, 1) in [−0.1, 0.1] and variance on N(0, 1) in [0.9, 1.1]");
}

TEST_CASE("claims: the same seed measures the same numbers") {
  for (const int id : {18, 21, 30}) {
    lab::Lab first = small_lab();
    lab::Lab second = small_lab();
    const Numbers a = claim(id).measure(first);
    const Numbers b = claim(id).measure(second);
    for (const auto& entry : a) CHECK(entry.second == b[entry.first]);
  }
}

TEST_CASE("claims: selected by number") {
  CHECK(lab::select({}).size() == 39);
  const auto two = lab::select(std::array<std::string, 2>{"13", "12"});
  REQUIRE(two.size() == 2);
  CHECK(two[0]->id == 12);
  CHECK_THROWS_WITH_AS(lab::select(std::array<std::string, 1>{"40"}),
                       "[claims] there is no claim 40; they are numbered 1 to 39", Error);
}
