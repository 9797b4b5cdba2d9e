// Writes into a folder what compare.mjs runs: NAME.onnx, and for two sizes of a batch NAME.0.bin and NAME.1.bin with rows, inputs and
// outputs (int32), the input and what predict() makes of it (float). "differs" is written wrong on purpose.
#include <fmt/core.h>
#include <tapegrad/io/onnx.h>
#include <tapegrad/tapegrad.h>

#include <array>
#include <fstream>
#include <numeric>

namespace {

namespace tg = tapegrad;

template <class T> struct Numbers {
  tg::BasicMatrix<T> operator()(tg::Index rows, tg::Index cols, tg::Rng& rng) const {
    tg::BasicMatrix<T> x(rows, cols);
    for (tg::Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<T>(3 * rng.normal());
    const std::array special{0.0, -30.0, 30.0, 100.0, -100.0, -3.0, 3.0, 6.0, 1e-6, -1.0, 1.0, -12.5};
    for (std::size_t i = 0; i < special.size() && rows > 1; ++i) x.data()[i] = static_cast<T>(special[i]);
    return x;
  }
};

/// A layer of one function.
template <class T, class F> struct Function : tg::BasicModule<T> {
  explicit Function(F f) : f_(std::move(f)) {}
  std::string_view kind() const override { return "function"; }
  tg::BasicVar<T> forward(tg::BasicVar<T> x) override { return f_(x); }
  F f_;
};

class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}

  template <class T> void add(const std::string& name, tg::BasicModule<T>& net, tg::Index features) {
    tg::save_onnx(net, features, path_ + "/" + name + ".onnx");
    expect(name, net, features);
  }
  template <class T> void expect(const std::string& name, tg::BasicModule<T>& net, tg::Index features) {
    for (const int size : {0, 1}) {
      const tg::BasicMatrix<T> x = Numbers<T>()(size == 0 ? 1 : 37, features, rng_);
      const tg::BasicMatrix<T> y = net.predict(x, x.rows());
      std::ofstream file(fmt::format("{}/{}.{}.bin", path_, name, size), std::ios::binary);
      for (const tg::Index i : {x.rows(), x.cols(), y.cols()}) {
        const auto number = static_cast<std::int32_t>(i);
        file.write(reinterpret_cast<const char*>(&number), sizeof number);
      }
      for (const tg::BasicMatrix<T>* const m : {&x, &y}) {
        const tg::Matrix values = m->template cast<float>();
        file.write(reinterpret_cast<const char*>(values.data()), values.size() * 4);
      }
      if (!file.flush()) throw std::runtime_error("cannot write into " + path_);
    }
  }
  void add_function(const std::string& name, auto f) {
    Function<float, decltype(f)> layer(f);
    add(name, layer, 12);
  }

 private:
  std::string path_;
  tg::Rng rng_{5};
};

void add_activations(Folder& folder) {
  std::vector<std::string> texts{"leaky_relu(negative_slope=0.3)", "elu(alpha=2)", "celu(alpha=0.5)",
                                 "swish(beta=2.5)", "maxout(pieces=3)"};
  for (const auto name : tg::activations()) texts.emplace_back(name);
  for (const std::string& text : texts) {
    const tg::Activation f = tg::activation(text);
    tg::ActivationLayer layer(f, f.learned().empty() ? 0 : 12);
    folder.add("activation " + text, layer, 12);
  }
}

/// Running statistics and weights that training has moved.
template <class Net> void train(Net& net, tg::Index features, tg::Index outputs) {
  tg::Rng rng(7);
  tg::Adam adam(net.parameters(), {.lr = 0.05F});
  tg::Tape tape;
  for (int step = 0; step < 20; ++step) {
    tape.reset();
    const tg::Matrix x = Numbers<float>()(32, features, rng) * 0.1F, y = Numbers<float>()(32, outputs, rng) * 0.1F;
    tg::mse(net(tape.input(x)), y).backward();
    adam.step();
  }
}

void add_networks(Folder& folder) {
  tg::Rng rng(3);
  tg::Sequential net{tg::Linear(12, 16, rng),
                     tg::BatchNorm1d(16),
                     tg::Relu(),
                     tg::Dropout(0.5, rng),
                     tg::Residual(tg::Linear(16, 16, rng), tg::Gelu()),
                     tg::LayerNorm(16),
                     tg::Linear(16, 8, rng, {.bias = false}),
                     tg::Prelu(),
                     tg::Glu(),
                     tg::Maxout(),
                     tg::Linear(2, 3, rng),
                     tg::Softmax()};
  train(net, 12, 3);
  folder.add("network", net, 12);
  tg::f64::Sequential twice =
      tg::f64::Sequential{tg::f64::Linear(12, 4, rng), tg::Tanh(), tg::f64::Linear(4, 2, rng)};
  folder.add("network of doubles", twice, 12);
  tg::Sequential nothing{tg::Dropout(0.5, rng)};
  folder.add("network without ops", nothing, 12);
}

void add_ops(Folder& folder) {
  using tg::Axis;
  using V = tg::Var;
  const tg::Matrix constant = Eigen::RowVectorXf::LinSpaced(12, -1, 2);
  folder.add_function("ops elementwise", [=](V x) {
    const V c = x.tape().input(constant), h = x * 0.1;
    V y = tg::sin(h) + tg::cos(h) * tg::abs(h) - tg::sign(x) / (1.5 - tg::minimum(c, 1.0)) +
          2.0 / (2.5 + tg::square(h));
    y = y + tg::where(x > c, tg::expm1(-tg::abs(h)), tg::log1p(tg::square(h))) + tg::where(h >= 0.0, h, -h);
    y = y + tg::pow(tg::abs(h) + 0.5, 1.5) + tg::pow(tg::abs(h) + 0.5, c) + tg::sqrt(tg::square(h) + 1) +
        tg::log(tg::exp(h) + 1);
    return tg::maximum(tg::clamp(y, -2, 3), -tg::detach(h)) + tg::normal_cdf(h) / 3.0;
  });
  folder.add_function("ops reductions", [](V x) {
    const V h = x * 0.1;
    const V rows =
        tg::sum(h, Axis::rows) * 0.01 + tg::mean(h, Axis::rows) + tg::max(h, Axis::rows) + tg::min(h, Axis::rows);
    const V cols = tg::sum(h, Axis::cols) + tg::logsumexp(h, Axis::cols) + tg::mean(h) + tg::max(h, Axis::cols);
    return h * rows + cols + tg::standardize(h, Axis::cols) + tg::standardize(h, Axis::all, 0.1);
  });
  folder.add_function("ops of shape", [](V x) {
    const V groups = tg::reshape(x * 0.1, {x.rows() * 3, 4});
    const V best = tg::reshape(tg::max(groups, Axis::cols), {x.rows(), 3});
    return tg::concat_cols({best, tg::broadcast_to(tg::mean(x, Axis::cols), {x.rows(), 2}),
                            tg::reshape(tg::softmax(groups), x.shape())});
  });
  folder.add_function("ops of spread", [](V x) {
    return tg::concat_cols({tg::var(x, Axis::cols), tg::stddev(x, Axis::cols), tg::norm(x, Axis::cols)});
  });
  folder.add_function("ops columns and products", [](V x) {
    const V a = tg::slice_cols(x, 2, 5) * 0.1, b = tg::pad_cols(tg::slice_cols(x, 0, 2), 1, 2) * 0.1;
    const V gram = tg::matmul(a, b, {.transpose_a = true}) * (1.0 / 40);
    return tg::concat_cols(
        {tg::matmul(a, gram), tg::matmul(b, gram, {.transpose_b = true}), a, tg::transpose(tg::transpose(b))});
  });
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::runtime_error("usage: onnx_models FOLDER");
  Folder folder(argv[1]);
  add_activations(folder);
  add_networks(folder);
  add_ops(folder);
  tg::ActivationLayer relu(tg::activation("relu")), leaky(tg::activation("leaky_relu(negative_slope=0.00001)"));
  folder.add("differs", relu, 12);
  folder.expect("differs", leaky, 12);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
