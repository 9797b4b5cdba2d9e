#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tapegrad/core/types.h"

/// JSON as reports and logs write it. Private to them. Not nlohmann's: its destructor allocates, so running out of memory
/// in it would end the program, where an exception is promised.

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

/** A value, built up in memory and then written as text. Members of an object stay in the order they came in. */
class Json {
 public:
  using Member = std::pair<std::string, Json>;

  Json(std::nullptr_t = nullptr) {}
  Json(bool value) : value_(Text{value ? "true" : "false"}) {}
  template <class Number>
  requires std::integral<Number> || std::floating_point<Number> Json(Number value)
      : value_(Text{number_text(value)}) {}
  Json(const char* text) : value_(std::string(text)) {}
  Json(std::string text) : value_(std::move(text)) {}
  Json(const std::vector<std::string>& texts);
  /** An object when all items are pairs that begin with a string, else an array. */
  Json(std::initializer_list<Json> items);

  static Json array(std::initializer_list<Json> items = {});
  /** A value that is text already: of many numbers, without an object for each. */
  static Json written(std::string text);
  /** Reads a text that is written in the library; throws where it is not JSON. */
  static Json parse(std::string_view text);

  /** A member, which is added when there is none; this must be an object or null. */
  Json& operator[](std::string_view key);
  /** A member that is there. */
  const Json& operator[](std::string_view key) const;
  const Json* find(std::string_view key) const;
  void push_back(Json item);
  /** Sets the members of another object. */
  void update(const Json& object);
  std::vector<Json>& items() { return std::get<std::vector<Json>>(value_); }
  const std::vector<Json>& items() const { return std::get<std::vector<Json>>(value_); }
  const std::string& string() const { return std::get<std::string>(value_); }
  /** Nothing in it: an empty array or object, or null. */
  bool empty() const { return size() == 0; }
  std::size_t size() const;

  std::string dump() const;

 private:
  struct Text {
    std::string text;
  };
  static std::string number_text(double value);
  static std::string number_text(std::integral auto value) { return std::to_string(value); }
  void append_to(std::string& text) const;
  bool is_member() const;

  std::variant<std::nullptr_t, Text, std::string, std::vector<Json>, std::vector<Member>> value_ = nullptr;
};

/** A text in quotes, as JSON writes it. Bytes that are not UTF-8 become U+FFFD. */
std::string quoted(std::string_view text);
/** The same text where all of it is UTF-8; each byte that is not becomes U+FFFD. */
std::string valid_utf8(std::string_view text);

}  // namespace tapegrad::reporting
