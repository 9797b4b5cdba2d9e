#include "tapegrad/io/csv_columns.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI::csv {
namespace {

/// 0 where a quote is wrong.
std::size_t count_fields(std::string_view line, char separator) {
  Fields fields(line, separator);
  std::string_view field;
  std::size_t count = 0;
  for (bool more = true; more; more = fields.more(), ++count)
    if (fields.take(field) != nullptr) return 0;
  return count;
}

/// The one that divides both lines into as many fields; else one of the first line; else a comma.
char find_separator(std::string_view first, std::string_view rest) {
  const std::string_view second = rest.substr(0, rest.find('\n'));
  for (const bool same : {true, false})
    for (const char separator : {'\t', ';', ',', ' '}) {
      const std::size_t count = count_fields(first, separator);
      const bool alike = second.empty() || count_fields(second, separator) == count;
      if (count > 1 && (same ? alike : separator != ' ')) return separator;
    }
  return ',';
}

bool is_number(std::string_view field) {
  double ignored = 0;
  return !is_missing(field) && read_field(field, ignored) != std::errc::invalid_argument;
}

/// For each column, whether there is a number in it, as far as lines were read ahead.
std::vector<bool> numbers_below(std::string_view rest, std::size_t columns, char separator) {
  std::vector<bool> found(columns);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end), field;
    if (line.ends_with('\r')) line.remove_suffix(1);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    Fields fields(line, separator);
    bool more = true;
    for (std::size_t column = 0; more && column < columns && fields.take(field) == nullptr; ++column) {
      if (!found[column]) found[column] = is_number(field);
      more = fields.more();
    }
  }
  return found;
}

/// Text above numbers is a name, a number in the first line is data. Both, and 0,1,2,… as pandas writes it above columns
/// without names, may be either.
bool is_header(const Lines& in, const std::vector<std::string>& first, const Layout& layout,
               const CsvOptions& options) {
  const std::vector<bool> below = numbers_below(in.ahead(), first.size(), layout.separator);
  bool numbers = false, texts = false, names = false, counted = true;
  for (std::size_t column = 0; column < first.size(); ++column) {
    const bool number = is_number(first[column]), text = !number && !is_missing(first[column]);
    numbers = numbers || number;
    texts = texts || text;
    names = names || (text && below[column]);
    counted = counted && first[column] == std::to_string(column);
  }
  const bool more_lines = in.ahead().find_first_not_of("\r\n") != std::string_view::npos;
  const bool unique = std::set<std::string>(first.begin(), first.end()).size() == first.size();
  const bool only_text = texts && !numbers && !names && unique && !options.one_hot.empty();
  if (more_lines && (numbers ? names || counted : only_text))
    in.fail_here("the first line may be names or a sample; say which with {.header = true} or {.header = false}");
  return !numbers && (names || (texts && unique));
}

/// Finds columns by name or number.
class Finder {
 public:
  Finder(const Lines& in, const Layout& layout) : in_(in), layout_(layout) {}

  std::size_t find(const CsvColumn& column) const {
    return column.name().empty() && column.number() != 0 ? by_number(column.number()) : by_name(column);
  }

 private:
  std::size_t by_number(int number) const {
    const auto count = static_cast<std::int64_t>(layout_.columns.size());
    const std::int64_t at = number > 0 ? number - 1 : count + number;
    if (at < 0 || at >= count) in_.fail_in_file(fmt::format("there is no column {}, only 1 to {}", number, count));
    return static_cast<std::size_t>(at);
  }
  std::size_t by_name(const CsvColumn& column) const {
    const std::string& name = column.name();
    const std::vector<std::string>& names = layout_.names;
    if (name.empty() && names.empty()) in_.fail_in_file("columns are counted from 1, there is no column 0");
    if (names.empty())
      in_.fail_in_file(fmt::format("column {} cannot be found without a header; use its number", quoted(name)));
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      in_.fail_at_line(1, fmt::format("no column named {}{}", quoted(name), did_you_mean(name, names)));
    if (std::find(found + 1, names.end(), name) != names.end())
      in_.fail_at_line(1, fmt::format("more than one column is named {}", quoted(name)));
    return static_cast<std::size_t>(found - names.begin());
  }

  const Lines& in_;
  const Layout& layout_;
};

/// What is done with each column.
void choose_columns(const Lines& in, const CsvOptions& options, bool with_label, Layout& layout) {
  const Finder finder(in, layout);
  using Use = Column::Use;
  std::vector<Column>& columns = layout.columns;
  if (!options.columns.empty()) {
    for (Column& column : columns) column.use = Use::none;
    for (const CsvColumn& column : options.columns) columns[finder.find(column)].use = Use::number;
  }
  const auto check_free = [&](std::size_t column, Use use, const char* what) {
    if (columns[column].use == use) in.fail_in_file(fmt::format("column {} {}", layout.reference(column), what));
  };
  for (const CsvOneHot& one_hot : options.one_hot) {
    const std::size_t column = finder.find(one_hot.column);
    check_free(column, Use::one_hot, "is one-hot twice");
    columns[column].use = Use::one_hot;
    columns[column].text = layout.texts.size();
    layout.texts.push_back(column);
  }
  for (const CsvColumn& skipped : options.skip) {
    const std::size_t column = finder.find(skipped);
    check_free(column, Use::one_hot, "is both one-hot and left out");
    columns[column].use = Use::none;
  }
  layout.label = columns.size();
  if (with_label) {
    if (columns.size() < 2)
      in.fail_at_line(
          1,
          "a label and at least one other column are needed, there is 1 column; if it is not tab, ;, comma or "
          "blank that separates them, say what does: {.separator = '|'}");
    layout.label = finder.find(options.label.stated() ? options.label : CsvColumn(-1));
    check_free(layout.label, Use::one_hot, "is both label and one-hot");
    if (options.columns.empty()) check_free(layout.label, Use::none, "is both label and left out");
    columns[layout.label].use = Use::label;
    columns[layout.label].text = layout.texts.size();
    layout.texts.push_back(layout.label);
  }
  for (Column& column : columns)
    if (column.use == Use::number || column.use == Use::one_hot) column.place = layout.width++;
  if (layout.width == 0) in.fail_in_file("no column is left to be read");
}

}  // namespace

std::string Layout::reference(std::size_t column) const {
  return names.empty() ? std::to_string(column + 1) : fmt::format("\"{}\"", names[column]);
}

Layout find_layout(Lines& in, const CsvOptions& options, bool with_label) {
  if (std::string_view("\"\r\n.+-0123456789").find(options.separator) != std::string_view::npos)
    fail("csv", fmt::format("{} cannot separate numbers", quoted({&options.separator, 1})));
  if (!in.next()) in.fail_in_file("file is empty");
  if (in.text().starts_with("\xff\xfe") || in.text().starts_with("\xfe\xff"))
    in.fail_in_file("the text is UTF-16; save it as UTF-8");
  if (in.ahead().empty() && in.text().find('\r') != std::string_view::npos)
    in.fail_in_file("lines end with a carriage return alone; save it with line feeds");
  Layout layout;
  layout.separator = options.separator != 0 ? options.separator : find_separator(in.text(), in.ahead());
  const std::vector<std::string> first = split_line(in, in.text(), layout.separator);
  layout.columns.resize(first.size());
  layout.header = options.header ? *options.header : is_header(in, first, layout, options);
  if (layout.header) layout.names = first;
  choose_columns(in, options, with_label, layout);
  if (layout.header && !in.next()) in.fail_in_file("no row follows the header");
  return layout;
}

}  // namespace tapegrad::inline TAPEGRAD_ABI::csv
