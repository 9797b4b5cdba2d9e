// ns per element of everything, beside the plain Eigen expression where there is one:
//   bench_micro --benchmark_filter=tanh

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <limits>
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
      row.order = std::min<std::int64_t>(row.order, run.family_index);
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
    fmt::print("{:<44} {:>10} {:>10} {:>12} {:>10} {:>12}\n", "ns per item", "tapegrad", "Eigen", "tapegrad is",
               "libtorch", "tapegrad is");
    for (const auto& [name, row] : rows_) {
      const auto best = [&row = row](const char* who) { return row.best.contains(who) ? row.best.at(who) : 0; };
      const double ours = best("tapegrad");
      fmt::print("{:<44} {:>10}", name, ours == 0 ? row.note : fmt::format("{:.3f}", ours));
      for (const char* other : {"eigen", "libtorch"}) {
        const double theirs = best(other);
        if (ours > 0 && theirs > 0)
          fmt::print(" {:>10.3f} {:>10.2f} x", theirs, theirs / ours);
        else
          fmt::print(" {:>10} {:>12}", "", "");
      }
      fmt::print("\n");
    }
  }

 private:
  struct Row {
    std::map<std::string, double> best = {};
    std::string note = {};
    std::int64_t order = std::numeric_limits<std::int64_t>::max();
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
#ifdef BENCH_LIBTORCH
  bench::add_libtorch();
#endif
  bench::add_matrices();
  bench::add_programs();
  bench::Table table;
  return benchmark::RunSpecifiedBenchmarks(&table) == 0 ? 1 : 0;
}
