#include <tapegrad/io/csv.h>

#include "input.h"

namespace {

tapegrad::CsvOptions options_of(const std::uint8_t* data) {
  constexpr char separators[] = {',', ';', '\t', ' ', 0, 0, 0, '|'};
  tapegrad::CsvOptions options = {.missing = static_cast<tapegrad::Missing>(data[0] >> 6),
                                  .separator = separators[data[0] % 8],
                                  .allow_non_finite = (data[0] & 8) != 0,
                                  .max_line = (data[0] & 16) != 0 ? 64u : 1u << 20};
  if ((data[1] & 4) != 0) options.header = (data[0] & 32) != 0;
  if ((data[1] & 8) != 0) options.classes = {"oak", "1", "-3"};
  if ((data[1] & 16) != 0) options.one_hot = {2};
  if ((data[1] & 32) != 0) options.one_hot.push_back({"a", {"x", "2"}});
  if ((data[1] & 64) != 0) options.skip = {"b", -2};
  if ((data[1] & 128) != 0) options.columns = {1, 2, "species"};
  return options;
}

}  // namespace

/// A table; the first bytes choose the options. 4 KB, which may be compressed, are at most 4 MB of text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  tapegrad::CsvOptions options = options_of(data);
  const fuzz::File file(fuzz::text(data + 2, size - 2));
  constexpr std::string_view labels[] = {"", "species", "b", "\xff"};
  fuzz::parse([&] { tapegrad::load_csv<float>(file.path(), labels[data[1] % 4], options); });
  options.classes.clear();
  fuzz::parse([&] { tapegrad::f64::read_csv(file.path(), options); });
  return 0;
}
