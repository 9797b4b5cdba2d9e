#include "classification.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pictures.h"
#include "terminal.h"

namespace classification {
namespace {

namespace tg = tapegrad;

std::vector<std::string> class_names(int classes, bool fashion) {
  if (fashion && classes == 10)
    return {"T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"};
  std::vector<std::string> names;
  for (int i = 0; i < classes; ++i) names.push_back(fmt::format("{}", i));
  return names;
}

template <class Row> int largest(const Row& row) {
  tg::Index at = 0;
  row.maxCoeff(&at);
  return static_cast<int>(at);
}

}  // namespace

template <class T> tg::Index correct(const tg::BasicMatrixRef<T>& logits, std::span<const int> labels) {
  tg::Index count = 0;
  for (tg::Index row = 0; row < logits.rows(); ++row)
    count += largest(logits.row(row)) == labels[static_cast<std::size_t>(row)];
  return count;
}

template <class T> Result evaluate(tg::BasicModule<T>& net, const tg::BasicDataset<T>& data) {
  const tg::BasicMatrix<T> logits = net.predict(data.inputs);
  tg::BasicTape<T> tape;
  const auto no_grad = tape.no_grad();
  Result result;
  result.loss =
      static_cast<double>(tg::cross_entropy(tape.input(logits), std::span<const int>(data.labels)).item());
  const tg::Index right = correct<T>(logits, data.labels);
  result.accuracy = static_cast<double>(right) / static_cast<double>(data.size());
  result.wrong = data.size() - right;
  for (tg::Index row = 0; row < logits.rows(); ++row) result.predicted.push_back(largest(logits.row(row)));
  return result;
}

template <class T> void show(tg::BasicModule<T>& net, const tg::BasicDataset<T>& data, bool fashion) {
  const tg::BasicMatrix<T> logits = net.predict(data.inputs);
  const std::vector<std::string> names = class_names(data.classes, fashion);
  const auto classes = static_cast<std::size_t>(data.classes);
  std::vector<std::vector<int>> counts(classes, std::vector<int>(classes));
  struct Mistake {
    tg::Index row;
    int guess;
    double probability;
  };
  std::vector<Mistake> mistakes;
  for (tg::Index row = 0; row < data.size(); ++row) {
    const int truth = data.labels[static_cast<std::size_t>(row)];
    const int guess = largest(logits.row(row));
    ++counts[static_cast<std::size_t>(truth)][static_cast<std::size_t>(guess)];
    if (guess == truth) continue;
    const T top = logits(row, guess);
    mistakes.push_back({row, guess, 1 / static_cast<double>((logits.row(row).array() - top).exp().sum())});
  }
  terminal::heading("True class by row, predicted class by column");
  fmt::print("{}", pictures::confusion_matrix(counts, names));

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

#define INSTANTIATE(T)                                                               \
  template tg::Index correct<T>(const tg::BasicMatrixRef<T>&, std::span<const int>); \
  template Result evaluate(tg::BasicModule<T>&, const tg::BasicDataset<T>&);         \
  template void show(tg::BasicModule<T>&, const tg::BasicDataset<T>&, bool);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace classification
