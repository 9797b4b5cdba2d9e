#include <tapegrad/io/csv.h>

#include "input.h"

/// A table; the first byte chooses the options, and the second the column of labels.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  constexpr char separators[] = {',', ';', '\t', ' '};
  const tapegrad::CsvOptions options = {.separator = separators[data[0] % 4],
                                        .header = (data[0] & 4) != 0,
                                        .allow_non_finite = (data[0] & 8) != 0,
                                        .max_line = (data[0] & 16) != 0 ? 64u : 1u << 20};
  constexpr std::string_view labels[] = {"", "species", "b", "\xff"};
  const fuzz::File file(fuzz::text(data + 2, size - 2));
  fuzz::parse([&] { tapegrad::read_csv<float>(file.path(), options); });
  fuzz::parse([&] { tapegrad::f64::read_csv(file.path(), options); });
  fuzz::parse([&] { tapegrad::load_csv<float>(file.path(), labels[data[1] % 4], options); });
  return 0;
}
