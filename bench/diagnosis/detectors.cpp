#include "diagnosis/detectors.h"

#include <algorithm>
#include <cmath>

namespace diagnosis {
namespace {

bool bad(double x) { return !std::isfinite(x); }

/// Whether number k was the same in the last five looks.
bool unchanged(const std::vector<std::vector<double>>& all, std::size_t k) {
  for (std::size_t i = all.size() - 5; i + 1 < all.size(); ++i)
    if (k >= all[i].size() || k >= all[i + 1].size() || all[i][k] != all[i + 1][k]) return false;
  return true;
}

}  // namespace

void AutoTrainer::look(const std::vector<Epoch>& h, const std::vector<LayerLook>& layers, const GradientLook& g) {
  if (!issues.empty() || h.size() % 3 != 0) return;
  for (const auto& l : layers)
    if (!l.last && l.mean_abs >= 10) abnormal_ = true;
  if (!g.finite) nan_ = true;
  if (!g.weights_finite) nan_ = true;
  if (g.finite && !g.weight_norms.empty()) {
    const double ratio = g.weight_norms.front() / g.weight_norms.back();
    if (ratio < 1e-3 && g.weight_norms.front() < 1e-4) vanish_ = true;
    if (ratio > 70) explode_ = true;
    if (g.zero_share >= 0.7) dead_ = true;
  }
  bool broken = false;
  for (const auto& e : h)
    broken = broken || bad(e.train_loss) || bad(e.test_loss) || e.train_loss >= 1e3 || e.test_loss >= 1e3;
  if (broken) nan_loss_ = true;
  if (!broken && static_cast<double>(h.size()) >= 0.3 * total_ - 3) look_at_course(h);
  if (abnormal_) issues.insert("abnormal data");
  if (nan_loss_ && nan_) issues.insert("exploding gradient");
  if (low_ || flat_) {
    if (dead_)
      issues.insert("dying relu");
    else if (explode_)
      issues.insert("exploding gradient");
    else if (vanish_)
      issues.insert("vanishing gradient");
    else if (low_ && flat_ && !abnormal_)
      issues.insert("slow convergence");
  }
  if (unstable_) issues.insert("oscillating loss");
  if (!issues.empty()) epoch = static_cast<Index>(h.size());
}

void AutoTrainer::look_at_course(const std::vector<Epoch>& h) {
  double best = 0;
  double step = 0;
  for (std::size_t i = 0; i < h.size(); ++i) {
    best = std::max({best, h[i].train_accuracy, h[i].test_accuracy});
    if (i > 0)
      step = std::max(
          {step, h[i].train_accuracy - h[i - 1].train_accuracy, h[i].test_accuracy - h[i - 1].test_accuracy});
  }
  std::vector<double> up, down;
  for (std::size_t i = 1; i + 1 < h.size(); ++i) {
    const double a = h[i].train_accuracy;
    if (a >= h[i - 1].train_accuracy && a >= h[i + 1].train_accuracy) up.push_back(a);
    if (a <= h[i - 1].train_accuracy && a <= h[i + 1].train_accuracy) down.push_back(a);
  }
  double swings = 0;
  for (std::size_t i = 0; i < std::min(up.size(), down.size()); ++i) swings += up[i] - down[i] >= 0.03;
  if (swings >= 0.2 * static_cast<double>(h.size())) unstable_ = true;
  if (best < 0.6) low_ = true;
  if (step < 0.01) flat_ = true;
}

void DeepDiagnosis::look(const std::vector<Epoch>& h, const std::vector<LayerLook>& layers, const GradientLook& g) {
  if (!issue.empty()) return;
  const std::size_t n = h.size();
  issue = forward(layers, n);
  if (issue.empty()) {
    gradients_.push_back(g.weight_means);
    weights_.push_back(g.value_means);
    if (n % 5 == 0)
      for (std::size_t k = 0; k + 1 < layers.size() && issue.empty(); ++k)
        if (unchanged(forward_, k)) issue = "unchanged tensor in forward";
  }
  if (issue.empty()) issue = loss(h);
  if (issue.empty()) issue = backward(g, n);
  if (!issue.empty()) epoch = static_cast<Index>(n);
}

std::string DeepDiagnosis::forward(const std::vector<LayerLook>& layers, std::size_t n) {
  std::vector<double> means;
  for (const LayerLook& l : layers) {
    means.push_back(l.mean);
    if (bad(l.mean) || l.mean == 0) return "numerical problem in forward";
    if ((l.kind == "relu" || l.kind == "exponential") && static_cast<Index>(n) == total_ && l.share_off >= 0.7)
      return "dead node";
    if (n % 5 == 0 && l.share_beyond_5 > 0.5) return "saturated activation";
  }
  forward_.push_back(means);
  return "";
}

std::string DeepDiagnosis::loss(const std::vector<Epoch>& h) const {
  const std::size_t n = h.size();
  const auto same = [&](std::size_t epochs, double Epoch::*number) {
    for (std::size_t i = n - epochs; i + 1 < n; ++i)
      if (h[i].*number != h[i + 1].*number) return false;
    return true;
  };
  if (bad(h.back().train_loss)) return "invalid loss";
  if (n % 5 == 0 && same(5, &Epoch::train_loss)) return "loss not decreasing";
  if (h.back().train_accuracy == 0) return "invalid accuracy";
  if (n % 20 == 0 && same(20, &Epoch::train_accuracy)) return "accuracy not increasing";
  return "";
}

std::string DeepDiagnosis::backward(const GradientLook& g, std::size_t n) const {
  for (std::size_t k = g.weight_means.size(); k-- > 0;) {
    if (bad(g.weight_means[k]) || g.weight_means[k] == 0) return "numerical error in delta weights";
    if (g.weight_mean_abs[k] < 1e-7) return "vanishing gradient";
    if (bad(g.value_means[k]) || g.value_means[k] == 0) return "numerical error in weights";
  }
  for (std::size_t k = g.weight_means.size(); n % 5 == 0 && k-- > 0;) {
    if (unchanged(gradients_, k)) return "unchanged delta weights";
    if (unchanged(weights_, k)) return "unchanged weights";
  }
  return "";
}

Reader::Reader(tg::Sequential& net) {
  for (const auto& [path, module] : net.named_modules())
    if (module != &net) modules[module] = {modules.size(), std::string(module->kind())};
}

void Reader::on_forward(const tg::BasicTape<float>& tape, tg::NodeIndex index) {
  const auto& node = tape.node(index);
  const auto it = modules.find(node.owner);
  if (it == modules.end() || node.parent_count == 0) return;
  LayerLook& l = looks[it->second.first];
  l.kind = it->second.second;
  const Eigen::Map<const Eigen::ArrayXf> v(node.value, node.size());
  l.mean = static_cast<double>(v.mean());
  l.mean_abs = static_cast<double>(v.abs().mean());
  l.share_off = static_cast<double>((v <= 0).count()) / static_cast<double>(v.size());
  if (l.kind == "sigmoid" || l.kind == "tanh") {
    const auto& z = tape.node(node.parents[0]);
    const Eigen::Map<const Eigen::ArrayXf> in(z.value, z.size());
    l.share_beyond_5 = static_cast<double>((in.abs() >= 5).count()) / static_cast<double>(in.size());
  }
}

GradientLook gradients_of(const tg::Sequential& net, const std::string& last_linear) {
  GradientLook look;
  Index zeros = 0, all = 0;
  for (const auto& [path, p] : net.named_parameters()) {
    const tg::Matrix& g = p.grad();
    zeros += (g.array() == 0).count();
    all += g.size();
    look.finite = look.finite && g.allFinite();
    look.weights_finite = look.weights_finite && p.value().allFinite();
    if (!path.ends_with("weight") || (p.shape().rows == 1 && path != last_linear + ".weight")) continue;
    look.weight_norms.push_back(static_cast<double>(g.norm()));
    look.weight_means.push_back(static_cast<double>(g.mean()));
    look.weight_mean_abs.push_back(static_cast<double>(g.cwiseAbs().mean()));
    look.value_means.push_back(static_cast<double>(p.value().mean()));
  }
  look.zero_share = static_cast<double>(zeros) / static_cast<double>(std::max<Index>(all, 1));
  return look;
}

}  // namespace diagnosis
