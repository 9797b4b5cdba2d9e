#include "tapegrad/inspect/census.h"

#include <algorithm>

#include "tapegrad/inspect/unit_health.h"
#include "tapegrad/layers/activation.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

double share_of(const std::vector<bool>& marks) {
  const auto marked = static_cast<double>(std::count(marks.begin(), marks.end(), true));
  return marks.empty() ? 0 : marked / static_cast<double>(marks.size());
}

/// Reads the z of all activation layers while the network predicts.
template <class T> struct Reader : BasicObserver<T> {
  struct Layer {
    const BasicActivationLayer<T>* module;
    UnitSlopes<T> slopes{};
  };
  std::vector<Layer> layers;
  std::vector<T> scratch;

  void on_forward(const BasicTape<T>& tape, NodeIndex index) override {
    const Node<T>& node = tape.node(index);
    if (node.parent_count == 0) return;
    for (Layer& layer : layers) {
      if (node.owner != layer.module) continue;
      const Node<T>& z = tape.node(node.parents[0]);
      const Activation& f = layer.module->activation();
      if (layer.slopes.units() == 0) layer.slopes.begin(z.shape().cols, f.facts().sup_slope);
      layer.slopes.add(f, z.value, z.shape(), scratch);
    }
  }
};

}  // namespace

double UnitCensus::dead_share() const { return share_of(dead); }
double UnitCensus::asleep_share() const { return share_of(asleep); }

template <class T>
std::vector<UnitCensus> census(BasicModule<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                               Index batch) {
  Reader<T> reader;
  std::vector<UnitCensus> result;
  for (const auto& [path, module] : net.named_modules()) {
    const auto* layer = dynamic_cast<const BasicActivationLayer<T>*>(module);
    if (layer == nullptr || !layer->activation().elementwise()) continue;
    reader.layers.push_back({layer});
    result.push_back({.path = path});
  }
  net.predict(inputs, batch, &reader);
  const auto samples = static_cast<double>(std::max<Index>(inputs.rows(), 1));
  for (std::size_t i = 0; i < result.size(); ++i) {
    const UnitSlopes<T>& slopes = reader.layers[i].slopes;
    for (std::size_t unit = 0; unit < slopes.units(); ++unit) {
      result[i].dead.push_back(slopes.dead(unit));
      result[i].asleep.push_back(slopes.asleep(unit));
      result[i].firing_rate.push_back(static_cast<double>(slopes.unsaturated(unit)) / samples);
    }
  }
  return result;
}

template std::vector<UnitCensus> census(BasicModule<float>&, const BasicMatrixRef<float>&, Index);
template std::vector<UnitCensus> census(BasicModule<double>&, const BasicMatrixRef<double>&, Index);

}  // namespace tapegrad
