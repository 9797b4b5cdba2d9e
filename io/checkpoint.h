#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "tapegrad/core/rng.h"
#include "tapegrad/layers/module.h"
#include "tapegrad/optim/optimizer.h"
#include "tapegrad/optim/schedule.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** A training run in one file, so that it goes on bitwise as if it had never stopped: say once what belongs to it.
 *
 *      Checkpoint run;
 *      run.add("net", net);               // parameters, buffers, modes, generators of dropout
 *      run.add("optimizer", adam);        // moments, step count, learning rates
 *      run.add("schedule", schedule);
 *      run.add("shuffle", *batches.rng());
 *      run.add("epoch", epoch);           // a number
 *      if (resume) run.load("run.safetensors");
 *      for (; epoch < epochs; ++epoch) {
 *        …
 *        run.save("run.safetensors");
 *      }
 *
 * What was added has to live as long as the checkpoint. The file is in the format safetensors, and a folder holds either the old
 * file or the new one, also after a crash. */
class Checkpoint {
 public:
  /** A network (its modules' modes too), an optimizer (with those of its parameters that are in no network added before), a schedule, an Rng, a matrix, a
   * Parameter, a number (int, bool, Index, std::size_t, float, double), a std::vector of Index or double, a std::string, or anything
   * with `template <class Visit> void each_state(const Visit& visit)` that calls visit("name", member) for each part. What is const is
   * not restored: it must be the same as in the file, and so must the text() of networks, optimizers and schedules. Throws when the
   * name is taken. */
  template <class Thing> void add(const std::string& name, Thing& thing) {
    if constexpr (std::derived_from<Thing, BasicModule<float>>) {
      add_network<float>(name, thing);
    } else if constexpr (std::derived_from<Thing, BasicModule<double>>) {
      add_network<double>(name, thing);
    } else if constexpr (std::derived_from<Thing, BasicOptimizer<float>>) {
      add_optimizer<float>(name, thing);
    } else if constexpr (std::derived_from<Thing, BasicOptimizer<double>>) {
      add_optimizer<double>(name, thing);
    } else if constexpr (std::same_as<std::remove_const_t<Thing>, Schedule>) {
      hold(name, Same{thing.text()});
    } else if constexpr (std::same_as<Thing, const std::string>) {
      hold(name, Same{thing});
    } else if constexpr (std::is_arithmetic_v<Thing> && std::is_const_v<Thing>) {
      hold(name,
           Same{std::is_floating_point_v<Thing> ? to_string(static_cast<double>(thing)) : std::to_string(thing)});
    } else if constexpr (is_parameter<Thing>) {
      add_parameter(name, thing);
    } else if constexpr (std::is_constructible_v<Held, Thing*>) {
      hold(name, &thing);
    } else {
      constexpr bool has_state = requires {
        thing.each_state([](const auto&...) {});
      };
      static_assert(
          has_state,
          "what a checkpoint holds is a network, an optimizer, a schedule, an Rng, a matrix, a number (int, bool, "
          "Index, std::size_t, float, double), a std::vector of Index or double, a string, or has "
          "each_state(visit)");
      if constexpr (has_state) add_parts(name, thing);
    }
  }

  /** Writes the file. Throws what write_whole_file() throws; an old file is whole then, and training can go on. */
  void save(const std::string& path) const;
  /** Sets everything to what the file holds. Throws, before anything is changed, when the file breaks a rule of its format, and
   * when something is missing, left over or different: "[checkpoint] run.safetensors does not fit the run: optimizer is
   * adam(…) here, sgd(…) in the file, net.0.weight is 8x2 here, 8x3 in the file". */
  void load(const std::string& path) const;

 private:
  /// A text that has to be the same.
  struct Same {
    std::string text;
  };
  /// What is false unless the file says that it is true.
  struct Flag {
    std::function<bool()> get;
    std::function<void(bool)> set;
  };
  using Held = std::variant<BasicParameter<float>, BasicParameter<double>, BasicMatrix<float>*,
                            BasicMatrix<double>*, Rng*, int*, bool*, Index*, std::size_t*, float*, double*,
                            std::vector<Index>*, std::vector<double>*, std::string*, Same, Flag>;
  struct Item {
    std::string name;
    Held held;
    std::optional<SettingDomain> domain;  ///< of numbers
  };
  struct Loading;

  void hold(const std::string& name, Held held, std::optional<SettingDomain> domain = {});
  template <class Thing>
  static constexpr bool is_parameter = std::is_same_v<std::remove_const_t<Thing>, BasicParameter<float>> ||
                                       std::is_same_v<std::remove_const_t<Thing>, BasicParameter<double>>;
  template <class T> void add_parameter(const std::string& name, const BasicParameter<T>& parameter);
  template <class T> void add_network(const std::string& name, BasicModule<T>& net);
  template <class T> void add_optimizer(const std::string& name, BasicOptimizer<T>& optimizer);
  template <class Thing> void add_parts(const std::string& name, Thing& thing) {
    thing.each_state([&](std::string_view part, auto& value, auto... domain) {
      const std::string path = name + "." + std::string(part);
      if constexpr (sizeof...(domain) > 0)
        hold(path, &value, domain...);
      else
        add(path, value);
    });
  }

  std::vector<Item> items_;
};

}  // namespace tapegrad
