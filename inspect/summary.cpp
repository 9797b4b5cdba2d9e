#include "tapegrad/inspect/summary.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "tapegrad/core/check.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

/// The shape of what each module returned last.
template <class T> struct Outputs final : BasicObserver<T> {
  void on_module(const BasicTape<T>& tape, const void* module, NodeIndex output) override {
    shapes[module] = fmt::format("batch x {}", tape.node(output).cols);
  }
  std::map<const void*, std::string> shapes;
};

template <class T> std::string elements(const BasicModule<T>& module, const char* none) {
  Index count = 0;
  for (const BasicParameter<T>& parameter : module.parameters()) count += parameter.size();
  return count == 0 ? none : fmt::format("{}", count);
}

}  // namespace

template <class T> std::string summary(BasicModule<T>& module, Index features) {
  check_setting("summary", "features", SettingDomain::not_negative, static_cast<double>(features));
  // A pass over two zero rows finds the outputs, those of any user's module too.
  const EvalScope eval;
  BasicTape<T> tape;
  Outputs<T> outputs;
  tape.attach(outputs);
  const auto no_grad = tape.no_grad();
  module(tape.input(Shape{2, features}, [&](T* out) { std::fill_n(out, 2 * features, T(0)); }));

  std::vector<std::array<std::string, 4>> rows{{"path", "type", "output", "parameters"}};
  const auto modules = module.named_modules();
  for (const auto& [path, each] : modules) {
    if (path.empty() && modules.size() > 1) continue;
    rows.push_back({path, std::string(each->kind()), outputs.shapes[each], elements(*each, "-")});
  }
  rows.push_back({"total", "", outputs.shapes[&module], elements(module, "0")});
  std::array<std::size_t, 4> width{};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  std::string text;
  for (const auto& row : rows)
    text += fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>{}}\n", row[0], width[0], row[1], width[1], row[2], width[2],
                        row[3], width[3]);
  return text;
}

template std::string summary(BasicModule<float>&, Index);
template std::string summary(BasicModule<double>&, Index);

}  // namespace tapegrad
