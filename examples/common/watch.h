#pragma once

#include <tapegrad/tapegrad.h>

#include <chrono>
#include <string>

/// The live view of a training run in the terminal.
namespace watch {

namespace tg = tapegrad;

/** The layers of the newest recorded step as lines of at most 80 columns: shares saturated and dead as bars, the
 * size of the gradient on a logarithmic bar from 1e-8 to 1. */
std::string layer_table(const tg::RunRecord& record);

/** Draws the table over and over in place, at most ten times a second; where the output is no terminal, one plain
 * line every five seconds. */
class View {
 public:
  explicit View(tg::Index total_steps) : total_(total_steps) {}
  void update(tg::Index step, const tg::RunRecord& record);
  /** Leaves the picture standing where it is, so that other lines can follow. */
  void pause() { lines_ = 0; }
  /** Draws the end. */
  void finish(const tg::RunRecord& record);

 private:
  void draw(tg::Index step, const tg::RunRecord& record);

  tg::Index total_;
  int lines_ = 0;  ///< drawn so far, to go back over
  std::chrono::steady_clock::time_point drawn_ = std::chrono::steady_clock::now();
};

}  // namespace watch
