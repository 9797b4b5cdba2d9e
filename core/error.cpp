#include "tapegrad/core/error.h"

#include <fmt/core.h>

#include <vector>

namespace tapegrad::inline TAPEGRAD_ABI {

Error::Error(std::string_view where, std::string_view what)
    : std::runtime_error(fmt::format("[{}] {}", where, what)) {}

Error::Error(const std::string& text, WithPath) : std::runtime_error(text), has_path_(true) {}

Error Error::inside(std::string_view path, std::string_view kind) const {
  if (has_path_) return Error(fmt::format("{}.{}", path, what()), WithPath());
  return Error(fmt::format("{}{}{}: {}", path, kind.empty() ? "" : ".", kind, what()), WithPath());
}

void fail(std::string_view where, std::string_view what) { throw Error(where, what); }

std::string to_string(Shape shape) { return fmt::format("{}x{}", shape.rows, shape.cols); }

std::string to_string(double number) { return fmt::format("{}", number); }

int edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment: row i holds the distance of a's first i letters to each prefix of b.
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = static_cast<int>(i);
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int substitution = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace tapegrad
