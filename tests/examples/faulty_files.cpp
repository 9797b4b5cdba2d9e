// Preloaded into a program (LD_PRELOAD): every FAULT_EVERY-th call of FAULT_CALL on a regular file writes half ("short"), finds the
// disk full ("full"), or cannot flush ("fsync").
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace {

bool fails(int descriptor, std::string_view call) {
  static int count = 0;
  const char* const wanted = std::getenv("FAULT_CALL");
  const char* const every = std::getenv("FAULT_EVERY");
  struct stat state {};
  if (wanted == nullptr || every == nullptr || wanted != call) return false;
  return fstat(descriptor, &state) == 0 && S_ISREG(state.st_mode) && ++count % std::atoi(every) == 0;
}

template <class Function> Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" ssize_t write(int descriptor, const void* bytes, size_t count) {
  static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  if (fails(descriptor, "full")) {
    errno = ENOSPC;
    return -1;
  }
  return real(descriptor, bytes, count > 1 && fails(descriptor, "short") ? count / 2 : count);
}

extern "C" int fsync(int descriptor) {
  static const auto real = next<int (*)(int)>("fsync");
  if (!fails(descriptor, "fsync")) return real(descriptor);
  errno = EIO;
  return -1;
}
