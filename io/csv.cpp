#include "tapegrad/io/csv.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "tapegrad/core/error.h"
#include "tapegrad/core/number.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// 'text' for a message: short, and without control characters.
std::string quoted(std::string_view text) {
  constexpr std::size_t most = 40;
  std::string shown(text.substr(0, most));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return fmt::format("'{}{}'", shown, text.size() > most ? "..." : "");
}

/// Walks through the rows of a file, and knows for the messages where it is.
class Reader {
 public:
  Reader(const std::string& path, const CsvOptions& options)
      : path_(path),
        options_(options),
        blanks_(options.separator == '\t' ? " " : " \t"),
        file_(std::fopen(path.c_str(), "rb"), &std::fclose) {
    if (std::string_view("\"\r\n.+-0123456789").find(options.separator) != std::string_view::npos)
      fail("csv", fmt::format("{} cannot separate numbers", quoted({&options.separator, 1})));
    if (file_ == nullptr) fail_in_file(fmt::format("cannot open: {}", std::strerror(errno)));
  }

  /// Reads the next row into fields(); false at the end. Blank lines may only stand there.
  bool next() {
    if (!next_line()) return false;
    const std::size_t blank_line = line_;
    bool more = true;
    while (more && text_.empty()) more = next_line();
    if (!more) return false;
    if (line_ != blank_line) {
      line_ = blank_line;
      fail_here("line is blank");
    }
    fields_.clear();
    for (std::string_view rest = text_; more;) more = take_field(rest);
    return true;
  }

  const std::vector<std::string>& fields() const { return fields_; }

  [[noreturn]] void fail_in_file(std::string_view what) const { fail("csv", fmt::format("{}: {}", path_, what)); }
  [[noreturn]] void fail_here(std::string_view what) const {
    fail("csv", fmt::format("{}:{}: {}", path_, line_, what));
  }
  [[noreturn]] void fail_at(std::size_t column, std::string_view what) const {
    fail_here(fmt::format("column {} {}", column + 1, what));
  }

 private:
  bool next_line() {
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    text_.clear();
    int c = std::getc(file_.get());
    if (c != EOF) ++line_;
    for (; c != EOF && c != '\n'; c = std::getc(file_.get())) {
      if (text_.size() == options_.max_line)
        fail_here(fmt::format("line is longer than {} bytes", options_.max_line));
      text_.push_back(static_cast<char>(c));
    }
    if (std::ferror(file_.get())) fail_in_file(fmt::format("cannot read: {}", std::strerror(errno)));
    if (text_.ends_with('\r')) text_.pop_back();
    if (line_ == 1 && text_.starts_with(byte_order_mark)) text_.erase(0, byte_order_mark.size());
    return c != EOF || !text_.empty();
  }

  /// Moves one field from `rest` to fields_; false when it was the last.
  bool take_field(std::string_view& rest) {
    std::string& field = fields_.emplace_back();
    const std::size_t column = fields_.size() - 1;
    const std::size_t start = std::min(rest.find_first_not_of(blanks_), rest.size());
    const bool in_quotes = rest.substr(start).starts_with('"');
    if (in_quotes) {
      std::size_t at = start + 1;
      bool closed = false;
      while (!closed && at < rest.size()) {
        const char c = rest[at++];
        const bool doubled = c == '"' && rest.substr(at).starts_with('"');  // "" stands for "
        closed = c == '"' && !doubled;
        if (!closed) field.push_back(c);
        if (doubled) ++at;
      }
      if (!closed) fail_at(column, "has no closing quote");
      rest.remove_prefix(at);
    }
    const std::size_t end = std::min(rest.find(options_.separator), rest.size());
    const std::string_view outside = trim(rest.substr(0, end));
    if (in_quotes && !outside.empty()) fail_at(column, "has text after its closing quote");
    if (!in_quotes) field = outside;
    const bool more = end < rest.size();
    rest.remove_prefix(more ? end + 1 : end);
    return more;
  }

  std::string_view trim(std::string_view text) const {
    const std::size_t first = text.find_first_not_of(blanks_);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks_) - first + 1);
  }

  std::string path_;
  const CsvOptions& options_;
  std::string_view blanks_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::string text_;
  std::vector<std::string> fields_;
  std::size_t line_ = 0;
};

template <class T> T number(const Reader& in, std::size_t column, bool allow_non_finite) {
  const std::string& field = in.fields()[column];
  if (field.empty()) in.fail_at(column, "is empty");
  std::string_view text = field;
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T value = 0;
  const std::errc error = read_number(text, value);
  if (error == std::errc::invalid_argument) in.fail_at(column, quoted(field) + " is not a number");
  if (error == std::errc::result_out_of_range && value != 0)  // too small is rounded like any number
    in.fail_at(column, quoted(field) + " is out of range");
  if (!allow_non_finite && !std::isfinite(value)) in.fail_at(column, quoted(field) + " is not finite");
  return value;
}

int whole_number(const Reader& in, std::size_t column) {
  const std::string& field = in.fields()[column];
  int value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  const bool whole = error == std::errc() && end == field.data() + field.size();
  if (!whole || value < 0 || value == std::numeric_limits<int>::max())
    in.fail_at(column, fmt::format("{} is not a label, a whole number from 0", quoted(field)));
  return value;
}

/// The index of the label column, given the fields of the first row.
std::size_t find_label(const Reader& in, std::string_view name, bool header) {
  const std::vector<std::string>& columns = in.fields();
  if (columns.size() < 2) in.fail_here("a label and at least one other column are needed, there is 1 column");
  if (name.empty()) return columns.size() - 1;
  if (!header) in.fail_in_file(fmt::format("label column {} cannot be found without a header", quoted(name)));
  const auto found = std::find(columns.begin(), columns.end(), name);
  if (found == columns.end())
    in.fail_here(fmt::format("no column named {}{}", quoted(name), did_you_mean(name, columns)));
  if (std::find(found + 1, columns.end(), name) != columns.end())
    in.fail_here(fmt::format("more than one column is named {}", quoted(name)));
  return static_cast<std::size_t>(found - columns.begin());
}

/// A first line of numbers is a sample, which would be lost; but 0,1,2,… are the names of columns without names.
void check_names(const Reader& in) {
  double number = 0;
  bool counted = true;
  for (std::size_t column = 0; column < in.fields().size(); ++column) {
    if (read_number(in.fields()[column], number) != std::errc()) return;
    counted = counted && number == static_cast<double>(column);
  }
  if (!counted) in.fail_here("the header is a row of numbers; read a file without a header with {.header = false}");
}

/// `label`: no label column when absent, the last one when empty.
template <class T>
std::pair<BasicTable<T>, std::vector<int>> read(const std::string& path, std::optional<std::string_view> label,
                                                const CsvOptions& options) {
  Reader in(path, options);
  if (!in.next()) in.fail_in_file("file is empty");
  const std::size_t width = in.fields().size();
  const std::size_t label_column = label ? find_label(in, *label, options.header) : width;

  BasicTable<T> table;
  if (options.header) {
    table.columns = in.fields();
    check_names(in);
    if (!in.next()) in.fail_in_file("no row follows the header");
  }
  std::vector<T> values;
  std::vector<int> labels;
  Index rows = 0;
  do {
    const std::size_t here = in.fields().size();
    if (here != width)
      in.fail_here(fmt::format("{} column{}, the first line has {}", here, here == 1 ? "" : "s", width));
    for (std::size_t column = 0; column < width; ++column) {
      if (column == label_column)
        labels.push_back(whole_number(in, column));
      else
        values.push_back(number<T>(in, column, options.allow_non_finite));
    }
    ++rows;
  } while (in.next());
  table.values = BasicView<T>(values.data(), rows, static_cast<Index>(values.size()) / rows);
  return {std::move(table), std::move(labels)};
}

}  // namespace

template <class T> BasicTable<T> read_csv(const std::string& path, const CsvOptions& options) {
  return read<T>(path, std::nullopt, options).first;
}

template <class T>
BasicDataset<T> load_csv(const std::string& path, std::string_view label, const CsvOptions& options) {
  auto [table, labels] = read<T>(path, label, options);
  const int classes = *std::max_element(labels.begin(), labels.end()) + 1;
  return {.inputs = std::move(table.values), .labels = std::move(labels), .classes = classes};
}

template BasicTable<float> read_csv(const std::string&, const CsvOptions&);
template BasicTable<double> read_csv(const std::string&, const CsvOptions&);
template BasicDataset<float> load_csv(const std::string&, std::string_view, const CsvOptions&);
template BasicDataset<double> load_csv(const std::string&, std::string_view, const CsvOptions&);

}  // namespace tapegrad
