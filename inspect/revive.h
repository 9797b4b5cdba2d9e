#pragma once

#include "tapegrad/inspect/census.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/linear.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** What becomes of the weights that lead on from a revived unit. */
enum class Outgoing {
  zero,  ///< the unit starts without influence, so the network computes what it did (ReDo, Sokar et al. 2023)
  keep,  ///< the weights stay; the network's output jumps
};

struct ReviveOptions {
  Initializer weight_init = he_normal();  ///< for the incoming weights
  double bias = 0;
  Outgoing outgoing = Outgoing::zero;
};

/** Reinitializes the units of the layer between `in` and `out` that are marked as dead, and returns how many:
 * incoming weights (rows of in.weight) by the initializer, bias, outgoing weights (columns of out.weight).
 * Everything else stays bit by bit. The optimizer's state is not touched: momentum of a dead unit is 0 or decays,
 * only Adam's small second moments make the first steps of a revived unit long; start a new optimizer where that
 * matters.
 *
 *      revive(net.at<Linear>(0), units.dead, net.at<Linear>(2), rng);
 *
 * Throws unless `dead` has one mark for each output of `in` and each input of `out`. */
template <class T>
Index revive(BasicLinear<T>& in, const std::vector<bool>& dead, BasicLinear<T>& out, Rng& rng,
             const ReviveOptions& options = {});

/** The same for every activation layer of a census that has dead units.
 *
 *      const Index count = revive_dead(net, census(net, inputs), rng);
 *
 * Throws, before anything is changed, when such a layer does not stand between two Linear layers of `net`. */
template <class T>
Index revive_dead(BasicSequential<T>& net, const std::vector<UnitCensus>& census, Rng& rng,
                  const ReviveOptions& options = {});

}  // namespace tapegrad
