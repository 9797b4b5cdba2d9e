#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <thread>
#include <vector>

namespace papers {

/** Calls job(0), …, job(count − 1), at most two at a time. A job shares nothing with the others but what is only
 * read, so what it computes does not depend on them. The first exception comes out. */
template <class Job> void two_at_a_time(std::size_t count, Job job) {
  std::vector<std::exception_ptr> failures(count);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        job(i);
      } catch (...) {
        failures[i] = std::current_exception();
      }
    }
  };
  std::thread second(work);
  work();
  second.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace papers
