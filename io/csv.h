#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tapegrad/io/dataset.h"

namespace tapegrad::inline TAPEGRAD_ABI {

struct CsvOptions {
  char separator = ',';
  bool header = true;              ///< the first row names the columns; one of numbers (but 0,1,2,…) is refused
  bool allow_non_finite = false;   ///< "nan" and "inf" are numbers too
  std::size_t max_line = 1 << 20;  ///< bytes; a longer line is an error
};

template <class T> struct BasicTable {
  std::vector<std::string> columns;  ///< names from the header; empty without one
  BasicMatrix<T> values;
};

/** Reads a table of numbers, one row per line. Fields may be quoted and padded with blanks; a byte order mark, CRLF
 * and blank lines at the end are skipped; the decimal point is a point in every locale. Throws at the first field
 * that is not a number, at a row of another length, at a file without rows: "[csv] data.csv:17: column 3 'abc' is
 * not a number".
 *
 *      Table table = read_csv("data.csv", {.separator = ';'}); */
template <class T> BasicTable<T> read_csv(const std::string& path, const CsvOptions& options = {});

/** The same, with one column taken out as labels: whole numbers from 0; their maximum + 1 is the number of classes.
 * The column is named by the header; an empty name means the last column.
 *
 *      Dataset iris = load_csv("iris.csv", "species"); */
template <class T>
BasicDataset<T> load_csv(const std::string& path, std::string_view label = {}, const CsvOptions& options = {});

}  // namespace tapegrad

TAPEGRAD_ALIASES(Table)
TAPEGRAD_FUNCTION(Table, read_csv, (const std::string& path, const CsvOptions& options = {}), (path, options))
TAPEGRAD_FUNCTION(Dataset, load_csv,
                  (const std::string& path, std::string_view label = {}, const CsvOptions& options = {}),
                  (path, label, options))
