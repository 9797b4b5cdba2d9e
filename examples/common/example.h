#pragma once

#include <tapegrad/inspect/record.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
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

/** Checks of options: "--steps: must be at least 1, got 0". */
CLI::Validator at_least(int least);
CLI::Validator above(int bound);

/** Runs an example: adds --seed and --json to `app`, parses, calls `body`, and writes what it returns to --json.
 * An error is printed as "error: …" and gives exit code 1; wrong options give CLI11's text and code. Options of the type
 * name FILE are files to be written: when one cannot be, that is said before `body` is called. */
int run(CLI::App& app, CommonOptions& common, int argc, char** argv, const std::function<Json()>& body);

/** From the first call on, Ctrl-C no longer ends the program but makes stop_requested() true; a second one does. */
void watch_interrupt();
bool stop_requested();

}  // namespace example
