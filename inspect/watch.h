#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tapegrad/core/tape.h"
#include "tapegrad/layers/module.h"

namespace tapegrad::inline TAPEGRAD_ABI {

/** What a ModuleWatch calls; either may be empty. The views are valid during the call and until the tape's reset().
 */
template <class T> struct BasicModuleHooks {
  std::function<void(std::string_view path, BasicView<T> output)> on_output;
  std::function<void(std::string_view path, BasicView<T> gradient)> on_gradient;  ///< ∂L/∂output
};

/** While it lives, shows the outputs of named modules and the gradients that come back to them; read-only. Several
 * can watch one tape; with none attached, nothing is computed for them.
 *
 *      ModuleWatch watch(tape, net, {"0", "1"}, {.on_output = [](std::string_view path, BasicView<float> y) {
 *        fmt::print("{}: mean {}\n", path, y.mean());
 *      }});
 *
 * The output of a module is the last value that it, or a module inside it, recorded before somebody else did. So
 * on_output comes when the next value is recorded, at the latest when backward begins or by finish(); a module
 * that records nothing (dropout in eval mode) is not seen; and calls of a module with nothing in between count as
 * one. The path "" is the network itself. Throws "[watch] no module 'O'; did you mean '0'?" The tape and the
 * network must outlive the watch. */
template <class T> class BasicModuleWatch final : public BasicObserver<T> {
 public:
  BasicModuleWatch(BasicTape<T>& tape, BasicModule<T>& net, const std::vector<std::string>& paths,
                   BasicModuleHooks<T> hooks);

  BasicModuleWatch(const BasicModuleWatch&) = delete;
  BasicModuleWatch& operator=(const BasicModuleWatch&) = delete;

  /** Shows the outputs after which nothing has been recorded: those of a forward pass alone. */
  void finish() { close_unless(nullptr); }

  void on_forward(const BasicTape<T>& tape, NodeIndex node) override;
  void on_backward(const BasicTape<T>& tape, NodeIndex node) override;

 private:
  struct Watched {
    std::string path;
    bool open = false;  ///< its call has begun and is not known to be over
    NodeIndex last{};   ///< what it recorded last
  };
  using Members = std::vector<std::size_t>;

  /// Ends the calls of all modules but the given ones.
  void close_unless(const Members* still_open);
  void forget_old_step();

  BasicTape<T>& tape_;
  BasicModuleHooks<T> hooks_;
  std::vector<Watched> watched_;
  std::unordered_map<const void*, Members> members_;        ///< module → the watched ones it is or is inside of
  std::vector<std::pair<NodeIndex, std::size_t>> outputs_;  ///< of this step
  std::uint32_t step_ = 0;
};

}  // namespace tapegrad

TAPEGRAD_SCALARS(ModuleWatch)
TAPEGRAD_ALIASES(ModuleHooks)
