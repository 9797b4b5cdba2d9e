#pragma once

#include <memory>
#include <string>

#include "contestant.h"

/// A contestant that is a program of its own, because it needs other flags or another build of the library. It runs
/// beside this one, on the same core, and trains only when it is asked to, so that its rounds alternate with ours.

namespace bench {

/** Answers on standard output what is asked on standard input: "steps JOB SECONDS", "rate JOB STEPS", "losses JOB
 * STEPS". Returns when the input ends. */
int serve(const Maker& make);

class Peer {
 public:
  /** Starts the command in a shell. */
  Peer(std::string name, const std::string& command);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const std::string& name() const { return name_; }
  int steps_for(const Job& job, double seconds);
  double rate(const Job& job, int steps);
  std::vector<double> loss_curve(const Job& job, int steps);

 private:
  /// Throws when the program does not answer.
  std::vector<double> ask(const std::string& question);

  std::string name_;
  int process_ = 0;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace bench
