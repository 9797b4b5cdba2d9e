#include <algorithm>
#include <optional>

#include "diagnosis/train.h"

namespace diagnosis {
namespace {

/// The remedies that set one number of the configuration: its name, and the new value.
std::optional<std::pair<const char*, Json>> setting(const tg::Remedy& remedy, const Config& c) {
  using Set = std::pair<const char*, Json>;
  switch (remedy.change) {
    case tg::Change::learning_rate:
      return remedy.to == "constant" ? Set{"schedule", "constant"} : Set{"lr", c.num("lr", 1e-3) * remedy.value};
    case tg::Change::momentum:
      return Set{"momentum", remedy.value};
    case tg::Change::weight_decay:
      return Set{"weight_decay", remedy.value};
    case tg::Change::dropout:
      return Set{"dropout", remedy.value};
    case tg::Change::normalization:
      return Set{"batch_norm", true};
    case tg::Change::inputs:
      return Set{"standardize", true};
    case tg::Change::targets:
      return Set{"target_scale", c.num("target_scale", 1) / remedy.value};
    case tg::Change::rows:
      return Set{"drop_nan_rows", true};
    case tg::Change::parameters:
      return Set{"frozen", -1};
    case tg::Change::direction:
      return Set{"ascend", false};
    case tg::Change::training_mode:
      return Set{"mode", ""};
    case tg::Change::training_time:
      return Set{"epochs", static_cast<Index>(static_cast<double>(c.whole("epochs", 200)) * remedy.value)};
    default:
      return std::nullopt;
  }
}

/// Applies a remedy: only what a user can change, never the fault itself taken back. False where there is nothing to do.
bool apply(const tg::Remedy& remedy, Config& c) {
  Json& j = c.json;
  if (const auto set = setting(remedy, c)) {
    j[set->first] = set->second;
  } else if (remedy.change == tg::Change::initialization || remedy.change == tg::Change::activation) {
    std::string weights = remedy.to;
    if (remedy.change == tg::Change::activation) {
      j["activation"] = remedy.to;
      weights = tg::initializer_for(remedy.to);
    }
    j.update({{"init", weights}, {"output_init", weights}, {"weight_scale", 1}, {"bias", 0}});
  } else if (remedy.change == tg::Change::output_activation) {
    j["output_activation"] = "";
    if (c.whole("outputs") == 1 && c.loss() == "mse") j["loss"] = "bce";
  } else if (remedy.change == tg::Change::units) {
    std::vector<Index> hidden = c.hidden();
    for (Index& units : hidden) units = std::max(units, static_cast<Index>(remedy.value));
    j["hidden"] = hidden;
  } else {
    return false;
  }
  return true;
}

}  // namespace

Json repair(const Config& config, const Result& broken) {
  constexpr std::size_t most = 3;
  Json tries = Json::array();
  for (const tg::Remedy& remedy : tg::remedies(broken.findings)) {
    Config next = config;
    if (!apply(remedy, next)) continue;
    const Result result = train(next, false);
    const bool clean = std::all_of(result.findings.begin(), result.findings.end(),
                                   [](const tg::Finding& each) { return each.severity == tg::Severity::info; });
    tries.push_back({{"rule", remedy.rule},
                     {"remedy", tg::to_string(remedy)},
                     {"clean", clean},
                     {"train_accuracy", result.json["train_accuracy"]},
                     {"test_accuracy", result.json["test_accuracy"]}});
    if (clean || tries.size() == most) break;
  }
  return tries;
}

}  // namespace diagnosis
