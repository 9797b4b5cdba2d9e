#pragma once

#include <span>
#include <string>
#include <vector>

/// Images and tables drawn with characters.
namespace pictures {

/** Lines of a grey-scale image, values 0 … 1 row by row; two pixels per character, one above the other. */
std::vector<std::string> image(std::span<const double> pixels, int rows, int cols);

/** Blocks of text lines side by side, two spaces apart, each with its caption above. */
std::string side_by_side(std::span<const std::vector<std::string>> blocks, std::span<const std::string> captions);

/** Table of true class (row) against predicted class (column); right ones green, frequent mistakes red. */
std::string confusion_matrix(const std::vector<std::vector<int>>& counts, std::span<const std::string> names);

}  // namespace pictures
