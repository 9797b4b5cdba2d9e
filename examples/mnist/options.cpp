#include "mnist/options.h"

namespace mnist {

tapegrad::MlpOptions Options::mlp() const {
  return {.linear = {.weight_init = tapegrad::initializer(init), .bias_init = tapegrad::zeros()},
          .batch_norm = batch_norm,
          .dropout = dropout};
}

void Options::add_to(CLI::App& app) {
  app.add_option("--data", data, "Folder with the four IDX files, plain or .gz")->capture_default_str();
  app.add_option("--hidden", hidden, "Units of the hidden layers: 128 or 512,512")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--activation", activation, "By name, with settings if any: 'elu(alpha=0.5)'")
      ->capture_default_str();
  app.add_option("--init", init, "Initializer of the weights")->capture_default_str();
  app.add_option("--optimizer", optimizer, "Optimizer")->capture_default_str();
  app.add_option("--lr", lr, "Learning rate")->capture_default_str();
  app.add_option("--schedule", schedule, "Learning rate over time")->capture_default_str();
  app.add_option("--epochs", epochs, "Passes over the data")->check(example::at_least(1))->capture_default_str();
  app.add_option("--batch", batch, "Samples per step")->check(example::at_least(1))->capture_default_str();
  app.add_option("--dropout", dropout, "Probability of dropping a hidden unit")->capture_default_str();
  app.add_flag("--batch-norm", batch_norm, "Batch normalization before every activation");
  app.add_option("--weight-decay", weight_decay, "Weight decay of the optimizer")->capture_default_str();
  app.add_option("--precision", precision, "float or double")
      ->check(CLI::IsMember({"float", "double"}))
      ->capture_default_str();
  app.add_option("--threads", threads, "Threads to compute with")->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--limit", limit, "Use only the first N images; 0 for all")
      ->check(example::at_least(0))
      ->capture_default_str();
  inspect.add_to(app);
  keep.add_to(app);
  example::explain_exit_codes(app);
}

}  // namespace mnist
