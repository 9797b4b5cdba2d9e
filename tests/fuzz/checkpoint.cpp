#include <tapegrad/io/checkpoint.h>
#include <tapegrad/layers/containers.h>
#include <tapegrad/layers/dropout.h>
#include <tapegrad/layers/linear.h>
#include <tapegrad/layers/normalization.h>
#include <tapegrad/optim/optimizers.h>

#include "input.h"

namespace {

/// A run, made once: that takes longer than to read a file.
struct Run {
  Run() {
    run.add("net", net);
    run.add("sgd", sgd);
    run.add("schedule", schedule);
    run.add("rng", rng);
    run.add("step", step);
    run.add("flag", flag);
    run.add("matrix", matrix);
    run.add("order", order);
    run.add("losses", losses);
    run.add("note", note);
  }
  void begin() {
    step = 7;
    flag = false;
    matrix.resize(0, 0);
    order.clear();
    losses.clear();
    note.clear();
  }
  bool unchanged() const {
    return step == 7 && !flag && matrix.size() == 0 && order.empty() && losses.empty() && note.empty();
  }

  tapegrad::Rng rng{1};
  tapegrad::Sequential net{tapegrad::Linear(2, 1, rng), tapegrad::BatchNorm1d(1), tapegrad::Dropout(0.5, rng)};
  tapegrad::Sgd sgd{net.parameters(), {.lr = 0.5, .momentum = 0.5}};
  const tapegrad::Schedule schedule = tapegrad::ConstantSchedule{0.5};
  int step = 0;
  bool flag = false;
  tapegrad::Matrix matrix;
  std::vector<tapegrad::Index> order;
  std::vector<double> losses;
  std::string note;
  tapegrad::Checkpoint run;
};

}  // namespace

/// The file of a run; one that was refused has changed nothing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Run run;
  const fuzz::File file(fuzz::text(data, size));
  run.begin();
  fuzz::parse([&] {
    try {
      run.run.load(file.path());
    } catch (const tapegrad::Error&) {
      if (!run.unchanged()) std::abort();
      throw;
    }
  });
  return 0;
}
