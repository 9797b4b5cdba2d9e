#include "tapegrad/core/file.h"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI {

void write_whole_file(std::string_view where, const std::string& path, std::string_view content) {
  const std::string temporary = fmt::format("{}.{:08x}.tmp", path, std::random_device()());
  std::error_code error;
  std::ofstream file(temporary, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  if (!file.fail()) {
    std::filesystem::rename(temporary, path, error);
    if (!error) return;
  }
  std::filesystem::remove(temporary, error);
  fail(where, fmt::format("{}: cannot be written", path));
}

}  // namespace tapegrad
