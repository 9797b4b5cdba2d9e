#include <cblas.h>

#include "hand_written.h"

extern "C" void openblas_set_num_threads(int threads);
extern "C" char* openblas_get_corename();

namespace bench {
namespace {

int narrow(Eigen::Index size) { return static_cast<int>(size); }

struct BlasProduct {
  template <class A, class B> static void nt(const A& a, const B& b, Matrix& c) {
    multiply(CblasNoTrans, CblasTrans, a, b, a.cols(), c);
  }
  template <class A, class B> static void tn(const A& a, const B& b, Matrix& c) {
    multiply(CblasTrans, CblasNoTrans, a, b, a.rows(), c);
  }
  template <class A, class B> static void nn(const A& a, const B& b, Matrix& c) {
    multiply(CblasNoTrans, CblasNoTrans, a, b, a.cols(), c);
  }

 private:
  template <class A, class B>
  static void multiply(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, const A& a, const B& b, Eigen::Index inner,
                       Matrix& c) {
    cblas_sgemm(CblasRowMajor, ta, tb, narrow(c.rows()), narrow(c.cols()), narrow(inner), 1.0F, a.data(),
                narrow(a.cols()), b.data(), narrow(b.cols()), 0.0F, c.data(), narrow(c.cols()));
  }
};

}  // namespace

std::unique_ptr<Contestant> make_hand_written_blas(const Job& job, const Data& data) {
  return std::make_unique<HandWritten<BlasProduct>>(job, data);
}

std::unique_ptr<Contestant> make_matmul_only_blas(const Job& job, const Data& data) {
  return std::make_unique<MatmulOnly<BlasProduct>>(job, data);
}

void set_blas_threads(int threads) { openblas_set_num_threads(threads); }
std::string blas_kernels() { return openblas_get_corename(); }

}  // namespace bench
