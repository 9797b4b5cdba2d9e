#include "tapegrad/inspect/watched_layer.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "tapegrad/inspect/structure.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

std::string cause_of(const Death& death) {
  if (death.at_initialization) return "off on the first batch, before any update";
  const double relative = ratio(death.weight_jump, death.weight_norm);
  if (relative == 0) return "its own weights had not moved: the layers below had";
  const std::string by =
      relative < 1 ? fmt::format("{:.2g} %", 100 * relative) : fmt::format("{:.3g} times their size", relative);
  const std::string_view kind = relative > 0.1 ? "a jump" : "a drift";
  if (death.updates == 1) return fmt::format("{}: the update before moved its weights by {}", kind, by);
  return fmt::format("{}: the {} updates before moved its weights by {}", kind, death.updates, by);
}

}  // namespace

template <class T>
WatchedLayer<T>::WatchedLayer(const BasicActivationLayer<T>* watched, Thinning steps, Thinning histograms,
                              Index confirm_after, Index most_records)
    : layer(watched),
      steps_(steps),
      histograms_(histograms),
      firing_(1, std::max<Index>(most_records / 4, 2)),
      confirm_after_(confirm_after),
      most_records_(static_cast<std::size_t>(most_records)) {}

template <class T>
void WatchedLayer<T>::look(const Look& look, const BasicTape<T>& tape, NodeIndex end, const LayerRecord& to,
                           const std::vector<WatchedParameter<T>>& parameters, std::vector<T>& scratch) {
  const LayerNodes nodes = find_nodes(tape, end, *layer);
  seen = nodes.found;
  rows_ = 0;
  histogram_.reset();
  followed_.clear();
  deaths_.clear();
  revived_.clear();
  gone_off_.clear();
  if (!nodes.found) return;
  const Node<T>& z = tape.node(nodes.z);
  const Node<T>& y = tape.node(nodes.y);
  const Values<T> z_values(z.value, z.size());
  const Values<T> y_values(y.value, y.size());
  step = {.step = look.step};
  step.z_mean = mean_of(z_values);
  step.z_std = std_of<T>(z_values, step.z_mean);
  step.mean = mean_of(y_values);
  step.std = std_of<T>(y_values, step.mean);
  step.gradient_rms = gradient_rms(z);
  output_rms = gradient_rms(y);
  step.slope_factor = ratio(step.gradient_rms, output_rms);

  if (units_.empty()) find_source(source_of(tape, nodes.z), parameters);
  judged_ = units_;
  if (units_.empty()) judged_.resize(static_cast<std::size_t>(z.shape().cols));
  candidates_.resize(judged_.size());
  if (look.units && to.elementwise && z.shape().cols == static_cast<Index>(judged_.size()))
    judge_units(look, z, to, scratch);
  if (look.histogram && std::isfinite(step.z_mean)) {
    histogram_ = Histogram{.low = -8, .high = 8};
    for (const T v : z_values) histogram_->add(static_cast<double>(v));
  }
}

template <class T>
void WatchedLayer<T>::find_source(const BasicLinear<T>* source,
                                  const std::vector<WatchedParameter<T>>& parameters) {
  if (source == nullptr) return;
  for (const WatchedParameter<T>& each : parameters) {
    if (each.is(source->weight)) weight_ = &each;
    if (source->has_bias() && each.is(source->bias)) bias_ = &each;
  }
}

template <class T>
void WatchedLayer<T>::judge_units(const Look& look, const Node<T>& z, const LayerRecord& to,
                                  std::vector<T>& scratch) {
  slopes_.begin(z.shape().cols, to.facts.sup_slope);
  slopes_.add(layer->activation(), z.value, z.shape(), scratch);
  rows_ = z.shape().rows;
  const auto elements = static_cast<double>(std::max<Index>(z.size(), 1));
  step.saturated_low = static_cast<double>(slopes_.low()) / elements;
  step.saturated_high = static_cast<double>(slopes_.high()) / elements;
  Index off = 0, off_this_epoch = 0, dead = 0, asleep = 0;
  for (std::size_t u = 0; u < judged_.size(); ++u) {
    Unit& unit = judged_[u];
    unit.unsaturated += slopes_.unsaturated(u);
    unit.judged = slopes_.judged(u);
    if (!unit.judged) continue;
    const bool goes_off = unit.see(slopes_.dead(u), look.step);
    if (goes_off) gone_off_.push_back(certificate(look, u));
    if (unit.off() || unit.death != Unit::never) note_death(unit, goes_off ? gone_off_.back() : candidates_[u], to);
    off += unit.off();
    off_this_epoch += unit.off_this_epoch;
    dead += unit.death != Unit::never;
    asleep += slopes_.asleep(u);
  }
  const auto units = static_cast<double>(std::max<std::size_t>(judged_.size(), 1));
  step.dead_batch = static_cast<double>(off) / units;
  step.dead_epoch = static_cast<double>(off_this_epoch) / units;
  step.dead_since = static_cast<double>(dead) / units;
  step.asleep = static_cast<double>(asleep) / units;
}

/// A death enters the record when it is confirmed, and leaves the unit when it is over.
template <class T> void WatchedLayer<T>::note_death(Unit& unit, const Death& candidate, const LayerRecord& to) {
  const bool dead = unit.dead(confirm_after_);
  if (dead && unit.death == Unit::never) {
    unit.death = static_cast<Index>(to.deaths.size() + deaths_.size());
    deaths_.push_back(candidate);
    deaths_.back().cause = cause_of(candidate);
  } else if (!dead && unit.death != Unit::never) {
    revived_.push_back(static_cast<std::size_t>(unit.death));
    unit.death = Unit::never;
  }
}

/// A unit went off between the last step looked at and this one: what did the updates between do to it?
template <class T> Death WatchedLayer<T>::certificate(const Look& look, std::size_t unit) const {
  Death death{.step = look.step,
              .unit = static_cast<Index>(unit),
              .at_initialization = look.step == 0,
              .updates = look.updates,
              .lr = look.lr};
  const UnitUpdate weight = weight_ == nullptr ? UnitUpdate{} : weight_->update_of(unit);
  const UnitUpdate bias = bias_ == nullptr ? UnitUpdate{} : bias_->update_of(unit);
  death.weight_jump = weight.weight_jump;
  death.weight_norm = weight.weight_norm;
  death.bias_jump = bias.bias_jump;
  death.gradient_norm = std::hypot(weight.gradient_norm, bias.gradient_norm);
  return death;
}

template <class T>
void WatchedLayer<T>::follow(const BasicTape<T>& tape, NodeIndex end, const LayerRecord& to,
                             std::vector<T>& scratch) {
  seen = false;
  followed_.clear();
  deaths_.clear();
  off_.clear();
  if (waiting_ == 0) return;
  for (std::size_t u = 0; u < units_.size(); ++u)
    if (waits(units_[u])) followed_.push_back(u);
  const LayerNodes nodes = find_nodes(tape, end, *layer);
  const Node<T>& z = tape.node(nodes.z);
  if (!nodes.found || z.shape().cols != static_cast<Index>(units_.size())) return followed_.clear();
  const Shape shape{z.shape().rows, static_cast<Index>(followed_.size())};
  columns_.clear();
  for (Index row = 0; row < shape.rows; ++row)
    for (const std::size_t u : followed_) columns_.push_back(z.value[row * z.shape().cols + static_cast<Index>(u)]);
  slopes_.begin(shape.cols, to.facts.sup_slope);
  slopes_.add(layer->activation(), columns_.data(), shape, scratch);
  std::size_t kept = 0;
  for (std::size_t k = 0; k < followed_.size(); ++k) {
    if (!slopes_.judged(k)) continue;
    const Unit& unit = units_[followed_[k]];
    off_.push_back(slopes_.dead(k));
    followed_[kept++] = followed_[k];
    if (!off_.back() || unit.off_looks + 1 < confirm_after_) continue;
    deaths_.push_back(candidates_[followed_[k]]);
    deaths_.back().cause = cause_of(deaths_.back());
  }
  followed_.resize(kept);
}

template <class T> void WatchedLayer<T>::end_firing_period(bool looked) {
  const Index now = looked ? rows_ : 0;
  const auto samples = static_cast<double>(samples_ + now);
  const bool finite = finite_ && (now == 0 || std::isfinite(step.z_mean));
  rates_.clear();
  if (samples == 0) return;
  for (const Unit& unit : now > 0 ? judged_ : units_)
    rates_.push_back(finite ? static_cast<double>(unit.unsaturated) / samples
                            : std::numeric_limits<double>::quiet_NaN());
}

template <class T> void WatchedLayer<T>::make_room(LayerRecord& to) const {
  if (!rates_.empty()) Thinning::make_room(to.firing_rates);
  if (to.deaths.size() + deaths_.size() > to.deaths.capacity())
    to.deaths.reserve(2 * to.deaths.size() + deaths_.size());
  if (!seen) return;
  Thinning::make_room(to.steps);
  if (histogram_) Thinning::make_room(to.z_histograms);
  to.dead_since.reserve(judged_.size());
}

template <class T> void WatchedLayer<T>::commit(LayerRecord& to) noexcept {
  auto death = deaths_.begin();
  for (std::size_t k = 0; k < followed_.size(); ++k) {
    Unit& unit = units_[followed_[k]];
    unit.see(off_[k], 0);
    if (!off_[k]) --waiting_;
    if (!unit.dead(confirm_after_)) continue;
    --waiting_;
    unit.death = static_cast<Index>(to.deaths.size() + static_cast<std::size_t>(death++ - deaths_.begin()));
    to.dead_since[followed_[k]] = unit.off_since;
  }
  std::move(deaths_.begin(), deaths_.end(), std::back_inserter(to.deaths));
  deaths_.clear();
  followed_.clear();
  if (!seen) return;
  units_.swap(judged_);
  for (Death& each : gone_off_) candidates_[static_cast<std::size_t>(each.unit)] = std::move(each);
  samples_ += rows_;
  finite_ = finite_ && (rows_ == 0 || std::isfinite(step.z_mean));
  for (const std::size_t place : revived_) to.deaths[place].revived = step.step;
  if (to.deaths.size() > units_.size() + most_records_) thin_deaths(to);
  to.units = static_cast<Index>(units_.size());
  to.dead_since.resize(units_.size());
  waiting_ = 0;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    waiting_ += waits(unit);
    to.dead_since[u] = unit.judged && unit.death != Unit::never ? unit.off_since : Unit::never;
  }
  if (histogram_) histograms_.append(to.z_histograms, {step.step, *histogram_});
  steps_.append(to.steps, step);
}

/// Drops every other death that is over.
template <class T> void WatchedLayer<T>::thin_deaths(LayerRecord& to) noexcept {
  bool keep = false;
  std::erase_if(to.deaths, [&](const Death& death) { return death.revived && !(keep = !keep); });
  for (std::size_t i = 0; i < to.deaths.size(); ++i)
    if (!to.deaths[i].revived) units_[static_cast<std::size_t>(to.deaths[i].unit)].death = static_cast<Index>(i);
}

template <class T> void WatchedLayer<T>::commit_firing_period(Index last, LayerRecord& to) noexcept {
  if (samples_ > 0) firing_.append(to.firing_rates, {last, std::move(rates_)});
  rates_.clear();
  for (Unit& unit : units_) unit.unsaturated = 0;
  samples_ = 0;
  finite_ = true;
}

template struct WatchedLayer<float>;
template struct WatchedLayer<double>;

}  // namespace tapegrad
