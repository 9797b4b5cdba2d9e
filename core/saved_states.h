#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** What a tape puts back when a step fails: the state of modules that a forward pass in training changes (running means, a
 * generator), so that the step can be repeated. A step has failed when something threw and no backward() was done after it. */
class SavedStates {
 public:
  SavedStates() = default;
  SavedStates(const SavedStates&) = delete;
  SavedStates& operator=(const SavedStates&) = delete;
  ~SavedStates() { end_step(); }

  /** Called before a change of `state`, a matrix or something trivially copyable. `owner` keeps it alive, and `changes`
   * counts these calls on all tapes: what another tape changed since then is not put back. */
  template <class State> void save(std::shared_ptr<void> owner, State& state, std::uint32_t& changes) {
    const auto bytes = [](void* s) { return bytes_of(*static_cast<State*>(s)); };
    const std::span<std::byte> now = bytes(&state);
    list_.push_back({std::move(owner), &state, bytes, copies_.size(), now.size(), &changes, changes + 1});
    copies_.insert(copies_.end(), now.begin(), now.end());
    ++changes;
  }
  std::size_t size() const { return list_.size(); }

  /** Something failed: what was saved since there were `first` comes back now, the rest at the end of the step unless a
   * backward() is done before. */
  void fail(std::size_t first) {
    failed_ = true;
    for (; list_.size() > first; list_.pop_back()) {  // the first state of each last
      const Saved& saved = list_.back();
      const std::span<std::byte> now = saved.bytes(saved.state);
      if (*saved.changes != saved.change) continue;
      --*saved.changes;
      if (now.size() == saved.size) std::copy_n(copies_.data() + saved.copy, saved.size, now.data());
    }
  }
  /** A backward() is done: all states stay as they are. */
  void succeed() {
    list_.clear();
    copies_.clear();
    failed_ = false;
  }
  void end_step() {
    if (failed_) fail(0);
    succeed();
  }

 private:
  struct Saved {
    std::shared_ptr<void> owner;
    void* state;
    std::span<std::byte> (*bytes)(void* state);
    std::size_t copy;  // where it is in copies_
    std::size_t size;
    std::uint32_t* changes;
    std::uint32_t change;
  };
  template <class State> static std::span<std::byte> bytes_of(State& state) {
    if constexpr (requires { state.data(); }) {
      return std::as_writable_bytes(std::span(state.data(), static_cast<std::size_t>(state.size())));
    } else {
      return std::as_writable_bytes(std::span(&state, 1));
    }
  }

  std::vector<Saved> list_;
  std::vector<std::byte> copies_;
  bool failed_ = false;
};

}  // namespace tapegrad
