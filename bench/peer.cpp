#include "peer.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace bench {

int serve(const Maker& make) {
  std::map<std::string, std::unique_ptr<Contestant>> contestants;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string question;
    std::string name;
    double number = 0;
    words >> question >> name >> number;
    auto& contestant = contestants[name];
    if (contestant == nullptr) contestant = make(job(name), make_data(job(name)));
    if (question == "steps") {
      std::printf("%d\n", steps_for(*contestant, number));
    } else if (question == "rate") {
      std::printf("%.9g\n", rate(*contestant, static_cast<int>(number)));
    } else if (question == "losses") {
      for (const double loss : loss_curve(*contestant, static_cast<int>(number))) std::printf("%.9g ", loss);
      std::printf("\n");
    } else {
      return 1;
    }
    std::fflush(stdout);
  }
  return 0;
}

Peer::Peer(std::string name, const std::string& command) : name_(std::move(name)) {
  int down[2];
  int up[2];
  // A later peer must not hold these ends open, too.
  if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0) throw std::runtime_error("bench: no pipe");
  std::signal(SIGPIPE, SIG_IGN);  // a program that is gone shows when no answer comes
  process_ = fork();
  if (process_ < 0) throw std::runtime_error("bench: cannot start " + command);
  if (process_ == 0) {
    dup2(down[0], STDIN_FILENO);
    dup2(up[1], STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), nullptr);
    _exit(127);
  }
  close(down[0]);
  close(up[1]);
  to_ = fdopen(down[1], "w");
  from_ = fdopen(up[0], "r");
}

Peer::~Peer() {
  std::fclose(to_);
  std::fclose(from_);
  waitpid(process_, nullptr, 0);
}

std::vector<double> Peer::ask(const std::string& question) {
  std::fprintf(to_, "%s\n", question.c_str());
  std::fflush(to_);
  std::string answer;
  for (int c = std::fgetc(from_); c != '\n'; c = std::fgetc(from_)) {
    if (c == EOF) throw std::runtime_error("bench: " + name_ + " did not answer '" + question + "'");
    answer.push_back(static_cast<char>(c));
  }
  std::istringstream words(answer);
  std::vector<double> numbers;
  for (double number = 0; words >> number;) numbers.push_back(number);
  if (numbers.empty()) throw std::runtime_error("bench: " + name_ + " answered '" + answer + "'");
  return numbers;
}

int Peer::steps_for(const Job& job, double seconds) {
  return static_cast<int>(ask("steps " + job.name + " " + std::to_string(seconds))[0]);
}

double Peer::rate(const Job& job, int steps) { return ask("rate " + job.name + " " + std::to_string(steps))[0]; }

std::vector<double> Peer::loss_curve(const Job& job, int steps) {
  return ask("losses " + job.name + " " + std::to_string(steps));
}

}  // namespace bench
