#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tapegrad/core/error.h"

/// What every setting, and every name that a user gives, is checked with.

namespace tapegrad::inline TAPEGRAD_ABI {

/** What values a setting may have; all but `limit` are finite. */
enum class SettingDomain {
  finite,
  not_negative,
  positive,
  count,      ///< 1, 2, …
  below_one,  ///< [0, 1)
  up_to_one,  ///< [0, 1]
  limit,      ///< [0, ∞]
};

/** Returns `value`, or throws "[leaky_relu] negative_slope must be finite, got nan". */
double check_setting(std::string_view where, std::string_view setting, SettingDomain domain, double value);

/** A setting, its value and its domain. */
struct CheckedNumber {
  template <class Number>
  CheckedNumber(std::string_view n, Number v, SettingDomain d = SettingDomain::not_negative)
      : name(n), value(static_cast<double>(v)), domain(d) {}
  std::string_view name;
  double value;
  SettingDomain domain;
};

using Settings = std::vector<CheckedNumber>;

/** The same for several: `check_settings("adam", {{"eps", eps}, {"beta1", beta1, SettingDomain::below_one}})` */
template <class Numbers = std::initializer_list<CheckedNumber>>
void check_settings(std::string_view where, const Numbers& settings) {
  for (const CheckedNumber& each : settings) check_setting(where, each.name, each.domain, each.value);
}
/** The same for several of one domain. */
inline void check_settings(std::string_view where, SettingDomain domain,
                           std::initializer_list<CheckedNumber> settings) {
  for (const CheckedNumber& each : settings) check_setting(where, each.name, domain, each.value);
}

namespace detail {
template <class Entry> std::string_view name_of(const Entry& entry) {
  if constexpr (requires { entry.name(); })
    return entry.name();
  else
    return entry.name;
}
}  // namespace detail

/** The names of a table of things that have one, in order. */
template <class Table> std::vector<std::string_view> names_of(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& entry : table) names.push_back(detail::name_of(entry));
  return names;
}

/** "adam(beta1=0.9, beta2=0.999)" */
template <class Numbers> std::string described(std::string_view name, const Numbers& settings) {
  std::string list;
  for (const CheckedNumber& each : settings)
    list += (list.empty() ? "" : ", ") + std::string(each.name) + "=" + to_string(each.value);
  return std::string(name) + "(" + list + ")";
}

/** The entry of that name: `find_named("activation", table, "swish")`. Throws "[activation] no activation named 'swich'; did you
 * mean 'swish'?", and where no name is close lists all: "[schedule] no schedule named 'poly'; there are constant, step, …" */
template <class Table> const auto& find_named(std::string_view what, const Table& table, std::string_view name) {
  for (const auto& entry : table)
    if (detail::name_of(entry) == name) return entry;
  const auto names = names_of(table);
  std::string hint = did_you_mean(name, names);
  if (hint.empty())
    for (const std::string_view each : names) hint += (hint.empty() ? "; there are " : ", ") + std::string(each);
  fail(what, "no " + std::string(what) + " named '" + std::string(name) + "'" + hint);
}

}  // namespace tapegrad
