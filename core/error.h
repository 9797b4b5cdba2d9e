#pragma once

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tapegrad/core/types.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** The only exception of the library, beside std::bad_alloc: "[where] what is wrong", thrown before anything is changed.
 * Inside a network the path of the module stands in front: "0.linear: [matmul] inner dimensions differ: …". */
class Error : public std::runtime_error {
 public:
  Error(std::string_view where, std::string_view what);

  /** The same error, seen from the module `path` that contains its origin. `kind` ends the path, unless there is one. */
  Error inside(std::string_view path, std::string_view kind = "") const;

 private:
  /// A type of its own: a literal as second argument must not become a bool.
  struct WithPath {};
  Error(const std::string& text, WithPath);
  bool has_path_ = false;
};

/** Throws Error("[where] what"). */
[[noreturn]] void fail(std::string_view where, std::string_view what);

/** "32x784" */
std::string to_string(Shape shape);

/** make(), for something that may be too large: "[linear] no memory for 1099511627776x1099511627776 numbers" */
template <class Make> auto with_memory(std::string_view where, Shape shape, const Make& make) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    fail(where, "no memory for " + to_string(shape) + " numbers");
  }
}
/** The shortest text that reads back as the same number: "0.1", "nan", "-inf". */
std::string to_string(double number);

/** Number of single-letter edits between two names (swaps of neighbours count as one). */
int edit_distance(std::string_view a, std::string_view b);

/** "; did you mean 'swish'?" when one of `known` is close to `name` or begins with it, else nothing. A name of one letter is close to
 * none. */
template <class Names> std::string did_you_mean(std::string_view name, const Names& known) {
  int best = std::min(3, static_cast<int>(name.size()));  // less than a new name
  std::string_view answer;
  for (const std::string_view candidate : known) {
    const int distance = edit_distance(name, candidate);
    if (distance < best) answer = candidate;
    best = std::min(best, distance);
  }
  for (const std::string_view candidate : known)
    if (answer.empty() && name.size() > 1 && candidate.starts_with(name)) answer = candidate;
  return answer.empty() ? "" : "; did you mean '" + std::string(answer) + "'?";
}

}  // namespace tapegrad
