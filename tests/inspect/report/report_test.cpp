#include "tapegrad/inspect/report/report.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "refuse_allocations.h"
#include "synthetic.h"
#include "tapegrad/core/error.h"
#include "tapegrad/inspect/report/log.h"
#include "tapegrad/inspect/report/page.h"

#ifndef TAPEGRAD_TEST_VEGA_DIR
#define TAPEGRAD_TEST_VEGA_DIR ""
#endif

using namespace tapegrad;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;

/// A folder of its own that goes when the test ends.
struct Scratch {
  Scratch() {
    static int count = 0;
    path = fs::temp_directory_path() /
           ("tapegrad_report_" + std::to_string(std::random_device()()) + "_" + std::to_string(count++));
    fs::create_directories(path);
  }
  ~Scratch() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  fs::path path;
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::size_t occurrences(const std::string& text, std::string_view what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

/// Three files that stand for the scripts.
std::string small_scripts(const Scratch& scratch) {
  for (const auto& script : reporting::report_scripts)
    std::ofstream(scratch / std::string(script.file))
        << "window.loaded = ['" << script.package << "', '</script>', '<!--'];";
  return scratch.path.string();
}

std::string report_of(std::span<const RunRecord> runs, const ReportOptions& options) {
  const Scratch scratch;
  write_report(scratch / "out.html", runs, options);
  return content(scratch / "out.html");
}

json figures_of(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"figures\">";
  const std::size_t begin = html.find(open) + open.size();
  return json::parse(html.substr(begin, html.find("</script>", begin) - begin));
}

/// Rows of all data sets of a view.
std::size_t rows(const json& view) {
  std::size_t count = 0;
  for (const json& set : view["datasets"]) count += set.size();
  return count;
}

/// Every string under one of these keys.
void collect(const json& value, const std::set<std::string>& keys, std::set<std::string>& found) {
  for (const auto& item : value.items()) {
    if (keys.contains(item.key()) && item.value().is_string()) found.insert(item.value());
    if (item.value().is_structured()) collect(item.value(), keys, found);
  }
}

std::array<RunRecord, 2> twins() {
  return {synthetic::run({.nan = true, .map = true}),
          synthetic::run({.name = "sigmoid, lr 0.5", .activation = "sigmoid", .fate = 0.8, .map = true})};
}

}  // namespace

TEST_CASE("every figure of twin runs has its charts, and every chart has data") {
  const Scratch scratch;
  const auto runs = twins();
  const std::string html = report_of(runs, {.title = "twins", .vega_directory = small_scripts(scratch)});
  const json page = figures_of(html);
  std::map<char, int> charts;
  std::set<std::string> names;
  for (const auto& view : page["views"].items()) {
    const std::string& id = view.key();
    CAPTURE(id);
    ++charts[id[0]];
    CHECK(rows(view.value()) > 0);
    names.insert(view.value()["description"]);
    CHECK(html.find("<div class=\"view\" id=\"" + id + "\">") != std::string::npos);
  }
  const std::map<char, int> expected = {{'B', 2}, {'C', 6}, {'D', 8}, {'E', 3}, {'F', 6}, {'G', 2},
                                        {'H', 2}, {'I', 2}, {'J', 2}, {'K', 8}, {'L', 2}};
  CHECK(charts == expected);
  CHECK(names.size() == page["views"].size());  // each chart has a name of its own
  CHECK(names.contains("Share saturated: relu, lr 0.5 · low side"));
  for (char letter = 'A'; letter <= 'L'; ++letter) {
    CAPTURE(letter);
    CHECK(html.find(std::string("<section id=\"") + letter + "\">") != std::string::npos);
    CHECK(html.find(std::string("<a href=\"#") + letter + "\">") != std::string::npos);
  }
  CHECK(occurrences(html, "<p class=\"reading\">") == 12);
  CHECK(html.find("Nothing was ever saturated on the high side.") != std::string::npos);  // relu
  for (const char* theme : {"light", "dark"}) {
    CHECK(page["themes"][theme]["range"]["ordinal"].size() == 4);
    CHECK(page["themes"][theme]["style"]["dead"].contains("color"));
  }

  // Twin runs have the same scales.
  const auto& views = page["views"];
  CHECK(views["D0"]["values"]["range"] == views["D1"]["values"]["range"]);
  for (const char* end : {"low", "high"}) {
    CHECK(views["H0"]["values"][end] == views["H1"]["values"][end]);
    CHECK(views["J0"]["values"][end] == views["J1"]["values"][end]);
  }
}

TEST_CASE("a figure's file and its tables speak of the same data sets and params") {
  const Scratch scratch;
  const auto runs = twins();
  const json page = figures_of(report_of(runs, {.vega_directory = small_scripts(scratch)}));
  for (const auto& entry : page["views"].items()) {
    const json& view = entry.value();
    const json& chart = page["charts"][view["chart"].get<std::string>()];
    CAPTURE(entry.key());
    std::set<std::string> named, given, params;
    collect(chart, {"name"}, named);
    for (const auto& set : view["datasets"].items()) {
      CAPTURE(set.key());
      CHECK(named.contains(set.key()));
    }
    for (const json& param : chart["params"]) params.insert(param["name"]);
    for (const auto& value : view["values"].items())
      if (!params.contains(value.key())) given.insert(value.key());
    for (const char* common : {"last", "runs", "layers", "hidden"}) given.erase(common);
    CHECK(given == std::set<std::string>());  // every other value is one of a param
    // And every data set of the file is given.
    const std::string text = chart.dump();
    for (std::size_t at = text.find(R"("data":{"name":")"); at != std::string::npos;
         at = text.find(R"("data":{"name":")", at + 1)) {
      const std::size_t begin = at + 16;
      const std::string set = text.substr(begin, text.find('"', begin) - begin);
      CAPTURE(set);
      CHECK(view["datasets"].contains(set));
    }
  }
}

TEST_CASE("figures show the numbers of the record") {
  const Scratch scratch;
  RunRecord run = synthetic::run({.layers = 2, .units = 8, .steps = 20, .every = 1, .per_epoch = 10, .fate = 0});
  LayerRecord& layer = run.layers[0];
  for (LayerStep& s : layer.steps) s.saturated_high = 0.25;
  layer.deaths = {{.step = 5, .unit = 3, .cause = "struck by lightning"},
                  {.step = 7, .unit = 2, .revived = Index{12}}};
  layer.dead_since.assign(8, -1);
  layer.dead_since[3] = 5;
  for (LayerStep& s : layer.steps) s.dead_batch = s.asleep = 0;
  const std::string html = report_of({&run, 1}, {.vega_directory = small_scripts(scratch)});
  const json views = figures_of(html)["views"];

  const json high = views["E1"]["datasets"]["curves"][0];
  CHECK(high["layer"] == "layer 1");
  CHECK(high["v"] == std::vector<double>(20, 0.25));

  const json dead = views["G0"]["datasets"]["curves"];
  REQUIRE(dead.size() == 1);
  std::vector<double> expected(20, 0.125);
  std::fill(expected.begin(), expected.begin() + 5, 0.0);
  std::fill(expected.begin() + 7, expected.begin() + 12, 0.25);
  CHECK(dead[0]["v"] == expected);
  CHECK(html.find("struck by lightning") != std::string::npos);

  // The raster: the dead unit is on top, the revived one below it and outlined from its death to its return.
  const json raster = views["F0"];
  CHECK(raster["datasets"]["rates"].size() == 2);
  const json outline = raster["datasets"]["revived"];
  REQUIRE(outline.size() == 1);
  CHECK(outline[0] == json{{"x", 7}, {"to", 12}, {"row", 1}, {"below", 2}});
  CHECK(raster["values"]["units"][0] == 3);
  CHECK(raster["values"]["units"][1] == 2);
  CHECK(raster["values"]["units"].size() == 8);

  // The lens of relu: shaded to the left of 0.
  const json zones = views["C0"]["datasets"]["zones"];
  REQUIRE(zones.size() == 1);
  CHECK(std::abs(zones[0]["to"].get<double>()) < 1e-4);
}

TEST_CASE("a blow-up does not squeeze the rest of the loss") {
  const Scratch scratch;
  RunRecord run{.name = "blown"};
  for (Index step = 0; step < 100; ++step)
    run.loss.push_back({.step = step, .loss = 2.0 - 0.01 * step, .accuracy = -1});
  run.loss[3].loss = 1e9;
  const auto view = [&](const RunRecord& r) {
    return figures_of(report_of({&r, 1}, {.vega_directory = small_scripts(scratch)}))["views"]["B0"];
  };
  json loss = view(run);
  CHECK(loss["values"]["high"] == 4.875);  // 1.25 · 2 · what 95 % of the losses stay below: 1.95
  CHECK(loss["datasets"]["beyond"] ==
        json::array({{{"run", "blown"}, {"step", 3}, {"v", 1e9}, {"row", 0}, {"text", "▲ 1e+09"}}}));
  // A run that ends far up is cut at a hundred times its first loss; one that only falls keeps all of it.
  for (Index step = 50; step < 100; ++step) run.loss[static_cast<std::size_t>(step)].loss = 1e6;
  CHECK(view(run)["values"]["high"] == 250);
  for (Index step = 0; step < 100; ++step) run.loss[static_cast<std::size_t>(step)].loss = std::exp(-0.1 * step);
  loss = view(run);
  CHECK(loss["values"]["high"] == 1.25);
  CHECK(loss["datasets"]["beyond"].empty());
}

TEST_CASE("the loss is smoothed, with the raw one behind, and the best validation is marked") {
  const Scratch scratch;
  RunRecord run{.name = "r", .steps_per_epoch = 50};
  for (Index step = 0; step < 100; ++step)
    run.loss.push_back({.step = step, .loss = step % 2 == 0 ? 1.0 : 4.0, .accuracy = step % 2 == 0 ? 0.5 : 0.9});
  run.validation = {{.step = 50, .loss = 1.5, .accuracy = 0.7}, {.step = 100, .loss = 1.75, .accuracy = 0.8}};
  const json views = figures_of(report_of({&run, 1}, {.vega_directory = small_scripts(scratch)}))["views"];
  const json curve = views["B0"]["datasets"]["curves"][0];
  CHECK(curve["v"][10] == 1);
  CHECK(curve["smooth"][0] == 1);
  CHECK(curve["smooth"][1] == 1.587);   // ∛(1 · 4 · 1): as many on the left as on the right
  CHECK(curve["smooth"][10] == 1.741);  // (1 · 4 · 1 · 4 · 1) to the power 1/5
  CHECK(views["B1"]["datasets"]["curves"][0]["smooth"][10] == 0.66);
  CHECK(views["B0"]["datasets"]["validation"][0]["v"] == json{1.5, 1.75});
  CHECK(views["B0"]["datasets"]["best"] ==
        json::array({{{"run", "r"}, {"step", 50}, {"v", 1.5}, {"text", "best: epoch 1"}}}));
  CHECK(views["B1"]["datasets"]["best"] ==
        json::array({{{"run", "r"}, {"step", 100}, {"v", 0.8}, {"text", "best: epoch 2"}}}));
}

TEST_CASE("the share of gradients that are 0 is drawn on a scale from 0 to 100 %") {
  const Scratch scratch;
  RunRecord run = synthetic::run({.layers = 2, .units = 4, .steps = 20, .every = 1, .per_epoch = 10});
  for (auto& [step, histogram] : run.parameters[0].gradient_histograms) {
    histogram = {.low = -12, .high = 4};
    histogram.counts[30] = 10;
    histogram.zeros = 6;
  }
  const json page = figures_of(report_of({&run, 1}, {.vega_directory = small_scripts(scratch)}));
  CHECK(page["views"]["K0"]["datasets"]["zeros"][0]["zeros"] == 375);  // thousandths
  CHECK(page["charts"]["spread"]["layer"][1]["encoding"]["color"]["scale"]["domain"] == json{0, 1});
  CHECK(page["charts"]["spread"]["resolve"]["scale"]["color"] == "independent");
}

TEST_CASE("the map of several classes shows how sure the network is, and where its answers change") {
  const Scratch scratch;
  RunRecord run{.name = "three", .classes = 3};
  DecisionMap map{.low = {0, 0}, .high = {2, 2}, .cells = 2, .output = {0, 1, 0, 2}};
  map.probabilities = {0.8, 0.2, 0, 0.2, 0.8, 0, 0.6, 0.4, 0, 0.1, 0.2, 0.7};
  map.units = {{.w1 = 1, .w2 = 0, .b = -1, .dead = true},
               {.w1 = 0, .w2 = 1, .b = -9, .dead = false}};  // the second passes by
  run.map = map;
  const json view = figures_of(report_of({&run, 1}, {.vega_directory = small_scripts(scratch)}))["views"]["L0"];
  const json& ground = view["datasets"]["ground"];
  CHECK(ground[0]["v"] == json{0, 1});
  CHECK(ground[0]["p"] == json{0.8, 0.8});
  CHECK(ground[1]["v"] == json{0, 2});
  CHECK(ground[1]["p"] == json{0.6, 0.7});
  CHECK(view["values"]["classes"] == json{0, 1, 2});
  // Between the lower cells, 0.8 and 0.2 against 0.2 and 0.8, the boundary is in the middle, at x1 = 1.
  bool middle = false;
  for (const json& piece : view["datasets"]["boundary"]) middle |= piece["x1"] == 1 && piece["x2"] == 0.5;
  CHECK(middle);
  REQUIRE(view["datasets"]["units"].size() == 1);
  CHECK(view["datasets"]["units"][0]["unit"] == 0);
  CHECK(view["datasets"]["units"][0]["state"] == "dead");
}

TEST_CASE("a figure with nothing to show says so in a sentence") {
  const Scratch scratch;
  RunRecord run{.name = "empty"};
  run.layers.push_back({.path = "1", .activation = "relu", .units = 3});
  const std::string html = report_of({&run, 1}, {.vega_directory = small_scripts(scratch)});
  CHECK(figures_of(html)["views"].empty());
  for (const char* sentence :
       {"No layer was recorded.", "No loss was recorded.", "No histogram of z was recorded.",
        "No activation layer was recorded.", "No firing rates were recorded.",
        "No unit was dead or asleep on any recorded batch.", "No gradient was recorded, or all of them were zero.",
        "No gradient got through any layer.", "No weight changed in any recorded step.",
        "No map was recorded: decision_map() makes one of a network with two inputs."})
    CHECK_MESSAGE(html.find(sentence) != std::string::npos, sentence);

  // Nor does a record without layers, or one full of numbers that are none, break anything.
  RunRecord broken = synthetic::run({.layers = 2, .steps = 50});
  for (LossStep& s : broken.loss) s.loss = s.accuracy = std::nan("");
  for (LayerRecord& layer : broken.layers)
    for (LayerStep& s : layer.steps) s.gradient_rms = s.weight_factor = s.saturated_low = std::nan("");
  broken.layers[0].activation = "not_registered";
  broken.nan_step = 0;
  const std::array runs{RunRecord{.name = "bare"}, broken};
  const std::string page = report_of(runs, {.vega_directory = small_scripts(scratch)});
  CHECK(page.find("not_registered is not registered") != std::string::npos);
  CHECK(figures_of(page)["views"].contains("B0"));
}

TEST_CASE("names cannot break out of the page") {
  const Scratch scratch;
  std::array<RunRecord, 1> runs{synthetic::run({.name = "</script><b>\"x\" & 'y' – ζ", .steps = 100, .map = true})};
  runs[0].notes = {"<!-- note"};
  runs[0].parameters[0].path = "0</SCRIPT>.weight";
  const std::string html = report_of(runs, {.vega_directory = small_scripts(scratch)});
  CHECK(html.find("</script><b>") == std::string::npos);
  CHECK(html.find("</SCRIPT>") == std::string::npos);
  CHECK(html.find("<!--") == std::string::npos);
  CHECK(html.find("<h1>&lt;/script&gt;&lt;b&gt;&quot;x&quot; &amp; &#39;y&#39; – ζ</h1>") != std::string::npos);
  // One script of data, three of charts, one that draws; each is closed once.
  CHECK(occurrences(html, "<script") == 5);
  CHECK(occurrences(html, "</script>") == 5);
  CHECK(figures_of(html)["views"]["B0"]["values"]["runs"][0] == runs[0].name);
  // Bytes that are no UTF-8 are replaced, not refused.
  runs[0].name = "latin \xe9";
  CHECK_NOTHROW(figures_of(report_of(runs, {.vega_directory = scratch.path.string()})));
}

TEST_CASE("a page with its scripts refers to nothing outside; one without loads them from the CDN and says so") {
  const Scratch scratch;
  const std::array runs{synthetic::run({.steps = 100})};
  const std::string bundled = report_of(runs, {.vega_directory = small_scripts(scratch)});
  CHECK(bundled.find("src=") == std::string::npos);
  CHECK(bundled.find("http:") == std::string::npos);
  CHECK(bundled.find("https:") == std::string::npos);
  CHECK(bundled.find("default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; ") != std::string::npos);
  CHECK(bundled.find("\\x3c/script>', '\\x3c!--'") != std::string::npos);

  const std::string linked = report_of(runs, {.vega_directory = scratch / "nowhere"});
  CHECK(linked.find("it needs a network connection") != std::string::npos);
  for (const auto& script : reporting::report_scripts) {
    const std::string element = "<script src=\"https://cdn.jsdelivr.net/npm/" + std::string(script.package) + "@" +
                                std::string(script.version) + "/build/" + std::string(script.file) +
                                "\" integrity=\"" + std::string(script.integrity) + "\" crossorigin=\"anonymous\">";
    CHECK_MESSAGE(linked.find(element) != std::string::npos, element);
  }
  CHECK(linked.find("'unsafe-eval' https://cdn.jsdelivr.net;") != std::string::npos);
}

TEST_CASE("the scripts of the CDN are those of the lock file, and those that were fetched") {
  const json lock = json::parse(content(std::string(TAPEGRAD_TESTS_DIR) + "/../inspect/report/package-lock.json"));
  for (const auto& script : reporting::report_scripts)
    CHECK(lock["packages"]["node_modules/" + std::string(script.package)]["version"] ==
          std::string(script.version));
  for (const auto& entry : lock["packages"].items()) {
    const std::string& path = entry.key();
    const json& package = entry.value();
    CAPTURE(path);
    CHECK_FALSE(package.contains("resolved"));  // no host in the repository
    CHECK((path.empty() || package.contains("integrity")));
  }

  const std::string directory = TAPEGRAD_TEST_VEGA_DIR;
  if (!fs::exists(directory + "/vega.min.js") || std::system("sha384sum --version >/dev/null 2>&1") != 0) {
    MESSAGE("not compared with the fetched scripts: they, or sha384sum, are not there");
    return;
  }
  for (const auto& script : reporting::report_scripts) {
    std::FILE* pipe = popen(("sha384sum '" + directory + "/" + std::string(script.file) + "'").c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 96> hex{};
    const std::size_t length = std::fread(hex.data(), 1, hex.size(), pipe);
    pclose(pipe);
    REQUIRE(length == hex.size());
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string base64 = "sha384-";
    for (std::size_t i = 0; i < hex.size(); i += 6) {  // 48 bytes fill base64 without a rest
      const unsigned long bits = std::stoul(std::string(hex.data() + i, 6), nullptr, 16);
      for (const int shift : {18, 12, 6, 0}) base64 += digits[bits >> shift & 63];
    }
    CHECK(base64 == script.integrity);
  }
}

TEST_CASE("a long run of a deep network stays below 5 MB") {
  const std::string vega = TAPEGRAD_TEST_VEGA_DIR;
  const Scratch scratch;
  if (!fs::exists(vega + "/vega.min.js"))  // as large as the real ones
    for (const auto& script : reporting::report_scripts)
      std::ofstream(scratch / std::string(script.file)) << std::string(300'000, ' ');
  std::vector<RunRecord> runs;
  for (const char* activation : {"relu", "sigmoid"})
    runs.push_back(synthetic::run({.name = activation,
                                   .activation = activation,
                                   .layers = 20,
                                   .units = 256,
                                   .steps = 100'000,
                                   .every = 50,
                                   .per_epoch = 1000,
                                   .fate = 0.3}));
  for (RunRecord& run : runs) {
    run.loss.clear();
    for (Index step = 0; step < 100'000; ++step)
      run.loss.push_back({step, 2 + std::sin(0.01 * static_cast<double>(step)), -1, 0.1});
  }
  const std::string html =
      report_of(runs, {.vega_directory = fs::exists(vega + "/vega.min.js") ? vega : scratch.path.string()});
  MESSAGE("size in bytes: " << html.size());
  CHECK(html.size() < 5'000'000);
  CHECK(html.find("16 more</summary>") != std::string::npos);  // 2 · 20 heat maps, of which 24 are shown at once
  const json views = figures_of(html)["views"];
  CHECK(views["B0"]["datasets"]["curves"][0]["step"].back() == 99'999);
}

TEST_CASE("a report appears whole or not at all") {
  const Scratch scratch;
  const std::array runs{synthetic::run({.steps = 100})};
  const ReportOptions options{.vega_directory = small_scripts(scratch)};
  const std::string missing = scratch / "no/such/folder/out.html";
  CHECK_THROWS_WITH_AS(write_report(missing, runs, options),
                       ("[report] " + missing + ": cannot be written: No such file or directory").c_str(), Error);
  fs::create_directory(scratch.path / "folder");
  const std::string folder = scratch / "folder";
  CHECK_THROWS_WITH_AS(write_report(folder, runs, options),
                       ("[report] " + folder + ": cannot be written: Is a directory").c_str(), Error);
  CHECK_THROWS_WITH_AS(write_report(folder, {}, options),
                       ("[report] " + folder + ": there is no run to report").c_str(), Error);
  CHECK_THROWS_WITH_AS(write_log(folder, runs), ("[log] " + folder + ": cannot be written: Is a directory").c_str(),
                       Error);

  std::ofstream(scratch / "out.html") << "before";
  write_report(scratch / "out.html", runs, options);
  CHECK(content(scratch / "out.html").starts_with("<!doctype html>"));
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(scratch.path)) files += entry.is_regular_file() ? 1 : 0;
  CHECK(files == 4);  // the scripts and the report: nothing temporary is left
}

TEST_CASE("running out of memory while a report or a log is written is an exception, and keeps the old file") {
  const Scratch scratch;
  const std::array runs{synthetic::run({.units = 4, .steps = 40, .map = true})};
  const ReportOptions options{.vega_directory = small_scripts(scratch)};
  const std::string report = scratch / "out.html", log = scratch / "run.jsonl";
  std::ofstream(report) << "before";
  std::ofstream(log) << "before";
  // Some refusals are no failure (a sort that needs more time then), so the file may also be whole and new.
  const auto check = [&](const std::string& path, const char* begin, const char* end) {
    const std::string now = content(path);
    const bool whole = now == "before" || (now.starts_with(begin) && now.ends_with(end));
    CHECK(whole);
    CHECK(std::distance(fs::directory_iterator(scratch.path), fs::directory_iterator()) == 5);
  };
  refusing::at_each_allocation([&] { write_report(report, runs, options); },
                               [&] { check(report, "<!doctype html>", "</html>\n"); });
  refusing::at_each_allocation([&] { write_log(log, runs); }, [&] { check(log, "{\"kind\":\"run\"", "}\n"); });
  if (refusing::possible()) CHECK(content(log).starts_with("{\"kind\":\"run\""));
}

TEST_CASE("texts that are not UTF-8 do not spoil a page or a log") {
  const Scratch scratch;
  std::array runs{synthetic::run({.steps = 20})};
  runs[0].name = "a\xff\xc3(\xed\xa0\x80 ∂z\t\x01";
  const std::string expected = "a\ufffd\ufffd(\ufffd\ufffd\ufffd ∂z\t\x01";
  const std::string html = report_of(runs, {.vega_directory = small_scripts(scratch)});
  CHECK(html.find("<h3>" + expected + "</h3>") != std::string::npos);
  CHECK(figures_of(html)["views"].size() > 5);  // parsing throws where it is no UTF-8
  write_log(scratch / "run.jsonl", runs);
  std::ifstream file(scratch / "run.jsonl");
  std::string line;
  REQUIRE(std::getline(file, line));
  CHECK(json::parse(line)["run"] == expected);
}

TEST_CASE("a log has one object per recorded step and kind") {
  const Scratch scratch;
  auto runs = twins();
  runs[0].name = "\"quoted\"\nname";
  write_log(scratch / "run.jsonl", runs);
  std::ifstream file(scratch / "run.jsonl");
  std::map<std::string, int> kinds;
  json first, death, nan;
  for (std::string line; std::getline(file, line);) {
    const json object = json::parse(line);
    const std::string kind = object.at("kind");
    ++kinds[kind];
    CHECK((object.at("run") == runs[0].name || object.at("run") == runs[1].name));
    if (first.is_null()) first = object;
    if (kind == "death" && death.is_null()) death = object;
    if (kind == "loss" && object["step"] == 1995 && nan.is_null()) nan = object;
  }
  CHECK(first["kind"] == "run");
  CHECK(first["nan_step"] == 1605);
  CHECK(nan["loss"].is_null());
  const Death& expected = runs[0].layers[0].deaths[0];
  CHECK(death["unit"] == expected.unit);
  CHECK(death["step"] == expected.step);
  CHECK(death["cause"] == expected.cause);
  CHECK(kinds["run"] == 2);
  CHECK(kinds["loss"] == 800);
  CHECK(kinds["layer"] == 2 * 4 * 400);
  CHECK(kinds["parameter"] == 2 * 8 * 400);
  CHECK(kinds["z_histogram"] == 2 * 4 * 80);
  CHECK(kinds["gradient_histogram"] == 2 * 8 * 80);
  CHECK(kinds["firing_rate"] == 2 * 3 * 10);
  CHECK(kinds.size() == 8);
}
