#pragma once

#include <span>

#include "activations/gallery.h"

namespace gallery {

/** f, f′, f″ for x from −5 to 5. Of an activation of several inputs it is the first output as a function of the first
 * input, with the others at 0. */
plot::Figure curves(const tg::Activation& f);
/** Mean and variance of f(x) for x ~ N(0, 1); softmax and its like see rows of 12. */
void measure_outputs(Entry& entry, std::uint64_t seed);
/** What each costs on a square matrix of that size; returns the cost of a product of two. */
Cost measure_costs(std::span<Entry> entries, tg::Index size, std::uint64_t seed);

}  // namespace gallery
