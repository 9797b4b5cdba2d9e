#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tapegrad/core/parameter.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** The parameters of a tape's step in the order of their first use, up to `used`, then those of the step before: the next
 * one is usually at `used`. */
template <class T> struct RecordedParameters {
  using Data = typename BasicParameter<T>::Data;
  struct Entry {
    std::shared_ptr<Data> data;
    std::uint32_t node = 0;     ///< where it is on the tape
    std::uint32_t version = 0;  ///< of the value that was recorded
    const T* value = nullptr;   ///< where it was

    bool changed() const { return data->version != version || data->value.data() != value; }
  };

  bool next_is(const Data* data) const { return used < list.size() && list[used].data.get() == data; }
  /** The entry of a parameter that the step has used already, or null. */
  Entry* find_in_step(const std::shared_ptr<Data>& data) {
    for (std::size_t i = 0; i < used; ++i)
      if (list[i].data == data) return &list[i];
    return nullptr;
  }
  void make_next(const std::shared_ptr<Data>& data) {
    const auto same = [&](const Entry& entry) { return entry.data == data; };
    auto found = std::find_if(list.begin() + static_cast<std::ptrdiff_t>(used), list.end(), same);
    if (found == list.end()) found = list.insert(found, {data});
    std::swap(*found, list[used]);
  }
  /** Makes room for another entry of a parameter of this step that was changed. */
  void supersede(Entry& entry) {
    superseded.push_back(entry);
    std::swap(entry, list[--used]);
  }
  std::ptrdiff_t superseded_entries(const Entry& entry) const {
    const auto same = [&](const Entry& other) { return other.data == entry.data; };
    return std::count_if(superseded.begin(), superseded.end(), same);
  }
  std::span<const Entry> of_this_step() const { return {list.data(), used}; }
  bool any_changed() const {
    const auto changed = [](const Entry& entry) { return entry.changed(); };
    return !superseded.empty() ||
           std::any_of(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(used), changed);
  }

  std::vector<Entry> list;
  std::size_t used = 0;
  std::vector<Entry> superseded;  ///< of this step, of parameters that were changed and then used again
};

}  // namespace tapegrad
