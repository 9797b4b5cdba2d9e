#include "session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace playground {
namespace {

/// n points around centers: point i around `center(i)`.
template <class Center> tg::Dataset around(Index n, double noise, tg::Rng& rng, Center center) {
  tg::Dataset data;
  data.classes = 2;
  data.inputs.resize(n, 2);
  for (Index i = 0; i < n; ++i) {
    const auto [x1, x2, label] = center(i);
    data.inputs(i, 0) = static_cast<float>(x1 + noise * rng.normal());
    data.inputs(i, 1) = static_cast<float>(x2 + noise * rng.normal());
    data.labels.push_back(label);
  }
  return data;
}

struct Center {
  double x1, x2;
  int label;
};
Center corner(Index i) {
  const int a = static_cast<int>(i / 2 % 2), b = static_cast<int>(i % 2);
  return {double(a), double(b), a ^ b};
}
Center blob(Index i) { return i % 2 == 0 ? Center{-1, -1, 0} : Center{1, 1, 1}; }

tg::Dataset own_points(const Config& config) {
  tg::Dataset data;
  data.classes = 2;
  const Index n = static_cast<Index>(config.own.size() / 3);
  if (n < 2) tg::fail("playground", fmt::format("needs at least 2 points, got {}", n));
  data.inputs.resize(n, 2);
  for (Index i = 0; i < n; ++i) {
    const double* row = &config.own[static_cast<std::size_t>(3 * i)];
    data.inputs.row(i) << static_cast<float>(row[0]), static_cast<float>(row[1]);
    data.labels.push_back(row[2] > 0);
  }
  return data;
}

tg::Dataset raw_points(const Config& c, tg::Rng& rng) {
  if (c.data == "xor") return around(c.points, c.noise, rng, corner);
  if (c.data == "blobs") return around(c.points, c.noise, rng, blob);
  if (c.data == "circles") return tg::circles(c.points, c.noise, rng);
  if (c.data == "moons") return tg::two_moons(c.points, c.noise, rng);
  if (c.data == "spirals") return tg::spirals(c.points, 2, c.noise, rng);
  if (c.data == "own") return own_points(c);
  tg::fail("playground", fmt::format("no data named '{}'", c.data));
}

tg::Sequential network_of(const Config& c, tg::Rng& rng) {
  std::vector<Index> sizes{2};
  sizes.insert(sizes.end(), c.hidden.begin(), c.hidden.end());
  sizes.push_back(c.softmax_twice ? 2 : 1);
  const tg::LinearOptions linear{.weight_init = tg::initializer(c.initializer), .bias_init = tg::zeros()};
  tg::Sequential net = tg::mlp(sizes, tg::activation(c.activation), rng,
                               {.linear = linear, .batch_norm = c.batch_norm, .dropout = c.dropout});
  if (c.softmax_twice) net.add(tg::Softmax());
  return net;
}

tg::OptimizerOptions options_of(const Config& c) {
  tg::OptimizerOptions options{.lr = c.lr};
  if (c.momentum >= 0) options.momentum = c.momentum;
  if (c.weight_decay >= 0) options.weight_decay = c.weight_decay;
  return options;
}

std::string certificate_of(const tg::Death& death) {
  std::string text =
      death.at_initialization ? "Off since the first batch" : fmt::format("Off since step {}", death.step);
  text += fmt::format(": {}.", death.cause);
  if (!death.at_initialization)
    text += fmt::format(
        " Learning rate {:.3g}, gradient norm {:.2g}, weights moved by {:.2g} (norm {:.2g}), bias by {:+.2g}.",
        death.lr, death.gradient_norm, death.weight_jump, death.weight_norm, death.bias_jump);
  if (death.revived) text += fmt::format(" Fired again at step {}.", *death.revived);
  return text;
}

/// y as −1 … 1: between the limits of f where it has two, else over the largest |y| of the layer.
struct Scale {
  float middle = 0, half = 1;
};
Scale scale_of(const tg::Activation& f, const tg::Matrix& y) {
  const tg::Facts facts = f.facts();
  if (std::isfinite(facts.lower) && std::isfinite(facts.upper) && facts.upper - facts.lower <= 4)
    return {static_cast<float>((facts.lower + facts.upper) / 2),
            static_cast<float>((facts.upper - facts.lower) / 2)};
  const float largest = y.array().isFinite().select(y.array().abs(), 0.f).maxCoeff();
  return {0, largest > 0 ? largest : 1};
}

}  // namespace

tg::Dataset points_of(const Config& config, tg::Rng& rng) {
  tg::Dataset data = raw_points(config, rng);
  if (config.shuffled_labels)
    for (int& label : data.labels) label = static_cast<int>(rng.below(2));
  data.inputs *= static_cast<float>(config.input_scale);
  return data;
}

Session::Session(const Config& config, const Session* start) : config_(config), rng_(config.seed) {
  train_ = points_of(config, rng_);
  if (config.validation > 0) {
    auto [train, validation] =
        tg::split(train_, {1 - config.validation, config.validation}, rng_, {.allow_missing = true});
    train_ = std::move(train);
    validation_ = std::move(validation);
  }
  if (config.standardized) {
    const tg::Scaler scaler(train_.inputs);
    scaler.apply(train_.inputs);
    if (validation_.size() > 0) scaler.apply(validation_.inputs);
  }
  net_ = network_of(config, rng_);
  if (start != nullptr) tg::copy_parameters(start->net_, net_);
  make_optimizer();
  make_monitor();
  make_loader();
  const tg::DecisionMap extent = map();
  low_ = extent.low;
  high_ = extent.high;
}

void Session::make_loader() {
  at_.reset();
  loader_.emplace(train_, tg::LoaderOptions{.batch = config_.batch, .shuffle = rng_});
}

void Session::make_optimizer() {
  optimizer_ = tg::make_optimizer<float>(config_.optimizer, net_.parameters(), options_of(config_));
}

void Session::make_monitor() {
  monitor_ = std::make_unique<tg::Monitor>(
      net_, tg::MonitorOptions{.name = config_.activation,
                               .histogram_every = 1,
                               .most_records = 200,
                               .classes = 2,
                               .optimizer = {config_.optimizer, config_.momentum, config_.weight_decay},
                               .data = tg::describe(train_.inputs, train_.labels, 2)});
}

tg::Var Session::loss_of(tg::Var outputs, std::span<const int> labels) {
  if (config_.softmax_twice) return tg::cross_entropy(outputs, labels);
  const tg::Var target = outputs.tape().input({outputs.rows(), 1}, [&](float* to) {
    for (std::size_t i = 0; i < labels.size(); ++i) to[i] = static_cast<float>(labels[i]);
  });
  return tg::bce_with_logits(outputs, target);
}

namespace {
double accuracy_of(const tg::Matrix& y, std::span<const int> labels) {
  Index right = 0;
  for (Index i = 0; i < y.rows(); ++i) {
    const bool one = y.cols() == 1 ? y(i, 0) > 0 : y(i, 1) > y(i, 0);
    right += one == (labels[static_cast<std::size_t>(i)] == 1);
  }
  return static_cast<double>(right) / static_cast<double>(std::max<Index>(y.rows(), 1));
}
}  // namespace

tg::Var Session::step() {
  if (at_) ++*at_;
  if (!at_ || *at_ == loader_->end()) at_.emplace(loader_->begin());
  auto& [inputs, labels] = **at_;
  tape_.reset();
  const tg::Var loss = loss_of(net_(tape_.input(inputs)), labels);
  loss.backward();
  optimizer_->step();
  return loss;
}

void Session::run(Index steps) {
  net_.train();
  for (Index i = 0; i < steps; ++i) {
    const tg::Var loss = step();
    monitor_->step(loss, {.lr = optimizer_->lr()});
    if (first_losses_.size() < 100) first_losses_.push_back(loss.item());
  }
}

void Session::run_alone(Index steps) {
  net_.train();
  for (Index i = 0; i < steps; ++i) step();
}

void Session::retune(const Config& config) {
  Config next = config_;
  next.lr = config.lr;
  next.optimizer = config.optimizer;
  next.momentum = config.momentum;
  next.weight_decay = config.weight_decay;
  next.batch = config.batch;
  std::swap(config_, next);
  try {
    if (config_.optimizer == next.optimizer && config_.momentum == next.momentum &&
        config_.weight_decay == next.weight_decay)
      optimizer_->set_lr(config_.lr);
    else
      make_optimizer();
    if (config_.batch != next.batch) make_loader();
  } catch (...) {
    config_ = next;
    throw;
  }
  monitor_->record().optimizer = {config_.optimizer, config_.momentum, config_.weight_decay};
}

void Session::damage(const std::string& what) {
  for (auto& [path, module] : net_.named_modules()) {
    auto* linear = dynamic_cast<tg::Linear*>(module);
    if (linear == nullptr) continue;
    const bool hidden =
        static_cast<std::size_t>(std::atoi(path.c_str())) + 1 < net_.size() - (config_.softmax_twice ? 1 : 0);
    if (what == "weights") linear->weight.mutable_value() *= 10;
    if (what == "zero") linear->weight.mutable_value().setZero();
    if (what == "biases" && hidden) linear->bias.mutable_value().setConstant(-10);
  }
}

Index Session::revive() {
  const Index count = tg::revive_dead(net_, tg::census(net_, train_.inputs), rng_);
  if (count > 0) make_optimizer();  // the old one's moments belong to the weights that are gone
  return count;
}

Evaluation Session::evaluate(const tg::Dataset& data) {
  if (data.size() == 0) return {std::nan(""), std::nan("")};
  const tg::EvalScope eval;
  view_.reset();
  const auto guard = view_.no_grad();
  const tg::Var y = net_(view_.borrow(data.inputs));
  return {loss_of(y, data.labels).item(), accuracy_of(y.value(), data.labels)};
}

Evaluation Session::evaluate_validation() {
  const Evaluation result = evaluate(validation_);
  if (validation_.size() > 0) monitor_->validation(result.loss, result.accuracy);
  return result;
}

std::vector<std::vector<UnitState>> Session::units() {
  constexpr double mostly = 0.2;  // saturated on 80 % of the points: where the finding "saturation" begins
  std::vector<std::vector<UnitState>> result;
  const std::vector<tg::UnitCensus> census = tg::census(net_, train_.inputs);
  for (const tg::LayerRecord& layer : record().layers) {
    if (layer.path == "output" || (config_.softmax_twice && layer.path == std::to_string(net_.size() - 1)))
      continue;
    const auto* module =
        dynamic_cast<const tg::ActivationLayer*>(&net_[static_cast<std::size_t>(std::stoi(layer.path))]);
    const auto seen =
        std::find_if(census.begin(), census.end(), [&](const auto& c) { return c.path == layer.path; });
    std::vector<UnitState>& units = result.emplace_back(static_cast<std::size_t>(config_.hidden[result.size()]));
    if (module == nullptr || seen == census.end()) continue;
    for (std::size_t u = 0; u < std::min(units.size(), seen->dead.size()); ++u) {
      UnitState& unit = units[u];
      unit.firing_rate = seen->firing_rate[u];
      unit.state = seen->dead[u]                ? "dead"
                   : seen->asleep[u]            ? "asleep"
                   : unit.firing_rate <= mostly ? "saturated"
                                                : "alive";
      if (u < layer.dead_since.size()) unit.dead_since = layer.dead_since[u];
    }
    for (const tg::Death& death : layer.deaths) {
      if (static_cast<std::size_t>(death.unit) >= units.size()) continue;
      UnitState& unit = units[static_cast<std::size_t>(death.unit)];
      unit.certificate = certificate_of(death);
      if (death.revived) unit.revived = *death.revived;
    }
  }
  return result;
}

tg::DecisionMap Session::map() {
  return tg::decision_map(net_, train_.inputs, train_.labels, 2, tg::SingleOutput::logit);
}

void Session::make_grid(Index cells) {
  if (grid_.rows() == cells * cells) return;
  grid_.resize(cells * cells, 2);
  for (Index row = 0; row < cells; ++row)
    for (Index col = 0; col < cells; ++col)
      for (const Index axis : {0, 1}) {
        const auto a = static_cast<std::size_t>(axis);
        const double share = (static_cast<double>(axis == 0 ? col : row) + 0.5) / static_cast<double>(cells);
        grid_(row * cells + col, axis) = static_cast<float>(low_[a] + (high_[a] - low_[a]) * share);
      }
}

const std::vector<float>& Session::pictures(Index cells) {
  make_grid(cells);
  pictures_.clear();
  const tg::EvalScope eval;
  view_.reset();
  const auto guard = view_.no_grad();
  tg::Var x = view_.borrow(grid_);
  const std::size_t hidden_modules = net_.size() - (config_.softmax_twice ? 1 : 0);
  for (std::size_t i = 0; i < net_.size(); ++i) {
    x = net_[i](x);
    const auto* layer = dynamic_cast<const tg::ActivationLayer*>(&net_[i]);
    if (layer == nullptr || i >= hidden_modules) continue;
    const tg::Matrix y = x.value();
    const Scale scale = scale_of(layer->activation(), y);
    for (Index unit = 0; unit < y.cols(); ++unit)
      for (Index row = 0; row < y.rows(); ++row) pictures_.push_back((y(row, unit) - scale.middle) / scale.half);
  }
  const auto y = x.value();
  for (Index row = 0; row < y.rows(); ++row)
    pictures_.push_back(y.cols() == 1 ? 1 / (1 + std::exp(-y(row, 0))) : y(row, 1));
  return pictures_;
}

}  // namespace playground
