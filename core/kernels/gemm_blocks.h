#pragma once

#include <algorithm>
#include <type_traits>

#include "tapegrad/core/kernels/gemm_copy.h"

/// A part of gemm.cpp: products whose accumulators stay in registers while op(B) comes from the cache. Packing both operands,
/// as a general product does, costs more than it saves in layer-sized products.

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// Largest op(B) that is used as a whole, and largest op(A) that is read again for every tile of op(B), in bytes: parts of the
/// second-level cache
constexpr Index most_of_b = 128 * 1024;
constexpr Index most_of_a = 1024 * 1024;
/// Tile sizes of op(B): transposed copy, plain copy, in place. In-place tiles have at most 64 rows, so that their pages fit in
/// the L1 TLB.
struct Tile {
  Index cols;
  Index elements;
};
constexpr Tile transposed_tile{32, 4096};
constexpr Tile plain_tile{64, 8192};
constexpr Tile tile_in_place{32, 2048};
constexpr Index largest_tile = std::max(transposed_tile.elements, plain_tile.elements);
/// Up to this many rows of C, copying op(B) does not pay.
constexpr Index few_rows = 64;
/// Up to this many rows of C, op(B) is read once or twice, and small tiles of it only cost time.
constexpr Index once = 16;
/// With more rows of C than this, a tile takes long enough to prefetch the next one meanwhile.
constexpr Index rows_to_fetch = 32;

/// Rows of C at a time: their accumulators, in two packs of columns, stay in registers.
constexpr int tallest = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 12 : 6;

/// R rows of C in P packs of columns from `col` on; `partial` if the last pack is. b holds op(B) by rows. Unless parts of a
/// pack can be loaded, its rows are padded to whole packs. A far b is prefetched.
template <int R, int P, bool partial, bool transpose_a, bool far_b, class T>
[[gnu::noinline, gnu::flatten]] void multiply_block(const Product<T>& p, Index row, Index col, const T* b,
                                                    Index stride_b) {
  constexpr int width = Pack<T>::size;
  constexpr int last = P - 1;
  const int rest = partial ? static_cast<int>(p.n - col) - last * width : width;
  const auto load = [&](const T* from, int q) {
    return partial && q == last ? Pack<T>::load(from + q * width, rest) : Pack<T>::load(from + q * width);
  };
  Pack<T> sums[R][P];
  unrolled<P>([&](auto q) {
    const Pack<T> start = p.bias != nullptr ? load(p.bias + col, q) : Pack<T>::broadcast(T(0));
    unrolled<R>([&](auto r) { sums[r][q] = start; });
  });
  // Read before the first store, which could change them as far as the compiler knows.
  const Index k = p.k;
  const bool add = p.add;
  const Index stride_c = p.stride_c;
  T* c = p.c + row * stride_c + col;
  b += col;
  const Index stride_a = p.stride_a;
  const T* a = p.a + (transpose_a ? row : row * stride_a);
  for (Index i = 0; i < k; ++i, a += transpose_a ? stride_a : 1, b += stride_b) {
    if constexpr (far_b) unrolled<P>([&](auto q) { __builtin_prefetch(b + 8 * stride_b + q * width); });
    Pack<T> right[P];
    unrolled<P>([&](auto q) { right[q] = Pack<T>::masked ? load(b, q) : Pack<T>::load(b + q * width); });
    unrolled<R>([&](auto r) {
      const Pack<T> left = Pack<T>::broadcast(a[transpose_a ? Index{r} : r * stride_a]);
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

template <int R, bool transpose_a, bool far_b, class T>
void multiply_row_of_blocks(const Product<T>& p, Index row, const T* b, Index stride_b) {
  constexpr Index width = Pack<T>::size;
  Index col = 0;
  for (; col + 2 * width <= p.n; col += 2 * width)
    multiply_block<R, 2, false, transpose_a, far_b>(p, row, col, b, stride_b);
  if (col + width < p.n)
    multiply_block<R, 2, true, transpose_a, false>(p, row, col, b, stride_b);
  else if (col < p.n)
    multiply_block<R, 1, true, transpose_a, false>(p, row, col, b, stride_b);
}

template <int R, bool far_b, class T>
void multiply_rows(const Product<T>& p, Index row, const T* b, Index stride_b) {
  p.transpose_a ? multiply_row_of_blocks<R, true, far_b>(p, row, b, stride_b)
                : multiply_row_of_blocks<R, false, far_b>(p, row, b, stride_b);
}

template <class T> Index bytes_of_b(const Product<T>& p) { return p.k * whole_packs<T>(p.n) * Index{sizeof(T)}; }

/// Prefetches what will be copied for the next columns, a few cache lines per block of rows. More at a time would delay the
/// block's own loads.
template <class T> class Ahead {
 public:
  Ahead(const T* first, const T* last) : next_(first), last_(last) {}

  void fetch() {
    constexpr Index line = 64 / sizeof(T);
    constexpr int lines = 16;
    if (last_ - next_ < lines * line) return;
    unrolled<lines>([&](auto i) { __builtin_prefetch(next_ + i * line, 0, 2); });
    next_ += lines * line;
  }

 private:
  const T* next_;
  const T* last_;
};

/// If `copy`, op(B) is copied; then it is no larger than a tile.
template <class T> void multiply_in_blocks(const Product<T>& p, bool copy, Ahead<T>& ahead) {
  alignas(64) T memory[largest_tile];
  const T* b = p.b;
  Index stride_b = p.stride_b;
  if (copy) {
    stride_b = whole_packs<T>(p.n);
    copy_by_rows(p, memory, stride_b);
    b = memory;
  }
  Index row = 0;
  const auto rows = [&]<int R>(std::integral_constant<int, R>) {
    multiply_rows<R, false>(p, row, b, stride_b);
    row += R;
  };
  // 16 rows are twice 8: 12 and 4 would be slower.
  const auto fits_tallest = [&] { return p.m - row >= tallest && !(tallest == 12 && p.m - row == 16); };
  if (!copy && fits_tallest()) {  // the first to read op(B)
    multiply_rows<tallest, true>(p, row, b, stride_b);
    row = tallest;
  }
  while (fits_tallest()) {
    ahead.fetch();
    rows(std::integral_constant<int, tallest>());
  }
  if constexpr (tallest > 8)
    while (p.m - row >= 8) rows(std::integral_constant<int, 8>());
  while (p.m - row >= 4) rows(std::integral_constant<int, 4>());
  while (p.m - row >= 2) rows(std::integral_constant<int, 2>());
  if (p.m - row == 1) rows(std::integral_constant<int, 1>());
}

/// Goes through op(B) tile by tile, with all rows of C for each. Tiles along the inner dimension are added up in C.
template <class T> void multiply_here(const Product<T>& p) {
  const bool as_it_is = !p.transpose_b && (Pack<T>::masked || p.n % Pack<T>::size == 0);
  Ahead<T> nothing(p.b, p.b);
  if (as_it_is && bytes_of_b(p) <= most_of_b) return multiply_in_blocks(p, false, nothing);
  const bool copy = !as_it_is || p.m > few_rows;
  const bool in_place = !copy && p.m > once;
  const Tile tile = p.transpose_b ? transposed_tile : in_place ? tile_in_place : plain_tile;
  const Index cols = std::min(whole_packs<T>(p.n), tile.cols);
  const Index inner = tile.elements / cols;
  for (Index col = 0; col < p.n; col += cols) {
    const Index next = std::min(col + cols, p.n);
    Product<T> part = p.cols(col, next);
    Ahead<T> ahead = nothing;
    if (p.transpose_b && p.m > rows_to_fetch && next < p.n)  // without a transposition it gains nothing
      ahead = {p.b + next * p.stride_b, p.b + (std::min(next + cols, p.n) - 1) * p.stride_b + p.k};
    for (Index i = 0; i < p.k; i += inner) {
      part.k = std::min(inner, p.k - i);
      multiply_in_blocks(part, copy, ahead);
      part.a += part.transpose_a ? inner * part.stride_a : inner;
      part.b += part.transpose_b ? inner : inner * part.stride_b;
      part.bias = nullptr;
      part.add = true;
    }
  }
}

/// A row times a matrix, or a matrix times a column: the column C is, as it lies in memory, a row.
template <class T> void multiply_small_vector(Product<T> p) {
  if (p.m == 1) return multiply_here(p);
  p = p.started();
  multiply_here(Product<T>{false, !p.transpose_a, 1, p.m, p.k, p.b, p.k, p.a, p.stride_a, p.c, p.m, p.add});
}

}  // namespace

}  // namespace tapegrad
