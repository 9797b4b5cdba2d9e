#include <fstream>
#include <iostream>

#include "diagnosis/train.h"

/// diagnose run LIST OUT [--repair]   trains every configuration of a list with a Monitor, one line of JSON each
/// diagnose time LIST OUT             CPU time per step, without a monitor and with one

int main(int argc, char** argv) {
  using namespace diagnosis;
  const std::string what = argc > 1 ? argv[1] : "";
  const bool repairs = argc > 4 && std::string(argv[4]) == "--repair";
  if (argc < 4 || (what != "run" && what != "time") || (argc > 4 && !repairs)) {
    std::cerr << "usage: diagnose run|time LIST OUT [--repair]\n";
    return 2;
  }
  std::ifstream in(argv[2]);
  std::ofstream out(argv[3]);
  if (!in || !out) {
    std::cerr << "diagnose: " << (in ? argv[3] : argv[2]) << (in ? " cannot be written\n" : " cannot be read\n");
    return 1;
  }
  register_exponential();
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    const Config config{Json::parse(line)};
    Json j{{"config", config.json}};
    try {
      if (what == "time") {
        j["time"] = time_of(config, 4000);
      } else {
        const Result result = train(config);
        j.update(result.json);
        if (repairs) j["repair"] = repair(config, result);
      }
    } catch (const std::exception& e) {
      j["error"] = e.what();
    }
    out << j.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
  }
  return out ? 0 : 1;
}
