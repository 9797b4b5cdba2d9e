#include "mnist/show.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/terminal.h"
#include "mnist/pictures.h"

namespace mnist {
namespace {

namespace tg = tapegrad;

std::vector<std::string> class_names(int classes, bool fashion) {
  if (fashion && classes == 10)
    return {"T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"};
  std::vector<std::string> names;
  for (int i = 0; i < classes; ++i) names.push_back(fmt::format("{}", i));
  return names;
}

struct Mistake {
  tg::Index row;
  int guess;
  double probability;
};

/// The four that the network was surest of.
template <class T>
void show_mistakes(std::vector<Mistake> mistakes, const tg::BasicDataset<T>& data,
                   const std::vector<std::string>& names) {
  std::sort(mistakes.begin(), mistakes.end(),
            [](const auto& a, const auto& b) { return a.probability > b.probability; });
  if (mistakes.empty() || data.image_rows == 0) return;
  terminal::heading("Wrong, and most certain of it");
  std::vector<pictures::Block> blocks;
  for (const Mistake& mistake : mistakes) {
    if (blocks.size() == 4) break;
    const Eigen::Matrix<double, 1, Eigen::Dynamic> pixels = data.inputs.row(mistake.row).template cast<double>();
    const auto truth = static_cast<std::size_t>(data.labels[static_cast<std::size_t>(mistake.row)]);
    blocks.push_back(
        pictures::image(fmt::format("{}, says {}", names[truth], names[static_cast<std::size_t>(mistake.guess)]),
                        {pixels.data(), static_cast<std::size_t>(pixels.size())}, static_cast<int>(data.image_rows),
                        static_cast<int>(data.image_cols)));
  }
  const auto fit =
      static_cast<std::size_t>(std::max<tg::Index>(1, (terminal::width() + 2) / (data.image_cols + 2)));
  for (std::size_t first = 0; first < blocks.size(); first += fit)
    fmt::print("{}",
               pictures::side_by_side(std::span(blocks).subspan(first, std::min(fit, blocks.size() - first))));
}

}  // namespace

template <class T> void show(tg::BasicModule<T>& net, const tg::BasicDataset<T>& data, bool fashion) {
  const tg::BasicMatrix<T> logits = net.predict(data.inputs), probabilities = tg::softmax(logits);
  const std::vector<int> answers = tg::argmax(logits);
  const std::vector<std::string> names = class_names(data.classes, fashion);
  const auto classes = static_cast<std::size_t>(data.classes);
  std::vector<std::vector<int>> counts(classes, std::vector<int>(classes));
  std::vector<Mistake> mistakes;
  for (tg::Index row = 0; row < data.size(); ++row) {
    const int truth = data.labels[static_cast<std::size_t>(row)];
    const int guess = answers[static_cast<std::size_t>(row)];
    ++counts[static_cast<std::size_t>(truth)][static_cast<std::size_t>(guess)];
    if (guess == truth) continue;
    mistakes.push_back({row, guess, static_cast<double>(probabilities(row, guess))});
  }
  terminal::heading("True class by row, predicted class by column");
  fmt::print("{}", pictures::confusion_matrix(counts, names));
  show_mistakes(std::move(mistakes), data, names);
}

template void show(tg::BasicModule<float>&, const tg::BasicDataset<float>&, bool);
template void show(tg::BasicModule<double>&, const tg::BasicDataset<double>&, bool);

}  // namespace mnist
