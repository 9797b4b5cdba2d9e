#include "tapegrad/core/kernels/gemm.h"

#include <algorithm>
#include <type_traits>

#include "tapegrad/core/kernels/gemm_blocks.h"
#include "tapegrad/core/kernels/gemm_library.h"
#include "tapegrad/core/kernels/gemm_narrow.h"
#include "tapegrad/core/kernels/map.h"
#include "tapegrad/core/kernels/threads.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

constexpr Index least_to_divide = 256 * 1024;  ///< multiplications: about 4 µs of work

template <class T> bool is_small(const Product<T>& p) {
  const Index width = p.n == 1 ? p.m : p.n;
  return p.m * p.n * p.k <= small_product && p.k * whole_packs<T>(width) <= small_operand;
}

/// Whether our own kernel is used, not the library. oneDNN, which packs both operands, is faster where neither is small and no
/// weight has to be transposed.
template <class T> bool is_better_here(const Product<T>& p) {
#if defined(TAPEGRAD_MATMUL_ONEDNN)
  constexpr Index few = 16;
  if (std::is_same_v<T, float> && !p.transpose_b && std::min({p.m, p.n, p.k}) > few) return is_small(p);
#endif
  return p.m * p.k * Index{sizeof(T)} < most_of_a || bytes_of_b(p) <= most_of_b;
}

/// Whether one sum after the other would be too inexact in float: gradients of weights over large batches. Below, where terms
/// of one sign may be off by 2·10⁻⁶, only few results are worth the time.
constexpr Index longest_sum = 4096;
constexpr Index longest_sum_of_few = 512;
constexpr Index few_results = 1024;
template <class T> bool is_long(const Product<T>& p) {
  return p.k > longest_sum || (p.k > longest_sum_of_few && p.m * p.n <= few_results);
}

/// Adds up products of short pieces of the inner dimension in double.
template <class T> void multiply_long(const Product<T>& p) {
  const Index size = p.m * p.n;
  thread_local Workspace workspace;
  double* const totals = workspace.at_least<double>(static_cast<std::size_t>(2 * size));
  T* const sums = reinterpret_cast<T*>(totals + size);
  std::fill_n(totals, size, 0.0);
  for (Index first = 0; first < p.k; first += elementwise::terms_in_block) {
    Product<T> piece = p.inner(first, std::min(first + elementwise::terms_in_block, p.k));
    piece.c = sums;
    piece.stride_c = p.n;
    piece.add = false;
    piece.bias = nullptr;
    multiply_here(piece);
    for (Index i = 0; i < size; ++i) totals[i] += static_cast<double>(sums[i]);
  }
  for (Index row = 0; row < p.m; ++row) {
    for (Index col = 0; col < p.n; ++col) {
      T& c = p.c[row * p.stride_c + col];
      const double start = p.add               ? static_cast<double>(c)
                           : p.bias != nullptr ? static_cast<double>(p.bias[col])
                                               : 0;
      c = static_cast<T>(start + totals[row * p.n + col]);
    }
  }
}

template <class T> void multiply_on_one_thread(const Product<T>& p) {
  if (is_long(p)) return multiply_long(p);
  if (is_better_here(p)) return multiply_here(p);
  use_one_thread();
  multiply(p.started());
}

/// Divides the inner dimension and adds the parts in order. It must be long enough for every thread to get some of it: an
/// empty part would leave its sums unwritten.
template <class T> void divide_inner(const Product<T>& p) {
  const Index size = p.m * p.n;
  thread_local Workspace workspace;
  T* const sums = workspace.at_least<T>(static_cast<std::size_t>(size * (threads() - 1)));
  parallel::divide_in_parts(p.k, parallel::line_grain, [&](int i, Index first, Index last) {
    Product<T> part = p.inner(first, last);
    if (i > 0) {
      part.c = sums + size * (i - 1);
      part.stride_c = p.n;
      part.add = false;
    }
    multiply_on_one_thread(part);
  });
  for (int i = 1; i < threads(); ++i) {
    const T* from = sums + size * (i - 1);
    for (Index row = 0; row < p.m; ++row)
      for (Index col = 0; col < p.n; ++col) p.c[row * p.stride_c + col] += *from++;
  }
}

/// Parts are rows of a layer's weight W: columns of x·Wᵀ, rows of dW = gᵀ·x. So each thread keeps its rows of W, of dW and of
/// the optimizer's buffers in its own cache; otherwise they would move between cores in every step. If W has few rows, parts
/// are samples, which elementwise ops have divided among the caches already. Other products, such as dx = g·W, are divided
/// along their longer side.
template <class T> void divide_among_threads(const Product<T>& p) {
  const bool few = (p.transpose_a ? p.m : p.n) < 2 * parallel::line_grain;
  if (p.transpose_a && few && p.k >= parallel::line_grain * threads()) return divide_inner(p);
  const bool by_rows = p.transpose_a ? !few : p.transpose_b ? few : p.m >= p.n;
  if (by_rows)
    parallel::divide(p.m, parallel::line_grain, true,
                     [&](Index first, Index last) { multiply_on_one_thread(p.rows(first, last)); });
  else
    parallel::divide(p.n, parallel::line_grain, true,
                     [&](Index first, Index last) { multiply_on_one_thread(p.cols(first, last)); });
}

template <class T>
[[gnu::noinline]] void multiply_any(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a,
                                    const T* b, const T* bias, T* c, bool add) {
  const Product<T> product{transpose_a, transpose_b,         m, n, k,   a,   transpose_a ? m : k,
                           b,           transpose_b ? k : n, c, n, add, bias};
  if (m == 1 || n == 1)
    return is_long(product)    ? multiply_long(product)
           : is_small(product) ? multiply_small_vector(product)
                               : multiply_vector(product);
  const bool worth_dividing = m * n * k >= least_to_divide && threads() > 1;
  return worth_dividing ? divide_among_threads(product) : multiply_on_one_thread(product);
}

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, T* c, bool add) {
  if (m == 0 || n == 0 || k == 0) [[unlikely]] {
    if (!add) std::fill_n(c, m * n, T(0));
    return;
  }
  if (k > longest_sum_of_few || !multiply_narrow<T>(transpose_a, transpose_b, m, n, k, a, b, nullptr, c, add))
    multiply_any(transpose_a, transpose_b, m, n, k, a, b, static_cast<const T*>(nullptr), c, add);
}

template <class T> void gemm_with_bias(Index m, Index n, Index k, const T* a, const T* b, const T* bias, T* c) {
  if (m == 0 || n == 0) [[unlikely]]
    return;
  if (k == 0) [[unlikely]] {
    for (Index row = 0; row < m; ++row) std::copy_n(bias, n, c + row * n);
    return;
  }
  if (k > longest_sum_of_few || !multiply_narrow<T>(false, true, m, n, k, a, b, bias, c, false))
    multiply_any(false, true, m, n, k, a, b, bias, c, false);
}

template void gemm(bool, bool, Index, Index, Index, const float*, const float*, float*, bool);
template void gemm(bool, bool, Index, Index, Index, const double*, const double*, double*, bool);
template void gemm_with_bias(Index, Index, Index, const float*, const float*, const float*, float*);
template void gemm_with_bias(Index, Index, Index, const double*, const double*, const double*, double*);

}  // namespace tapegrad
