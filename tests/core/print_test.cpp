#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <limits>
#include <sstream>

namespace tg = tapegrad::f64;
using tg::Matrix;
using tg::to_string;

TEST_CASE("a Var as text") {
  tg::Tape tape;
  const tg::Var x = tape.input(Matrix{{0.5, -1}, {1e-9, 1234567.5}});
  CHECK(to_string(x) == "#0 (input) 2x2:\n  0.5 -1\n  1e-09 1.23457e+06");
  CHECK(to_string(tg::mean(x)) == "#1 (mean) 1x1: 308642");
  CHECK(to_string(tg::relu(tape.input(Matrix{{-1, std::numeric_limits<double>::infinity()}}))) ==
        "#3 (relu) 1x2: 0 inf");
  CHECK(to_string(tape.input(Matrix(0, 3))) == "#4 (input) 0x3");
  CHECK(to_string(tape.input(Matrix(3, 0))) == "#5 (input) 3x0");
  CHECK(to_string(tape.input(Matrix::Zero(9, 1))) ==
        "#6 (input) 9x1:\n  0\n  0\n  0\n  0\n  0\n  0\n  0\n  0\n  …");
  CHECK(to_string(tape.input(Matrix::Ones(1, 9))) == "#7 (input) 1x9: 1 1 1 1 1 1 1 1 …");
  std::ostringstream out;
  out << x;
  CHECK(out.str() == to_string(x));
  CHECK(to_string(tapegrad::Var()) == "[tape] the variable is empty: it was never recorded");
  tape.reset();
  CHECK(to_string(x) == "[tape] variable #0 (input) is from step 1, the tape is at step 2");
}
