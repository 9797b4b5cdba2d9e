#include "tapegrad/inspect/report/json.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI::reporting {
namespace {

/// Bytes of the character that begins here; 0 when it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Written longer than need be, a half of a surrogate pair, beyond the last character.
  const bool wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                     (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
  return wrong ? 0 : length;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Json document() {
    Json value = next();
    if (skip_blanks(), !rest_.empty()) wrong();
    return value;
  }

 private:
  [[noreturn]] void wrong() const { fail("json", fmt::format("cannot be read from '{}' on", rest_.substr(0, 20))); }

  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size())); }

  bool take(char wanted) {
    skip_blanks();
    if (rest_.empty() || rest_[0] != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string string() {
    const std::size_t end = rest_.find('"');
    if (end == std::string_view::npos) wrong();
    const std::string text(rest_.substr(0, end));
    if (text.find('\\') != std::string::npos) wrong();  // not needed so far
    rest_.remove_prefix(end + 1);
    return text;
  }

  template <class Item> void list(char end, const Item& item) {
    if (take(end)) return;
    do item();
    while (take(','));
    if (!take(end)) wrong();
  }

  Json next() {
    Json value = Json::array();
    if (take('[')) {
      list(']', [&] { value.push_back(next()); });
    } else if (take('{')) {
      value = nullptr;
      list('}', [&] {
        if (!take('"')) wrong();
        const std::string key = string();
        if (!take(':')) wrong();
        value[key] = next();
      });
      if (value.empty()) value.update(nullptr);
    } else if (take('"')) {
      value = string();
    } else {
      const std::string_view word = rest_.substr(0, rest_.find_first_of(",]} \n"));
      if (word.empty()) wrong();
      value = word == "null" ? Json() : Json::written(std::string(word));
      rest_.remove_prefix(word.size());
    }
    return value;
  }

  std::string_view rest_;
};

}  // namespace

Json::Json(const std::vector<std::string>& texts) : value_(std::vector<Json>(texts.begin(), texts.end())) {}

Json::Json(std::initializer_list<Json> items) {
  if (!std::all_of(items.begin(), items.end(), [](const Json& item) { return item.is_member(); })) {
    value_ = std::vector<Json>(items);
    return;
  }
  auto& members = value_.emplace<std::vector<Member>>();
  for (const Json& item : items) members.emplace_back(item.items()[0].string(), item.items()[1]);
}

Json Json::array(std::initializer_list<Json> items) {
  Json json;
  json.value_ = std::vector<Json>(items);
  return json;
}

Json Json::written(std::string text) {
  Json json;
  json.value_ = Text{std::move(text)};
  return json;
}

Json Json::parse(std::string_view text) { return Parser(text).document(); }

bool Json::is_member() const {
  const auto* pair = std::get_if<std::vector<Json>>(&value_);
  return pair != nullptr && pair->size() == 2 && std::holds_alternative<std::string>(pair->front().value_);
}

const Json* Json::find(std::string_view key) const {
  const auto* members = std::get_if<std::vector<Member>>(&value_);
  if (members == nullptr) return nullptr;
  const auto found =
      std::find_if(members->begin(), members->end(), [&](const Member& m) { return m.first == key; });
  return found == members->end() ? nullptr : &found->second;
}

Json& Json::operator[](std::string_view key) {
  if (const Json* found = find(key)) return const_cast<Json&>(*found);
  if (std::holds_alternative<std::nullptr_t>(value_)) value_.emplace<std::vector<Member>>();
  return std::get<std::vector<Member>>(value_).emplace_back(key, nullptr).second;
}

const Json& Json::operator[](std::string_view key) const {
  const Json* found = find(key);
  if (found == nullptr) fail("json", fmt::format("there is no member '{}'", key));
  return *found;
}

void Json::push_back(Json item) { items().push_back(std::move(item)); }

void Json::update(const Json& object) {
  if (std::holds_alternative<std::nullptr_t>(value_)) value_.emplace<std::vector<Member>>();
  if (const auto* members = std::get_if<std::vector<Member>>(&object.value_))
    for (const auto& [key, value] : *members) (*this)[key] = value;
}

std::size_t Json::size() const {
  if (const auto* all = std::get_if<std::vector<Json>>(&value_)) return all->size();
  if (const auto* members = std::get_if<std::vector<Member>>(&value_)) return members->size();
  return std::holds_alternative<std::nullptr_t>(value_) ? 0 : 1;
}

std::string Json::number_text(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }

void Json::append_to(std::string& text) const {
  const auto list = [&](char begin, const auto& all, char end, const auto& append) {
    text += begin;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i > 0) text += ',';
      append(all[i]);
    }
    text += end;
  };
  if (const auto* written = std::get_if<Text>(&value_))
    text += written->text;
  else if (const auto* string = std::get_if<std::string>(&value_))
    text += quoted(*string);
  else if (const auto* all = std::get_if<std::vector<Json>>(&value_))
    list('[', *all, ']', [&](const Json& item) { item.append_to(text); });
  else if (const auto* members = std::get_if<std::vector<Member>>(&value_))
    list('{', *members, '}', [&](const Member& member) {
      text += quoted(member.first) + ':';
      member.second.append_to(text);
    });
  else
    text += "null";
}

std::string Json::dump() const {
  std::string text;
  append_to(text);
  return text;
}

std::string valid_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    result += length == 0 ? std::string_view("\ufffd") : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : valid_utf8(text)) {
    if (c == '"' || c == '\\')
      (result += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      result += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      result += c;
  }
  return result += '"';
}

}  // namespace tapegrad::reporting
