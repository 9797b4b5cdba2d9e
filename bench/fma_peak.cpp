#include "fma_peak.h"

#include <Eigen/Core>
#include <algorithm>
#include <chrono>

namespace bench {

double fma_peak(double seconds) {
  using Register = Eigen::internal::packet_traits<float>::type;
  constexpr int width = Eigen::internal::packet_traits<float>::size;
  constexpr int chains = 12;  // as many as hide the latency and fit into 16 registers
  constexpr int rounds = 20000;
  const Register a = Eigen::internal::pset1<Register>(0.999F);
  const Register b = Eigen::internal::pset1<Register>(0.001F);
  Register sum[chains];
  for (int i = 0; i < chains; ++i) sum[i] = Eigen::internal::pset1<Register>(static_cast<float>(i));

  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  double best = 0;
  const auto begin = Clock::now();
  do {
    const auto start = Clock::now();
    for (int round = 0; round < rounds; ++round)
      for (int i = 0; i < chains; ++i) sum[i] = Eigen::internal::pmadd(sum[i], a, b);
    best = std::max(best, 2.0 * width * chains * rounds / since(start));
  } while (since(begin) < seconds);

  float total = 0;
  for (int i = 0; i < chains; ++i) total += Eigen::internal::predux(sum[i]);
  volatile float keep = total;
  static_cast<void>(keep);
  return best / 1e9;
}

}  // namespace bench
