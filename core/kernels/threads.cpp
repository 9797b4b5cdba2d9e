#include "tapegrad/core/kernels/threads.h"

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// Tells the CPU that this is a spin loop.
void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Threads that wait for work. Two ops of a training step are a few microseconds apart, so a helper spins first, and sleeps
/// only after a while without work.
class Helpers {
 public:
  explicit Helpers(int n) : begun_(static_cast<std::size_t>(n)), errors_(static_cast<std::size_t>(n)) {
    threads_.reserve(static_cast<std::size_t>(n - 1));
    try {
      for (int part = 1; part < n; ++part) threads_.emplace_back([this, part] { help(part); });
    } catch (const std::system_error&) {
      const std::size_t started = threads_.size();
      dismiss();
      fail("threads", fmt::format("the system does not start {} threads, only {}", n, started + 1));
    } catch (...) {  // no memory
      dismiss();
      throw;
    }
  }
  ~Helpers() { dismiss(); }

  int parts() const { return static_cast<int>(begun_.size()); }

  /// Runs all parts to their end, then throws the error of the first part that has one.
  void run(void (*body)(void*, int, int), void* context) {
    body_ = body;
    context_ = context;
    finished_.store(0, std::memory_order_relaxed);
    const unsigned job = announce();
    work(0);
    for (std::int64_t i = 0; finished_.load(std::memory_order_acquire) != parts(); ++i)
      if (i == moment)
        take_over(job);
      else if (i < patience)
        pause();
      else
        std::this_thread::yield();  // a helper has lost its core to another program
    if (failed_.load(std::memory_order_relaxed)) [[unlikely]]
      rethrow();
  }

 private:
  /// Spins before the caller checks for late helpers (under 1 µs): checking steals the helper's cache line, and helpers
  /// usually start at once.
  static constexpr int moment = 16;
  static constexpr int patience = 4000;  ///< spins before a helper sleeps and the caller yields: about 100 µs

  void work(int part) noexcept {
    try {
      body_(context_, part, parts());
    } catch (...) {
      errors_[static_cast<std::size_t>(part)] = std::current_exception();
      failed_.store(true, std::memory_order_relaxed);
    }
    finished_.fetch_add(1, std::memory_order_release);
  }

  /// The caller runs the parts of late helpers.
  void take_over(unsigned job) noexcept {
    for (int part = 1; part < parts(); ++part)
      if (begin(part, job)) work(part);
  }

  /// True for the first who begins this part of the job. A late helper finds the part begun in its job or in a later one.
  bool begin(int part, unsigned job) {
    unsigned last = job - 1;
    return begun_[static_cast<std::size_t>(part)].job.compare_exchange_strong(last, job, std::memory_order_acq_rel);
  }

  [[noreturn]] void rethrow() {
    std::exception_ptr first;
    for (std::exception_ptr& error : errors_) {
      if (first == nullptr) first = error;
      error = nullptr;
    }
    failed_.store(false, std::memory_order_relaxed);
    std::rethrow_exception(first);
  }

  void dismiss() {
    over_.store(true, std::memory_order_relaxed);
    announce();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  unsigned announce() {
    const unsigned job = job_.fetch_add(1, std::memory_order_release) + 1;
    job_.notify_all();
    return job;
  }

  void help(int part) {
    unsigned done = 0;
    while (true) {
      unsigned job = done;
      for (int i = 0; i < patience && job == done; ++i) {
        pause();
        job = job_.load(std::memory_order_acquire);
      }
      while (job == done) {
        job_.wait(done, std::memory_order_acquire);
        job = job_.load(std::memory_order_acquire);
      }
      done = job;
      if (over_.load(std::memory_order_relaxed)) return;
      if (begin(part, job)) work(part);
    }
  }

  /// Each part has a cache line of its own, as different threads write to them.
  struct alignas(64) Begun {
    std::atomic<unsigned> job = 0;
  };

  std::atomic<unsigned> job_ = 0;  ///< counts the jobs announced
  std::vector<Begun> begun_;       ///< the job in which each helper's part was begun last
  std::atomic<int> finished_ = 0;  ///< parts of the job that are done
  std::atomic<bool> over_ = false;
  void (*body_)(void*, int, int) = nullptr;
  void* context_ = nullptr;
  std::atomic<bool> failed_ = false;  ///< a part has left an error
  std::vector<std::exception_ptr> errors_;
  std::vector<std::thread> threads_;
};

thread_local int count = 1;
thread_local std::unique_ptr<Helpers> helpers;

}  // namespace

void set_threads(int n) {
  if (n < 1 || n > 256) fail("threads", fmt::format("the number must be from 1 to 256, got {}", n));
  if (helpers != nullptr && count == 1) fail("threads", "set_threads() inside a parallel computation");
  if (n == count) return;
  helpers.reset();
  count = 1;
  if (n > 1) helpers = std::make_unique<Helpers>(n);
  count = n;
}

int threads() { return count; }

void parallel::run(void (*body)(void*, int, int), void* context) {
  if (count == 1) return body(context, 0, 1);
  struct Alone {  // what a body computes itself is not divided again
    int before = std::exchange(count, 1);
    ~Alone() { count = before; }
  } const alone;
  helpers->run(body, context);
}

}  // namespace tapegrad
