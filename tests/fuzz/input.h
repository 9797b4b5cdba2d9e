#pragma once

#include <sanitizer/allocator_interface.h>
#include <sys/mman.h>
#include <tapegrad/core/error.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/// What the fuzzers share. An input is read or refused with an Error; anything else is a crash, and so is taking more memory
/// than `memory_limit` for it.

namespace fuzz {

constexpr std::size_t memory_limit = std::size_t{64} << 20;

inline std::size_t live_bytes = 0;

inline void on_malloc(const volatile void*, std::size_t size) {
  live_bytes += size;
  if (live_bytes < memory_limit) return;
  live_bytes = 0;  // to report takes memory
  std::fprintf(stderr, "more than %zu bytes for one input\n", memory_limit);
  std::abort();
}
inline void on_free(const volatile void* block) {
  const std::size_t size = block == nullptr ? 0 : __sanitizer_get_allocated_size(block);
  live_bytes -= size < live_bytes ? size : live_bytes;
}

/** Calls parse(), which may throw an Error. */
template <class Parse> void parse(const Parse& parse) {
  [[maybe_unused]] static const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
  live_bytes = 0;
  try {
    parse();
  } catch (const tapegrad::Error&) {
  }
}

/** A file in memory, for readers that take a path. */
class File {
 public:
  explicit File(std::string_view bytes) : descriptor_(memfd_create("input", 0)) {
    if (descriptor_ < 0 || write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      std::abort();
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { close(descriptor_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace fuzz
