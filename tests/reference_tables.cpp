#include <fmt/core.h>
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

/// reference_tables : what is registered, as a page of tables in Markdown for the reference (scripts/docs.sh).

namespace tg = tapegrad;

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}
std::string limit(double x) {
  return (x < 0 ? "−" : "") + (std::isinf(x) ? "∞" : fmt::format("{:.4g}", std::abs(x)));
}

/// "–" for nothing.
std::string listed(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out.empty() ? "–" : out;
}

void print_activations() {
  fmt::print(
      "# Registered names\n\n## Activations\n\n| name | formula | range | sup of the slope | kinks (slope used "
      "there) | "
      "saturates | learns |\n|--|--|--|--|--|--|--|\n");
  for (const std::string_view name : tg::activations()) {
    const tg::Activation f = tg::activation(name);
    const tg::Facts facts = f.facts();
    std::vector<std::string> kinks, sides, learned, settings;
    for (const tg::Kink& kink : facts.kinks)
      kinks.push_back(fmt::format("{} ({})", limit(kink.at), limit(kink.slope)));
    if (facts.saturates_left) sides.emplace_back("left");
    if (facts.saturates_right) sides.emplace_back("right");
    for (const auto& [parameter, value] : f.learned())
      learned.push_back(fmt::format("{}, from {:g}", parameter, value));
    for (const auto& [setting, value] : f.settings()) settings.push_back(fmt::format("{}={:g}", setting, value));
    fmt::print("| `{}{}` | {} | {} … {} | {} | {} | {} | {} |\n", name,
               settings.empty() ? "" : "(" + listed(settings) + ")", escaped(facts.formula), limit(facts.lower),
               limit(facts.upper), limit(facts.sup_slope), listed(kinks), listed(sides), listed(learned));
  }
}

void print_ops() {
  fmt::print(
      "\n## Ops\n\nEvery op has one rule for its gradient, which has gradients itself; `grad_check` covers all of "
      "them.\n\n"
      "| op | kind | operands | defined for |\n|--|--|--|--|\n");
  const std::vector<tg::ElementwiseOpEntry> elementwise = tg::elementwise_ops();
  for (const std::string_view name : tg::ops()) {
    const auto entry =
        std::find_if(elementwise.begin(), elementwise.end(), [&](const auto& each) { return each.name == name; });
    if (entry == elementwise.end())
      fmt::print("| `{}` | structured | | |\n", name);
    else
      fmt::print("| `{}` | elementwise | {} | {} |\n", name, entry->arity,
                 std::isinf(entry->domain_from) ? "all" : fmt::format("above {:g}", entry->domain_from));
  }
}

/// Of a network that has each layer of the library once.
void print_layers() {
  tg::Rng rng(0);
  tg::Sequential net{tg::Linear(4, 8, rng), tg::BatchNorm1d(8),       tg::Prelu(), tg::LayerNorm(8),
                     tg::Dropout(0.1, rng), tg::Residual(tg::Tanh()), tg::Glu(),   tg::Maxout()};
  fmt::print(
      "\n## Layers\n\nAny activation is a layer, too. `Sequential` puts layers in a row.\n\n"
      "| layer | as in files | parameters | buffers |\n|--|--|--|--|\n");
  for (std::size_t i = 0; i < net.size(); ++i) {
    tg::Module& layer = net[i];
    std::vector<std::string> parameters, buffers;
    for (const auto& [path, parameter] : layer.named_parameters())
      parameters.push_back(fmt::format("`{}` {}x{}", path, parameter.shape().rows, parameter.shape().cols));
    for (const auto& [path, buffer] : layer.named_buffers())
      buffers.push_back(fmt::format("`{}` {}x{}", path, buffer->rows(), buffer->cols()));
    fmt::print("| {} | `{}` | {} | {} |\n", layer.kind(), layer.text(), listed(parameters), listed(buffers));
  }
}

void print_names(const char* title, const std::vector<std::string_view>& names) {
  fmt::print("\n## {}\n\n", title);
  for (const std::string_view name : names) fmt::print("- `{}`\n", name);
}

void print_findings() {
  fmt::print(
      "\n## Findings\n\nCauses before what they bring about; \\ref tapegrad::findings.\n\n"
      "| finding | looks at | measures | warning | critical |\n|--|--|--|--|--|\n");
  for (const tg::FindingRule& rule : tg::finding_rules())
    fmt::print("| {} | {} | {} | {:g} | {:g} |\n", rule.name, tg::to_string(rule.source), escaped(rule.measures),
               rule.warning, rule.critical);
}

}  // namespace

int main() {
  print_activations();
  print_ops();
  print_layers();
  print_names("Initializers", tg::initializers());
  print_names("Optimizers", tg::optimizers());
  print_names("Schedules", tg::schedules());
  print_findings();
}
