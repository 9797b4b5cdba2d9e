#include "tapegrad/core/gemm.h"

#if defined(TAPEGRAD_MATMUL_OPENBLAS)
#include <cblas.h>
#elif defined(TAPEGRAD_MATMUL_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#endif

#include <algorithm>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "tapegrad/core/error.h"
#include "tapegrad/core/pack.h"
#include "tapegrad/core/threads.h"

#if defined(TAPEGRAD_MATMUL_ONEDNN)
extern "C" void omp_set_num_threads(int);  // oneDNN makes its threads with OpenMP, which we do not compile with
#endif

namespace tapegrad {
inline namespace TAPEGRAD_ABI {
namespace {

/// Memory in which a product packs its operands. One per thread, it grows to the largest product and stays: Eigen
/// alone would take it from the heap at every product of more than 128 KB.
class Workspace {
 public:
  template <class T> T* at_least(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    if (bytes > size_) {
      memory_.reset();
      size_ = 0;
      memory_.reset(static_cast<std::byte*>(::operator new(bytes, alignment)));
      size_ = bytes;
    }
    return reinterpret_cast<T*>(memory_.get());
  }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, alignment); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
};

/// Eigen's block sizes, in our memory.
template <class T> class Blocking : public Eigen::internal::level3_blocking<T, T> {
 public:
  Blocking(Index rows, Index cols, Index depth) {
    this->m_mc = rows;
    this->m_nc = cols;
    this->m_kc = depth;
    Eigen::internal::computeProductBlockingSizes<T, T, 1>(this->m_kc, this->m_mc, this->m_nc, Index{1});
    const auto rounded = [](Index count) { return static_cast<std::size_t>((count + 63) / 64 * 64); };
    const std::size_t left = rounded(this->m_mc * this->m_kc);
    thread_local Workspace workspace;
    this->m_blockA = workspace.at_least<T>(left + rounded(this->m_kc * this->m_nc));
    this->m_blockB = this->m_blockA + left;
  }
};

/// C = op(A)·op(B) or C += …, everything by rows; a stride is the distance of two rows.
template <class T> struct Product {
  bool transpose_a, transpose_b;
  Index m, n, k;
  const T* a;
  Index stride_a;
  const T* b;
  Index stride_b;
  T* c;
  Index stride_c;
  bool add;
  const T* bias = nullptr;  ///< a row to start from, instead of 0; not with `add`

  Product rows(Index first, Index last) const {
    Product part = *this;
    part.m = last - first;
    part.a += transpose_a ? first : first * stride_a;
    part.c += first * stride_c;
    return part;
  }
  Product cols(Index first, Index last) const {
    Product part = *this;
    part.n = last - first;
    part.b += transpose_b ? first * stride_b : first;
    part.c += first;
    if (bias != nullptr) part.bias += first;
    return part;
  }
  /// What is left to do when the bias has been written to C.
  Product started() const {
    Product rest = *this;
    if (bias == nullptr) return rest;
    for (Index row = 0; row < m; ++row) std::copy_n(bias, n, c + row * stride_c);
    rest.bias = nullptr;
    rest.add = true;
    return rest;
  }
};

/// Whether the library that multiplies is better than what is computed here at all but the smallest products.
#if defined(TAPEGRAD_MATMUL_OPENBLAS)
template <class T> constexpr bool multiplies_better = true;
#elif defined(TAPEGRAD_MATMUL_ONEDNN)
template <class T> constexpr bool multiplies_better = std::is_same_v<T, float>;
#else
template <class T> constexpr bool multiplies_better = false;
#endif

#if defined(TAPEGRAD_MATMUL_OPENBLAS)

void multiply(const Product<float>& p) {
  cblas_sgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans, p.transpose_b ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(p.m), static_cast<blasint>(p.n), static_cast<blasint>(p.k), 1, p.a,
              static_cast<blasint>(p.stride_a), p.b, static_cast<blasint>(p.stride_b), p.add ? 1 : 0, p.c,
              static_cast<blasint>(p.stride_c));
}
void multiply(const Product<double>& p) {
  cblas_dgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans, p.transpose_b ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(p.m), static_cast<blasint>(p.n), static_cast<blasint>(p.k), 1, p.a,
              static_cast<blasint>(p.stride_a), p.b, static_cast<blasint>(p.stride_b), p.add ? 1 : 0, p.c,
              static_cast<blasint>(p.stride_c));
}

/// Products are divided among our own threads.
void use_one_thread() {
  static const bool done = (openblas_set_num_threads(1), true);
  static_cast<void>(done);
}

#else

/// C += A·B by Eigen, for column-major C; A and B are stored by columns or by rows.
template <class T, int order_a, int order_b>
void add_product(Index m, Index n, Index k, const T* a, Index stride_a, const T* b, Index stride_b, T* c,
                 Index stride_c) {
  Blocking<T> blocking(m, n, k);
  Eigen::internal::general_matrix_matrix_product<Index, T, order_a, false, T, order_b, false, Eigen::ColMajor,
                                                 1>::run(m, n, k, a, stride_a, b, stride_b, c, 1, stride_c, T(1),
                                                         blocking, nullptr);
}

template <class T> void multiply_with_eigen(const Product<T>& p) {
  if (!p.add)
    for (Index row = 0; row < p.m; ++row) std::fill_n(p.c + row * p.stride_c, p.n, T(0));
  // A matrix by rows is its transpose by columns: Cᵀ = op(B)ᵀ·op(A)ᵀ, all by columns.
  constexpr int by_columns = Eigen::ColMajor;
  constexpr int by_rows = Eigen::RowMajor;
  const auto run = [&]<int order_b, int order_a>(std::integral_constant<int, order_b>,
                                                 std::integral_constant<int, order_a>) {
    add_product<T, order_b, order_a>(p.n, p.m, p.k, p.b, p.stride_b, p.a, p.stride_a, p.c, p.stride_c);
  };
  constexpr std::integral_constant<int, by_columns> plain;
  constexpr std::integral_constant<int, by_rows> transposed;
  if (p.transpose_a && p.transpose_b)
    run(transposed, transposed);
  else if (p.transpose_a)
    run(plain, transposed);
  else if (p.transpose_b)
    run(transposed, plain);
  else
    run(plain, plain);
}

#if defined(TAPEGRAD_MATMUL_ONEDNN)

void multiply(const Product<float>& p) {
  omp_set_num_threads(1);  // products are divided among our own threads; the setting belongs to the calling one
  const auto status = dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.m, p.n, p.k, 1, p.a,
                                 p.stride_a, p.b, p.stride_b, p.add ? 1 : 0, p.c, p.stride_c);
  if (status != dnnl_success) fail("matmul", "oneDNN could not multiply");
}
/// oneDNN has no product of doubles.
void multiply(const Product<double>& p) { multiply_with_eigen(p); }

#else

template <class T> void multiply(const Product<T>& p) { multiply_with_eigen(p); }

#endif

void use_one_thread() {}

#endif

constexpr Index least_to_divide = 256 * 1024;  ///< multiplications: about 4 µs of work
constexpr Index part_grain = 16;               ///< rows or columns: parts begin at lines of the cache

// Products that are computed here: packing both operands, as a general product does, costs more than it saves in the
// products of layers.

/// Bytes of op(B) that is used as it is, and of op(A) that is read again for every piece of op(B): parts of the
/// second-level cache
constexpr Index most_of_b = 128 * 1024;
constexpr Index most_of_a = 1024 * 1024;
/// Elements of op(B) that are copied at a time, 16 KB of floats, and how many of them are in a row, where rows and columns
/// are exchanged and where they are not
constexpr Index copied = 4096;
constexpr Index transposed_cols = 32;
constexpr Index plain_cols = 64;
/// Rows of C for which copying does not pay
constexpr Index few_rows = 32;
/// Multiplications, and elements of op(B), of a product for which nothing else pays
constexpr Index small_product = 64 * 1024;
constexpr Index small_operand = 4096;

/// body(0), …, body(N − 1) with constants, so that an array indexed by them stays in registers.
template <int N, class Body> EIGEN_ALWAYS_INLINE void unrolled(const Body& body) {
  [&]<int... I>(std::integer_sequence<int, I...>) { (body(std::integral_constant<int, I>()), ...); }
  (std::make_integer_sequence<int, N>());
}

/// Rows of C at a time: their sums, in two packs of columns, are to stay in registers.
constexpr int tallest = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 12 : 6;

/// R rows of C in P packs of columns from `col` on. b holds op(B) by rows; those that are no multiple of the pack's size
/// have room for one, unless parts of a pack can be loaded as well.
template <int R, int P, bool partial, class T>
[[gnu::noinline]] void multiply_block(const Product<T>& p, Index row, Index col, const T* b, Index stride_b) {
  constexpr int width = Pack<T>::size;
  constexpr int last = P - 1;  // the only pack that can be partial
  const int rest = partial ? static_cast<int>(p.n - col) - last * width : width;
  const auto load = [&](const T* from, int q) {
    return partial && q == last ? Pack<T>::load(from + q * width, rest) : Pack<T>::load(from + q * width);
  };
  const T* a = p.transpose_a ? p.a + row : p.a + row * p.stride_a;
  const Index next_row = p.transpose_a ? 1 : p.stride_a;
  const Index next_inner = p.transpose_a ? p.stride_a : 1;
  Pack<T> sums[R][P];
  unrolled<P>([&](auto q) {
    const Pack<T> start = p.bias != nullptr ? load(p.bias + col, q) : Pack<T>::broadcast(T(0));
    unrolled<R>([&](auto r) { sums[r][q] = start; });
  });
  // Read before anything is stored, which might change them for all that the compiler knows.
  const Index k = p.k;
  const bool add = p.add;
  const Index stride_c = p.stride_c;
  T* c = p.c + row * stride_c + col;
  b += col;
  for (Index i = 0; i < k; ++i, a += next_inner, b += stride_b) {
    Pack<T> right[P];
    unrolled<P>([&](auto q) { right[q] = Pack<T>::masked ? load(b, q) : Pack<T>::load(b + q * width); });
    unrolled<R>([&](auto r) {
      const Pack<T> left = Pack<T>::broadcast(a[r * next_row]);
      unrolled<P>([&](auto q) { sums[r][q] = madd(left, right[q], sums[r][q]); });
    });
  }
  unrolled<R>([&](auto r) {
    T* const to = c + r * stride_c;
    unrolled<P>([&](auto q) {
      const Pack<T> sum = add ? load(to, q) + sums[r][q] : sums[r][q];
      sum.store(to + q * width, partial && q == last ? rest : width);
    });
  });
}

template <int R, class T> void multiply_rows(const Product<T>& p, Index row, const T* b, Index stride_b) {
  constexpr Index width = Pack<T>::size;
  Index col = 0;
  for (; col + 2 * width <= p.n; col += 2 * width) multiply_block<R, 2, false>(p, row, col, b, stride_b);
  if (col + width < p.n)
    multiply_block<R, 2, true>(p, row, col, b, stride_b);
  else if (col < p.n)
    multiply_block<R, 1, true>(p, row, col, b, stride_b);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // of vector types as template arguments

/// op(B) by rows of a multiple of the pack's size, as multiply_rows() wants it.
template <class T> void copy_by_rows(const Product<T>& p, T* to, Index stride) {
  constexpr Index width = Pack<T>::size;
  if (!p.transpose_b) {
    for (Index i = 0; i < p.k; ++i)
      for (Index col = 0; col < p.n; col += width)
        Pack<T>::load(p.b + i * p.stride_b + col, static_cast<int>(std::min(width, p.n - col)))
            .store(to + i * stride + col);
    return;
  }
  using Register = typename Eigen::internal::packet_traits<T>::type;
  for (Index col = 0; col < p.n; col += width)
    for (Index i = 0; i < p.k; i += width) {
      const int rows = static_cast<int>(std::min(width, p.k - i));
      const Index cols = std::min(width, p.n - col);
      const T* from = p.b + col * p.stride_b + i;
      if (cols * rows <= 2 * width) {
        for (int r = 0; r < rows; ++r)
          for (Index q = 0; q < width; ++q)
            to[(i + r) * stride + col + q] = q < cols ? from[q * p.stride_b + r] : T(0);
        continue;
      }
      if constexpr (width > 1) {
        Eigen::internal::PacketBlock<Register, static_cast<int>(width)> block;
        for (Index q = 0; q < width; ++q)
          block.packet[q] = q < cols ? Pack<T>::load(from + q * p.stride_b, rows).v : Pack<T>::broadcast(T(0)).v;
        Eigen::internal::ptranspose(block);
        for (int r = 0; r < rows; ++r) Pack<T>::wrap(block.packet[r]).store(to + (i + r) * stride + col);
      }
    }
}

#pragma GCC diagnostic pop

/// n, rounded up to a multiple of the pack's size.
template <class T> Index whole_packs(Index n) { return (n + Pack<T>::size - 1) / Pack<T>::size * Pack<T>::size; }

template <class T> Index bytes_of_b(const Product<T>& p) { return p.k * whole_packs<T>(p.n) * Index{sizeof(T)}; }

/// op(B) is copied when asked: then it has no more than `copied` elements.
template <class T> void multiply_in_blocks(const Product<T>& p, bool copy) {
  alignas(64) T memory[copied];
  const T* b = p.b;
  Index stride_b = p.stride_b;
  if (copy) {
    stride_b = whole_packs<T>(p.n);
    copy_by_rows(p, memory, stride_b);
    b = memory;
  }
  Index row = 0;
  const auto rows = [&]<int R>(std::integral_constant<int, R>) {
    multiply_rows<R>(p, row, b, stride_b);
    row += R;
  };
  while (p.m - row >= tallest && !(tallest == 12 && p.m - row == 16)) rows(std::integral_constant<int, tallest>());
  if constexpr (tallest > 8)
    while (p.m - row >= 8) rows(std::integral_constant<int, 8>());  // 16 rows are twice 8, not 12 and 4
  while (p.m - row >= 4) rows(std::integral_constant<int, 4>());
  while (p.m - row >= 2) rows(std::integral_constant<int, 2>());
  if (p.m - row == 1) rows(std::integral_constant<int, 1>());
}

template <class T> void multiply_here(const Product<T>& p) {
  const bool as_it_is = !p.transpose_b && (Pack<T>::masked || p.n % Pack<T>::size == 0);
  if (as_it_is && bytes_of_b(p) <= most_of_b) return multiply_in_blocks(p, false);
  const bool copy = !as_it_is || p.m > few_rows;
  const Index cols = std::min(whole_packs<T>(p.n), p.transpose_b ? transposed_cols : plain_cols);
  const Index inner = copied / cols;
  for (Index col = 0; col < p.n; col += cols) {
    Product<T> part = p.cols(col, std::min(col + cols, p.n));
    for (Index i = 0; i < p.k; i += inner) {
      part.k = std::min(inner, p.k - i);
      multiply_in_blocks(part, copy);
      part.a += part.transpose_a ? inner * part.stride_a : inner;
      part.b += part.transpose_b ? inner : inner * part.stride_b;
      part.bias = nullptr;
      part.add = true;
    }
  }
}

/// A row times a matrix, or a matrix times a column, which is computed as the row that it is in memory.
template <class T> void multiply_small_vector(Product<T> p) {
  if (p.m == 1) return multiply_here(p);
  p = p.started();
  multiply_here(Product<T>{false, !p.transpose_a, 1, p.m, p.k, p.b, p.k, p.a, p.stride_a, p.c, p.m, p.add});
}

template <class T> bool is_small(const Product<T>& p) {
  const Index width = p.n == 1 ? p.m : p.n;
  return p.m * p.n * p.k <= small_product && p.k * whole_packs<T>(width) <= small_operand;
}

template <class T> bool is_better_here(const Product<T>& p) {
  if (multiplies_better<T>) return is_small(p);
  return p.m * p.k * Index{sizeof(T)} < most_of_a || bytes_of_b(p) <= most_of_b;
}

// Narrow products: a row of C fits in a register. The smallest networks are made of them, so no operand is copied, or
// described in memory.

#ifdef EIGEN_VECTORIZE_AVX512

/// B by rows, of no more columns than a register has.
template <class T> struct RowsInMemory {
  using Lanes = typename Pack<T>::Lanes;
  const T* values;
  Index step;
  typename Lanes::Mask columns;

  EIGEN_ALWAYS_INLINE RowsInMemory(const T* b, Index stride, Index /*k*/, Index n)
      : values(b), step(stride), columns(Lanes::first(static_cast<int>(n))) {}
  EIGEN_ALWAYS_INLINE Pack<T> row(Index i) const {
    return Pack<T>::wrap(Lanes::load(columns, values + i * step, Pack<T>::broadcast(T(0)).v));
  }
};

/// Bᵀ, where all of B fits in two registers.
struct TransposedInRegisters {
  static constexpr Index most = 2 * Pack<float>::size;
  __m512 low, high;
  __m512i first;  ///< where the columns of Bᵀ start

  EIGEN_ALWAYS_INLINE TransposedInRegisters(const float* b, Index /*stride*/, Index k, Index n) {
    constexpr int width = Pack<float>::size;
    const auto size = static_cast<int>(n * k);
    low = high = Pack<float>::load(b, std::min(width, size)).v;
    if (size > width) high = Pack<float>::load(b + width, size - width).v;
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    first = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(static_cast<int>(k)));
  }
  EIGEN_ALWAYS_INLINE Pack<float> row(Index i) const {
    const __m512i at = _mm512_add_epi32(first, _mm512_set1_epi32(static_cast<int>(i)));
    return Pack<float>::wrap(_mm512_permutex2var_ps(low, at, high));
  }
};

/// R rows of C, each from `start` or the bias on. A function of its own: inside of a loop over more rows the compiler
/// keeps more addresses than there are registers.
template <int R, class B, class T>
[[gnu::noinline]] void multiply_narrow_rows(const T* a, Index next_row, Index next_inner, Index k, const T* b,
                                            Index stride_b, T start, const T* bias, T* c, Index n, bool add) {
  const B right(b, stride_b, k, n);
  Pack<T> sums[R];
  const Pack<T> first = bias == nullptr ? Pack<T>::broadcast(start) : RowsInMemory<T>(bias, 0, 1, n).row(0);
  unrolled<R>([&](auto r) { sums[r] = first; });
  for (Index i = 0; i < k; ++i, a += next_inner) {
    const Pack<T> row = right.row(i);
    unrolled<R>([&](auto r) { sums[r] = madd(Pack<T>::broadcast(a[r * next_row]), row, sums[r]); });
  }
  const int count = static_cast<int>(n);
  unrolled<R>([&](auto r) {
    T* const to = c + r * n;
    (add ? Pack<T>::load(to, count) + sums[r] : sums[r]).store(to, count);
  });
}

template <class B, class T>
[[gnu::noinline]] void multiply_narrow_blocks(const T* a, Index next_row, Index next_inner, Index k, const T* b,
                                              Index stride_b, T start, const T* bias, T* c, Index n, bool add,
                                              Index m) {
  const auto rows = [&]<int R>(Index row, std::integral_constant<int, R>) {
    multiply_narrow_rows<R, B>(a + row * next_row, next_row, next_inner, k, b, stride_b, start, bias, c + row * n,
                               n, add);
    return row + R;
  };
  Index row = 0;
  while (row + 8 <= m) row = rows(row, std::integral_constant<int, 8>());
  while (row + 4 <= m) row = rows(row, std::integral_constant<int, 4>());
  while (row < m) row = rows(row, std::integral_constant<int, 1>());
}

template <class B, class T>
EIGEN_ALWAYS_INLINE void multiply_narrow_by(const T* a, Index next_row, Index next_inner, Index k, const T* b,
                                            Index stride_b, T start, const T* bias, T* c, Index n, bool add,
                                            Index m) {
  if (m == 1) return multiply_narrow_rows<1, B>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add);
  if (m == 4) return multiply_narrow_rows<4, B>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add);
  if (m == 8) return multiply_narrow_rows<8, B>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add);
  multiply_narrow_blocks<B>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add, m);
}

/// Computes C = op(A)·op(B) (+ the bias, or + C) and returns true if a row of C fits in a register, and a Bᵀ in two; else
/// does nothing. A column of C is the row that it is in memory.
template <class T>
EIGEN_ALWAYS_INLINE bool multiply_narrow(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a,
                                         const T* b, const T* bias, T* c, bool add) {
  Index stride_a = transpose_a ? m : k;
  Index stride_b = transpose_b ? k : n;
  T start = 0;
  if (n == 1 && m > 1) {
    if (bias != nullptr) start = *std::exchange(bias, nullptr);
    std::swap(a, b);
    n = std::exchange(m, 1);
    transpose_b = !std::exchange(transpose_a, false);
    stride_b = std::exchange(stride_a, k);
  }
  if (n > Pack<T>::size || m * n * k > small_product) return false;
  if (m == 1 && k * Pack<T>::size > small_operand)
    return false;  // one sum of many terms, each waiting for the last
  const Index next_row = transpose_a ? 1 : stride_a;
  const Index next_inner = transpose_a ? stride_a : 1;
  if (!transpose_b) {
    multiply_narrow_by<RowsInMemory<T>>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add, m);
    return true;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (n * k > TransposedInRegisters::most) return false;
    multiply_narrow_by<TransposedInRegisters>(a, next_row, next_inner, k, b, stride_b, start, bias, c, n, add, m);
    return true;
  }
  return false;
}

#else

template <class T> bool multiply_narrow(bool, bool, Index, Index, Index, const T*, const T*, const T*, T*, bool) {
  return false;  // needs registers that are loaded and stored in parts
}

#endif

/// y += A·x or y += Aᵀ·x, A row-major rows×cols.
template <class T> void add_matrix_vector(bool transpose, Index rows, Index cols, const T* a, const T* x, T* y) {
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  const BasicView<T> A(a, rows, cols);
  const Eigen::Map<const Vector> X(x, transpose ? rows : cols);
  Eigen::Map<Vector> Y(y, transpose ? cols : rows);
  if (transpose)
    Y.noalias() += A.transpose() * X;
  else
    Y.noalias() += A * X;
}

template <class T> void multiply_vector(const Product<T>& product) {
  const Product<T> p = product.started();
  if (!p.add) std::fill_n(p.c, p.m * p.n, T(0));
  if (p.n == 1)
    add_matrix_vector(p.transpose_a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.a, p.b, p.c);
  else
    add_matrix_vector(!p.transpose_b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.b, p.a, p.c);
}

template <class T> void multiply_on_one_thread(const Product<T>& p) {
  if (is_better_here(p)) return multiply_here(p);
  use_one_thread();
  multiply(p.started());
}

/// Parts are rows of a layer's weight W: columns of x·Wᵀ, rows of dW = gᵀ·x. So every thread keeps its rows of W, of dW and
/// of what an optimizer remembers in its own cache; between far processors they would travel slowly, every step. A product
/// of neither kind, as dx = g·W, is divided along its longer side.
template <class T> void divide_among_threads(const Product<T>& p) {
  const bool by_rows = p.transpose_a ? p.m >= 2 * part_grain : p.transpose_b ? p.n < 2 * part_grain : p.m >= p.n;
  if (by_rows)
    parallel::divide(p.m, part_grain, true,
                     [&](Index first, Index last) { multiply_on_one_thread(p.rows(first, last)); });
  else
    parallel::divide(p.n, part_grain, true,
                     [&](Index first, Index last) { multiply_on_one_thread(p.cols(first, last)); });
}

template <class T>
[[gnu::noinline]] void multiply_any(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a,
                                    const T* b, const T* bias, T* c, bool add) {
  const Product<T> product{transpose_a, transpose_b,         m, n, k,   a,   transpose_a ? m : k,
                           b,           transpose_b ? k : n, c, n, add, bias};
  if (m == 1 || n == 1) return is_small(product) ? multiply_small_vector(product) : multiply_vector(product);
  const bool worth_dividing = m * n * k >= least_to_divide;
  return worth_dividing ? divide_among_threads(product) : multiply_on_one_thread(product);
}

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, T* c, bool add) {
  if (m == 0 || n == 0 || k == 0) [[unlikely]] {
    if (!add) std::fill_n(c, m * n, T(0));
    return;
  }
  if (!multiply_narrow<T>(transpose_a, transpose_b, m, n, k, a, b, nullptr, c, add))
    multiply_any(transpose_a, transpose_b, m, n, k, a, b, static_cast<const T*>(nullptr), c, add);
}

template <class T> void gemm_with_bias(Index m, Index n, Index k, const T* a, const T* b, const T* bias, T* c) {
  if (m == 0 || n == 0) [[unlikely]]
    return;
  if (k == 0) [[unlikely]] {
    for (Index row = 0; row < m; ++row) std::copy_n(bias, n, c + row * n);
    return;
  }
  if (!multiply_narrow<T>(false, true, m, n, k, a, b, bias, c, false))
    multiply_any(false, true, m, n, k, a, b, bias, c, false);
}

template void gemm(bool, bool, Index, Index, Index, const float*, const float*, float*, bool);
template void gemm(bool, bool, Index, Index, Index, const double*, const double*, double*, bool);
template void gemm_with_bias(Index, Index, Index, const float*, const float*, const float*, float*);
template void gemm_with_bias(Index, Index, Index, const double*, const double*, const double*, double*);

}  // namespace TAPEGRAD_ABI
}  // namespace tapegrad
