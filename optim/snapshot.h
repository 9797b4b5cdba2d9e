#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tapegrad/core/check.h"
#include "tapegrad/core/parameter.h"

/// Copies of a network's parameters and buffers, and what is made of them: the best network so far, the mean of the last ones.
/// They take the network that they belong to, or anything with parameters() and named_buffers(); it must outlive them. A
/// checkpoint holds them: `run.add("stopping", stopping)`.

namespace tapegrad::inline TAPEGRAD_ABI {

/** What a network was at some time.
 *
 *      Snapshot before(net);
 *      …
 *      before.restore();   // the network is what it was */
template <class T> class BasicSnapshot {
 public:
  template <class Net>
  requires requires(Net& net) { net.named_buffers(); }
  explicit BasicSnapshot(Net& net) : parameters_(net.parameters()) {
    for (const auto& [path, buffer] : net.named_buffers()) buffers_.push_back(buffer);
    take();
  }

  /** From now on it is what the network is now. */
  void take() {
    values_.resize(parameters_.size() + buffers_.size());
    each([](const BasicMatrix<T>& now, BasicMatrix<T>& kept) { kept = now; });
  }
  void restore() {
    change([](BasicMatrix<T>& now, BasicMatrix<T>& kept) { now = kept; });
  }
  /** The network becomes what was kept, and what it was is kept. */
  void swap() {
    change([](BasicMatrix<T>& now, BasicMatrix<T>& kept) { now.swap(kept); });
  }
  /** kept ← kept + share·(now − kept) */
  void mix(double share) {
    each([=](const BasicMatrix<T>& now, BasicMatrix<T>& kept) { kept += static_cast<T>(share) * (now - kept); });
  }
  template <class Visit> void each_state(const Visit& visit) {
    for (std::size_t i = 0; i < values_.size(); ++i) visit(std::to_string(i), values_[i]);
  }

 private:
  template <class F> void each(const F& f) {
    auto kept = values_.begin();
    for (const BasicParameter<T>& parameter : parameters_) f(parameter.value(), *kept++);
    for (const BasicMatrix<T>* buffer : buffers_) f(*buffer, *kept++);
  }
  template <class F> void change(const F& f) {
    auto kept = values_.begin();
    for (const BasicParameter<T>& parameter : parameters_) f(parameter.mutable_value(), *kept++);
    for (BasicMatrix<T>* buffer : buffers_) f(*buffer, *kept++);
  }

  std::vector<BasicParameter<T>> parameters_;
  std::vector<BasicMatrix<T>*> buffers_;
  std::vector<BasicMatrix<T>> values_;  ///< of the parameters, then of the buffers
};

struct EarlyStoppingOptions {
  Index patience = 5;    ///< epochs in a row without a better one, ≥ 1
  double min_delta = 0;  ///< a better loss is lower by more than this, ≥ 0
};

/** Ends a training that gets no better, and keeps the best network.
 *
 *      EarlyStopping stopping(net, {.patience = 10});
 *      for (int epoch = 0; epoch < 1000; ++epoch) {
 *        …
 *        if (stopping.stop_after(validation_loss)) break;
 *      }
 *      stopping.restore(); */
template <class T> class BasicEarlyStopping {
 public:
  template <class Net>
  explicit BasicEarlyStopping(Net& net, EarlyStoppingOptions options = {}) : options_(options), best_net_(net) {
    check_settings("early_stopping",
                   {{"patience", options.patience, SettingDomain::count}, {"min_delta", options.min_delta}});
  }

  /** Tells the loss of an epoch, or another number that is to become small (NaN is never better), and whether to stop. */
  bool stop_after(double loss) {
    if (loss < best_ - options_.min_delta) {
      best_ = loss;
      best_epoch_ = epochs_;
      best_net_.take();
    }
    return ++epochs_ - (best_epoch_ + 1) >= options_.patience;
  }
  /** ∞ before there is one. */
  double best() const { return best_; }
  /** Counted from 0; −1 before there is one. */
  Index best_epoch() const { return best_epoch_; }
  /** Makes the network what it was at its best; before there is one, what it was at first. */
  void restore() { best_net_.restore(); }
  template <class Visit> void each_state(const Visit& visit) {
    visit("best", best_);
    visit("best_epoch", best_epoch_);
    visit("epochs", epochs_);
    visit("net", best_net_);
  }

 private:
  EarlyStoppingOptions options_;
  BasicSnapshot<T> best_net_;
  double best_ = std::numeric_limits<double>::infinity();
  Index best_epoch_ = -1, epochs_ = 0;
};

/** The mean of the networks after each step: the plain one of the first 1/(1 − decay) steps, exponential from then on,
 * a ← a + max(1/t, 1 − decay)·(w − a), which is often better than the last network (Polyak & Juditsky 1992).
 *
 *      WeightAverage average(net, 0.999);
 *      …
 *      adam.step();
 *      average.update();
 *      …
 *      average.swap();   // net is the mean; again, and it is what is trained */
template <class T> class BasicWeightAverage {
 public:
  /** Throws unless 0 ≤ decay < 1. */
  template <class Net>
  explicit BasicWeightAverage(Net& net, double decay = 0.999)
      : decay_(check_setting("weight_average", "decay", SettingDomain::below_one, decay)), mean_(net) {}

  void update() { mean_.mix(std::max(1 / static_cast<double>(++updates_), 1 - decay_)); }
  void swap() { mean_.swap(); }
  template <class Visit> void each_state(const Visit& visit) {
    visit("updates", updates_, SettingDomain::not_negative);
    visit("net", mean_);
  }

 private:
  double decay_;
  BasicSnapshot<T> mean_;
  Index updates_ = 0;
};

/** One step for several batches: the gradient is the mean of theirs.
 *
 *      GradientMean mean(net.parameters(), 4);
 *      …
 *      loss.backward();
 *      if (mean.add()) adam.step();   // every fourth time
 *      tape.reset(); */
template <class T> class BasicGradientMean {
 public:
  /** Throws when `batches` is below 1. */
  BasicGradientMean(std::vector<BasicParameter<T>> parameters, Index batches)
      : parameters_(std::move(parameters)), batches_(batches), reached_(parameters_.size(), 0) {
    check_settings("gradient_mean", {{"batches", batches, SettingDomain::count}});
    for (const BasicParameter<T>& p : parameters_)
      sums_.push_back(BasicMatrix<T>::Zero(p.shape().rows, p.shape().cols));
  }

  /** Adds the gradients of this step. After the last batch the parameters have the mean as their gradients, and it is true. */
  bool add() {
    const bool last = ++count_ % batches_ == 0;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      if (parameters_[i].has_grad()) {
        sums_[i] += parameters_[i].grad();
        reached_[i] = 1;
      }
      if (!last || reached_[i] == 0) continue;
      parameters_[i].mutable_grad() = sums_[i] / static_cast<T>(batches_);
      sums_[i].setZero();
      reached_[i] = 0;
    }
    return last;
  }
  template <class Visit> void each_state(const Visit& visit) {
    visit("count", count_, SettingDomain::not_negative);
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      visit(std::to_string(i), sums_[i]);
      visit("reached." + std::to_string(i), reached_[i], SettingDomain::not_negative);
    }
  }

 private:
  std::vector<BasicParameter<T>> parameters_;
  std::vector<BasicMatrix<T>> sums_;
  Index batches_, count_ = 0;
  std::vector<Index> reached_;  ///< 1 for a parameter that got a gradient since the last step
};

}  // namespace tapegrad

TAPEGRAD_ALIASES(Snapshot)
TAPEGRAD_ALIASES(EarlyStopping)
TAPEGRAD_ALIASES(WeightAverage)
TAPEGRAD_ALIASES(GradientMean)
