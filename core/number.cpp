#include "tapegrad/core/number.h"

#include <locale.h>  // newlocale, not in <clocale>
#if __has_include(<xlocale.h>)
#include <xlocale.h>  // strtod_l on macOS
#endif

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <type_traits>

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// strtod takes more than from_chars does: blanks and a plus in front, and hexadecimal digits.
bool may_be_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  constexpr std::string_view digits = "0123456789.", names = "iInN";
  if (text.empty()) return false;
  if (names.find(text.front()) != std::string_view::npos) return true;
  return digits.find(text.front()) != std::string_view::npos && text.find_first_of("xX") == std::string_view::npos;
}

/// Every library has it, and it rounds what is out of range.
template <class T> std::errc read_by_strtod(std::string_view text, T& value) {
  static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
  if (!may_be_number(text)) return std::errc::invalid_argument;
  const std::string copy(text);  // ends in a zero
  char* end = nullptr;
  const T number = static_cast<T>(std::is_same_v<T, float> ? strtof_l(copy.c_str(), &end, plain)
                                                           : strtod_l(copy.c_str(), &end, plain));
  if (end != copy.c_str() + copy.size()) return std::errc::invalid_argument;
  value = number;
  // An infinity that was not spelled, and a zero with another digit.
  const std::string_view digits = std::string_view(copy).substr(0, copy.find_first_of("eE"));
  const bool overflow = std::isinf(number) && copy.find_first_of("iI") == std::string::npos;
  const bool underflow = number == 0 && digits.find_first_of("123456789") != std::string_view::npos;
  return overflow || underflow ? std::errc::result_out_of_range : std::errc();
}

}  // namespace

template <class T> std::errc read_number(std::string_view text, T& value) {
#ifdef __cpp_lib_to_chars  // libc++ has no from_chars for them before version 20
  T number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) return std::errc::invalid_argument;
  if (error == std::errc()) {
    value = number;
    return error;
  }
#endif
  return read_by_strtod(text, value);
}

template std::errc read_number(std::string_view, float&);
template std::errc read_number(std::string_view, double&);

}  // namespace tapegrad
