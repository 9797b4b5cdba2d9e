#include "tapegrad/core/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

namespace tapegrad::inline TAPEGRAD_ABI {

template <class T> std::string to_string(BasicVar<T> x) try {
  constexpr Index most = 8;
  const BasicView<T> values = x.value();
  const Index rows = std::min(values.rows(), most), cols = std::min(values.cols(), most);
  std::string text = fmt::format("{} {}", x.label(), to_string(x.shape()));
  if (x.shape().size() > 0) text += ":";
  for (Index row = 0; row < rows && cols > 0; ++row) {
    text += x.rows() > 1 ? "\n  " : " ";
    for (Index col = 0; col < cols; ++col) text += fmt::format("{}{:.6g}", col == 0 ? "" : " ", values(row, col));
    if (cols < values.cols()) text += " …";
  }
  if (rows < values.rows() && cols > 0) text += "\n  …";
  return text;
} catch (const Error& error) {
  return error.what();
}

template <class T> std::ostream& operator<<(std::ostream& out, BasicVar<T> x) { return out << to_string(x); }

#define TAPEGRAD_FUNCTIONS(T)                  \
  template std::string to_string(BasicVar<T>); \
  template std::ostream& operator<<(std::ostream&, BasicVar<T>);
TAPEGRAD_INSTANTIATE(TAPEGRAD_FUNCTIONS)

}  // namespace tapegrad
