#include "tapegrad/inspect/report/tables.h"

#include <cstdlib>

namespace tapegrad::inline TAPEGRAD_ABI::reporting {

Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return Json::written(fmt::format("{:.4g}", value));
}

Json column(const std::vector<double>& values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(number(value));
  return array;
}

std::vector<std::size_t> evenly(std::size_t size, std::size_t count) {
  std::vector<std::size_t> chosen;
  count = std::min(size, std::max<std::size_t>(count, 2));
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(count < 2 ? 0 : i * (size - 1) / (count - 1));
  return chosen;
}

Json log_ticks(double low, double high) {
  Json ticks = Json::array();
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::log10(high) + 1);
  const int stride = std::max(1, (last - first) / 6);
  for (int decade = first; decade <= last; decade += stride)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, decade);
      if (tick >= low && tick <= high && (factor == 1 || high / low < 200)) ticks.push_back(number(tick));
    }
  return ticks;
}

Json log_scale(const Range& range) {
  const double low = range.empty() ? 0.1 : range.low * 0.8, high = range.empty() ? 10 : range.high * 1.25;
  return {{"low", number(low)}, {"high", number(high)}, {"ticks", log_ticks(low, high)}};
}

std::vector<double> smoothed(const std::vector<double>& values, bool geometric) {
  const std::size_t reach = values.size() / 50;
  std::vector<double> means;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t side = std::min({reach, i, values.size() - 1 - i});
    double sum = 0;
    for (std::size_t k = i - side; k <= i + side; ++k) sum += geometric ? std::log(values[k]) : values[k];
    const double mean = sum / static_cast<double>(2 * side + 1);
    means.push_back(geometric ? std::exp(mean) : mean);
  }
  return means;
}

Scope::Scope(std::span<const RunRecord> records, double detail) : runs(records), layers(layer_names(records)) {
  for (const RunRecord& run : runs) {
    if (!run.loss.empty()) last_step = std::max(last_step, run.loss.back().step);
    for (const LayerRecord& layer : run.layers)
      if (!layer.steps.empty()) last_step = std::max(last_step, layer.steps.back().step);
  }
  const double charts = static_cast<double>(std::max<std::size_t>(1, runs.size() * layers.size()));
  const auto share = [&](double all, double least, double most) {
    return static_cast<std::size_t>(std::clamp(detail * all / charts, least, most));
  };
  curve_points = share(20'000, 40, 400);
  histogram_columns = share(4'000, 8, 60);
  raster_cells = share(200'000, 400, 6'000);
}

std::vector<Scope::Place> Scope::at(std::size_t position) const {
  std::vector<Place> places;
  for (const RunRecord& run : runs)
    for (std::size_t i = 0; i < run.layers.size(); ++i)
      if (layer_position(layers, run, i) == static_cast<int>(position)) places.push_back({run, run.layers[i]});
  return places;
}

ReportCell Scope::cell(const Place& place, const std::string& what) const {
  const std::size_t i = static_cast<std::size_t>(&place.layer - place.run.layers.data());
  const std::string& layer = name(place.run, i);
  return {.caption = caption(place.run, what.empty() ? layer : fmt::format("{} · {}", layer, what)),
          .layer = layer_position(layers, place.run, i)};
}

namespace {

/// "2.inner.10.weight" as parts that compare as a person orders them.
std::vector<std::pair<long, std::string>> path_parts(const std::string& path) {
  std::vector<std::pair<long, std::string>> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    char* rest = nullptr;
    const long index = std::strtol(part.c_str(), &rest, 10);
    parts.emplace_back(rest != part.c_str() && *rest == '\0' ? index : -1, part);
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::vector<std::pair<const ParameterRecord*, std::size_t>> weights(const RunRecord& run) {
  std::vector<std::pair<const ParameterRecord*, std::size_t>> found;
  for (const ParameterRecord& parameter : run.parameters) {
    if (parameter.shape.rows < 2 && !parameter.path.ends_with("weight")) continue;
    std::size_t i = 0;
    while (i + 1 < run.layers.size() && !is_output(run.layers[i]) &&
           path_parts(run.layers[i].path) < path_parts(parameter.path))
      ++i;
    if (i < run.layers.size()) found.emplace_back(&parameter, i);
  }
  return found;
}

std::vector<Period> periods(const RunRecord& run, std::size_t most) {
  Index last = -1;
  for (const LayerRecord& layer : run.layers)
    if (!layer.steps.empty()) last = std::max(last, layer.steps.back().step);
  if (last < 0) return {};
  const Index length = run.steps_per_epoch;
  std::vector<Period> all;
  if (length > 0 && last >= length) {
    const auto chosen = evenly(static_cast<std::size_t>(last / length + 1), most);
    for (const std::size_t e : chosen) {
      const Index epoch = static_cast<Index>(e);
      all.push_back({fmt::format("epoch {}", epoch + 1), epoch + 1, epoch * length, (epoch + 1) * length});
    }
  } else {
    const Index parts = std::min<Index>(6, last + 1);
    for (Index p = 0; p < parts; ++p) {
      const Index begin = p * (last + 1) / parts, end = (p + 1) * (last + 1) / parts;
      all.push_back({fmt::format("steps {} to {}", begin, end - 1), begin, begin, end});
    }
  }
  return all;
}

double total(const Histogram& h) {
  double sum = static_cast<double>(h.underflow) + static_cast<double>(h.overflow);
  for (const auto count : h.counts) sum += count;
  return sum;
}

double bin_width(const Histogram& h) { return (h.high - h.low) / static_cast<double>(h.counts.size()); }

Trimmed trimmed(const Histogram& h) {
  std::vector<double> all{static_cast<double>(h.underflow)};
  all.insert(all.end(), h.counts.begin(), h.counts.end());
  all.push_back(static_cast<double>(h.overflow));
  const auto filled = [](double count) { return count > 0; };
  const auto first = std::find_if(all.begin(), all.end(), filled);
  const auto last = std::find_if(all.rbegin(), all.rend(), filled).base();
  if (first == all.end()) return {};
  return {h.low + bin_width(h) * (static_cast<double>(first - all.begin()) - 1), {first, last}};
}

Range extent(const Histograms& histograms) {
  Range range;
  for (const auto& [step, h] : histograms) {
    const Trimmed t = trimmed(h);
    const double enough = 0.001 * total(h);
    for (std::size_t i = 0; i < t.counts.size(); ++i) {
      if (t.counts[i] <= enough) continue;
      range.add(t.low + bin_width(h) * static_cast<double>(i));
      range.add(t.low + bin_width(h) * static_cast<double>(i + 1));
    }
  }
  return range;
}

Json heat_rows(const Histograms& histograms, std::size_t most, double& peak) {
  Json rows = Json::array();
  const std::vector<std::size_t> chosen = evenly(histograms.size(), most);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto& [step, h] = histograms[chosen[i]];
    const Index before = i > 0 ? histograms[chosen[i - 1]].first : step - 1;
    const Index next = i + 1 < chosen.size() ? histograms[chosen[i + 1]].first : step + (step - before);
    const double all = std::max(total(h) + static_cast<double>(h.zeros), 1.0);
    const auto thousandths = [&](double count) { return std::round(10'000 * count / all) / 10; };
    const Trimmed t = trimmed(h);
    Json counts = Json::array();
    for (const double count : t.counts) {
      peak = std::max(peak, thousandths(count) / 1000);
      counts.push_back(number(thousandths(count)));
    }
    if (counts.empty() && h.zeros == 0) continue;
    rows.push_back(
        {{"step", step}, {"to", next}, {"low", number(t.low)}, {"w", number(bin_width(h))}, {"c", counts}});
    if (h.zeros > 0) rows.items().back()["zeros"] = number(thousandths(h.zeros));
  }
  return rows;
}

}  // namespace tapegrad::reporting
