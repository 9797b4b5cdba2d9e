#pragma once

#include <algorithm>

#include "tapegrad/core/kernels/gemm_product.h"

/// A part of gemm.cpp: copies tiles of op(B), so that what is multiplied lies together.

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // of vector types as template arguments

/// Transposes a square of the pack's size. Only `rows` rows and `cols` columns of `from` are read; the other columns of `to`
/// become 0.
template <class T>
void transpose_part(const T* from, Index stride_from, Index rows, int cols, T* to, Index stride_to) {
  constexpr Index width = Pack<T>::size;
  using Register = typename Eigen::internal::packet_traits<T>::type;
  Eigen::internal::PacketBlock<Register, static_cast<int>(width)> block;
  for (Index row = 0; row < width; ++row)
    block.packet[row] = row < rows ? Pack<T>::load(from + row * stride_from, cols).v : Pack<T>::broadcast(T(0)).v;
  Eigen::internal::ptranspose(block);
  for (int col = 0; col < cols; ++col) Pack<T>::wrap(block.packet[col]).store(to + col * stride_to);
}

#ifdef EIGEN_VECTORIZE_AVX512
/// 16×16. Shuffles run on one port only. Half rows are joined by the loads, so 48 shuffles are enough: half the time of
/// Eigen's ptranspose.
inline void transpose_square(const float* from, Index stride_from, float* to, Index stride_to) {
  const auto halves = [&](Index row, Index col) {  // of rows `row` and `row` + 8
    const float* const first = from + row * stride_from + col;
    return _mm512_castps_pd(_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(first)),
                                               _mm256_loadu_ps(first + 8 * stride_from), 1));
  };
  const __m512i left = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
  const __m512i right = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  for (Index col = 0; col < 16; col += 8) {
    __m512 fours[2][4];  // four columns of rows r, r + 4, r + 8 and r + 12
    unrolled<4>([&](auto r) {
      const __m512d upper = halves(r, col);
      const __m512d lower = halves(r + 4, col);
      fours[0][r] = _mm512_castpd_ps(_mm512_permutex2var_pd(upper, left, lower));
      fours[1][r] = _mm512_castpd_ps(_mm512_permutex2var_pd(upper, right, lower));
    });
    unrolled<2>([&](auto part) {
      const auto& rows = fours[part];
      const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(rows[0], rows[1]));
      const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(rows[2], rows[3]));
      const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(rows[0], rows[1]));
      const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(rows[2], rows[3]));
      float* const first = to + (col + 4 * part) * stride_to;
      _mm512_storeu_ps(first, _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23)));
      _mm512_storeu_ps(first + stride_to, _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23)));
      _mm512_storeu_ps(first + 2 * stride_to, _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23)));
      _mm512_storeu_ps(first + 3 * stride_to, _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23)));
    });
  }
}
#endif

template <class T> void transpose_square(const T* from, Index stride_from, T* to, Index stride_to) {
  transpose_part(from, stride_from, Pack<T>::size, Pack<T>::size, to, stride_to);
}

/// Copies op(B) by rows, each padded to whole packs.
template <class T> void copy_by_rows(const Product<T>& p, T* to, Index stride) {
  constexpr Index width = Pack<T>::size;
  if (!p.transpose_b) {
    for (Index i = 0; i < p.k; ++i)
      for (Index col = 0; col < p.n; col += width)
        Pack<T>::load(p.b + i * p.stride_b + col, static_cast<int>(std::min(width, p.n - col)))
            .store(to + i * stride + col);
    return;
  }
  for (Index col = 0; col < p.n; col += width)
    for (Index i = 0; i < p.k; i += width) {
      const int rows = static_cast<int>(std::min(width, p.k - i));
      const Index cols = std::min(width, p.n - col);
      const T* const from = p.b + col * p.stride_b + i;
      T* const square = to + i * stride + col;
      if (cols * rows <= 2 * width) {
        for (int r = 0; r < rows; ++r)
          for (Index q = 0; q < width; ++q) square[r * stride + q] = q < cols ? from[q * p.stride_b + r] : T(0);
      } else if constexpr (width > 1) {
        if (cols == width && rows == width)
          transpose_square(from, p.stride_b, square, stride);
        else
          transpose_part(from, p.stride_b, cols, rows, square, stride);
      }
    }
}

#pragma GCC diagnostic pop

}  // namespace

}  // namespace tapegrad
