#include "tapegrad/inspect/decision_map.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tapegrad/inspect/census.h"
#include "tapegrad/inspect/metrics.h"
#include "tapegrad/layers/activation.h"
#include "tapegrad/layers/linear.h"

namespace tapegrad::inline TAPEGRAD_ABI {

namespace {

/// The activation at the end, also of a Sequential in a Sequential; null when there is none.
template <class T> const Activation* last_activation(BasicSequential<T>& net) {
  if (net.size() == 0) return nullptr;
  if (auto* inner = dynamic_cast<BasicSequential<T>*>(&net[net.size() - 1])) return last_activation(*inner);
  const auto* layer = dynamic_cast<const BasicActivationLayer<T>*>(&net[net.size() - 1]);
  return layer == nullptr ? nullptr : &layer->activation();
}

double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

/// Outputs as the probability of class 1: y ↦ (y − lower) / width, or σ(y).
struct Reading {
  bool logit = true;
  double lower = 0, width = 1;
  double operator()(double y) const { return logit ? sigmoid(y) : std::clamp((y - lower) / width, 0.0, 1.0); }
};

template <class T>
Reading reading_of(BasicSequential<T>& net, const BasicMatrixRef<T>& inputs, std::span<const int> labels,
                   SingleOutput output) {
  if (output != SingleOutput::guess) return {.logit = output == SingleOutput::logit};
  if (const Activation* f = last_activation(net)) {
    const Facts& facts = f->facts();
    if (std::isfinite(facts.lower) && std::isfinite(facts.upper))
      return {.logit = false, .lower = facts.lower, .width = facts.upper - facts.lower};
  }
  const BasicMatrix<T> y = net.predict(inputs);
  double as_logit = 0, as_probability = 0;  // squared errors
  for (Index i = 0; i < y.rows(); ++i) {
    const double value = static_cast<double>(y(i, 0)), label = labels[static_cast<std::size_t>(i)];
    as_logit += std::pow(sigmoid(value) - label, 2);
    as_probability += std::pow(value - label, 2);
  }
  return {.logit = !(as_probability < as_logit)};
}

template <class T> std::vector<double> answers_of(const BasicMatrix<T>& outputs, const Reading& reading) {
  std::vector<double> answers;
  for (Index i = 0; i < outputs.rows(); ++i) {
    Index largest = 0;
    outputs.row(i).maxCoeff(&largest);
    answers.push_back(!outputs.row(i).allFinite() ? std::numeric_limits<double>::quiet_NaN()
                      : outputs.cols() == 1       ? reading(static_cast<double>(outputs(i, 0)))
                                                  : static_cast<double>(largest));
  }
  return answers;
}

/// The softmax of every row, unless the last activation is one.
template <class T> std::vector<double> probabilities_of(BasicSequential<T>& net, const BasicMatrix<T>& outputs) {
  const Activation* f = last_activation(net);
  const BasicMatrix<T> p = f != nullptr && f->name() == "softmax" ? outputs : softmax(outputs);
  return {p.data(), p.data() + p.size()};
}

}  // namespace

template <class T>
DecisionMap decision_map(BasicSequential<T>& net, const std::type_identity_t<BasicMatrixRef<T>>& inputs,
                         std::span<const int> labels, Index cells, SingleOutput output) {
  if (inputs.cols() != 2)
    fail("decision_map", "needs inputs of two columns, got " + to_string(Shape{inputs.rows(), inputs.cols()}));
  if (inputs.rows() == 0) fail("decision_map", "needs at least one point, got none");
  if (!inputs.allFinite()) fail("decision_map", "needs finite inputs");
  if (static_cast<Index>(labels.size()) != inputs.rows())
    fail("decision_map",
         std::to_string(labels.size()) + " labels for " + std::to_string(inputs.rows()) + " points");
  if (cells < 2 || cells > 1000) fail("decision_map", "cells must be from 2 to 1000, got " + std::to_string(cells));
  DecisionMap map;
  map.cells = cells;
  for (const Index axis : {0, 1}) {
    const double lowest = static_cast<double>(inputs.col(axis).minCoeff());
    const double highest = static_cast<double>(inputs.col(axis).maxCoeff());
    const double margin = 0.25 * std::max(highest - lowest, 1e-3);
    map.low[static_cast<std::size_t>(axis)] = lowest - margin;
    map.high[static_cast<std::size_t>(axis)] = highest + margin;
  }

  BasicMatrix<T> grid(cells * cells, 2);
  const auto centre = [&](std::size_t axis, Index cell) {
    return static_cast<T>(map.low[axis] + (map.high[axis] - map.low[axis]) * (static_cast<double>(cell) + 0.5) /
                                              static_cast<double>(cells));
  };
  for (Index row = 0; row < cells; ++row)
    for (Index col = 0; col < cells; ++col) grid.row(row * cells + col) << centre(0, col), centre(1, row);
  const BasicMatrix<T> outputs = net.predict(grid);
  map.output = answers_of(outputs, outputs.cols() == 1 ? reading_of<T>(net, inputs, labels, output) : Reading());
  if (outputs.cols() > 1) map.probabilities = probabilities_of(net, outputs);

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
                                         Index, SingleOutput);
template DecisionMap decision_map<double>(BasicSequential<double>&,
                                          const std::type_identity_t<BasicMatrixRef<double>>&, std::span<const int>,
                                          Index, SingleOutput);

}  // namespace tapegrad
