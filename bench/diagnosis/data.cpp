#include "diagnosis/data.h"

#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>

#include "tapegrad/core/rng.h"
#include "tapegrad/io/idx.h"
#include "tapegrad/io/toy.h"

namespace diagnosis {
namespace {

constexpr Index points = 700;

/// The centres of scikit-learn's make_blobs(random_state=2), as AutoTrainer uses them.
tg::Dataset blobs(Index n, double std, tg::Rng& rng) {
  constexpr double centres[3][2] = {{-1.280, -9.481}, {0.993, -1.294}, {-1.593, -3.393}};
  tg::Dataset d;
  d.classes = 3;
  d.inputs.resize(n, 2);
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i % 3);
    d.inputs(i, 0) = static_cast<float>(centres[k][0] + std * rng.normal());
    d.inputs(i, 1) = static_cast<float>(centres[k][1] + std * rng.normal());
    d.labels.push_back(static_cast<int>(k));
  }
  return d;
}

/// y = sin(2·x1)·cos(x2) with noise: a surface over the plane.
Samples sine(Index n, tg::Rng& rng) {
  Samples s;
  s.set.classes = 1;
  s.set.inputs.resize(n, 2);
  s.targets.resize(n, 1);
  for (Index i = 0; i < n; ++i) {
    const double a = rng.uniform(-2, 2), b = rng.uniform(-2, 2);
    s.set.inputs.row(i) << static_cast<float>(a), static_cast<float>(b);
    s.targets(i, 0) = static_cast<float>(std::sin(2 * a) * std::cos(b) + 0.1 * rng.normal());
    s.set.labels.push_back(0);
  }
  return s;
}

Samples source(const std::string& name, Index n, tg::Rng& rng) {
  if (name == "circles") return {tg::circles(n, 0.1, rng)};
  if (name == "moons") return {tg::two_moons(n, 0.15, rng)};
  if (name == "spirals") return {tg::spirals(n, 2, 0.03, rng)};
  if (name == "spirals3") return {tg::spirals(n, 3, 0.03, rng)};
  if (name == "blobs") return {blobs(n, 2, rng)};
  // Classes that overlap: no network gets far below 0.6·ln C.
  if (name == "moons_overlap") return {tg::two_moons(n, 0.5, rng)};
  if (name == "circles_overlap") return {tg::circles(n, 0.3, rng)};
  if (name == "blobs_overlap") return {blobs(n, 5, rng)};
  if (name == "sine") return sine(n, rng);
  throw std::runtime_error("no data named " + name);
}

const Data& raw_data(const std::string& name) {
  static std::map<std::string, Data> cache;
  Data& d = cache[name];
  if (d.train.size() > 0) return d;
  if (name == "fashion") {
    const std::string dir = "/usr/share/datasets/fashion-mnist";
    d.train.set = tg::load_mnist(dir, tg::Split::train, 5000);
    d.test.set = tg::load_mnist(dir, tg::Split::test, 2000);
    return d;
  }
  tg::Rng rng(1000 + name.size() * 7 + static_cast<unsigned char>(name[0]));
  d.train = source(name, points, rng);
  d.test = source(name, 2000, rng);
  return d;
}

/// 99 samples of class 0 for one of any other.
void imbalance(Samples& train, const std::string& name) {
  if (name != "fashion") {
    tg::Rng more(4242);
    train = source(name, points * train.set.classes, more);
  }
  const Index total = name == "fashion" ? 500 : points;
  const Index rare = std::max<Index>(total / 100, 1);
  std::vector<Index> rows;
  Index common = 0, others = 0;
  for (Index i = 0; i < train.size(); ++i) {
    const bool is_common = train.set.labels[static_cast<std::size_t>(i)] == 0;
    if (is_common ? common >= total - rare : others >= rare) continue;
    rows.push_back(i);
    ++(is_common ? common : others);
  }
  train = train.rows(rows);
}

void change_labels(tg::Dataset& d, const std::string& how, tg::Rng& rng) {
  if (how == "shuffled") {
    const auto order = rng.permutation(d.size());
    const std::vector<int> old = d.labels;
    for (std::size_t i = 0; i < old.size(); ++i) d.labels[i] = old[static_cast<std::size_t>(order[i])];
  }
  for (int& label : d.labels) {
    if (how == "constant") label = d.classes - 1;
    if (how == "off_by_one") label = (label + 1) % d.classes;
    if (how == "noisy" && rng.uniform(0, 1) < 0.2)
      label = static_cast<int>(rng.below(static_cast<std::uint64_t>(d.classes)));
  }
}

/// Every column to mean 0 and standard deviation 1 over the training samples.
void standardize(Data& d) {
  tg::Matrix& x = d.train.set.inputs;
  for (Index k = 0; k < x.cols(); ++k) {
    const auto column = x.col(k).cast<double>().eval();
    const double mean = column.mean();
    const double std = std::sqrt((column.array() - mean).square().mean());
    if (!(std > 1e-12) || !std::isfinite(std)) continue;
    for (tg::Matrix* each : {&x, &d.test.set.inputs})
      each->col(k) = ((each->col(k).cast<double>().array() - mean) / std).cast<float>().matrix();
  }
}

}  // namespace

Samples Samples::rows(const std::vector<Index>& chosen) const {
  const auto count = static_cast<Index>(chosen.size());
  Samples result;
  result.set.classes = set.classes;
  result.set.inputs.resize(count, set.inputs.cols());
  if (regression()) result.targets.resize(count, 1);
  for (Index i = 0; i < count; ++i) {
    const Index row = chosen[static_cast<std::size_t>(i)];
    result.set.inputs.row(i) = set.inputs.row(row);
    result.set.labels.push_back(set.labels[static_cast<std::size_t>(row)]);
    if (regression()) result.targets.row(i) = targets.row(row);
  }
  return result;
}

Samples Samples::evenly(Index count) const {
  std::vector<Index> chosen;
  for (Index i = 0; i < std::min(count, size()); ++i) chosen.push_back(i * size() / std::min(count, size()));
  return rows(chosen);
}

Data data_of(const Config& c) {
  const std::string name = c.text("data", "circles"), inputs = c.text("inputs");
  Data d = raw_data(name);
  tg::Rng rng(c.seed() * 77 + 5);
  if (c.text("labels") == "imbalanced") imbalance(d.train, name);
  change_labels(d.train.set, c.text("labels"), rng);
  for (tg::Matrix* x : {&d.train.set.inputs, &d.test.set.inputs}) {
    if (inputs == "x1000") *x *= 1000;
    if (inputs == "x0.001") *x *= 0.001f;
    if (inputs == "feature") x->col(x->cols() / 2) *= 1000;
    if (inputs == "constant") x->col(1).setConstant(0.5f);
  }
  if (inputs == "nan")
    d.train.set.inputs(static_cast<Index>(rng.below(static_cast<std::uint64_t>(d.train.size()))), 0) =
        std::nanf("");
  if (c.flag("drop_nan_rows")) {
    std::vector<Index> rows;
    for (Index i = 0; i < d.train.size(); ++i)
      if (d.train.set.inputs.row(i).allFinite()) rows.push_back(i);
    d.train = d.train.rows(rows);
  }
  if (c.flag("standardize")) standardize(d);
  return d;
}

}  // namespace diagnosis
