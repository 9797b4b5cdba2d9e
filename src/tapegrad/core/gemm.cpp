#include "tapegrad/core/gemm.h"

#include <algorithm>

namespace tapegrad {
inline namespace TAPEGRAD_ABI {

template <class T>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, const T* a, const T* b, T* c, bool add) {
  using View = BasicView<T>;
  const View A(a, transpose_a ? k : m, transpose_a ? m : k);
  const View B(b, transpose_b ? n : k, transpose_b ? k : n);
  Eigen::Map<BasicMatrix<T>> C(c, m, n);
  const auto multiply = [&](const auto& left, const auto& right) {
    if (add)
      C.noalias() += left * right;
    else
      C.noalias() = left * right;
  };
  if (k == 0) {
    if (!add) std::fill_n(c, m * n, T(0));
  } else if (transpose_a && transpose_b) {
    multiply(A.transpose(), B.transpose());
  } else if (transpose_a) {
    multiply(A.transpose(), B);
  } else if (transpose_b) {
    multiply(A, B.transpose());
  } else {
    multiply(A, B);
  }
}

template void gemm(bool, bool, Index, Index, Index, const float*, const float*, float*, bool);
template void gemm(bool, bool, Index, Index, Index, const double*, const double*, double*, bool);

}  // namespace TAPEGRAD_ABI
}  // namespace tapegrad
