#include <array>
#include <cstdio>
#include <string_view>

#include "synthetic.h"
#include "tapegrad/inspect/report/report.h"

/// make_report one|twins FILE: a report of runs that never took place, for the browser test.
int main(int argc, char** argv) {
  if (argc != 3) {
    std::puts("usage: make_report one|twins FILE");
    return 2;
  }
  using synthetic::run;
  if (std::string_view(argv[1]) == "one")
    tapegrad::write_report(argv[2], std::array{run({.map = true})});
  else
    tapegrad::write_report(
        argv[2], std::array{run({.nan = true, .map = true}),
                            run({.name = "sigmoid, lr 0.5", .activation = "sigmoid", .fate = 0.8, .map = true})});
}
