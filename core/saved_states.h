#pragma once

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
    save(
        std::move(owner), &state, [](void* s) { return bytes_of(*static_cast<State*>(s)); }, changes);
  }
  std::size_t size() const { return list_.size(); }

  /** Something failed: what was saved since there were `first` comes back now, the rest at the end of the step unless a
   * backward() is done before. */
  void fail(std::size_t first);
  /** A backward() is done: all states stay as they are. */
  void succeed();
  void end_step();

 private:
  using Bytes = std::span<std::byte> (*)(void* state);
  struct Saved {
    std::shared_ptr<void> owner;
    void* state;
    Bytes bytes;
    std::size_t copy;  // where it is in copies_
    std::size_t size;
    std::uint32_t* changes;
    std::uint32_t change;
  };
  void save(std::shared_ptr<void> owner, void* state, Bytes bytes, std::uint32_t& changes);
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
