#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tapegrad/io/byte_source.h"
#include "tapegrad/io/csv.h"

namespace tapegrad::inline TAPEGRAD_ABI::csv {

/** 'text' for a message: short, and without control characters. */
std::string quoted(std::string_view text);
/** "a", "b" and "c" for a message: the first few. */
std::string quoted_list(const std::vector<std::string>& texts);

/** An empty field, NA, ? or nan. */
bool is_missing(std::string_view field);

/** Reads a field as read_number() does, but with a plus in front, too. */
template <class T> std::errc read_field(std::string_view field, T& value);

/** The fields of a line, from left to right. A blank as separator is a run of blanks and tabs. */
class Fields {
 public:
  /// What a field may not look like: nullptr, or the rest of "column 3 has no closing quote".
  using Problem = const char*;

  Fields(std::string_view line, char separator) : at_(line.data()), end_(at_ + line.size()), separator_(separator) {
    if (separator_ == ' ') skip_blanks();
  }

  const char* at() const { return at_; }
  const char* end() const { return end_; }
  bool is_blank(char c) const { return c == ' ' || (c == '\t' && separator_ != '\t'); }
  bool ends_field(const char* p) const {
    return p == end_ || *p == separator_ || (separator_ == ' ' && *p == '\t');
  }

  /** Reads the next field without its quotes and the blanks around it, valid until the next call. */
  Problem take(std::string_view& field);
  /** Goes on behind a field that ends at `p`; false when it was the last. */
  bool pass(const char* p) {
    at_ = p;
    if (at_ == end_) return false;
    if (separator_ != ' ') return ++at_, true;
    skip_blanks();
    return at_ != end_;
  }
  /** Whether a field follows the one that was taken last. */
  bool more() const { return more_; }

 private:
  void skip_blanks() {
    while (at_ != end_ && is_blank(*at_)) ++at_;
  }

  const char* at_;
  const char* end_;
  char separator_;
  bool more_ = true;
  std::string unquoted_;
};

/** The lines of a file, of which one part at a time is in memory. Knows for the messages where it is. */
class Lines {
 public:
  Lines(const std::string& path, std::size_t max_line);

  /** Reads the next line into text(), without its end; false at the end of the file. Blank lines may only stand there. */
  bool next();
  std::string_view text() const { return text_; }
  /** What follows text(), whole lines, as far as it was read. */
  std::string_view ahead() const;
  std::size_t number() const { return number_; }

  [[noreturn]] void fail_in_file(std::string_view what) const;
  [[noreturn]] void fail_here(std::string_view what) const { fail_at_line(number_, what); }
  [[noreturn]] void fail_at_line(std::size_t line, std::string_view what) const;

 private:
  bool next_line();
  void fill();

  std::string path_;
  ByteSource source_;
  std::size_t max_line_;
  std::vector<char> buffer_;
  std::size_t first_ = 0, last_ = 0;  ///< of what was read and not given out
  bool at_end_ = false;
  std::string_view text_;
  std::size_t number_ = 0;
};

/** All fields of a line. Throws where a quote is wrong. */
std::vector<std::string> split_line(const Lines& in, std::string_view line, char separator);

}  // namespace tapegrad::inline TAPEGRAD_ABI::csv
