#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// What the examples need to draw in a terminal. Colours are off when the output is not a terminal or when
/// NO_COLOR is set; the figures themselves stay.
namespace terminal {

enum class Color { red, green, yellow, blue, magenta, cyan, dim, bold };

bool is_terminal();
bool colours();
/** Columns of the terminal; 80 when there is none. */
int width();
std::string paint(std::string_view text, Color color);

/** The values as one line of block characters, thinned to at most `columns`: "█▆▅▃▂▁▁". */
std::string sparkline(std::span<const double> values, int columns = 60);
/** A bar of `columns` cells filled to `fraction` in eighths: "█████▌    ". */
std::string bar(double fraction, int columns);
/** A heading with a rule under it. */
void heading(std::string_view text);
/** "1 step", "5 steps" */
std::string counted(std::int64_t count, std::string_view what);
/** "1:05" */
std::string duration(double seconds);

/** One line that follows a long job: bar, figures, speed and time left. In a terminal it is redrawn in place at
 * most ten times a second; elsewhere a plain line is printed every five seconds. */
class Progress {
 public:
  /** Of `total` so many were done before. */
  Progress(std::string label, std::int64_t total, std::int64_t before = 0);
  /** `figures` stands behind the bar: "loss 0.312  accuracy 90.1 %". */
  void update(std::int64_t done, const std::string& figures);
  /** Removes the line (a plain log keeps what it has). */
  void finish();
  double seconds() const;
  double per_second(std::int64_t done) const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  std::int64_t total_, before_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_ = Clock::now();  ///< of the last line
};

}  // namespace terminal
