#include "tapegrad/core/gemm.h"

#include <algorithm>
#include <memory>
#include <new>

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

/// C += A·B for column-major C; A and B are stored by columns or by rows.
template <class T, int order_a, int order_b>
void add_product(Index m, Index n, Index k, const T* a, Index stride_a, const T* b, Index stride_b, T* c) {
  Blocking<T> blocking(m, n, k);
  Eigen::internal::general_matrix_matrix_product<Index, T, order_a, false, T, order_b, false, Eigen::ColMajor,
                                                 1>::run(m, n, k, a, stride_a, b, stride_b, c, 1, m, T(1), blocking,
                                                         nullptr);
}

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

}  // namespace

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, T* c, bool add) {
  if (!add) std::fill_n(c, m * n, T(0));
  if (m == 0 || n == 0 || k == 0) return;
  if (n == 1) return add_matrix_vector(transpose_a, transpose_a ? k : m, transpose_a ? m : k, a, b, c);
  if (m == 1) return add_matrix_vector(!transpose_b, transpose_b ? n : k, transpose_b ? k : n, b, a, c);
  // A row-major matrix is its transpose by columns: Cᵀ = op(B)ᵀ·op(A)ᵀ, all by columns.
  const Index stride_a = transpose_a ? m : k;
  const Index stride_b = transpose_b ? k : n;
  constexpr int by_columns = Eigen::ColMajor;
  constexpr int by_rows = Eigen::RowMajor;
  if (transpose_a && transpose_b)
    add_product<T, by_rows, by_rows>(n, m, k, b, stride_b, a, stride_a, c);
  else if (transpose_a)
    add_product<T, by_columns, by_rows>(n, m, k, b, stride_b, a, stride_a, c);
  else if (transpose_b)
    add_product<T, by_rows, by_columns>(n, m, k, b, stride_b, a, stride_a, c);
  else
    add_product<T, by_columns, by_columns>(n, m, k, b, stride_b, a, stride_a, c);
}

template void gemm(bool, bool, Index, Index, Index, const float*, const float*, float*, bool);
template void gemm(bool, bool, Index, Index, Index, const double*, const double*, double*, bool);

}  // namespace TAPEGRAD_ABI
}  // namespace tapegrad
