#include "tapegrad/inspect/text.h"

#include <doctest/doctest.h>

using namespace tapegrad;

TEST_CASE("text: a character is one column, however many bytes it has") {
  CHECK(columns("") == 0);
  CHECK(columns("abc") == 3);
  CHECK(columns("‖∂L/∂w‖ ≤ ½") == 11);
}

TEST_CASE("text: lines are broken between words, and counted in columns") {
  CHECK(wrapped("", 10, 0, 2) == "\n");
  CHECK(wrapped("one two three four", 9, 0, 2) == "one two\n  three\n  four\n");
  CHECK(wrapped("one two three four", 9, 1, 0) == " one two\nthree\nfour\n");
  CHECK(wrapped("∂∂∂ ∂∂∂ x", 7, 0, 0) == "∂∂∂ ∂∂∂\nx\n");
  CHECK(wrapped("a muchlongerword than that", 6, 0, 2) == "a\n  muchlongerword\n  than\n  that\n");
}
