#include "watch.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "terminal.h"

namespace watch {
namespace {

using terminal::Color;

std::string share(double value, Color color) {
  const std::string cells = terminal::bar(value, 8);
  return fmt::format("{} {:>4}", terminal::paint(cells, color),
                     value == 0 ? "·" : fmt::format("{:.0f}%", 100 * value));
}

std::string gradient(double rms) {
  const double decades = rms > 0 ? (std::log10(rms) + 8) / 8 : 0;
  return fmt::format("{} {:7.1e}", terminal::paint(terminal::bar(decades, 8), Color::cyan), rms);
}

std::string loss_line(const tg::RunRecord& record) {
  std::vector<double> losses;
  for (const tg::LossStep& step : record.loss) losses.push_back(step.loss);
  return fmt::format("loss {:7.4f} {}", losses.empty() ? 0 : losses.back(), terminal::sparkline(losses, 40));
}

}  // namespace

std::string layer_table(const tg::RunRecord& record) {
  std::string text = terminal::paint(fmt::format("{:<18} {:^13} {:^13} {:^13} {:^16}\n", "layer", "saturated low",
                                                 "  and high", "dead", "RMS ∂L/∂z"),
                                     Color::dim);
  for (const tg::LayerRecord& layer : record.layers) {
    if (layer.steps.empty()) continue;
    const tg::LayerStep& step = layer.steps.back();
    const std::string name = layer.activation == "output" ? "output" : layer.path + "." + layer.activation;
    if (layer.elementwise) {
      text += fmt::format("{:<18.18} {} {} {} {}\n", name, share(step.saturated_low, Color::blue),
                          share(step.saturated_high, Color::yellow), share(step.dead_since, Color::red),
                          gradient(step.gradient_rms));
    } else {
      text += fmt::format("{:<18.18} {:41} {}\n", name, "", gradient(step.gradient_rms));
    }
  }
  return text;
}

void View::update(tg::Index step, const tg::RunRecord& record) {
  const auto now = std::chrono::steady_clock::now();
  const bool live = terminal::is_terminal();
  if (lines_ > 0 || !live) {
    if (now - drawn_ < (live ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000))) return;
  }
  drawn_ = now;
  draw(step, record);
}

void View::finish(const tg::RunRecord& record) {
  draw(total_, record);
  lines_ = 0;
}

void View::draw(tg::Index step, const tg::RunRecord& record) {
  if (!terminal::is_terminal() && step != total_) {
    fmt::print("{} step {} of {}  {}\n", record.name, step, total_, loss_line(record));
  } else {
    const std::string text = fmt::format("{} step {} of {}\n{}\n{}", terminal::paint(record.name, Color::bold),
                                         step, total_, loss_line(record), layer_table(record));
    if (lines_ > 0) fmt::print("\x1b[{}A\x1b[J", lines_);
    fmt::print("{}", text);
    lines_ = terminal::is_terminal() ? static_cast<int>(std::count(text.begin(), text.end(), '\n')) : 0;
  }
  std::fflush(stdout);
}

}  // namespace watch
