#include "tapegrad/inspect/report/json.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "tapegrad/core/error.h"

/// The JSON of reports and logs: written as it was meant, read as it was written.

using namespace tapegrad;
using reporting::Json;

namespace {
std::string again(const std::string& text) { return Json::parse(text).dump(); }
std::string refusal(const std::string& text) {
  try {
    Json::parse(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}
}  // namespace

TEST_CASE("json: what is written") {
  CHECK(Json().dump() == "null");
  CHECK(Json(true).dump() == "true");
  CHECK(Json(std::int64_t{-7}).dump() == "-7");
  CHECK(Json("a \"b\" \\ \n \x01 é").dump() == R"("a \"b\" \\ \u000a \u0001 é")");
  CHECK(Json::array({1, "x", nullptr}).dump() == R"([1,"x",null])");
  CHECK(Json::array().dump() == "[]");
  Json object = {{"a", 1}, {"b", {{"c", Json::array({2, 3})}}}};
  CHECK(object.dump() == R"({"a":1,"b":{"c":[2,3]}})");
  object["a"] = "new";
  object["d"] = nullptr;
  CHECK(object.dump() == R"({"a":"new","b":{"c":[2,3]},"d":null})");
  CHECK(object.size() == 3);
  CHECK(object["b"]["c"].size() == 2);
  CHECK(object.find("x") == nullptr);
  object.update(Json{{"d", 4}, {"e", 5}});
  CHECK(object.dump() == R"({"a":"new","b":{"c":[2,3]},"d":4,"e":5})");
  Json nothing;
  nothing.update(Json{{"a", 1}});
  CHECK(nothing.dump() == R"({"a":1})");
  nothing.update(Json());
  CHECK(nothing.dump() == R"({"a":1})");
  const Json fixed = object;
  CHECK_THROWS_WITH_AS(fixed["x"], "[json] there is no member 'x'", Error);
}

TEST_CASE("json: what is read") {
  for (const char* text : {R"({"a":1,"b":[true,null,-2.5e-3,"x"],"c":{}})", "[]", R"(["é","x y"])", "1.0", R"("")"})
    CHECK(again(text) == text);
  CHECK(again(" { \"a\" : [ 1 , 2 ] ,\n \"b\" : { } } ") == R"({"a":[1,2],"b":{}})");
  CHECK(again("{}") == "{}");
  CHECK(Json::parse("{}").empty());
  CHECK(refusal("") == "[json] cannot be read from '' on");
  CHECK(refusal("[1") == "[json] cannot be read from '' on");
  CHECK(refusal("[1 2]") == "[json] cannot be read from '2]' on");
  CHECK(refusal("{\"a\" 1}") == "[json] cannot be read from '1}' on");
  CHECK(refusal("{a:1}") == "[json] cannot be read from 'a:1}' on");
  CHECK(refusal("[1] this is behind the end") == "[json] cannot be read from 'this is behind the e' on");
}

TEST_CASE("json: bytes that are no UTF-8 become a question mark in a box") {
  const std::string box = "\xef\xbf\xbd";
  const auto shown = [](const std::string& text) {
    const std::string dump = Json(text).dump();
    return dump.substr(1, dump.size() - 2);
  };
  for (const char* good : {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(shown(good) == good);
  // Bytes that begin nothing, that are written longer than need be, halves of surrogate pairs, beyond the last character.
  for (const char* bad : {"\x80", "\xc1", "\xf5", "\xff"}) CHECK(shown(bad) == box);
  CHECK(shown("\xc1\xbf") == box + box);
  CHECK(shown("\xe0\x9f\xbf") == box + box + box);
  CHECK(shown("\xed\xa0\x80") == box + box + box);
  CHECK(shown("\xf0\x8f\xbf\xbf") == box + box + box + box);
  CHECK(shown("\xf4\x90\x80\x80") == box + box + box + box);
  CHECK(shown("\xe2\x82") == box + box);
  CHECK(shown("a\xc3") == "a" + box);
}
