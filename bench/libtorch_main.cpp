// The jobs in libtorch, as its documentation writes them. A peer of bench_jobs: bench_jobs --peer libtorch=bench_libtorch

#include <dlfcn.h>
#include <torch/torch.h>

#include <cstdio>
#include <cstring>

#include "contestant.h"
#include "peer.h"

namespace bench {
namespace {

int threads = 1;

/// The BLAS library that libtorch calls has a pool of threads of its own.
void set_threads_of_blas(int count) {
  if (void* symbol = dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))
    reinterpret_cast<void (*)(int)>(symbol)(count);
}

torch::Tensor leaf(const std::vector<float>& values, std::vector<int64_t> shape) {
  return torch::tensor(values).reshape(shape).clone();
}

class Libtorch : public Contestant {
 public:
  Libtorch(const Job& job, const Data& data) : job_(job), data_(data) {
    for (const Layer& layer : job.layers) {
      net_->push_back(torch::nn::Linear(layer.in, layer.out));
      if (layer.activation == Activation::relu) net_->push_back(torch::nn::ReLU());
      if (layer.activation == Activation::tanh) net_->push_back(torch::nn::Tanh());
      if (layer.activation == Activation::sigmoid) net_->push_back(torch::nn::Sigmoid());
    }
    for (int i = 0; i < job.batches; ++i) {
      const auto first = static_cast<std::size_t>(i) * static_cast<std::size_t>(job.batch);
      const auto at = [&](const std::vector<float>& all, int cols) {
        const float* from = all.data() + first * static_cast<std::size_t>(cols);
        return leaf({from, from + job.batch * cols}, {job.batch, cols});
      };
      inputs_.push_back(at(data.inputs, job.inputs()));
      if (job.loss == Loss::squared_error) {
        targets_.push_back(at(data.targets, job.outputs()));
      } else {
        const std::vector<int64_t> labels(data.labels.begin() + static_cast<std::ptrdiff_t>(first),
                                          data.labels.begin() + static_cast<std::ptrdiff_t>(first) + job.batch);
        targets_.push_back(torch::tensor(labels, torch::kLong));
      }
    }
    restart();
    tune();
  }

  void restart() override {
    const torch::NoGradGuard no_grad;
    const auto parameters = net_->parameters();
    for (std::size_t i = 0; i < job_.layers.size(); ++i) {
      const Layer& layer = job_.layers[i];
      torch::Tensor weight = parameters[2 * i];
      torch::Tensor bias = parameters[2 * i + 1];
      weight.copy_(leaf(data_.weights[i], {layer.out, layer.in}));
      bias.copy_(leaf(data_.biases[i], {layer.out}));
    }
    if (job_.optimizer == Optimizer::sgd)
      optimizer_ = std::make_unique<torch::optim::SGD>(parameters, torch::optim::SGDOptions(job_.lr));
    else
      optimizer_ = std::make_unique<torch::optim::Adam>(parameters, torch::optim::AdamOptions(job_.lr));
    batch_ = 0;
  }

  void run(int steps) override {
    use(setting_);
    for (int i = 0; i < steps; ++i) {
      const auto at = static_cast<std::size_t>(batch_);
      batch_ = batch_ + 1 == job_.batches ? 0 : batch_ + 1;
      optimizer_->zero_grad();
      const torch::Tensor y = net_->forward(inputs_[at]);
      loss_ = job_.loss == Loss::squared_error ? torch::mse_loss(y, targets_[at])
                                               : torch::nn::functional::cross_entropy(y, targets_[at]);
      loss_.backward();
      optimizer_->step();
    }
  }

  double loss() const override { return loss_.item<double>(); }

 private:
  struct Setting {
    int torch;
    int blas;
  };

  static void use(Setting setting) {
    at::set_num_threads(setting.torch);
    set_threads_of_blas(setting.blas);
  }

  /// With more than one thread the default is a bad choice at these sizes: takes the best for this job.
  void tune() {
    if (threads == 1) return;
    double best = 0;
    Setting best_setting = setting_;
    for (const Setting setting :
         {Setting{1, 1}, Setting{threads, 1}, Setting{1, threads}, Setting{threads, threads}}) {
      setting_ = setting;
      const double speed = rate(*this, steps_for(*this, 0.2));
      if (speed > best) best_setting = setting;
      best = std::max(best, speed);
    }
    setting_ = best_setting;
    std::fprintf(stderr, "libtorch %s: tuned to %d threads of its own and %d of the BLAS library\n",
                 job_.name.c_str(), setting_.torch, setting_.blas);
  }

  Job job_;
  Data data_;
  torch::nn::Sequential net_;
  std::vector<torch::Tensor> inputs_;
  std::vector<torch::Tensor> targets_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  torch::Tensor loss_;
  Setting setting_{1, 1};
  int batch_ = 0;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--threads") == 0) bench::threads = std::atoi(argv[2]);
  bench::one_thread = bench::threads == 1;
  at::set_num_threads(bench::threads);
  at::set_num_interop_threads(1);
  return bench::serve(
      [](const bench::Job& job, const bench::Data& data) { return std::make_unique<bench::Libtorch>(job, data); });
}
