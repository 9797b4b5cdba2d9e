// The job that takes PyTorch 56 lines: table_test.sh counts those here.
#include <tapegrad/tapegrad.h>

#include <csignal>
#include <cstdio>
#include <string>

namespace tg = tapegrad::f64;

static volatile std::sig_atomic_t stop = 0;

static double evaluate(const char* name, tg::Module& net, const tg::Dataset& data, bool table = false) {
  const tg::Matrix logits = net.predict(data.inputs);
  tg::Tape tape;
  const double loss = tg::cross_entropy(tape.input(logits), data.labels).item();
  std::printf("%s loss %.17g accuracy %.2f %%\n", name, loss, 100 * tg::accuracy(logits, data.labels));
  if (table)
    std::puts(tg::ConfusionMatrix(tg::argmax(logits), data.labels, data.classes).text(data.class_names).c_str());
  return loss;
}

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "train";
  std::signal(SIGINT, [](int) { stop = 1; });
  const tg::Dataset data = tg::load_csv("trees.csv", {.label = "species", .missing = tg::Missing::mean});
  tg::Rng rng(42);
  auto [train, valid, test] = tg::split(data, {.7, .15, .15}, rng, {.stratified = true});
  const tg::Scaler scaler(train.inputs);
  for (tg::Dataset* part : {&train, &valid, &test}) scaler.apply(part->inputs);
  if (mode == "predict") {
    tg::Sequential net = tg::load_network("model.safetensors");
    return evaluate("test", net, test, true), 0;
  }
  tg::Sequential net{tg::Linear(10, 64, rng), tg::BatchNorm1d(64),     tg::Relu(),
                     tg::Dropout(0.2, rng),   tg::Linear(64, 32, rng), tg::Relu(),
                     tg::Linear(32, 3, rng)};
  tg::Loader loader(train, {.batch = 64, .shuffle = rng, .drop_last = true});
  tg::AdamW adam(net.parameters(), {.lr = 3e-3, .weight_decay = 0.01});
  const tg::Schedule schedule = tg::Warmup{
      .then = tg::CosineSchedule{.base_lr = 3e-3, .t_max = 58 * loader.count()}, .steps = 2 * loader.count()};
  tg::EarlyStopping stopping(net, {.patience = 8});
  int epoch = 0;
  tg::Checkpoint run;
  run.add("net", net), run.add("adam", adam), run.add("schedule", schedule), run.add("stopping", stopping);
  run.add("rng", rng), run.add("loader", loader), run.add("epoch", epoch);
  if (mode == "resume") run.load("run.safetensors");
  tg::Tape tape;
  for (bool over = false; epoch < 60 && !over && !stop;) {
    for (auto& [x, labels] : loader) {
      tape.reset();
      const tg::Var loss = tg::cross_entropy(net(tape.input(x)), labels);
      loss.backward();
      adam.set_lr(schedule.at(adam.steps()));
      adam.step();
    }
    std::printf("epoch %d ", ++epoch);
    over = stopping.stop_after(evaluate("valid", net, valid));
    run.save("run.safetensors");
    if (argc > 2 && epoch == std::stoi(argv[2])) return 130;
  }
  if (stop) return 130;
  stopping.restore();
  evaluate("test", net, test, true);
  tg::save_weights(net, "model.safetensors");
}
