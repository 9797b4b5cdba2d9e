#include <doctest/doctest.h>
#include <fmt/core.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tapegrad/inspect/findings.h"
#include "tapegrad/inspect/report/figures.h"

/// docs/findings-explained.md and docs/figures.md have a section for everything that they are about, and for nothing else.

namespace tg = tapegrad;

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(TAPEGRAD_TESTS_DIR "/../" + path);
  REQUIRE_MESSAGE(file.good(), path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The sections of a page in order: title and text.
std::vector<std::pair<std::string, std::string>> sections_of(const std::string& page) {
  std::vector<std::pair<std::string, std::string>> sections;
  const std::string mark = "\n## ";
  for (std::size_t at = page.find(mark); at != std::string::npos;) {
    const std::size_t title = at + mark.size(), end = page.find('\n', title);
    at = page.find(mark, end);
    sections.emplace_back(page.substr(title, end - title),
                          page.substr(end, at == std::string::npos ? at : at - end));
  }
  return sections;
}

/// The first groups of all matches.
std::set<std::string> matches(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), regex); it != std::sregex_iterator(); ++it)
    found.insert((*it)[1]);
  return found;
}

/// A section without what each must say.
void check_parts(const std::string& title, const std::string& text, const std::vector<std::string>& parts) {
  std::size_t last = 0;
  for (const std::string& part : parts) {
    const std::size_t at = text.find("**" + part + "**");
    CHECK_MESSAGE(at != std::string::npos, fmt::format("{} does not say **{}**", title, part));
    CHECK_MESSAGE((at == std::string::npos || at >= last),
                  fmt::format("{}: **{}** is not in its place", title, part));
    last = at;
  }
}

}  // namespace

TEST_CASE("pages: every finding is explained, in the order of the rules") {
  const auto sections = sections_of(text_of("docs/findings-explained.md"));
  std::size_t i = 0;
  for (const tg::FindingRule& rule : tg::finding_rules()) {
    const std::string title = i < sections.size() ? sections[i].first : "";
    CHECK_MESSAGE(title == rule.name, fmt::format("section {} is '{}', the rule is '{}'", i + 1, title, rule.name));
    if (title == rule.name) check_parts(title, sections[i].second, {"Means", "Why", "Do", "See it"});
    ++i;
  }
  CHECK(sections.size() == i);
}

TEST_CASE("pages: the broken networks that show findings exist, and all of the clinic's are used") {
  const std::string page = text_of("docs/findings-explained.md");
  const auto faults = matches(text_of("examples/clinic/patient.cpp"), R"re(Fault\{"([a-z-]+)")re");
  REQUIRE(!faults.empty());
  auto shown = matches(page, R"re(clinic --fault ([a-z-]+))re");
  CHECK(shown == faults);
  const auto kinds = matches(text_of("bench/diagnosis/public.jsonl"), R"re("kind": "([^"]+)")re");
  const auto named = matches(page, R"re(the kind `([^`]+)`)re");
  REQUIRE(named.size() >= 8);
  for (const std::string& kind : named) CHECK_MESSAGE(kinds.count(kind) == 1, kind);
}

TEST_CASE("pages: every figure of a report is explained, under its letter and name") {
  const std::array<tg::RunRecord, 1> runs{};
  const auto sections = sections_of(text_of("docs/figures.md"));
  std::vector<std::string> titles{"A Verdict"};
  for (const auto& figure : tg::reporting::report_figures(runs, 1))
    titles.push_back(fmt::format("{} {}", figure.letter, figure.meta["title"].string()));
  REQUIRE(sections.size() == titles.size());
  for (std::size_t i = 0; i < titles.size(); ++i) {
    CHECK(sections[i].first == titles[i]);
    check_parts(titles[i], sections[i].second, {"Shows", "Read it", "Normal", "Wrong"});
  }
}

TEST_CASE("pages: every name in the README's list of what there is exists") {
  std::set<std::string> known;
  for (const char* folder : {"core", "layers", "optim", "io", "inspect"})
    for (const auto& file :
         std::filesystem::recursive_directory_iterator(TAPEGRAD_TESTS_DIR "/../" + std::string(folder)))
      if (file.path().extension() == ".h") {
        std::ifstream header(file.path());
        const std::string text{std::istreambuf_iterator<char>(header), {}};
        known.merge(matches(text, R"re(\b(?:Basic)?([A-Za-z]\w*))re"));
      }
  REQUIRE(known.count("Sequential") == 1);
  const std::string page = text_of("README.md");
  const std::size_t from = page.find("\n## What is there\n"), to = page.find("\n## ", from + 1);
  REQUIRE(to != std::string::npos);
  const auto names = matches(page.substr(from, to - from), R"re(`([A-Za-z_]\w*)(?:\(\))?`)re");
  REQUIRE(names.size() > 100);
  for (const std::string& name : names) CHECK_MESSAGE(known.count(name) == 1, name);
}
