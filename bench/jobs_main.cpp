// Trains the jobs with tapegrad and with what it is compared to, in alternating rounds, and prints the speeds.
//   bench_jobs --peer libtorch=./bench_libtorch --json jobs.json

#include <fmt/core.h>
#include <sys/resource.h>
#include <tapegrad/tapegrad.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "contestant.h"
#include "fma_peak.h"
#include "peer.h"
#include "tapegrad_jobs.h"

namespace bench {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> jobs;
  std::vector<std::string> peers;
  std::string json;
  std::string serve;
  std::string memory;
  std::string only;
  bool blas_kernels = false;
  int threads = 1;
  int rounds = 15;
  double seconds = 0.1;
};

/// A variant of one job: in this program, or in another one.
struct Entry {
  std::string name;
  std::function<int(double)> steps_for;
  std::function<double(int)> rate;
  std::function<std::vector<double>(int)> loss_curve;
  std::shared_ptr<Contestant> contestant = nullptr;
  int steps = 0;
  std::vector<double> rates = {};
  std::vector<double> limits = {};  ///< what arithmetic allows, measured before every round
};

Entry local(const std::string& name, std::unique_ptr<Contestant> made) {
  std::shared_ptr<Contestant> contestant = std::move(made);
  return {name, [contestant](double seconds) { return steps_for(*contestant, seconds); },
          [contestant](int steps) { return rate(*contestant, steps); },
          [contestant](int steps) { return loss_curve(*contestant, steps); }, contestant};
}

Entry remote(Peer& peer, const Job& job) {
  return {peer.name(), [&](double seconds) { return peer.steps_for(job, seconds); },
          [&](int steps) { return peer.rate(job, steps); }, [&](int steps) { return peer.loss_curve(job, steps); }};
}

std::vector<Entry> entries_of(const Job& job, std::vector<std::unique_ptr<Peer>>& peers) {
  const Data data = make_data(job);
  std::vector<Entry> entries;
  entries.push_back(local("tapegrad", make_tapegrad(job, data)));
  entries.push_back(local("hand_written", make_hand_written(job, data)));
  if (job.name == "A") {
    entries.push_back(local("hand_written_fixed", make_hand_written_fixed(job, data)));
  } else {
    entries.push_back(local("matmul_only", make_matmul_only(job, data)));
#ifdef BENCH_OPENBLAS
    entries.push_back(local("hand_written_blas", make_hand_written_blas(job, data)));
    entries.push_back(local("matmul_only_blas", make_matmul_only_blas(job, data)));
#endif
  }
  for (auto& peer : peers) entries.push_back(remote(*peer, job));
  return entries;
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const double above = values[std::min(below + 1, values.size() - 1)];
  return values[below] + (at - static_cast<double>(below)) * (above - values[below]);
}
double median(const std::vector<double>& values) { return quantile(values, 0.5); }

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]) / std::abs(b[i]);
    largest = std::isfinite(difference) ? std::max(largest, difference) : INFINITY;
  }
  return largest;
}

/// What summing in another order does to the loss in 100 steps, generously.
constexpr double rounding = 2e-4;
constexpr int curve_steps = 100;

/// Prints how far each loss curve is from ours; false when that is more than rounding.
bool same_learning(const Job& job, std::vector<Entry>& entries, Json& json) {
  const std::vector<double> ours = entries[0].loss_curve(curve_steps);
  fmt::print("   loss {:.6f} to {:.6f} in {} steps; largest relative difference from tapegrad:", ours.front(),
             ours.back(), curve_steps);
  bool same = ours.back() < ours.front();
  for (Entry& entry : entries) {
    if (&entry == &entries[0] || entry.name.starts_with("matmul_only")) continue;
    const double difference = largest_difference(entry.loss_curve(curve_steps), ours);
    fmt::print("  {} {:.1e}", entry.name, difference);
    json[entry.name] = difference;
    same = same && difference <= rounding;
  }
  fmt::print("\n");
  if (!same) fmt::print(stderr, "bench_jobs: job {}: the variants do not learn the same\n", job.name);
  return same;
}

/// The median of the ratios within a round: a busy neighbour slows both sides of a round.
double ratio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < a.size(); ++i) ratios.push_back(a[i] / b[i]);
  return median(ratios);
}

void print_table(const Job& job, const std::vector<Entry>& entries) {
  constexpr double unit = 1e3;
  const char* what = job.per_sample ? "k samples/s" : "k steps/s";
  fmt::print("   {:<20} {:>12} {:>10} {:>10} {:>16}", "", what, "min", "max", "tapegrad is");
  fmt::print("{}\n", job.name == "A" ? "" : fmt::format(" {:>12}", "of the limit"));
  for (const Entry& entry : entries) {
    const auto [low, high] = std::minmax_element(entry.rates.begin(), entry.rates.end());
    const double middle = median(entry.rates);
    fmt::print("   {:<20} {:>12.1f} {:>10.1f} {:>10.1f} {:>14.2f} x", entry.name, middle / unit, *low / unit,
               *high / unit, ratio(entries[0].rates, entry.rates));
    fmt::print("{}\n", job.name == "A" ? "" : fmt::format(" {:>10.1f} %", 100 * ratio(entry.rates, entry.limits)));
  }
}

/// The job in n programs that know nothing of each other, each on one thread: what n threads could reach at best on this
/// machine at this moment.
class Independent : public Contestant {
 public:
  Independent(int n, const Job& job, const Data& data) {
    for (int i = 0; i < n; ++i) programs_.push_back(make_tapegrad(job, data));
  }
  void restart() override {
    for (auto& program : programs_) program->restart();
  }
  void run(int steps) override {
    std::vector<std::jthread> threads;  // each begins with one thread of the library's
    for (auto& program : programs_) threads.emplace_back([&program, steps] { program->run(steps); });
  }
  double loss() const override { return programs_.front()->loss(); }

 private:
  std::vector<std::unique_ptr<Contestant>> programs_;
};

/// Prints what n threads gain over one. The two virtual processors of a shared machine are two only at times, so n
/// independent programs run beside, and the rounds in which the machine gave those what it should are told apart.
void measure_threads(const Job& job, const Options& options, Json& json) {
  const Data data = make_data(job);
  const int n = options.threads;
  constexpr double enough = 0.95;
  Entry one = local("one_thread", std::make_unique<Independent>(1, job, data));
  Entry programs = local("independent", std::make_unique<Independent>(n, job, data));
  Entry all = local("threads", make_tapegrad(job, data));
  std::vector<Entry*> order{&one, &programs, &all};
  const double seconds = options.seconds / 3;
  for (Entry* entry : order) entry->steps = entry->steps_for(seconds);
  std::mt19937 random(1);
  for (int round = 0; round < 3 * options.rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (Entry* entry : order)
      entry->rates.push_back(entry->rate(entry->steps) * job.per_step() * (entry == &programs ? n : 1));
  }
  const double usual = quantile(one.rates, 0.75);
  std::vector<double> quiet_gains;
  for (std::size_t i = 0; i < one.rates.size(); ++i)
    if (one.rates[i] >= enough * usual && programs.rates[i] >= enough * n * usual)
      quiet_gains.push_back(all.rates[i] / one.rates[i]);
  fmt::print("   {} threads are {:.2f} x as fast as one, {} independent programs {:.2f} x (medians of {} rounds)",
             n, ratio(all.rates, one.rates), n, ratio(programs.rates, one.rates), one.rates.size());
  if (!quiet_gains.empty())
    fmt::print("; {:.2f} x in the {} rounds in which nobody disturbed those", median(quiet_gains),
               quiet_gains.size());
  fmt::print("\n");
  json["threads_over_one"][job.name] = {{"threads", ratio(all.rates, one.rates)},
                                        {"independent_programs", ratio(programs.rates, one.rates)},
                                        {"quiet_rounds", quiet_gains.size()},
                                        {"threads_in_quiet_rounds", quiet_gains.empty() ? 0 : median(quiet_gains)}};
}

bool measure(const Job& job, const Options& options, std::vector<std::unique_ptr<Peer>>& peers, Json& json) {
  fmt::print("\n{}: {}\n", job.name, job.what);
  std::vector<Entry> entries = entries_of(job, peers);
  const bool same = same_learning(job, entries, json["loss_difference"][job.name]);
  for (Entry& entry : entries) entry.steps = entry.steps_for(options.seconds);
  std::vector<Entry*> order;
  for (Entry& entry : entries) order.push_back(&entry);
  std::mt19937 random(1);
  const double limit_per_gflop = 1e9 / job.flops_per_step() * job.per_step();
  std::vector<double> peaks;
  for (int round = 0; round < options.rounds; ++round) {
    // In another order every round: what went before leaves the clock and the caches as it likes.
    std::shuffle(order.begin(), order.end(), random);
    for (Entry* entry : order) {
      // The clock of a machine changes from one moment to the next, so the limit is that of this moment.
      peaks.push_back(options.threads * fma_peak(0.005));
      entry->limits.push_back(peaks.back() * limit_per_gflop);
      entry->rates.push_back(entry->rate(entry->steps) * job.per_step());
    }
  }
  print_table(job, entries);
  const double peak = median(peaks);
  const double best_peak = *std::max_element(peaks.begin(), peaks.end());
  const double limit = peak * limit_per_gflop;
  if (job.name != "A")
    fmt::print("   limit: {:.1f} GFLOP/s on {} thread(s), {:.1f} at best, are {:.1f} k {}/s\n", peak,
               options.threads, best_peak, limit / 1e3, job.per_sample ? "samples" : "steps");
  for (const Entry& entry : entries) {
    json["jobs"][job.name][entry.name] = median(entry.rates);
    json["ratios"][job.name][entry.name] = ratio(entries[0].rates, entry.rates);
    json["of_the_limit"][job.name][entry.name] = ratio(entry.rates, entry.limits);
  }
  json["peak_gflops"][job.name] = peak;
  json["best_peak_gflops"][job.name] = best_peak;
  json["limit"][job.name] = limit;
  if (options.threads > 1) measure_threads(job, options, json);
  std::fflush(stdout);
  return same;
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// Peak memory of this process when it does nothing but train the job.
void print_memory(const Job& job) {
  const double before = peak_megabytes();
  const TapeBytes bytes = tape_bytes(job, 50);
  fmt::print(
      "{:<5} {:6.1f} MB peak, {:.1f} MB before the job; per step {} nodes and {:.2f} MB of arena, {:.2f} MB held\n",
      job.name, peak_megabytes(), before, bytes.nodes, static_cast<double>(bytes.used) / 1e6,
      static_cast<double>(bytes.reserved) / 1e6);
}

/// The same when it predicts the classes of a test set, for which no gradients need memory.
void print_memory_of_predict() {
  tapegrad::Rng rng(1);
  tapegrad::Sequential net{tapegrad::Linear(784, 128, rng), tapegrad::Relu(), tapegrad::Linear(128, 10, rng)};
  const tapegrad::Matrix x = tapegrad::Matrix::Constant(10000, 784, 0.5F);
  const double before = peak_megabytes();
  net.predict(x);
  fmt::print("784-128-10 predicting {} samples adds {:.1f} MB to the {:.1f} MB of samples and program\n", x.rows(),
             peak_megabytes() - before, before);
}

Maker maker(const std::string& name) {
  if (name == "tapegrad") return make_tapegrad;
  if (name == "hand_written") return make_hand_written;
  if (name == "matmul_only") return make_matmul_only;
#ifdef BENCH_OPENBLAS
  if (name == "hand_written_blas") return make_hand_written_blas;
  if (name == "matmul_only_blas") return make_matmul_only_blas;
#endif
  tapegrad::fail("bench", "no contestant named '" + name + "'");
}

/// For a profiler: one contestant alone, for a while.
void run_only(const std::string& name, const std::vector<std::string>& names, double seconds) {
  for (const std::string& one : names) {
    const auto contestant = maker(name)(job(one), make_data(job(one)));
    const int steps = steps_for(*contestant, 0.1);
    const auto start = std::chrono::steady_clock::now();
    double best = 0;
    while (seconds_since(start) < seconds) best = std::max(best, rate(*contestant, steps));
    fmt::print("{} {}: {:.3f} us/step\n", name, one, 1e6 / best);
  }
}

int run(const Options& options) {
  if (options.blas_kernels) {
#ifdef BENCH_OPENBLAS
    fmt::print("{}\n", blas_kernels());
#else
    fmt::print("none\n");
#endif
    return 0;
  }
  one_thread = options.threads == 1;
  set_tapegrad_threads(options.threads);
#ifdef BENCH_OPENBLAS
  // As a peer, a library that multiplies with OpenBLAS decides itself.
  if (options.serve != "tapegrad") set_blas_threads(options.threads);
#endif
  if (!options.serve.empty()) return serve(maker(options.serve));
  if (options.memory == "predict") return print_memory_of_predict(), 0;
  if (!options.memory.empty()) return print_memory(job(options.memory)), 0;
  if (!options.only.empty()) return run_only(options.only, options.jobs, options.seconds), 0;

  std::vector<std::unique_ptr<Peer>> peers;
  for (const std::string& peer : options.peers) {
    const std::size_t equals = peer.find('=');
    if (equals == std::string::npos) tapegrad::fail("bench", "--peer wants NAME=COMMAND, got " + peer);
    peers.push_back(std::make_unique<Peer>(peer.substr(0, equals), peer.substr(equals + 1)));
  }
  fmt::print(
      "{} thread(s), {} rounds of {} s each, in {} time; speeds are medians, ratios medians within the rounds\n",
      options.threads, options.rounds, options.seconds, one_thread ? "processor" : "wall clock");
  Json json{{"threads", options.threads}};
#ifdef BENCH_OPENBLAS
  fmt::print("OpenBLAS runs its kernels for {}\n", blas_kernels());
  json["blas_kernels"] = blas_kernels();
#endif
  bool same = true;
  for (const std::string& name : options.jobs) same = measure(job(name), options, peers, json) && same;
  if (!options.json.empty()) {
    std::ofstream file(options.json);
    file << json.dump(2) << "\n";
    if (!file.flush()) tapegrad::fail("bench", options.json + " cannot be written");
  }
  return same ? 0 : 1;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::Options o;
  for (const auto& job : bench::jobs()) o.jobs.push_back(job.name);
  CLI::App app("Trains the same jobs with tapegrad, by hand, and with others, in alternating rounds.");
  app.add_option("--jobs", o.jobs, "A,B32,B256,C,D")->delimiter(',');
  app.add_option("--peer", o.peers, "NAME=COMMAND: another program that takes part (see peer.h)");
  app.add_option("--threads", o.threads, "Threads of everyone who can use more than one")->capture_default_str();
  app.add_option("--rounds", o.rounds, "Rounds of every variant")->capture_default_str();
  app.add_option("--seconds", o.seconds, "Length of a round")->capture_default_str();
  app.add_option("--json", o.json, "Write the results to a file");
  app.add_option("--only", o.only, "Run only this variant, for --seconds per job and without a table");
  app.add_option("--memory", o.memory, "Print the memory that a job, or 'predict', takes, and nothing else");
  app.add_flag("--blas-kernels", o.blas_kernels, "Print for which processor OpenBLAS computes, and nothing else");
  app.add_option("--serve", o.serve, "Take part in another bench_jobs as its peer with this variant");
  CLI11_PARSE(app, argc, argv);
  try {
    return bench::run(o);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_jobs: {}\n", error.what());
    return 1;
  }
}
