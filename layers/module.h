#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapegrad/core/rng.h"
#include "tapegrad/core/tape.h"

namespace tapegrad::inline TAPEGRAD_ABI {

namespace detail {
/** A call of a module, or a look into it. Throws for one that is nested too deep for the stack. */
struct OneDeeper : Scoped<int> {
  OneDeeper();
};
}  // namespace detail

/** A layer or a container of layers: a function of one Var that owns parameters. Derive from it for a layer of
 * your own: create parameters and submodules in the constructor, and override kind() and forward().
 *
 *      struct Scale : tg::Module {
 *        Scale() { factor = add_parameter("factor", tg::Matrix::Ones(1, 1)); }
 *        std::string_view kind() const override { return "scale"; }
 *        tg::Var forward(tg::Var x) override { return x * x.tape().parameter(factor); }
 *        tg::Parameter factor;
 *      }; */
template <class T> class BasicModule {
 public:
  using Var = BasicVar<T>;
  using Parameter = BasicParameter<T>;
  /// Things with their names or paths, in order.
  template <class Thing> using Named = std::vector<std::pair<std::string, Thing>>;

  BasicModule();
  /** The one that is moved from throws when it is used: "[linear] the module was moved from". */
  BasicModule(BasicModule&&) = default;
  BasicModule& operator=(BasicModule&&) = default;
  virtual ~BasicModule();

  /** Records the module on the tape of x. An error inside a submodule carries its path, the one its parameters
   * have, and its kind: "1.inner.0.linear: [matmul] …". */
  Var operator()(Var x);
  /** What it is, in lower case: "linear". Part of the path in error messages. */
  virtual std::string_view kind() const = 0;
  /** Kind and settings, as load_network() reads them: "linear(784, 128)". */
  virtual std::string text() const { return std::string(kind()); }
  /** Columns of the output for an input of `in` columns; 0 where that is not known, as `in` may be. A layer of your own
   * that tells it may stand before an activation with learned parameters. */
  virtual Index out_features(Index /*in*/) const { return 0; }

  /** All parameters, own ones first, then those of the submodules in order; a shared one comes once. */
  std::vector<Parameter> parameters() const;
  /** The same with their paths: "0.weight". */
  Named<Parameter> named_parameters() const;
  /** One of them: `net.parameter("0.weight")`. Throws "[sequential] no parameter '0.weigth'; did you mean '0.weight'?" */
  Parameter parameter(std::string_view path) const;
  /** Values that are saved but not learned, like running means, with their paths. */
  Named<BasicMatrix<T>*> named_buffers();
  /** What layers draw random numbers from, like dropout, with their paths. */
  Named<Rng*> named_generators();
  /** Whether each module is in training mode, with the modules' paths. */
  Named<bool*> named_modes();
  /** All submodules with their paths, this one first under the path "". */
  Named<BasicModule*> named_modules();

  /** Training mode: dropout drops, batch normalization uses the batch. It is on at first. */
  void train(bool on = true);
  void eval() { train(false); }
  /** What a layer asks: false also while this thread is in an EvalScope. */
  bool training() const;

  /** The output for all rows of x in an EvalScope and without gradients, computed `batch` rows at a time. It writes
   * nothing that is shared: several threads may call it on one network at once, while none trains it. An observer
   * sees every value on the way. */
  BasicMatrix<T> predict(const BasicMatrixRef<T>& x, Index batch = 256, BasicObserver<T>* observer = nullptr);

 protected:
  virtual Var forward(Var x) = 0;

  Parameter add_parameter(std::string name, BasicMatrix<T> value) {
    return add_parameter(Parameter(std::move(name), std::move(value)));
  }
  /** The same with a parameter that another module has, too: both learn one value. */
  Parameter add_parameter(Parameter shared);
  /** The returned matrix stays where it is when the module is moved. */
  BasicMatrix<T>& add_buffer(std::string name, BasicMatrix<T> value);
  /** The generator stays where it is, too. */
  Rng& add_generator(std::string name, const Rng& rng);
  BasicModule& add_module(std::string name, std::unique_ptr<BasicModule> module);
  /** What was added, in order. */
  const std::vector<Parameter>& own_parameters() const;
  /** Before a forward pass changes a buffer or a generator: it comes back if the step fails. */
  void restore_on_failure(BasicTape<T>& tape, BasicMatrix<T>& buffer) const;
  void restore_on_failure(BasicTape<T>& tape, Rng& generator) const;
  BasicMatrix<T>& buffer(std::size_t index) const;
  Rng& generator(std::size_t index) const;
  const Named<std::unique_ptr<BasicModule>>& children() const;

 private:
  struct Content;
  /// Throws when the module was moved from.
  Content& content() const;
  void list(const std::string& path, Named<BasicModule*>& result);
  /// From this module to one inside it; empty when it is not there.
  std::string path_of(const BasicModule& inner);

  std::shared_ptr<Content> content_;
};

/** While it lives, every module that its thread calls is in eval mode, whatever the module's own mode is. */
struct EvalScope : Scoped<bool> {
  EvalScope();
};

/** Gives one network the parameters and buffers of another, as for the target network of a learner. Throws, before anything is
 * changed, when they differ: "[copy_parameters] the networks differ: from one with 0.weight (8x2) to one with 0.weight (8x3)". */
template <class T> void copy_parameters(const BasicModule<T>& from, BasicModule<T>& to);

}  // namespace tapegrad

TAPEGRAD_SCALARS(Module)
