#pragma once

#if __cplusplus < 202002L
#error "tapegrad needs C++20: compile with -std=c++20"
#endif

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <utility>

/// Eigen lays memory out by the vector width it is compiled for. A program and a library that disagree on it
/// would crash, so the width is part of every symbol that touches memory: they fail to link instead.
#if EIGEN_MAX_ALIGN_BYTES == 0
#define TAPEGRAD_ABI eigen_align_0
#elif EIGEN_MAX_ALIGN_BYTES == 16
#define TAPEGRAD_ABI eigen_align_16
#elif EIGEN_MAX_ALIGN_BYTES == 32
#define TAPEGRAD_ABI eigen_align_32
#elif EIGEN_MAX_ALIGN_BYTES == 64
#define TAPEGRAD_ABI eigen_align_64
#else
#error "tapegrad: unknown EIGEN_MAX_ALIGN_BYTES"
#endif

namespace tapegrad {
inline namespace TAPEGRAD_ABI {

using Index = Eigen::Index;

/** Row-major matrix; rows = batch, cols = features. A scalar is 1x1. */
template <class T> using BasicMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
/** A read-only view of values owned by a tape or a parameter. */
template <class T> using BasicView = Eigen::Map<const BasicMatrix<T>>;
/** A matrix argument: a matrix, a block of rows or a view, taken without a copy. */
template <class T> using BasicMatrixRef = Eigen::Ref<const BasicMatrix<T>>;

struct Shape {
  Index rows = 0;
  Index cols = 0;

  constexpr Index size() const { return rows * cols; }
  friend constexpr bool operator==(const Shape&, const Shape&) = default;
};

/** Gives a variable another value until the end of the scope, also by an exception. */
template <class Value> class Scoped {
 public:
  Scoped(Value& variable, Value value) : variable_(variable), before_(std::exchange(variable, std::move(value))) {}
  ~Scoped() { variable_ = std::move(before_); }
  Scoped(const Scoped&) = delete;

 private:
  Value& variable_;
  Value before_;
};

template <class T> class BasicTape;
template <class T> class BasicVar;
template <class T> class BasicParameter;
template <class T> struct RecordedParameters;

}  // namespace TAPEGRAD_ABI

/// Everything but these aliases lives in the inline namespace. `tapegrad::Name` is the float version and
/// `tapegrad::f64::Name` the double version, so `namespace tg = tapegrad::f64;` switches a whole program to double.
namespace f64 {
using namespace TAPEGRAD_ABI;
}

}  // namespace tapegrad

/// The float and double aliases of BasicName.
#define TAPEGRAD_ALIASES(Name)      \
  namespace tapegrad {              \
  using Name = Basic##Name<float>;  \
  namespace f64 {                   \
  using Name = Basic##Name<double>; \
  }                                 \
  }
/// The same for a class template whose members are compiled into the library (TAPEGRAD_INSTANTIATE_SCALARS in its .cpp).
#define TAPEGRAD_SCALARS(Name)               \
  namespace tapegrad {                       \
  extern template class Basic##Name<float>;  \
  extern template class Basic##Name<double>; \
  }                                          \
  TAPEGRAD_ALIASES(Name)
#define TAPEGRAD_INSTANTIATE_SCALARS(Name) \
  template class Basic##Name<float>;       \
  template class Basic##Name<double>;
/// Instantiates the functions that FUNCTIONS(T) lists.
#define TAPEGRAD_INSTANTIATE(FUNCTIONS) FUNCTIONS(float) FUNCTIONS(double)
/// `name` for float and double, where T cannot be deduced from the arguments of name<T>. Argument-dependent lookup finds
/// the float one next to that of f64: it is a template, so that the one of f64 is preferred.
#define TAPEGRAD_FUNCTION(Result, name, parameters, arguments)                              \
  namespace tapegrad {                                                                      \
  template <int = 0> Result name parameters { return TAPEGRAD_ABI::name<float> arguments; } \
  namespace f64 {                                                                           \
  inline Result name parameters { return TAPEGRAD_ABI::name<double> arguments; }            \
  }                                                                                         \
  }

TAPEGRAD_ALIASES(Matrix)
