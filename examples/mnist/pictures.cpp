#include "mnist/pictures.h"

#include <fmt/core.h>
#include <tapegrad/inspect/text.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/terminal.h"

namespace pictures {
namespace {

/// Two pixels in one character.
std::string cell(double upper, double lower) {
  if (terminal::colours()) {
    const auto grey = [](double level) { return 232 + std::lround(std::clamp(level, 0.0, 1.0) * 23); };
    return fmt::format("\x1b[38;5;{};48;5;{}m▀", grey(upper), grey(lower));
  }
  constexpr std::string_view shades[] = {" ", "░", "▒", "▓", "█"};
  return std::string(shades[std::lround(std::clamp((upper + lower) / 2, 0.0, 1.0) * 4)]);
}

}  // namespace

Block image(std::string caption, std::span<const double> pixels, int rows, int cols) {
  const auto at = [&](int row, int col) {
    return row < rows ? pixels[static_cast<std::size_t>(row * cols + col)] : 0;
  };
  Block block{std::move(caption), {}, cols};
  for (int row = 0; row < rows; row += 2) {
    std::string line;
    for (int col = 0; col < cols; ++col) line += cell(at(row, col), at(row + 1, col));
    block.lines.push_back(line + (terminal::colours() ? "\x1b[0m" : ""));
  }
  return block;
}

std::string side_by_side(std::span<const Block> blocks) {
  std::size_t height = 0;
  for (const Block& block : blocks) height = std::max(height, block.lines.size());
  std::string text;
  const auto padding = [](const Block& block, int used) {
    return std::string(static_cast<std::size_t>(
                           std::max(block.width, static_cast<int>(tapegrad::columns(block.caption))) - used + 2),
                       ' ');
  };
  for (const Block& block : blocks)
    text += block.caption + padding(block, static_cast<int>(tapegrad::columns(block.caption)));
  text += "\n";
  for (std::size_t row = 0; row < height; ++row) {
    for (const Block& block : blocks) {
      const bool there = row < block.lines.size();
      text += (there ? block.lines[row] : "") + padding(block, there ? block.width : 0);
    }
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
