#include "example.h"

#include <fmt/format.h>
#include <tapegrad/core/file.h>
#include <tapegrad/core/registry.h>
#include <tapegrad/inspect/report/log.h>
#include <tapegrad/inspect/report/report.h>
#include <tapegrad/inspect/text.h>
#include <tapegrad/layers/initializer.h>
#include <tapegrad/optim/optimizers.h>
#include <tapegrad/optim/schedule.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>

namespace example {
namespace {

volatile std::sig_atomic_t interrupted = 0;
int code_at_end = 0;

template <class Compare> CLI::Validator compared(const char* words, Compare compare, int bound) {
  const auto check = [=](std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == '\0' && compare(value, bound)) return {};
    return fmt::format("must be {} {}, got {}", words, bound, text);
  };
  return CLI::Validator(check, "", words);
}

/// CLI11 reads −1 as 2⁶⁴ − 1, and what is too large as that, too.
CLI::Validator seed() {
  const auto check = [](const std::string& text) -> std::string {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return {};
    return fmt::format("must be a whole number from 0 to 2^64 - 1, got {}", text);
  };
  return CLI::Validator(check, "", "a seed");
}

/// What the library knows by name, for the options that take such names.
std::string known_names(const std::string& option) {
  using tapegrad::activations, tapegrad::initializers, tapegrad::optimizers, tapegrad::schedules;
  const auto list = [](const auto& names) { return fmt::format(" ({})", fmt::join(names, ", ")); };
  return option == "--activation"  ? list(activations())
         : option == "--init"      ? list(initializers())
         : option == "--optimizer" ? list(optimizers())
         : option == "--schedule"  ? list(schedules())
                                   : "";
}

/// Descriptions in lines of at most 80 columns; those of options stand beside their names.
void wrap_help(CLI::App& app) {
  const auto lines = [](const std::string& text, std::size_t width) {
    std::string result = tapegrad::wrapped(text, width, 0, 0);
    if (!result.empty()) result.pop_back();
    return result;
  };
  const std::size_t names = 30;
  app.get_formatter()->column_width(names);
  app.description(lines(app.get_description(), 80));
  for (CLI::Option* option : app.get_options())
    option->description(lines(option->get_description() + known_names(option->get_name()), 80 - names));
}

/// Files that a program writes are the options with a FILE. One that cannot be written is noticed before the work.
void check_files(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    if (option->get_type_name() == "FILE" && !option->empty())
      tapegrad::check_writable(option->get_single_name(), option->results().front());
}

/// The exit code, which is not 0 when something that was printed is lost: a full disk may be noticed only here.
int finish(int code) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good()) return code;
  fmt::print(stderr, "error: standard output: {}\n", std::strerror(errno));
  return code == 0 ? 1 : code;
}

}  // namespace

CLI::Validator at_least(int least) { return compared("at least", std::greater_equal<>(), least); }
CLI::Validator above(int bound) { return compared("above", std::greater<>(), bound); }

int run(CLI::App& app, CommonOptions& common, int argc, char** argv, const std::function<Json()>& body) {
  app.add_option("--seed", common.seed, "Seed of all random numbers")->check(seed())->capture_default_str();
  app.add_option("--json", common.json, "Write a machine-readable summary to FILE")->type_name("FILE");
  wrap_help(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return finish(app.exit(error));
  }
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows larger than allowed is an error like a full disk
  try {
    check_files(app);
    const Json summary = body();
    if (!common.json.empty()) tapegrad::write_whole_file("json", common.json, summary.dump(2) + "\n");
  } catch (const std::exception& error) {
    std::fflush(stdout);
    fmt::print(stderr, "error: {}\n", error.what());
    const auto* const failure = dynamic_cast<const Failure*>(&error);
    return failure == nullptr ? 1 : failure->code;
  }
  return finish(stop_requested() ? 130 : code_at_end);
}

void InspectOptions::add_to(CLI::App& app) {
  app.add_flag("--watch", watch, "Show the layers live while training");
  app.add_option("--report", report, "Write a page with figures of the run to FILE")->type_name("FILE");
  app.add_option("--log", log, "Write what was recorded as JSON Lines to FILE")->type_name("FILE");
}

void InspectOptions::write(std::span<const tapegrad::RunRecord> runs, const std::string& title) const {
  if (!report.empty()) {
    tapegrad::write_report(report, runs, {.title = title});
    fmt::print("\nThe report is in {}: open it in a browser.\n", report);
  }
  if (!log.empty()) {
    tapegrad::write_log(log, runs);
    fmt::print("The log is in {}: one JSON object per line.\n", log);
  }
}

void end_with(int code) { code_at_end = code; }

void explain_exit_codes(CLI::App& app) {
  app.footer(
      fmt::format("Exit codes: 0; 1 an error; {} the loss is not finite; 130 stopped by Ctrl-C\n"
                  "(a second one ends at once); from 100 on wrong options",
                  not_finite));
}

void CheckpointOptions::add_to(CLI::App& app) {
  CLI::Option* const option =
      app.add_option("--checkpoint", file, "Write the run to FILE after each epoch and at Ctrl-C")
          ->type_name("FILE");
  app.add_option("--every", every, "Write it after every N steps, too")->check(at_least(1))->needs(option);
  app.add_flag("--resume", resume, "Go on with the run in the checkpoint; without the file, begin")->needs(option);
}

void CheckpointOptions::load(const tapegrad::Checkpoint& run) const {
  if (!resume) return;
  const bool there = std::filesystem::exists(file);
  if (there) run.load(file);
  fmt::print("{} {}.\n", there ? "This goes on with the run in" : "The run begins: there is no", file);
}

void CheckpointOptions::save(const tapegrad::Checkpoint& run) const {
  if (file.empty()) return;
  try {
    run.save(file);
    end_with(0);
  } catch (const tapegrad::Error& error) {
    if (code_at_end == 0) fmt::print(stderr, "warning: {}; the run goes on\n", error.what());
    end_with(1);
  }
}

void watch_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

bool stop_requested() { return interrupted != 0; }

}  // namespace example
