#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

/// Forward-mode differentiation by hyper-dual numbers, a + b·ε + c·δ + d·εδ with ε² = δ² = 0: a is a value, b and c are its
/// derivatives in two directions and d the second one. Formulas are those of a textbook; nothing here is shared with the
/// library.

namespace properties {

/// How close the nearest comparison came to a tie without being one: there rounding decides which way a graph takes.
inline thread_local double nearest_tie = HUGE_VAL;
/// The harness is tested with a reference that is wrong: this factor, times tanh″.
inline thread_local double fault = 1;

template <class F> struct Dual {
  Dual(F value = 0, F along = 0, F across = 0, F both = 0) : a(value), b(along), c(across), d(both) {}
  F a, b, c, d;

  friend Dual operator+(Dual x, Dual y) { return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
  friend Dual operator-(Dual x, Dual y) { return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
  friend Dual operator*(Dual x, Dual y) {
    return {x.a * y.a, x.a * y.b + x.b * y.a, x.a * y.c + x.c * y.a, x.a * y.d + x.b * y.c + x.c * y.b + x.d * y.a};
  }
  friend Dual operator/(Dual x, Dual y) {
    const F r = 1 / y.a;
    return x * chain(y, r, -r * r, 2 * r * r * r);
  }
  friend bool operator<(Dual x, Dual y) {
    if (x.a != y.a)
      nearest_tie = std::min(nearest_tie, static_cast<double>(std::abs(x.a - y.a) / (1 + std::abs(x.a))));
    return x.a < y.a;
  }
  friend bool operator>(Dual x, Dual y) { return y < x; }

  /** f(x) by its value and two derivatives. */
  friend Dual chain(Dual x, F f, F f1, F f2) { return {f, f1 * x.b, f1 * x.c, f1 * x.d + f2 * x.b * x.c}; }
  friend Dual exp(Dual x) {
    const F e = std::exp(x.a);
    return chain(x, e, e, e);
  }
  friend Dual log(Dual x) { return chain(x, std::log(x.a), 1 / x.a, -1 / (x.a * x.a)); }
  friend Dual sqrt(Dual x) {
    const F s = std::sqrt(x.a);
    return chain(x, s, 1 / (2 * s), -1 / (4 * s * x.a));
  }
  friend Dual sin(Dual x) { return chain(x, std::sin(x.a), std::cos(x.a), -std::sin(x.a)); }
  friend Dual cos(Dual x) { return chain(x, std::cos(x.a), -std::sin(x.a), -std::cos(x.a)); }
  friend Dual tanh(Dual x) {
    const F t = std::tanh(x.a), s = 1 / (std::cosh(x.a) * std::cosh(x.a));
    return chain(x, t, s, -2 * t * s * static_cast<F>(fault));
  }
  friend Dual abs(Dual x) { return x < Dual(0) ? Dual(0) - x : x > Dual(0) ? x : Dual(0); }
  friend Dual sigmoid(Dual x) {
    const F q = std::exp(-std::abs(x.a)), p = q / ((1 + q) * (1 + q));
    return chain(x, (x.a > 0 ? 1 : q) / (1 + q), p, -p * std::tanh(x.a / 2));
  }
  friend Dual softplus(Dual x) {
    const F q = std::exp(-std::abs(x.a)), p = q / ((1 + q) * (1 + q));
    return chain(x, std::max<F>(x.a, 0) + std::log1p(q), (x.a > 0 ? 1 : q) / (1 + q), p);
  }
  friend Dual normal_cdf(Dual x) {
    const F p = std::exp(-x.a * x.a / 2) / std::sqrt(2 * std::acos(F(-1)));
    return chain(x, std::erfc(-x.a / std::sqrt(F(2))) / 2, p, -x.a * p);
  }
};

/** A matrix of anything. */
template <class S> struct Table {
  Table(int r = 0, int c = 0) : rows(r), cols(c), data(static_cast<std::size_t>(r * c)) {}
  S& operator()(int row, int col) { return data[static_cast<std::size_t>(row * cols + col)]; }
  const S& operator()(int row, int col) const { return data[static_cast<std::size_t>(row * cols + col)]; }

  int rows, cols;
  std::vector<S> data;
};

template <class S> Table<S> broadcast(const Table<S>& x, int rows, int cols) {
  Table<S> y(rows, cols);
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < cols; ++j) y(i, j) = x(x.rows == 1 ? 0 : i, x.cols == 1 ? 0 : j);
  return y;
}

template <class S> Table<S> transposed(const Table<S>& x) {
  Table<S> y(x.cols, x.rows);
  for (int i = 0; i < y.rows; ++i)
    for (int j = 0; j < y.cols; ++j) y(i, j) = x(j, i);
  return y;
}

/** f of the elements that are reduced to one: all of them (axis 0), those of a column (1) or of a row (2). */
template <class S, class F> Table<S> reduced(const Table<S>& x, int axis, const F& f) {
  Table<S> y(axis == 2 ? x.rows : 1, axis == 1 ? x.cols : 1);
  for (int i = 0; i < y.rows; ++i)
    for (int j = 0; j < y.cols; ++j) {
      std::vector<S> part;
      for (int k = 0; k < x.rows; ++k)
        for (int l = 0; l < x.cols; ++l)
          if ((axis != 2 || k == i) && (axis != 1 || l == j)) part.push_back(x(k, l));
      y(i, j) = f(part);
    }
  return y;
}

template <class S> S sum_of(const std::vector<S>& x) {
  S s;
  for (const S& each : x) s = s + each;
  return s;
}
template <class S> S mean_of(const std::vector<S>& x) { return sum_of(x) / S(static_cast<double>(x.size())); }
/** The mean of those that are largest. */
template <class S> S max_of(const std::vector<S>& x) {
  S largest = x[0];
  for (const S& each : x)
    if (each > largest) largest = each;
  std::vector<S> ties;
  for (const S& each : x)
    if (each.a == largest.a) ties.push_back(each);
  return mean_of(ties);
}
template <class S> S logsumexp_of(const std::vector<S>& x) {
  S top = x[0].a;
  for (const S& each : x) top = S(std::max(top.a, each.a));
  S s;
  for (const S& each : x) s = s + exp(each - top);
  return log(s) + top;
}

}  // namespace properties
