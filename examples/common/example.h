#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

/// What every example does in the same way: options, errors, the machine-readable summary.
namespace example {

using Json = nlohmann::ordered_json;

/** The options that all examples have. */
struct CommonOptions {
  std::uint64_t seed = 42;
  std::string json;  ///< file for the summary; empty for none
};

/** Runs an example: adds --seed and --json to `app`, parses, calls `body`, and writes what it returns to --json.
 *  An error is printed as "error: …" and gives exit code 1; wrong options give CLI11's text and code. */
int run(CLI::App& app, CommonOptions& common, int argc, char** argv, const std::function<Json()>& body);

/** Writes text to a temporary name beside `path` and renames it, so that a reader never sees half a file. */
void write_file(const std::string& path, const std::string& text);

/** From the first call on, Ctrl-C no longer ends the program but makes stop_requested() true; a second one does. */
void watch_interrupt();
bool stop_requested();

}  // namespace example
