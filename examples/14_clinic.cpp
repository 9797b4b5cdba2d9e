// The diagnosis as a lesson: a healthy network is broken in one way, trained while the findings come up, treated with the
// first remedy that they advise, and trained again. `clinic --list` names the ways.

#include <fmt/format.h>

#include <algorithm>

#include "clinic/patient.h"
#include "common/example.h"
#include "common/terminal.h"

namespace tg = tapegrad;
using terminal::Color;

void list() {
  for (const clinic::Fault& each : clinic::faults()) fmt::print("  {:<18}{}\n", each.name, each.text);
}

std::string loss_text(const tg::RunRecord& record) {
  const double last = record.loss.back().loss;
  return std::isfinite(last) ? fmt::format("{:.3f}", last) : "not finite";
}

/// Trains and tells what is found on the way.
clinic::Outcome examine(const std::string& title, const clinic::Patient& patient, std::uint64_t seed) {
  terminal::heading(title);
  clinic::Outcome outcome = clinic::train(patient, seed, [](tg::Index step, const tg::Finding& found) {
    const bool critical = found.severity == tg::Severity::critical;
    fmt::print("{}", tg::wrapped(fmt::format("step {:>4}  {}: {}", step,
                                             terminal::paint(found.rule, critical ? Color::red : Color::yellow),
                                             found.text),
                                 80, 0, 11));
  });
  outcome.record.name = title;
  fmt::print("after {} steps: loss {}, accuracy {:.1f} % on other points\n", outcome.record.loss.back().step + 1,
             loss_text(outcome.record), 100 * outcome.accuracy);
  return outcome;
}

example::Json json_of(const clinic::Outcome& outcome) {
  example::Json json{{"accuracy", outcome.accuracy}, {"findings", example::Json::array()}};
  for (const tg::Finding& each : tg::findings(outcome.record))
    json["findings"].push_back(
        {{"rule", each.rule}, {"severity", tg::to_string(each.severity)}, {"text", each.text}});
  return json;
}

int main(int argc, char** argv) {
  example::CommonOptions common;
  std::string fault = "high-rate", report;
  bool only_list = false;
  CLI::App app("Breaks a healthy network, says what is wrong with it, and repairs it.");
  app.add_option("--fault", fault, "What to break")->capture_default_str();
  app.add_flag("--list", only_list, "List what can be broken");
  app.add_option("--report", report, "Write a page with both trainings to FILE.html")->type_name("FILE");

  return example::run(app, common, argc, argv, [&]() -> example::Json {
    if (only_list) return list(), example::Json::object();
    const auto all = clinic::faults();
    const auto chosen =
        std::find_if(all.begin(), all.end(), [&](const clinic::Fault& f) { return f.name == fault; });
    if (chosen == all.end())
      throw tg::Error("clinic", fmt::format("no fault named '{}'; --list names them", fault));

    clinic::Patient patient;
    chosen->infect(patient);
    std::vector<clinic::Outcome> outcomes{
        examine(fmt::format("{}: {}", chosen->name, chosen->text), patient, common.seed)};
    example::Json json{{"fault", fault}, {"before", json_of(outcomes[0])}};

    const std::vector<tg::Remedy> advice = tg::remedies(tg::findings(outcomes[0].record));
    if (advice.empty()) {
      fmt::print("\nnothing was found, so nothing is changed\n");
    } else if (const std::string remedy = tg::to_string(advice[0]); clinic::apply(advice[0], patient)) {
      outcomes.push_back(examine("treated: " + remedy, patient, common.seed));
      fmt::print("\naccuracy {:.1f} % before, {:.1f} % after: {}\n", 100 * outcomes[0].accuracy,
                 100 * outcomes[1].accuracy, remedy);
      json["remedy"] = remedy;
      json["after"] = json_of(outcomes[1]);
    } else {
      fmt::print("\n{}\n", remedy);
      json["remedy"] = remedy;
    }
    if (!report.empty()) {
      std::vector<tg::RunRecord> records;
      for (const clinic::Outcome& each : outcomes) records.push_back(each.record);
      tg::write_report(report, records, {.title = "Clinic: " + fault});
      fmt::print("wrote {}\n", report);
    }
    return json;
  });
}
