#include "tapegrad/io/layer_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "tapegrad/core/number.h"
#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/linear.h"
#include "tapegrad/layers/normalization.h"

namespace tapegrad::inline TAPEGRAD_ABI {
namespace weights {
namespace {

constexpr int deepest = 500;  ///< layers inside each other

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  LayerText whole() {
    LayerText layer = this->layer(0);
    if (at_ < text_.size()) refuse(fmt::format("'{}' is left over", text_.substr(at_)));
    return layer;
  }

 private:
  LayerText layer(int depth) {
    if (depth > deepest) refuse(fmt::format("more than {} layers are inside each other", deepest));
    LayerText layer;
    layer.name = std::string(word());
    if (layer.name.empty()) refuse("a name is missing");
    if (next() != '(') return layer;
    do {
      ++at_;
      if (next() == ')') break;
      add_item(layer, depth);
    } while (next() == ',');
    if (next() != ')') refuse("a ')' is missing");
    ++at_;
    skip_blanks();
    return layer;
  }
  void add_item(LayerText& layer, int depth) {
    const std::size_t begin = at_;
    const std::string_view first = word();
    if (next() == '=') {
      ++at_;
      layer.settings.emplace_back(first, number(word()));
    } else if (!first.empty() && std::isalpha(static_cast<unsigned char>(first.front())) == 0) {
      layer.numbers.push_back(number(first));
    } else {
      at_ = begin;
      layer.layers.push_back(this->layer(depth + 1));
    }
  }
  /// Up to the next of (),= without the blanks around.
  std::string_view word() {
    skip_blanks();
    const std::size_t end = std::min(text_.find_first_of("(),=", at_), text_.size());
    std::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    while (word.ends_with(' ')) word.remove_suffix(1);
    return word;
  }
  double number(std::string_view word) {
    double value = 0;
    if (read_number(word, value) != std::errc()) refuse(fmt::format("'{}' is not a number", word));
    return value;
  }
  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blanks() {
    while (next() == ' ') ++at_;
  }
  [[noreturn]] void refuse(const std::string& why) const { fail("weights", fmt::format("'{}': {}", text_, why)); }

  std::string_view text_;
  std::size_t at_ = 0;
};

template <class T> using Made = std::unique_ptr<BasicModule<T>>;
template <class T> struct Maker {
  std::string name;
  std::function<Made<T>(const LayerText& text)> make;
};

/// The layers that users registered.
template <class T> std::vector<Maker<T>>& registered() {
  static std::vector<Maker<T>> makers;
  return makers;
}

/// Throws for a setting that is not among the known ones.
void check_names(const LayerText& text, const std::vector<std::string_view>& known) {
  for (const auto& [name, value] : text.settings)
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail("weights", fmt::format("{} has no setting '{}'{}", text.name, name, did_you_mean(name, known)));
}

constexpr std::array<std::string_view, 6> own_kinds{"sequential", "residual",   "linear",
                                                    "dropout",    "batch_norm", "layer_norm"};

template <class T> class Builder {
 public:
  explicit Builder(std::uint64_t most_numbers) : left_(most_numbers) {}

  Made<T> layer(const LayerText& text) {
    if (text.name == "sequential") return std::make_unique<BasicSequential<T>>(row(text));
    if (text.name == "residual") return std::make_unique<BasicResidual<T>>(row(text));
    if (text.name == "linear") return linear(text);
    if (text.name == "dropout") {
      check_names(text, {});
      return std::make_unique<BasicDropout<T>>(text.numbers.empty() ? 0 : text.numbers[0], rng_);
    }
    if (text.name == "batch_norm") return batch_norm(text);
    if (text.name == "layer_norm") {
      check_names(text, {"eps"});
      spend(text.size(0), 2);
      return std::make_unique<BasicLayerNorm<T>>(text.size(0), LayerNormOptions{.eps = text.setting("eps", 1e-5)});
    }
    for (const Maker<T>& each : registered<T>())
      if (each.name == text.name) return each.make(text);
    return activation_layer(text);
  }

 private:
  BasicSequential<T> row(const LayerText& text) {
    BasicSequential<T> layers;
    for (const LayerText& each : text.layers) layers.add(layer(each));
    return layers;
  }
  Made<T> linear(const LayerText& text) {
    check_names(text, {"bias"});
    const Index in = text.size(0), out = text.size(1);
    const bool bias = text.setting("bias", true) != 0;
    spend(in, out);
    if (bias) spend(1, out);
    const LinearOptions options{
        .bias = bias, .weight_init = zeros(), .bias_init = zeros()};  // the file has the values
    return std::make_unique<BasicLinear<T>>(in, out, rng_, options);
  }
  Made<T> batch_norm(const LayerText& text) {
    check_names(text, {"eps", "momentum"});
    spend(text.size(0), 4);
    return std::make_unique<BasicBatchNorm1d<T>>(
        text.size(0),
        BatchNormOptions{.eps = text.setting("eps", 1e-5), .momentum = text.setting("momentum", 0.1)});
  }
  Made<T> activation_layer(const LayerText& text) {
    const auto known = activations();
    if (std::find(known.begin(), known.end(), text.name) == known.end()) {
      std::vector<std::string_view> names(own_kinds.begin(), own_kinds.end());
      names.insert(names.end(), known.begin(), known.end());
      for (const Maker<T>& each : registered<T>()) names.push_back(each.name);
      const std::string hint = did_you_mean(text.name, names);
      fail("weights",
           fmt::format("no layer named '{}'{}", text.name,
                       hint.empty() ? "; register yours first, with register_layer or register_activation" : hint));
    }
    Activation f = activation(text.name);
    for (const auto& [name, value] : text.settings)
      if (name != "features") f = f.with(name, value);
    Index features{};
    if (!f.learned().empty()) {
      features = LayerText{text.name, {text.setting("features", 0)}, {}, {}}.size(0);
      spend(features, 1);
    }
    return std::make_unique<BasicActivationLayer<T>>(std::move(f), features);
  }
  /// Both are below 2³².
  void spend(Index rows, Index cols) {
    const auto numbers = static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(cols);
    if (numbers > left_) fail("weights", "the layers have more parameters than the file has numbers");
    left_ -= numbers;
  }

  std::uint64_t left_;
  Rng rng_{0};
};

}  // namespace

LayerText parsed(std::string_view text) { return Parser(text).whole(); }

template <class T> std::unique_ptr<BasicModule<T>> made(const LayerText& text, std::uint64_t most_numbers) {
  return Builder<T>(most_numbers).layer(text);
}

template std::unique_ptr<BasicModule<float>> made(const LayerText&, std::uint64_t);
template std::unique_ptr<BasicModule<double>> made(const LayerText&, std::uint64_t);

}  // namespace weights

Index LayerText::size(std::size_t i) const {
  if (i >= numbers.size()) fail("weights", fmt::format("{} needs {} numbers, got {}", name, i + 1, numbers.size()));
  const double value = numbers[i];
  if (!(value >= 1 && value < 0x1p32) || value != std::floor(value))
    fail("weights", fmt::format("{} of {}: a size is a whole number from 1 on", value, name));
  return static_cast<Index>(value);
}

double LayerText::setting(std::string_view of_name, double otherwise) const {
  const auto found =
      std::find_if(settings.begin(), settings.end(), [&](const auto& each) { return each.first == of_name; });
  return found == settings.end() ? otherwise : found->second;
}

template <class T>
void register_layer(std::string name, std::function<std::unique_ptr<BasicModule<T>>(const LayerText&)> make) {
  auto& makers = weights::registered<T>();
  const auto is_it = [&](const auto& each) { return each.name == name; };
  const auto known = activations();
  if (std::any_of(makers.begin(), makers.end(), is_it) ||
      std::find(weights::own_kinds.begin(), weights::own_kinds.end(), name) != weights::own_kinds.end() ||
      std::find(known.begin(), known.end(), name) != known.end())
    fail("weights", "'" + name + "' is registered already");
  makers.push_back({std::move(name), std::move(make)});
}

template void register_layer(std::string, std::function<std::unique_ptr<BasicModule<float>>(const LayerText&)>);
template void register_layer(std::string, std::function<std::unique_ptr<BasicModule<double>>(const LayerText&)>);

}  // namespace tapegrad
