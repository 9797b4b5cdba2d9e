// What is said of activation functions, and what a measurement says: 39 claims, each measured and judged by a
// criterion that stands beside it. The claims are in lab/, one function each; lab/claim.h says how they are judged.
//   claims                      measures all of them, in about a minute
//   claims --only 7,17,23       these three
//   claims --report claims.html the same as a page

#include <fmt/core.h>
#include <tapegrad/core/file.h>

#include <cstdio>

#include "common/example.h"
#include "common/terminal.h"
#include "lab/lab.h"
#include "lab/show.h"

int main(int argc, char** argv) {
  example::CommonOptions common;
  lab::Lab lab;
  lab.data_dir = example::default_data;
  std::vector<std::string> only;
  std::string report;
  CLI::App app("Measures what study notes claim about activation functions.");
  app.add_option("--only", only, "Numbers of claims: 12,13; without it all")->delimiter(',');
  app.add_option("--data", lab.data_dir, "Folder with the four IDX files")->capture_default_str();
  app.add_option("--report", report, "Write the results as a page to FILE.html")->type_name("FILE");

  return example::run(app, common, argc, argv, [&]() -> example::Json {
    lab.seed = common.seed;
    const std::vector<const lab::Claim*> selected = lab::select(only);
    // Missing images are noticed now, not in the middle.
    if (std::any_of(selected.begin(), selected.end(), [](const auto* claim) { return claim->needs_images; })) {
      lab.train_images();
      lab.test_images();
    }

    std::vector<lab::Result> results;
    for (const lab::Claim* claim : selected) {
      results.push_back(lab::check(*claim, lab));
      fmt::print("{}\n", lab::to_text(results.back()));
      std::fflush(stdout);
    }

    terminal::heading("What came out");
    fmt::print("{}", lab::summary_text(results));
    if (!report.empty()) {
      tapegrad::write_whole_file("report", report, lab::to_html(results));
      fmt::print("\nThe page is in {}: open it in a browser.\n", report);
    }
    return {{"seed", common.seed}, {"claims", lab::to_json(results)}};
  });
}
