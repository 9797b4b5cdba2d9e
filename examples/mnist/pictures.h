#pragma once

#include <span>
#include <string>
#include <vector>

/// Images and tables drawn with characters.
namespace pictures {

/** A picture with its caption, ready to be printed beside others. */
struct Block {
  std::string caption;
  std::vector<std::string> lines;
  int width = 0;  ///< columns a line takes in the terminal, colour codes not counted
};

/** A grey-scale image, values 0 … 1 row by row; a character shows two pixels, one above the other: in grey when the
 * terminal has colours, else as a shade of their mean. */
Block image(std::string caption, std::span<const double> pixels, int rows, int cols);

/** Blocks side by side, two spaces apart. */
std::string side_by_side(std::span<const Block> blocks);

/** Table of true class (row) against predicted class (column); right ones green, frequent mistakes red. */
std::string confusion_matrix(const std::vector<std::vector<int>>& counts, std::span<const std::string> names);

}  // namespace pictures
