#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "mutant.h"

/// Runs tests with the mutant whose number is in the environment variable MUTANT (0: none). What MUTANT_CASES names (lines "file,
/// tab, test case") runs in that order until one fails; else everything runs, and MUTANT_REACHED gets a line per test case:
/// seconds, whether it passed, file, name, and the mutants that it reached, with tabs between.

unsigned char tapegrad_mutant_reached[1 << 14];
int tapegrad_chosen_mutant = 0;

namespace {

// Before anything of the library is constructed.
[[gnu::constructor(101)]] void choose() {
  if (const char* number = std::getenv("MUTANT")) tapegrad_chosen_mutant = std::atoi(number);
}

struct Recorder : doctest::IReporter {
  explicit Recorder(const doctest::ContextOptions&) {
    if (const char* path = std::getenv("MUTANT_REACHED")) out.open(path);
  }
  void test_case_start(const doctest::TestCaseData& data) override {
    test = &data;
    if (first) write(0, true, "", "before all tests");
    first = false;
    std::fill(std::begin(tapegrad_mutant_reached), std::end(tapegrad_mutant_reached), 0);
  }
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    write(stats.seconds, stats.testCaseSuccess, test->m_file.c_str(), test->m_name);
  }
  void write(double seconds, bool passed, const std::string& file, const std::string& name) {
    out << seconds << '\t' << passed << '\t' << file << '\t' << name;
    for (int i = 0; i < (1 << 14); ++i)
      if (tapegrad_mutant_reached[i] != 0) out << '\t' << i;
    out << std::endl;
  }
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

  std::ofstream out;
  const doctest::TestCaseData* test = nullptr;
  bool first = true;
};
REGISTER_LISTENER("recorder", 1, Recorder);

int run(int argc, char** argv, const std::string& file, std::string name) {
  doctest::Context context(argc, argv);
  std::replace(name.begin(), name.end(), ',', '?');  // a comma would end the filter
  context.addFilter("source-file", file.c_str());
  context.addFilter("test-case", name.c_str());
  context.setOption("abort-after", 1);
  context.setOption("minimal", true);
  return context.run();
}

}  // namespace

int main(int argc, char** argv) {
  const rlimit memory{rlim_t{4} << 30, rlim_t{4} << 30};  // a mutant may ask for any number of elements
  if (tapegrad_chosen_mutant != 0) setrlimit(RLIMIT_AS, &memory);
  const char* cases = std::getenv("MUTANT_CASES");
  if (cases == nullptr) return doctest::Context(argc, argv).run();
  std::ifstream lines(cases);
  for (std::string file, name; std::getline(lines, file, '\t') && std::getline(lines, name);)
    if (const int failed = run(argc, argv, file, name); failed != 0) return failed;
  return 0;
}
