#include "tapegrad/inspect/decision_map.h"

#include <algorithm>
#include <cmath>

#include "tapegrad/inspect/census.h"
#include "tapegrad/layers/linear.h"

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T>
DecisionMap decision_map(BasicSequential<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                         std::span<const int> labels, Index cells) {
  if (inputs.cols() != 2 || inputs.rows() == 0)
    fail("decision_map", "needs inputs of two columns, got " + to_string(Shape{inputs.rows(), inputs.cols()}));
  if (static_cast<Index>(labels.size()) != inputs.rows())
    fail("decision_map",
         std::to_string(labels.size()) + " labels for " + std::to_string(inputs.rows()) + " points");
  if (cells < 2) fail("decision_map", "needs at least 2 cells, got " + std::to_string(cells));
  DecisionMap map;
  const double lowest = static_cast<double>(inputs.minCoeff());
  const double highest = static_cast<double>(inputs.maxCoeff());
  const double margin = 0.25 * std::max(highest - lowest, 1e-3);
  map.low = lowest - margin;
  map.high = highest + margin;
  map.cells = cells;

  BasicMatrix<T> grid(cells * cells, 2);
  const auto centre = [&](Index cell) {
    return static_cast<T>(map.low +
                          (map.high - map.low) * (static_cast<double>(cell) + 0.5) / static_cast<double>(cells));
  };
  for (Index row = 0; row < cells; ++row)
    for (Index col = 0; col < cells; ++col) grid.row(row * cells + col) << centre(col), centre(row);
  const BasicMatrix<T> answers = net.predict(grid);
  for (Index i = 0; i < answers.rows(); ++i) {
    Index largest = 0;
    if (answers.cols() > 1) answers.row(i).maxCoeff(&largest);
    map.output.push_back(answers.cols() == 1 ? 1 / (1 + std::exp(-static_cast<double>(answers(i, 0))))
                                             : static_cast<double>(largest));
  }

  const auto* first = net.size() > 0 ? dynamic_cast<const BasicLinear<T>*>(&net[0]) : nullptr;
  if (first != nullptr) {
    const std::vector<UnitCensus> units = census(net, inputs);
    const bool judged = !units.empty() && static_cast<Index>(units[0].dead.size()) == first->weight.shape().rows;
    for (Index unit = 0; unit < first->weight.shape().rows; ++unit) {
      const auto& w = first->weight.value();
      map.units.push_back({static_cast<double>(w(unit, 0)), static_cast<double>(w(unit, 1)),
                           first->has_bias() ? static_cast<double>(first->bias.value()(0, unit)) : 0,
                           judged && units[0].dead[static_cast<std::size_t>(unit)]});
    }
  }
  for (Index i = 0; i < inputs.rows(); ++i)
    map.points.push_back({static_cast<double>(inputs(i, 0)), static_cast<double>(inputs(i, 1)),
                          labels[static_cast<std::size_t>(i)]});
  return map;
}

template DecisionMap decision_map<float>(BasicSequential<float>&,
                                         const std::type_identity_t<BasicMatrixRef<float>>&, std::span<const int>,
                                         Index);
template DecisionMap decision_map<double>(BasicSequential<double>&,
                                          const std::type_identity_t<BasicMatrixRef<double>>&, std::span<const int>,
                                          Index);

}  // namespace tapegrad
