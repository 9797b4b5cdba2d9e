#pragma once

#include <atomic>
#include <cstddef>
#include <future>

namespace example {

/** Calls job(0), …, job(count − 1), at most two at a time; what a job throws comes out. A job shares nothing with the
 * others but what is only read, so what it computes does not depend on them. */
template <class Job> void two_at_a_time(std::size_t count, const Job& job) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) job(i);
  };
  std::future<void> other = std::async(std::launch::async, work);
  work();
  other.get();
}

}  // namespace example
