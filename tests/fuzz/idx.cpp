#include <tapegrad/io/idx.h>

#include "input.h"

/// Files of images and labels, plain or gzipped, as they are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::File file(fuzz::text(data, size));
  fuzz::parse([&] {
    const auto images = tapegrad::read_idx_images(file.path());
    if (images.pixels.size() != static_cast<std::size_t>(images.count * images.rows * images.cols)) std::abort();
  });
  fuzz::parse([&] {
    for (const int label : tapegrad::read_idx_labels(file.path()))
      if (label < 0 || label > 9) std::abort();
  });
  return 0;
}
