#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tapegrad/core/softmax.h"

/// The README's table of activations is printed by `activations --markdown`; here it is held to the facts.

namespace tg = tapegrad;

namespace {

using Row = std::vector<std::string>;

std::string trimmed(const std::string& text) {
  const std::size_t from = text.find_first_not_of(' ');
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

/// The cells of a line "| a | b |"; an escaped bar belongs to its cell.
Row cells_of(const std::string& line) {
  Row cells;
  std::string cell;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '|') {
      cell += line[++i];
    } else if (line[i] == '|') {
      cells.push_back(trimmed(cell));
      cell.clear();
    } else {
      cell += line[i];
    }
  }
  return cells;
}

/// The rows of the table by name; the head of the table is under "".
std::map<std::string, Row> table_of_readme() {
  std::ifstream file(std::string(TAPEGRAD_TESTS_DIR) + "/../README.md");
  REQUIRE(file.good());
  std::map<std::string, Row> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("| name | formula |", 0) == 0) {
      rows[""] = cells_of(line);
    } else if (!rows.empty()) {
      if (line.empty() || line[0] != '|') break;
      const Row cells = cells_of(line);
      const std::size_t from = cells[0].find('`');
      if (from == std::string::npos) continue;  // the rule below the head
      const std::string name = cells[0].substr(from + 1, cells[0].find('`', from + 1) - from - 1);
      CHECK_MESSAGE(rows.count(name) == 0, fmt::format("{} has two rows", name));
      rows[name] = cells;
    }
  }
  return rows;
}

/// Reads "−0.2785", "−∞" or "∞", and moves `text` behind it.
double read_number(std::string& text) {
  const std::string minus = "−", infinity = "∞";
  double sign = 1;
  if (text.rfind(minus, 0) == 0) {
    sign = -1;
    text.erase(0, minus.size());
  }
  if (text.rfind(infinity, 0) == 0) {
    text.erase(0, infinity.size());
    return sign * INFINITY;
  }
  std::size_t length = 0;
  const double value = std::stod(text, &length);
  text.erase(0, length);
  return sign * value;
}

/// What the README may say of a number: four significant digits.
bool same(double written, double fact) {
  if (std::isinf(fact) || fact == 0) return written == fact;
  return std::abs(written - fact) <= 0.51e-3 * std::abs(fact);
}

/// The whole text of a cell with settings or kinks: "0 (0.01)", "−3 (0), 3 (1)", "–" for none.
std::vector<tg::Kink> read_kinks(std::string text) {
  std::vector<tg::Kink> kinks;
  if (text == "–") return kinks;
  while (!text.empty()) {
    tg::Kink kink;
    kink.at = read_number(text);
    REQUIRE(text.rfind(" (", 0) == 0);
    text.erase(0, 2);
    kink.slope = read_number(text);
    REQUIRE(text.rfind(")", 0) == 0);
    text.erase(0, 1);
    if (text.rfind(", ", 0) == 0) text.erase(0, 2);
    kinks.push_back(kink);
  }
  return kinks;
}

std::vector<std::string> library_activations() {
#define TAPEGRAD_NAME(Rule, ...) std::string(tg::Rule::name),
  return {TAPEGRAD_ELEMENTWISE_ACTIVATIONS(TAPEGRAD_NAME) TAPEGRAD_STRUCTURED_ACTIVATIONS(TAPEGRAD_NAME)};
#undef TAPEGRAD_NAME
}

}  // namespace

TEST_CASE("the README has a row for every activation of the library, and none else") {
  std::map<std::string, Row> rows = table_of_readme();
  REQUIRE_MESSAGE(!rows.empty(), "README.md has no table of activations");
  CHECK(rows[""] == Row{"name", "formula", "range", "sup |f′|", "kinks (f′ used there)", "saturates"});
  rows.erase("");
  for (const std::string& name : library_activations())
    CHECK_MESSAGE(rows.erase(name) == 1, fmt::format("{} has no row", name));
  for (const auto& row : rows) FAIL_CHECK(fmt::format("{} is in the table, but not in the library", row.first));
}

TEST_CASE("the README's table of activations states the facts") {
  const std::map<std::string, Row> rows = table_of_readme();
  for (const std::string& name : library_activations()) {
    CAPTURE(name);
    const auto found = rows.find(name);
    if (found == rows.end()) continue;  // the case above says so
    const Row& row = found->second;
    REQUIRE(row.size() == 6);
    const tg::Activation f = tg::activation(name);
    const tg::Facts facts = f.facts();

    std::string settings;
    for (const auto& setting : f.settings())
      settings += fmt::format(" ({} = {:.4g})", setting.first, setting.second);
    CHECK(row[0] == "`" + name + "`" + settings);
    CHECK(row[1] == facts.formula);

    std::string range = row[2];
    CHECK(same(read_number(range), facts.lower));
    REQUIRE(range.rfind(" … ", 0) == 0);
    range.erase(0, std::string(" … ").size());
    CHECK(same(read_number(range), facts.upper));
    CHECK(range.empty());

    std::string steepest = row[3];
    CHECK(same(read_number(steepest), facts.sup_slope));
    CHECK(steepest.empty());

    const std::vector<tg::Kink> kinks = read_kinks(row[4]);
    REQUIRE(kinks.size() == facts.kinks.size());
    for (std::size_t i = 0; i < kinks.size(); ++i) {
      CHECK(same(kinks[i].at, facts.kinks[i].at));
      CHECK(same(kinks[i].slope, facts.kinks[i].slope));
    }
    CHECK((row[5] == "left" || row[5] == "both") == facts.saturates_left);
    CHECK((row[5] == "right" || row[5] == "both") == facts.saturates_right);
    CHECK((row[5] == "–") == (!facts.saturates_left && !facts.saturates_right));
  }
}

TEST_CASE("the README names every op, loss, layer, initializer, optimizer and schedule") {
  const std::string root = std::string(TAPEGRAD_TESTS_DIR) + "/../";
  const auto text_of = [&](const std::string& file) {
    std::ifstream stream(root + file);
    REQUIRE_MESSAGE(stream.good(), file);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  const std::string readme = text_of("README.md");
  const std::string list = readme.substr(readme.find("## What is there"), readme.find("## In your own project"));
  const std::vector<std::pair<std::string, std::regex>> declared{
      {"core/arithmetic.h", std::regex(R"(_(?:UNARY|BINARY)_RULE\((\w+), )")},
      {"core/matmul.h", std::regex(R"(BasicVar<T> (\w+)\()")},
      {"core/reduction.h", std::regex(R"(BasicVar<T> (\w+)\()")},
      {"core/indexing.h", std::regex(R"(BasicVar<T> (\w+)\()")},
      {"core/losses.h", std::regex(R"(BasicVar<T> (\w+)\()")},
      {"core/grad.h", std::regex(R"(BasicVar<T>>? (\w+)\()")},
      {"layers/initializer.h", std::regex(R"(\nInitializer (\w+)\()")},
      {"optim/optimizers.h", std::regex(R"(X\((\w+)\))")},
      {"optim/schedule.h", std::regex(R"(\nstruct (\w+) \{)")},
      {"io/toy.h", std::regex(R"(BasicDataset<T> (\w+)\()")},
      {"layers/normalization.h", std::regex(R"(class Basic(\w+) : public BasicNormalization)")}};
  const std::set<std::string> others{"initializer", "sigmoid_slope", "prelu",
                                     "X"};  // no op or value that is for users
  int names = 0;
  for (const auto& each : declared) {
    const std::string& file = each.first;
    const std::regex& pattern = each.second;
    const std::string source = text_of(file);
    int here = 0;
    for (std::sregex_iterator it(source.begin(), source.end(), pattern); it != std::sregex_iterator();
         ++it, ++here) {
      const std::string name = (*it)[1];
      if (others.count(name) == 0)
        CHECK_MESSAGE(list.find("`" + name + "`") != std::string::npos, fmt::format("{} of {}", name, file));
    }
    CHECK_MESSAGE(here > 0, file);
    names += here;
  }
  CHECK(names > 60);
}
