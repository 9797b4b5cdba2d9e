#include "terminal.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <tapegrad/inspect/text.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace terminal {
namespace {

constexpr std::string_view eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
constexpr std::string_view heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr int codes[] = {31, 32, 33, 34, 35, 36, 2, 1};  // of a Color

}  // namespace

bool is_terminal() {
  static const bool yes = isatty(STDOUT_FILENO) != 0;
  return yes;
}

bool colours() {
  static const bool on = [] {
    const char* no_color = std::getenv("NO_COLOR");
    return is_terminal() && (no_color == nullptr || *no_color == '\0');
  }();
  return on;
}

int width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string paint(std::string_view text, Color color) {
  return colours() ? fmt::format("\x1b[{}m{}\x1b[0m", codes[static_cast<int>(color)], text) : std::string(text);
}

std::string sparkline(std::span<const double> values, int columns) {
  if (values.empty()) return "";
  const auto count = std::min(values.size(), static_cast<std::size_t>(columns));
  double low = INFINITY;
  double high = -INFINITY;
  for (const double v : values) {
    if (!std::isfinite(v)) continue;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  std::string line;
  for (std::size_t i = 0; i < count; ++i) {
    const double v = values[count == 1 ? 0 : i * (values.size() - 1) / (count - 1)];
    if (!std::isfinite(v)) {
      line += "!";
      continue;
    }
    const double height = high > low ? (v - low) / (high - low) : 0;
    line += heights[static_cast<std::size_t>(std::lround(height * 7))];
  }
  return line;
}

std::string bar(double fraction, int columns) {
  const auto filled = static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * columns * 8));
  std::string line;
  for (int i = 0; i < columns; ++i) line += eighths[std::clamp(filled - 8 * i, 0, 8)];
  return line;
}

void heading(std::string_view text) {
  std::string rule;
  for (std::size_t i = tapegrad::columns(text); i > 0; --i) rule += "─";
  fmt::print("\n{}\n{}\n", paint(text, Color::bold), paint(rule, Color::dim));
}

std::string counted(std::int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string duration(double seconds) {
  const auto whole = static_cast<long>(std::lround(seconds));
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

Progress::Progress(std::string label, std::int64_t total, std::int64_t before)
    : label_(std::move(label)), total_(total), before_(before) {}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

double Progress::per_second(std::int64_t done) const {
  return static_cast<double>(done - before_) / std::max(seconds(), 1e-9);
}

void Progress::update(std::int64_t done, const std::string& figures) {
  const double fraction = static_cast<double>(done) / static_cast<double>(total_);
  const double left = static_cast<double>(total_ - done) / std::max(per_second(done), 1e-9);
  const std::string speed = fmt::format("{:.1f} k/s", per_second(done) / 1000);
  const auto now = Clock::now();
  if (now - drawn_ < (is_terminal() ? std::chrono::milliseconds(100) : std::chrono::seconds(5))) return;
  drawn_ = now;
  if (!is_terminal()) {
    fmt::print("{} {:3.0f} %  {}  {}  {} left\n", label_, 100 * fraction, figures, speed, duration(left));
    std::fflush(stdout);
    return;
  }
  const std::string text = fmt::format("{}  {}  {} left", figures, speed, duration(left));
  const int room = width() - static_cast<int>(label_.size() + text.size()) - 6;
  fmt::print("\r\x1b[2K{} {}{}{} {}", label_, paint("▕", Color::dim),
             paint(bar(fraction, std::clamp(room, 4, 30)), Color::cyan), paint("▏", Color::dim), text);
  std::fflush(stdout);
}

void Progress::finish() {
  if (!is_terminal()) return;
  fmt::print("\r\x1b[2K");
  std::fflush(stdout);
}

}  // namespace terminal
