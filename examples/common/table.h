#pragma once

#include <string>
#include <vector>

/// A table, written once and shown in the terminal and on a page.
struct Table {
  std::vector<std::string> head;
  std::size_t text_columns = 1;  ///< so many columns are aligned left, the numbers after them right
  std::vector<std::vector<std::string>> rows = {};

  std::string text() const;
  std::string html() const;
};
