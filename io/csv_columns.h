#pragma once

#include <string>
#include <vector>

#include "tapegrad/io/csv_lines.h"

namespace tapegrad::inline TAPEGRAD_ABI::csv {

struct Column {
  enum class Use { number, one_hot, label, none };
  Use use = Use::number;
  Index place = 0;       ///< column of the values; unused by a label and by what is not read
  std::size_t text = 0;  ///< which of the columns of text it is; the label comes last
};

/** How a file is written, and what is read of it. */
struct Layout {
  char separator = ',';
  bool header = false;
  std::vector<std::string> names;  ///< of all columns; empty without a header
  std::vector<Column> columns;
  Index width = 0;                 ///< columns of numbers and of text, without the label
  std::size_t label = 0;           ///< columns.size() when there is none
  std::vector<std::size_t> texts;  ///< columns that are one-hot, then the label

  /** "\"species\"" or "5", as CsvOptions names the column. */
  std::string reference(std::size_t column) const;
};

/** Reads the first line, and a second one when the first is a header: `in` stands at the first row then. */
Layout find_layout(Lines& in, const CsvOptions& options, bool with_label);

}  // namespace tapegrad::inline TAPEGRAD_ABI::csv
