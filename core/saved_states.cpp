#include "tapegrad/core/saved_states.h"

#include <algorithm>

namespace tapegrad::inline TAPEGRAD_ABI {

void SavedStates::save(std::shared_ptr<void> owner, void* state, Bytes bytes, std::uint32_t& changes) {
  const std::span<std::byte> now = bytes(state);
  list_.push_back({std::move(owner), state, bytes, copies_.size(), now.size(), &changes, changes + 1});
  copies_.insert(copies_.end(), now.begin(), now.end());
  ++changes;
}

void SavedStates::fail(std::size_t first) {
  failed_ = true;
  for (; list_.size() > first; list_.pop_back()) {  // the first state of each last
    const Saved& saved = list_.back();
    const std::span<std::byte> now = saved.bytes(saved.state);
    if (*saved.changes != saved.change) continue;
    --*saved.changes;
    if (now.size() == saved.size) std::copy_n(copies_.data() + saved.copy, saved.size, now.data());
  }
}

void SavedStates::succeed() {
  list_.clear();
  copies_.clear();
  failed_ = false;
}

void SavedStates::end_step() {
  if (failed_) fail(0);
  succeed();
}

}  // namespace tapegrad
