#include "tapegrad/core/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>

#include "child_process.h"
#include "tapegrad/core/error.h"

using namespace tapegrad;

namespace {

namespace fs = std::filesystem;

/// A folder of its own, with a file "old" in it, that goes when the test ends.
struct Folder {
  Folder() : path(fs::temp_directory_path() / ("tapegrad_file_" + std::to_string(std::random_device()()))) {
    fs::create_directory(path);
    put("old", "old");
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  void put(const std::string& name, const std::string& text) const { std::ofstream(*this / name) << text; }
  std::string get(const std::string& name) const {
    std::ifstream file(*this / name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  struct stat state(const std::string& name) const {
    struct stat state {};
    REQUIRE(lstat((*this / name).c_str(), &state) == 0);
    return state;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  fs::path path;
};

std::string refusal(const std::string& path, const std::string& why) {
  return "[report] " + path + ": cannot be written: " + why;
}

}  // namespace

TEST_CASE("a file is replaced in one go, and keeps its mode and owner") {
  const Folder folder;
  REQUIRE(chmod((folder / "old").c_str(), 0600) == 0);
  const bool superuser = geteuid() == 0;
  if (superuser) REQUIRE(chown((folder / "old").c_str(), 12345, 54321) == 0);
  const auto before = folder.state("old");
  check_writable("report", folder / "old");
  CHECK(folder.get("old") == "old");
  CHECK(folder.state("old").st_ino == before.st_ino);
  write_whole_file("report", folder / "old", "new");
  CHECK(folder.get("old") == "new");
  const auto after = folder.state("old");
  CHECK(after.st_ino != before.st_ino);
  CHECK((after.st_mode & 07777) == 0600);
  CHECK(after.st_uid == before.st_uid);
  CHECK(after.st_gid == before.st_gid);

  const mode_t mask = umask(0027);
  write_whole_file("report", folder / "fresh", "");
  umask(mask);
  CHECK((folder.state("fresh").st_mode & 07777) == 0640);
  CHECK(folder.files() == 2);
}

TEST_CASE("symbolic links are followed, also to a file that is not there yet") {
  const Folder folder;
  fs::create_directory(folder / "below");
  fs::create_symlink("old", folder / "link");
  fs::create_symlink("../link", folder / "below/second");
  fs::create_symlink("fresh", folder / "dangling");
  fs::create_symlink("circle", folder / "circle");
  write_whole_file("report", folder / "below/second", "new");
  write_whole_file("report", folder / "dangling", "fresh");
  CHECK(folder.get("old") == "new");
  CHECK(folder.get("fresh") == "fresh");
  for (const char* name : {"link", "below/second", "dangling"}) CHECK(fs::is_symlink(folder / name));
  CHECK_THROWS_WITH_AS(check_writable("report", folder / "circle"),
                       refusal(folder / "circle", "Too many levels of symbolic links").c_str(), Error);
  CHECK(folder.files() == 6);
}

TEST_CASE("what a rename would turn into something else is written in place") {
  const Folder folder;
  fs::create_hard_link(folder / "old", folder / "other");
  write_whole_file("report", folder / "old", "new");
  CHECK(folder.get("other") == "new");
  CHECK(folder.state("old").st_nlink == 2);

  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  std::string read;
  check_writable("report", folder / "fifo");  // does not wait for a reader
  std::thread reader([&] { read = folder.get("fifo"); });
  write_whole_file("report", folder / "fifo", std::string(100'000, 'x'));
  reader.join();
  CHECK(read == std::string(100'000, 'x'));
  CHECK(fs::is_fifo(folder / "fifo"));

  write_whole_file("report", "/dev/null", "gone");
  CHECK(fs::is_character_file("/dev/null"));
  CHECK_THROWS_WITH_AS(write_whole_file("report", "/dev/full", "new"),
                       refusal("/dev/full", "No space left on device").c_str(), Error);
  CHECK(folder.files() == 3);
}

TEST_CASE("a file that cannot be written is refused with the reason, before and after the work") {
  const Folder folder;
  REQUIRE(chmod((folder / "old").c_str(), 0444) == 0);
  fs::create_directory(folder / "folder");
  const std::string missing = folder / "no/such";
  const std::string below = folder / "old/below";
  for (const auto& [given, why] : {std::pair(missing, "No such file or directory"),
                                   {below, "Not a directory"},
                                   {folder / "folder", "Is a directory"},
                                   {folder / "old", "Permission denied"},
                                   {std::string(), "No such file or directory"}}) {
    const std::string& path = given;  // a structured binding cannot be captured
    CAPTURE(path);
    CHECK_THROWS_WITH_AS(check_writable("report", path), refusal(path, why).c_str(), Error);
    CHECK_THROWS_WITH_AS(write_whole_file("report", path, "new"), refusal(path, why).c_str(), Error);
  }
  CHECK(folder.get("old") == "old");
  CHECK(folder.files() == 2);
}

TEST_CASE("a failure in the middle keeps the old file and leaves nothing behind") {
  const Folder folder;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 10'000;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    write_whole_file("report", folder / "old", std::string(100'000, 'x'));
  } catch (const Error& error) {
    message = error.what();
  }
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(message == refusal(folder / "old", "File too large"));
  CHECK(folder.get("old") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("a file that is a mount point is written in place") {
  const Folder folder;
  folder.put("given", "old");
  const std::string said = child::result_of([&]() -> std::string {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount((folder / "given").c_str(), (folder / "old").c_str(), nullptr, MS_BIND, nullptr) != 0)
      return "not allowed";
    check_writable("report", folder / "old");
    write_whole_file("report", folder / "old", "new and longer");
    write_whole_file("report", folder / "old", "new");
    return folder.get("old") + ", " + std::to_string(folder.files()) + " files";
  });
  if (said == "not allowed") return;
  CHECK(said == "new, 2 files");
  CHECK(folder.get("given") == "new");
  CHECK(folder.get("old") == "old");  // below the mount
}

TEST_CASE("a user who may not write a file or its folder is told so, and nothing is changed") {
  if (geteuid() != 0) return;  // only the superuser can become another one
  const Folder folder;
  folder.put("twice", "old");
  fs::create_hard_link(folder / "twice", folder / "other name");
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  REQUIRE(chmod((folder / "old").c_str(), 0666) == 0);
  REQUIRE(chmod(folder.path.c_str(), 0755) == 0);
  for (const char* const name : {"old", "twice", "fifo", "new"}) {
    const std::string path = folder / name;
    CAPTURE(path);
    const auto as_nobody = [](const auto& work) {
      return child::result_of([&]() -> std::string {
        if (setgid(65534) != 0 || setuid(65534) != 0) return "not allowed";
        work();
        return "written";
      });
    };
    CHECK(as_nobody([&] { check_writable("report", path); }) == refusal(path, "Permission denied"));
    CHECK(as_nobody([&] { write_whole_file("report", path, "new"); }) == refusal(path, "Permission denied"));
  }
  CHECK(folder.get("old") == "old");
  CHECK(folder.get("twice") == "old");
  CHECK(folder.files() == 4);
}

TEST_CASE("an owner or a group of its own stays, each by itself") {
  if (geteuid() != 0) return;  // only the superuser gives files away
  const Folder folder;
  for (const auto& [user, group] : {std::pair{1, 0}, std::pair{0, 1}, std::pair{1, 1}}) {
    const std::string path = folder / "old";
    REQUIRE(chown(path.c_str(), static_cast<uid_t>(user), static_cast<gid_t>(group)) == 0);
    write_whole_file("log", path, "new");
    struct stat state {};
    REQUIRE(stat(path.c_str(), &state) == 0);
    CHECK(state.st_uid == static_cast<uid_t>(user));
    CHECK(state.st_gid == static_cast<gid_t>(group));
  }
}

TEST_CASE("standard output that goes to a file keeps what was printed, and so does standard error") {
  const Folder folder;
  for (const auto& [descriptor, name] :
       {std::pair{STDOUT_FILENO, "/dev/stdout"}, std::pair{STDERR_FILENO, "/dev/stderr"}}) {
    const std::string path = folder / "printed";
    std::fflush(nullptr);  // or the child would write what waits here
    CHECK(child::result_of([&, number = descriptor, device = name] {
            const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
            dup2(file, number);
            if (write(number, "before, ", 8) != 8) return std::string("write fails");
            write_whole_file("log", device, "the log");
            return std::string("written");
          }) == "written");
    CHECK(folder.get("printed") == "before, the log");
  }
}

TEST_CASE("where a file cannot be without a name until it is whole, it has one") {
  if (geteuid() != 0) return;  // only the superuser may change the root
  const Folder folder;
  const std::string said = child::result_of([&]() -> std::string {
    if (chroot(folder.path.c_str()) != 0 || chdir("/") != 0) return "not allowed";
    close(STDIN_FILENO);  // so that 0 is the number of the next one
    write_whole_file("log", "/old", "new");
    write_whole_file("log", "/other", "other");
    return "written";
  });
  CHECK(said == "written");
  CHECK(folder.get("old") == "new");
  CHECK(folder.get("other") == "other");
  CHECK(folder.files() == 2);
}
