#include "tapegrad/core/arena.h"

#include <algorithm>
#include <new>
#include <utility>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

constexpr std::align_val_t alignment{64};
constexpr std::size_t first_block = 64 * 1024;

std::byte* new_block(std::size_t bytes) {
  auto* const block = static_cast<std::byte*>(::operator new(bytes, alignment));
  red_zone::close(block, bytes);
  return block;
}
void delete_block(std::byte* block) { ::operator delete(block, alignment); }

}  // namespace

Arena::~Arena() {
  for (std::byte* block : full_blocks_) delete_block(block);
  delete_block(block_);
}

void* Arena::allocate_in_new_block(std::size_t bytes) {
  const bool before = std::exchange(refused_, true);
  const std::size_t capacity =
      std::max({first_block, 2 * capacity_, (bytes + red_zone::bytes + 63) & ~std::size_t{63}});
  full_blocks_.reserve(full_blocks_.size() + 1);
  std::byte* block = new_block(capacity);
  if (block_ != nullptr) {
    full_blocks_.push_back(block_);
    full_bytes_ += capacity_;
  }
  block_ = block;
  capacity_ = capacity;
  used_ = bytes + red_zone::bytes;
  red_zone::open(block_, bytes);
  refused_ = before;
  return block_;
}

void Arena::reset() {
  red_zone::close(block_, used_);
  used_ = 0;
  refused_ = false;
  if (full_blocks_.empty()) return;
  const std::size_t total = capacity();
  for (std::byte* block : full_blocks_) delete_block(block);
  full_blocks_.clear();
  full_bytes_ = 0;
  delete_block(block_);
  block_ = nullptr;
  capacity_ = 0;
  block_ = new_block(total);
  capacity_ = total;
}

}  // namespace tapegrad
