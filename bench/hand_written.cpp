#include "hand_written.h"

namespace bench {
namespace {

/// Job A by hand. The sizes are dynamic, or known to the compiler. Products this small go without Eigen's general path.
template <int Batch, int In, int Hidden, int Out> class HandWrittenXor : public Contestant {
 public:
  HandWrittenXor(const Job& job, const Data& data) : data_(data), lr_(job.lr) {
    const int in = job.layers[0].in;
    const int hidden = job.layers[0].out;
    const int out = job.layers[1].out;
    x_ = View(data.inputs.data(), job.batch, in);
    target_ = View(data.targets.data(), job.batch, out);
    w1_.resize(in, hidden);
    w1_grad_.resize(in, hidden);
    b1_.resize(hidden);
    b1_grad_.resize(hidden);
    w2_.resize(hidden, out);
    w2_grad_.resize(hidden, out);
    b2_.resize(out);
    b2_grad_.resize(out);
    h_.resize(job.batch, hidden);
    h_grad_.resize(job.batch, hidden);
    y_.resize(job.batch, out);
    y_grad_.resize(job.batch, out);
    restart();
  }

  void restart() override {
    w1_ = View(data_.weights[0].data(), w1_.cols(), w1_.rows()).transpose();
    w2_ = View(data_.weights[1].data(), w2_.cols(), w2_.rows()).transpose();
    b1_ = Eigen::Map<const RowVector>(data_.biases[0].data(), b1_.size());
    b2_ = Eigen::Map<const RowVector>(data_.biases[1].data(), b2_.size());
  }

  void run(int steps) override {
    for (int i = 0; i < steps; ++i) step();
  }

  double loss() const override { return static_cast<double>(loss_); }

 private:
  void step() {
    h_.noalias() = x_.lazyProduct(w1_);
    h_.rowwise() += b1_;
    h_ = h_.array().tanh();
    y_.noalias() = h_.lazyProduct(w2_);
    y_.rowwise() += b2_;
    y_ = y_.array().logistic();

    const auto error = y_.array() - target_.array();
    const float scale = 1.0F / static_cast<float>(y_.size());
    loss_ = error.square().sum() * scale;
    y_grad_ = 2 * scale * error * y_.array() * (1 - y_.array());

    w2_grad_.noalias() = h_.transpose().lazyProduct(y_grad_);
    b2_grad_ = y_grad_.colwise().sum();
    h_grad_.noalias() = y_grad_.lazyProduct(w2_.transpose());
    h_grad_.array() *= 1 - h_.array().square();
    w1_grad_.noalias() = x_.transpose().lazyProduct(h_grad_);
    b1_grad_ = h_grad_.colwise().sum();

    w1_ -= lr_ * w1_grad_;
    b1_ -= lr_ * b1_grad_;
    w2_ -= lr_ * w2_grad_;
    b2_ -= lr_ * b2_grad_;
  }

  template <int Rows, int Cols>
  using Fixed = Eigen::Matrix<float, Rows, Cols, Cols == 1 ? Eigen::ColMajor : Eigen::RowMajor>;
  template <int Cols> using FixedRow = Eigen::Matrix<float, 1, Cols>;

  Data data_;
  float lr_;
  Fixed<Batch, In> x_;
  Fixed<Batch, Out> target_;
  Fixed<In, Hidden> w1_, w1_grad_;
  FixedRow<Hidden> b1_, b1_grad_;
  Fixed<Hidden, Out> w2_, w2_grad_;
  FixedRow<Out> b2_, b2_grad_;
  Fixed<Batch, Hidden> h_, h_grad_;
  Fixed<Batch, Out> y_, y_grad_;
  float loss_ = 0;
};

}  // namespace

std::unique_ptr<Contestant> make_hand_written(const Job& job, const Data& data) {
  constexpr int any = Eigen::Dynamic;
  if (job.name == "A") return std::make_unique<HandWrittenXor<any, any, any, any>>(job, data);
  return std::make_unique<HandWritten<EigenProduct>>(job, data);
}

std::unique_ptr<Contestant> make_hand_written_fixed(const Job& job, const Data& data) {
  return std::make_unique<HandWrittenXor<4, 2, 8, 1>>(job, data);
}

std::unique_ptr<Contestant> make_matmul_only(const Job& job, const Data& data) {
  return std::make_unique<MatmulOnly<EigenProduct>>(job, data);
}

}  // namespace bench
