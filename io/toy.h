#pragma once

#include "tapegrad/core/rng.h"
#include "tapegrad/io/dataset.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/// Small sets of points in the plane (inputs n x 2) that no straight line separates. Point i belongs to class
/// i mod classes, so any first part of a set is balanced. `noise` is the standard deviation of a normal number
/// added to each coordinate. They throw when n < classes, and when the noise is negative or not finite.

/** The truth table of exclusive or: (0,0) → 0, (0,1) → 1, (1,0) → 1, (1,1) → 0. */
template <class T> BasicDataset<T> xor_points();

/** Two half circles of radius 1 that reach into each other, 0 ≤ t ≤ π: class 0 at (cos t, sin t) and class 1 at
 * (1 − cos t, ½ − sin t).
 *
 *      Dataset moons = two_moons(500, 0.1, rng); */
template <class T> BasicDataset<T> two_moons(Index n, double noise, Rng& rng);

/** Arms that wind once around the origin, 0 < r ≤ 1: class k at (r cos φ, r sin φ), φ = 2π (r + k / classes). */
template <class T> BasicDataset<T> spirals(Index n, int classes, double noise, Rng& rng);

/** Circles around the origin: class 0 of radius 1, class 1 of radius ½. */
template <class T> BasicDataset<T> circles(Index n, double noise, Rng& rng);

}  // namespace tapegrad

TAPEGRAD_FUNCTION(Dataset, xor_points, (), ())
TAPEGRAD_FUNCTION(Dataset, two_moons, (Index n, double noise, Rng& rng), (n, noise, rng))
TAPEGRAD_FUNCTION(Dataset, spirals, (Index n, int classes, double noise, Rng& rng), (n, classes, noise, rng))
TAPEGRAD_FUNCTION(Dataset, circles, (Index n, double noise, Rng& rng), (n, noise, rng))
