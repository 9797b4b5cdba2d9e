#include <doctest/doctest.h>
#include <tapegrad/tapegrad.h>

#include <string>
#include <vector>

namespace tg = tapegrad;

namespace {

std::string error_of(const std::vector<tg::Index>& sizes) {
  tg::Rng rng(1);
  try {
    tg::mlp(sizes, tg::Relu(), rng);
  } catch (const tg::Error& error) {
    return error.what();
  }
  return "no error";
}

std::string layers_of(tg::Sequential net) {
  std::string text;
  for (std::size_t i = 0; i < net.size(); ++i) {
    text += (i == 0 ? "" : " ") + std::string(net[i].kind());
    for (const tg::Parameter& p : net[i].parameters()) text += " " + tg::to_string(p.shape());
  }
  return text;
}

}  // namespace

TEST_CASE("mlp: a linear layer from each size to the next, the activation between them") {
  tg::Rng rng(42);
  CHECK(layers_of(tg::mlp({784, 128, 10}, tg::Relu(), rng)) == "linear 128x784 1x128 relu linear 10x128 1x10");
  CHECK(layers_of(tg::mlp({3, 1}, tg::Relu(), rng)) == "linear 1x3 1x1");
  CHECK(layers_of(tg::mlp({2, 4, 3, 1}, tg::activation("swish(beta=2)"), rng)) ==
        "linear 4x2 1x4 swish linear 3x4 1x3 swish linear 1x3 1x1");
  CHECK(layers_of(tg::mlp({2, 4, 1}, tg::Prelu(), rng)) == "linear 4x2 1x4 prelu 1x4 linear 1x4 1x1");
  CHECK(layers_of(tg::mlp({2, 4, 1}, tg::Maxout{3}, rng)) == "linear 12x2 1x12 maxout linear 1x4 1x1");
  CHECK(layers_of(tg::mlp({2, 4, 1}, tg::Tanh(), rng,
                          {.linear = {.bias = false}, .batch_norm = true, .dropout = 0.5, .input_dropout = 0.2})) ==
        "dropout linear 4x2 batch_norm 1x4 1x4 tanh dropout linear 1x4");
}

TEST_CASE("sequential: with braces the first layer draws first, whatever the compiler") {
  tg::Rng rng(42);
  const tg::Sequential net{tg::Linear(2, 8, rng), tg::Tanh(), tg::Linear(8, 1, rng)};
  CHECK(net.at<tg::Linear>(0).weight.value()(0, 0) == doctest::Approx(0.444495).scale(0).epsilon(1e-6));
  CHECK(net.at<tg::Linear>(2).weight.value()(0, 0) == doctest::Approx(0.223334).scale(0).epsilon(3e-6));
  tg::Rng same(42);
  const tg::Residual block{tg::Linear(2, 8, same), tg::Linear(8, 2, same)};
  CHECK(block.parameters()[0].value() == net.at<tg::Linear>(0).weight.value());
}

TEST_CASE("mlp: the numbers of a Sequential with braces") {
  tg::Rng rng(42);
  const tg::Matrix x{{0.5F, -1}, {2, 0.25F}};
  tg::Sequential net = tg::mlp({2, 8, 1}, tg::Tanh(), rng);
  tg::Rng same(42);
  tg::Sequential by_hand{tg::Linear(2, 8, same), tg::Tanh(), tg::Linear(8, 1, same)};
  CHECK(net.predict(x) == by_hand.predict(x));
  CHECK(rng.bits() == same.bits());
}

TEST_CASE("mlp: float and double, qualified or with a using directive") {
  tg::Rng rng(42);
  tg::Sequential net = tg::mlp<float>({2, 8, 1}, tg::Tanh(), rng);
  tg::Rng same(42);
  using namespace tapegrad::f64;
  Sequential twin = mlp({2, 8, 1}, tg::Tanh(), same);
  CHECK(twin.at<Linear>(0).weight.value().cast<float>() == net.at<tg::Linear>(0).weight.value());
}

TEST_CASE("mlp: refuses sizes that make no network") {
  CHECK(error_of({}) == "[mlp] needs at least 2 sizes, got 0");
  CHECK(error_of({784}) == "[mlp] needs at least 2 sizes, got 1");
  CHECK(error_of({784, 0, 10}) == "[mlp] sizes must be at least 1, got 0");
  CHECK(error_of({4294967295, 4294967295}) == "[linear] no memory for 4294967295x4294967295 numbers");
  CHECK(error_of({tg::Index{1} << 62, 3}) == "[mlp] too large a size: 4611686018427387904");
}
