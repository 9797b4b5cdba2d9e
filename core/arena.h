#pragma once

#include <cstddef>
#include <vector>

#include "tapegrad/core/types.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TAPEGRAD_RED_ZONES
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TAPEGRAD_RED_ZONES
#endif
#if defined(TAPEGRAD_RED_ZONES)
#include <sanitizer/asan_interface.h>
#endif

namespace tapegrad::inline TAPEGRAD_ABI {

/** All values of a step lie in one block, where AddressSanitizer would see no overrun. In its builds there is a gap behind each
 * value that must not be touched, and neither must what was not handed out, or was taken back. */
namespace red_zone {

#if defined(TAPEGRAD_RED_ZONES)
constexpr std::size_t bytes = 64;
inline void open(const void* from, std::size_t size) { ASAN_UNPOISON_MEMORY_REGION(from, size); }
inline void close(const void* from, std::size_t size) { ASAN_POISON_MEMORY_REGION(from, size); }
#else
constexpr std::size_t bytes = 0;
inline void open(const void*, std::size_t) {}
inline void close(const void*, std::size_t) {}
#endif

}  // namespace red_zone

/** Memory of one step: allocation moves a pointer, reset() takes everything back at once and keeps the memory.
 * When a step overflowed the first block, reset() merges all blocks into one, so a step that repeats itself
 * allocates nothing from the second time on. */
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /** Uninitialized memory until the next reset(), aligned to 64 bytes (16 when smaller than that). */
  [[gnu::always_inline]] void* allocate(std::size_t bytes) { return allocate(bytes, bytes >= 64 ? 64 : 16); }
  /** The same, aligned to a power of two up to 64. */
  [[gnu::always_inline]] void* allocate(std::size_t bytes, std::size_t alignment) {
    const std::size_t start = (used_ + alignment - 1) & ~(alignment - 1);
    if (start + bytes + red_zone::bytes > capacity_) [[unlikely]]
      return allocate_in_new_block(bytes);
    used_ = start + bytes + red_zone::bytes;
    red_zone::open(block_ + start, bytes);
    return block_ + start;
  }

  template <class T> [[gnu::always_inline]] T* allocate_array(std::size_t count) {
    return static_cast<T*>(allocate(count * sizeof(T)));
  }

  void reset();

  /** What is allocated while it lives is taken back at its end, unless a new block had to be opened. */
  struct Scratch {
    explicit Scratch(Arena& a) : arena(a), block(a.block_), used(a.used_) {}
    Scratch(const Scratch&) = delete;
    ~Scratch() {
      if (block != arena.block_) return;
      red_zone::close(block + used, arena.used_ - used);
      arena.used_ = used;
    }
    Arena& arena;
    const std::byte* block;
    std::size_t used;
  };

  /** Bytes handed out since the last reset (with alignment gaps), and bytes held. */
  std::size_t used() const { return full_bytes_ + used_; }
  std::size_t capacity() const { return full_bytes_ + capacity_; }
  /** Whether there was no memory since the last reset. */
  bool refused() const { return refused_; }

 private:
  [[gnu::noinline]] void* allocate_in_new_block(std::size_t bytes);

  std::byte* block_ = nullptr;  ///< the block that is being filled
  std::size_t used_ = 0;
  std::size_t capacity_ = 0;
  std::vector<std::byte*> full_blocks_;
  std::size_t full_bytes_ = 0;
  bool refused_ = false;
};

}  // namespace tapegrad
