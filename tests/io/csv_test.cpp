#include "tapegrad/io/csv.h"

#include <doctest/doctest.h>
#include <unistd.h>
#include <zlib.h>

#include <clocale>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "tapegrad/core/error.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

const CsvOptions no_header{.header = false};
const std::string missing = "; drop such rows with {.missing = Missing::drop_row}, or fill in with Missing::mean";

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
  const std::string quote_note = " (quotes do not go over the end of a line)";
  const f64::Table t = table("\"width, cm\",\"the \"\"big\"\" one\",\"\"\n1,2,3\n");
  CHECK(t.columns == std::vector<std::string>{"width, cm", "the \"big\" one", ""});
  CHECK(table_error("a,b\n1,\"2\n") == ":2: column 2 has no closing quote" + quote_note);
  CHECK(table_error("a,b\n1,\"\n") == ":2: column 2 has no closing quote" + quote_note);
  CHECK(table_error("a,b\n1,\"2\"\"\n") == ":2: column 2 has no closing quote" + quote_note);
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
  CHECK(table_error("a,b,c\n1,2,3\n1,2,abc\n") ==
        ":3: column 3 'abc' is not a number; make it a label with {.label = \"c\"}");
  CHECK(table_error("1,2\n1,2 3\n") == ":2: column 2 '2 3' is not a number; make it a label with {.label = 2}");
  CHECK(
      table_error("a,b,c\n1,2,3\n1,abc,2\n") ==
      ":3: column 2 'abc' is not a number; leave it out with {.skip = {\"b\"}}, or make it columns of 0 and 1 with "
      "{.one_hot = {\"b\"}}");
  CHECK(label_error("1,2,0\n1,2,1\nabc,2,1\n") ==
        ":3: column 1 'abc' is not a number; leave it out with {.skip = {1}}, or make it columns of 0 and 1 with "
        "{.one_hot = {1}}");
  for (const std::string field : {"1.5x", "0x10", "1,5", "+", "-", "+-1", "++1", "--1", "1e", ".", "1_000",
                                  "\xc2\xa0"
                                  "1"})
    CHECK(table_error("a\n\"" + field + "\"\n") ==
          ":2: column 1 '" + field + "' is not a number; make it a label with {.label = \"a\"}");
  CHECK(table_error("a,b\n1,\n") == ":2: column 2 is empty" + missing);
  CHECK(table_error("a,b\n,1\n") == ":2: column 1 is empty" + missing);
  CHECK(table_error("a,b\n  ,1\n") == ":2: column 1 is empty" + missing);
  CHECK(table_error("a,b\n1,\"\"\n") == ":2: column 2 is empty" + missing);
  CHECK(table_error("a\n1e999\n") == ":2: column 1 '1e999' is out of range");
  CHECK(table_error("a\n-1e39\n") == ":2: column 1 '-1e39' is out of range");  // a float
  CHECK(table_error("a\n" + std::string(100, 'y') + "\n") ==
        ":2: column 1 '" + std::string(40, 'y') + "...' is not a number; make it a label with {.label = \"a\"}");
  CHECK(table_error(std::string("a\n\x1b[31m\0\n", 9)) ==
        ":2: column 1 '?[31m?' is not a number; make it a label with {.label = \"a\"}");
}

TEST_CASE("csv: numbers that are not finite") {
  CHECK(table_error("a,b\n1,nan\n") == ":2: column 2 'nan' is missing" + missing);
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

TEST_CASE("csv: text of another kind") {
  const auto wide = [](std::string_view order, std::string_view text) {
    std::string bytes(order);
    for (const char c : text) bytes += order == "\xff\xfe" ? std::string{c, '\0'} : std::string{'\0', c};
    return bytes;
  };
  CHECK(table_error(wide("\xff\xfe", "a,b\n1,2\n")) == ": the text is UTF-16; save it as UTF-8");
  CHECK(table_error(wide("\xfe\xff", "a,b\n1,2\n")) == ": the text is UTF-16; save it as UTF-8");
  CHECK(table_error("a,b\r1,2\r3,4\r") == ": lines end with a carriage return alone; save it with line feeds");
  CHECK(table("a,b\r\n1,2").values == matrix(1, 2, {1, 2}));
}

TEST_CASE("csv: the length of a line is bounded") {
  CHECK(table_error("a\n12345\n", {.max_line = 5}) == "no error");
  CHECK(table_error("a\n123456\n", {.max_line = 5}) == ":2: line is longer than 5 bytes");
  CHECK(table_error(std::string(2 << 20, '1'), no_header) == ":1: line is longer than 1048576 bytes");
}

TEST_CASE("csv: a label column, last, named or numbered") {
  const TemporaryCsv file("x,kind,y\n1,0,2\n3,2,4\n5,1,6\n");
  for (const Dataset& named : {load_csv(file.path, "kind"), load_csv(file.path, {.label = "kind"}),
                               load_csv(file.path, {.label = 2}), load_csv(file.path, {.label = -2})}) {
    CHECK(named.inputs == (Matrix(3, 2) << 1, 2, 3, 4, 5, 6).finished());
    CHECK(named.labels == std::vector<int>{0, 2, 1});
    CHECK(named.classes == 3);
    CHECK(named.class_names == std::vector<std::string>{"0", "1", "2"});
    CHECK(named.columns == std::vector<std::string>{"x", "y"});
    CHECK(named.image_rows == 0);
  }
  const f64::Dataset last = f64::load_csv(file.path);
  CHECK(last.inputs == matrix(3, 2, {1, 0, 3, 2, 5, 1}));
  CHECK(last.labels == std::vector<int>{2, 4, 6});
  CHECK(last.classes == 7);
  const TemporaryCsv bare("0.5;1\n");
  CHECK(load_csv(bare.path, "", {.separator = ';', .header = false}).labels == std::vector<int>{1});
}

TEST_CASE("csv: whole numbers are labels however they are written") {
  const TemporaryCsv file("x,y\n1,0\n1,1.0\n1,+1\n1,1e0\n1,\"1\"\n1,-0\n1, 2 \n");
  const Dataset data = load_csv(file.path);
  CHECK(data.labels == std::vector<int>{0, 1, 1, 1, 1, 0, 2});
  CHECK(data.classes == 3);
  const TemporaryCsv signs("1,+1\n1,-1\n1,0.0\n1,1\n");
  CHECK(load_csv(signs.path).labels == std::vector<int>{2, 0, 1, 2});
  CHECK(load_csv(signs.path).class_names == std::vector<std::string>{"-1", "0", "1"});
}

TEST_CASE("csv: labels of text become classes with names, in their order") {
  const TemporaryCsv file("x,tree\n1,pine\n2,oak\n3,\"fir, red\"\n4,oak\n");
  const Dataset data = load_csv(file.path);
  CHECK(data.labels == std::vector<int>{2, 1, 0, 1});
  CHECK(data.class_names == std::vector<std::string>{"fir, red", "oak", "pine"});
  const Dataset stated = load_csv(file.path, {.classes = {"elm", "oak", "pine", "fir, red"}});
  CHECK(stated.labels == std::vector<int>{2, 1, 3, 1});
  CHECK(stated.classes == 4);
  const TemporaryCsv numbers("1,3\n1,8.0\n1,3\n");
  const Dataset wine = load_csv(numbers.path, {.classes = {"3", "4", "8"}});
  CHECK(wine.labels == std::vector<int>{0, 2, 0});
  CHECK(wine.classes == 3);
}

TEST_CASE("csv: labels that are wrong") {
  CHECK(label_error("x,species\n1,0\n", "speces") == ":1: no column named 'speces'; did you mean 'species'?");
  CHECK(label_error("x,species\n1,0\n", "weight") == ":1: no column named 'weight'");
  CHECK(label_error("y,x,y\n1,2,3\n", "y", {.header = true}) == ":1: more than one column is named 'y'");
  CHECK(label_error("1,2\n", "y", no_header) == ": column 'y' cannot be found without a header; use its number");
  CHECK(label_error("1,2\n3,4\n", "", {.label = 3}) == ": there is no column 3, only 1 to 2");
  CHECK(label_error("1,2\n3,4\n", "", {.label = -3}) == ": there is no column -3, only 1 to 2");
  CHECK(label_error("1,2\n3,4\n", "", {.label = 0}) == ": columns are counted from 1, there is no column 0");
  const std::string alone =
      ":1: a label and at least one other column are needed, there is 1 column; if it is not tab, ;, "
      "comma or blank that separates them, say what does: {.separator = '|'}";
  CHECK(label_error("y\n1\n", "y") == alone);
  CHECK(label_error("x|y\n1|2\n") == alone);
  CHECK(label_error("x,y\n1,a\n", "", {.classes = {"a", "b", "a"}}) == ": 'a' is stated twice");
  CHECK(label_error("x,y\n1,1\n", "", {.classes = {"1", "2", "+1.0"}}) == ": '+1.0' is stated twice");
  CHECK(label_error("x,y\n1,0\n", "", {.classes = {"-0", "0"}}) == ": '0' is stated twice");
  const std::string drop = "drop such rows with {.missing = Missing::drop_row}";
  CHECK(label_error("x,y\n1,0\n1,\n") == ":3: column 2 is empty" + missing);
  CHECK(label_error("x,y\n1,0\n1,?\n", "", {.missing = Missing::mean}) ==
        ":3: column 2 '?' is missing, a label cannot be filled in; " + drop);
  CHECK(label_error("x,y\n1,0\n1,cat\n1,2\n") ==
        ":3: column 2 'cat' is a label among numbers; if they are classes, state all with {.classes = {...}}");
  CHECK(label_error("x,y\n1,24.0\n1,21.6\n") ==
        ":3: column 2 '21.6' is not a class; read targets that are numbers with read_csv");
  for (const std::string field : {"-2147483648", "99999999999", "inf"})
    CHECK(label_error("x,y\n1,0\n1," + field + "\n") ==
          ":3: column 2 '" + field + "' is not a class; read targets that are numbers with read_csv");
  CHECK(label_error("x,y\n1,65536\n1,0\n") ==
        ":2: column 2 '65536' is too large for a class; state the labels with {.classes = {...}}");
  CHECK(label_error("x,y\n1,65535\n1,0\n") == "no error");
  CHECK(label_error("x,y\n1,oak\n1,oka\n", "", {.classes = {"elm", "oak"}}) ==
        ":3: column 2 'oka' is none of 'elm', 'oak'; did you mean 'oak'?");
}

TEST_CASE("csv: the last column with one label is not what was meant") {
  CHECK(label_error("label,p0,p1\n1,5,0\n0,7,0\n") ==
        ": every label is '0' in column 3, the last one; choose another with {.label = \"label\"}");
  CHECK(label_error("1,5,0\n0,7,0\n") ==
        ": every label is '0' in column 3, the last one; choose another with {.label = ...}");
  CHECK(label_error("label,p0,p1\n1,5,0\n0,7,0\n", "p1") == "no error");
  CHECK(label_error("1,5,0\n0,7,0\n", "", {.classes = {"0", "1"}}) == "no error");
}

TEST_CASE("csv: columns are chosen and left out") {
  const TemporaryCsv file("id,name,a,b,y\n7,Ann,1,2,0\n8,Bob,3,4,1\n");
  const f64::Table chosen = f64::read_csv(file.path, {.columns = {"b", 1}});
  CHECK(chosen.columns == std::vector<std::string>{"id", "b"});
  CHECK(chosen.values == matrix(2, 2, {7, 2, 8, 4}));
  const f64::Dataset rest = f64::load_csv(file.path, {.skip = {1, "name"}});
  CHECK(rest.columns == std::vector<std::string>{"a", "b"});
  CHECK(rest.inputs == matrix(2, 2, {1, 2, 3, 4}));
  CHECK(f64::load_csv(file.path, {.columns = {"a"}}).inputs == matrix(2, 1, {1, 3}));
  CHECK(f64::load_csv(file.path, {.columns = {"a", "y"}}).inputs == matrix(2, 1, {1, 3}));
  CHECK(table_error("a,b\n1,2\n", {.skip = {"a", "b"}}) == ": no column is left to be read");
  CHECK(table_error("a,b\n1,2\n", {.skip = {"weight"}}) == ":1: no column named 'weight'");
  CHECK(label_error("a,b\n1,2\n", "b", {.skip = {"b"}}) == ": column \"b\" is both label and left out");
  CHECK(label_error("a,b\n1,2\n", "b", {.one_hot = {"b"}}) == ": column \"b\" is both label and one-hot");
  CHECK(table_error("1,2\n3,4\n", {.skip = {2}, .one_hot = {2}}) == ": column 2 is both one-hot and left out");
  CHECK(table_error("1,2\n3,4\n", {.one_hot = {2, -1}}) == ": column 2 is one-hot twice");
  CHECK_THROWS_WITH_AS(read_csv(file.path, {.label = "y"}), "[csv] read_csv makes no labels; use load_csv", Error);
}

TEST_CASE("csv: missing values") {
  const std::string text = "a,b,y\n1,2,0\n,4,1\n?,NaN,0\n5,NA,2\n3,6,1\n";
  CHECK(table_error(text) == ":3: column 1 is empty" + missing);
  CHECK(table_error("a,b\n1,NA\n") == ":2: column 2 'NA' is missing" + missing);
  CHECK(table_error("a,b\n1,N/A\n") == ":2: column 2 'N/A' is not a number; make it a label with {.label = \"b\"}");
  CHECK(table(text, {.missing = Missing::drop_row}).values == matrix(2, 3, {1, 2, 0, 3, 6, 1}));
  CHECK(table(text, {.missing = Missing::mean}).values ==
        matrix(5, 3, {1, 2, 0, 3, 4, 1, 3, 4, 0, 5, 4, 2, 3, 6, 1}));
  CHECK(table(text, {.missing = Missing::value, .fill = -1}).values ==
        matrix(5, 3, {1, 2, 0, -1, 4, 1, -1, -1, 0, 5, -1, 2, 3, 6, 1}));
  const TemporaryCsv file(text);
  const Dataset dropped = load_csv(file.path, {.missing = Missing::drop_row});
  CHECK(dropped.labels == std::vector<int>{0, 1});
  CHECK(dropped.classes == 2);  // nobody knows of the 2 in a row that was left out
  CHECK(table_error("a,b\n1,\n2,?\n", {.missing = Missing::mean}) ==
        ": column 2 has no value to take a mean of; leave it out with {.skip = {\"b\"}}");
  CHECK(table_error("a,b\n1,\n2,?\n", {.missing = Missing::drop_row}) == ": every row has a missing value");
  CHECK(table("a,b\n1,\n2,3\n", {.skip = {"b"}}).values == matrix(2, 1, {1, 2}));
  // Neither far from zero nor near the largest number is a mean lost.
  CHECK(table("a\n1e308\n1.5e308\nNA\n", {.missing = Missing::mean}).values(2, 0) ==
        doctest::Approx(1.25e308).scale(0));
  const f64::Table kept =
      table("nan,1\n3,NA\n", {.missing = Missing::mean, .header = false, .allow_non_finite = true});
  CHECK(std::isnan(kept.values(0, 0)));
  CHECK(kept.values(1, 1) == 1);
}

TEST_CASE("csv: text becomes columns of zeros and ones") {
  const std::string text = "sex,age,port,y\nmale,22,S,0\nfemale,38,C,1\nfemale,26,S,1\nmale,35,,0\n";
  const TemporaryCsv file(text);
  CsvOptions options{.one_hot = {"sex", "port"}, .missing = Missing::mean};
  const f64::Dataset data = f64::load_csv(file.path, options);
  CHECK(data.columns == std::vector<std::string>{"sex=female", "sex=male", "age", "port=C", "port=S"});
  const double third = 1.0 / 3;
  CHECK(data.inputs == matrix(4, 5, {0, 1, 22, 0, 1, 1, 0, 38, 1, 0, 1, 0, 26, 0, 1, 0, 1, 35, third, 2 * third}));
  options.missing = Missing::value;
  CHECK(f64::load_csv(file.path, options).inputs.row(3) == matrix(1, 5, {0, 1, 35, 0, 0}));
  options.missing = Missing::drop_row;
  CHECK(f64::load_csv(file.path, options).inputs.rows() == 3);
  options.missing = Missing::error;
  CHECK_THROWS_WITH_AS(f64::load_csv(file.path, options),
                       ("[csv] " + file.path + ":5: column 3 is empty" + missing).c_str(), Error);
}

TEST_CASE("csv: one-hot columns that are stated, numbered or too many") {
  const f64::Table stated = table("m,1\nf,2\n", {.one_hot = {{1, {"f", "m", "x"}}}});
  CHECK(stated.values == matrix(2, 4, {0, 1, 0, 1, 1, 0, 0, 2}));
  CHECK(stated.columns.empty());
  CHECK(table_error("m,1\nother,2\n", {.one_hot = {{1, {"f", "m"}}}}) ==
        ":2: column 1 'other' is none of 'f', 'm'");
  CHECK(table("k\n3\n1\n", {.one_hot = {"k"}, .header = true}).columns == std::vector<std::string>{"k=1", "k=3"});
  CHECK(table("p,q,1\nr,q,2\n", {.one_hot = {1, 2}, .missing = Missing::drop_row}).values ==
        matrix(2, 4, {1, 0, 1, 1, 0, 1, 1, 2}));
  std::string many = "id,x\n";
  for (int i = 0; i <= 256; ++i) many += "n" + std::to_string(i) + ",1\n";
  CHECK(table_error(many, {.one_hot = {"id"}}) ==
        ":258: column 1 'n256' is one of more than 256 different texts, too many for one-hot");
}

TEST_CASE("csv: a header is recognized") {
  const auto rows = [](const std::string& text, const CsvOptions& options = {}) {
    return table(text, options).values.rows();
  };
  CHECK(rows("6,148,1\n1,85,0\n8,183,1\n") == 3);
  CHECK(table("6,148,1\n1,85,0\n").columns.empty());
  CHECK(rows("a,b\n1,2\n") == 1);
  CHECK(rows("a,NA\n1,2\n") == 1);  // a name like any other
  CHECK(table(",a,b\n0,1,2\n").columns == std::vector<std::string>{"", "a", "b"});
  CHECK(rows("5\n") == 1);
  CHECK(rows("x\n\"y\"\n", {.one_hot = {1}, .header = false}) == 2);
  const TemporaryCsv text("x,x,a\nx,o,b\n");  // no names: two columns would have the same
  CHECK(load_csv(text.path, {.one_hot = {1, 2}}).size() == 2);
  CHECK(table("2019,2020\n5,6\n", {.header = true}).columns == std::vector<std::string>{"2019", "2020"});
  CHECK(rows("0,1,2\n6,148,1\n", {.header = false}) == 2);
  CHECK(rows("0,1,2\n") == 1);

  const std::string either =
      ":1: the first line may be names or a sample; say which with {.header = true} or {.header = false}";
  CHECK(table_error("0,1,2\n6,148,1\n") == either);  // pandas without names, or a sample
  CHECK(table_error("0,1,2\n6,148,1") == either);    // the last line has no end
  CHECK(table_error("0,b,2\n6,148,1\n") == either);
  CHECK(label_error("p,x\nq,y\n", "", {.one_hot = {1}}) == either);
  CHECK(table("0,1,2\n6,148,1\n", {.header = true}).columns == std::vector<std::string>{"0", "1", "2"});
  CHECK(table("0,b,2\n6,148,1\n", {.header = true}).columns == std::vector<std::string>{"0", "b", "2"});
}

TEST_CASE("csv: separators are found") {
  const f64::Matrix expected = matrix(2, 2, {1.5, 2, 3, 4});
  for (const std::string text : {"a,b\n1.5,2\n3,4\n", "a;b\n1.5;2\n3;4\n", "a\tb\n1.5\t2\n3\t4\n",
                                 "a b\n1.5 2\n3 4\n", "  a   b\n  1.5  2\n3\t 4  \n", "a,b;c\n1.5;2\n3;4\n",
                                 "\"x;y\",b\n1.5,2\n3,4\n", "\"a a\" b\n1.5 2\n3 4\n"}) {
    CAPTURE(text);
    CHECK(table(text).values == expected);
  }
  CHECK(table("a,b;c\n1.5;2\n").columns == std::vector<std::string>{"a,b", "c"});
  CHECK(table("sepal length\n5.1\n").columns == std::vector<std::string>{"sepal length"});
  CHECK(table_error("1 2\n3\n", no_header) ==
        ":1: column 1 '1 2' is not a number; make it a label with {.label = 1}");
  CHECK(table_error("1 2\n3\n", {.separator = ' '}) == ":2: 1 column, the first line has 2");
  CHECK(table("a|b\n1|2\n", {.separator = '|'}).values == matrix(1, 2, {1, 2}));
}

TEST_CASE("csv: numbers are rounded as the standard library rounds them") {
  // Digits up to 2^53, powers of ten up to 22, floats between two neighbours, and what lies just beyond.
  const std::vector<std::string> texts = {"9007199254740992",
                                          "9007199254740993",
                                          "1e22",
                                          "1e23",
                                          "123456789012345678e-5",
                                          "16777217",
                                          "16777219",
                                          "0.1",
                                          "3.4028235e38",
                                          "1.17549435e-38",
                                          "1e-45",
                                          "2.2250738585072011e-308",
                                          "00000000000000000000001",
                                          "1.",
                                          ".5",
                                          "-0",
                                          "0.5000025928020477",
                                          "59.79854774475098",
                                          "1.00000017881393432617187499",
                                          "1.00000017881393432617187500",
                                          "0e5",
                                          "7e-22",
                                          "8388608.5",
                                          "8388609.5",
                                          "1E+05",
                                          "12345678901234567890",
                                          "-1e-10"};
  for (const std::string& text : texts) {
    CAPTURE(text);
    CHECK(table(text + "\n", no_header).values(0, 0) == std::strtod(text.c_str(), nullptr));
    const TemporaryCsv file(text + "\n");
    CHECK(read_csv(file.path, no_header).values(0, 0) == std::strtof(text.c_str(), nullptr));
  }
  CHECK(std::signbit(table("-0\n", no_header).values(0, 0)));
  for (const std::string field : {"1e", "1e+", "1e5x", "1.2.3", "5-", "1 2", "e5", "--5"})
    CHECK(table_error(field + ",1\n", no_header).starts_with(":1: column 1 '" + field + "' is not a number"));
}

TEST_CASE("csv: gzip is read by content") {
  const TemporaryCsv plain("a,b\n1,2\n3,4\n");
  const std::string path = plain.path + ".gz";
  const gzFile file = gzopen(path.c_str(), "wb");
  gzputs(file, "a,b\n1,2\n3,4\n");
  gzclose(file);
  CHECK(f64::read_csv(path).values == matrix(2, 2, {1, 2, 3, 4}));
  fs::resize_file(path, fs::file_size(path) - 9);
  CHECK_THROWS_WITH_AS(
      read_csv(path), ("[csv] " + path + ": gzip stream is truncated, after 12 decompressed bytes").c_str(), Error);
  fs::remove(path);
}

TEST_CASE("csv: lines that are longer than the buffer, and files of many of them") {
  std::string text;
  double sum = 0;
  for (int row = 0; row < 40; ++row) {
    for (int column = 0; column < 5000; ++column) {
      text += (column > 0 ? "," : "") + std::to_string(row * column % 1000) + ".25";
      sum += row * column % 1000 + 0.25;
    }
    text += "\n";
  }
  const f64::Table t = table(text);
  CHECK(t.values.rows() == 40);
  CHECK(t.values.cols() == 5000);
  CHECK(t.values.sum() == sum);
  std::string wide = std::string(900000, ' ') + "1,2\n3," + std::string(900000, ' ') + "4";
  CHECK(table(wide).values == matrix(2, 2, {1, 2, 3, 4}));
}

// The first lines of files as they are published.

TEST_CASE("csv: iris.data") {
  const TemporaryCsv file(
      "5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n7.0,3.2,4.7,1.4,Iris-versicolor\n"
      "6.3,3.3,6.0,2.5,Iris-virginica\n5.8,2.7,5.1,1.9,Iris-virginica\n\n");
  const f64::Dataset iris = f64::load_csv(file.path);
  CHECK(iris.inputs.rows() == 5);
  CHECK(iris.inputs.row(0) == matrix(1, 4, {5.1, 3.5, 1.4, 0.2}));
  CHECK(iris.labels == std::vector<int>{0, 0, 1, 2, 2});
  CHECK(iris.class_names == std::vector<std::string>{"Iris-setosa", "Iris-versicolor", "Iris-virginica"});
}

TEST_CASE("csv: titanic.csv") {
  const TemporaryCsv file(
      "PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked\r\n"
      "1,0,3,\"Braund, Mr. Owen Harris\",male,22,1,0,A/5 21171,7.25,,S\r\n"
      "2,1,1,\"Cumings, Mrs. John Bradley (Florence Briggs Thayer)\",female,38,1,0,PC 17599,71.2833,C85,C\r\n"
      "6,0,3,\"Moran, Mr. James\",male,,0,0,330877,8.4583,,Q\r\n"
      "62,1,1,\"Icard, Miss. Amelie\",female,38,0,0,113572,80,B28,\r\n"
      "23,1,3,\"McGowan, Miss. Anna \"\"Annie\"\"\",female,15,0,0,330923,8.0292,,Q\r\n");
  const f64::Dataset titanic = f64::load_csv(file.path, {.label = "Survived",
                                                         .skip = {"PassengerId", "Name", "Ticket", "Cabin"},
                                                         .one_hot = {"Sex", "Embarked"},
                                                         .missing = Missing::mean});
  CHECK(titanic.columns == std::vector<std::string>{"Pclass", "Sex=female", "Sex=male", "Age", "SibSp", "Parch",
                                                    "Fare", "Embarked=C", "Embarked=Q", "Embarked=S"});
  CHECK(titanic.inputs.row(0) == matrix(1, 10, {3, 0, 1, 22, 1, 0, 7.25, 0, 0, 1}));
  CHECK(titanic.inputs.row(2) == matrix(1, 10, {3, 0, 1, 28.25, 0, 0, 8.4583, 0, 1, 0}));
  CHECK(titanic.inputs.row(3) == matrix(1, 10, {1, 1, 0, 38, 0, 0, 80, 0.25, 0.5, 0.25}));
  CHECK(titanic.labels == std::vector<int>{0, 1, 0, 1, 1});
  CHECK(
      label_error("PassengerId,Survived,Name\n1,0,\"Braund, Mr. Owen Harris\"\n", "Survived") ==
      ":2: column 3 'Braund, Mr. Owen Harris' is not a number; leave it out with {.skip = {\"Name\"}}, or make it "
      "columns of 0 and 1 with {.one_hot = {\"Name\"}}");
}

TEST_CASE("csv: winequality-red.csv") {
  const TemporaryCsv file(
      "\"fixed acidity\";\"volatile acidity\";\"citric acid\";\"residual sugar\";\"chlorides\";\"free sulfur "
      "dioxide\";"
      "\"total sulfur dioxide\";\"density\";\"pH\";\"sulphates\";\"alcohol\";\"quality\"\n"
      "7.4;0.7;0;1.9;0.076;11;34;0.9978;3.51;0.56;9.4;5\n11.2;0.28;0.56;1.9;0.075;17;60;0.998;3.16;0.58;9.8;6\n");
  const f64::Dataset wine = f64::load_csv(file.path);
  CHECK(wine.inputs.row(0) == matrix(1, 11, {7.4, 0.7, 0, 1.9, 0.076, 11, 34, 0.9978, 3.51, 0.56, 9.4}));
  CHECK(wine.labels == std::vector<int>{5, 6});
  CHECK(wine.columns[5] == "free sulfur dioxide");
  const f64::Dataset named = f64::load_csv(file.path, {.classes = {"3", "4", "5", "6", "7", "8"}});
  CHECK(named.labels == std::vector<int>{2, 3});
}

TEST_CASE("csv: housing.data of Boston") {
  const TemporaryCsv file(
      " 0.00632  18.00   2.310  0  0.5380  6.5750  65.20  4.0900   1  296.0  15.30 396.90   4.98  24.00\n"
      " 0.02731   0.00   7.070  0  0.4690  6.4210  78.90  4.9671   2  242.0  17.80 396.90   9.14  21.60\n"
      "15.86030   0.00  18.100  0  0.6790  5.8960  95.40  1.9096  24  666.0  20.20   7.68  24.39   8.30\n");
  const f64::Table boston = f64::read_csv(file.path);
  CHECK(boston.values.rows() == 3);
  CHECK(boston.values.row(1) ==
        matrix(1, 14, {0.02731, 0, 7.07, 0, 0.469, 6.421, 78.9, 4.9671, 2, 242, 17.8, 396.9, 9.14, 21.6}));
  CHECK(label_error("1.5 24.00\n2.5 21.60\n") ==
        ":2: column 2 '21.60' is not a class; read targets that are numbers with read_csv");
}

TEST_CASE("csv: train.csv of Kaggle's digits") {
  const TemporaryCsv file("label,pixel0,pixel1,pixel2\n1,0,0,0\n0,0,188,0\n4,0,255,0\n");
  const Dataset digits = load_csv(file.path, "label");
  CHECK(digits.inputs.row(1) == (Matrix(1, 3) << 0, 188, 0).finished());
  CHECK(digits.labels == std::vector<int>{1, 0, 4});
  CHECK(digits.classes == 5);
  CHECK(label_error("label,pixel0,pixel1,pixel2\n1,0,0,0\n0,0,188,0\n4,0,255,0\n") ==
        ": every label is '0' in column 4, the last one; choose another with {.label = \"label\"}");
}

TEST_CASE("csv: numbers of more digits than 64 bits hold, and exponents of more than three") {
  const f64::Table read = table(
      "18446744073709551621,0.00000000000000000000012345,1e0005\n"
      "99999999999999999999,1234567890123456789012,1E-0002\n",
      no_header);
  CHECK(read.values == f64::Matrix{{18446744073709551621.0, 0.00000000000000000000012345, 1e5},
                                   {99999999999999999999.0, 1234567890123456789012.0, 1e-2}});
}
