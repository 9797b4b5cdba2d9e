#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapegrad/io/dataset.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** A column, by its name in the header or by its number: 1 is the first one, as in messages, and −1 the last. */
class CsvColumn {
 public:
  CsvColumn() = default;
  CsvColumn(int number) : number_(number), stated_(true) {}
  CsvColumn(std::string name) : name_(std::move(name)), stated_(true) {}
  CsvColumn(const char* name) : CsvColumn(std::string(name)) {}

  bool stated() const { return stated_; }
  /** 0 for a column with a name. */
  int number() const { return number_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  int number_ = 0;
  bool stated_ = false;
};

/** A column of text that becomes a column of zeros and ones for each of its values: those that occur, sorted, or those that are
 * stated, which a second file has in common with the first: `{"sex", {"female", "male"}}`. */
struct CsvOneHot {
  CsvOneHot(CsvColumn of, std::vector<std::string> stated = {})
      : column(std::move(of)), values(std::move(stated)) {}
  CsvOneHot(const char* name) : column(name) {}
  CsvOneHot(std::string name) : column(std::move(name)) {}
  CsvOneHot(int number) : column(number) {}

  CsvColumn column;
  std::vector<std::string> values;
};

/** What becomes of a missing value: an empty field, NA, ? or nan. */
enum class Missing {
  error,     ///< nothing is read
  drop_row,  ///< its row is left out
  mean,      ///< the mean of the other values of the column; of a one-hot column, how often each value occurs
  value      ///< CsvOptions::fill
};

struct CsvOptions {
  CsvColumn label = {};                   ///< of load_csv; the last column when it is not stated
  std::vector<std::string> classes = {};  ///< the labels of class 0, 1, …; any other label is an error
  std::vector<CsvColumn> columns = {};    ///< only these are read, in the order of the file; empty: all
  std::vector<CsvColumn> skip = {};       ///< these are not read, whatever is in them
  std::vector<CsvOneHot> one_hot = {};    ///< text: `.one_hot = {"sex", "embarked"}`
  Missing missing = Missing::error;
  double fill = 0;
  char separator = 0;               ///< 0: found in the first two lines. A blank stands for runs of blanks and tabs
  std::optional<bool> header = {};  ///< whether the first line names the columns; recognized when it is not stated
  bool allow_non_finite = false;    ///< "nan" and "inf" are numbers too
  std::size_t max_line = 1 << 20;   ///< bytes; a longer line is an error
};

template <class T> struct BasicTable {
  std::vector<std::string>
      columns;  ///< names from the header, "sex=male" of one-hot columns; empty without a header
  BasicMatrix<T> values;
};

/** Reads a table of numbers, one row per line, plain or gzipped. Separators are commas, semicolons, tabs or blanks; fields may be
 * quoted and padded with blanks; a byte order mark, CRLF and blank lines at the end are skipped; the decimal point is a
 * point in every locale. Throws at the first field that is not a number, at a row of another length, at a file without
 * rows, and where a first line may be names or numbers: "[csv] data.csv:17: column 3 'abc' is not a number; …".
 *
 *      Table boston = read_csv("housing.data");                                  // 506x14
 *      Table table = read_csv("data.csv", {.skip = {"id"}, .missing = Missing::mean}); */
template <class T> BasicTable<T> read_csv(const std::string& path, const CsvOptions& options = {});

/** The same, with one column taken out as labels. Whole numbers from 0 are the classes themselves, their maximum + 1 is the
 * number of classes; text, and numbers below 0, become classes in their order, of which `class_names` tells the labels.
 * A second file is read with `.classes = train.class_names`. Throws where labels are neither.
 *
 *      Dataset iris = load_csv("iris.data");                                     // the last column: 3 classes with names
 *      Dataset titanic = load_csv("titanic.csv", {.label = "Survived", .skip = {1, "Name", "Ticket", "Cabin"},
 *                                                 .one_hot = {"Sex", "Embarked"}, .missing = Missing::mean}); */
template <class T> BasicDataset<T> load_csv(const std::string& path, const CsvOptions& options = {});

/** The same with the label's name; an empty one means the last column. */
template <class T>
BasicDataset<T> load_csv(const std::string& path, std::string_view label, CsvOptions options = {});

}  // namespace tapegrad

TAPEGRAD_ALIASES(Table)
TAPEGRAD_FUNCTION(Table, read_csv, (const std::string& path, const CsvOptions& options = {}), (path, options))
TAPEGRAD_FUNCTION(Dataset, load_csv, (const std::string& path, const CsvOptions& options = {}), (path, options))
TAPEGRAD_FUNCTION(Dataset, load_csv,
                  (const std::string& path, std::string_view label, const CsvOptions& options = {}),
                  (path, label, options))
