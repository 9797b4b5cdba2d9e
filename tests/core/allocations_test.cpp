#include <doctest/doctest.h>
#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

#include "refuse_allocations.h"

/// From the third step on, training allocates nothing. Every way to the heap is counted: `operator new` in all its
/// forms and Eigen's own functions end in malloc and its relatives, which are replaced here.

#if defined(__SANITIZE_ADDRESS__)
#define TEST_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TEST_COUNTS_ALLOCATIONS 0
#endif
#endif
#if !defined(TEST_COUNTS_ALLOCATIONS)
#if defined(__GLIBC__) && !defined(__SANITIZE_THREAD__)
#define TEST_COUNTS_ALLOCATIONS 1
#else
#define TEST_COUNTS_ALLOCATIONS 0
#endif
#endif

#if TEST_COUNTS_ALLOCATIONS
namespace {
std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> refused_from{
    std::numeric_limits<std::size_t>::max()};  ///< bytes: memory is "full" for these

constexpr std::ptrdiff_t never = std::numeric_limits<std::ptrdiff_t>::max();
std::atomic<std::ptrdiff_t> until_refused{never};  ///< allocations that are granted before
std::atomic<bool> refuse_all{false};

bool granted(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (until_refused.load(std::memory_order_relaxed) != never) {
    const std::ptrdiff_t left = until_refused.fetch_sub(1, std::memory_order_relaxed);
    if (left == 0 || (left < 0 && refuse_all)) size = std::numeric_limits<std::size_t>::max();
  }
  if (size < refused_from.load(std::memory_order_relaxed)) return true;
  errno = ENOMEM;
  return false;
}
}  // namespace

bool refusing::possible() { return true; }
void refusing::begin(std::size_t granted, bool from_then_on) {
  refuse_all = from_then_on;
  until_refused = static_cast<std::ptrdiff_t>(granted);
}
bool refusing::end() { return until_refused.exchange(never) < 0; }

// NOLINTBEGIN: these are the C library's names.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) { return granted(size) ? __libc_malloc(size) : nullptr; }
void* calloc(std::size_t count, std::size_t size) {
  return granted(count * size) ? __libc_calloc(count, size) : nullptr;
}
void* realloc(void* old, std::size_t size) { return granted(size) ? __libc_realloc(old, size) : nullptr; }
void* memalign(std::size_t alignment, std::size_t size) {
  return granted(size) ? __libc_memalign(alignment, size) : nullptr;
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return granted(size) ? __libc_memalign(alignment, size) : nullptr;
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  *out = granted(size) ? __libc_memalign(alignment, size) : nullptr;
  return *out == nullptr ? ENOMEM : 0;
}
}
// NOLINTEND
#else
bool refusing::possible() { return false; }
void refusing::begin(std::size_t, bool) {}
bool refusing::end() { return false; }
#endif

namespace {

/// A 784-128-10 network of tape ops, trained by plain SGD on random images.
template <class T> class Training {
 public:
  explicit Training(std::uint64_t seed) : rng_(seed) {
    const auto fill = [&](const char* name, tapegrad::Index rows, tapegrad::Index cols, double scale) {
      tapegrad::BasicMatrix<T> m(rows, cols);
      for (T& v : m.reshaped()) v = static_cast<T>(scale * rng_.normal());
      return tapegrad::BasicParameter<T>(name, std::move(m));
    };
    parameters_ = {fill("0.weight", 128, 784, 0.05), fill("0.bias", 1, 128, 0), fill("1.weight", 10, 128, 0.1),
                   fill("1.bias", 1, 10, 0)};
    images_ = tapegrad::BasicMatrix<T>(145, 784);
    for (T& v : images_.reshaped()) v = static_cast<T>(rng_.uniform());
    for (int i = 0; i < 145; ++i) labels_.push_back(static_cast<int>(rng_.below(10)));
  }

  /// One step on rows `first` … of the images.
  T step(tapegrad::Index first, tapegrad::Index count) {
    tape_.reset();
    auto x = tape_.input(images_.middleRows(first, count));
    x = tapegrad::relu(tapegrad::linear(x, tape_.parameter(parameters_[0]), tape_.parameter(parameters_[1])));
    x = tapegrad::linear(x, tape_.parameter(parameters_[2]), tape_.parameter(parameters_[3]));
    const std::span<const int> labels(labels_.data() + first, static_cast<std::size_t>(count));
    const auto loss = tapegrad::cross_entropy(x, labels, {.label_smoothing = 0.1});
    loss.backward();
    for (auto& p : parameters_) p.mutable_value() -= T(0.05) * p.grad();
    return loss.item();
  }
  /// Two batches of 64 and the last, partial one of 17.
  void epoch(std::vector<T>& losses) {
    losses.push_back(step(0, 64));
    losses.push_back(step(64, 64));
    losses.push_back(step(128, 17));
  }
  const std::vector<tapegrad::BasicParameter<T>>& parameters() const { return parameters_; }

 private:
  tapegrad::Rng rng_;
  std::vector<tapegrad::BasicParameter<T>> parameters_;
  tapegrad::BasicMatrix<T> images_;
  std::vector<int> labels_;
  tapegrad::BasicTape<T> tape_;
};

#if TEST_COUNTS_ALLOCATIONS
template <class Body> std::size_t allocations_in(Body&& body) {
  const std::size_t before = allocations;
  body();
  return allocations - before;
}

template <class T> void check_training() {
  Training<T> training(1);
  training.step(0, 64);
  training.step(64, 64);
  for (int round = 0; round < 3; ++round) {
    CHECK_MESSAGE(allocations_in([&] { training.step(128, 17); }) == 0, "the partial batch of round " << round);
    CHECK_MESSAGE(allocations_in([&] { training.step(0, 64); }) == 0, "a full batch of round " << round);
  }
}

/// All that a step may do besides: other activations, normalization, broadcasting, every loss.
template <class T> void check_everything() {
  using tapegrad::Axis;
  tapegrad::BasicTape<T> tape;
  tapegrad::BasicParameter<T> w("w", tapegrad::BasicMatrix<T>::Random(300, 300));
  const tapegrad::BasicMatrix<T> x = tapegrad::BasicMatrix<T>::Random(256, 300);
  const std::vector<int> labels(256, 3);
  std::vector<tapegrad::Activation> activations;
  for (const auto name : tapegrad::activations())
    if (name != "prelu") activations.push_back(tapegrad::activation(name));
  const auto step = [&] {
    tape.reset();
    auto y = tapegrad::matmul(tape.input(x), tape.parameter(w));
    y = tapegrad::standardize(y, Axis::rows) * tapegrad::standardize(y, Axis::cols);
    auto loss = tape.constant(0);
    for (const auto& act : activations) loss = loss + tapegrad::mean(tapegrad::square(act(y)));
    loss = loss + tapegrad::cross_entropy(y, labels) + tapegrad::nll(tapegrad::log_softmax(y), labels);
    loss = loss + tapegrad::mse(y, tape.input(x)) + tapegrad::huber(y, tape.input(x));
    loss = loss + tapegrad::mean(tapegrad::max(tapegrad::concat_cols({y, y}), Axis::cols)) +
           tapegrad::sum(tapegrad::logsumexp(tapegrad::transpose(tapegrad::slice_cols(y, 1, 200)), Axis::cols));
    loss.backward();
    w.mutable_value() -= T(1e-3) * w.grad();
  };
  step();
  step();
  for (int i = 3; i <= 6; ++i) CHECK_MESSAGE(allocations_in(step) == 0, "step " << i);
}
#endif

}  // namespace

#if TEST_COUNTS_ALLOCATIONS
TEST_CASE("every kind of allocation is counted") {
  struct alignas(128) Wide {
    char bytes[128];
  };
  void* volatile keep = nullptr;  // an allocation whose result nobody sees may be left out
  CHECK(allocations_in([&] { keep = std::malloc(10), std::free(keep); }) == 1);
  CHECK(allocations_in([&] { keep = std::calloc(3, 10), std::free(keep); }) == 1);
  CHECK(allocations_in([&] { keep = ::operator new(10), ::operator delete(keep); }) == 1);
  CHECK(allocations_in([&] { keep = ::operator new[](10), ::operator delete[](keep); }) == 1);
  CHECK(allocations_in([&] { keep = ::operator new(10, std::nothrow), ::operator delete(keep); }) == 1);
  CHECK(allocations_in([&] {
          keep = ::operator new(10, std::align_val_t(64)), ::operator delete(keep, std::align_val_t(64));
        }) == 1);
  CHECK(allocations_in([&] { keep = new Wide, delete static_cast<Wide*>(keep); }) == 1);
  CHECK(allocations_in([&] { keep = std::aligned_alloc(64, 64), std::free(keep); }) == 1);
  CHECK(allocations_in([&] {
          tapegrad::Matrix m(3, 3);
          keep = m.data();
        }) == 1);
  CHECK(allocations_in([] { tapegrad::Tape().constant(1); }) >= 2);  // a block of memory and the list of nodes
}

TEST_CASE("no heap allocation from the third training step on, float") { check_training<float>(); }
TEST_CASE("no heap allocation from the third training step on, double") { check_training<double>(); }
TEST_CASE("no heap allocation whatever the step does, float") { check_everything<float>(); }
TEST_CASE("no heap allocation whatever the step does, double") { check_everything<double>(); }

TEST_CASE("when there is no memory a tape keeps its word") {
  tapegrad::Tape tape;
  const tapegrad::Matrix wide = tapegrad::Matrix::Constant(1, 25'000, 3);
  const tapegrad::Var old = tape.input(wide);  // 100 kB do not fit into the first block
  const auto refusing = [](const auto& code) {
    refused_from = 90'000;
    CHECK_THROWS_AS(code(), std::bad_alloc);
    refused_from = std::numeric_limits<std::size_t>::max();
  };

  // A value that has no place leaves the step as it was.
  tape.input(1);
  const std::size_t size = tape.size();
  refusing([&] { tape.input(tapegrad::Shape{1, 100'000}, [](float*) {}); });
  CHECK(tape.size() == size);
  CHECK(old.value()(24'999) == 3);

  // reset() joins the blocks; when it cannot, the step is over all the same and no Var sees memory that is gone.
  tape.input(wide);
  refusing([&] { tape.reset(); });
  CHECK(tape.step() == 2);
  CHECK(tape.size() == 0);
  CHECK_THROWS_WITH_AS(old.value(), "[tape] variable #0 (input) is from step 1, the tape is at step 2",
                       tapegrad::Error);
  CHECK(tape.input(wide).value()(24'999) == 3);
}

TEST_CASE("a step that runs out of memory can be repeated: the same bits, with batch norm and dropout, too") {
  // Returns the weights and running statistics after 4 steps, and whether something was refused in step `failing`.
  const auto train = [](int failing, long granted) {
    tapegrad::Rng rng(3);
    tapegrad::Sequential net{tapegrad::Linear(20, 300, rng), tapegrad::BatchNorm1d(300), tapegrad::Relu(),
                             tapegrad::Dropout(0.3, rng), tapegrad::Linear(300, 5, rng)};
    tapegrad::Adam adam(net.parameters(), {.lr = 0.01});
    tapegrad::Matrix x(64, 20);
    for (float& v : x.reshaped()) v = static_cast<float>(rng.normal());
    std::vector<int> labels;
    for (int i = 0; i < 64; ++i) labels.push_back(i % 5);
    tapegrad::Tape tape;
    const auto step = [&] {
      tape.reset();
      tapegrad::cross_entropy(net(tape.borrow(x)), labels).backward();
      adam.step();
    };
    bool refused = false;
    for (int i = 0; i < 4; ++i) {
      if (i == failing) refusing::begin(static_cast<std::size_t>(granted), false);
      try {
        step();
      } catch (const std::bad_alloc&) {
        refused = refusing::end();
        step();
      }
      refusing::end();
    }
    std::vector<tapegrad::Matrix> values;
    for (const auto& p : net.parameters()) values.push_back(p.value());
    for (const auto& [path, buffer] : net.named_buffers()) values.push_back(*buffer);
    return std::pair(values, refused);
  };
  const auto right = train(-1, 0).first;
  for (const int failing : {0, 1, 2}) {
    long points = 0;
    for (auto [values, refused] = train(failing, 0); refused;
         std::tie(values, refused) = train(failing, ++points)) {
      CAPTURE(failing);
      CAPTURE(points);
      CHECK(values == right);
    }
    CHECK(points > (failing == 0 ? 8 : failing == 1 ? 0 : -1));
  }
}
#endif

TEST_CASE_TEMPLATE("the same seed gives bitwise the same losses and weights", T, float, double) {
  std::vector<T> first, second, other;
  std::vector<tapegrad::BasicMatrix<T>> weights;
  {
    Training<T> training(7);
    for (int i = 0; i < 4; ++i) training.epoch(first);
    for (const auto& p : training.parameters()) weights.push_back(p.value());
  }
  // The heap looks different the second time.
  const auto shift = std::make_unique<char[]>(12'345);
  Training<T> training(7);
  for (int i = 0; i < 4; ++i) training.epoch(second);
  CHECK(first == second);
  for (std::size_t k = 0; k < weights.size(); ++k) CHECK(training.parameters()[k].value() == weights[k]);
  CHECK(first.back() < first.front());
  Training<T> another(8);
  for (int i = 0; i < 4; ++i) another.epoch(other);
  CHECK_FALSE(first == other);
}
