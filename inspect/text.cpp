#include "tapegrad/inspect/text.h"

#include <algorithm>

namespace tapegrad::inline TAPEGRAD_ABI {

std::size_t columns(std::string_view text) {
  // Bytes that do not continue a character.
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t first, std::size_t rest) {
  std::string result(first, ' ');
  std::size_t column = first;
  bool begun = false;  // this line has a word, so the next one needs a space
  while (!text.empty()) {
    const std::size_t length = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    if (begun && column + 1 + columns(word) > width) {
      result += "\n" + std::string(rest, ' ');
      column = rest;
    } else if (begun) {
      result += ' ';
      ++column;
    }
    result += word;
    column += columns(word);
    begun = true;
  }
  return result + "\n";
}

}  // namespace tapegrad
