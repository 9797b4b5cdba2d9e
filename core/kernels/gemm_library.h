#pragma once

#if defined(TAPEGRAD_MATMUL_OPENBLAS)
#include <cblas.h>
#elif defined(TAPEGRAD_MATMUL_ONEDNN)
#include <oneapi/dnnl/dnnl.h>
#endif

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "tapegrad/core/error.h"
#include "tapegrad/core/kernels/gemm_product.h"

/// A part of gemm.cpp: products that a library computes: Eigen, OpenBLAS or oneDNN.

#if defined(TAPEGRAD_MATMUL_ONEDNN)
extern "C" void omp_set_num_threads(int);  // oneDNN's threads are OpenMP's, which this library is compiled without
#endif

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// Memory for packed operands, one per thread. It grows to the largest product and stays: Eigen alone would allocate it anew
/// in every product of more than 128 KB.
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

}  // namespace

}  // namespace tapegrad
