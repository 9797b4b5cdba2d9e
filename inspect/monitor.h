#pragma once

#include <memory>
#include <string>

#include "tapegrad/inspect/record.h"
#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

struct MonitorOptions {
  std::string name = "run";  ///< how the run is called in reports
  Index every =
      0;  ///< look at every k-th step; 0: as often as costs little, which is every step at first and every 50th
          ///< after the thousandth, and units that went off at every step until they are dead or on again
  Index histogram_every =
      0;  ///< steps between histograms, which cost more than the rest; 0: at every eighth look or so
  Index firing_every = 100;   ///< steps in a period of which the firing rates are kept
  Index confirm_after = 100;  ///< further looks at which a unit must still be off to be called dead since then
  Index most_records = 400;  ///< of a kind; when more have come together, every other one is dropped (of deaths, of
                             ///< those that are over)
  Index steps_per_epoch = 0;       ///< for the horizon "this epoch"; 0: the caller says end_epoch()
  Index classes = 0;               ///< lets findings compare the loss with ln C
  OptimizerRecord optimizer = {};  ///< lets findings judge its settings
  DataRecord data = {};            ///< describe(inputs, labels): lets findings judge the data
};

/** What the caller knows of a step and the tape does not show. */
struct StepInfo {
  double lr = 0;
  double accuracy = -1;  ///< on the batch, 0 … 1; −1 when unknown
};

/** Watches a network train. Call step() once per training step, after the optimizer's update and before the tape is
 * reset; it reads what the tape still holds, so nothing is slowed down in between.
 *
 *      Monitor monitor(net, {.steps_per_epoch = batches.count()});
 *      …
 *      loss.backward();
 *      adam.step();
 *      monitor.step(loss, {.lr = adam.lr()});
 *      …
 *      for (const Finding& finding : findings(monitor.record())) std::puts(finding.text.c_str());
 *
 * The network must outlive the monitor and stay where it is. */
template <class T> class BasicMonitor {
 public:
  /** Throws when a number in the options is below 1 (every, histogram_every, confirm_after, steps_per_epoch and classes: below 0). */
  explicit BasicMonitor(BasicModule<T>& net, MonitorOptions options = {});
  ~BasicMonitor();
  BasicMonitor(BasicMonitor&&) noexcept;
  BasicMonitor& operator=(BasicMonitor&&) noexcept;

  /** Looks at the step that ends with this loss. When it throws, nothing of the step is in the record, and it may be
   * called again. Throws when the network recorded nothing that the loss could depend on, and when a parameter has another
   * shape than before. */
  void step(BasicVar<T> loss, StepInfo info = {});
  /** Notes what an evaluation on other data gave: lets findings compare it with the training. */
  void validation(double loss, double accuracy = -1);
  /** The same with a loss that is on a tape, which shows whether the network was still in training mode. */
  void validation(BasicVar<T> loss, double accuracy = -1);
  /** Ends the horizon "this epoch". Not needed with steps_per_epoch. */
  void end_epoch();
  /** Steps seen, looked at or not. */
  Index steps() const;

  /** What has been seen so far. */
  const RunRecord& record() const;
  RunRecord& record();

 private:
  struct Implementation;
  Implementation& self() const;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(Monitor)
