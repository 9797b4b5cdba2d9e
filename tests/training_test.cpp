#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

/// Whole trainings: that they learn what can be learned, twice the same, and without the heap.

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_HAS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(TEST_HAS_ASAN)
#define TEST_HAS_ASAN 1
#endif
#if defined(TEST_HAS_ASAN)
/// Of sanitizer/allocator_interface.h, which comes with Clang only.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, std::size_t),
                                                         void (*on_free)(const volatile void*));
#endif

namespace tg = tapegrad;

namespace {

struct XorRun {
  double loss = 0;
  double worst = 1;  ///< largest distance of an answer from its target
};

template <class T> XorRun train_xor(const std::string& activation, std::uint64_t seed, int steps = 500) {
  tg::Rng rng(seed);
  const tg::LinearOptions init{.weight_init = tg::xavier_normal(), .bias_init = tg::zeros()};
  tg::BasicSequential<T> net{tg::BasicLinear<T>(2, 8, rng, init), tg::activation(activation),
                             tg::BasicLinear<T>(8, 1, rng, init)};
  tg::BasicAdam<T> adam(net.parameters(), {.lr = 0.05});
  const auto data = tg::xor_points<T>();
  const tg::BasicMatrix<T> targets = data.targets();
  tg::BasicTape<T> tape;
  XorRun run;
  for (int step = 0; step < steps; ++step) {
    tape.reset();
    const auto loss = tg::bce_with_logits(net(tape.input(data.inputs)), targets);
    loss.backward();
    adam.step();
    run.loss = static_cast<double>(loss.item());
  }
  const tg::BasicMatrix<T> logits = net.predict(data.inputs);
  run.worst = 0;
  for (tg::Index row = 0; row < 4; ++row)
    run.worst = std::max(run.worst, std::abs(1 / (1 + std::exp(-static_cast<double>(logits(row, 0)))) -
                                             static_cast<double>(targets(row, 0))));
  return run;
}

/// Every kind of layer in one network, for `features` inputs and 10 classes.
template <class T> tg::BasicSequential<T> every_layer(tg::Index features, tg::Index units, tg::Rng& rng) {
  tg::BasicSequential<T> net{tg::BasicLinear<T>(features, units, rng),
                             tg::BasicBatchNorm1d<T>(units),
                             tg::Relu(),
                             tg::BasicDropout<T>(0.2, rng),
                             tg::BasicResidual<T>{tg::BasicLinear<T>(units, units, rng), tg::Gelu(),
                                                  tg::BasicLinear<T>(units, units, rng, {.bias = false})},
                             tg::BasicLayerNorm<T>(units)};
  net.add(tg::activation("prelu"), units);
  net.add(tg::BasicLinear<T>(units, 2 * units, rng));
  net.add(tg::Maxout{2});
  net.add(tg::BasicLinear<T>(units, 20, rng));
  net.add(tg::Glu());
  return net;
}

/// Trains it on blobs around ten corners, with a learning rate schedule and clipping.
template <class T> class Training {
 public:
  Training(std::string_view optimizer, tg::Index features, tg::Index units, std::uint64_t seed)
      : rng_(seed),
        net_(every_layer<T>(features, units, rng_)),
        optimizer_(tg::make_optimizer(optimizer, net_.parameters(),
                                      {.lr = optimizer == "sgd"       ? 0.1
                                             : optimizer == "adagrad" ? 0.03
                                                                      : 0.003})),
        base_lr_(optimizer_->lr()),
        inputs_(145, features),
        batches_(145, 64, rng_.split()) {
    tg::BasicMatrix<T> corners(10, features);
    for (T& v : corners.reshaped()) v = static_cast<T>(rng_.normal());
    for (tg::Index row = 0; row < 145; ++row) {
      labels_.push_back(static_cast<int>(row % 10));
      for (tg::Index col = 0; col < features; ++col)
        inputs_(row, col) = corners(row % 10, col) + static_cast<T>(rng_.normal(0, 0.3));
    }
    batch_labels_.reserve(64);
    losses_.reserve(1000);
  }

  /// Two batches of 64 and the last one of 17.
  void epoch() {
    const tg::CosineSchedule schedule{.base_lr = base_lr_, .t_max = 300};
    for (const std::span<const tg::Index> batch : batches_.epoch()) {
      tape_.reset();
      const auto x = tape_.input({static_cast<tg::Index>(batch.size()), inputs_.cols()},
                                 [&](T* out) { tg::gather_rows(inputs_, batch, out); });
      tg::gather_labels(labels_, batch, batch_labels_);
      const auto loss = tg::cross_entropy(net_(x), batch_labels_, {.label_smoothing = 0.05});
      loss.backward();
      tg::clip_grad_norm(optimizer_->parameters(), 1);
      optimizer_->set_lr(schedule.at(optimizer_->steps()));
      optimizer_->step();
      losses_.push_back(loss.item());
    }
  }

  tg::BasicSequential<T>& net() { return net_; }
  const std::vector<T>& losses() const { return losses_; }
  const tg::BasicMatrix<T>& inputs() const { return inputs_; }

 private:
  tg::Rng rng_;
  tg::BasicSequential<T> net_;
  std::unique_ptr<tg::BasicOptimizer<T>> optimizer_;
  double base_lr_;
  tg::BasicMatrix<T> inputs_;
  tg::Batches batches_;
  std::vector<int> labels_;
  std::vector<int> batch_labels_;
  std::vector<T> losses_;
  tg::BasicTape<T> tape_;
};

}  // namespace

TEST_CASE_TEMPLATE("training: tanh solves XOR from every one of 20 seeds", T, float, double) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    const XorRun run = train_xor<T>("tanh", seed);
    CHECK(run.worst < 0.1);
    CHECK(run.loss < 0.05);
  }
}

TEST_CASE_TEMPLATE("training: a linear network stays at ln 2", T, float, double) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    const XorRun run = train_xor<T>("identity", seed);
    CHECK(run.loss >= std::log(2.0) * 0.99);
    CHECK(run.loss < std::log(2.0) * 1.01);  // which is the best it can do, not a failure of the training
    CHECK(run.worst > 0.4);
  }
}

TEST_CASE_TEMPLATE("training: two moons to more than 97 %, also on points not seen", T, float, double) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    INFO("seed " << seed);
    tg::Rng rng(seed);
    const auto train = tg::two_moons<T>(500, 0.1, rng);
    const auto test = tg::two_moons<T>(1000, 0.1, rng);
    const tg::BasicMatrix<T> targets = train.targets();
    tg::BasicSequential<T> net{tg::BasicLinear<T>(2, 16, rng), tg::Relu(), tg::BasicLinear<T>(16, 16, rng),
                               tg::Relu(), tg::BasicLinear<T>(16, 1, rng)};
    tg::BasicAdam<T> adam(net.parameters(), {.lr = 0.02});
    tg::BasicTape<T> tape;
    const auto accuracy = [&](const auto& data) {
      const tg::BasicMatrix<T> logits = net.predict(data.inputs);
      int right = 0;
      for (tg::Index row = 0; row < data.size(); ++row)
        right += (logits(row, 0) > 0) == (data.labels[static_cast<std::size_t>(row)] == 1);
      return static_cast<double>(right) / static_cast<double>(data.size());
    };
    CHECK(accuracy(test) < 0.97);
    for (int step = 0; step < 300; ++step) {
      tape.reset();
      tg::bce_with_logits(net(tape.input(train.inputs)), targets).backward();
      adam.step();
    }
    CHECK(accuracy(train) > 0.97);
    CHECK(accuracy(test) > 0.97);
  }
}

TEST_CASE_TEMPLATE("training: every kind of layer learns with every optimizer, twice bitwise the same", T, float,
                   double) {
  for (const std::string_view optimizer : tg::optimizers()) {
    INFO(optimizer);
    Training<T> first(optimizer, 12, 16, 5);
    Training<T> other(optimizer, 12, 16, 6);
    for (int i = 0; i < 20; ++i) first.epoch();
    for (int i = 0; i < 20; ++i) other.epoch();
    const auto shift = std::make_unique<char[]>(12'345);  // the heap looks different the second time
    Training<T> second(optimizer, 12, 16, 5);
    for (int i = 0; i < 20; ++i) second.epoch();

    REQUIRE(first.losses().size() == 60);
    CHECK(first.losses() == second.losses());
    CHECK(first.losses() != other.losses());
    for (std::size_t k = 0; k < first.net().parameters().size(); ++k)
      CHECK(first.net().parameters()[k].value() == second.net().parameters()[k].value());
    for (std::size_t k = 0; k < first.net().named_buffers().size(); ++k)
      CHECK(*first.net().named_buffers()[k].second == *second.net().named_buffers()[k].second);
    CHECK(first.net().predict(first.inputs()) == second.net().predict(first.inputs()));
    const double begin = static_cast<double>(first.losses()[0] + first.losses()[1]);
    const double end = static_cast<double>(first.losses()[57] + first.losses()[58]);
    CHECK(end < 0.75 * begin);
  }
}

TEST_CASE("training: float and double agree at the beginning") {
  Training<float> narrow("adam", 12, 16, 5);
  Training<double> wide("adam", 12, 16, 5);
  narrow.epoch();
  wide.epoch();
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(static_cast<double>(narrow.losses()[i]) == doctest::Approx(wide.losses()[i]).scale(0).epsilon(1e-5));
}

// tests/core/allocations_test.cpp counts in ordinary builds and trains by hand; here AddressSanitizer counts, of every layer
// and optimizer.
#if defined(TEST_HAS_ASAN)
namespace {

std::atomic<std::size_t> allocations{0};

template <class Body> std::size_t allocations_in(Body&& body) {
  [[maybe_unused]] static const int installed = __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, std::size_t) { allocations.fetch_add(1, std::memory_order_relaxed); },
      [](const volatile void*) {});
  const std::size_t before = allocations;
  body();
  return allocations - before;
}

}  // namespace

TEST_CASE("training: the counter counts") {
  CHECK(allocations_in([] { tg::Matrix(3, 3).setZero(); }) >= 1);
  CHECK(allocations_in([] { tg::Tape().constant(1); }) >= 2);
  CHECK(allocations_in([] {}) == 0);
}

TEST_CASE_TEMPLATE("training: no heap allocation from the third step on, in any layer and optimizer", T, float,
                   double) {
  for (const std::string_view optimizer : tg::optimizers()) {
    INFO(optimizer);
    Training<T> training(optimizer, 300, 160, 1);  // large enough for products that pack their operands
    training.epoch();                              // two whole batches, then a smaller one
    for (int epoch = 2; epoch <= 4; ++epoch)
      CHECK_MESSAGE(allocations_in([&] { training.epoch(); }) == 0, "epoch " << epoch);
  }
}
#endif
