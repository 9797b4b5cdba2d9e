// libtorch's elementwise functions, beside ours in the same run.

#include <torch/torch.h>

#include "micro.h"

namespace bench {
namespace {

namespace F = torch::nn::functional;
using Function = torch::Tensor (*)(const torch::Tensor&);

constexpr std::pair<const char*, Function> functions[] = {
    {"relu", [](const torch::Tensor& x) { return torch::relu(x); }},
    {"leaky_relu", [](const torch::Tensor& x) { return torch::leaky_relu(x); }},
    {"sigmoid", [](const torch::Tensor& x) { return torch::sigmoid(x); }},
    {"tanh", [](const torch::Tensor& x) { return torch::tanh(x); }},
    {"elu", [](const torch::Tensor& x) { return torch::elu(x); }},
    {"selu", [](const torch::Tensor& x) { return torch::selu(x); }},
    {"celu", [](const torch::Tensor& x) { return torch::celu(x); }},
    {"softplus", [](const torch::Tensor& x) { return torch::softplus(x); }},
    {"log_sigmoid", [](const torch::Tensor& x) { return torch::log_sigmoid(x); }},
    {"softsign", [](const torch::Tensor& x) { return F::softsign(x); }},
    {"swish", [](const torch::Tensor& x) { return torch::silu(x); }},
    {"gelu", [](const torch::Tensor& x) { return torch::gelu(x); }},
    {"gelu_tanh", [](const torch::Tensor& x) { return torch::gelu(x, "tanh"); }},
    {"mish", [](const torch::Tensor& x) { return torch::mish(x); }},
    {"hard_sigmoid", [](const torch::Tensor& x) { return torch::hardsigmoid(x); }},
    {"hard_swish", [](const torch::Tensor& x) { return torch::hardswish(x); }},
    {"hard_tanh", [](const torch::Tensor& x) { return torch::hardtanh(x); }},
    {"relu6", [](const torch::Tensor& x) { return F::relu6(x); }},
    {"exp", [](const torch::Tensor& x) { return torch::exp(x); }},
    {"square", [](const torch::Tensor& x) { return torch::square(x); }},
};

}  // namespace

void add_libtorch() {
  at::set_num_threads(1);
  for (const auto& [name, function] : functions) {
    for (const long size : elementwise_sizes) {
      const std::string at = std::string(name) + "/" + std::to_string(size) + "/libtorch";
      const auto input = [size] { return torch::empty({1, size}).uniform_(-3, 3); };
      add("forward/" + at, size, [input, f = function](benchmark::State& state) {
        const torch::Tensor x = input();
        for (auto _ : state) benchmark::DoNotOptimize(f(x).data_ptr());
      });
      add("forward+backward/" + at, size, [input, f = function, size](benchmark::State& state) {
        const torch::Tensor x = input().requires_grad_();
        const torch::Tensor seed = torch::ones({1, size});
        for (auto _ : state) benchmark::DoNotOptimize(torch::autograd::grad({f(x)}, {x}, {seed})[0].data_ptr());
      });
    }
  }
}

}  // namespace bench
