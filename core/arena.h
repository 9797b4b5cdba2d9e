#pragma once

#include <cstddef>
#include <vector>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

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
    if (start + bytes > capacity_) return allocate_in_new_block(bytes);
    used_ = start + bytes;
    return block_ + start;
  }

  template <class T> [[gnu::always_inline]] T* allocate_array(std::size_t count) {
    return static_cast<T*>(allocate(count * sizeof(T)));
  }

  void reset();

  /** Takes back what was allocated since mark(), unless a new block had to be opened for it. */
  struct Mark {
    const std::byte* block;
    std::size_t used;
  };
  Mark mark() const { return {block_, used_}; }
  void release(Mark mark) {
    if (mark.block == block_) used_ = mark.used;
  }

  /** Bytes handed out since the last reset (with alignment gaps), and bytes held. */
  std::size_t used() const { return full_bytes_ + used_; }
  std::size_t capacity() const { return full_bytes_ + capacity_; }

 private:
  void* allocate_in_new_block(std::size_t bytes);

  std::byte* block_ = nullptr;  ///< the block that is being filled
  std::size_t used_ = 0;
  std::size_t capacity_ = 0;
  std::vector<std::byte*> full_blocks_;
  std::size_t full_bytes_ = 0;
};

}  // namespace tapegrad
