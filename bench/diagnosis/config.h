#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tapegrad/core/types.h"

/// One line of a list: what a run is made of. Every key is optional; README.md names them. What is wrong with a run (id, kind,
/// damaged …) stands in the same line, and nothing here reads it.

namespace diagnosis {

namespace tg = tapegrad;
using Json = nlohmann::ordered_json;
using tg::Index;

struct Config {
  Json json;

  template <class T> T get(const char* key, T fallback) const {
    const auto it = json.find(key);
    return it == json.end() || it->is_null() ? fallback : it->template get<T>();
  }
  std::string text(const char* key, const char* fallback = "") const { return get<std::string>(key, fallback); }
  double num(const char* key, double fallback = 0) const { return get<double>(key, fallback); }
  Index whole(const char* key, Index fallback = 0) const { return get<Index>(key, fallback); }
  bool flag(const char* key) const { return get<bool>(key, false); }
  std::uint64_t seed() const { return get<std::uint64_t>("seed", 1); }
  std::vector<Index> hidden() const { return get<std::vector<Index>>("hidden", {}); }
  std::string loss() const { return text("loss", "ce"); }
};

}  // namespace diagnosis
