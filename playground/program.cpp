#include <fmt/format.h>

#include "session.h"

namespace playground {
namespace {

/// The lines that make `data`, as points_of() does.
std::string data_lines(const Config& c) {
  const std::string_view name = c.validation > 0 ? "data" : "train";
  std::string lines;
  const auto points = [&](std::string_view made) { lines += fmt::format("  tg::Dataset {} = {};\n", name, made); };
  const auto loop = [&](const char* x1, const char* x2, const char* label) {
    lines += fmt::format(
        "  tg::Dataset {5}{{.inputs = tg::Matrix({0}, 2), .labels = {{}}, .classes = 2}};\n"
        "  for (int i = 0; i < {0}; ++i) {{\n"
        "    {5}.inputs(i, 0) = float({1} + {2} * rng.normal());\n"
        "    {5}.inputs(i, 1) = float({3} + {2} * rng.normal());\n"
        "    {5}.labels.push_back({4});\n"
        "  }}\n",
        c.points, x1, c.noise, x2, label, name);
  };
  if (c.data == "xor") loop("i / 2 % 2", "i % 2", "(i / 2 % 2) ^ (i % 2)");
  if (c.data == "blobs") loop("(i % 2 == 0 ? -1 : 1)", "(i % 2 == 0 ? -1 : 1)", "i % 2");
  if (c.data == "circles") points(fmt::format("tg::circles({}, {}, rng)", c.points, c.noise));
  if (c.data == "moons") points(fmt::format("tg::two_moons({}, {}, rng)", c.points, c.noise));
  if (c.data == "spirals") points(fmt::format("tg::spirals({}, 2, {}, rng)", c.points, c.noise));
  if (c.data == "own") points("tg::load_csv(\"points.csv\", \"label\")");
  if (c.shuffled_labels) lines += fmt::format("  for (int& label : {}.labels) label = int(rng.below(2));\n", name);
  if (c.input_scale != 1) lines += fmt::format("  {}.inputs *= {};\n", name, c.input_scale);
  if (c.validation > 0)
    lines +=
        fmt::format("  auto [train, validation] = tg::split(data, {{{}, {}}}, rng, {{.allow_missing = true}});\n",
                    1 - c.validation, c.validation);
  if (c.standardized) lines += "  tg::Scaler(train.inputs).apply(train.inputs);\n";
  return lines;
}

std::string sizes_of(const Config& c) {
  std::string sizes = "2";
  for (const Index units : c.hidden) sizes += fmt::format(", {}", units);
  return sizes + (c.softmax_twice ? ", 2" : ", 1");
}

std::string network_lines(const Config& c) {
  std::string lines = fmt::format("  tg::Sequential net = tg::mlp({{{}}}, tg::activation(\"{}\"), rng,\n",
                                  sizes_of(c), c.activation);
  lines += fmt::format("      {{.linear = {{.weight_init = tg::initializer(\"{}\"), .bias_init = tg::zeros()}}",
                       c.initializer);
  if (c.batch_norm) lines += ", .batch_norm = true";
  if (c.dropout > 0) lines += fmt::format(", .dropout = {}", c.dropout);
  lines += "});\n";
  if (c.softmax_twice) lines += "  net.add(tg::Softmax());  // and cross_entropy applies it again\n";
  std::string options = fmt::format(".lr = {}", c.lr);
  if (c.momentum >= 0) options += fmt::format(", .momentum = {}", c.momentum);
  if (c.weight_decay >= 0) options += fmt::format(", .weight_decay = {}", c.weight_decay);
  return lines + fmt::format("  auto optimizer = tg::make_optimizer<float>(\"{}\", net.parameters(), {{{}}});\n",
                             c.optimizer, options);
}

}  // namespace

std::string program_of(const Config& c) {
  std::string text =
      "#include <tapegrad/tapegrad.h>\n#include <cstdio>\nnamespace tg = tapegrad;\n\nint main() {\n" +
      fmt::format("  tg::Rng rng({});\n", c.seed) + data_lines(c) + network_lines(c);
  text += fmt::format("  tg::Loader loader(train, {{.batch = {}, .shuffle = rng}});\n", c.batch);
  text +=
      "  tg::Tape tape;\n"
      "  for (int step = 0; true;)\n"
      "    for (auto& [x, labels] : loader) {\n"
      "      tape.reset();\n";
  text += c.softmax_twice
              ? "      tg::Var loss = tg::cross_entropy(net(tape.input(x)), labels);\n"
              : "      tg::Matrix y = Eigen::Map<Eigen::VectorXi>(labels.data(), x.rows()).cast<float>();\n"
                "      tg::Var loss = tg::bce_with_logits(net(tape.input(x)), y);\n";
  text +=
      "      loss.backward();\n"
      "      optimizer->step();\n"
      "      std::printf(\"%d %.7g\\n\", step, loss.item());\n"
      "      if (++step == 1000) return 0;\n"
      "    }\n}\n";
  return text;
}

}  // namespace playground
