#include <algorithm>

#include "diagnosis/train.h"

namespace diagnosis {
namespace {

/// A configuration with one more remedy applied: only what a user can change, never the fault itself taken back.
bool apply(const tg::Remedy& remedy, Config& c) {
  Json& j = c.json;
  switch (remedy.change) {
    case tg::Change::learning_rate:
      if (remedy.to == "constant")
        j["schedule"] = "constant";
      else
        j["lr"] = c.num("lr", 1e-3) * remedy.value;
      return true;
    case tg::Change::momentum:
      j["momentum"] = remedy.value;
      return true;
    case tg::Change::weight_decay:
      j["weight_decay"] = remedy.value;
      return true;
    case tg::Change::dropout:
      j["dropout"] = remedy.value;
      return true;
    case tg::Change::initialization:
      j["init"] = remedy.to;
      j["output_init"] = remedy.to;
      j["weight_scale"] = 1;
      j["bias"] = 0;
      return true;
    case tg::Change::activation:
      j["activation"] = remedy.to;
      return true;
    case tg::Change::normalization:
      j["batch_norm"] = true;
      return true;
    case tg::Change::output_activation:
      j["output_activation"] = "";
      if (c.whole("outputs") == 1 && c.loss() == "mse") j["loss"] = "bce";
      return true;
    case tg::Change::units: {
      std::vector<Index> hidden = c.hidden();
      for (Index& units : hidden) units = std::max(units, static_cast<Index>(remedy.value));
      j["hidden"] = hidden;
      return true;
    }
    case tg::Change::inputs:
      j["standardize"] = true;
      return true;
    case tg::Change::targets:
      j["target_scale"] = c.num("target_scale", 1) / remedy.value;
      return true;
    case tg::Change::rows:
      j["drop_nan_rows"] = true;
      return true;
    case tg::Change::parameters:
      j["frozen"] = -1;
      return true;
    case tg::Change::direction:
      j["ascend"] = false;
      return true;
    case tg::Change::training_mode:
      j["mode"] = "";
      return true;
    case tg::Change::training_time:
      j["epochs"] = static_cast<Index>(static_cast<double>(c.whole("epochs", 200)) * remedy.value);
      return true;
    case tg::Change::data:
      return false;
  }
  return false;
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
