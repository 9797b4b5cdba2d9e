#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <string>

/// Work in a process of its own: it may change its user, mount things or be killed.

namespace child {

/** What work() returns, or what it throws; "ended by signal 11" where it crashes. */
template <class Work> std::string result_of(const Work& work) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t process = fork();
  REQUIRE(process >= 0);
  if (process == 0) {
    std::string text;
    try {
      text = work();
    } catch (const std::exception& error) {
      text = error.what();
    }
    const bool said = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(said ? 0 : 1);  // nothing of the parent's is flushed or destroyed
  }
  close(ends[1]);
  std::string text;
  char part[4096];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(process, &status, 0) == process);
  if (WIFSIGNALED(status)) return "ended by signal " + std::to_string(WTERMSIG(status));
  return text;
}

}  // namespace child
