#include "tapegrad/core/check.h"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>

#include "tapegrad/layers/initializer.h"
#include "tapegrad/optim/schedule.h"

/// The one checker of settings and the one look-up by name.

using namespace tapegrad;

namespace {

template <class F> std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string checked(SettingDomain domain, double value) {
  return error_of([&] { check_setting("adam", "eps", domain, value); });
}

}  // namespace

TEST_CASE("check: every domain accepts its ends, and says what it wants") {
  using enum SettingDomain;
  constexpr double inf = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [domain, good] : {std::pair{finite, -1e300},
                                     {not_negative, 0.0},
                                     {positive, 1e-300},
                                     {count, 1.0},
                                     {count, 1e6},
                                     {below_one, 0.0},
                                     {up_to_one, 0.0},
                                     {up_to_one, 1.0},
                                     {limit, inf},
                                     {limit, 0.0}})
    CHECK(check_setting("adam", "eps", domain, good) == good);
  CHECK(checked(finite, inf) == "[adam] eps must be finite, got inf");
  CHECK(checked(not_negative, nan) == "[adam] eps must be finite, got nan");
  CHECK(checked(not_negative, -0.5) == "[adam] eps must not be negative, got -0.5");
  CHECK(checked(positive, 0) == "[adam] eps must be positive, got 0");
  CHECK(checked(positive, inf) == "[adam] eps must be finite, got inf");
  for (const double bad : {0.0, 1.5, 2e6})
    CHECK(checked(count, bad) == "[adam] eps must be a whole number of at least 1, got " + to_string(bad));
  for (const double bad : {-0.5, 1.0, inf, nan})
    CHECK(checked(below_one, bad) == "[adam] eps must be in [0, 1), got " + to_string(bad));
  for (const double bad : {-0.5, 1.5, nan})
    CHECK(checked(up_to_one, bad) == "[adam] eps must be in [0, 1], got " + to_string(bad));
  for (const double bad : {-0.5, nan})
    CHECK(checked(limit, bad) == "[adam] eps must not be negative or NaN, got " + to_string(bad));
  CHECK(error_of([&] {
          check_settings("sgd", positive, {{"a", 1}, {"b", -2}, {"c", -3}});
        }) == "[sgd] b must be positive, got -2");
  CHECK(error_of([&] {
          check_settings("sgd", {{"a", 0}, {"b", 1, below_one}, {"c", -3}});
        }) == "[sgd] b must be in [0, 1), got 1");
  CHECK(error_of([&] { check_settings("sgd", {{"a", 0}, {"c", -3}}); }) == "[sgd] c must not be negative, got -3");
}

TEST_CASE("check: edits between two names, where a swap of neighbours is one") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "abc") == 0);
  CHECK(edit_distance("ab", "ba") == 1);
  CHECK(edit_distance("abcd", "bacd") == 1);
  CHECK(edit_distance("abcd", "abdc") == 1);
  CHECK(edit_distance("abcd", "badc") == 2);
  CHECK(edit_distance("ca", "abc") == 3);  // no edit between swapped letters
  CHECK(edit_distance("aab", "bba") == 2);
  CHECK(edit_distance("xa", "ay") == 2);
  CHECK(edit_distance("swish", "wsih") == 2);
}

TEST_CASE(
    "check: an unknown name asks back for one that is close, else for one that begins with it, else lists all") {
  struct Thing {
    std::string_view name;
    int value;
  };
  constexpr std::array things{Thing{"he_uniform", 1}, Thing{"he_normal", 2}, Thing{"zeros", 3}};
  CHECK(find_named("thing", things, "he_normal").value == 2);
  CHECK(names_of(things) == std::vector<std::string_view>{"he_uniform", "he_normal", "zeros"});
  const auto error = [&](std::string_view name) { return error_of([&] { find_named("thing", things, name); }); };
  CHECK(error("he_normla") == "[thing] no thing named 'he_normla'; did you mean 'he_normal'?");
  CHECK(error("he") == "[thing] no thing named 'he'; did you mean 'he_uniform'?");
  CHECK(error("eh_normla") == "[thing] no thing named 'eh_normla'; did you mean 'he_normal'?");
  CHECK(error("zer") == "[thing] no thing named 'zer'; did you mean 'zeros'?");
  CHECK(error("h") == "[thing] no thing named 'h'; there are he_uniform, he_normal, zeros");
  CHECK(error("") == "[thing] no thing named ''; there are he_uniform, he_normal, zeros");
  constexpr std::array letters{Thing{"a", 1}, Thing{"bc", 2}};
  CHECK(error_of([&] { find_named("thing", letters, "d"); }) == "[thing] no thing named 'd'; there are a, bc");
  CHECK(error_of([&] { find_named("thing", letters, "de"); }) == "[thing] no thing named 'de'; there are a, bc");
  CHECK(error_of([&] { find_named("thing", letters, "be"); }) == "[thing] no thing named 'be'; did you mean 'bc'?");
  CHECK(error("uniform") == "[thing] no thing named 'uniform'; there are he_uniform, he_normal, zeros");
  CHECK(error_of([] { initializer("he"); }) ==
        "[initializer] no initializer named 'he'; did you mean 'he_uniform'?");
  CHECK(error_of([] { make_schedule("linear", 1, 1); }) ==
        "[schedule] no schedule named 'linear'; did you mean 'linear_warmup'?");
}
