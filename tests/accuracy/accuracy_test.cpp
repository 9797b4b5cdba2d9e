#include <doctest/doctest.h>
#include <fmt/format.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "accuracy/exact.h"

/// Values and slopes of every elementwise op, float and double: at special values, at 100,000 random ones and at those of
/// reference.txt. The largest errors are the table in docs/accuracy.md, which is written by
///
///     TAPEGRAD_WRITE_ACCURACY=docs/accuracy.md build/ci/tests/tapegrad_tests --test-case='accuracy: *'

namespace {

namespace tg = tapegrad;
using accuracy::Exact;
using accuracy::Real;
using accuracy::Row;
using accuracy::Term;

/// Taken before any test registers an op of its own.
const std::vector<tg::ElementwiseOpEntry> library_ops = tg::elementwise_ops();

/// The settings with which a rule is measured; most have none.
template <class Rule> Rule measured() { return {}; }
template <> tg::AddScalar measured() { return {0.75}; }
template <> tg::SubFromScalar measured() { return {0.75}; }
template <> tg::MulScalar measured() { return {0.75}; }
template <> tg::DivScalar measured() { return {0.75}; }
template <> tg::DivideScalar measured() { return {0.75}; }
template <> tg::Pow measured() { return {2.5}; }

constexpr double wrong = 1e30;  ///< an error that is more than lost digits

/// The largest error, and where.
struct Worst {
  double ulp = 0;
  std::string where = {};
};

struct Measured {
  Worst value, slope;
};

template <class T> std::vector<T> special_points() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> all;
  for (const T x :
       {T(0), Limits::denorm_min(), Limits::min() / 2, Limits::min(), Limits::epsilon(), T(1), T(3), T(6),
        std::sqrt(Limits::max()), Limits::max() / 2, Limits::max(), Limits::infinity(), Limits::quiet_NaN()}) {
    all.push_back(x);
    all.push_back(-x);
  }
  return all;
}

/// Near 0, over the whole range of eˣ, and of every size.
template <class T> void add_random_points(std::vector<T>& all) {
  using Limits = std::numeric_limits<T>;
  tg::Rng rng(5);
  const double least = std::log(static_cast<double>(Limits::min()));
  const double most = std::log(static_cast<double>(Limits::max()));
  const double far = sizeof(T) == 4 ? 110 : 750;
  for (int i = 0; i < 25'000; ++i) {
    for (const double range : {4.0, 20.0, far}) all.push_back(static_cast<T>(rng.uniform(-range, range)));
    all.push_back(static_cast<T>(std::exp(rng.uniform(least, most)) * (rng.bernoulli(0.5) ? 1 : -1)));
  }
}

/// A line of reference.txt, made with 50 digits: operands, which are floats, then the value and the slopes.
struct Reference {
  std::vector<double> x;
  std::vector<Real> f;
};

std::vector<Reference> references(std::string_view op, std::size_t arity) {
  std::ifstream file(TAPEGRAD_TESTS_DIR "/accuracy/reference.txt");
  std::vector<Reference> all;
  for (std::string line, name; std::getline(file, line);) {
    std::istringstream words(line);
    words >> name;
    if (name != op) continue;
    Reference reference;
    for (std::string word; words >> word;) {
      if (reference.x.size() < arity)
        reference.x.push_back(std::stod(word));
      else
        reference.f.push_back(std::stold(word));
    }
    all.push_back(reference);
  }
  return all;
}

/// Points for N operands: of the special values every pair.
template <class T, std::size_t N> std::array<std::vector<T>, N> points(std::string_view op) {
  std::array<std::vector<T>, N> x;
  const std::vector<T> special = special_points<T>();
  std::vector<T> others{0};
  if (N > 1) others = special;
  for (const T a : special)
    for (const T b : others)
      for (std::size_t k = 0; k < N; ++k) x[k].push_back(k == 0 ? a : b);
  std::vector<T> random;
  add_random_points(random);
  for (std::size_t k = 0; k < N; ++k)
    for (std::size_t i = 0; i < random.size(); ++i) x[k].push_back(random[i * (k + 1) % random.size()]);
  for (const Reference& reference : references(op, N))
    for (std::size_t k = 0; k < N; ++k) x[k].push_back(static_cast<T>(reference.x[k]));
  return x;
}

/// Units in the last place between `got` and what is right. Below 128 times the smallest normal number the unit stays what it
/// is there, as a factor may be denormal, and below 4 times it a result may be 0.
template <class T> double error(T got, Term want) {
  using Limits = std::numeric_limits<T>;
  const Real least = Limits::min(), biggest = Limits::max();
  const Real size = std::abs(want.value), scale = std::max(want.scale, size);
  if (std::isnan(want.value) || std::isnan(got)) return std::isnan(want.value) && std::isnan(got) ? 0 : wrong;
  if (std::isinf(got)) return std::signbit(got) == std::signbit(want.value) && scale > biggest * 0.999L ? 0 : wrong;
  if (size > biggest) return size < 1.001L * biggest || scale > biggest ? 0 : wrong;
  if (size < 4 * least && std::abs(got) < 4 * least && (got == 0 || want.value != 0)) return 0;
  const Real unit = std::ldexp(1.0L, std::ilogb(std::max(scale, 128 * least)) + 1 - Limits::digits);
  return static_cast<double>(std::abs(static_cast<Real>(got) - want.value) / unit);
}

template <class T> void judge(Worst& worst, T got, Term want, std::span<const Real> x) {
  const double ulp = error(got, want);
  if (ulp <= worst.ulp) return;
  worst.ulp = ulp;
  worst.where = fmt::format("{} instead of {} at", got, static_cast<double>(want.value));
  for (const Real at : x) worst.where += fmt::format(" {}", static_cast<double>(at));
}

std::array<Term*, 3> terms(Exact& exact) { return {&exact.value, &exact.slopes[0], &exact.slopes[1]}; }

/// f at x. At ±∞ the limit is meant, where there is one. At NaN f and its slope are NaN, unless they are the same for all
/// numbers.
Exact exact_at(const Row& row, std::span<const Real> x) {
  constexpr Real very_far = 1e2000L;
  Exact exact = row.f(x);
  for (std::size_t k = 0; k < x.size(); ++k) {
    std::vector<Real> other(x.begin(), x.end());
    const auto at_other = [&](Real number) {
      other[k] = number;
      return exact_at(row, other);
    };
    if (std::isinf(x[k]) && row.limits) {
      Exact limit = at_other(std::copysign(very_far, x[k]));
      for (std::size_t i = 0; i < 3; ++i)
        if (std::isnan(terms(exact)[i]->value)) *terms(exact)[i] = *terms(limit)[i];
    }
    if (!std::isnan(x[k])) continue;
    exact = at_other(1);
    for (const Real number : {-very_far, -4.0L, 0.25L, very_far}) {
      Exact there = at_other(number);
      for (std::size_t i = 0; i < 3; ++i)
        if (!(terms(there)[i]->value == terms(exact)[i]->value)) *terms(exact)[i] = Term(NAN);
    }
    return exact;
  }
  return exact;
}

/// Values and slopes of a rule at points that are columns; the slopes by backward(), and by grad().
template <class Rule, class T> struct Computed {
  static constexpr std::size_t N = tg::elementwise::arity<Rule>();
  static constexpr std::size_t first = tg::elementwise::first_differentiable<Rule>();

  explicit Computed(const std::array<std::vector<T>, N>& x) {
    const auto size = static_cast<tg::Index>(x[0].size());
    for (std::size_t k = 0; k < N; ++k)
      in[k] = tape.input(Eigen::Map<const tg::BasicMatrix<T>>(x[k].data(), 1, size), {.requires_grad = k >= first});
    y = tg::record<Rule, T, N>(measured<Rule>(), in);
    if constexpr (first < N) {
      taped = tg::grad(tg::sum(y), std::span<const tg::BasicVar<T>>(in).subspan(first));
      y.backward(tg::BasicMatrix<T>::Ones(1, size));
    }
  }

  tg::BasicTape<T> tape;
  std::array<tg::BasicVar<T>, N> in;
  tg::BasicVar<T> y;
  std::vector<tg::BasicVar<T>> taped;
};

/// Judges point i. The slopes of grad() need not be as accurate far out; but where one is NaN, ∞ or 0, so is the other.
template <class Rule, class T>
void judge_point(Measured& result, const Computed<Rule, T>& computed, std::size_t i, const Exact& exact,
                 std::span<const Real> x) {
  const auto at = static_cast<tg::Index>(i);
  const bool of_nan = std::any_of(x.begin(), x.end(), [](Real a) { return std::isnan(a); });
  const T value = computed.y.value().data()[at];
  if (!of_nan || !std::isnan(value)) judge(result.value, value, exact.value, x);
  for (std::size_t k = computed.first; k < computed.N; ++k) {
    const Term& slope = exact.slopes[k - computed.first];
    const T fused = computed.in[k].grad().data()[at];
    const T taped = computed.taped[k - computed.first].value().data()[at];
    if (!of_nan || !std::isnan(fused)) judge(result.slope, fused, slope, x);
    if ((!of_nan || !std::isnan(taped)) && error(taped, slope) == wrong) judge(result.slope, taped, slope, x);
  }
}

template <class Rule, class T> Measured measure(const Row& row) {
  constexpr std::size_t N = tg::elementwise::arity<Rule>();
  const std::array<std::vector<T>, N> x = points<T, N>(Rule::name);
  const Computed<Rule, T> computed(x);
  Measured result;
  for (std::size_t i = 0; i < x[0].size(); ++i) {
    std::array<Real, N> at;
    for (std::size_t k = 0; k < N; ++k) at[k] = x[k][i];
    const bool infinite = std::any_of(at.begin(), at.end(), [](Real a) { return std::isinf(a); });
    const bool outside = std::any_of(at.begin(), at.end(), [&](Real a) { return a < row.from; });
    if (outside || (N > 1 && infinite)) continue;
    const bool comparison = computed.first == 2;  // false where an operand is NaN
    judge_point(result, computed, i, comparison ? row.f(at) : exact_at(row, at), at);
  }
  return result;
}

/// What is measured of an op: errors of value and slope, float and double.
struct Line {
  std::string_view op;
  std::array<Worst, 4> worst;
};

template <class Rule> void add_line(std::vector<Line>& lines) {
  const auto row = accuracy::rows().find(Rule::name);
  REQUIRE_MESSAGE(row != accuracy::rows().end(),
                  "no reference for op '" << Rule::name << "' in accuracy/exact.cpp");
  const Measured single = measure<Rule, float>(row->second);
  const Measured twice = measure<Rule, double>(row->second);
  lines.push_back({Rule::name, {single.value, single.slope, twice.value, twice.slope}});
}

const std::vector<Line>& lines() {
  static const std::vector<Line> all = [] {
    std::vector<Line> list;
#define TAPEGRAD_ADD_LINE(Rule) add_line<tg::Rule>(list);
    TAPEGRAD_ARITHMETIC_RULES(TAPEGRAD_ADD_LINE)
    TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_ADD_LINE)
    TAPEGRAD_LOSS_RULES(TAPEGRAD_ADD_LINE)
    return list;
  }();
  return all;
}

#if defined(__x86_64__) && !defined(__AVX__)
constexpr bool baseline = true;
#else
constexpr bool baseline = false;
#endif

constexpr std::string_view head = R"(# Accuracy of the elementwise ops

The largest error of each op's value and slope in ulp (units in the last place), measured / allowed. Correct rounding has 0.5.
Measured are special values (±0, denormal and largest numbers, ±∞, NaN), 100,000 random ones from the smallest to the largest
number, and those of tests/accuracy/reference.txt, which has 50-digit values; by tests/accuracy/accuracy_test.cpp, whose first lines
say how to write this table. It holds for a build without -march on x86-64; what is allowed holds for every build.

Three conventions. Where two terms cancel (a root of gelu′, a − b), the unit is that of the larger term. Below 128 times the
smallest normal number the unit stays what it is there; below 4 times it, a result may be 0. At ±∞ an op gives its limit, at NaN
value and slope are NaN unless they are the same for all numbers; `greater` and `greater_equal` are 0 there. Ops with a setting
have their default, the arithmetic with a number 0.75, pow 2.5.

| op | float f | float f′ | double f | double f′ |
|--|--|--|--|--|
)";

std::array<double, 4> allowed(std::string_view op) {
  const accuracy::Bounds& b = accuracy::rows().find(op)->second.bounds;
  return {b.float_value, b.float_slope, b.double_value, b.double_slope};
}

std::string table() {
  std::string text(head);
  for (const Line& line : lines()) {
    text += fmt::format("| {} |", line.op);
    for (std::size_t i = 0; i < 4; ++i)
      text += fmt::format(" {:.2f} / {:g} |", line.worst[i].ulp, allowed(line.op)[i]);
    text += "\n";
  }
  return text;
}

/// The table's words, and its measured numbers apart: a libm may differ in the last digit.
std::pair<std::string, std::vector<double>> taken_apart(const std::string& text) {
  std::pair<std::string, std::vector<double>> parts;
  std::istringstream stream(text);
  for (std::string word, before; stream >> word; before = word) {
    if (before == "|" && word.find('.') != std::string::npos)
      parts.second.push_back(std::stod(word));
    else
      parts.first += word + " ";
  }
  return parts;
}

}  // namespace

TEST_CASE("accuracy: every op of the library stays within its bounds") {
  REQUIRE(lines().size() == library_ops.size());
  for (std::size_t i = 0; i < library_ops.size(); ++i) CHECK(lines()[i].op == library_ops[i].name);
  constexpr const char* what[] = {"value, float", "slope, float", "value, double", "slope, double"};
  for (const Line& line : lines())
    for (std::size_t i = 0; i < 4; ++i)
      CHECK_MESSAGE(line.worst[i].ulp <= allowed(line.op)[i],
                    fmt::format("{}, {}: {} ulp, {}", line.op, what[i], line.worst[i].ulp, line.worst[i].where));
}

TEST_CASE("accuracy: the formulas agree with 50-digit values") {
  for (const auto& named : accuracy::rows()) {
    const std::string_view op = named.first;
    const Row& row = named.second;
    const auto entry =
        std::find_if(library_ops.begin(), library_ops.end(), [&](const auto& e) { return e.name == op; });
    REQUIRE(entry != library_ops.end());
    const auto all = references(op, entry->arity);
    CHECK_MESSAGE(all.size() >= 100, fmt::format("{}: {} references", op, all.size()));
    for (const Reference& reference : all) {
      std::vector<Real> x(reference.x.begin(), reference.x.end());
      Exact exact = row.f(x);
      REQUIRE(reference.f.size() == 1 + entry->arity - entry->first_differentiable);
      for (std::size_t i = 0; i < reference.f.size(); ++i) {
        const Term& term = *terms(exact)[i];
        CHECK_MESSAGE(
            std::abs(term.value - reference.f[i]) <= 64 * std::numeric_limits<Real>::epsilon() * term.scale,
            fmt::format("{} of {}: {}, not {}", op, fmt::join(reference.x, " "), static_cast<double>(term.value),
                        static_cast<double>(reference.f[i])));
      }
    }
  }
}

TEST_CASE("accuracy: the table in the documentation is what is measured") {
  if (const char* path = std::getenv("TAPEGRAD_WRITE_ACCURACY")) std::ofstream(path) << table();
  if (!baseline) return;
  std::ifstream file(TAPEGRAD_TESTS_DIR "/../docs/accuracy.md");
  const auto written = taken_apart({std::istreambuf_iterator<char>(file), {}});
  const auto now = taken_apart(table());
  CHECK(written.first == now.first);
  REQUIRE(written.second.size() == now.second.size());
  for (std::size_t i = 0; i < now.second.size(); ++i)
    CHECK(std::abs(written.second[i] - now.second[i]) <= 0.02 + 0.1 * now.second[i]);
}
