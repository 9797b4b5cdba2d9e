#pragma once

#include <array>
#include <cmath>
#include <map>
#include <span>
#include <string_view>

/// What every elementwise op should give: formulas in long double, written apart from those of the library. They are held
/// against the 50-digit values of reference.txt.

namespace accuracy {

using Real = long double;

/** A number, and the largest of the terms that cancel in it: near a root of f or f′ the error is counted in units of that. */
struct Term {
  Term() = default;
  Term(Real v) : value(v), scale(std::abs(v)) {}
  Term(Real v, Real s) : value(v), scale(s) {}
  Real value = 0;
  Real scale = 0;
};

/** f and its slope for each operand that has one, in order. */
struct Exact {
  Term value;
  std::array<Term, 2> slopes = {};
};

/** Largest errors that are allowed, in ulp. */
struct Bounds {
  double float_value, float_slope, double_value, double_slope;
};

struct Row {
  Bounds bounds;
  Exact (*f)(std::span<const Real> x);
  Real from = -HUGE_VALL;  ///< where f is defined
  bool limits = true;      ///< f has a limit at ±∞
};

/** By name of the op. An op of the library that is missing here fails the tests. */
const std::map<std::string_view, Row>& rows();

}  // namespace accuracy
