// The jobs as a user of the library writes them.

#include "tapegrad_jobs.h"

#include <tapegrad/tapegrad.h>

#include "contestant.h"

namespace tg = tapegrad;

namespace bench {
namespace {

tg::Sequential network(const Job& job) {
  tg::Rng rng(1);
  tg::Sequential net;
  for (const Layer& layer : job.layers) {
    net.add(tg::Linear(layer.in, layer.out, rng));
    if (layer.activation == Activation::relu) net.add(tg::Relu());
    if (layer.activation == Activation::tanh) net.add(tg::Tanh());
    if (layer.activation == Activation::sigmoid) net.add(tg::Sigmoid());
  }
  return net;
}

class Tapegrad : public Contestant {
 public:
  Tapegrad(const Job& job, const Data& data) : job_(job), data_(data), net_(network(job)) { restart(); }

  void restart() override {
    std::vector<tg::Parameter> parameters = net_.parameters();
    for (std::size_t i = 0; i < job_.layers.size(); ++i) {
      std::copy(data_.weights[i].begin(), data_.weights[i].end(), parameters[2 * i].mutable_value().data());
      std::copy(data_.biases[i].begin(), data_.biases[i].end(), parameters[2 * i + 1].mutable_value().data());
    }
    if (job_.optimizer == Optimizer::sgd)
      optimizer_ = std::make_unique<tg::Sgd>(parameters, tg::SgdOptions{.lr = static_cast<double>(job_.lr)});
    else
      optimizer_ = std::make_unique<tg::Adam>(parameters, tg::AdamOptions{.lr = static_cast<double>(job_.lr)});
    batch_ = 0;
  }

  void run(int steps) override {
    for (int i = 0; i < steps; ++i) {
      tape_.reset();
      const tg::Var loss = forward();
      loss.backward();
      optimizer_->step();
      if (i + 1 == steps) loss_ = static_cast<double>(loss.item());
    }
  }

  double loss() const override { return loss_; }
  const tg::Tape& tape() const { return tape_; }

 private:
  using Rows = tg::BasicView<float>;

  tg::Var forward() {
    const std::size_t first = static_cast<std::size_t>(batch_ * job_.batch);
    batch_ = batch_ + 1 == job_.batches ? 0 : batch_ + 1;
    const Rows x(data_.inputs.data() + first * static_cast<std::size_t>(job_.inputs()), job_.batch, job_.inputs());
    const tg::Var y = net_(tape_.borrow(x));
    if (job_.loss == Loss::squared_error)
      return tg::mse(y, tape_.borrow(Rows(data_.targets.data(), job_.batch, job_.outputs())));
    return tg::cross_entropy(
        y, std::span<const int>(data_.labels).subspan(first, static_cast<std::size_t>(job_.batch)));
  }

  Job job_;
  Data data_;
  tg::Sequential net_;
  std::unique_ptr<tg::Optimizer> optimizer_;
  tg::Tape tape_;
  int batch_ = 0;
  double loss_ = 0;
};

}  // namespace

std::unique_ptr<Contestant> make_tapegrad(const Job& job, const Data& data) {
  return std::make_unique<Tapegrad>(job, data);
}

void set_tapegrad_threads(int threads) { tapegrad::set_threads(threads); }

TapeBytes tape_bytes(const Job& job, int steps) {
  Tapegrad contestant(job, make_data(job));
  contestant.run(steps);
  return {contestant.tape().bytes_used(), contestant.tape().bytes_reserved(), contestant.tape().size()};
}

}  // namespace bench
