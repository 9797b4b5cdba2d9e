#include "tapegrad/io/csv.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <clocale>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include "tapegrad/core/error.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

const CsvOptions no_header{.header = false};

/// A file that vanishes with the test.
struct TemporaryCsv {
  explicit TemporaryCsv(const std::string& text) {
    static int number = 0;
    const std::string name = "tapegrad-csv-" + std::to_string(getpid()) + "-" + std::to_string(number++) + ".csv";
    path = (fs::temp_directory_path() / name).string();
    std::ofstream(path, std::ios::binary) << text;
  }
  TemporaryCsv(const TemporaryCsv&) = delete;
  TemporaryCsv& operator=(const TemporaryCsv&) = delete;
  ~TemporaryCsv() { fs::remove(path); }
  std::string path;
};

f64::Table table(const std::string& text, const CsvOptions& options = {}) {
  return f64::read_csv(TemporaryCsv(text).path, options);
}

/// The error without "[csv] PATH", or "no error".
template <class Read> std::string error_of(const std::string& text, Read read) {
  const TemporaryCsv file(text);
  const std::string begin = "[csv] " + file.path;
  try {
    read(file.path);
  } catch (const Error& error) {
    const std::string what = error.what();
    CHECK(what.starts_with(begin));
    return what.substr(begin.size());
  }
  return "no error";
}
std::string table_error(const std::string& text, const CsvOptions& options = {}) {
  return error_of(text, [&](const std::string& path) { read_csv(path, options); });
}
std::string label_error(const std::string& text, std::string_view label = {}, const CsvOptions& options = {}) {
  return error_of(text, [&](const std::string& path) { load_csv(path, label, options); });
}

f64::Matrix matrix(Index rows, Index cols, std::initializer_list<double> values) {
  return BasicView<double>(values.begin(), rows, cols);
}

}  // namespace

TEST_CASE("csv: a table of numbers") {
  const f64::Table t = table("a,b,c\n1,2.5,-3e2\n+4,.5,0\n");
  CHECK(t.columns == std::vector<std::string>{"a", "b", "c"});
  CHECK(t.values == matrix(2, 3, {1, 2.5, -300, 4, 0.5, 0}));
  const f64::Table bare = table("1,2\n3,4\n", no_header);
  CHECK(bare.columns.empty());
  CHECK(bare.values == matrix(2, 2, {1, 2, 3, 4}));
  const TemporaryCsv file("x\n0.1\n");
  CHECK(read_csv(file.path).values(0, 0) == 0.1f);
  CHECK(read_csv<double>(file.path).values(0, 0) == 0.1);
}

TEST_CASE("csv: the ways to write the same table") {
  const f64::Matrix expected = matrix(2, 2, {1, 2, 3, 4});
  for (const std::string text : {"a,b\n1,2\n3,4\n", "a,b\n1,2\n3,4", "a,b\r\n1,2\r\n3,4\r\n", "a,b\r\n1,2\r\n3,4",
                                 "\xef\xbb\xbf"
                                 "a,b\n1,2\n3,4\n",
                                 "a,b\n1,2\n3,4\n\n\n", "a,b\r\n1,2\r\n3,4\r\n\r\n", "a, b\n 1 ,\t2\n3,4 \n",
                                 "\"a\",\"b\"\n\"1\",2\n3, \"4\" \n"}) {
    CAPTURE(text);
    const f64::Table t = table(text);
    CHECK(t.columns == std::vector<std::string>{"a", "b"});
    CHECK(t.values == expected);
  }
  CHECK(table("1;2\n3;4\n", {.separator = ';', .header = false}).values == expected);
  CHECK(table("1\t2\n3\t4\n", {.separator = '\t', .header = false}).values == expected);
  CHECK(table("1 2\n3 4\n", {.separator = ' ', .header = false}).values == expected);
}

TEST_CASE("csv: quotes") {
  const f64::Table t = table("\"width, cm\",\"the \"\"big\"\" one\",\"\"\n1,2,3\n");
  CHECK(t.columns == std::vector<std::string>{"width, cm", "the \"big\" one", ""});
  CHECK(table_error("a,b\n1,\"2\n") == ":2: column 2 has no closing quote");
  CHECK(table_error("a,b\n1,\"\n") == ":2: column 2 has no closing quote");
  CHECK(table_error("a,b\n1,\"2\"\"\n") == ":2: column 2 has no closing quote");
  CHECK(table_error("a,b\n\"1\"0,2\n") == ":2: column 1 has text after its closing quote");
}

TEST_CASE("csv: numbers do not depend on the locale and are read exactly") {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"})
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  const f64::Table t = table("0.1;1e-3;5e-324;1.7976931348623157e308\n", {.separator = ';', .header = false});
  std::setlocale(LC_ALL, before.c_str());
  CHECK(t.values == matrix(1, 4, {0.1, 1e-3, 5e-324, std::numeric_limits<double>::max()}));
  CHECK(table("1e-400,-1e-400\n", no_header).values == matrix(1, 2, {0, 0}));
  const TemporaryCsv small("1e-42,1e-60,16777217\n");
  CHECK(read_csv(small.path, no_header).values == (Matrix(1, 3) << 1e-42f, 0, 16777216).finished());
}

TEST_CASE("csv: fields that are not numbers") {
  CHECK(table_error("a,b,c\n1,2,3\n1,2,abc\n") == ":3: column 3 'abc' is not a number");
  CHECK(table_error("1,2\n1,2 3\n", no_header) == ":2: column 2 '2 3' is not a number");
  for (const std::string field : {"1.5x", "0x10", "1,5", "+", "-", "+-1", "++1", "--1", "1e", ".", "1_000",
                                  "\xc2\xa0"
                                  "1"})
    CHECK(table_error("a\n\"" + field + "\"\n") == ":2: column 1 '" + field + "' is not a number");
  CHECK(table_error("a,b\n1,\n") == ":2: column 2 is empty");
  CHECK(table_error("a,b\n,1\n") == ":2: column 1 is empty");
  CHECK(table_error("a,b\n  ,1\n") == ":2: column 1 is empty");
  CHECK(table_error("a,b\n1,\"\"\n") == ":2: column 2 is empty");
  CHECK(table_error("a\n1e999\n") == ":2: column 1 '1e999' is out of range");
  CHECK(table_error("a\n-1e39\n") == ":2: column 1 '-1e39' is out of range");  // a float
  CHECK(table_error("a\n" + std::string(100, 'y') + "\n") ==
        ":2: column 1 '" + std::string(40, 'y') + "...' is not a number");
  CHECK(table_error(std::string("a\n\x1b[31m\0\n", 9)) == ":2: column 1 '?[31m?' is not a number");
}

TEST_CASE("csv: numbers that are not finite") {
  CHECK(table_error("a,b\n1,nan\n") == ":2: column 2 'nan' is not finite");
  CHECK(table_error("a,b\n-inf,1\n") == ":2: column 1 '-inf' is not finite");
  const f64::Table t = table("nan,inf,-Infinity,NaN\n", {.header = false, .allow_non_finite = true});
  CHECK(std::isnan(t.values(0, 0)));
  CHECK(t.values(0, 1) == std::numeric_limits<double>::infinity());
  CHECK(t.values(0, 2) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(t.values(0, 3)));
  CHECK(table_error("1e999\n", {.header = false, .allow_non_finite = true}) ==
        ":1: column 1 '1e999' is out of range");
}

TEST_CASE("csv: rows of the wrong form") {
  CHECK(table_error("a,b,c\n1,2,3\n1,2\n") == ":3: 2 columns, the first line has 3");
  CHECK(table_error("a,b\n1,2,3\n") == ":2: 3 columns, the first line has 2");
  CHECK(table_error("1,2\n3\n", no_header) == ":2: 1 column, the first line has 2");
  CHECK(table_error("a,b\n1,2,\n") == ":2: 3 columns, the first line has 2");
  CHECK(table_error("a\n1\n\n2\n") == ":3: line is blank");
  CHECK(table_error("\na\n1\n") == ":1: line is blank");
  CHECK(table_error("a\n1\n\r\n\n2\n") == ":3: line is blank");
}

TEST_CASE("csv: files without rows, or that cannot be read") {
  for (const std::string text : {"", "\n", "\r\n\r\n", "\xef\xbb\xbf", "\xef\xbb\xbf\n"}) {
    CHECK(table_error(text) == ": file is empty");
    CHECK(table_error(text, no_header) == ": file is empty");
    CHECK(label_error(text) == ": file is empty");
  }
  CHECK(table_error("a,b\n") == ": no row follows the header");
  CHECK(table_error("a,b\n\n") == ": no row follows the header");
  CHECK_THROWS_WITH_AS(read_csv("/nowhere/x.csv"), "[csv] /nowhere/x.csv: cannot open: No such file or directory",
                       Error);
  CHECK_THROWS_WITH_AS(read_csv("/"), "[csv] /: cannot read: Is a directory", Error);
  CHECK_THROWS_WITH_AS(read_csv("/", {.separator = '.'}), "[csv] '.' cannot separate numbers", Error);
  CHECK_THROWS_WITH_AS(read_csv("/", {.separator = '\n'}), "[csv] '?' cannot separate numbers", Error);
}

TEST_CASE("csv: the length of a line is bounded") {
  CHECK(table_error("a\n12345\n", {.max_line = 5}) == "no error");
  CHECK(table_error("a\n123456\n", {.max_line = 5}) == ":2: line is longer than 5 bytes");
  CHECK(table_error(std::string(2 << 20, '1'), no_header) == ":1: line is longer than 1048576 bytes");
}

TEST_CASE("csv: a label column, last or named") {
  const TemporaryCsv file("x,kind,y\n1,0,2\n3,2,4\n5,1,6\n");
  const Dataset named = load_csv(file.path, "kind");
  CHECK(named.inputs == (Matrix(3, 2) << 1, 2, 3, 4, 5, 6).finished());
  CHECK(named.labels == std::vector<int>{0, 2, 1});
  CHECK(named.classes == 3);
  CHECK(named.image_rows == 0);
  const f64::Dataset last = f64::load_csv(file.path);
  CHECK(last.inputs == matrix(3, 2, {1, 0, 3, 2, 5, 1}));
  CHECK(last.labels == std::vector<int>{2, 4, 6});
  CHECK(last.classes == 7);
  const TemporaryCsv bare("0.5;1\n");
  CHECK(load_csv(bare.path, "", {.separator = ';', .header = false}).labels == std::vector<int>{1});
}

TEST_CASE("csv: labels that are wrong") {
  CHECK(label_error("x,species\n1,0\n", "speces") == ":1: no column named 'speces'; did you mean 'species'?");
  CHECK(label_error("x,species\n1,0\n", "weight") == ":1: no column named 'weight'");
  CHECK(label_error("y,x,y\n1,2,3\n", "y") == ":1: more than one column is named 'y'");
  CHECK(label_error("1,2\n", "y", no_header) == ": label column 'y' cannot be found without a header");
  CHECK(label_error("y\n1\n", "y") == ":1: a label and at least one other column are needed, there is 1 column");
  for (const std::string field : {"1.0", "-1", "cat", "", "nan", "2147483647", "99999999999"})
    CHECK(label_error("x,y\n1,0\n1," + field + "\n") ==
          ":3: column 2 '" + field + "' is not a label, a whole number from 0");
  CHECK(label_error("x,y\n1,2147483646\n") == "no error");
}

TEST_CASE("csv: a first line of numbers is not taken for names") {
  CHECK(table_error("6,148,1\n1,85,0\n8,183,1\n") ==
        ":1: the header is a row of numbers; read a file without a header with {.header = false}");
  CHECK(table("0,1,2\n6,148,1\n").columns == std::vector<std::string>{"0", "1", "2"});  // as pandas names columns
  CHECK(table("0,b,2\n6,148,1\n").columns == std::vector<std::string>{"0", "b", "2"});
}
