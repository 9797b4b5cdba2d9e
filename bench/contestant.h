#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "job.h"

/// What is compared: a program that trains a job, and how its speed is measured.

namespace bench {

class Contestant {
 public:
  virtual ~Contestant() = default;
  /** Start weights, first batch, fresh optimizer. */
  virtual void restart() = 0;
  /** Trains that many steps on the batches in turn. */
  virtual void run(int steps) = 0;
  /** Loss of the last step. */
  virtual double loss() const = 0;
};

using Maker = std::function<std::unique_ptr<Contestant>(const Job&, const Data&)>;

std::unique_ptr<Contestant> make_tapegrad(const Job& job, const Data& data);
std::unique_ptr<Contestant> make_hand_written(const Job& job, const Data& data);
std::unique_ptr<Contestant> make_matmul_only(const Job& job, const Data& data);
/** Job A with sizes known to the compiler; no other job. */
std::unique_ptr<Contestant> make_hand_written_fixed(const Job& job, const Data& data);
// Only where OpenBLAS was found.
std::unique_ptr<Contestant> make_hand_written_blas(const Job& job, const Data& data);
std::unique_ptr<Contestant> make_matmul_only_blas(const Job& job, const Data& data);
void set_blas_threads(int threads);
/** The processor whose kernels OpenBLAS runs: SkylakeX. */
std::string blas_kernels();

inline bool one_thread = true;

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/** What run() takes. Time of the processor when there is one thread only: then other programs on the machine are not
 * counted. Otherwise time of the clock on the wall. */
inline double timed_run(Contestant& contestant, int steps) {
  const auto processor_seconds = [] {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  };
  const auto start = std::chrono::steady_clock::now();
  const double processor_start = processor_seconds();
  contestant.run(steps);
  return one_thread ? processor_seconds() - processor_start : seconds_since(start);
}

/** Steps that take about that long. */
inline int steps_for(Contestant& contestant, double seconds) {
  int steps = 1;
  double took = timed_run(contestant, steps);
  while (took < seconds / 4 && steps < (1 << 28)) took = timed_run(contestant, steps *= 2);
  return std::max(1, static_cast<int>(steps * seconds / took));
}

/** Steps per second over `steps` steps from the start. */
inline double rate(Contestant& contestant, int steps) {
  contestant.restart();
  contestant.run(std::max(2, steps / 20));
  return steps / timed_run(contestant, steps);
}

inline std::vector<double> loss_curve(Contestant& contestant, int steps) {
  contestant.restart();
  std::vector<double> curve;
  for (int i = 0; i < steps; ++i) {
    contestant.run(1);
    curve.push_back(contestant.loss());
  }
  return curve;
}

}  // namespace bench
