#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapegrad/core/tape.h"

namespace tapegrad::inline TAPEGRAD_ABI {

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

  BasicModule() = default;
  BasicModule(BasicModule&&) = default;
  BasicModule& operator=(BasicModule&&) = default;
  virtual ~BasicModule() = default;

  /** Records the module on the tape of x. An error inside a submodule carries its path, the one its parameters
   * have, and its kind: "1.inner.0.linear: [matmul] …". */
  Var operator()(Var x);
  /** What it is, in lower case: "linear". Part of the path in error messages. */
  virtual std::string_view kind() const = 0;
  /** Columns of the output for an input of `in` columns; 0 where that is not known, as `in` may be. A layer of your own
   * that tells it may stand before an activation with learned parameters. */
  virtual Index out_features(Index /*in*/) const { return 0; }

  /** All parameters, own ones first, then those of the submodules in order; a shared one comes once. */
  std::vector<Parameter> parameters() const;
  /** The same with their paths: "0.weight". */
  std::vector<std::pair<std::string, Parameter>> named_parameters() const;
  /** Values that are saved but not learned, like running means, with their paths. */
  std::vector<std::pair<std::string, BasicMatrix<T>*>> named_buffers();
  /** All submodules with their paths, this one first under the path "". */
  std::vector<std::pair<std::string, BasicModule*>> named_modules();

  /** Training mode: dropout drops, batch normalization uses the batch. It is on at first. */
  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_; }

  /** The output for all rows of x in eval mode and without gradients, computed `batch` rows at a time. An observer
   * sees every value on the way. */
  BasicMatrix<T> predict(const BasicMatrixRef<T>& x, Index batch = 256, BasicObserver<T>* observer = nullptr);

 protected:
  virtual Var forward(Var x) = 0;

  Parameter add_parameter(std::string name, BasicMatrix<T> value);
  /** The same with a parameter that another module has, too: both learn one value. */
  Parameter add_parameter(Parameter shared);
  /** The returned matrix stays where it is when the module is moved. */
  BasicMatrix<T>& add_buffer(std::string name, BasicMatrix<T> value);
  BasicModule& add_module(std::string name, std::unique_ptr<BasicModule> module);
  const std::vector<std::pair<std::string, std::unique_ptr<BasicModule>>>& children() const { return children_; }

 private:
  /// From this module to one inside it; empty when it is not there.
  std::string path_of(const BasicModule& inner) const;

  std::vector<Parameter> parameters_;
  std::vector<std::pair<std::string, std::unique_ptr<BasicMatrix<T>>>> buffers_;
  std::vector<std::pair<std::string, std::unique_ptr<BasicModule>>> children_;
  Index output_cols_ = -1;  // of the last output, for summary(); −1 before the first
  bool training_ = true;

  template <class U> friend std::string summary(BasicModule<U>& module, Index features);
};

/** A table of the modules: path, type, output shape, parameters; for inputs of `features` columns. */
template <class T> std::string summary(BasicModule<T>& module, Index features);

}  // namespace tapegrad

TAPEGRAD_SCALARS(Module)
