#pragma once

#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A claim, what is measured of it, and how numbers become a verdict. Every claim is judged by the same few lines:
/// there is no verdict anywhere that a measurement could not change.
namespace lab {

struct Lab;

/** T, Q and F in tables. */
enum class Verdict { is_true, qualified, is_false };
char letter(Verdict verdict);
/** "true", "true with a qualification", "false" */
std::string_view words(Verdict verdict);

/** Measured numbers by name, in the order they were measured. */
class Numbers {
 public:
  Numbers() = default;
  Numbers(std::initializer_list<std::pair<std::string, double>> values) : values_(values) {}
  void set(std::string_view name, double value);
  /** Throws when nothing of that name was measured. */
  double operator[](std::string_view name) const;
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  std::vector<std::pair<std::string, double>> values_;
};

/** The values a number may have; a number that is not finite is never among them. */
struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open = false;  ///< the bounds do not belong to it
  bool contains(double value) const;
  /** "≥ 0.9", "< 1", "= 0", "in [0.69, 0.73]" */
  std::string text() const;
};

/** Something that must hold of one measured number. */
struct Condition {
  std::string number;
  Interval values;
  bool holds(const Numbers& numbers) const { return values.contains(numbers[number]); }
  std::string text() const { return number + " " + values.text(); }
};
Condition at_most(std::string number, double bound);
Condition at_least(std::string number, double bound);
Condition below(std::string number, double bound);
Condition above(std::string number, double bound);
Condition exactly(std::string number, double value);

/** What the table of claims says a number will be. */
struct Expected {
  std::string number;
  double value;
  double tolerance;
  bool met(const Numbers& numbers) const;
};

struct Claim {
  int id = 0;
  std::string_view text = {};
  Verdict expected_verdict = Verdict::is_true;
  std::string_view expectation = {};  ///< the correct statement and the outcome the table expects
  bool needs_images = false;
  std::function<Numbers(Lab&)> measure = {};
  std::vector<Condition> claimed = {};  ///< what the claim says; where one of them fails the claim is false
  std::vector<Condition> limits = {};   ///< what it leaves out; where one of them shows it needs a qualification
  std::vector<Expected> expected = {};
  std::function<std::string(const Numbers&)> sentence = {};  ///< what was seen, for a learner

  /** The condition that a number meets if the verdict is the expected one; null where there is none. */
  const Condition* expected_condition(std::string_view number) const;
};

/** False when anything that is claimed does not hold, otherwise qualified when a limit shows, otherwise true. */
Verdict judge(const Claim& claim, const Numbers& numbers);
/** The same in words, with the bounds. */
std::string criterion(const Claim& claim);

/** A claim that was measured. */
struct Result {
  const Claim* claim = nullptr;
  Numbers numbers = {};
  Verdict verdict = Verdict::is_false;
  std::string sentence = {};

  bool verdict_as_expected() const { return verdict == claim->expected_verdict; }
  /** The expectations that were not met. */
  std::vector<Expected> missed() const;
  bool as_expected() const { return verdict_as_expected() && missed().empty(); }
};
Result check(const Claim& claim, Lab& lab);

/** The text with − for the - of negative numbers. */
std::string with_minus(std::string_view text);

/** All claims in order. */
const std::vector<Claim>& claims();
/** Those with the given numbers, all for none. Throws for a number that no claim has. */
std::vector<const Claim*> select(std::span<const std::string> ids);

}  // namespace lab
