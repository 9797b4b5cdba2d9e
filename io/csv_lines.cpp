#include "tapegrad/io/csv_lines.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "tapegrad/core/error.h"
#include "tapegrad/core/number.h"

namespace tapegrad::inline TAPEGRAD_ABI::csv {
namespace {

constexpr std::size_t chunk = 1 << 16;

}  // namespace

std::string quoted(std::string_view text) {
  constexpr std::size_t most = 40;
  std::string shown(text.substr(0, most));
  for (char& c : shown)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return fmt::format("'{}{}'", shown, text.size() > most ? "..." : "");
}

std::string quoted_list(const std::vector<std::string>& texts) {
  constexpr std::size_t most = 10;
  std::string list;
  for (std::size_t i = 0; i < std::min(most, texts.size()); ++i)
    list += fmt::format("{}{}", i == 0 ? "" : ", ", quoted(texts[i]));
  return list + (texts.size() > most ? ", ..." : "");
}

bool is_missing(std::string_view field) {
  const auto is = [&](std::string_view lower) {
    return std::equal(field.begin(), field.end(), lower.begin(), lower.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
  };
  return field.empty() || field == "NA" || field == "?" || is("nan");
}

template <class T> std::errc read_field(std::string_view field, T& value) {
  if (field.starts_with('+') && !field.starts_with("+-")) field.remove_prefix(1);
  return read_number(field, value);
}
template std::errc read_field(std::string_view, float&);
template std::errc read_field(std::string_view, double&);

Fields::Problem Fields::take(std::string_view& field) {
  skip_blanks();
  const char* p = at_;
  if (p == end_ || *p != '"') {
    while (!ends_field(p)) ++p;
    const char* last = p;
    while (last != at_ && is_blank(last[-1])) --last;
    field = {at_, static_cast<std::size_t>(last - at_)};
    more_ = pass(p);
    return nullptr;
  }
  unquoted_.clear();
  for (++p; true; ++p) {
    if (p == end_) return "has no closing quote (quotes do not go over the end of a line)";
    if (*p == '"' && (p + 1 == end_ || p[1] != '"')) break;
    if (*p == '"') ++p;  // "" stands for "
    unquoted_.push_back(*p);
  }
  ++p;
  while (separator_ != ' ' && p != end_ && is_blank(*p)) ++p;
  if (!ends_field(p)) return "has text after its closing quote";
  field = unquoted_;
  more_ = pass(p);
  return nullptr;
}

Lines::Lines(const std::string& path, std::size_t max_line)
    : path_(path), source_("csv", path), max_line_(max_line), buffer_(chunk) {}

bool Lines::next() {
  if (!next_line()) return false;
  const std::size_t blank_line = number_;
  while (text_.empty())
    if (!next_line()) return false;
  if (number_ != blank_line) fail_at_line(blank_line, "line is blank");
  return true;
}

bool Lines::next_line() {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  std::size_t searched = 0;
  const char* end = nullptr;
  while (true) {
    const std::size_t there = last_ - first_;
    if (there > searched)
      end = static_cast<const char*>(std::memchr(buffer_.data() + first_ + searched, '\n', there - searched));
    searched = there;
    if (end != nullptr || at_end_ || there > max_line_) break;
    fill();
  }
  const char* const begin = buffer_.data() + first_;
  const auto size = end != nullptr ? static_cast<std::size_t>(end - begin) : last_ - first_;
  if (size == 0 && end == nullptr) return false;
  ++number_;
  if (size > max_line_) fail_here(fmt::format("line is longer than {} bytes", max_line_));
  text_ = {begin, size};
  first_ += size + (end != nullptr ? 1 : 0);
  if (text_.ends_with('\r')) text_.remove_suffix(1);
  if (number_ == 1 && text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
  if (text_.find_first_not_of(' ') == std::string_view::npos) text_ = {};
  return end != nullptr || !text_.empty();
}

/// Reads on. Memory grows with the line that is there, not with the longest one that is allowed.
void Lines::fill() {
  std::copy(buffer_.data() + first_, buffer_.data() + last_, buffer_.data());
  last_ -= first_;
  first_ = 0;
  if (last_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  const std::size_t wanted = buffer_.size() - last_;
  const std::size_t got = source_.read(reinterpret_cast<std::uint8_t*>(buffer_.data() + last_), wanted);
  last_ += got;
  at_end_ = got < wanted;
}

std::string_view Lines::ahead() const {
  const std::string_view rest(buffer_.data() + first_, last_ - first_);
  const std::size_t end = rest.rfind('\n');
  return at_end_ ? rest : rest.substr(0, end == std::string_view::npos ? 0 : end);
}

void Lines::fail_in_file(std::string_view what) const { fail("csv", fmt::format("{}: {}", path_, what)); }
void Lines::fail_at_line(std::size_t line, std::string_view what) const {
  fail("csv", fmt::format("{}:{}: {}", path_, line, what));
}

std::vector<std::string> split_line(const Lines& in, std::string_view line, char separator) {
  std::vector<std::string> fields;
  Fields rest(line, separator);
  std::string_view field;
  for (bool more = true; more; more = rest.more()) {
    if (const Fields::Problem problem = rest.take(field))
      in.fail_here(fmt::format("column {} {}", fields.size() + 1, problem));
    fields.emplace_back(field);
  }
  return fields;
}

}  // namespace tapegrad::inline TAPEGRAD_ABI::csv
