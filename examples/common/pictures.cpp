#include "pictures.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "terminal.h"

namespace pictures {
namespace {

/// Characters that cover 0, ½ and all of a cell, by upper and lower pixel level (0, 1 or 2).
std::string cell(double upper, double lower) {
  constexpr double dark = 0.25;
  constexpr double bright = 0.6;
  const bool up = upper > dark;
  const bool low = lower > dark;
  if (up && low) return upper > bright || lower > bright ? "█" : "▒";
  if (up) return "▀";
  if (low) return "▄";
  return " ";
}

/// Columns a UTF-8 text of narrow characters takes.
std::size_t columns(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::vector<std::string> image(std::span<const double> pixels, int rows, int cols) {
  const auto at = [&](int row, int col) {
    return row < rows ? pixels[static_cast<std::size_t>(row * cols + col)] : 0;
  };
  std::vector<std::string> lines;
  for (int row = 0; row < rows; row += 2) {
    std::string line;
    for (int col = 0; col < cols; ++col) line += cell(at(row, col), at(row + 1, col));
    lines.push_back(line);
  }
  return lines;
}

std::string side_by_side(std::span<const std::vector<std::string>> blocks, std::span<const std::string> captions) {
  std::string text;
  std::size_t height = 0;
  std::vector<std::size_t> widths;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    height = std::max(height, blocks[b].size());
    std::size_t width = columns(captions[b]);
    for (const std::string& line : blocks[b]) width = std::max(width, columns(line));
    widths.push_back(width);
  }
  const auto add = [&](const std::string& part, std::size_t width) {
    text += part + std::string(width - columns(part) + 2, ' ');
  };
  for (std::size_t b = 0; b < blocks.size(); ++b) add(captions[b], widths[b]);
  text += "\n";
  for (std::size_t row = 0; row < height; ++row) {
    for (std::size_t b = 0; b < blocks.size(); ++b) add(row < blocks[b].size() ? blocks[b][row] : "", widths[b]);
    text += "\n";
  }
  return text;
}

std::string confusion_matrix(const std::vector<std::vector<int>>& counts, std::span<const std::string> names) {
  std::size_t label = 4;
  for (const std::string& name : names) label = std::max(label, name.size());
  std::string text = fmt::format("{:>{}} │", "true", label);
  for (const std::string& name : names) text += fmt::format(" {:>5.5}", name);
  text += "  recall\n";
  for (std::size_t row = 0; row < counts.size(); ++row) {
    int total = 0;
    for (const int count : counts[row]) total += count;
    text += fmt::format("{:>{}} │", names[row], label);
    for (std::size_t col = 0; col < counts[row].size(); ++col) {
      const int count = counts[row][col];
      const std::string shown = count == 0 ? "    ·" : fmt::format("{:5}", count);
      using terminal::Color;
      const bool frequent = count > total / 20;
      text += " " + terminal::paint(shown, row == col ? Color::green : frequent ? Color::red : Color::dim);
    }
    const double recall = total == 0 ? 0 : 100.0 * counts[row][row] / total;
    text += fmt::format("  {:5.1f} %\n", recall);
  }
  return text;
}

}  // namespace pictures
