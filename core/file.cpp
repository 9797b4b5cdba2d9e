#include "tapegrad/core/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

namespace fs = std::filesystem;

/// What failed, as errno says.
[[noreturn]] void refuse(int error = errno) { throw std::system_error(error, std::generic_category()); }

class File {
 public:
  explicit File(int opened) : descriptor_(opened) {
    if (descriptor_ < 0) refuse();
  }
  File(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

  void write_all(std::string_view content) {
    while (!content.empty()) {
      const ssize_t written = write(descriptor_, content.data(), content.size());
      if (written < 0 && errno != EINTR) refuse();
      content.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
  }
  /// A full disk may be noticed only here.
  void finish() {
    if (close(std::exchange(descriptor_, -1)) != 0) refuse();
  }

 private:
  int descriptor_;
};

/// A name in the folder of a file that goes with this object, unless it has been renamed.
struct Temporary {
  explicit Temporary(const fs::path& beside)
      : folder(beside.has_parent_path() ? beside.parent_path().string() : "."),
        path(fmt::format("{}/.tapegrad-{:08x}{:08x}.tmp", folder, std::random_device()(), std::random_device()())) {
  }
  ~Temporary() {
    if (there) unlink(path.c_str());
  }
  /// Without a name until it is whole, where the system can do that: a program that is killed leaves nothing behind.
  int opened(mode_t mode) {
#ifdef O_TMPFILE
    if (access("/proc/self/fd", X_OK) == 0)
      if (const int file = open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, mode); file >= 0) return file;
#endif
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    there = file >= 0;
    return file;
  }
  void name(int file) {
    const std::string link = fmt::format("/proc/self/fd/{}", file);
    if (!there && linkat(AT_FDCWD, link.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) refuse();
    there = true;
  }
  /// False when the target is a mount point, as a file is that was given to a container.
  bool rename_to(const fs::path& target) {
    if (rename(path.c_str(), target.c_str()) != 0) {
      if (errno != EBUSY) refuse();
      return false;
    }
    // Makes a crash of the system leave the new name, where the folder may be read.
    const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
      fsync(descriptor);
      close(descriptor);
    }
    return true;
  }
  std::string folder, path;
  bool there = false;
};

struct Target {
  explicit Target(const std::string& name) : path(name) {
    exists = stat(name.c_str(), &state) == 0;
    if (!exists && (errno != ENOENT || name.empty())) refuse();
    for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
      struct stat open_file {};
      if (exists && stream < 0 && fstat(descriptor, &open_file) == 0 && open_file.st_dev == state.st_dev &&
          open_file.st_ino == state.st_ino)
        stream = descriptor;
    }
    if (exists && S_ISDIR(state.st_mode)) refuse(EISDIR);
    // The superuser may write what nobody may; that is no reason to do it.
    if (exists && S_ISREG(state.st_mode) && (state.st_mode & 0222) == 0) refuse(EACCES);
    if (exists && access(name.c_str(), W_OK) != 0) refuse();
    if (in_place()) return;
    for (int links = 0; fs::is_symlink(path); ++links) {  // it ends: stat() has refused a circle
      if (links > 40) refuse(ELOOP);
      path = path.parent_path() / fs::read_symlink(path);
    }
  }
  /// A rename would make a regular file of a device, and a file of its own of one among several names.
  bool in_place() const { return exists && (stream >= 0 || !S_ISREG(state.st_mode) || state.st_nlink > 1); }

  fs::path path;  ///< to be replaced: of what a link points to
  struct stat state {};
  bool exists = false;
  int stream = -1;  ///< of this program, to which the file is open
};

void write_in_place(const Target& target, std::string_view content) {
  if (target.stream >= 0) {  // not truncated: what was printed stays, and this comes behind it
    std::fflush(nullptr);
    File file(fcntl(target.stream, F_DUPFD_CLOEXEC, 0));
    return file.write_all(content);
  }
  File file(open(target.path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  file.write_all(content);
  file.finish();
}

/// The file as it is to be renamed. False when it cannot have the owner and the mode of the one it replaces.
bool make_temporary(const Target& target, Temporary& temporary, std::string_view content) {
  // Not readable by others for a moment, if the old one is not.
  File file(temporary.opened(target.exists ? 0600 : 0666));
  if (target.exists) {
    struct stat state {};
    if (fstat(file.descriptor(), &state) != 0) refuse();
    const bool same = state.st_uid == target.state.st_uid && state.st_gid == target.state.st_gid;
    if (!same && fchown(file.descriptor(), target.state.st_uid, target.state.st_gid) != 0) return false;
    if (fchmod(file.descriptor(), target.state.st_mode & 07777) != 0) return false;
  }
  file.write_all(content);
  if (fsync(file.descriptor()) != 0) refuse();  // or a crash could leave the new name with nothing in it
  temporary.name(file.descriptor());
  file.finish();
  return true;
}

/// Does `work`, and says of a failure which file it is about.
template <class Work> void with_path(std::string_view where, const std::string& path, const Work& work) {
  try {
    work();
  } catch (const std::system_error& error) {
    fail(where, fmt::format("{}: cannot be written: {}", path, error.code().message()));
  }
}

}  // namespace

void write_whole_file(std::string_view where, const std::string& path, std::string_view content) {
  with_path(where, path, [&] {
    const Target target(path);
    Temporary temporary(target.path);
    if (target.in_place() || !make_temporary(target, temporary, content) || !temporary.rename_to(target.path))
      write_in_place(target, content);
  });
}

void check_writable(std::string_view where, const std::string& path) {
  with_path(where, path, [&] {
    const Target target(path);
    Temporary temporary(target.path);
    if (!target.in_place()) make_temporary(target, temporary, "");
  });
}

}  // namespace tapegrad
