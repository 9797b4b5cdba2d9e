#include "tapegrad/io/csv_classes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "tapegrad/core/error.h"

namespace tapegrad::inline TAPEGRAD_ABI::csv {
namespace {

constexpr double largest_label = (1 << 16) - 1;
constexpr std::size_t most_one_hot = 256;

/// Where and what a text is: ":3: column 2 'cat' …"
class Speaker {
 public:
  Speaker(const Lines& in, std::size_t column, const Texts& texts) : in_(in), column_(column), texts_(texts) {}
  [[noreturn]] void fail(std::size_t text, std::string_view what) const {
    in_.fail_at_line(texts_.line(text),
                     fmt::format("column {} {} {}", column_ + 1, quoted(texts_.all()[text]), what));
  }

 private:
  const Lines& in_;
  std::size_t column_;
  const Texts& texts_;
};

/// NaN for what is no number.
std::vector<double> values_of(const std::vector<std::string>& texts) {
  std::vector<double> values(texts.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < texts.size(); ++i) read_field(texts[i], values[i]);
  return values;
}

/// Numbers are the same class however they are written.
Classes stated_classes(const Lines& in, const Speaker& speaker, const Texts& texts,
                       const std::vector<std::string>& stated) {
  const std::vector<double> values = values_of(stated), labels = values_of(texts.all());
  std::set<std::string> known;
  for (std::size_t i = 0; i < stated.size(); ++i)
    if (!known.insert(std::isnan(values[i]) ? stated[i] : fmt::format("{}", values[i] + 0.0)).second)
      in.fail_in_file(fmt::format("{} is stated twice", quoted(stated[i])));
  Classes classes{.of = {}, .names = stated};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::string& text = texts.all()[i];
    auto at = std::find(stated.begin(), stated.end(), text) - stated.begin();
    if (at == std::ssize(stated)) at = std::find(values.begin(), values.end(), labels[i]) - values.begin();
    if (at == std::ssize(stated))
      speaker.fail(i, fmt::format("is none of {}{}", quoted_list(stated), did_you_mean(text, stated)));
    classes.of.push_back(static_cast<int>(at));
  }
  return classes;
}

/// Classes in the order of their keys; equal keys are one class.
template <class Key, class Name> Classes sorted_classes(const std::vector<Key>& keys, const Name& name) {
  std::map<Key, int> number;
  for (const Key& key : keys) number.try_emplace(key, 0);
  Classes classes;
  for (auto& [key, at] : number) {
    at = static_cast<int>(classes.names.size());
    classes.names.push_back(name(key));
  }
  for (const Key& key : keys) classes.of.push_back(number.at(key));
  return classes;
}

Classes whole_numbers(const Speaker& speaker, std::vector<double> labels) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] != std::floor(labels[i]) || std::abs(labels[i]) > std::numeric_limits<int>::max())
      speaker.fail(i, "is not a class; read targets that are numbers with read_csv");
  if (*std::min_element(labels.begin(), labels.end()) >= 0) {
    const auto largest = std::max_element(labels.begin(), labels.end());
    if (*largest > largest_label)
      speaker.fail(static_cast<std::size_t>(largest - labels.begin()),
                   "is too large for a class; state the labels with {.classes = {...}}");
    Classes classes;
    for (const double label : labels) classes.of.push_back(static_cast<int>(label));
    for (int k = 0; k <= static_cast<int>(*largest); ++k) classes.names.push_back(std::to_string(k));
    return classes;
  }
  for (double& label : labels) label += 0.0;  // -0 is 0
  return sorted_classes(labels, [](double label) { return fmt::format("{}", static_cast<int>(label)); });
}

}  // namespace

int Texts::number_of(std::string_view text, std::size_t line) {
  const auto found = numbers_.find(text);
  if (found != numbers_.end()) return found->second;
  const auto number = static_cast<int>(texts_.size());
  numbers_.emplace(text, number);
  texts_.emplace_back(text);
  lines_.push_back(line);
  return number;
}

Classes label_classes(const Lines& in, std::size_t column, const Texts& texts,
                      const std::vector<std::string>& stated) {
  const Speaker speaker(in, column, texts);
  if (!stated.empty()) return stated_classes(in, speaker, texts, stated);
  const std::vector<double> values = values_of(texts.all());
  const auto is_text = [](double value) { return std::isnan(value); };
  const auto first_text = std::find_if(values.begin(), values.end(), is_text) - values.begin();
  if (first_text == std::ssize(values)) return whole_numbers(speaker, values);
  if (!std::all_of(values.begin(), values.end(), is_text))
    speaker.fail(static_cast<std::size_t>(first_text),
                 "is a label among numbers; if they are classes, state all with {.classes = {...}}");
  return sorted_classes(texts.all(), [](const std::string& text) { return text; });
}

Classes one_hot_classes(const Lines& in, std::size_t column, const Texts& texts,
                        const std::vector<std::string>& stated) {
  const Speaker speaker(in, column, texts);
  if (!stated.empty()) return stated_classes(in, speaker, texts, stated);
  if (texts.all().size() > most_one_hot)
    speaker.fail(most_one_hot,
                 fmt::format("is one of more than {} different texts, too many for one-hot", most_one_hot));
  return sorted_classes(texts.all(), [](const std::string& text) { return text; });
}

}  // namespace tapegrad::inline TAPEGRAD_ABI::csv
