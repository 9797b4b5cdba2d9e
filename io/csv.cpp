#include "tapegrad/io/csv.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <system_error>
#include <type_traits>
#include <utility>

#include "tapegrad/core/error.h"
#include "tapegrad/io/csv_classes.h"
#include "tapegrad/io/csv_columns.h"
#include "tapegrad/io/csv_lines.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using csv::Column;
using csv::Fields;
using csv::quoted;

/// 10^exponent·digits, where one rounding of a double gives it: digits up to 2^53, and a power of ten that a double holds (Clinger
/// 1990). A float, none of which is out of range here, is that double rounded again: exact unless it lies between two floats.
template <class T> bool scaled(std::uint64_t digits, int exponent, T& value) {
  constexpr std::array<double, 23> powers{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (digits > std::uint64_t{1} << 53 || exponent < -22 || exponent > 22) return false;
  const auto power = powers[static_cast<std::size_t>(std::abs(exponent))];
  const double exact = exponent < 0 ? static_cast<double>(digits) / power : static_cast<double>(digits) * power;
  if constexpr (std::is_same_v<T, float>) {
    constexpr std::uint64_t lost = (std::uint64_t{1} << 29) - 1, half = std::uint64_t{1} << 28;
    if ((std::bit_cast<std::uint64_t>(exact) & lost) == half) return false;
  }
  value = static_cast<T>(exact);
  return true;
}

/// Reads a plain number as most are: "-12.5", "3e-4". Returns where it ends, or nullptr where it takes more care.
template <class T> const char* quick_number(const Fields& fields, T& value) {
  const char* p = fields.at();
  const char* const end = fields.end();
  while (p != end && fields.is_blank(*p)) ++p;
  const bool negative = p != end && *p == '-';
  if (negative) ++p;
  std::uint64_t digits = 0;
  const auto read_digits = [&] {
    const char* const first = p;
    for (; p != end && *p >= '0' && *p <= '9'; ++p) digits = 10 * digits + static_cast<std::uint64_t>(*p - '0');
    return p - first;
  };
  std::ptrdiff_t count = read_digits(), exponent = 0;
  if (p != end && *p == '.') {
    ++p;
    exponent = -read_digits();
    count -= exponent;
  }
  if (count == 0 || count > 19) return nullptr;
  if (p != end && (*p == 'e' || *p == 'E')) {
    const std::uint64_t mantissa = std::exchange(digits, 0);
    ++p;
    const bool small = p != end && *p == '-';
    if (p != end && (*p == '-' || *p == '+')) ++p;
    const std::ptrdiff_t length = read_digits();
    if (length == 0 || length > 3) return nullptr;
    const auto shift = static_cast<std::ptrdiff_t>(digits);
    exponent += small ? -shift : shift;
    digits = mantissa;
  }
  if (!fields.ends_field(p) || !scaled(digits, static_cast<int>(exponent), value)) return nullptr;
  if (negative) value = -value;
  return p;
}

/// Reads the rows of a file, then makes of them what the options say.
template <class T> class Reader {
 public:
  Reader(const std::string& path, const CsvOptions& options, bool with_label)
      : options_(options), in_(path, options.max_line), layout_(csv::find_layout(in_, options, with_label)) {
    texts_.resize(layout_.texts.size());
    row_texts_.resize(layout_.texts.size());
    do {
      read_row();
    } while (in_.next());
    if (rows_ == 0) in_.fail_in_file("every row has a missing value");
    resize(rows_);
    fill_missing();
    name_columns();
    expand_one_hot();
  }

  BasicTable<T> table() { return {.columns = std::move(names_), .values = std::move(values_)}; }
  BasicDataset<T> dataset();

 private:
  void resize(Index rows) {
    with_memory("csv", Shape{rows, layout_.width}, [&] { values_.conservativeResize(rows, layout_.width); });
  }
  void read_row();
  bool read_field(std::size_t column, std::string_view field, T* row);
  bool read_missing(std::size_t column, std::string_view field, T* row);
  T number(std::size_t column, std::string_view field) const;
  void fill_missing();
  void name_columns();
  void expand_one_hot();
  void write_one_hot(Index from, const csv::Classes& classes, BasicMatrix<T>& to, Index first) const;
  void check_last_column() const;
  [[noreturn]] void fail_at(std::size_t column, std::string_view what) const;

  const CsvOptions& options_;
  csv::Lines in_;
  csv::Layout layout_;
  BasicMatrix<T>
      values_;  ///< has room for more rows; in a one-hot column the number of the text, −1 where it is missing
  Index rows_ = 0;
  std::vector<csv::Texts> texts_;
  std::vector<std::string> row_texts_;  ///< of the row that is read; it may still be dropped
  std::vector<int> labels_;             ///< numbers of texts
  std::vector<std::pair<Index, Index>> missing_;
  std::vector<std::string> names_;
};

/// A row of another length is said before what is wrong in it.
template <class T> void Reader<T>::fail_at(std::size_t column, std::string_view what) const {
  const std::size_t expected = layout_.columns.size();
  const std::size_t here = csv::split_line(in_, in_.text(), layout_.separator).size();
  if (here != expected)
    in_.fail_here(fmt::format("{} column{}, the first line has {}", here, here == 1 ? "" : "s", expected));
  in_.fail_here(fmt::format("column {} {}", column + 1, what));
}

template <class T> void Reader<T>::read_row() {
  constexpr Index least_rows = 64;
  if (rows_ == values_.rows()) resize(std::max(least_rows, 2 * rows_));
  T* const row = values_.data() + rows_ * layout_.width;
  Fields fields(in_.text(), layout_.separator);
  bool more = true, keep = true;
  std::string_view field;
  for (std::size_t column = 0; column < layout_.columns.size(); ++column) {
    if (!more) fail_at(column, "is not there");
    const Column& use = layout_.columns[column];
    const char* end = use.use == Column::Use::number ? quick_number(fields, row[use.place]) : nullptr;
    if (end != nullptr) {
      more = fields.pass(end);
      continue;
    }
    if (const Fields::Problem problem = fields.take(field)) fail_at(column, problem);
    more = fields.more();
    if (!read_field(column, field, row)) keep = false;
  }
  if (more) fail_at(layout_.columns.size(), "is one too many");
  if (!keep) return;
  for (const std::size_t column : layout_.texts) {
    const Column& use = layout_.columns[column];
    const bool is_label = use.use == Column::Use::label;
    if (!is_label && row[use.place] < 0) continue;
    const int text = texts_[use.text].number_of(row_texts_[use.text], in_.number());
    if (is_label)
      labels_.push_back(text);
    else
      row[use.place] = static_cast<T>(text);
  }
  ++rows_;
}

/// False for a row that is to be dropped.
template <class T> bool Reader<T>::read_field(std::size_t column, std::string_view field, T* row) {
  const Column& use = layout_.columns[column];
  if (use.use == Column::Use::none) return true;
  T ignored = 0;
  const bool is_nan =
      options_.allow_non_finite && use.use == Column::Use::number && csv::read_field(field, ignored) == std::errc();
  if (csv::is_missing(field) && !is_nan) return read_missing(column, field, row);
  if (use.use == Column::Use::number) {
    row[use.place] = number(column, field);
  } else {
    row_texts_[use.text] = field;
    if (use.use == Column::Use::one_hot) row[use.place] = 0;
  }
  return true;
}

template <class T> bool Reader<T>::read_missing(std::size_t column, std::string_view field, T* row) {
  const Column& use = layout_.columns[column];
  const std::string what = field.empty() ? "is empty" : quoted(field) + " is missing";
  const char* const drop = "drop such rows with {.missing = Missing::drop_row}";
  switch (options_.missing) {
    case Missing::error:
      fail_at(column, fmt::format("{}; {}, or fill in with Missing::mean", what, drop));
    case Missing::drop_row:
      return false;
    case Missing::mean:
    case Missing::value:
      break;
  }
  if (use.use == Column::Use::label)
    fail_at(column, fmt::format("{}, a label cannot be filled in; {}", what, drop));
  if (use.use == Column::Use::one_hot) {
    row[use.place] = -1;
  } else {
    row[use.place] = options_.missing == Missing::mean ? T(0) : static_cast<T>(options_.fill);
    if (options_.missing == Missing::mean) missing_.emplace_back(rows_, use.place);
  }
  return true;
}

template <class T> T Reader<T>::number(std::size_t column, std::string_view field) const {
  T value = 0;
  const std::errc error = csv::read_field(field, value);
  if (error == std::errc::invalid_argument) {
    const std::string name = layout_.reference(column);
    const bool may_be_label = layout_.label == layout_.columns.size() && column + 1 == layout_.columns.size();
    fail_at(
        column,
        quoted(field) + " is not a number; " +
            (may_be_label ? fmt::format("make it a label with {{.label = {}}}", name)
                          : fmt::format("leave it out with {{.skip = {{{}}}}}, or make it columns of 0 and 1 with "
                                        "{{.one_hot = {{{}}}}}",
                                        name, name)));
  }
  if (error == std::errc::result_out_of_range && value != 0)  // too small is rounded like any number
    fail_at(column, quoted(field) + " is out of range");
  if (!options_.allow_non_finite && !std::isfinite(value)) fail_at(column, quoted(field) + " is not finite");
  return value;
}

/// Missing values were read as 0.
template <class T> void Reader<T>::fill_missing() {
  if (missing_.empty()) return;
  std::vector<Index> missing(static_cast<std::size_t>(layout_.width));
  for (const auto& [row, place] : missing_) ++missing[static_cast<std::size_t>(place)];
  std::vector<double> means(missing.size());
  for (std::size_t column = 0; column < layout_.columns.size(); ++column) {
    const Column& use = layout_.columns[column];
    if (use.use != Column::Use::number || missing[static_cast<std::size_t>(use.place)] == 0) continue;
    const Index there = rows_ - missing[static_cast<std::size_t>(use.place)];
    if (there == 0)
      in_.fail_in_file(fmt::format("column {} has no value to take a mean of; leave it out with {{.skip = {{{}}}}}",
                                   column + 1, layout_.reference(column)));
    double& mean = means[static_cast<std::size_t>(use.place)];
    for (const T value : values_.col(use.place)) mean += static_cast<double>(value) / static_cast<double>(there);
  }
  for (const auto& [row, place] : missing_)
    values_(row, place) = static_cast<T>(means[static_cast<std::size_t>(place)]);
}

template <class T> void Reader<T>::name_columns() {
  for (std::size_t column = 0; column < layout_.names.size(); ++column) {
    const Column::Use use = layout_.columns[column].use;
    if (use == Column::Use::number || use == Column::Use::one_hot) names_.push_back(layout_.names[column]);
  }
}

/// Replaces each one-hot column by those of its values.
template <class T> void Reader<T>::expand_one_hot() {
  if (options_.one_hot.empty()) return;
  std::vector<csv::Classes> classes;
  Index width = layout_.width - static_cast<Index>(options_.one_hot.size());
  for (std::size_t k = 0; k < options_.one_hot.size(); ++k) {
    classes.push_back(csv::one_hot_classes(in_, layout_.texts[k], texts_[k], options_.one_hot[k].values));
    width += static_cast<Index>(classes[k].names.size());
  }
  auto expanded = with_memory("csv", Shape{rows_, width}, [&] { return BasicMatrix<T>(rows_, width); });
  std::vector<std::string> names;
  Index at = 0;
  for (const Column& use : layout_.columns) {
    if (use.use == Column::Use::number) {
      if (!names_.empty()) names.push_back(names_[static_cast<std::size_t>(use.place)]);
      expanded.col(at++) = values_.col(use.place);
    } else if (use.use == Column::Use::one_hot) {
      write_one_hot(use.place, classes[use.text], expanded, at);
      at += static_cast<Index>(classes[use.text].names.size());
      for (const std::string& value : classes[use.text].names)
        if (!names_.empty()) names.push_back(names_[static_cast<std::size_t>(use.place)] + "=" + value);
    }
  }
  values_ = std::move(expanded);
  names_ = std::move(names);
}

template <class T>
void Reader<T>::write_one_hot(Index from, const csv::Classes& classes, BasicMatrix<T>& to, Index first) const {
  auto columns = to.middleCols(first, static_cast<Index>(classes.names.size()));
  columns.setZero();
  for (Index row = 0; row < rows_; ++row)
    if (const T text = values_(row, from); text >= 0) columns(row, classes.of[static_cast<std::size_t>(text)]) = 1;
  if (options_.missing != Missing::mean && options_.missing != Missing::value) return;
  const auto there = static_cast<double>((values_.col(from).array() >= 0).count());
  for (Index k = 0; k < columns.cols(); ++k) {
    const double share = columns.col(k).template cast<double>().sum() / std::max(there, 1.0);
    const double fill = options_.missing == Missing::mean ? share : options_.fill;
    columns.col(k) = (values_.col(from).array() < 0).select(static_cast<T>(fill), columns.col(k));
  }
}

/// Nobody chose the last column, and where the labels come first it is a feature.
template <class T> void Reader<T>::check_last_column() const {
  const std::vector<std::string>& names = layout_.names;
  if (options_.label.stated() || !options_.classes.empty() || rows_ < 2 || texts_.back().all().size() > 1) return;
  std::string other = "...";
  for (const char* const usual : {"target", "class", "label"})
    if (std::find(names.begin(), names.end(), usual) != names.end()) other = fmt::format("\"{}\"", usual);
  in_.fail_in_file(fmt::format("every label is {} in column {}, the last one; choose another with {{.label = {}}}",
                               quoted(texts_.back().all()[0]), layout_.label + 1, other));
}

template <class T> BasicDataset<T> Reader<T>::dataset() {
  check_last_column();
  csv::Classes classes = csv::label_classes(in_, layout_.label, texts_.back(), options_.classes);
  for (int& label : labels_) label = classes.of[static_cast<std::size_t>(label)];
  return {.inputs = std::move(values_),
          .labels = std::move(labels_),
          .classes = static_cast<int>(classes.names.size()),
          .columns = std::move(names_),
          .class_names = std::move(classes.names)};
}

}  // namespace

template <class T> BasicTable<T> read_csv(const std::string& path, const CsvOptions& options) {
  if (options.label.stated() || !options.classes.empty()) fail("csv", "read_csv makes no labels; use load_csv");
  return Reader<T>(path, options, false).table();
}

template <class T> BasicDataset<T> load_csv(const std::string& path, const CsvOptions& options) {
  return Reader<T>(path, options, true).dataset();
}

template <class T> BasicDataset<T> load_csv(const std::string& path, std::string_view label, CsvOptions options) {
  if (!label.empty()) options.label = std::string(label);
  return load_csv<T>(path, options);
}

#define TAPEGRAD_FUNCTIONS(T)                                               \
  template BasicTable<T> read_csv(const std::string&, const CsvOptions&);   \
  template BasicDataset<T> load_csv(const std::string&, const CsvOptions&); \
  template BasicDataset<T> load_csv(const std::string&, std::string_view, CsvOptions);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
