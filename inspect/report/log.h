#pragma once

#include <span>
#include <string>

#include "tapegrad/inspect/record.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** Writes what was seen of one or more runs as JSON Lines, for people with tools of their own: one object per recorded
 * step and kind, ordered by run and kind. Every object has "kind" and "run" (the run's name); numbers that are not
 * finite are null, and so is what is unknown.
 *
 *      run                 classes, steps_per_epoch, notes, input_mean, input_std, nan_step, nan_input; comes first
 *      loss                step, loss, accuracy, lr
 *      layer               path, activation, units, step, then z_mean, z_std, mean, std, saturated_low, saturated_high,
 *                          dead_batch, dead_epoch, dead_since, asleep, gradient_rms, weight_factor, slope_factor
 *      z_histogram         path, step, low, high, counts (64 equal bins of z), underflow, overflow
 *      firing_rate         path, step (the last of the period), rates (per unit)
 *      death               path, step, unit, at_initialization, updates, weight_jump, weight_norm, bias_jump, lr,
 *                          gradient_norm, revived, cause
 *      parameter           path, step, weight_norm, gradient_norm, update_norm, update_ratio
 *      gradient_histogram  path, step, low, high, counts (64 equal bins of log10|g|), underflow, overflow, zeros
 *
 * For example, the loss by step with jq:  jq -c 'select(.kind == "loss") | [.step, .loss]' run.jsonl
 * Throws "[log] run.jsonl: cannot be written". */
void write_log(const std::string& path, std::span<const RunRecord> runs);

}  // namespace tapegrad
