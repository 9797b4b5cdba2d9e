#include "tapegrad/io/checkpoint.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "tapegrad/core/activations.h"
#include "tapegrad/core/arithmetic.h"
#include "tapegrad/core/losses.h"
#include "tapegrad/io/batches.h"
#include "tapegrad/io/loader.h"
#include "tapegrad/io/toy.h"
#include "tapegrad/io/weights.h"
#include "tapegrad/layers/containers.h"
#include "tapegrad/layers/dropout.h"
#include "tapegrad/layers/linear.h"
#include "tapegrad/layers/normalization.h"
#include "tapegrad/optim/optimizers.h"
#include "tapegrad/optim/snapshot.h"

using namespace tapegrad;
namespace fs = std::filesystem;

namespace {

/// A folder that vanishes with the test.
struct Folder {
  Folder() : path(fs::temp_directory_path() / ("tapegrad-checkpoint-" + std::to_string(getpid()))) {
    fs::create_directory(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  fs::path path;
};

std::string bytes_of(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path, std::ios::binary).rdbuf();
  return all.str();
}

/// What is said when a file is loaded, without "[checkpoint] " and its path.
std::string refusal(const Checkpoint& run, const std::string& path) {
  try {
    run.load(path);
  } catch (const Error& error) {
    const std::string before = "[checkpoint] " + path;
    std::string text = error.what();
    CHECK(text.starts_with(before));
    return text.substr(std::min(before.size(), text.size()));
  }
  return "";
}

/// An optimizer of the user's.
struct Lion {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.99, weight_decay = 0.01;
  static constexpr std::string_view name = "lion";
  OptimizerBuffers buffers() const { return {{"exp_avg"}}; }
  template <class T> void update(const OptimizerUpdate<T>& p) const {
    p.each([*this, rate = p.lr, mean = p.buffer(0)](Pack<T>& w, Pack<T> g, auto at) {
      const Pack<T> m = at.load(mean);
      w = w - rate * sign(lerp(g, m, beta1));
      at.store(mean, lerp(g, m, beta2));
    });
  }
};

/// A schedule of the user's.
struct Zigzag {
  double base_lr = 0.01;
  static constexpr std::string_view name = "zigzag";
  Settings settings() const { return {{"base_lr", base_lr}}; }
  double at(Index step) const { return step % 2 == 0 ? base_lr : base_lr / 2; }
};

template <class T> using MadeOptimizer = std::unique_ptr<BasicOptimizer<T>>;
template <class T> using MakeOptimizer = MadeOptimizer<T> (*)(BasicParameterGroups<T>);

template <class T> const std::vector<MakeOptimizer<T>>& optimizers_of() {
  using Groups = BasicParameterGroups<T>;
  static const std::vector<MakeOptimizer<T>> all{
      [](Groups g) -> MadeOptimizer<T> { return std::make_unique<BasicSgd<T>>(g, SgdOptions{.lr = 0.1}); },
      [](Groups g) -> MadeOptimizer<T> {
        return std::make_unique<BasicSgd<T>>(g, SgdOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.1});
      },
      [](Groups g) -> MadeOptimizer<T> {
        return std::make_unique<BasicSgd<T>>(
            g, SgdOptions{.lr = 0.1, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01});
      },
      [](Groups g) -> MadeOptimizer<T> { return std::make_unique<BasicAdam<T>>(g); },
      [](Groups g) -> MadeOptimizer<T> { return std::make_unique<BasicAdam<T>>(g, AdamOptions{.amsgrad = true}); },
      [](Groups g) -> MadeOptimizer<T> { return std::make_unique<BasicAdamW<T>>(g); },
      [](Groups g) -> MadeOptimizer<T> {
        return std::make_unique<BasicRmsProp<T>>(g, RmsPropOptions{.momentum = 0.5, .centered = true});
      },
      [](Groups g) -> MadeOptimizer<T> {
        return std::make_unique<BasicAdagrad<T>>(g, AdagradOptions{.lr_decay = 0.1});
      },
      [](Groups g) -> MadeOptimizer<T> { return std::make_unique<RuleOptimizer<T, Lion>>(g); }};
  return all;
}

/// A network of every layer that changes in training, and what trains it.
template <class T> struct Run {
  Run(MakeOptimizer<T> make, Schedule rates, std::uint64_t seed)
      : rng(seed),
        net{BasicLinear<T>(4, 16, rng),
            BasicBatchNorm1d<T>(16),
            Prelu(),
            BasicDropout<T>(0.3, rng),
            BasicResidual<T>(BasicLinear<T>(16, 16, rng), Tanh(), BasicDropout<T>(0.2, rng)),
            BasicLayerNorm<T>(16),
            BasicLinear<T>(16, 3, rng)},
        temperature("temperature", BasicMatrix<T>::Ones(1, 1)),
        optimizer(make(std::vector<BasicParameterGroup<T>>{{.parameters = net.parameters()},
                                                           {.parameters = {temperature}, .lr = 0.02}})),
        schedule(std::move(rates)),
        batches(samples, 16, rng.split()),
        shuffle(*batches.rng()),
        noise(rng.split()),
        x(samples, 4) {
    Rng same(3);
    for (Index i = 0; i < samples; ++i) labels.push_back(static_cast<int>(same.below(3)));
    for (T& value : x.reshaped()) value = static_cast<T>(same.normal());
    checkpoint.add("net", net);
    checkpoint.add("optimizer", *optimizer);
    checkpoint.add("schedule", schedule);
    checkpoint.add("shuffle", shuffle);
    checkpoint.add("noise", noise);
    checkpoint.add("batch", batch);
    checkpoint.add("epoch", epoch);
    checkpoint.add("best", best);
    checkpoint.add("losses", losses);
    checkpoint.add("best_output", best_output);
    checkpoint.add("note", note);
    checkpoint.add("samples", samples);
  }

  void train(Index steps) {
    for (;;) {
      *batches.rng() = shuffle;
      Index number = 0;
      for (const auto rows : batches.epoch()) {
        if (number++ < batch) continue;
        if (steps-- == 0) return;
        step(rows);
        ++batch;
      }
      shuffle = *batches.rng();
      ++epoch;
      batch = 0;
    }
  }
  void step(std::span<const Index> rows) {
    std::vector<int> targets;
    gather_labels(labels, rows, targets);
    tape.reset();
    const auto input = tape.input({static_cast<Index>(rows.size()), 4}, [&](T* out) {
      gather_rows(x, rows, out);
      for (std::size_t i = 0; i < rows.size() * 4; ++i) out[i] += static_cast<T>(0.1 * noise.normal());
    });
    const auto logits = net(input) * tape.parameter(temperature);
    const auto loss = cross_entropy(logits, targets);
    loss.backward();
    optimizer->set_lr(schedule.at(optimizer->steps()));
    optimizer->step();
    losses.push_back(static_cast<double>(loss.item()));
    if (losses.back() >= best) return;
    best = losses.back();
    best_output = logits.value();
    note = "best at step " + std::to_string(optimizer->steps());
  }
  std::string bytes(const Folder& folder) const {
    checkpoint.save(folder / "bytes");
    return bytes_of(folder / "bytes");
  }

  static constexpr Index samples = 70;  // the last batch of an epoch is smaller
  Rng rng;
  BasicSequential<T> net;
  BasicParameter<T> temperature;
  MadeOptimizer<T> optimizer;
  Schedule schedule;
  Batches batches;
  Rng shuffle;  ///< as it was before the epoch
  Rng noise;
  Index batch = 0;
  int epoch = 0;
  double best = std::numeric_limits<double>::infinity();
  std::vector<double> losses;
  BasicMatrix<T> best_output;
  std::string note;
  BasicMatrix<T> x;
  std::vector<int> labels;
  BasicTape<T> tape;
  Checkpoint checkpoint;
};

/// Trains without a stop, and with one after `stop` steps in another process, as it were; the same bits?
template <class T> void check_resume(MakeOptimizer<T> make, const Schedule& schedule, Index stop) {
  const Folder folder;
  constexpr Index steps = 23;
  Run<T> whole(make, schedule, 1);
  whole.train(steps);
  const std::string file = folder / "run";
  {
    Run<T> first(make, schedule, 1);
    first.train(stop);
    first.checkpoint.save(file);
  }
  Run<T> second(make, schedule, 99);
  CHECK(second.bytes(folder) != whole.bytes(folder));
  second.checkpoint.load(file);
  second.train(steps - stop);
  CHECK(second.losses == whole.losses);
  CHECK(second.note == whole.note);
  CHECK(second.net.predict(second.x) == whole.net.predict(whole.x));
  CHECK(second.bytes(folder) == whole.bytes(folder));
}

}  // namespace

TEST_CASE_TEMPLATE("checkpoint: a run goes on bitwise as if it had never stopped, with every optimizer", T, float,
                   double) {
  for (const auto make : optimizers_of<T>())
    for (const Index stop : {Index{7}, Index{10}})
      check_resume<T>(make, CosineSchedule{.base_lr = 0.05, .t_max = 30}, stop);
}

TEST_CASE("checkpoint: a run goes on at any step of an epoch, with every schedule") {
  const auto adam = optimizers_of<float>()[3];
  for (Index stop = 0; stop <= 11; ++stop) check_resume<float>(adam, ConstantSchedule{0.01}, stop);
  for (const std::string_view name : schedules()) check_resume<float>(adam, make_schedule(name, 0.05, 23), 8);
  check_resume<float>(adam, Warmup{.then = OneCycle{.max_lr = 0.1, .total_steps = 20}, .steps = 10}, 8);
  check_resume<float>(adam, Zigzag(), 7);
}

TEST_CASE("checkpoint: what is in the file") {
  const Folder folder;
  Rng rng(1);
  Sequential net{Linear(2, 1, rng, {.bias = false}), Dropout(0.5, rng)};
  net.parameter("0.weight").set_value((Matrix(1, 2) << 1, 2).finished());
  auto generators = net.named_generators();
  REQUIRE(generators.size() == 1);
  CHECK(generators[0].first == "1.generator");
  generators[0].second->set_state(
      {.words = {1, 2, 3, std::numeric_limits<std::uint64_t>::max()}, .spare_normal = 1.5, .has_spare = true});
  Sgd sgd(net.parameters(), {.lr = 0.5, .momentum = 0.25});
  const Schedule schedule = Warmup{.then = ConstantSchedule{0.5}, .steps = 4, .start_factor = 0.5};
  Index step = 3;
  bool over = true;
  std::vector<Index> order{2, 0, 1};
  const Index rows = 3;
  const double share = 0.25;
  std::string note = "σ";
  Checkpoint run;
  run.add("net", net);
  run.add("optimizer", sgd);
  run.add("schedule", schedule);
  run.add("step", step);
  run.add("over", over);
  run.add("order", order);
  run.add("rows", rows);
  run.add("share", share);
  run.add("note", note);
  run.save(folder / "run");
  std::string header =
      R"x({"__metadata__":{"tapegrad_checkpoint":"1","net":"sequential(linear(2, 1, bias=0), dropout(0.5))",)x"
      R"x("optimizer":"sgd(momentum=0.25, dampening=0, nesterov=0, weight_decay=0)",)x"
      R"x("schedule":"warmup(steps=4, start_factor=0.5) constant(base_lr=0.5)","rows":"3","share":"0.25","note":"σ"},)x"
      R"("net.0.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
      R"("net.1.generator":{"dtype":"I64","shape":[6],"data_offsets":[8,56]},)"
      R"("optimizer.steps":{"dtype":"I64","shape":[],"data_offsets":[56,64]},)"
      R"("optimizer.lr":{"dtype":"F64","shape":[],"data_offsets":[64,72]},)"
      R"("optimizer.lr_scale.0":{"dtype":"F64","shape":[],"data_offsets":[72,80]},)"
      R"("optimizer.0.momentum_buffer":{"dtype":"F32","shape":[1,2],"data_offsets":[80,88]},)"
      R"("step":{"dtype":"I64","shape":[],"data_offsets":[88,96]},)"
      R"("over":{"dtype":"I64","shape":[],"data_offsets":[96,104]},)"
      R"("order":{"dtype":"I64","shape":[3],"data_offsets":[104,128]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::string bytes = bytes_of(folder / "run");
  REQUIRE(bytes.size() == 8 + header.size() + 128);
  CHECK(bytes.substr(8, header.size()) == header);
  double numbers[16];
  std::memcpy(numbers, bytes.data() + 8 + header.size(), 128);
  CHECK(numbers[5] == 1.5);
  CHECK(numbers[8] == 0.5);
  CHECK(numbers[9] == 1);
  step = 0;
  over = false;
  order = {};
  note = "";
  *generators[0].second = Rng(7);
  run.load(folder / "run");
  CHECK(step == 3);
  CHECK(over);
  CHECK(order == std::vector<Index>{2, 0, 1});
  CHECK(note == "σ");
  CHECK(generators[0].second->state().words[3] == std::numeric_limits<std::uint64_t>::max());
  CHECK(generators[0].second->state().has_spare);
  CHECK(generators[0].second->normal() == 1.5);
}

namespace {

/// A small run with one of everything, and its file.
struct Small {
  Small() {
    run.add("net", net);
    run.add("optimizer", adam);
    run.add("rng", rng);
    run.add("step", step);
    run.add("flag", flag);
    run.add("list", list);
    run.add("matrix", matrix);
    run.add("note", note);
    run.save(path());
  }
  std::string path() const { return folder / "run"; }
  /// What a run with other things says of the file; it is left as it was.
  template <class Add> std::string refused(const Add& add) const {
    Checkpoint other;
    add(other);
    return refusal(other, path());
  }
  Folder folder;
  Rng rng{1};
  Sequential net{Linear(2, 3, rng), Relu(), Dropout(0.5, rng)};
  Adam adam{net.parameters()};
  Index step = 5'000'000'000;
  bool flag = true;
  std::vector<double> list{1, 2};
  Matrix matrix = Matrix::Ones(2, 2);
  std::string note = "a";
  Checkpoint run;
};

/// The same bytes with another header of the same length.
std::string changed(std::string bytes, const std::string& from, const std::string& to) {
  const std::size_t at = bytes.find(from);
  REQUIRE(at != std::string::npos);
  REQUIRE(from.size() == to.size());
  return bytes.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("checkpoint: of another network, optimizer, schedule or scalar, and nothing is changed") {
  Small small;
  Rng rng(2);
  Sequential wider{Linear(2, 4, rng), Relu(), Dropout(0.25, rng)};
  Sgd sgd(wider.parameters(), {.momentum = 0.9});
  const Matrix before = wider.parameters()[0].value();
  Rng other(3);
  const Rng::State state = other.state();
  CHECK(
      small.refused([&](Checkpoint& c) {
        c.add("net", wider);
        c.add("optimizer", sgd);
        c.add("rng", other);
        c.add("step", small.step);
        c.add("flag", small.flag);
        c.add("list", small.list);
        c.add("matrix", small.matrix);
        c.add("note", small.note);
      }) ==
      " does not fit the run: net is sequential(linear(2, 4), relu, dropout(0.25)) here, sequential(linear(2, 3), "
      "relu, "
      "dropout(0.5)) in the file, net.0.weight is 4x2 here, 3x2 in the file, net.0.bias is 1x4 here, 1x3 in the "
      "file, "
      "optimizer is sgd(momentum=0.9, dampening=0, nesterov=0, weight_decay=0) here, adam(beta1=0.9, beta2=0.999, "
      "eps=1e-08, amsgrad=0, weight_decay=0) in the file, optimizer.0.momentum_buffer is missing in the file, "
      "optimizer.1.momentum_buffer is missing in the file, optimizer.0.exp_avg is only in the file, "
      "optimizer.0.exp_avg_sq is only in the file, optimizer.1.exp_avg is only in the file, optimizer.1.exp_avg_sq "
      "is only "
      "in the file");
  CHECK(wider.parameters()[0].value() == before);
  CHECK(other.state() == state);

  const auto with_rest = [&](Checkpoint& c) {
    c.add("rng", small.rng);
    c.add("step", small.step);
    c.add("flag", small.flag);
    c.add("list", small.list);
    c.add("matrix", small.matrix);
    c.add("note", small.note);
  };
  f64::Sequential doubles{f64::Linear(2, 3, rng), Relu(), f64::Dropout(0.5, rng)};
  f64::Adam precise(doubles.parameters(), {.weight_decay = 0.1});
  CHECK(
      small.refused([&](Checkpoint& c) {
        c.add("net", doubles);
        c.add("optimizer", precise);
        with_rest(c);
      }) ==
      " does not fit the run: net.0.weight is F64 here, F32 in the file, net.0.bias is F64 here, F32 in the file, "
      "optimizer is adam(beta1=0.9, beta2=0.999, eps=1e-08, amsgrad=0, weight_decay=0.1) here, adam(beta1=0.9, "
      "beta2=0.999, "
      "eps=1e-08, amsgrad=0, weight_decay=0) in the file, optimizer.0.exp_avg is F64 here, F32 in the file, "
      "optimizer.0.exp_avg_sq is F64 here, F32 in the file, optimizer.1.exp_avg is F64 here, F32 in the file, "
      "optimizer.1.exp_avg_sq is F64 here, F32 in the file");
  const Schedule schedule = CosineSchedule{.t_max = 7};
  const double share = 0.5;
  CHECK(small.refused([&](Checkpoint& c) {
    c.add("net", small.net);
    c.add("optimizer", small.adam);
    with_rest(c);
    c.add("schedule", schedule);
    c.add("share", share);
  }) == " does not fit the run: schedule is missing in the file, share is missing in the file");
}

TEST_CASE("checkpoint: numbers, lists and matrices that do not fit") {
  Small small;
  const auto refused = [&](auto& step, auto& flag, auto& list, auto& matrix, auto& note) {
    return small.refused([&](Checkpoint& c) {
      c.add("net", small.net);
      c.add("optimizer", small.adam);
      c.add("rng", small.rng);
      c.add("step", step);
      c.add("flag", flag);
      c.add("list", list);
      c.add("matrix", matrix);
      c.add("note", note);
    });
  };
  int narrow = 1;
  Matrix empty, longer(1, 3);
  std::size_t unsigned_step = 0;
  float single = 0;
  CHECK(refused(unsigned_step, small.flag, small.list, empty, small.note).empty());
  CHECK(unsigned_step == 5'000'000'000);
  CHECK(refused(single, small.flag, small.list, empty, small.note) ==
        " does not fit the run: step is F64 here, I64 in the file");
  std::vector<double> none;
  CHECK(refused(small.step, small.flag, none, empty, small.note).empty());
  CHECK(none == small.list);
  CHECK(empty == small.matrix);
  CHECK(refused(narrow, small.flag, none, empty, small.note) == ": step is too large here, 5000000000");
  CHECK(refused(small.matrix, small.flag, small.rng, longer, small.note) ==
        " does not fit the run: step is F32 here, I64 in the file, list is I64 here, F64 in the file, matrix is "
        "1x3 here, 2x2 in "
        "the file");
  const std::string other = "b";
  CHECK(refused(small.step, small.flag, none, empty, other) ==
        " does not fit the run: note is b here, a in the file");
  CHECK(refused(small.step, small.note, none, empty, small.flag) ==
        " does not fit the run: flag is missing in the file, note is missing in the file, flag is only in the "
        "file, note is only "
        "in the file");
  CHECK(narrow == 1);

  const std::string bytes = bytes_of(small.path());
  const auto data = [&](const std::string& name, std::size_t size) {  // where its numbers are
    const std::size_t begin = bytes.find("[", bytes.find("data_offsets", bytes.find('"' + name + '"'))) + 1;
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    CHECK(std::stoul(bytes.substr(bytes.find(',', begin) + 1)) - std::stoul(bytes.substr(begin)) == size);
    return 8 + static_cast<std::size_t>(length) + std::stoul(bytes.substr(begin));
  };
  const auto with = [&](const std::string& name, auto value) {
    std::string other_bytes = bytes;
    std::memcpy(other_bytes.data() + data(name, sizeof(value)), &value, sizeof(value));
    std::ofstream(small.path(), std::ios::binary) << other_bytes;
    return refusal(small.run, small.path());
  };
  CHECK(with("flag", std::int64_t{2}) == ": flag is too large here, 2");
  CHECK(with("optimizer.steps", std::int64_t{-1}) == ": optimizer.steps must not be negative, got -1");
  CHECK(with("optimizer.lr", -0.5) == ": optimizer.lr must not be negative, got -0.5");
  CHECK(with("optimizer.lr_scale.0", std::numeric_limits<double>::quiet_NaN()) ==
        ": optimizer.lr_scale.0 must be finite, got nan");
  CHECK(with("flag", std::int64_t{0}).empty());
  CHECK(!small.flag);
}

TEST_CASE("checkpoint: files that are none, or of another version") {
  Small small;
  const std::string not_weights =
      "[weights] " + small.path() +
      ": is a checkpoint of a whole run, which Checkpoint loads; save_weights() writes weights";
  CHECK_THROWS_WITH_AS(load_weights(small.net, small.path()), not_weights.c_str(), Error);
  CHECK_THROWS_WITH_AS(load_network(small.path()), not_weights.c_str(), Error);
  const std::string bytes = bytes_of(small.path());
  const auto put = [&](const std::string& other) { std::ofstream(small.path(), std::ios::binary) << other; };
  put(changed(bytes, R"("tapegrad_checkpoint":"1")", R"("tapegrad_checkpoint":"2")"));
  CHECK(refusal(small.run, small.path()) == ": is of version 2, this library reads version 1");
  put(changed(bytes, R"("tapegrad_checkpoint":"1")", R"("tapegrad_checkpoinx":"1")"));
  CHECK(refusal(small.run, small.path()) == ": is no checkpoint; weights are read by load_weights()");
  put(bytes.substr(0, bytes.size() - 1));
  CHECK(refusal(small.run, small.path()).ends_with(" follow the header"));
  put("");
  CHECK(refusal(small.run, small.path()) == ": holds 0 bytes, a safetensors file at least 8");
  CHECK(refusal(small.run, small.folder / "none") == ": cannot be opened: No such file or directory");
  CHECK_THROWS_WITH_AS(
      small.run.save(small.folder / "no/such"),
      ("[checkpoint] " + (small.folder / "no/such") + ": cannot be written: No such file or directory").c_str(),
      Error);
  CHECK_THROWS_WITH_AS(small.run.add("step", small.flag), "[checkpoint] 'step' is there already", Error);
}

namespace {

struct Inner {
  Rng rng{1};
  Index count = 3;
  const Index size = 4;
  template <class Visit> void each_state(const Visit& visit) {
    visit("rng", rng);
    visit("count", count, SettingDomain::not_negative);
    visit("size", size);
  }
};
struct Thing {
  Inner inner;
  Matrix matrix = Matrix::Ones(1, 2);
  float best = 0.1f;
  template <class Visit> void each_state(const Visit& visit) {
    visit("inner", inner);
    visit("matrix", matrix);
    visit("best", best);
  }
};

}  // namespace

TEST_CASE("checkpoint: two networks, a parameter and a thing of the user's") {
  const Folder folder;
  Rng rng(1);
  Sequential actor{Linear(2, 2, rng)}, critic{Linear(2, 1, rng)};
  const Parameter free("free", Matrix::Constant(1, 1, 7));  // a handle
  Parameter learned("learned", Matrix::Constant(1, 1, 8));
  Sgd sgd({actor.parameters()[0], learned, free}, {.lr = 1});
  Thing thing;
  Checkpoint run;
  run.add("actor", actor);
  run.add("critic", critic);
  run.add("free", free);
  run.add("optimizer", sgd);
  run.add("thing", thing);
  run.save(folder / "run");
  const Matrix weight = critic.parameter("0.weight").value();
  const Rng::State state = thing.inner.rng.state();
  for (Parameter p : {critic.parameter("0.weight"), free, learned}) p.mutable_value().setZero();
  thing.inner.rng.bits();
  thing.inner.count = 0;
  thing.matrix.setZero();
  thing.best = 7;
  run.load(folder / "run");
  CHECK(critic.parameter("0.weight").value() == weight);
  CHECK(free.value()(0) == 7);
  CHECK(learned.value()(0) == 8);
  CHECK(thing.inner.rng.state() == state);
  CHECK(thing.inner.count == 3);
  CHECK(thing.matrix == Matrix::Ones(1, 2));
  CHECK(thing.best == 0.1f);
  thing.inner.count = -1;
  run.save(folder / "run");
  CHECK(refusal(run, folder / "run") == ": thing.inner.count must not be negative, got -1");
  const std::string bytes = bytes_of(folder / "run");
  CHECK(bytes.find("\"optimizer.1.value\"") != std::string::npos);
  CHECK(bytes.find("\"optimizer.2.value\"") == std::string::npos);
}

namespace {

/// Fine-tuning: the first layers are frozen and in eval mode at first, and let go after some steps.
struct FineTuning {
  FineTuning(std::uint64_t seed) : rng(seed) {
    for (const char* path : {"0.weight", "0.bias"}) net.parameter(path).set_requires_grad(false);
    net[1].eval();
    free.set_requires_grad(false);
    run.add("net", net);
    run.add("sgd", sgd);
    run.add("free", free);
    run.add("step", step);
  }
  void train(Index until) {
    for (; step < until; ++step) {
      if (step == 4) {
        net[1].train();
        free.set_requires_grad(true);
        net.parameter("0.bias").set_requires_grad(true);
      }
      if (step == 6) net.parameter("4.weight").set_requires_grad(false);
      if (step == 8) net[3].eval();
      tape.reset();
      cross_entropy(net(tape.input(data.inputs)) * tape.parameter(free), data.labels).backward();
      sgd.step();
    }
  }
  Rng fixed{5};
  Dataset data = two_moons(30, 0.1, fixed);
  Rng rng;
  Sequential net{Linear(2, 8, rng), BatchNorm1d(8), Tanh(), Dropout(0.3, rng), Linear(8, 2, rng)};
  Parameter free{"free", Matrix::Constant(1, 1, 0.5f)}, temperature{"temperature", Matrix::Ones(1, 1)};
  Sgd sgd{[this] {
            std::vector<Parameter> all = net.parameters();
            all.push_back(free);
            all.push_back(temperature);
            return all;
          }(),
          {.lr = 0.5, .momentum = 0.9}};
  Index step = 0;
  Tape tape;
  Checkpoint run;
};

}  // namespace

TEST_CASE("checkpoint: modes of modules and frozen parameters") {
  const Folder folder;
  FineTuning whole(1);
  whole.train(12);
  whole.run.save(folder / "whole");
  for (const Index stop : {0, 3, 4, 5, 6, 7, 9}) {
    CAPTURE(stop);
    FineTuning first(1);
    first.train(stop);
    first.run.save(folder / "run");
    FineTuning second(7);
    second.run.load(folder / "run");
    second.train(12);
    second.run.save(folder / "second");
    CHECK(bytes_of(folder / "second") == bytes_of(folder / "whole"));
  }
  const std::string bytes = bytes_of(folder / "whole");
  for (const char* text :
       {"\"net.3.eval\":\"true\"", "\"net.0.weight.frozen\":\"true\"", "\"net.4.weight.frozen\":\"true\""})
    CHECK(bytes.find(text) != std::string::npos);
  for (const char* name : {"net.eval", "net.1.eval", "net.0.bias.frozen", "free.frozen", "sgd.5.value.frozen"})
    CHECK(bytes.find(name) == std::string::npos);
  whole.temperature.set_requires_grad(false);
  whole.net.eval();
  {
    const EvalScope scope;
    whole.run.save(folder / "run");
  }
  FineTuning other(3);
  other.run.load(folder / "run");
  CHECK_FALSE(other.net.training());
  CHECK_FALSE(other.net[1].training());
  CHECK_FALSE(other.temperature.requires_grad());
  CHECK(other.free.requires_grad());
  // A file that has none of it is of a network that trains all it has.
  Checkpoint plain, again;
  Rng rng(1);
  Sequential net{Linear(2, 1, rng)};
  plain.add("net", net);
  plain.save(folder / "run");
  net.eval();
  net.parameter("0.bias").set_requires_grad(false);
  plain.load(folder / "run");
  CHECK(net.training());
  CHECK(net[0].training());
  CHECK(net.parameter("0.bias").requires_grad());
  const std::string note = "maybe";
  again.add("net", net);
  again.add("net.1.eval", note);
  again.save(folder / "run");
  CHECK(refusal(plain, folder / "run") == " does not fit the run: net.1.eval is only in the file");
}

namespace {

/// A loop as users write it: Loader, gradients of three batches for a step, the mean of the networks, early stopping.
struct Job {
  explicit Job(std::uint64_t seed) : rng(seed) {
    run.add("net", net);
    run.add("adam", adam);
    run.add("rng", rng);
    run.add("loader", loader);
    run.add("gradients", gradients);
    run.add("average", average);
    run.add("stopping", stopping);
    run.add("epoch", epoch);
    run.add("over", over);
  }
  /// So many batches, or up to the end.
  void train(Index count) {
    for (; !over; ++epoch) {
      for (auto& [x, labels] : loader) {
        tape.reset();
        cross_entropy(net(tape.input(x)), labels).backward();
        if (gradients.add()) {
          adam.step();
          average.update();
        }
        if (--count == 0) return;
      }
      const auto no_grad = tape.no_grad();
      const double loss = cross_entropy(tape.input(net.predict(data.inputs)), data.labels).item();
      over = stopping.stop_after(epoch < 3 ? loss : 9);
    }
    stopping.restore();
  }
  Rng fixed{5};
  Dataset data = two_moons(50, 0.1, fixed);
  Rng rng;
  Sequential net{Linear(2, 8, rng), BatchNorm1d(8), Tanh(), Dropout(0.2, rng), Linear(8, 2, rng)};
  Adam adam{net.parameters(), {.lr = 0.02}};
  Loader loader{data, {.batch = 8, .shuffle = rng}};
  GradientMean gradients{net.parameters(), 3};
  WeightAverage average{net, 0.9};
  EarlyStopping stopping{net, {.patience = 2}};
  Index epoch = 0;
  bool over = false;
  Tape tape;
  Checkpoint run;
};

}  // namespace

TEST_CASE("checkpoint: a whole job goes on at any batch") {
  const Folder folder;
  Job whole(1);
  whole.train(-1);
  CHECK(whole.epoch == 5);
  whole.run.save(folder / "whole");
  for (Index stop = 1; stop < 40; stop += 2) {
    Job first(1), second(2);
    first.train(stop);
    first.run.save(folder / "run");
    second.run.load(folder / "run");
    second.train(-1);
    second.run.save(folder / "run");
    CHECK(bytes_of(folder / "run") == bytes_of(folder / "whole"));
  }
}
