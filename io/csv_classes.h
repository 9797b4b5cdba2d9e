#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tapegrad/io/csv_lines.h"

namespace tapegrad::inline TAPEGRAD_ABI::csv {

/** The different texts of a column, numbered as they come. */
class Texts {
 public:
  /** The number of a text; `line` is remembered for messages. */
  int number_of(std::string_view text, std::size_t line);

  const std::vector<std::string>& all() const { return texts_; }
  std::size_t line(std::size_t number) const { return lines_[number]; }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, int, Hash, std::equal_to<>> numbers_;
  std::vector<std::string> texts_;
  std::vector<std::size_t> lines_;
};

/** What the texts of a column stand for. */
struct Classes {
  std::vector<int> of;             ///< by the number of a text
  std::vector<std::string> names;  ///< by class
};

/** The classes of labels: those that are stated, or whole numbers from 0 as they are, or text and other whole numbers in
 * their order. `column` counts from 0. */
Classes label_classes(const Lines& in, std::size_t column, const Texts& texts,
                      const std::vector<std::string>& stated);

/** The values of a one-hot column: those that are stated, or all in their order. */
Classes one_hot_classes(const Lines& in, std::size_t column, const Texts& texts,
                        const std::vector<std::string>& stated);

}  // namespace tapegrad::inline TAPEGRAD_ABI::csv
