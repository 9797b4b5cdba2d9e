#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Random numbers from an explicit seed: xoshiro256++ (Blackman & Vigna 2019), seeded by splitmix64.
 * The stream is the same on every machine and compiler: only exactly rounded operations are used, no libm.
 *
 *      Rng rng(42);
 *      double u = rng.uniform();   // [0, 1)
 *      double z = rng.normal();    // mean 0, variance 1 */
class Rng {
 public:
  explicit Rng(std::uint64_t seed = 0);

  /** 64 random bits. */
  std::uint64_t bits();
  /** Uniform in [0, 1), 53 bits. */
  double uniform();
  /** Uniform in [low, high). */
  double uniform(double low, double high);
  /** Standard normal, by Marsaglia's polar method. */
  double normal();
  double normal(double mean, double std);
  /** Uniform in 0 … count − 1, without bias (Lemire 2019). Throws when count is 0. */
  std::uint64_t below(std::uint64_t count);
  /** True with the given probability. */
  bool bernoulli(double probability) { return uniform() < probability; }
  /** 0 … count − 1 in random order (Fisher–Yates). Throws when count is negative or too large. */
  std::vector<Index> permutation(Index count);
  /** An independent generator; the two streams do not overlap in practice. */
  Rng split() { return Rng(bits()); }

  /** Everything the generator is, to save and restore: four words of state, then the spare normal. */
  struct State {
    std::array<std::uint64_t, 4> words{};
    double spare_normal = 0;
    bool has_spare = false;
    friend bool operator==(const State&, const State&) = default;
  };
  const State& state() const { return state_; }
  void set_state(const State& state) { state_ = state; }

 private:
  State state_;
};

}  // namespace tapegrad
