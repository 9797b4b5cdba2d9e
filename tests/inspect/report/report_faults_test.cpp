#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>

#include "child_process.h"
#include "synthetic.h"
#include "tapegrad/core/error.h"
#include "tapegrad/inspect/report/log.h"
#include "tapegrad/inspect/report/report.h"

/// What is left of a report, or a log, whose writing is ended from outside: the old one.

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() : path(fs::temp_directory_path() / ("tapegrad_faults_" + std::to_string(std::random_device()()))) {
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  fs::path path;
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}
std::ptrdiff_t files_in(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

void write(const std::string& path, const RunRecord& run) {
  if (path.ends_with(".html"))
    write_report(path, std::array{run}, {.vega_directory = "/nonexistent"});
  else
    write_log(path, std::array{run});
}

}  // namespace

TEST_CASE("a program that is killed while it writes a report leaves a whole one") {
  const Folder folder;
  const std::array runs{synthetic::run({.units = 8, .steps = 60}), synthetic::run({.name = "other", .steps = 90})};
  std::mt19937 random(std::random_device{}());
  for (const char* const name : {"out.html", "run.jsonl"}) {
    const std::string path = folder / name;
    std::array<std::string, 2> whole;
    for (std::size_t i = 0; i < 2; ++i) write(path, runs[i]), whole[i] = content(path);
    REQUIRE(whole[0] != whole[1]);
    std::array<int, 2> found{};
    // On a machine that is busy until both were seen.
    for (int kill_number = 0; kill_number < 25 || (kill_number < 500 && found[0] * found[1] == 0); ++kill_number) {
      const pid_t writer = fork();
      REQUIRE(writer >= 0);
      if (writer == 0) {
        if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);  // the scripts of the charts are missing
        for (int i = kill_number;; ++i) write(path, runs[static_cast<std::size_t>(i % 2)]);
      }
      std::this_thread::sleep_for(
          std::chrono::microseconds(random() % static_cast<unsigned>(30'000 + 1'000 * kill_number)));
      kill(writer, SIGKILL);
      int status = 0;
      REQUIRE(waitpid(writer, &status, 0) == writer);
      REQUIRE(WIFSIGNALED(status));
      const std::string now = content(path);
      const bool is_whole = now == whole[0] || now == whole[1];
      CHECK(is_whole);
      ++found[now == whole[1]];
      for (const auto& each : fs::directory_iterator(folder.path))
        if (each.path().extension() == ".tmp") fs::remove(each.path());
    }
    CHECK(found[0] > 0);
    CHECK(found[1] > 0);
  }
}

TEST_CASE("a report is written where nobody can be told that its scripts are missing") {
  const Folder folder;
  const std::string said = child::result_of([&]() -> std::string {
    if (std::freopen("/dev/full", "w", stderr) == nullptr) return "not allowed";
    std::setvbuf(stderr, nullptr, _IONBF, 0);
    write(folder / "out.html", synthetic::run({.steps = 20}));
    return "written";
  });
  CHECK(said == "written");
  CHECK(content(folder / "out.html").ends_with("</html>\n"));
}

TEST_CASE("a disk that is full keeps the old report, and the error names it") {
  const RunRecord run = synthetic::run({.steps = 40});
  const auto attempts = [&](const std::string& disk, const std::string& why) {
    std::string said;
    for (const char* const name : {"/out.html", "/run.jsonl"}) {
      const std::string path = disk + name;
      std::ofstream(path) << "old";
      try {
        write(path, run);
        said += "written; ";
      } catch (const Error& error) {
        const std::string of = path.ends_with("html") ? "[report] " : "[log] ";
        said += error.what() == of + path + ": cannot be written: " + why ? "refused, " : error.what();
      }
      said += content(path) + "; ";
    }
    return said + std::to_string(files_in(disk)) + " files";
  };
  const Folder folder;
  const std::string limited = child::result_of([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{1000, 1000};
    return setrlimit(RLIMIT_FSIZE, &small) != 0 ? "not allowed" : attempts(folder.path.string(), "File too large");
  });
  CHECK(limited == "refused, old; refused, old; 2 files");

  fs::create_directory(folder / "disk");
  const std::string full = child::result_of([&]() -> std::string {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", (folder / "disk").c_str(), "tmpfs", 0, "size=16k") != 0)
      return "not allowed";
    return attempts(folder / "disk", "No space left on device");
  });
  if (full != "not allowed") CHECK(full == "refused, old; refused, old; 2 files");
}
