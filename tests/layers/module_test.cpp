#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

/// Modules as a tree: paths, modes, errors that say where, containers and prediction.

namespace tg = tapegrad::f64;

namespace {

template <class F> std::string error_of(F&& f) {
  try {
    f();
  } catch (const tg::Error& error) {
    return error.what();
  }
  return "no error";
}

using Strings = std::vector<std::string>;

template <class Named> Strings paths_of(const Named& named) {
  Strings paths;
  for (const auto& [path, value] : named) paths.push_back(path);
  return paths;
}

tg::Matrix random_matrix(tg::Index rows, tg::Index cols, tg::Rng& rng) {
  tg::Matrix m(rows, cols);
  for (double& v : m.reshaped<Eigen::RowMajor>()) v = rng.normal();
  return m;
}

/// The example of module.h
struct Scale : tg::Module {
  Scale() { factor = add_parameter("factor", tg::Matrix::Ones(1, 1)); }
  std::string_view kind() const override { return "scale"; }
  tg::Var forward(tg::Var x) override { return x * x.tape().parameter(factor); }
  tg::Parameter factor;
};

/// A user's module with submodules: body, then a head that it reaches into body's last layer for when asked.
struct Model : tg::Module {
  Model(tg::Index in, tg::Rng& rng) {
    add_module("body", std::make_unique<tg::Sequential>(
                           tg::Sequential{tg::Linear(in, 4, rng), tg::Tanh(), tg::Linear(4, 4, rng)}));
    add_module("head", std::make_unique<tg::Linear>(4, 2, rng));
  }
  std::string_view kind() const override { return "model"; }
  tg::Var forward(tg::Var x) override {
    auto& body = static_cast<tg::Sequential&>(*children()[0].second);
    if (only_last) return body[2](x);
    return (*children()[1].second)(body(x));
  }
  bool only_last = false;
};

/// x·W with the weight of another layer
struct Tied : tg::Module {
  explicit Tied(const tg::Linear& other) : weight(add_parameter(other.weight)) {}
  std::string_view kind() const override { return "tied"; }
  tg::Var forward(tg::Var x) override { return tg::matmul(x, x.tape().parameter(weight)); }
  tg::Parameter weight;
};

/// One row whatever comes in; throws what is no tg::Error when asked.
struct Collapse : tg::Module {
  std::string_view kind() const override { return "collapse"; }
  tg::Var forward(tg::Var x) override {
    if (broken) throw std::runtime_error("broken");
    return tg::sum(x, tg::Axis::rows);
  }
  bool broken = false;
};

struct Cube {
  static constexpr std::string_view name = "cube";
  template <class X> static X value(const X& x) { return x * x * x; }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 3 * g * x * x; }
};

tg::Sequential example(tg::Rng& rng) {
  return tg::Sequential{tg::Linear(2, 3, rng),
                        tg::Residual{tg::Linear(3, 3, rng), tg::Tanh()},
                        tg::BatchNorm1d(3),
                        tg::Dropout(0.5, rng),
                        Scale(),
                        tg::Linear(3, 1, rng, {.bias = false})};
}

}  // namespace

TEST_CASE("module: paths of parameters, buffers and submodules") {
  tg::Rng rng(1);
  tg::Sequential net = example(rng);
  CHECK(paths_of(net.named_parameters()) == Strings{"0.weight", "0.bias", "1.inner.0.weight", "1.inner.0.bias",
                                                    "2.weight", "2.bias", "4.factor", "5.weight"});
  REQUIRE(net.parameters().size() == 8);
  for (std::size_t i = 0; i < 8; ++i) CHECK(net.parameters()[i] == net.named_parameters()[i].second);
  CHECK(net.parameters()[0] == net.at<tg::Linear>(0).weight);
  CHECK(net.parameters()[6] == net.at<Scale>(4).factor);

  CHECK(paths_of(net.named_buffers()) == Strings{"2.running_mean", "2.running_var"});
  CHECK(net.named_buffers()[0].second == &net.at<tg::BatchNorm1d>(2).running_mean());
  CHECK(net.named_buffers()[1].second == &net.at<tg::BatchNorm1d>(2).running_var());

  CHECK(paths_of(net.named_modules()) ==
        Strings{"", "0", "1", "1.inner", "1.inner.0", "1.inner.1", "2", "3", "4", "5"});
  Strings kinds;
  for (const auto& [path, module] : net.named_modules()) kinds.emplace_back(module->kind());
  CHECK(kinds == Strings{"sequential", "linear", "residual", "sequential", "linear", "tanh", "batch_norm",
                         "dropout", "scale", "linear"});
  CHECK(net.named_modules()[0].second == &net);

  CHECK(paths_of(net.named_generators()) == Strings{"3.generator"});
  CHECK(net.parameter("2.weight") == net.at<tg::BatchNorm1d>(2).weight);
  CHECK(error_of([&] { net.parameter("2.wieght"); }) ==
        "[sequential] no parameter '2.wieght'; did you mean '2.weight'?");
  CHECK(error_of([&] { net.parameter(""); }) == "[sequential] no parameter ''");

  Scale scale;
  CHECK(paths_of(scale.named_parameters()) == Strings{"factor"});
  tg::BatchNorm1d norm(2);
  CHECK(paths_of(norm.named_buffers()) == Strings{"running_mean", "running_var"});
  Model model(3, rng);
  CHECK(paths_of(model.named_parameters()) ==
        Strings{"body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias", "head.weight", "head.bias"});
}

TEST_CASE("module: a shared parameter comes once and collects the gradients of both uses") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(3, 2, rng)};
  net.add(Tied(net.at<tg::Linear>(0)));
  CHECK(paths_of(net.named_parameters()) == Strings{"0.weight", "0.bias"});
  CHECK(net.parameters().size() == 2);
  tg::Linear& encoder = net.at<tg::Linear>(0);
  encoder.weight.mutable_value() << 1, 2, 0, -1, 0, 3;
  encoder.bias.mutable_value() << 0, 1;
  tg::Tape tape;
  const tg::Var y = net(tape.input(tg::Matrix{{1, -1, 2}}));
  CHECK(tg::Matrix(y.value()) == tg::Matrix{{-7, -2, 18}});  // hidden −1, 6
  tg::sum(y).backward();
  // By the second use: hidden in every column. By the first: row sums of W times x.
  CHECK(encoder.weight.grad() == tg::Matrix{{-1 + 3, -1 - 3, -1 + 6}, {6 + 2, 6 - 2, 6 + 4}});
  tg::Sgd sgd(net.parameters(), {.lr = 1});
  sgd.step();
  CHECK(net.at<Tied>(1).weight.value() == tg::Matrix{{-1, 6, -5}, {-9, -4, -7}});
}

TEST_CASE("module: train and eval reach every submodule, and one can be set apart") {
  tg::Rng rng(1);
  tg::Sequential net = example(rng);
  const auto modes = [&] {
    std::string text;
    for (const auto& [path, module] : net.named_modules()) text += module->training() ? 't' : 'e';
    return text;
  };
  CHECK(modes() == "tttttttttt");
  net.eval();
  CHECK(modes() == "eeeeeeeeee");
  net[1].train();
  CHECK(modes() == "eetttteeee");  // 1 and all inside it
  net.train();
  CHECK(modes() == "tttttttttt");
  net.train(false);
  CHECK(modes() == "eeeeeeeeee");
}

TEST_CASE("module: predict is forward in eval mode, in batches of any size") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(17, 33, rng),
                     tg::BatchNorm1d(33),
                     tg::Relu(),
                     tg::Dropout(0.5, rng),
                     tg::Residual{tg::Linear(33, 33, rng), tg::Tanh()},
                     tg::LayerNorm(33),
                     tg::Linear(33, 5, rng)};
  tg::Tape tape;
  net(tape.input(random_matrix(20, 17, rng)));  // moves the running statistics
  const tg::Matrix mean = net.at<tg::BatchNorm1d>(1).running_mean();
  CHECK(mean.norm() > 0);
  const tg::Matrix x = random_matrix(50, 17, rng);
  net.eval();
  tape.reset();
  const tg::Matrix expected = net(tape.input(x)).value();
  net.train();

  CHECK(net.predict(x) == expected);
  CHECK(net.predict(x, 50) == expected);
  CHECK(net.training());
  CHECK(net.at<tg::BatchNorm1d>(1).running_mean() == mean);
  for (const tg::Index batch : {1, 2, 3, 7, 16, 49, 51, 1000}) {
    INFO("batch " << batch);
    const tg::Matrix y = net.predict(x, batch);
    REQUIRE(y.rows() == 50);
    REQUIRE(y.cols() == 5);
    CHECK(net.predict(x, batch) == y);
    // Eigen sums a product in another order when it has a single row or few: the last bits may differ.
    CHECK((y - expected).cwiseAbs().maxCoeff() < 1e-13);
  }
  CHECK(net.predict(x.middleRows(3, 9)).isApprox(expected.middleRows(3, 9), 1e-13));
  tg::Matrix wide = random_matrix(50, 30, rng);
  wide.middleCols(6, 17) = x;  // a block: its rows lie apart
  CHECK(net.predict(wide.middleCols(6, 17)) == expected);
  CHECK(net.predict(wide.middleCols(6, 17), 7) == net.predict(x, 7));
  CHECK(net.predict(x, std::numeric_limits<tg::Index>::max()) == expected);
  const tg::Matrix none = net.predict(tg::Matrix(0, 17));
  CHECK(none.rows() == 0);
  CHECK(none.cols() == 5);
}

TEST_CASE("module: predict gives every module its own mode back, also when it fails") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(3, 4, rng), tg::BatchNorm1d(4), tg::Dropout(0.5, rng), Collapse()};
  net[1].eval();
  const auto modes = [&] {
    std::string text;
    for (const auto& [path, module] : net.named_modules()) text += module->training() ? 't' : 'e';
    return text;
  };
  CHECK(modes() == "ttett");
  const tg::Matrix x = random_matrix(4, 3, rng);
  CHECK(net.predict(x, 1).rows() == 4);
  CHECK(modes() == "ttett");
  CHECK(error_of([&] { net.predict(x); }) == "[predict] 4 rows went in, 1 came out");
  CHECK(modes() == "ttett");
  CHECK(error_of([&] { net.predict(tg::Matrix::Ones(4, 2)); }) ==
        "0.linear: [matmul] inner dimensions differ: 4x2 * (4x3)^T");
  CHECK(modes() == "ttett");
  net.at<Collapse>(3).broken = true;
  CHECK_THROWS_WITH_AS(net.predict(x), "broken", std::runtime_error);
  CHECK(modes() == "ttett");
  CHECK(error_of([&] { net.predict(x, 0); }) == "[predict] the batch must have at least one row, got 0");
  CHECK(error_of([&] { net.predict(x, -3); }) == "[predict] the batch must have at least one row, got -3");
}

TEST_CASE("module: several threads predict with one network that is in training mode") {
  /// Asks for its mode as a layer of the user's does.
  struct DoublesInTraining : tg::Module {
    std::string_view kind() const override { return "doubles_in_training"; }
    tg::Var forward(tg::Var x) override { return training() ? 2 * x : x; }
  };
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(4, 8, rng), tg::BatchNorm1d(8),  tg::Relu(),
                     tg::Dropout(0.5, rng), DoublesInTraining(), tg::Residual{tg::Linear(8, 8, rng), tg::Tanh()},
                     tg::Linear(8, 2, rng)};
  const tg::Matrix x = random_matrix(6, 4, rng);
  const tg::Matrix before = *net.named_buffers()[0].second;
  net.eval();
  const tg::Matrix expected = net.predict(x);
  net.train();
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) count += net.predict(x, 3) != expected;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>{0, 0, 0, 0});
  CHECK(net.training());
  CHECK(*net.named_buffers()[0].second == before);
}

TEST_CASE("module: an eval scope is that of its thread, whatever the modes, and may be nested") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Dropout(0.5, rng)};
  net[0].eval();
  {
    const tg::EvalScope outer;
    CHECK(!net.training());
    {
      const tg::EvalScope inner;
      CHECK(!net.training());
    }
    CHECK(!net.training());
    bool elsewhere = false;
    std::thread([&] { elsewhere = net.training(); }).join();
    CHECK(elsewhere);
    net.train();
    CHECK(!net.training());
  }
  CHECK(net.training());
  CHECK(net[0].training());
}

TEST_CASE("module: predicting between backward and step keeps the gradients") {
  for (const bool tape_is_gone : {false, true}) {
    INFO((tape_is_gone ? "after" : "before") << " the end of the tape");
    tg::Rng rng(1);
    tg::Sequential net{tg::Linear(3, 1, rng)};
    const tg::Matrix x = random_matrix(6, 3, rng);
    auto tape = std::make_unique<tg::Tape>();
    tg::sum(net(tape->input(x))).backward();
    if (tape_is_gone) tape.reset();
    const tg::Matrix expected = x.colwise().sum();
    net.predict(x, 2);
    CHECK(net.parameters()[0].has_grad());
    CHECK(net.parameters()[0].grad().isApprox(expected, 1e-14));
  }
}

TEST_CASE("module: an error inside a network carries the path of its parameters") {
  tg::Rng rng(1);
  tg::Tape tape;
  const tg::Var x = tape.input(random_matrix(4, 3, rng));
  const auto text = [&](tg::Module&& net) {
    const std::string result = error_of([&] { net(x); });
    CHECK(tape.owner() == nullptr);
    return result;
  };
  CHECK(text(tg::Linear(5, 2, rng)) == "[matmul] inner dimensions differ: 4x3 * (2x5)^T");
  CHECK(text(tg::Sequential{tg::Linear(5, 2, rng)}) == "0.linear: [matmul] inner dimensions differ: 4x3 * (2x5)^T");
  CHECK(text(tg::Sequential{tg::Linear(3, 5, rng), tg::Relu(), tg::Linear(4, 2, rng)}) ==
        "2.linear: [matmul] inner dimensions differ: 4x5 * (2x4)^T");
  CHECK(text(tg::Sequential{tg::Linear(3, 5, rng), tg::Residual{tg::Linear(4, 5, rng)}}) ==
        "1.inner.0.linear: [matmul] inner dimensions differ: 4x5 * (5x4)^T");
  CHECK(text(tg::Sequential{tg::Linear(3, 5, rng), tg::Residual{tg::Linear(5, 4, rng)}}) ==
        "1.residual: [residual] the input is 4x5, the layers inside make it 4x4");
  CHECK(text(tg::Sequential{tg::Tanh(), tg::Sequential{tg::Tanh(), tg::Residual{tg::Tanh(), tg::LayerNorm(2)}}}) ==
        "1.1.inner.1.layer_norm: [layer_norm] made for 2 features, the input is 4x3");
  CHECK(text(tg::Sequential{tg::Maxout{2}}) == "0.maxout: [maxout] the columns of 4x3 are not a multiple of 2");
  CHECK(text(tg::Sequential{tg::Linear(3, 3, rng), Scale(), Model(5, rng)}) ==
        "2.body.0.linear: [matmul] inner dimensions differ: 4x3 * (4x5)^T");
  CHECK(text(Model(5, rng)) == "body.0.linear: [matmul] inner dimensions differ: 4x3 * (4x5)^T");
  Model reaching(3, rng);
  reaching.only_last = true;  // body[2] is called without body
  CHECK(text(std::move(reaching)) == "body.2.linear: [matmul] inner dimensions differ: 4x3 * (4x4)^T");

  tg::Sequential norm{tg::Linear(3, 2, rng), tg::BatchNorm1d(2)};
  CHECK(error_of([&] { norm(tape.input(random_matrix(1, 3, rng))); }) ==
        "1.batch_norm: [batch_norm] needs more than one row in training, got 1x2: leave out such a last batch, as "
        "Loader does with drop_last");
  CHECK(norm(x).shape() == tg::Shape{4, 2});  // and goes on working

  // What the user catches is the library's exception; others pass through untouched.
  tg::Sequential collapse{Collapse()};
  collapse.at<Collapse>(0).broken = true;
  CHECK_THROWS_WITH_AS(collapse(x), "broken", std::runtime_error);
  CHECK(tape.owner() == nullptr);
}

TEST_CASE("module: a module that returns nothing says which it is") {
  struct Forgetful : tg::Module {
    std::string_view kind() const override { return "forgetful"; }
    tg::Var forward(tg::Var) override { return {}; }
  };
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(3, 3, rng), Forgetful(), tg::Tanh()};
  tg::Tape tape;
  CHECK(error_of([&] { net(tape.input(tg::Matrix::Ones(4, 3))); }) ==
        "1.forgetful: [tape] the variable is empty: it was never recorded");
}

TEST_CASE("module: nodes know the module that recorded them") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(3, 3, rng), tg::Residual{tg::Tanh()}};
  tg::Tape tape;
  const tg::Var y = net(tape.input(tg::Matrix::Ones(4, 3)));
  CHECK(y.node().owner == &net[1]);  // the sum
  CHECK(tape.node(y.index() - 1).owner == net.named_modules()[4].second);
  CHECK(tape.node(0).owner == nullptr);
  CHECK(tape.owner() == nullptr);
}

TEST_CASE("sequential: an activation that learns knows its features from the layers before it") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(2, 8, rng),
                     tg::Prelu(),
                     tg::BatchNorm1d(8),
                     tg::Dropout(0.5, rng),
                     tg::Tanh(),
                     tg::Prelu(),
                     tg::Maxout{2},
                     tg::Prelu(),
                     tg::LayerNorm(4),
                     tg::Residual{tg::Linear(4, 4, rng), tg::Prelu()},
                     tg::Prelu()};
  CHECK(net[1].parameters()[0].value() == tg::Matrix::Constant(1, 8, 0.25));
  CHECK(net[5].parameters()[0].shape() == tg::Shape{1, 8});
  CHECK(net[7].parameters()[0].value() == tg::Matrix::Constant(1, 4, 0.25));
  CHECK(net[9].parameters()[2].shape() == tg::Shape{1, 4});
  CHECK(net[10].parameters()[0].shape() == tg::Shape{1, 4});
  CHECK(net.out_features(2) == 4);
  CHECK(net.predict(tg::Matrix::Ones(3, 2)).cols() == 4);

  const std::string text = error_of([] { tg::Sequential{tg::Tanh(), tg::Prelu()}; });
  CHECK(text ==
        "[prelu] the layer needs its number of features, to learn one value for each, and nothing before it tells "
        "that: write ActivationLayer(activation(\"prelu\"), features)");
  const auto fails = [&](auto make) { return error_of(make).starts_with("[prelu] the layer needs its number"); };
  CHECK(fails([&] { tg::Sequential{tg::Linear(2, 8, rng), tg::Sequential{tg::Prelu()}}; }));
  CHECK(fails([&] { tg::Sequential{tg::Linear(2, 8, rng), Scale(), tg::Prelu()}; }));  // Scale does not tell
  struct KnownScale : Scale {
    tg::Index out_features(tg::Index in) const override { return in; }
  };
  tg::Sequential known{tg::Linear(2, 8, rng), KnownScale(), tg::Prelu()};
  CHECK(known[2].parameters()[0].shape() == tg::Shape{1, 8});
}

TEST_CASE("sequential: takes layers, rules, activations, pointers and the user's modules and rules") {
  tg::Rng rng(1);
  tg::Linear last(3, 1, rng);
  tg::Sequential net{tg::Linear(2, 6, rng),
                     tg::LeakyRelu{0.25},
                     tg::activation("elu(alpha=2)"),
                     tg::Maxout{2},
                     std::make_unique<Scale>(),
                     Scale(),
                     Cube(),
                     tg::Sequential{tg::Tanh()},
                     tg::Residual{tg::Residual{tg::Tanh()}, tg::Tanh()},
                     std::move(last)};
  Strings kinds;
  for (std::size_t i = 0; i < net.size(); ++i) kinds.emplace_back(net[i].kind());
  CHECK(kinds == Strings{"linear", "leaky_relu", "elu", "maxout", "scale", "scale", "cube", "sequential",
                         "residual", "linear"});
  CHECK(net.at<tg::ActivationLayer>(1).activation().text() == "leaky_relu(negative_slope=0.25)");
  CHECK(net.at<tg::ActivationLayer>(2).activation().text() == "elu(alpha=2)");
  CHECK(net.at<tg::Residual>(8).named_modules()[2].first == "inner.0");
  net.add(tg::activation("prelu"), 1);
  net.add(std::make_unique<tg::Sequential>());
  CHECK(net.size() == 12);
  tg::Tape tape;
  CHECK(net(tape.input(tg::Matrix::Ones(4, 2))).shape() == tg::Shape{4, 1});

  tg::Sequential empty;
  CHECK(empty.size() == 0);
  const tg::Var x = tape.input(tg::Matrix::Ones(4, 2));
  CHECK(empty(x).index() == x.index());
}

TEST_CASE("sequential: a rule of the user's computes what it says") {
  tg::Sequential net{Cube()};
  CHECK(net.predict(tg::Matrix{{1, -2, 3}}) == tg::Matrix{{1, -8, 27}});
}

TEST_CASE("sequential: errors of access") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(2, 3, rng), tg::Relu(), tg::Linear(3, 1, rng)};
  CHECK(error_of([&] { net[3]; }) == "[sequential] no layer 3: there are 3");
  CHECK(error_of([&] { net.at<tg::Linear>(7); }) == "[sequential] no layer 7: there are 3");
  CHECK(error_of([&] { net.at<tg::Linear>(1); }) == "[sequential] layer 1 is of another type: it is 'relu'");
  CHECK(error_of([&] { net.at<Scale>(0); }) == "[sequential] layer 0 is of another type: it is 'linear'");
  CHECK(error_of([&] { net.add(std::unique_ptr<tg::Linear>()); }) == "[module] submodule '3' is null");
  CHECK(net.size() == 3);
  CHECK(&net.at<tg::Linear>(2) == &net[2]);
}

TEST_CASE("sequential: a network that was moved goes on training") {
  const tg::Matrix y{{0}, {1}, {1}, {0}};
  const tg::Matrix x{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  const auto train = [&](bool move) {
    tg::Rng rng(3);
    tg::Sequential net{tg::Linear(2, 8, rng), tg::BatchNorm1d(8), tg::Dropout(0.2, rng),
                       tg::Residual{tg::Linear(8, 8, rng), tg::Tanh()}, tg::Linear(8, 1, rng)};
    tg::Adam adam(net.parameters(), {.lr = 0.05});
    tg::Tape tape;
    std::vector<double> losses;
    const auto steps = [&](tg::Sequential& current) {
      for (int i = 0; i < 5; ++i) {
        tape.reset();
        const tg::Var loss = tg::bce_with_logits(current(tape.input(x)), y);
        loss.backward();
        adam.step();
        losses.push_back(loss.item());
      }
    };
    steps(net);
    if (move) {
      tg::Sequential moved(std::move(net));
      steps(moved);
      tg::Sequential assigned;
      assigned = std::move(moved);
      steps(assigned);
      losses.push_back(assigned.predict(x)(0, 0));
      losses.push_back(assigned.at<tg::BatchNorm1d>(1).running_mean()(0, 3));
    } else {
      steps(net);
      steps(net);
      losses.push_back(net.predict(x)(0, 0));
      losses.push_back(net.at<tg::BatchNorm1d>(1).running_mean()(0, 3));
    }
    return losses;
  };
  CHECK(train(true) == train(false));
}

TEST_CASE("module: one that was moved from says so, whatever is asked of it") {
  const auto check = [](auto&& layer, const std::string& kind, auto&&... more) {
    using Layer = std::remove_cvref_t<decltype(layer)>;
    const Layer taken = std::move(layer);
    const std::string text = "[" + kind + "] the module was moved from";
    tg::Tape tape;
    const tg::Var x = tape.input(tg::Matrix::Ones(4, 2));
    const auto says_so = [&](auto use) { CHECK(error_of([&] { use(layer); }) == text); };
    says_so([&](Layer& l) { l(x); });
    says_so([](Layer& l) { l.predict(tg::Matrix::Ones(4, 2)); });
    says_so([](Layer& l) { l.parameters(); });
    says_so([](Layer& l) { l.named_buffers(); });
    says_so([](Layer& l) { l.named_modules(); });
    says_so([](Layer& l) { l.eval(); });
    says_so([](Layer& l) { static_cast<void>(l.training()); });
    (says_so(more), ...);
    CHECK(layer.kind() == kind);
  };
  tg::Rng rng(1);
  const auto out_features = [](auto& layer) { layer.out_features(2); };
  check(tg::Linear(2, 3, rng), "linear", out_features);
  check(
      tg::BatchNorm1d(2), "batch_norm", out_features, [](auto& layer) { layer.running_mean(); },
      [](auto& layer) { layer.running_var(); });
  check(tg::LayerNorm(2), "layer_norm", out_features);
  check(tg::Dropout(0.5, rng), "dropout");
  check(tg::ActivationLayer(tg::activation("prelu"), 2), "prelu");
  check(tg::Residual{tg::Linear(2, 2, rng)}, "residual", out_features);
  check(
      tg::Sequential{tg::Linear(2, 2, rng)}, "sequential", out_features, [](auto& net) { net.size(); },
      [](auto& net) { net[0]; }, [](auto& net) { net.add(tg::Tanh()); });

  tg::Linear layer(2, 3, rng);
  tg::Sequential net{std::move(layer)};
  CHECK(error_of([&] { tg::Sequential{std::move(layer)}.predict(tg::Matrix::Ones(4, 2)); }) ==
        "0.linear: [linear] the module was moved from");
  layer = tg::Linear(2, 5, rng);
  CHECK(layer.predict(tg::Matrix::Ones(4, 2)).cols() == 5);
  const tg::Activation f = tg::activation("swish(beta=2)");
  tg::Activation g = f;
  const tg::Activation h = std::move(g);
  CHECK(g.text() == h.text());
  CHECK(error_of([] { tg::Activation(nullptr); }) == "[activation] the rule is null");
}

TEST_CASE("module: moving a layer to itself changes nothing") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(2, 4, rng), tg::Prelu(), tg::BatchNorm1d(4), tg::Residual{tg::Linear(4, 4, rng)}};
  const tg::Matrix x = random_matrix(5, 2, rng);
  const tg::Matrix expected = net.predict(x);
  const auto to_itself = [](auto& layer) {
    auto& same = layer;
    layer = std::move(same);
  };
  to_itself(net.at<tg::Linear>(0));
  to_itself(net.at<tg::ActivationLayer>(1));
  to_itself(net.at<tg::BatchNorm1d>(2));
  to_itself(net.at<tg::Residual>(3));
  to_itself(net);
  CHECK(net.predict(x) == expected);
  CHECK(net.at<tg::Linear>(0).weight == net.parameters()[0]);
}

TEST_CASE("module: nests of modules: deep ones work, too deep ones are an error, and cost no more than they must") {
  const auto nest = [](int depth) {
    tg::Sequential net{tg::Maxout{2}};
    for (int i = 1; i < depth; ++i) {
      tg::Sequential outer;
      outer.add(std::move(net));
      net = std::move(outer);
    }
    return net;
  };
  tg::Sequential deep = nest(2000);
  CHECK(deep.predict(tg::Matrix::Ones(1, 4)) == tg::Matrix::Ones(1, 2));
  CHECK(deep.named_modules().size() == 2001);
  CHECK(deep.out_features(4) == 2);
  std::string path;
  for (int i = 0; i < 2000; ++i) path += "0.";
  CHECK(error_of([&] { deep.predict(tg::Matrix::Ones(1, 3)); }) ==
        path + "maxout: [maxout] the columns of 1x3 are not a multiple of 2");

  tg::Sequential endless = nest(100'000);
  const std::string text = "[module] more than 5000 modules are inside each other";
  CHECK(error_of([&] { endless.predict(tg::Matrix::Ones(1, 4)); }).ends_with(".sequential: " + text));
  CHECK(error_of([&] { endless.parameters(); }) == text);
  CHECK(error_of([&] { endless.eval(); }) == text);
  CHECK(endless.training());
  CHECK(error_of([&] { endless.out_features(4); }) == text);
  CHECK(deep.predict(tg::Matrix::Ones(1, 4)) == tg::Matrix::Ones(1, 2));
  tg::Sequential from_outside;  // made from the outermost one inwards
  for (auto [i, at] = std::pair{0, &from_outside}; i < 100'000; ++i) {
    at->add(tg::Sequential());
    at = &at->at<tg::Sequential>(0);
  }
  CHECK(error_of([&] { from_outside.parameters(); }) == text);
}

TEST_CASE("module: a destructor of one's own may still look inside") {
  struct Counts : tg::Module {
    explicit Counts(std::vector<std::size_t>& to) : to_(to) {
      tg::Rng rng(1);
      add_module("inner", std::make_unique<tg::Linear>(2, 2, rng));
      add_parameter("own", tg::Matrix::Ones(1, 1));
    }
    Counts(Counts&&) = default;
    ~Counts() override {
      if (!children().empty()) to_.push_back(parameters().size());
    }
    std::string_view kind() const override { return "counts"; }
    tg::Var forward(tg::Var x) override { return x; }
    std::vector<std::size_t>& to_;
  };
  std::vector<std::size_t> counts;
  {
    auto inner = std::make_unique<Counts>(counts);
    tg::Sequential outer;
    outer.add(std::move(inner));
  }
  CHECK(counts == std::vector<std::size_t>{3});
}

namespace {
struct Throws : tg::Module {
  std::string_view kind() const override { return "throws"; }
  tg::Var forward(tg::Var) override { throw std::runtime_error("no"); }
};
}  // namespace

TEST_CASE("module: what a failed step restores") {
  tg::BatchNorm1d norm(2);
  Throws throws;
  tg::Matrix x(3, 2);
  x << 1, 2, 3, 4, 5, 9;
  const auto mean = [&] { return tg::Matrix(norm.running_mean()); };
  const tg::Matrix start = mean();
  tg::Matrix once;
  {
    tg::BatchNorm1d same(2);
    tg::Tape tape;
    same(tape.input(x));
    once = same.running_mean();
  }

  SUBCASE("an error that is caught, and the step goes on") {
    tg::Tape tape;
    const tg::Var y = norm(tape.input(x));
    CHECK_THROWS_AS(throws(y), std::runtime_error);
    tg::sum(y * y).backward();
    tape.reset();
    CHECK(mean() == once);
  }
  SUBCASE("an error in the second network of a step that is repeated") {
    tg::Tape tape;
    CHECK_THROWS_AS(throws(norm(tape.input(x))), std::runtime_error);
    tape.reset();
    CHECK(mean() == start);
    tg::sum(norm(tape.input(x))).backward();
    CHECK(mean() == once);
  }
  SUBCASE("the same, and the tape goes") {
    {
      tg::Tape tape;
      CHECK_THROWS_AS(throws(norm(tape.input(x))), std::runtime_error);
    }
    CHECK(mean() == start);
  }
  SUBCASE("what another tape changed since stays") {
    tg::Tape probe, tape;
    norm(probe.input(x));
    tg::sum(norm(tape.input(x))).backward();
    const tg::Matrix trained = mean();
    CHECK_THROWS_AS(throws(probe.input(x)), std::runtime_error);
    probe.reset();
    CHECK(mean() == trained);
  }
  SUBCASE("a buffer with other memory, or of another size") {
    tg::Tape tape;
    norm(tape.input(x));
    norm.running_mean() = tg::Matrix(tg::Matrix::Constant(1, 2, 8));
    norm.running_var() = tg::Matrix(tg::Matrix::Constant(1, 5, 8));
    CHECK_THROWS_AS(throws(tape.input(x)), std::runtime_error);
    tape.reset();
    CHECK(mean() == start);
    CHECK(norm.running_var() == tg::Matrix::Constant(1, 5, 8));
    CHECK(error_of([&] { norm(tape.input(x)); }) == "[batch_norm] running_var is 1x5, should be 1x2");
  }
}

TEST_CASE("copy_parameters: parameters and buffers of a network of the same kind") {
  tg::Rng rng(1), other(2);
  tg::Sequential from = example(rng), to = example(other);
  tg::Tape tape;
  from(tape.input(tg::Matrix::Random(5, 2)));  // changes the running statistics
  const tg::Matrix x = tg::Matrix::Random(4, 2);
  CHECK(from.predict(x) != to.predict(x));
  copy_parameters(from, to);
  CHECK(from.predict(x) == to.predict(x));
  to.parameter("0.weight").mutable_value()(0) += 1;
  CHECK(from.predict(x) != to.predict(x));

  tg::Sequential small{tg::Linear(2, 2, rng)}, wide{tg::Linear(2, 3, rng)},
      deep{tg::Linear(2, 2, rng), tg::BatchNorm1d(2)};
  const tg::Matrix before = wide.parameter("0.weight").value();
  CHECK(error_of([&] { copy_parameters(small, wide); }) ==
        "[copy_parameters] the networks differ: from one with 0.weight (2x2) to one with 0.weight (3x2)");
  CHECK(error_of([&] { copy_parameters(small, deep); }) ==
        "[copy_parameters] the networks differ: from one with nothing more to one with 1.weight (1x2)");
  CHECK(error_of([&] { copy_parameters(deep, small); }) ==
        "[copy_parameters] the networks differ: from one with 1.weight (1x2) to one with nothing more");
  CHECK(wide.parameter("0.weight").value() == before);
}
