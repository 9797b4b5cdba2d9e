#include "tapegrad/io/toy.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace {

using std::numbers::pi;

struct Point {
  double x = 0;
  double y = 0;
};

/// Point i is the j-th of the m points of its class: `place(class, j, m)`, plus noise.
template <class T, class Place>
BasicDataset<T> scatter(std::string_view where, Index n, int classes, double noise, Rng& rng, Place place) {
  if (classes < 1) fail(where, fmt::format("number of classes is {}, expected at least 1", classes));
  if (n < classes) fail(where, fmt::format("{} points are too few for {} classes", n, classes));
  if (!(noise >= 0) || std::isinf(noise))
    fail(where, fmt::format("noise is {}, expected a finite number of at least 0", noise));

  BasicDataset<T> data;
  data.classes = classes;
  data.inputs.resize(n, 2);
  for (Index i = 0; i < n; ++i) {
    const Index label = i % classes;
    const Point p = place(label, i / classes, (n - label + classes - 1) / classes);
    data.inputs(i, 0) = static_cast<T>(p.x + noise * rng.normal());
    data.inputs(i, 1) = static_cast<T>(p.y + noise * rng.normal());
    data.labels.push_back(static_cast<int>(label));
  }
  return data;
}

}  // namespace

template <class T> BasicDataset<T> xor_points() {
  BasicDataset<T> data;
  data.inputs.resize(4, 2);
  data.inputs << 0, 0, 0, 1, 1, 0, 1, 1;
  data.labels = {0, 1, 1, 0};
  data.classes = 2;
  return data;
}

template <class T> BasicDataset<T> two_moons(Index n, double noise, Rng& rng) {
  return scatter<T>("two_moons", n, 2, noise, rng, [](Index k, Index j, Index m) {
    const double t = pi * static_cast<double>(j) / static_cast<double>(std::max<Index>(m - 1, 1));
    return k == 0 ? Point{std::cos(t), std::sin(t)} : Point{1 - std::cos(t), 0.5 - std::sin(t)};
  });
}

template <class T> BasicDataset<T> spirals(Index n, int classes, double noise, Rng& rng) {
  return scatter<T>("spirals", n, classes, noise, rng, [classes](Index k, Index j, Index m) {
    const double r = static_cast<double>(j + 1) / static_cast<double>(m);
    const double phi = 2 * pi * (r + static_cast<double>(k) / classes);
    return Point{r * std::cos(phi), r * std::sin(phi)};
  });
}

template <class T> BasicDataset<T> circles(Index n, double noise, Rng& rng) {
  return scatter<T>("circles", n, 2, noise, rng, [](Index k, Index j, Index m) {
    const double r = k == 0 ? 1 : 0.5;
    const double phi = 2 * pi * static_cast<double>(j) / static_cast<double>(m);
    return Point{r * std::cos(phi), r * std::sin(phi)};
  });
}

#define TAPEGRAD_FUNCTIONS(T)                                 \
  template BasicDataset<T> xor_points();                      \
  template BasicDataset<T> two_moons(Index, double, Rng&);    \
  template BasicDataset<T> spirals(Index, int, double, Rng&); \
  template BasicDataset<T> circles(Index, double, Rng&);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
