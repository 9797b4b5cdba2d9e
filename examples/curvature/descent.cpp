// The largest eigenvalue of the Hessian while gradient descent trains: it rises until it reaches 2/lr and then stays
// there, where the quadratic model of the loss says that descent becomes unstable (Cohen et al. 2021).

#include <fmt/core.h>

#include <cmath>

#include "common/plot.h"
#include "common/terminal.h"
#include "curvature/curvature.h"
#include "curvature/task.h"

namespace curvature {

using terminal::Color;

example::Json descend(std::uint64_t seed, double lr, int steps, page::Section& section) {
  Rng rng(seed);
  Task task(rng);
  Vector v = random_direction(task.gradient().size(), rng);
  tg::Sgd sgd(task.net.parameters(), {.lr = lr});
  const double threshold = 2 / lr;
  std::vector<double> at, sharpness, loss;
  example::Json reached;
  double late = 0;  // mean of sharpness / threshold over the last quarter
  int late_count = 0;
  for (int step = 0; step <= steps; ++step) {
    if (step % std::max(1, steps / 80) == 0) {
      at.push_back(step);
      sharpness.push_back(task.sharpness(v));
      loss.push_back(task.loss().item());
      if (!std::isfinite(loss.back())) break;  // the learning rate is far too high
      if (reached.is_null() && sharpness.back() >= threshold) reached = step;
      if (4 * step >= 3 * steps) {
        late += sharpness.back() / threshold;
        ++late_count;
      }
    }
    task.loss().backward();
    sgd.step();
  }
  const std::string title = fmt::format("Sharpness at learning rate {}", lr);
  const plot::Figure figure{.curves = {{"largest eigenvalue of the Hessian", at, sharpness},
                                       {"2/lr", at, std::vector<double>(at.size(), threshold)}},
                            .x = {.title = "step"},
                            .y = {.low = 0}};
  terminal::heading(title);
  fmt::print("{}", plot::braille(figure, 78, 10));
  fmt::print("loss {:.4g} {} {:.4g}\n", loss.front(), terminal::sparkline(loss, 56), std::abs(loss.back()));
  if (!std::isfinite(loss.back()))
    fmt::print("{}: the loss is no longer finite.\n", terminal::paint("Diverged", Color::red));
  else if (reached.is_null())
    fmt::print("The edge at 2/lr = {:.1f} is not reached in {} steps; sharpness is {:.1f}.\n", threshold, steps,
               sharpness.back());
  else
    fmt::print("{} by step {}; in the last quarter sharpness is {:.3f} times 2/lr.\n",
               terminal::paint("At the edge", Color::yellow), reached.get<int>(), late / late_count);
  section.charts.push_back({title, "", plot::vega_lite(figure)});
  section.charts.push_back(
      {fmt::format("Loss at learning rate {}", lr), "",
       plot::vega_lite({.curves = {{"loss", at, loss}}, .x = {.title = "step"}, .y = {.logarithmic = true}})});
  return {{"lr", lr},
          {"threshold", threshold},
          {"step", at},
          {"sharpness", sharpness},
          {"loss", loss},
          {"reached_at_step", reached},
          {"late_ratio", late_count > 0 ? example::Json(late / late_count) : example::Json()}};
}

}  // namespace curvature
