#pragma once

#include <tapegrad/inspect/record.h>
#include <tapegrad/io/checkpoint.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>

/// What every example does in the same way: options, errors, the machine-readable summary.
namespace example {

using Json = nlohmann::ordered_json;

/** The options that all examples have. */
struct CommonOptions {
  std::uint64_t seed = 42;
  std::string json;  ///< file for the summary; empty for none
};

/** Fashion-MNIST from the Debian package dataset-fashion-mnist. */
inline constexpr const char* default_data = "/usr/share/datasets/fashion-mnist";

/** The options of examples that train: what to show and keep of the way there. */
struct InspectOptions {
  bool watch = false;
  std::string report;
  std::string log;

  /** Adds --watch, --report FILE and --log FILE. */
  void add_to(CLI::App& app);
  bool wanted() const { return watch || !report.empty() || !log.empty(); }
  /** Writes the report and the log where they were asked for, and says so. */
  void write(std::span<const tapegrad::RunRecord> runs, const std::string& title = {}) const;
};

/** The options of examples whose run can go on after a stop. */
struct CheckpointOptions {
  std::string file;
  tapegrad::Index every = 0;
  bool resume = false;

  /** Adds --checkpoint FILE, --every N and --resume. */
  void add_to(CLI::App& app);
  /** Goes on with the run in the file, if that is wanted and it is there; says which. */
  void load(const tapegrad::Checkpoint& run) const;
  /** Writes the file, if there is to be one. When that fails, it is told, the run goes on, and the program ends with 1. */
  void save(const tapegrad::Checkpoint& run) const;
  /** The same after every so many steps. */
  void after_step(tapegrad::Index step, const tapegrad::Checkpoint& run) const {
    if (every > 0 && step % every == 0) save(run);
  }
};

/** Ends the program with a code of its own. */
struct Failure : std::runtime_error {
  Failure(int exit_code, const std::string& what) : std::runtime_error(what), code(exit_code) {}
  int code;
};
constexpr int not_finite = 3;  ///< exit code: the loss is NaN or infinite
/** The exit code where everything else goes well. */
void end_with(int code);
/** Lists the exit codes at the end of --help. */
void explain_exit_codes(CLI::App& app);

/** Checks of options: "--steps: must be at least 1, got 0". */
CLI::Validator at_least(int least);
CLI::Validator above(int bound);

/** Runs an example: adds --seed and --json to `app`, parses, calls `body`, and writes what it returns to --json.
 * An error is printed as "error: …" and gives exit code 1, Ctrl-C 130; wrong options give CLI11's text and code. Options of the
 * type name FILE are files to be written: when one cannot be, that is said before `body` is called. */
int run(CLI::App& app, CommonOptions& common, int argc, char** argv, const std::function<Json()>& body);

/** From the first call on, Ctrl-C no longer ends the program but makes stop_requested() true; a second one does. */
void watch_interrupt();
bool stop_requested();

}  // namespace example
