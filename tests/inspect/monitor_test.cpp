#include "tapegrad/inspect/monitor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "tapegrad/tapegrad.h"

namespace {

namespace tg = tapegrad::f64;
using tg::Index;
using Rows = std::vector<std::vector<double>>;

/** A user's own activation: sin 2x, with sup|f′| = 2 and no facts of its own. */
struct Wave {
  static constexpr std::string_view name = "wave";
  template <class X> static X value(const X& x) { return tg::sin(2 * x); }
  template <class X> static X vjp(const X& g, const X& x, const X&) { return 2 * g * tg::cos(2 * x); }
};

void check_near(double a, double b) { CHECK(std::abs(a - b) <= 1e-10 * std::abs(b) + 1e-13); }

Rows to_rows(const tg::Matrix& m) {
  Rows rows;
  for (Index r = 0; r < m.rows(); ++r) {
    rows.emplace_back();
    for (Index c = 0; c < m.cols(); ++c) rows.back().push_back(m(r, c));
  }
  return rows;
}

/** x·Wᵀ + b, one number at a time. */
Rows affine(const Rows& x, const Rows& w, const Rows& b) {
  Rows z(x.size(), std::vector<double>(w.size()));
  for (std::size_t r = 0; r < x.size(); ++r)
    for (std::size_t u = 0; u < w.size(); ++u) {
      z[r][u] = b[0][u];
      for (std::size_t i = 0; i < x[r].size(); ++i) z[r][u] += x[r][i] * w[u][i];
    }
  return z;
}

Rows mapped(const Rows& x, const std::function<double(double)>& f) {
  Rows y = x;
  for (auto& row : y)
    for (double& v : row) v = f(v);
  return y;
}

struct Moments {
  double mean = 0, std = 0, rms = 0;
};

Moments moments(const Rows& rows) {
  double n = 0, sum = 0, squares = 0;
  for (const auto& row : rows)
    for (const double v : row) {
      n += 1;
      sum += v;
      squares += v * v;
    }
  double deviations = 0;
  for (const auto& row : rows)
    for (const double v : row) deviations += (v - sum / n) * (v - sum / n);
  return {sum / n, std::sqrt(deviations / n), std::sqrt(squares / n)};
}

/** √(mean over the columns of their variance over the rows). */
double sample_std(const Rows& rows) {
  double variance = 0;
  for (std::size_t c = 0; c < rows[0].size(); ++c) {
    Rows column;
    for (const auto& row : rows) column.push_back({row[c]});
    variance += std::pow(moments(column).std, 2);
  }
  return std::sqrt(variance / static_cast<double>(rows[0].size()));
}

double norm(const Rows& rows) {
  double squares = 0;
  for (const auto& row : rows)
    for (const double v : row) squares += v * v;
  return std::sqrt(squares);
}

/** What the monitor must say of a layer, computed from the definitions. */
void check_layer(const tg::LayerStep& step, const Rows& z, const Rows& y, const Rows& dz, const Rows& dy,
                 const Rows& next_dz, const std::function<double(double)>& slope, double sup) {
  check_near(step.z_mean, moments(z).mean);
  check_near(step.z_std, moments(z).std);
  check_near(step.mean, moments(y).mean);
  check_near(step.std, moments(y).std);
  check_near(step.gradient_rms, moments(dz).rms);
  check_near(step.weight_factor, moments(dy).rms / moments(next_dz).rms);
  check_near(step.slope_factor, moments(dz).rms / moments(dy).rms);
  double low = 0, high = 0, dead = 0, asleep = 0;
  const auto units = static_cast<double>(z[0].size());
  for (std::size_t u = 0; u < z[0].size(); ++u) {
    double steepest = 0;
    for (const auto& row : z) {
      const double size = std::abs(slope(row[u]));
      steepest = std::max(steepest, size);
      if (size < 0.1 * sup) (row[u] <= 0 ? low : high) += 1;
    }
    dead += steepest == 0;
    asleep += steepest < 0.001 * sup;
  }
  check_near(step.saturated_low, low / (units * static_cast<double>(z.size())));
  check_near(step.saturated_high, high / (units * static_cast<double>(z.size())));
  check_near(step.dead_batch, dead / units);
  check_near(step.asleep, asleep / units);
}

TEST_CASE("monitor: every figure agrees with a slow computation, also for a user's activation") {
  tg::Rng rng(5);
  const double lr = 0.05;
  tg::Sequential net{tg::Linear(3, 7, rng), tg::Relu(), tg::Linear(7, 5, rng), Wave(), tg::Linear(5, 2, rng)};
  net.at<tg::Linear>(0).bias.mutable_value()(0, 2) = -50;  // one dead unit, so that the shares are not all zero
  tg::Sgd sgd(net.parameters(), {.lr = lr});
  tg::Monitor monitor(net, {.histogram_every = 1});
  tg::Matrix x(17, 3);
  tg::Matrix t(17, 2);
  for (double& v : x.reshaped()) v = rng.normal(0, 2);
  for (double& v : t.reshaped()) v = rng.normal();
  const auto relu = [](double v) { return v > 0 ? v : 0; };
  const auto relu_slope = [](double v) { return v > 0 ? 1.0 : 0.0; };
  const auto wave = [](double v) { return std::sin(2 * v); };
  const auto wave_slope = [](double v) { return 2 * std::cos(2 * v); };

  tg::Tape tape;
  for (int s = 0; s < 12; ++s) {
    const auto& p = net.parameters();
    Rows w[3], b[3];
    for (std::size_t l = 0; l < 3; ++l) {
      w[l] = to_rows(p[2 * l].value());
      b[l] = to_rows(p[2 * l + 1].value());
    }
    tape.reset();
    const tg::Var loss = tg::mse(net(tape.input(x)), t);
    loss.backward();
    sgd.step();
    monitor.step(loss, {.lr = lr});

    const Rows in = to_rows(x);
    const Rows z1 = affine(in, w[0], b[0]), y1 = mapped(z1, relu);
    const Rows z2 = affine(y1, w[1], b[1]), y2 = mapped(z2, wave);
    const Rows out = affine(y2, w[2], b[2]);
    Rows d_out = out;
    for (std::size_t r = 0; r < out.size(); ++r)
      for (std::size_t c = 0; c < 2; ++c)
        d_out[r][c] = 2 * (out[r][c] - t(static_cast<Index>(r), static_cast<Index>(c))) / 34;
    const auto back = [](const Rows& g, const Rows& weights) {
      Rows d(g.size(), std::vector<double>(weights[0].size()));
      for (std::size_t r = 0; r < g.size(); ++r)
        for (std::size_t u = 0; u < weights.size(); ++u)
          for (std::size_t i = 0; i < weights[u].size(); ++i) d[r][i] += g[r][u] * weights[u][i];
      return d;
    };
    const auto times = [](Rows a, const Rows& f) {
      for (std::size_t r = 0; r < a.size(); ++r)
        for (std::size_t c = 0; c < a[r].size(); ++c) a[r][c] *= f[r][c];
      return a;
    };
    const Rows dy2 = back(d_out, w[2]), dz2 = times(dy2, mapped(z2, wave_slope));
    const Rows dy1 = back(dz2, w[1]), dz1 = times(dy1, mapped(z1, relu_slope));

    const tg::RunRecord& record = monitor.record();
    REQUIRE(record.layers.size() == 3);
    check_layer(record.layers[0].steps.back(), z1, y1, dz1, dy1, dz2, relu_slope, 1);
    check_layer(record.layers[1].steps.back(), z2, y2, dz2, dy2, d_out, wave_slope, 2);
    CHECK(record.layers[1].activation == "wave");
    check_near(record.layers[1].facts.sup_slope, 2);
    check_near(record.layers[2].steps.back().gradient_rms, moments(d_out).rms);
    check_near(record.layers[2].steps.back().mean, moments(out).mean);
    check_near(record.layers[2].steps.back().sample_std, sample_std(out));
    check_near(record.loss.back().loss, loss.item());
    if (s == 0) {
      check_near(record.input_mean, moments(in).mean);
      check_near(record.input_std, moments(in).std);
    }

    Rows dw1(7, std::vector<double>(3));
    for (std::size_t r = 0; r < in.size(); ++r)
      for (std::size_t u = 0; u < 7; ++u)
        for (std::size_t i = 0; i < 3; ++i) dw1[u][i] += dz1[r][u] * in[r][i];
    const tg::ParameterStep& weight = record.parameters[0].steps.back();
    CHECK(record.parameters[0].path == "0.weight");
    check_near(weight.weight_norm, norm(w[0]));
    check_near(weight.gradient_norm, norm(dw1));
    CHECK(std::abs(weight.update_norm - lr * norm(dw1)) <= 1e-9 * weight.update_norm + 1e-13);
    CHECK(std::abs(weight.update_ratio - lr * norm(dw1) / norm(w[0])) <= 1e-9 * weight.update_ratio + 1e-13);

    const tg::Histogram& zs = record.layers[0].z_histograms.back().second;
    Index total = zs.underflow + zs.overflow, below = 0;
    for (const auto count : zs.counts) total += count;
    for (const auto& row : z1)
      for (const double v : row) below += v < zs.low;
    CHECK(total == 17 * 7);
    CHECK(static_cast<Index>(zs.underflow) == below);
    CHECK(below >= 17);
    const tg::Histogram& gradients = record.parameters[0].gradient_histograms.back().second;
    CHECK(gradients.zeros >= 3);  // the row of the dead unit
    total = gradients.zeros + gradients.underflow + gradients.overflow;
    for (const auto count : gradients.counts) total += count;
    CHECK(total == 21);
  }
}

/** A layer of ReLU units that are on for every input of the batch, until their bias is set to −100. */
struct Switchboard {
  tg::Rng rng{1};
  tg::Sequential net{tg::Linear(2, 6, rng, {.weight_init = tg::constant(1), .bias_init = tg::constant(0.5)}),
                     tg::Relu(), tg::Linear(6, 1, rng)};
  tg::Matrix x = tg::Matrix::Constant(4, 2, 1);
  tg::Matrix t = tg::Matrix::Zero(4, 1);
  tg::Tape tape;
  tg::Matrix& bias() { return net.at<tg::Linear>(0).bias.mutable_value(); }
  void step(
      tg::Monitor& monitor, double lr = 0, const std::function<void()>& update = [] {}) {
    tape.reset();
    const tg::Var loss = tg::mse(net(tape.input(x)), t);
    loss.backward();
    update();
    monitor.step(loss, {.lr = lr});
  }
};

TEST_CASE("monitor: deaths and revivals are found where they happen, and nowhere else") {
  Switchboard s;
  s.bias()(0, 4) = -100;  // dead at birth
  tg::Monitor monitor(s.net, {.every = 1, .firing_every = 10, .confirm_after = 5});
  for (int i = 0; i < 40; ++i) {
    s.tape.reset();
    const tg::Var loss = tg::mse(s.net(s.tape.input(s.x)), s.t);
    loss.backward();
    if (i == 7) s.bias()(0, 1) -= 100;   // dies in update 7: off from step 8 on
    if (i == 12) s.bias()(0, 2) -= 100;  // off for 3 steps only: not a death
    if (i == 15) s.bias()(0, 2) += 100;
    if (i == 29) s.bias()(0, 1) += 100;  // fires again in step 30
    monitor.step(loss, {.lr = 0.25});
  }
  const tg::LayerRecord& layer = monitor.record().layers[0];
  REQUIRE(layer.deaths.size() == 2);
  const tg::Death& born = layer.deaths[0];
  CHECK(born.unit == 4);
  CHECK(born.step == 0);
  CHECK(born.at_initialization);
  CHECK(!born.revived);
  CHECK(born.cause == "off on the first batch, before any update");
  const tg::Death& death = layer.deaths[1];
  CHECK(death.unit == 1);
  CHECK(death.step == 8);
  CHECK(!death.at_initialization);
  CHECK(death.revived == 30);
  CHECK(death.bias_jump == -100);
  CHECK(death.weight_jump == 0);
  CHECK(death.lr == 0.25);
  CHECK(death.gradient_norm > 0);
  CHECK(death.cause == "its own weights had not moved: the layers below had");
  CHECK(layer.dead_since == std::vector<Index>{-1, -1, -1, -1, 0, -1});

  const auto at = [&](Index step) { return layer.steps[static_cast<std::size_t>(step)]; };
  CHECK(at(3).dead_batch == 1.0 / 6);
  CHECK(at(4).dead_since == 0);  // not yet confirmed
  CHECK(at(5).dead_since == 1.0 / 6);
  CHECK(at(8).dead_batch == 2.0 / 6);
  CHECK(at(12).dead_since == 1.0 / 6);
  CHECK(at(13).dead_batch == 3.0 / 6);
  CHECK(at(13).dead_since == 2.0 / 6);
  CHECK(at(30).dead_batch == 1.0 / 6);
  CHECK(at(30).dead_since == 1.0 / 6);

  REQUIRE(layer.firing_rates.size() == 4);
  CHECK(layer.firing_rates[0].first == 9);
  CHECK(layer.firing_rates[0].second == std::vector<double>{1, 0.8, 1, 1, 0, 1});
  CHECK(layer.firing_rates[1].second == std::vector<double>{1, 0, 0.7, 1, 0, 1});
  CHECK(layer.firing_rates[3].second == std::vector<double>{1, 1, 1, 1, 0, 1});
}

TEST_CASE("monitor: the three horizons of dead are kept apart") {
  Switchboard s;
  tg::Monitor monitor(s.net, {.every = 1, .confirm_after = 3, .steps_per_epoch = 4});
  for (int i = 0; i < 8; ++i) {
    if (i == 2) s.bias()(0, 0) = -100;
    s.step(monitor);
  }
  const auto& steps = monitor.record().layers[0].steps;
  const auto series = [&](double tg::LayerStep::*member) {
    std::vector<double> values;
    for (const tg::LayerStep& step : steps) values.push_back(std::round(6 * step.*member));
    return values;
  };
  CHECK(series(&tg::LayerStep::dead_batch) == std::vector<double>{0, 0, 1, 1, 1, 1, 1, 1});
  CHECK(series(&tg::LayerStep::dead_epoch) == std::vector<double>{0, 0, 0, 0, 1, 1, 1, 1});
  CHECK(series(&tg::LayerStep::dead_since) == std::vector<double>{0, 0, 0, 0, 0, 1, 1, 1});
}

TEST_CASE("monitor: a death is confirmed by looks, however many steps lie between them") {
  Switchboard s;
  s.bias()(0, 4) = -100;
  tg::Monitor monitor(s.net, {.every = 10, .confirm_after = 3});
  for (int i = 0; i < 30; ++i) s.step(monitor);  // looks at 0, 10, 20
  const tg::LayerRecord& layer = monitor.record().layers[0];
  CHECK(layer.deaths.empty());
  CHECK(layer.dead_since[4] == -1);
  CHECK(layer.steps.back().dead_since == 0);
  s.step(monitor);  // step 30
  REQUIRE(layer.deaths.size() == 1);
  CHECK(layer.deaths[0].unit == 4);
  CHECK(layer.deaths[0].step == 0);
  CHECK(layer.dead_since[4] == 0);
  check_near(layer.steps.back().dead_since, 1.0 / 6);
}

TEST_CASE(
    "monitor: by default it looks often at first, and at every step while a unit that went off is not yet dead") {
  Switchboard s;
  tg::Monitor monitor(s.net, {.confirm_after = 10});
  const auto until = [&](Index step) {
    while (monitor.steps() < step) s.step(monitor, 0.5);
  };
  until(1999);
  s.step(monitor, 0.5, [&] { s.bias()(0, 1) -= 100, s.bias()(0, 2) -= 200; });  // update 1999 turns two units off
  const tg::LayerRecord& layer = monitor.record().layers[0];
  std::vector<Index> looks, expected;
  for (const tg::LayerStep& step : layer.steps) looks.push_back(step.step);
  for (Index step = 0; step < 2000; step += step < 20     ? 1
                                            : step < 100  ? 5
                                            : step < 300  ? 10
                                            : step < 1000 ? 25
                                                          : 50)
    expected.push_back(step);
  CHECK(looks == expected);
  CHECK(monitor.record().looks == static_cast<Index>(looks.size()));
  CHECK(monitor.record().parameters[0].steps.size() == looks.size());
  CHECK(layer.z_histograms.size() == 12);            // 0, 8, 16, 40, 80, 160, 240, 400, 600, 800, 1200, 1600
  CHECK(monitor.record().loss.back().step == 1999);  // the loss is known in every step

  until(2005);
  s.step(monitor, 0.5, [&] { s.bias()(0, 2) += 200; });  // one of them is on again after 6 steps
  until(2010);
  CHECK(layer.deaths.empty());
  until(2011);  // off at 2000, and at ten further steps
  REQUIRE(layer.deaths.size() == 1);
  CHECK(layer.deaths[0].unit == 1);
  CHECK(layer.deaths[0].step == 2000);
  CHECK(layer.deaths[0].updates == 50);
  CHECK(layer.deaths[0].bias_jump == -100);
  CHECK(layer.dead_since == std::vector<Index>{-1, 2000, -1, -1, -1, -1});
  CHECK(layer.steps.back().step == 2000);  // nothing but these units was looked at
  CHECK(layer.steps.back().dead_since == 0);
  until(2051);
  check_near(layer.steps.back().dead_batch, 1.0 / 6);
  check_near(layer.steps.back().dead_since, 1.0 / 6);

  s.bias()(0, 1) += 100;
  until(2101);
  CHECK(layer.deaths[0].revived == 2100);
}

TEST_CASE(
    "monitor: what two looks lie apart is said of a death, and a loss that blows up is looked at in every step") {
  Switchboard s;
  tg::Monitor monitor(s.net, {.confirm_after = 0});
  for (int step = 0; step < 1049; ++step) s.step(monitor);
  s.step(monitor, 0, [&] { s.net.at<tg::Linear>(0).weight.mutable_value().row(3) *= -7; });
  s.step(monitor);  // looks, at step 1050
  REQUIRE(monitor.record().layers[0].deaths.size() == 1);
  CHECK(monitor.record().layers[0].deaths[0].cause ==
        "a jump: the 50 updates before moved its weights by 8 times their size");
  s.net.at<tg::Linear>(2).bias.mutable_value()(0, 0) += 100;  // of the step without an update in between
  for (int step = 0; step < 5; ++step) s.step(monitor);
  const auto& steps = monitor.record().layers[0].steps;
  CHECK(steps[steps.size() - 2].step == 1054);
  CHECK(steps.back().step == 1055);
  s.t(0, 0) = std::nan("");
  s.step(monitor);
  CHECK(monitor.record().nan_step == 1056);
}

TEST_CASE("monitor: a saturated sigmoid is asleep, not dead") {
  tg::Rng rng(2);
  tg::Sequential net{tg::Linear(2, 3, rng, {.weight_init = tg::constant(0), .bias_init = tg::zeros()}),
                     tg::Sigmoid(), tg::Linear(3, 1, rng)};
  net.at<tg::Linear>(0).bias.mutable_value() << 30, -30, 0;
  tg::Monitor monitor(net);
  tg::Tape tape;
  const tg::Var loss = tg::mean(net(tape.input(tg::Matrix::Ones(5, 2))));
  loss.backward();
  monitor.step(loss);
  const tg::LayerStep& step = monitor.record().layers[0].steps.back();
  check_near(step.saturated_high, 1.0 / 3);
  check_near(step.saturated_low, 1.0 / 3);
  CHECK(step.dead_batch == 0);
  check_near(step.asleep, 2.0 / 3);
}

TEST_CASE("monitor: every k-th step measures the update of that step alone, and long runs are thinned evenly") {
  Switchboard s;
  tg::Monitor monitor(s.net, {.every = 5, .most_records = 8});
  for (int i = 0; i < 203; ++i) {
    s.tape.reset();
    const tg::Var loss = tg::mse(s.net(s.tape.input(s.x)), s.t);
    loss.backward();
    s.net.at<tg::Linear>(2).bias.mutable_value()(0, 0) += i;  // update i moves it by i
    monitor.step(loss);
  }
  CHECK(monitor.steps() == 203);
  const auto& steps = monitor.record().parameters[3].steps;
  CHECK(steps.size() <= 8);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CHECK(steps[i].update_norm == static_cast<double>(steps[i].step));
    if (i + 1 < steps.size()) CHECK(steps[i].step == static_cast<Index>(40 * i));
  }
  CHECK(steps.back().step == 200);
  CHECK(monitor.record().loss.size() == monitor.record().layers[0].steps.size());
}

TEST_CASE("monitor: how much the output varies over the samples, also behind a last activation; unknown of one") {
  tg::Rng rng(4);
  tg::Sequential net{tg::Linear(2, 3, rng), tg::Sigmoid()};
  const tg::Matrix x = (tg::Matrix(3, 2) << 1, 2, -3, 1, 0.5, -1).finished();
  tg::Monitor monitor(net);
  tg::Tape tape;
  for (const Index rows : {3, 1}) {
    tape.reset();
    const tg::Var y = net(tape.input(x.topRows(rows)));
    const tg::Var loss = tg::mean(y);
    loss.backward();
    monitor.step(loss);
    const double seen = monitor.record().layers[0].steps.back().sample_std;
    if (rows == 3)
      check_near(seen, sample_std(to_rows(y.value())));
    else
      CHECK(seen == -1);
  }
  CHECK(monitor.record().layers.back().steps.empty());  // there are no logits
}

TEST_CASE("monitor: a loss that is not finite is noted with its step") {
  Switchboard s;
  tg::Monitor monitor(s.net);
  s.step(monitor);
  s.t(0, 0) = std::nan("");
  s.step(monitor);
  CHECK(monitor.record().nan_step == 1);
}

TEST_CASE("monitor: wrong options and a loss that is no scalar") {
  Switchboard s;
  CHECK_THROWS_WITH_AS(tg::Monitor(s.net, {.every = -1}), "[monitor] every must be at least 0, got -1", tg::Error);
  CHECK_THROWS_WITH_AS(tg::Monitor(s.net, {.steps_per_epoch = -1}),
                       "[monitor] steps_per_epoch must be at least 0, got -1", tg::Error);
  tg::Monitor monitor(s.net);
  const tg::Var y = s.net(s.tape.input(s.x));
  CHECK_THROWS_WITH_AS(monitor.step(y), "[monitor] needs the scalar loss (1x1), variable #7 (linear) is 4x1",
                       tg::Error);
}

TEST_CASE("census: dead on a whole data set, whatever the batch") {
  tg::Rng rng(3);
  tg::Sequential net{tg::Linear(1, 3, rng, {.weight_init = tg::constant(1), .bias_init = tg::zeros()}), tg::Relu(),
                     tg::Linear(3, 1, rng)};
  net.at<tg::Linear>(0).bias.mutable_value() << 0, -8.5, -100;
  tg::Matrix x(10, 1);
  for (Index i = 0; i < 10; ++i) x(i, 0) = static_cast<double>(i);  // unit 1 fires on the last one only
  for (const Index batch : {1, 3, 256}) {
    const auto units = tg::census(net, x, batch);
    REQUIRE(units.size() == 1);
    CHECK(units[0].path == "1");
    CHECK(units[0].dead == std::vector<bool>{false, false, true});
    CHECK(units[0].asleep == std::vector<bool>{false, false, true});
    CHECK(units[0].firing_rate == std::vector<double>{0.9, 0.1, 0});
    check_near(units[0].dead_share(), 1.0 / 3);
  }
}

}  // namespace
