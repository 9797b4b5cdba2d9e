// ns per element of everything, beside the plain Eigen expression where there is one:
//   bench_micro --benchmark_filter=tanh

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "micro.h"

namespace bench {
namespace {

/// Collects the best of all repetitions, and prints one row for each thing measured: neighbours can only slow it down.
class Table : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      const std::string name = run.run_name.function_name;
      const std::size_t slash = name.rfind('/');
      Row& row = row_of(name.substr(0, slash));
      row.order = run.family_index;
      if (run.error_occurred) {
        row.note = run.error_message;
        continue;
      }
      const double items = static_cast<double>(run.counters.at("items_per_second"));
      double& best = row.best[name.substr(slash + 1)];
      best = best == 0 ? 1e9 / items : std::min(best, 1e9 / items);
    }
  }

  void Finalize() override {
    // They were run in random order; the table has that of the program.
    std::sort(rows_.begin(), rows_.end(),
              [](const auto& a, const auto& b) { return a.second.order < b.second.order; });
    fmt::print("{:<44} {:>12} {:>12} {:>10}\n", "ns per item", "tapegrad", "Eigen", "tapegrad is");
    for (const auto& [name, row] : rows_) {
      const double ours = row.best.contains("tapegrad") ? row.best.at("tapegrad") : 0;
      const double eigen = row.best.contains("eigen") ? row.best.at("eigen") : 0;
      fmt::print("{:<44} {:>12}", name, ours == 0 ? row.note : fmt::format("{:.3f}", ours));
      if (ours > 0 && eigen > 0) fmt::print(" {:>12.3f} {:>8.2f} x", eigen, eigen / ours);
      fmt::print("\n");
    }
  }

 private:
  struct Row {
    std::map<std::string, double> best = {};
    std::string note = {};
    std::int64_t order = 0;
  };

  Row& row_of(const std::string& name) {
    const auto same = [&](const auto& row) { return row.first == name; };
    auto found = std::find_if(rows_.begin(), rows_.end(), same);
    if (found == rows_.end()) found = rows_.insert(rows_.end(), {name, {}});
    return found->second;
  }

  std::vector<std::pair<std::string, Row>> rows_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  // Short and often, in random order: a busy neighbour then hits every benchmark alike.
  std::vector<std::string> arguments{argv[0], "--benchmark_repetitions=4",
                                     "--benchmark_enable_random_interleaving=true", "--benchmark_min_time=0.01"};
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 1;
  bench::add_elementwise();
  bench::add_matrices();
  bench::add_programs();
  bench::Table table;
  return benchmark::RunSpecifiedBenchmarks(&table) == 0 ? 1 : 0;
}
