#include "tapegrad/inspect/summary.h"

#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <memory>
#include <string>

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

struct Scale : tg::Module {
  Scale() { factor = add_parameter("factor", tg::Matrix::Ones(1, 1)); }
  std::string_view kind() const override { return "scale"; }
  tg::Var forward(tg::Var x) override { return x * x.tape().parameter(factor); }
  tg::Parameter factor;
};

/// x·W with the weight of another layer
struct Tied : tg::Module {
  explicit Tied(const tg::Linear& other) : weight(add_parameter(other.weight)) {}
  std::string_view kind() const override { return "tied"; }
  tg::Var forward(tg::Var x) override { return tg::matmul(x, x.tape().parameter(weight)); }
  tg::Parameter weight;
};

/// Body, then a head; reaches into body's last layer when asked.
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

}  // namespace

TEST_CASE("summary: a network") {
  tg::Rng rng(1);
  tg::Sequential net{tg::Linear(2, 8, rng),
                     tg::Maxout{2},
                     tg::BatchNorm1d(4),
                     tg::Dropout(0.5, rng),
                     tg::Residual{tg::Linear(4, 4, rng), tg::Tanh()},
                     Scale(),
                     tg::Linear(4, 1, rng)};
  net[2].eval();
  const tg::Matrix mean = net.at<tg::BatchNorm1d>(2).running_mean();
  CHECK(tg::summary(net, 2) ==
        "path       type        output     parameters\n"
        "0          linear      batch x 8          24\n"
        "1          maxout      batch x 4           -\n"
        "2          batch_norm  batch x 4           8\n"
        "3          dropout     batch x 4           -\n"
        "4          residual    batch x 4          20\n"
        "4.inner    sequential  batch x 4          20\n"
        "4.inner.0  linear      batch x 4          20\n"
        "4.inner.1  tanh        batch x 4           -\n"
        "5          scale       batch x 4           1\n"
        "6          linear      batch x 1           5\n"
        "total                  batch x 1          58\n");
  CHECK(!net[2].training());  // every mode as before, statistics untouched
  CHECK(net[3].training());
  CHECK(net.training());
  CHECK(net.at<tg::BatchNorm1d>(2).running_mean() == mean);
  CHECK(error_of([&] { tg::summary(net, 3); }) == "0.linear: [matmul] inner dimensions differ: 2x3 * (8x2)^T");
  CHECK(!net[2].training());
  CHECK(net[3].training());
  CHECK(error_of([&] { tg::summary(net, -1); }) == "[summary] features must not be negative, got -1");
}

TEST_CASE("summary: a single layer, of shared parameters and of a layer that is not used") {
  tg::Rng rng(1);
  tg::Linear layer(2, 3, rng);
  CHECK(tg::summary(layer, 2) ==
        "path   type    output     parameters\n"
        "       linear  batch x 3           9\n"
        "total          batch x 3           9\n");
  tg::Sequential tied{tg::Linear(3, 2, rng)};
  tied.add(Tied(tied.at<tg::Linear>(0)));
  CHECK(tg::summary(tied, 3) ==
        "path   type    output     parameters\n"
        "0      linear  batch x 2           8\n"
        "1      tied    batch x 3           6\n"
        "total          batch x 3           8\n");
  Model model(4, rng);
  tg::summary(model, 4);
  model.only_last = true;
  CHECK(tg::summary(model, 4) ==
        "path    type        output     parameters\n"
        "body    sequential                     40\n"
        "body.0  linear                         20\n"
        "body.1  tanh                            -\n"
        "body.2  linear      batch x 4          20\n"
        "head    linear                         10\n"
        "total               batch x 4          50\n");
}
